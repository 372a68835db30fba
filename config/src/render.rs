//! The configuration file of a new node, with every setting explained in place.
//!
//! It must not know the disk; the caller writes the text.
//!
//! Invariants: what is rendered parses to what was given, with every default as in [`defaults`].

use std::fmt::Write;
use std::net::SocketAddr;

use sinergi_proto::base::ids::AgencyId;

use crate::model::{Peer, bounds, defaults};
use crate::names::{CharterPin, Federation};

/// What a new node's configuration file says beside the defaults.
#[derive(Clone, Debug)]
pub struct NodeFile {
    /// The agency that the node speaks for.
    pub agency: AgencyId,
    /// Its federation.
    pub federation: Federation,
    /// Where peers may dial in.
    pub listen: Option<SocketAddr>,
    /// Hash of the first charter, if there is one already.
    pub pin: Option<CharterPin>,
    /// The agencies to link with.
    pub peers: Vec<Peer>,
}

impl NodeFile {
    /// The file's text.
    pub fn render(&self) -> String {
        [self.identity(), self.charter(), settings(), self.links()].concat()
    }

    fn identity(&self) -> String {
        let listen = match self.listen {
            Some(address) => format!("listen = \"{address}\""),
            None => "# listen = \"0.0.0.0:7443\"".to_owned(),
        };
        format!(
            "# The node of one agency. Check it with `sinergi config check`.\n\
             # A line that begins with '#' shows what holds when nothing is written, or an example.\n\
             \n\
             # Who this node is, as the charter names it.\n\
             agency = \"{}\"\n\
             federation = \"{}\"\n\
             \n\
             # Where peers may dial in. Without it the node only dials out.\n\
             {listen}\n\
             \n\
             # The data directory, relative to this file. Every relative path below is relative to it.\n\
             # data = \"{}\"\n\
             \n",
            self.agency,
            self.federation,
            defaults::DATA
        )
    }

    fn charter(&self) -> String {
        let pin = match self.pin {
            Some(pin) => format!("pin = \"{pin}\""),
            None => format!("# pin = \"{}\"", "0".repeat(64)),
        };
        format!(
            "[charter]\n\
             # directory = \"{}\"\n\
             # SHA-256 of the first charter's text: what this node trusts before it trusts anybody. Compare it with\n\
             # another agency over a second channel. The node does not run without it.\n\
             {pin}\n\
             \n",
            defaults::CHARTER_DIRECTORY
        )
    }

    fn links(&self) -> String {
        let mut text =
            "# The agencies that this node links with. A peer without an endpoint is waited for.\n".to_owned();
        if self.peers.is_empty() {
            text.push_str("# [[peer]]\n# agency = \"prov-jabar\"\n# endpoint = \"sinergi.jabarprov.go.id:7443\"\n");
        }
        for (index, peer) in self.peers.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            let _ = writeln!(text, "{separator}[[peer]]\nagency = \"{}\"", peer.agency);
            if let Some(endpoint) = &peer.endpoint {
                let _ = writeln!(text, "endpoint = \"{endpoint}\"");
            }
        }
        text
    }
}

/// The text of a configuration file with this pin in `[charter]`, everything else as it was. The caller parses what comes
/// back before it replaces the file.
pub fn pin_charter(text: &str, pin: &CharterPin) -> String {
    let setting = format!("pin = \"{pin}\"\n");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(section) = lines.iter().position(|line| line.trim() == "[charter]") else {
        let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return format!("{text}{newline}\n[charter]\n{setting}");
    };
    let length = lines[section + 1..].iter().take_while(|line| !line.starts_with('[')).count();
    let body = &lines[section + 1..section + 1 + length];
    let is_pin =
        |line: &str| line.trim_start().strip_prefix("pin").is_some_and(|rest| rest.trim_start().starts_with('='));
    let place =
        body.iter().position(|line| is_pin(line)).or_else(|| body.iter().position(|line| line.starts_with("# pin =")));
    let (before, after) = match place {
        Some(place) => (section + 1 + place, section + 2 + place),
        None => (section + 1, section + 1),
    };
    [lines[..before].concat(), setting, lines[after..].concat()].concat()
}

/// The sections that a new node leaves at their defaults.
fn settings() -> String {
    let keys = format!(
        "# Signing keys (Ed25519, PKCS#8 PEM, mode 0600), one for each use.\n\
         [keys]\n\
         # entry = \"{}\"\n\
         # checkpoint = \"{}\"\n\
         # time = \"{}\"\n\
         \n\
         # The certificate that peers see; its URI name is spiffe://<federation>/agency/<agency>.\n\
         [tls]\n\
         # certificate = \"{}\"\n\
         # key = \"{}\"\n\
         \n",
        defaults::ENTRY_KEY,
        defaults::CHECKPOINT_KEY,
        defaults::TIME_KEY,
        defaults::TLS_CERTIFICATE,
        defaults::TLS_KEY
    );
    let numbers = format!(
        "# The operator API: a Unix socket; who may open it may operate the node. At most {} bytes.\n\
         [operator]\n\
         # socket = \"{}\"\n\
         \n\
         [ledger]\n\
         # Size at which a file of the ledger is sealed and the next one begun, {} to {} MiB.\n\
         # segment_mib = {}\n\
         \n\
         [store]\n\
         # Cache of the embedded store, {} to {} MiB.\n\
         # cache_mib = {}\n\
         \n\
         [forward]\n\
         # How long the addressee of a forwarded complaint has to accept or return it, {} to {} hours.\n\
         # answer_by_hours = {}\n\
         \n\
         [link]\n\
         # Silence after which a link is taken for dead and made anew, {} to {} seconds. A frame of up to 128 KiB must\n\
         # get through within it: longer for links under 3 KiB/s.\n\
         # idle_seconds = {}\n\
         \n\
         [watch]\n\
         # What this node saw of other agencies' ledgers is committed to in its own, at most so often, {} to {} seconds.\n\
         # witness_seconds = {}\n\
         # Every adjacent agency is audited so often, {} to {} seconds; 0: only by `sinergi audit`.\n\
         # audit_seconds = {}\n\
         \n\
         [log]\n\
         # \"text\" or \"json\"; and what: a level, or levels for parts, as in \"info,sinergi_daemon::peers=debug\".\n\
         # format = \"text\"\n\
         # filter = \"{}\"\n\
         \n\
         [tiles]\n\
         # Where everybody may read the ledger over HTTP as C2SP tlog-tiles: entries, never a text. Without it nowhere.\n\
         # A reverse proxy before it gives HTTPS.\n\
         # listen = \"127.0.0.1:8080\"\n\
         \n\
         [shutdown]\n\
         # How long links and operator calls may take to end, {} to {} seconds.\n\
         # drain_seconds = {}\n\
         \n",
        bounds::SOCKET_PATH_BYTES,
        defaults::SOCKET,
        bounds::SEGMENT_MIB.start(),
        bounds::SEGMENT_MIB.end(),
        defaults::SEGMENT_MIB,
        bounds::CACHE_MIB.start(),
        bounds::CACHE_MIB.end(),
        defaults::CACHE_MIB,
        bounds::ANSWER_BY_HOURS.start(),
        bounds::ANSWER_BY_HOURS.end(),
        defaults::ANSWER_BY_HOURS,
        bounds::IDLE_SECONDS.start(),
        bounds::IDLE_SECONDS.end(),
        defaults::IDLE_SECONDS,
        bounds::WITNESS_SECONDS.start(),
        bounds::WITNESS_SECONDS.end(),
        defaults::WITNESS_SECONDS,
        bounds::AUDIT_SECONDS.start(),
        bounds::AUDIT_SECONDS.end(),
        defaults::AUDIT_SECONDS,
        defaults::LOG_FILTER,
        bounds::DRAIN_SECONDS.start(),
        bounds::DRAIN_SECONDS.end(),
        defaults::DRAIN_SECONDS
    );
    keys + &numbers
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Config;

    fn node(peers: &[(&str, Option<&str>)]) -> NodeFile {
        NodeFile {
            agency: "kota-bandung".parse().unwrap(),
            federation: "lapor.go.id".parse().unwrap(),
            listen: Some("0.0.0.0:7443".parse().unwrap()),
            pin: Some(CharterPin([7; 32])),
            peers: peers
                .iter()
                .map(|(agency, endpoint)| Peer {
                    agency: agency.parse().unwrap(),
                    endpoint: endpoint.map(|endpoint| endpoint.parse().unwrap()),
                })
                .collect(),
        }
    }

    #[test]
    fn what_is_rendered_is_read_back_as_it_was_given() {
        let node = node(&[("prov-jabar", Some("sinergi.jabarprov.go.id:7443")), ("kemendagri", None)]);
        let config = Config::parse(&node.render(), Path::new("sinergid.toml")).expect("rendered");
        assert_eq!(config.agency, node.agency);
        assert_eq!(config.federation, node.federation);
        assert_eq!(config.listen, node.listen);
        assert_eq!(config.charter.pin, node.pin);
        assert_eq!(config.peers, node.peers);
    }

    #[test]
    fn a_pin_is_set_where_it_belongs_and_nothing_else_changes() {
        let pin = CharterPin([9; 32]);
        let without = NodeFile { pin: None, ..node(&[("prov-jabar", None)]) };
        let with = NodeFile { pin: Some(pin), ..without.clone() };
        assert_eq!(pin_charter(&without.render(), &pin), with.render());
        assert_eq!(pin_charter(&node(&[("prov-jabar", None)]).render(), &pin), with.render());
        let smallest = "agency = \"ksp\"\nfederation = \"lapor.go.id\"";
        for text in [smallest.to_owned(), format!("{smallest}\n[charter]\n[store]\ncache_mib = 16\n")] {
            let config = Config::parse(&pin_charter(&text, &pin), Path::new("sinergid.toml")).expect("still whole");
            assert_eq!(config.charter.pin, Some(pin));
        }
    }

    #[test]
    fn a_rendered_comment_shows_the_value_that_holds_without_it() {
        const EXAMPLES: [&str; 3] = ["endpoint", "prov-", "127.0.0.1:8080"];
        let plain = node(&[]).render();
        let settings: String = plain
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(setting)
                    if setting.contains(" = ") && !EXAMPLES.iter().any(|example| setting.contains(example)) =>
                {
                    format!("{setting}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        assert_ne!(plain, settings);
        let path = Path::new("/srv/node/sinergid.toml");
        assert_eq!(Config::parse(&settings, path).expect("uncommented"), Config::parse(&plain, path).expect("plain"));
    }
}

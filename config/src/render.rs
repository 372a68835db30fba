//! The configuration file of a new node: the documented example with the node's own values in it.
//!
//! It must not know the disk; the caller writes the text.
//!
//! Invariants: the rendered text parses to the given values, with defaults for all other settings.

use std::fmt::Write;
use std::net::SocketAddr;

use sinergi_proto::base::ids::AgencyId;

use crate::model::Peer;
use crate::names::{CharterPin, Federation};

/// The documented example. Only this file explains the settings.
const EXAMPLE: &str = include_str!("../examples/sinergid.toml");
/// The first line of each peer.
const PEER: &str = "[[peer]]";

/// The values of a new node's configuration file that have no default.
#[derive(Clone, Debug)]
pub struct NodeFile {
    /// The agency that the node speaks for.
    pub agency: AgencyId,
    /// Its federation.
    pub federation: Federation,
    /// The address where peers can dial the node.
    pub listen: Option<SocketAddr>,
    /// Hash of the first charter, if the node has one already.
    pub pin: Option<CharterPin>,
    /// The agencies to link with.
    pub peers: Vec<Peer>,
}

impl NodeFile {
    /// The text of the file: the example with this node's values. All other settings are comments.
    pub fn render(&self) -> String {
        let (_, settings) = EXAMPLE.split_once("\n\n").expect("a paragraph about the example comes first");
        let (settings, peers) = settings.split_at(settings.find(PEER).expect("the peers come last"));
        let mut text = format!(
            "# The node of {} in the federation {}.\n\
             #\n\
             # A setting after a '#' shows its default, unless the comment says \"an example\".\n\
             # Check this file with `sinergi config check --node DIR`. Unknown settings are refused.\n\
             \n",
            self.agency, self.federation
        );
        let mut section = "";
        for line in settings.lines() {
            let name = line.split_once(" = ").map(|(name, _)| name).filter(|name| !name.starts_with('#'));
            if line.starts_with('[') {
                section = line;
            }
            let _ = match name.map(|name| (name, self.value(section, name))) {
                None => writeln!(text, "{line}"),
                Some((name, Some(value))) => writeln!(text, "{name} = \"{value}\""),
                Some((_, None)) => writeln!(text, "# {line}"),
            };
        }
        text + &self.peers(peers)
    }

    /// This node's value of a setting, if it has one.
    fn value(&self, section: &str, name: &str) -> Option<String> {
        match (section, name) {
            ("", "agency") => Some(self.agency.to_string()),
            ("", "federation") => Some(self.federation.to_string()),
            ("", "listen") => self.listen.map(|address| address.to_string()),
            ("[charter]", "pin") => self.pin.map(|pin| pin.to_string()),
            _ => None,
        }
    }

    fn peers(&self, example: &str) -> String {
        if self.peers.is_empty() {
            return example.lines().map(|line| format!("{}\n", format!("# {line}").trim_end())).collect();
        }
        let peers = self.peers.iter().map(|peer| {
            let endpoint = peer.endpoint.as_ref().map(|endpoint| format!("endpoint = \"{endpoint}\"\n"));
            format!("{PEER}\nagency = \"{}\"\n{}", peer.agency, endpoint.unwrap_or_default())
        });
        peers.collect::<Vec<_>>().join("\n")
    }
}

/// The text of a configuration file with this pin in `[charter]`, and everything else unchanged. The caller must parse the result
/// before it replaces the file with it.
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Config, bounds};

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
    fn a_commented_setting_shows_its_default_unless_it_is_an_example() {
        let plain = node(&[("prov-jabar", None)]).render();
        let mut settings = String::new();
        for block in plain.split_inclusive("\n\n") {
            let mut is_example = false;
            for line in block.split_inclusive('\n') {
                is_example |= line.contains("an example");
                match line.strip_prefix("# ").filter(|setting| setting.contains(" = ")) {
                    Some(setting) if !is_example => settings.push_str(setting),
                    _ => settings.push_str(line),
                }
            }
        }
        for shown in ["data", "directory", "entry", "certificate", "socket", "cache_mib", "drain_seconds"] {
            assert!(
                settings.contains(&format!("\n{shown} = ")) && !settings.contains(&format!("\n# {shown} = ")),
                "{shown}"
            );
        }
        let path = Path::new("/srv/node/sinergid.toml");
        assert_eq!(Config::parse(&settings, path).expect("uncommented"), Config::parse(&plain, path).expect("plain"));
    }

    #[test]
    fn the_example_says_the_bounds_of_every_number() {
        let bounds = [
            ("segment_mib", bounds::SEGMENT_MIB),
            ("reserve_mib", bounds::RESERVE_MIB),
            ("cache_mib", bounds::CACHE_MIB),
            ("answer_by_hours", bounds::ANSWER_BY_HOURS),
            ("idle_seconds", bounds::IDLE_SECONDS),
            ("witness_seconds", bounds::WITNESS_SECONDS),
            ("audit_seconds", bounds::AUDIT_SECONDS),
            ("drain_seconds", bounds::DRAIN_SECONDS),
        ];
        let is_number = |line: &&str| line.split_once(" = ").is_some_and(|(_, value)| value.parse::<i64>().is_ok());
        assert_eq!(EXAMPLE.lines().filter(is_number).count(), bounds.len());
        for (name, bounds) in bounds {
            let (before, _) = EXAMPLE.split_once(&format!("\n{name} = ")).expect(name);
            let comment = before.rsplit(['=', ']']).next().expect("a comment");
            let said = format!(" {} to {}", bounds.start(), bounds.end());
            assert!(comment.contains(&said), "{name}: {said} is not in {comment}");
        }
        assert!(EXAMPLE.contains(&format!("at most {} bytes", bounds::SOCKET_PATH_BYTES)));
    }
}

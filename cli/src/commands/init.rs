//! `sinergi init`: creates a node's folder: keys, a pilot authority and certificate, the configuration, and the agency's block for the charter.
//!
//! Invariants:
//! - no existing file is overwritten, and all arguments are checked before the first file is written;
//! - the configuration is written last, so a folder with a configuration is complete.

mod charter;
mod member;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use sinergi_config::{CharterPin, Config, Endpoint, Federation, NodeFile, Peer, defaults};
use sinergi_daemon::storage::keys::{self, KeyError, SigningKeys};
use sinergi_daemon::storage::mark;
use sinergi_proto::base::ids::{AgencyId, Epoch};
use sinergi_proto::transparency::rollback_guard::Extent;

use super::pki::{AUTHORITY_CERTIFICATE, AUTHORITY_KEY, write_pair};
use crate::failure::Failure;
use crate::options::Context;
use crate::pki::{AUTHORITY_DAYS, Authority, NODE_DAYS, NodeCertificate, NodeName};

pub use charter::adopt_first_charter;
pub use member::{Kind, MemberDetails};

/// The file with the agency's block for the charter, in the node's folder.
pub const MEMBER_FILE: &str = "member.toml";

/// Options of `init`.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// The agency that the node speaks for, as in kota-bandung
    #[arg(long, value_name = "ID")]
    pub agency: AgencyId,
    /// The federation, as in lapor.go.id
    #[arg(long, value_name = "NAME")]
    pub federation: Federation,
    /// Address on which peers dial in, as in 0.0.0.0:7443; without it the node only dials out
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Address at which peers reach the node, for the charter; may be repeated
    #[arg(long = "endpoint", value_name = "HOST:PORT")]
    pub endpoints: Vec<Endpoint>,
    /// The federation's first charter, if it exists already; the node pins its hash
    #[arg(long, value_name = "FILE")]
    pub charter: Option<PathBuf>,
    /// An agency to link with: the node dials the endpoint, or waits for the peer if there is none; may be repeated
    #[arg(long = "peer", value_name = "ID[=HOST:PORT]")]
    pub peers: Vec<PeerArg>,
    /// The facts about the agency for the charter.
    #[command(flatten)]
    pub member: MemberDetails,
    /// Make no authority and no certificate: the agency has its own
    #[arg(long)]
    pub no_pki: bool,
}

/// `id` or `id=host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerArg(pub Peer);

impl FromStr for PeerArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (agency, endpoint) =
            text.split_once('=').map_or((text, None), |(agency, endpoint)| (agency, Some(endpoint)));
        let endpoint = endpoint.map(str::parse).transpose().map_err(|error| format!("{error}"))?;
        Ok(Self(Peer { agency: agency.parse().map_err(|error| format!("{error}"))?, endpoint }))
    }
}

/// The new node, as `init` reports it.
#[derive(Clone, Debug, Serialize)]
pub struct NewNode {
    /// The node's folder.
    pub folder: PathBuf,
    /// The configuration file.
    pub config: PathBuf,
    /// The file with the block for the charter.
    pub member: PathBuf,
    /// The pinned hash of the charter, if one was given.
    pub pin: Option<String>,
}

/// Runs the command.
pub fn run(args: &InitArgs, context: &Context) -> Result<(), Failure> {
    let folder = context.target.folder().ok_or_else(|| {
        Failure::usage("init creates a folder, and --socket names none")
            .help("name the new node's folder with --node DIR")
    })?;
    let node = create(folder, args, context.output.now)?;
    context.output.document(&node, |_, node| {
        let folder = node.folder.display();
        let next = match (&node.pin, args.no_pki) {
            (_, true) => format!(
                "Put the certificate and its key into {folder}/keys (tls.crt, tls.key), and the authority's certificate into {}.",
                node.member.display()
            ),
            (None, _) => format!("Give {} to the managers of the charter, and adopt the charter when it is signed.", node.member.display()),
            (Some(_), _) => format!("Start the node with `sinergi --node {folder} run`."),
        };
        format!("made the node of {} in {folder}\n{next}\nCheck it at any time with `sinergi --node {folder} config check`.", args.agency)
    })
}

/// Creates a node in `folder`, which may exist but must not have a node.
///
/// # Errors
/// A file exists already, the configuration would be invalid, the charter is not the federation's first one, or a file cannot be written.
pub fn create(folder: &Path, args: &InitArgs, now: Timestamp) -> Result<NewNode, Failure> {
    let config_file = folder.join(defaults::FILE);
    let member_file = folder.join(MEMBER_FILE);
    let keys_folder = folder.join("keys");
    for taken in [&config_file, &member_file, &keys_folder, &folder.join(defaults::CHARTER_DIRECTORY)] {
        if taken.exists() {
            return Err(Failure::failed(format!("{} exists already: nothing was changed", taken.display()))
                .help("choose another folder with --node DIR, or delete a node that was created only in part"));
        }
    }
    let first = args.charter.as_deref().map(|file| charter::read_first(file, &args.federation)).transpose()?;
    let pin = first.as_ref().map(|(_, pin)| *pin);
    let text = node_file(args, pin).render();
    let config = Config::parse(&text, &config_file).map_err(|error| {
        Failure::usage("the new node's configuration would be invalid").because(error).help("nothing was written")
    })?;

    make_folder(folder)?;
    make_folder(&keys_folder)?;
    let keys = make_keys(&config)?;
    // A new node knows by its mark that its empty ledger was never longer.
    mark::write(&config.ledger.mark, &config.agency, Extent { epoch: Epoch::FIRST, size: 0 })
        .map_err(|error| Failure::failed("cannot write the ledger's mark").because(error))?;
    let authority = if args.no_pki { None } else { Some(make_certificates(&config, args, now, &keys_folder)?) };
    if let Some((note, _)) = &first {
        charter::write_first(&config, note)?;
    }
    let member = member::render(args, &keys, authority.as_ref(), now);
    write(&member_file, member.as_bytes())?;
    write(&config_file, text.as_bytes())?;
    sync_folder(folder)?;
    Ok(NewNode {
        folder: folder.to_owned(),
        config: config_file,
        member: member_file,
        pin: pin.map(|pin| pin.to_string()),
    })
}

fn node_file(args: &InitArgs, pin: Option<CharterPin>) -> NodeFile {
    NodeFile {
        agency: args.agency.clone(),
        federation: args.federation.clone(),
        listen: args.listen,
        pin,
        peers: args.peers.iter().map(|peer| peer.0.clone()).collect(),
    }
}

fn make_keys(config: &Config) -> Result<SigningKeys, Failure> {
    let make = |path: &Path| {
        let key = keys::generate()?;
        keys::write_new(path, &key)?;
        Ok(key)
    };
    let all = || {
        Ok(SigningKeys {
            entry: make(&config.keys.entry)?,
            checkpoint: make(&config.keys.checkpoint)?,
            time: make(&config.keys.time)?,
        })
    };
    all().map_err(|error: KeyError| Failure::failed("cannot make the signing keys").because(error))
}

fn make_certificates(config: &Config, args: &InitArgs, now: Timestamp, folder: &Path) -> Result<Authority, Failure> {
    let failed = |error| Failure::failed("cannot make the pilot certificates").because(error);
    let authority = Authority::new(&args.agency, now, AUTHORITY_DAYS).map_err(failed)?;
    let mut names: Vec<NodeName> = args.endpoints.iter().map(|endpoint| NodeName::of_host(endpoint.host())).collect();
    names.dedup();
    let request =
        NodeCertificate { federation: args.federation.clone(), agency: args.agency.clone(), names, days: NODE_DAYS };
    let node = request.issue(&authority, now).map_err(failed)?;
    write_pair(authority.pair(), &folder.join(AUTHORITY_CERTIFICATE), &folder.join(AUTHORITY_KEY))?;
    write_pair(&node, &config.tls.certificate, &config.tls.key)?;
    Ok(authority)
}

/// Creates a folder that only its owner can read, with its parent folders, and makes their names durable. An existing folder is not changed.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new(""));
    make_folder(parent)?;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(|error| Failure::failed(format!("cannot make the folder {}", folder.display())).because(error))?;
    sync_folder(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    keys::write_private(path, bytes).map_err(|error| Failure::failed("cannot write the node's files").because(error))
}

/// Makes the names of new files durable.
fn sync_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Failure::failed(format!("cannot sync {}", folder.display())).because(error))
}

#[cfg(test)]
mod tests;

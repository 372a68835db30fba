//! `sinergi pki …`: makes, renews and shows pilot certificates in files.
//!
//! Invariants: a key has mode 0600 and never overwrites a file; a renewed certificate replaces the old one atomically.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, value_parser};
use serde::Serialize;
use sinergi_config::{Federation, Tls};
use sinergi_daemon::storage::keys;
use sinergi_proto::base::ids::AgencyId;

use crate::failure::Failure;
use crate::options::Context;
use crate::pki::{self, AUTHORITY_DAYS, Authority, MAX_DAYS, NODE_DAYS, NodeCertificate, NodeName, Pair};

/// The certificate of an agency's own authority, in a node's `keys` folder.
pub const AUTHORITY_CERTIFICATE: &str = "ca.crt";
/// The key of that authority.
pub const AUTHORITY_KEY: &str = "ca.key";
const NODE_CERTIFICATE: &str = "tls.crt";
const NODE_KEY: &str = "tls.key";

/// The commands for certificates.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make an agency's own certificate authority
    Ca(CaArgs),
    /// Make a node certificate with a new key
    Issue(IssueArgs),
    /// Renew the certificate of a node, with the same key and names
    Renew(RenewArgs),
    /// Show the content and the end of a certificate
    Show(ShowArgs),
}

/// Options of `pki ca`.
#[derive(Args, Clone, Debug)]
pub struct CaArgs {
    /// The agency
    #[arg(long, value_name = "ID")]
    pub agency: AgencyId,
    /// Validity in days
    #[arg(long, default_value_t = AUTHORITY_DAYS, value_parser = value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    pub days: u32,
    /// Folder for ca.crt and ca.key
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
}

/// The files of an authority.
#[derive(Args, Clone, Debug)]
pub struct AuthorityFiles {
    /// The authority's certificate [default: ca.crt in the folder of the node's certificate]
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    pub ca: Option<PathBuf>,
    /// The authority's key [default: ca.key in the same folder]
    #[arg(long, value_name = "FILE", requires = "ca")]
    pub ca_key: Option<PathBuf>,
}

/// Options of `pki issue`.
#[derive(Args, Clone, Debug)]
pub struct IssueArgs {
    /// The agency
    #[arg(long, value_name = "ID")]
    pub agency: AgencyId,
    /// The federation
    #[arg(long, value_name = "NAME")]
    pub federation: Federation,
    /// A DNS name in addition to the SPIFFE id; may be repeated
    #[arg(long, value_name = "NAME")]
    pub dns: Vec<String>,
    /// An IP address in addition to the SPIFFE id; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Vec<std::net::IpAddr>,
    /// Validity in days
    #[arg(long, default_value_t = NODE_DAYS, value_parser = value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    pub days: u32,
    /// The authority that signs.
    #[command(flatten)]
    pub authority: AuthorityFiles,
    /// Folder for tls.crt and tls.key
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
}

/// Options of `pki renew`.
#[derive(Args, Clone, Debug)]
pub struct RenewArgs {
    /// Validity in days, from now on
    #[arg(long, default_value_t = NODE_DAYS, value_parser = value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    pub days: u32,
    /// The authority that signs.
    #[command(flatten)]
    pub authority: AuthorityFiles,
}

/// Options of `pki show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The certificate's PEM file [default: the node's certificate]
    pub file: Option<PathBuf>,
}

/// The files that a command wrote.
#[derive(Serialize)]
struct Written {
    certificate: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<PathBuf>,
}

/// Runs the command.
pub fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Ca(args) => make_authority(&args, context),
        Command::Issue(args) => issue(&args, context),
        Command::Renew(args) => renew(&args, context),
        Command::Show(args) => show(&args, context),
    }
}

fn make_authority(args: &CaArgs, context: &Context) -> Result<(), Failure> {
    let authority = Authority::new(&args.agency, context.output.now, args.days)
        .map_err(|error| Failure::failed("cannot make the authority").because(error))?;
    let (certificate, key) = (args.directory.join(AUTHORITY_CERTIFICATE), args.directory.join(AUTHORITY_KEY));
    write_pair(authority.pair(), &certificate, &key)?;
    done(context, "Keep the key offline if you can. The charter lists the certificate.", certificate, Some(key))
}

fn issue(args: &IssueArgs, context: &Context) -> Result<(), Failure> {
    let authority = read_authority(&args.authority, &args.directory)?;
    let dns = args.dns.iter().cloned().map(NodeName::Dns);
    let names = dns.chain(args.ip.iter().copied().map(NodeName::Ip)).collect();
    let request =
        NodeCertificate { federation: args.federation.clone(), agency: args.agency.clone(), names, days: args.days };
    let pair = request
        .issue(&authority, context.output.now)
        .map_err(|error| Failure::failed("cannot make the certificate").because(error))?;
    let (certificate, key) = (args.directory.join(NODE_CERTIFICATE), args.directory.join(NODE_KEY));
    write_pair(&pair, &certificate, &key)?;
    done(context, "Name both files in [tls] of the node's sinergid.toml.", certificate, Some(key))
}

fn renew(args: &RenewArgs, context: &Context) -> Result<(), Failure> {
    let config = context.target.files()?.1;
    let Tls { certificate, key } = &config.tls;
    let authority = read_authority(&args.authority, certificate.parent().unwrap_or(Path::new(".")))?;
    let old = read_pair(certificate, key)?;
    let pem = pki::reissue(&old, &config.federation, &config.agency, &authority, context.output.now, args.days)
        .map_err(|error| Failure::failed(format!("cannot renew {}", certificate.display())).because(error))?;
    replace(certificate, pem.as_bytes())?;
    done(context, "The node uses it from its next start on.", certificate.clone(), None)
}

fn show(args: &ShowArgs, context: &Context) -> Result<(), Failure> {
    let file = match &args.file {
        Some(file) => file.clone(),
        None => context.target.files()?.1.tls.certificate,
    };
    let failed = || Failure::failed(format!("cannot show {}", file.display()));
    let pem = keys::read_public(&file).map_err(|error| failed().because(error))?;
    let certificates = pki::read_certificates(&pem, context.output.now).map_err(|error| failed().because(error))?;
    context.output.listing(&certificates, "", pki::screen)
}

fn read_authority(files: &AuthorityFiles, directory: &Path) -> Result<Authority, Failure> {
    let path = |named: &Option<PathBuf>, usual| named.clone().unwrap_or_else(|| directory.join(usual));
    let pair = read_pair(&path(&files.ca, AUTHORITY_CERTIFICATE), &path(&files.ca_key, AUTHORITY_KEY))?;
    Authority::read(pair).map_err(|error| {
        Failure::failed("cannot sign with this authority")
            .because(error)
            .help("name its files with --ca and --ca-key, or make one with `sinergi pki ca`")
    })
}

fn read_pair(certificate: &Path, key: &Path) -> Result<Pair, Failure> {
    let read = || Ok(Pair { certificate: keys::read_public(certificate)?, key: keys::read_private(key)? });
    read().map_err(|error: keys::KeyError| Failure::failed("cannot read a certificate and its key").because(error))
}

/// Writes a key, then its certificate: a key without a certificate does no harm.
pub(super) fn write_pair(pair: &Pair, certificate: &Path, key: &Path) -> Result<(), Failure> {
    keys::write_private(key, pair.key.as_bytes())
        .and_then(|()| keys::write_private(certificate, pair.certificate.as_bytes()))
        .map_err(|error| Failure::failed("cannot write a certificate and its key").because(error))
}

/// Replaces a file atomically.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        std::fs::File::open(directory)?.sync_all()
    };
    write()
        .map_err(|error: std::io::Error| Failure::failed(format!("cannot replace {}", path.display())).because(error))
}

fn done(context: &Context, next: &str, certificate: PathBuf, key: Option<PathBuf>) -> Result<(), Failure> {
    context.output.document(&Written { certificate, key }, |_, written| {
        let files = std::iter::once(&written.certificate).chain(&written.key);
        let files: String = files.map(|file| format!("wrote {}\n", file.display())).collect();
        files + next
    })
}

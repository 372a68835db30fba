//! `sinergi config check`: reports all problems of a node's files at once, before the node starts.
//!
//! Invariants: the check changes nothing, needs no running node, and gives advice for every problem.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use jiff::Timestamp;
use serde::Serialize;
use sinergi_config::{Config, ConfigError, defaults};
use sinergi_daemon::base::error_chain::one_line;
use sinergi_daemon::storage::charters::CharterStore;
use sinergi_daemon::storage::keys::SigningKeys;
use sinergi_daemon::transport::tls::{Authorities, Credentials};
use sinergi_proto::charter::{Charter, Charters, KeyUse, Member};

use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::safe;

/// A certificate that ends within this time gives a warning.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

/// The commands for a configuration.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Check the node's configuration, keys, certificate and charter
    Check,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The configuration file.
    pub file: PathBuf,
    /// Problems that prevent the node from working.
    pub problems: Vec<String>,
    /// Things that the operator should look at.
    pub warnings: Vec<String>,
    /// The end of the node's certificate, if it could be read.
    pub certificate_expires: Option<Timestamp>,
}

/// Runs the command.
pub fn run(command: &Command, context: &Context) -> Result<(), Failure> {
    let Command::Check = command;
    let folder = context.target.folder().ok_or_else(|| {
        Failure::usage("config check needs the files of a node").help("name the node's folder with --node DIR")
    })?;
    let findings = check(folder, context.output.now);
    context.output.document(&findings, screen)?;
    match findings.problems.len() {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} problem{} found", if count == 1 { "" } else { "s" }))),
    }
}

/// Checks the files of the node in `folder`.
pub fn check(folder: &Path, now: Timestamp) -> Findings {
    let mut findings = Findings { file: folder.join(defaults::FILE), ..Findings::default() };
    let config = match Config::load(&findings.file) {
        Ok(config) => config,
        Err(error) => {
            findings.problems = ConfigError::problems(&error);
            return findings;
        }
    };
    check_folder(&config.data, &mut findings);
    let keys = SigningKeys::load(&config.keys)
        .map_err(|errors| findings.problems.extend(errors.iter().map(|error| one_line(error))))
        .ok();
    let credentials = Credentials::load(&config.tls).map_err(|error| findings.problems.push(one_line(&error))).ok();
    if let Some(credentials) = &credentials {
        check_certificate(&config, credentials, now, &mut findings);
    }
    match newest_charter(&config) {
        Ok(charters) => {
            let charter = charters.newest();
            check_validity(charter, now, &mut findings);
            match charter.member(&config.agency) {
                Some(member) => {
                    check_member(&config, charter, member, keys.as_ref(), credentials.as_ref(), now, &mut findings)
                }
                None => findings.problems.push(format!(
                    "charter version {} lists no member {}: give member.toml to its managers",
                    charter.version, config.agency
                )),
            }
            for peer in config.peers.iter().filter(|peer| charter.member(&peer.agency).is_none()) {
                findings
                    .problems
                    .push(format!("peer {} is no member of charter version {}", peer.agency, charter.version));
            }
        }
        Err(problem) => findings.problems.push(problem),
    }
    findings
}

/// Checks that other users cannot read the data folder: it has the citizens' texts.
fn check_folder(data: &Path, findings: &mut Findings) {
    match std::fs::metadata(data) {
        Ok(folder) if !folder.is_dir() => findings.problems.push(format!("data = {} is no folder", data.display())),
        Ok(folder) => {
            let mode = folder.permissions().mode() & 0o7777;
            if mode & 0o007 != 0 {
                findings.warnings.push(format!(
                    "{} has mode {mode:04o}, so every user of this machine can read it: run `chmod o= {}`",
                    data.display(),
                    data.display()
                ));
            }
        }
        Err(error) => findings.problems.push(format!("data = {} cannot be used: {error}", data.display())),
    }
}

fn check_certificate(config: &Config, credentials: &Credentials, now: Timestamp, findings: &mut Findings) {
    match credentials.check(&config.federation, &config.agency, now) {
        Ok(identity) => {
            let end = identity.certificate.not_after;
            findings.certificate_expires = Some(end);
            if end.duration_since(now) < SOON {
                findings.warnings.push(format!("the certificate ends at {end}: renew it with `sinergi pki renew`"));
            }
        }
        Err(error) => findings.problems.push(one_line(&error)),
    }
}

/// The chain of charters from the pinned one on.
fn newest_charter(config: &Config) -> Result<Charters, String> {
    if config.charter.pin.is_none() {
        return Err(
            "charter.pin is missing: the node does not start without a charter; adopt the first one with `sinergi charter adopt`".to_owned()
        );
    }
    let store = CharterStore::load(&config.charter).map_err(|error| one_line(&error))?;
    Ok(Charters::clone(&store.charters()))
}

fn check_validity(charter: &Charter, now: Timestamp, findings: &mut Findings) {
    let end = i64::try_from(charter.valid_until).ok().and_then(|end| Timestamp::from_millisecond(end).ok());
    if let Some(end) = end.filter(|end| *end <= now) {
        findings.warnings.push(format!(
            "charter version {} ended at {end}, and its {} days of grace are running or over: ask its managers for the next version",
            charter.version, charter.grace_days
        ));
    }
}

/// Checks that the node's federation, keys and certificate are those in the charter.
fn check_member(
    config: &Config,
    charter: &Charter,
    member: &Member,
    keys: Option<&SigningKeys>,
    credentials: Option<&Credentials>,
    now: Timestamp,
    findings: &mut Findings,
) {
    if charter.federation != config.federation.as_str() {
        let problem =
            format!("the charter is of federation {}, this node of {}", charter.federation, config.federation);
        findings.problems.push(problem);
    }
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    if let Some(keys) = keys {
        for (name, key_use, key, file) in [
            ("entry", KeyUse::Entry, &keys.entry, &config.keys.entry),
            ("checkpoint", KeyUse::Checkpoint, &keys.checkpoint, &config.keys.checkpoint),
            ("time", KeyUse::Time, &keys.time, &config.keys.time),
        ] {
            let public = key.verification_key();
            let listed = member.keys.iter().find(|listed| listed.key_use == key_use && listed.public == public);
            match listed {
                Some(listed) if listed.valid_at(millis) => {}
                Some(_) => findings
                    .problems
                    .push(format!("the charter lists the {name} key, but not as valid now: make a new key")),
                None => findings.problems.push(format!(
                    "{} is none of the {name} keys that charter version {} lists for {}",
                    file.display(),
                    charter.version,
                    config.agency
                )),
            }
        }
    }
    if let Some(credentials) = credentials {
        let (authorities, bad) = Authorities::of_charter(config.federation.clone(), charter);
        findings.warnings.extend(bad.iter().map(|error| one_line(error)));
        // Problems of the certificate itself were reported before.
        if credentials.check(&config.federation, &config.agency, now).is_ok()
            && let Err(error) = credentials.check_under(&authorities, now)
        {
            findings.problems.push(one_line(&error));
        }
    }
}

/// The findings as text.
fn screen(output: &Output, findings: &Findings) -> String {
    let mut lines = Vec::new();
    let mut list = |tone, mark, texts: &[String]| {
        for text in texts {
            lines.push(output.paint(tone, &output.wrapped(&safe::line(text), "  ").replacen("  ", mark, 1)));
        }
    };
    list(Tone::Alarm, "! ", &findings.problems);
    list(Tone::Warning, "? ", &findings.warnings);
    if findings.problems.is_empty() {
        lines.push(output.paint(Tone::Good, &format!("{} is in order.", findings.file.display())));
    }
    if let Some(end) = findings.certificate_expires {
        lines.push(format!("The certificate ends {} ({}).", output.relative(end), output.minute(end)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;

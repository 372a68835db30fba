//! `sinergi charter show`: shows the content of a charter, signed or not. `charter verify` checks whether it is trusted.

use std::path::PathBuf;

use clap::Args;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::base::key::key_id;
use sinergi_proto::charter::{Charter, KeyUse, Member, MemberKey, MemberKind, MemberStatus, Revocation, Rules};

use super::files;
use super::validity::{self, Validity};
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone, columns};
use crate::safe;
use crate::view::moment;

/// Options of `charter show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The draft or the signed charter
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// The document of a charter.
#[derive(Debug, Serialize)]
struct CharterView {
    federation: String,
    version: u64,
    /// SHA-256 of the text. A node pins this hash of the first version.
    hash: String,
    predecessor: Option<String>,
    valid_from: Option<Timestamp>,
    valid_until: Option<Timestamp>,
    grace_days: u32,
    validity: Validity,
    mediator: Option<String>,
    rules: Rules,
    threshold: usize,
    managers: Vec<ManagerView>,
    members: Vec<MemberView>,
    revocations: Vec<RevocationView>,
}

#[derive(Debug, Serialize)]
struct RevocationView {
    agency: String,
    /// The numbers of the revoked keys.
    keys: Vec<String>,
    /// SHA-256 of the list of what stays trusted.
    list: String,
}

#[derive(Debug, Serialize)]
struct KeyView {
    number: String,
    key_use: KeyUse,
    valid_until: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct ManagerView {
    name: String,
    keys: Vec<String>,
    signed: bool,
}

#[derive(Debug, Serialize)]
struct MemberView {
    id: String,
    name: String,
    kind: MemberKind,
    parent: Option<String>,
    area: Option<String>,
    oversight: bool,
    status: MemberStatus,
    endpoints: Vec<String>,
    authorities: usize,
    /// The earliest end of the keys that are valid now.
    keys_until: Option<Timestamp>,
    keys: Vec<KeyView>,
}

/// Runs the command.
pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<(), Failure> {
    let cannot = |error| Failure::failed(format!("cannot show {}", args.file.display())).because(error);
    let paper = files::read(&args.file)?;
    let charter = paper.charter().map_err(cannot)?;
    let signers = paper.signers().map_err(cannot)?;
    let view = view(&charter, &signers, context.output.now);
    context.output.document(&view, |output, view| page(output, view, &charter))
}

fn view(charter: &Charter, signers: &[String], now: Timestamp) -> CharterView {
    let manager = |manager: &sinergi_proto::charter::Manager| ManagerView {
        name: manager.name.clone(),
        keys: manager.keys.iter().map(ToString::to_string).collect(),
        signed: signers.contains(&manager.name),
    };
    CharterView {
        federation: charter.federation.clone(),
        version: charter.version,
        hash: HEXLOWER.encode(&charter.hash),
        predecessor: charter.predecessor.map(|hash| HEXLOWER.encode(&hash)),
        valid_from: moment(charter.valid_from),
        valid_until: moment(charter.valid_until),
        grace_days: charter.grace_days,
        validity: Validity::at(charter, now),
        mediator: charter.mediator.as_ref().map(ToString::to_string),
        rules: charter.rules,
        threshold: charter.threshold,
        managers: charter.managers.iter().map(manager).collect(),
        members: charter.members().map(|listed| member(listed, now)).collect(),
        revocations: charter.revocations.iter().map(revocation).collect(),
    }
}

fn revocation(revocation: &Revocation) -> RevocationView {
    RevocationView {
        agency: revocation.agency.to_string(),
        keys: revocation.keys.iter().map(|key| format!("{:08x}", key_id(key))).collect(),
        list: HEXLOWER.encode(&revocation.list.hash),
    }
}

fn rules(rules: Rules) -> String {
    let Rules { answer_by_days, silence_working_days, offers_before_mediation } = rules;
    format!(
        "{answer_by_days} days at most to answer an offer; {silence_working_days} working days of silence before closing; alarm at \
         {offers_before_mediation} offers"
    )
}

fn member(member: &Member, now: Timestamp) -> MemberView {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let ends = member.keys.iter().filter(|key| key.valid_at(millis)).map(|key| key.valid_until).min();
    MemberView {
        id: member.id.to_string(),
        name: member.name.clone(),
        kind: member.kind,
        parent: member.parent.as_ref().map(ToString::to_string),
        area: Some(member.area.clone()).filter(|area| !area.is_empty()),
        oversight: member.oversight,
        status: member.status,
        endpoints: member.endpoints.clone(),
        authorities: member.authorities.len(),
        keys_until: ends.and_then(moment),
        keys: member.keys.iter().map(key).collect(),
    }
}

fn key(key: &MemberKey) -> KeyView {
    KeyView { number: format!("{:08x}", key.id), key_use: key.key_use, valid_until: moment(key.valid_until) }
}

fn page(output: &Output, view: &CharterView, charter: &Charter) -> String {
    let signed: Vec<&str> = view.managers.iter().filter(|manager| manager.signed).map(|m| m.name.as_str()).collect();
    let managers: Vec<&str> = view.managers.iter().map(|manager| manager.name.as_str()).collect();
    let signatures = match signed.len() {
        0 => format!("nobody yet, {} must", view.threshold),
        count => format!("{} ({count} of the {} that must)", signed.join(", "), view.threshold),
    };
    let facts = output.facts(&[
        ("charter", format!("version {} of {}", view.version, view.federation)),
        ("hash", view.hash.clone()),
        ("predecessor", view.predecessor.clone().unwrap_or_default()),
        ("valid", validity::told(output, charter)),
        ("mediator", view.mediator.clone().unwrap_or_default()),
        ("rules", rules(charter.rules)),
        ("managers", safe::line(&managers.join(", "))),
        ("signed by", safe::line(&signatures)),
    ]);
    if view.members.is_empty() {
        return format!("{facts}\n\nNo members yet.");
    }
    let mut table = output.table(&["MEMBER", "KIND", "PARENT", "ENDPOINT", "NOTES"], &["MEMBER", "PARENT"]);
    for member in &view.members {
        table.add_row([
            output.cell(Tone::Strong, &member.id),
            word(&member.kind).as_str().into(),
            member.parent.as_deref().unwrap_or("-").into(),
            member.endpoints.first().map_or_else(|| "-".to_owned(), |endpoint| safe::line(endpoint)).as_str().into(),
            notes(member).as_str().into(),
        ]);
    }
    format!("{facts}\n\n{}", columns::rendered(&table))
}

/// The unusual facts about a member.
fn notes(member: &MemberView) -> String {
    let mut notes = Vec::new();
    if member.oversight {
        notes.push("oversight".to_owned());
    }
    if member.status != MemberStatus::Active {
        notes.push(word(&member.status));
    }
    if member.authorities == 0 {
        notes.push("no authority".to_owned());
    }
    if member.keys_until.is_none() {
        notes.push("no valid key".to_owned());
    }
    notes.join(", ")
}

/// The word as in the charter.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

//! `sinergi charter trusted make` and `check`: the list of what stays trusted when keys of an agency are revoked.
//!
//! Must not decide what a list means: [`sinergi_proto::charter`] does.
//!
//! Invariant: a list that is made names everything that the node has, up to the time that the operator names, and everything that the lists name
//! which are added.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::Serialize;
use sinergi_proto::base::ids::{AgencyId, ComplaintId, EntryId, Epoch};
use sinergi_proto::base::limits;
use sinergi_proto::charter::{Anchor, TrustedList, TrustedListDraft};
use sinergi_proto::operator_api::{
    AgencyKey, LedgerAtSize, ListSignedByRequest, SignedByAgency, SignedReceipt, signed_by_row::Row,
};

use super::files;
use crate::failure::Failure;
use crate::options::Context;
use crate::output::{Output, Tone};
use crate::when::Moment;

/// The commands for lists of trusted entries.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make the list from what this node has of the agency
    Make(MakeArgs),
    /// Compare a list with what this node has of the agency. Exit code 5 if it leaves out what it says to contain
    Check(CheckArgs),
}

/// Options of `charter trusted make`.
#[derive(Args, Clone, Debug)]
pub struct MakeArgs {
    /// The agency whose keys are revoked
    #[arg(value_name = "AGENCY")]
    pub agency: AgencyId,
    /// The file to write
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only what this node got up to this time, before the key was stolen [default: everything]
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// A revoked key, by its number as `charter show` prints it; repeat it for several [default: all keys that the agency ever had]
    #[arg(long = "key", value_name = "NUMBER", value_parser = key_number)]
    pub keys: Vec<u32>,
    /// Another list about the same keys, for example of another oversight agency; its names are added
    #[arg(long = "with", value_name = "LIST")]
    pub with: Vec<PathBuf>,
}

/// Options of `charter trusted check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The list
    #[arg(value_name = "LIST")]
    pub list: PathBuf,
}

/// A list that was made.
#[derive(Serialize)]
struct Made {
    file: PathBuf,
    agency: String,
    keys: Vec<String>,
    entries: usize,
    receipts: usize,
    /// Number of leaves of the node's ledger that the list was made from.
    leaves: u64,
    hash: String,
}

/// The comparison of a list with what this node has.
#[derive(Serialize)]
struct Checked {
    list: PathBuf,
    agency: String,
    hash: String,
    /// Number of entries that the list names.
    entries: usize,
    /// Number of these that this node does not have.
    not_here: usize,
    /// Entries that this node has and that the list does not name. They have no effect once the keys are revoked.
    disputed: Vec<Disputed>,
    /// Number of receipts that this node has and that the list does not name. They prove nothing once the keys are revoked.
    disputed_receipts: usize,
    /// Ways in which the list does not contain what it says to contain.
    problems: Vec<String>,
}

/// An entry that would be disputed.
#[derive(Serialize)]
struct Disputed {
    entry: String,
    complaint: Option<String>,
    body: String,
    /// When this node got it.
    at: Option<Timestamp>,
}

/// Runs the command.
pub(super) async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Make(args) => make(&args, context).await,
        Command::Check(args) => check(&args, context).await,
    }
}

fn key_number(text: &str) -> Result<u32, String> {
    let number = (text.len() == 8).then(|| u32::from_str_radix(text, 16).ok()).flatten();
    number.ok_or_else(|| format!("{text:?} is no key number: 8 hexadecimal digits, as `charter show` prints them"))
}

async fn make(args: &MakeArgs, context: &Context) -> Result<(), Failure> {
    let until = match &args.until {
        None => 0,
        Some(moment) => {
            let end = moment.end(&context.output.zone).map_err(|error| Failure::usage(error.to_string()))?;
            u64::try_from(end.timestamp().as_millisecond()).unwrap_or_default()
        }
    };
    let signed = Signed::by(&args.agency, ListSignedByRequest { until, ..Default::default() }, context).await?;
    let keys = signed.keys(&args.agency, &args.keys)?;
    let mut draft = TrustedListDraft::new(&signed.ledger.federation, &args.agency, keys.iter().map(|key| key.0));
    signed.add_to(&mut draft, &keys.iter().map(|key| key.1).collect());
    draft.anchors.insert(signed.anchor()?);
    for path in &args.with {
        let other = read_list(path)?;
        if (other.agency(), other.keys()) != (&draft.agency, &draft.keys) {
            return Err(Failure::usage(format!("{} is about other keys", path.display()))
                .help("make both lists with the same --key options"));
        }
        let other = other.to_draft();
        draft.anchors.extend(other.anchors);
        draft.entries.extend(other.entries);
        draft.receipts.extend(other.receipts);
    }
    let list = TrustedList::parse(draft.write()).map_err(|error| Failure::failed(error.to_string()))?;
    files::write_new(&args.file, list.text())?;
    let made = Made {
        file: args.file.clone(),
        agency: args.agency.to_string(),
        keys: keys.iter().map(|(_, number)| format!("{number:08x}")).collect(),
        entries: draft.entries.len(),
        receipts: draft.receipts.len(),
        leaves: signed.ledger.size,
        hash: HEXLOWER.encode(&list.hash()),
    };
    context.output.document(&made, |_, made| {
        let file = made.file.display();
        format!(
            "wrote {file}, from the first {} leaves of this ledger: {} entries and {} receipts of {} stay trusted under {}\nAnyone checks it with `sinergi charter trusted check {file}`. \
             Put it into the next charter with\n`sinergi charter revoke DRAFT {file}`.",
            made.leaves,
            made.entries,
            made.receipts,
            made.agency,
            made.keys.join(", ")
        )
    })
}

async fn check(args: &CheckArgs, context: &Context) -> Result<(), Failure> {
    let list = read_list(&args.list)?;
    let agency = list.agency();
    let signed = Signed::by(agency, ListSignedByRequest::default(), context).await?;
    let numbers: BTreeSet<u32> = list.key_numbers().collect();
    let mut problems = Vec::new();
    for anchor in list.anchors().iter().filter(|anchor| anchor.agency.as_str() == signed.ledger.agency) {
        problems.extend(check_anchor(anchor, &list, &numbers, &signed, context).await?);
    }
    let here = || signed.entries.iter().filter(|entry| numbers.contains(&entry.key_id));
    let ids: BTreeSet<EntryId> = here().filter_map(|entry| EntryId::from_slice(&entry.id)).collect();
    let is_disputed = |entry: &&SignedByAgency| !EntryId::from_slice(&entry.id).is_some_and(|id| list.has_entry(&id));
    let checked = Checked {
        list: args.list.clone(),
        agency: agency.to_string(),
        hash: HEXLOWER.encode(&list.hash()),
        entries: list.entries().len(),
        not_here: list.entries().filter(|entry| !ids.contains(entry)).count(),
        disputed: here().filter(is_disputed).map(disputed).collect(),
        disputed_receipts: signed.receipts_left_out(&list, &numbers),
        problems,
    };
    context.output.document(&checked, page)?;
    match checked.problems.len() {
        0 => Ok(()),
        _ => Err(Failure::findings(format!("{} does not contain what it says", args.list.display()))
            .help("do not sign a charter that names it; make it again with `sinergi charter trusted make`")),
    }
}

/// Checks that the list names all that this node had of the agency when its ledger was as large as the anchor says.
async fn check_anchor(
    anchor: &Anchor,
    list: &TrustedList,
    numbers: &BTreeSet<u32>,
    now: &Signed,
    context: &Context,
) -> Result<Option<String>, Failure> {
    let Anchor { epoch, size, root, .. } = anchor;
    if epoch.0 < now.ledger.epoch {
        // This ledger has begun a new epoch since, so it cannot tell.
        return Ok(None);
    }
    if epoch.0 > now.ledger.epoch || *size > now.ledger.size {
        return Ok(Some(format!(
            "it names {size} leaves of epoch {epoch} of this ledger, which has {} in epoch {}",
            now.ledger.size, now.ledger.epoch
        )));
    }
    let then = Signed::by(list.agency(), ListSignedByRequest { size: *size, ..Default::default() }, context).await?;
    if *size > 0 && then.ledger.root != root {
        return Ok(Some(format!("it names another root of the {size} first leaves of this ledger")));
    }
    let is_left_out = |entry: &&SignedByAgency| {
        numbers.contains(&entry.key_id) && !EntryId::from_slice(&entry.id).is_some_and(|id| list.has_entry(&id))
    };
    if *size == 0 {
        return Ok(None);
    }
    let (entries, receipts) = (then.entries.iter().filter(is_left_out).count(), then.receipts_left_out(list, numbers));
    let text = || {
        format!(
            "it leaves out {entries} entries and {receipts} receipts that this node had in the {size} first leaves of its ledger"
        )
    };
    Ok((entries + receipts > 0).then(text))
}

fn disputed(entry: &SignedByAgency) -> Disputed {
    let at = i64::try_from(entry.at).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    let complaint = ComplaintId::from_slice(&entry.complaint).map(|id| id.short());
    Disputed { entry: HEXLOWER.encode(&entry.id), complaint, body: entry.body.clone(), at }
}

fn page(output: &Output, checked: &Checked) -> String {
    let mut lines = vec![format!(
        "The list names {} entries of {}, {} of them not here. Its hash is\n  {}",
        checked.entries, checked.agency, checked.not_here, checked.hash
    )];
    if checked.disputed_receipts > 0 {
        lines.push(format!("{} receipts here would prove nothing.", checked.disputed_receipts));
    }
    if checked.disputed.is_empty() && checked.disputed_receipts == 0 {
        lines.push(output.paint(Tone::Good, "It names all that this node has of the agency under these keys."));
    }
    if !checked.disputed.is_empty() {
        lines.push(format!("{} entries here would have no effect:", checked.disputed.len()));
    }
    for Disputed { entry, complaint, body, at } in &checked.disputed {
        let complaint = complaint.as_deref().unwrap_or("no complaint");
        let at = at.map(|at| format!(", got {at:.0}")).unwrap_or_default();
        lines.push(format!("  {} {body} ({complaint}){at}", &entry[..16]));
    }
    for problem in &checked.problems {
        lines.push(output.paint(Tone::Alarm, &format!("! {problem}")));
    }
    lines.join("\n")
}

/// The entries and receipts of one agency that the node has.
struct Signed {
    entries: Vec<SignedByAgency>,
    receipts: Vec<SignedReceipt>,
    ledger: LedgerAtSize,
}

impl Signed {
    async fn by(agency: &AgencyId, request: ListSignedByRequest, context: &Context) -> Result<Self, Failure> {
        let what = "list what the agency signed";
        let mut node = context.connect().await?;
        let request = ListSignedByRequest { agency: agency.to_string(), ..request };
        let answer = node.api.list_signed_by(request).await;
        let mut rows = answer.map_err(|status| Failure::from_status(what, &status))?.into_inner();
        let (mut entries, mut receipts, mut ledger) = (Vec::new(), Vec::new(), None);
        while let Some(row) = rows.message().await.map_err(|status| Failure::from_status(what, &status))? {
            match row.row {
                Some(Row::Entry(entry)) => entries.push(entry),
                Some(Row::Receipt(receipt)) => receipts.push(receipt),
                Some(Row::Ledger(last)) => ledger = Some(last),
                None => {}
            }
        }
        let cut = || Failure::failed("the node's answer was cut off").help("repeat the command");
        Ok(Self { entries, receipts, ledger: ledger.ok_or_else(cut)? })
    }

    /// The keys with these numbers and their numbers; all of them if none is named.
    fn keys(&self, agency: &AgencyId, named: &[u32]) -> Result<Vec<([u8; 32], u32)>, Failure> {
        let all = &self.ledger.keys;
        let is_listed = |number: &&u32| !all.iter().any(|key| key.id == **number);
        if let Some(number) = named.iter().find(is_listed) {
            let listed: Vec<String> = all.iter().map(|key| format!("{:08x} ({})", key.id, key.key_use)).collect();
            return Err(Failure::usage(format!("{agency} has no key {number:08x} in any charter"))
                .help(format!("its keys are {}", listed.join(", "))));
        }
        let is_chosen = |key: &&AgencyKey| named.is_empty() || named.contains(&key.id);
        let public = |key: &AgencyKey| Some((key.public.as_slice().try_into().ok()?, key.id));
        Ok(all.iter().filter(is_chosen).filter_map(public).collect())
    }

    /// Number of receipts under keys with these numbers that a list does not name.
    fn receipts_left_out(&self, list: &TrustedList, numbers: &BTreeSet<u32>) -> usize {
        let is_left_out = |receipt: &&SignedReceipt| {
            let name = <[u8; 32]>::try_from(receipt.id.as_slice());
            numbers.contains(&receipt.key_id) && !name.is_ok_and(|name| list.has_receipt(&name))
        };
        self.receipts.iter().filter(is_left_out).count()
    }

    fn add_to(&self, draft: &mut TrustedListDraft, numbers: &BTreeSet<u32>) {
        let entries = self.entries.iter().filter(|entry| numbers.contains(&entry.key_id));
        draft.entries.extend(entries.filter_map(|entry| EntryId::from_slice(&entry.id)));
        let receipts = self.receipts.iter().filter(|receipt| numbers.contains(&receipt.key_id));
        draft.receipts.extend(receipts.filter_map(|receipt| <[u8; 32]>::try_from(receipt.id.as_slice()).ok()));
    }

    fn anchor(&self) -> Result<Anchor, Failure> {
        let LedgerAtSize { agency, epoch, size, root, .. } = &self.ledger;
        let bad = || Failure::failed("the node's answer names no ledger");
        let agency = agency.parse().map_err(|_| bad())?;
        let root = root.as_slice().try_into().map_err(|_| bad())?;
        Ok(Anchor { agency, epoch: Epoch(*epoch), size: *size, root })
    }
}

/// Reads a list from a file.
pub(in crate::commands) fn read_list(path: &Path) -> Result<TrustedList, Failure> {
    let text = files::read_at_most(path, limits::TRUSTED_LIST_BYTES)?;
    TrustedList::parse(text).map_err(|error| Failure::failed(format!("cannot use {}", path.display())).because(error))
}

//! `sinergi-liar`: plays an agency's node, with its keys, and shows its true ledger without one complaint. `sinergi demo --cover-up` starts
//! it.
//!
//! Its only argument is a [`Lie`]. When the auditor's node has accepted the link, it prints [`Shown`], and answers the auditor until its standard
//! input is closed.
//!
//! Invariant: it does not change the true ledger.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use sinergi_cli::demo::cover_up::liar::{LINKED, Lie, Shown};
use sinergi_cli::demo::wait;
use sinergi_cli::failure::Failure;
use sinergi_daemon::base::time::now_millis;
use sinergi_daemon::node::ledger_path;
use sinergi_daemon::storage::ledger::{Ledger, LedgerOptions};
use sinergi_daemon::storage::signed_leaves::SignedLeaves;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::{ComplaintId, Epoch, LedgerIndex};
use sinergi_proto::entry::{Entry, EntryDraft, Place};
use sinergi_proto::wire::entry::Body;
use sinergi_proto::wire::{self, frame::Kind};
use sinergi_tests::dishonest::{ShownLedger, answer_questions};
use sinergi_tests::member::{Connection, Member};

#[tokio::main]
async fn main() -> ExitCode {
    let told = std::env::args().nth(1).map(|argument| serde_json::from_str(&argument));
    let Some(Ok(lie)) = told else {
        eprintln!("{:?} is nothing to lie about: `sinergi demo --cover-up` starts this program", told);
        return ExitCode::from(2);
    };
    end_with_standard_input();
    match tells(&lie).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{}", failure.report());
            ExitCode::from(&failure)
        }
    }
}

/// Ends this process when its standard input is closed, because the process that started it is gone.
fn end_with_standard_input() {
    std::thread::spawn(|| {
        // An end and an error have the same meaning here.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
}

/// Tells the lie until the auditor's node ends the link.
async fn tells(lie: &Lie) -> Result<(), Failure> {
    let member = Member::of(&lie.folder)?;
    let complaint = lie
        .complaint
        .parse()
        .map_err(|error| Failure::usage(format!("{:?} is no complaint", lie.complaint)).because(error))?;
    let (ledger, dropped) = without(&member, &lie.folder, complaint)?;
    let mut link = linked(&member, &ledger, lie).await?;
    let shown = Shown { leaves: ledger.size(), dropped };
    let line = serde_json::to_string(&shown).map_err(|error| Failure::failed("cannot tell it").because(error))?;
    writeln!(std::io::stdout(), "{line}").map_err(|error| Failure::failed("nobody hears").because(error))?;
    answer_questions(&mut link, &member, Some(&ledger), now_millis() / 1000).await;
    Ok(())
}

/// The member's ledger without a complaint: a new entry of the member replaces each of the complaint's entries. Also returns their number.
fn without(member: &Member, folder: &Path, complaint: ComplaintId) -> Result<(ShownLedger, u64), Failure> {
    let (mut shown, mut dropped) = (ShownLedger::default(), 0);
    for leaf in true_leaves(member, folder)? {
        let entry = Entry::parse(leaf.clone(), member.config.federation.as_str()).map_err(|error| {
            Failure::failed(format!("the ledger in {} holds what is no entry", folder.display())).because(error)
        })?;
        if entry.complaint == Some(complaint) {
            let index = LedgerIndex(shown.size());
            shown.push(harmless(member, index));
            dropped += 1;
        } else {
            shown.push(leaf);
        }
    }
    Ok((shown, dropped))
}

/// A link with the auditor, like the one that the accused's node had.
async fn linked(member: &Member, ledger: &ShownLedger, lie: &Lie) -> Result<Connection, Failure> {
    let mut why = String::new();
    let linked = wait::until(LINKED, async || {
        let greeted = match member.dial(&lie.auditor, &lie.address.to_string()).await {
            Ok(link) => greeted(link, member, ledger, lie).await,
            Err(error) => Err(error.to_string()),
        };
        Ok::<_, Failure>(greeted.map_err(|error| why = error).ok())
    });
    linked.await?.ok_or_else(|| Failure::failed(format!("{} does not take the link", lie.auditor)).because(why))
}

/// Greets the auditor. The member's Hello says that it still has everything that it acknowledged before, and its Ready shows the false ledger.
async fn greeted(mut link: Connection, member: &Member, ledger: &ShownLedger, lie: &Lie) -> Result<Connection, String> {
    let cursor = lie.acknowledged;
    let have_cursor = cursor.map(|at| wire::Cursor { epoch: at.epoch, index: at.index, part: at.part });
    let hello = wire::Hello { have_cursor, ..member.hello() };
    let greeted = link.greet(hello, ledger.signed(member, now_millis() / 1000)).await;
    match greeted.map_err(|status| status.message().to_owned())? {
        (Some(_), before) => match before.last() {
            Some(Kind::Fault(fault)) => Err(fault.reason.clone()),
            _ => Ok(link),
        },
        (None, before) => Err(format!("it said {before:?} instead of hello")),
    }
}

/// The leaves of the member's ledger, each as a `SignedEntry`.
fn true_leaves(member: &Member, folder: &Path) -> Result<Vec<Bytes>, Failure> {
    let cannot = || Failure::failed(format!("cannot read the ledger in {}", folder.display()));
    let options = LedgerOptions { segment_bytes: member.config.ledger.segment_bytes, ..LedgerOptions::default() };
    let (ledger, _) = Ledger::open(&ledger_path(&member.config), options).map_err(|error| cannot().because(error))?;
    let signed = SignedLeaves::new(ledger.reader());
    let leaves = (0..ledger.size()).map(LedgerIndex);
    leaves.map(|leaf| signed.signed(leaf).map_err(|error| cannot().because(error))).collect()
}

/// An entry without meaning, to replace another one in the ledger.
fn harmless(member: &Member, index: LedgerIndex) -> Bytes {
    let draft = EntryDraft {
        federation: member.config.federation.to_string(),
        author: member.config.agency.clone(),
        charter: member.charter_store.newest().name(),
        place: Place { epoch: Epoch::FIRST, index },
        complaint: None,
        parents: Vec::new(),
        clock: HybridClock::new(now_millis(), 0),
        content: Vec::new(),
        body: Body::Witnessed(wire::Witnessed { root: vec![0; 32], peers: 0 }),
    };
    draft.sign(&member.keys.entry).bytes
}

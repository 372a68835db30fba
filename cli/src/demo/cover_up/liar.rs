//! Who speaks for the accused: with its keys, of its true ledger but for one complaint.
//!
//! Invariant: the true ledger is read and left as it is.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use sinergi_daemon::ledger::{Ledger, LedgerOptions};
use sinergi_daemon::node::ledger_path;
use sinergi_daemon::time::now_millis;
use sinergi_proto::clock::HybridClock;
use sinergi_proto::entry::{Entry, EntryDraft, Place};
use sinergi_proto::ids::{ComplaintId, Epoch, LedgerIndex};
use sinergi_proto::wire::entry::Body;
use sinergi_proto::wire::{self, frame::Kind};
use tokio::task::JoinSet;

use super::ACCUSED;
use crate::demo::desk::Desk;
use crate::demo::dishonest::{ShownLedger, speaks};
use crate::demo::federation::Federation;
use crate::demo::member::{Connection, Member};
use crate::demo::wait;
use crate::failure::Failure;

/// How long the auditor's node may take to take the link.
const LINKED: Duration = Duration::from_secs(60);

/// The accused, as it wants to be seen.
pub(super) struct Liar {
    member: Member,
    shown: ShownLedger,
    dropped: u64,
}

impl Liar {
    /// The member in this folder, whose ledger never had this complaint: an entry of its own, signed anew, stands in each of its places.
    pub(super) fn without(folder: &Path, complaint: &[u8]) -> Result<Self, Failure> {
        let member = Member::of(folder)?;
        let (mut shown, mut dropped) = (ShownLedger::default(), 0);
        let dropped_id = ComplaintId::from_slice(complaint);
        for leaf in true_leaves(&member)? {
            let entry = Entry::parse(leaf.clone(), member.config.federation.as_str())
                .map_err(|error| Failure::failed(format!("the ledger of {ACCUSED} holds no entry")).because(error))?;
            if entry.complaint.is_some() && entry.complaint == dropped_id {
                let index = LedgerIndex(shown.size());
                shown.push(harmless(&member, index));
                dropped += 1;
            } else {
                shown.push(leaf);
            }
        }
        Ok(Self { member, shown, dropped })
    }

    /// Leaves of the ledger that is shown: as many as the true one has.
    pub(super) fn leaves(&self) -> u64 {
        self.shown.size()
    }

    /// Leaves that are not what they were.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Links with the auditor as the accused's node did, and answers it from now on.
    pub(super) async fn speak_to(
        self,
        auditor: &Desk,
        federation: &Federation,
        liars: &mut JoinSet<()>,
    ) -> Result<(), Failure> {
        let address = federation.node(&auditor.agency).and_then(super::super::node::Node::listen);
        let address = address.ok_or_else(|| Failure::failed(format!("{} does not listen", auditor.agency)))?;
        let agency = auditor.agency.parse().expect("a node's agency has an id");
        let acknowledged = auditor.peer(ACCUSED).await?.acknowledged;
        let mut why = String::new();
        let linked = wait::until(LINKED, async || {
            let greeted = match self.member.dial(&agency, &address.to_string()).await {
                Ok(link) => greeted(link, &self.member, acknowledged).await,
                Err(error) => Err(error.to_string()),
            };
            Ok::<_, Failure>(greeted.map_err(|error| why = error).ok())
        });
        let mut link = linked.await?.ok_or_else(|| {
            Failure::failed(format!("{} does not link with {ACCUSED}", auditor.agency)).because(why.clone())
        })?;
        liars.spawn(async move {
            speaks(&mut link, &self.member, Some(&self.shown), now_millis() / 1000).await;
        });
        Ok(())
    }
}

/// The link, when both have said hello. What the member acknowledged before, it still has.
async fn greeted(
    mut link: Connection,
    member: &Member,
    have_cursor: Option<wire::Cursor>,
) -> Result<Connection, String> {
    link.say(Kind::Hello(wire::Hello { have_cursor, ..member.hello() })).await;
    match link.next().await {
        Ok(Some(Kind::Hello(_))) => Ok(link),
        Ok(Some(Kind::Fault(fault))) => Err(fault.reason),
        Ok(other) => Err(format!("it said {other:?} instead of hello")),
        Err(status) => Err(status.message().to_owned()),
    }
}

fn true_leaves(member: &Member) -> Result<Vec<Bytes>, Failure> {
    let cannot = || Failure::failed(format!("cannot read the ledger of {ACCUSED}"));
    let options = LedgerOptions { segment_bytes: member.config.ledger.segment_bytes, ..LedgerOptions::default() };
    let (ledger, _) = Ledger::open(&ledger_path(&member.config), options).map_err(|error| cannot().because(error))?;
    let leaves = ledger.reader().leaves_from(LedgerIndex(0)).map_err(|error| cannot().because(error))?;
    leaves.map(|leaf| leaf.map(|leaf| leaf.body.into()).map_err(|error| cannot().because(error))).collect()
}

/// An entry that says nothing, in this place.
fn harmless(member: &Member, index: LedgerIndex) -> Bytes {
    let draft = EntryDraft {
        federation: member.config.federation.to_string(),
        author: member.config.agency.clone(),
        charter_version: member.directory.newest().version,
        place: Place { epoch: Epoch::FIRST, index },
        complaint: None,
        parents: Vec::new(),
        clock: HybridClock::new(now_millis(), 0),
        content: Vec::new(),
        body: Body::Witnessed(wire::Witnessed { root: vec![0; 32], peers: 0 }),
    };
    draft.sign(&member.keys.entry).bytes
}

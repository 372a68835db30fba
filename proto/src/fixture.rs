//! A small federation for tests, in the words of the domain: `federation.node("prov-jabar").forwards(&case).to("kemendagri")`.
//!
//! | file | content |
//! |---|---|
//! | `fixture.rs` | nodes that write entries, and a node's view of a complaint |
//! | [`charter`] | the charter of the federation and its keys |
//! | [`citizen`] | the citizen of a complaint and its words |
//! | [`ledger`] | the ledger of an agency, as the agency shows it |
//!
//! Invariants:
//! - everything is deterministic: keys are derived from names, and the test sets the time;
//! - an entry follows the rules unless the test changes its clock, basis, parents or bytes.

mod charter;
mod citizen;
pub(crate) mod ledger;

pub(crate) use charter::{
    charter_text, manager, manager_key, member, member_key, member_of, revoking, signed_by, successor_text, written,
};
pub(crate) use citizen::{OTHER_CODE, REPLY_CODE, code};

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use ed25519_zebra::VerificationKeyBytes;
use prost::Message;
use sha2::{Digest, Sha256};
use signed_note::Note;

use crate::admission::{Verdict, admit};
use crate::base::clock::HybridClock;
use crate::base::ids::{AgencyId, ComplaintId, EntryId, Epoch, LedgerIndex};
use crate::base::key::SigningKey;
use crate::base::refusal::Refusal;
use crate::charter::{
    Charter, CharterText, Charters, KeyUse, ManagerText, MemberKeyText, MemberKind, MemberStatus, MemberText,
    RevocationText, TrustedList, TrustedListDraft, text_hash,
};
use crate::complaint::{Complaint, Inserted, Standing};
use crate::engine::PeerQuotas;
use crate::entry::content::Content;
use crate::entry::{CharterName, ContentClass, Entry, EntryDraft, OwnBatch, Place, Signed, signed_bytes};
use crate::receipt::item_receipt;
use crate::tlog::note::{self, NoteKey, NoteKeyUse};
use crate::wire::{self, entry::Body as Wire};

/// Name of the federation.
pub(crate) const FEDERATION: &str = "sinergi.example";
/// Time at which the tests begin: 2025-11-24T16:00:00Z, in milliseconds since 1970.
pub(crate) const START: u64 = 1_764_000_000_000;
/// A minute in milliseconds.
pub(crate) const MINUTE: u64 = 60_000;
/// A day in milliseconds.
pub(crate) const DAY: u64 = 24 * 60 * MINUTE;
/// Time to answer an offer of the fixture, in milliseconds.
pub(crate) const ANSWER_WITHIN: u64 = 3 * DAY;
/// What a node under test keeps of each peer.
pub(crate) const QUOTAS: PeerQuotas = PeerQuotas {
    deferred_items: 1_000,
    deferred_items_of_author: 100,
    deferred_bytes: 1024 * 1024,
    refused_records_a_day: 1_000,
    refused_bytes_a_day: 1024 * 1024,
    share_bytes_a_week: 64 * 1024 * 1024,
};
/// The managers, who sign charters.
pub(crate) const MANAGERS: [&str; 5] = ["kemenpanrb", "kemendagri", "ksp", "ombudsman", "kominfo"];
/// The members.
pub(crate) const MEMBERS: [&str; 7] =
    ["kemenpanrb", "kemendagri", "ksp", "ombudsman", "kominfo", "prov-jabar", "kota-bandung"];

/// The agency with this id.
pub(crate) fn agency(id: &str) -> AgencyId {
    id.parse().expect("an agency id of the fixture")
}

/// The key of this name, always the same.
pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from(<[u8; 32]>::from(Sha256::digest(format!("sinergi test key {name}"))))
}

/// The entry key of an agency.
pub(crate) fn entry_key(agency: &str) -> SigningKey {
    key(&format!("{agency} entry"))
}

/// The entry key of an agency after its first one was revoked.
pub(crate) fn renewed_key(agency: &str) -> SigningKey {
    key(&format!("{agency} entry, renewed"))
}

/// A federation whose nodes write entries.
pub(crate) struct Federation {
    /// Its charters.
    pub(crate) charters: Charters,
}

impl Federation {
    /// The federation under its first charter.
    pub(crate) fn new() -> Self {
        let note = signed_by(&MANAGERS[..3], &written(&charter_text()));
        Self { charters: Charters::self_signed(&note).expect("three of five managers signed it") }
    }

    /// The federation after a second charter, changed as `change` says.
    pub(crate) fn changed(change: impl FnOnce(&mut CharterText)) -> Self {
        let mut federation = Self::new();
        let mut text = successor_text(&charter_text());
        change(&mut text);
        let note = signed_by(&MANAGERS[..3], &written(&text));
        federation.charters.succeed(&note).expect("a well-signed successor");
        federation
    }

    /// The federation after a second charter that revokes an agency's entry key and lists a new one, which [`renewed_key`] gives. `list` says what
    /// stays trusted under the old one.
    pub(crate) fn after_theft(of: &str, list: impl FnOnce(&mut TrustedListDraft)) -> Self {
        let old = entry_key(of).verification_key();
        let mut draft = TrustedListDraft::new(FEDERATION, &agency(of), [<[u8; 32]>::from(&old)]);
        list(&mut draft);
        let list = TrustedList::parse(draft.write()).expect("a list of the fixture");
        let mut federation = Self::new();
        federation.charters.keep_list(list.clone());
        let note = signed_by(&MANAGERS[..3], &written(&revoking(of, &list)));
        federation.charters.succeed(&note).expect("a well-signed successor");
        federation
    }

    /// The newest charter.
    pub(crate) fn charter(&self) -> &Arc<Charter> {
        self.charters.newest()
    }

    /// The node of a member.
    pub(crate) fn node(&self, id: &str) -> Node<'_> {
        Node { federation: self, id: agency(id) }
    }

    /// A complaint that was lodged with an agency at [`START`].
    pub(crate) fn case_at(&self, intake: &str) -> Case<'_> {
        Case::lodged(self, &self.node(intake).lodges().entry())
    }

    /// A complaint that `intake` forwarded and `holder` accepted, five minutes later each.
    pub(crate) fn case_held_by(&self, intake: &str, holder: &str) -> Case<'_> {
        let mut case = self.case_at(intake);
        case.later(5 * MINUTE);
        case.take(self.node(intake).forwards(&case).to(holder));
        case.later(5 * MINUTE);
        case.take(self.node(holder).accepts(&case));
        case
    }
}

/// One agency's node.
pub(crate) struct Node<'f> {
    federation: &'f Federation,
    id: AgencyId,
}

impl Node<'_> {
    /// A new complaint, lodged at [`START`].
    pub(crate) fn lodges(&self) -> Writing {
        let body = Wire::Lodged(wire::Lodged {
            kind: wire::ComplaintKind::Complaint.into(),
            category: "jalan".to_owned(),
            area: "32.73".to_owned(),
            class: wire::ContentClass::Public.into(),
            citizen_key: code(REPLY_CODE).public().to_vec(),
            key_origin: wire::KeyOrigin::Drawn.into(),
        });
        self.writes(None, Vec::new(), HybridClock::new(START, 0), body)
    }

    /// An entry with any body, written with the view of `case`. Its basis is the tip.
    pub(crate) fn says(&self, case: &Case<'_>, body: Wire) -> Writing {
        let clock = HybridClock::tick(case.now, case.complaint.newest_clock()).expect("a clock before its end");
        let writing = self.writes(Some(case.complaint.id()), case.complaint.parents_of_next(), clock, body);
        writing.on(case.complaint.tip())
    }

    /// A node body.
    pub(crate) fn witnesses(&self) -> Writing {
        let body = Wire::Witnessed(wire::Witnessed { root: vec![7; 32], peers: 3 });
        self.writes(None, Vec::new(), HybridClock::new(START, 0), body)
    }

    /// An offer of custody, to be completed with [`Writing::to`].
    pub(crate) fn forwards(&self, case: &Case<'_>) -> Writing {
        let reason = wire::ForwardReason::Competence.into();
        let answer_by = case.now + ANSWER_WITHIN;
        self.says(case, Wire::Forwarded(wire::Forwarded { reason, answer_by, ..Default::default() }))
    }

    /// A supervisor's offer of custody, to be completed with [`Writing::to`].
    pub(crate) fn reassigns(&self, case: &Case<'_>) -> Writing {
        let reason = wire::ForwardReason::Unanswered.into();
        let answer_by = case.now + ANSWER_WITHIN;
        self.says(case, Wire::Reassigned(wire::Reassigned { reason, answer_by, ..Default::default() }))
    }

    pub(crate) fn accepts(&self, case: &Case<'_>) -> Writing {
        self.says(case, Wire::Accepted(wire::Accepted::default()))
    }

    pub(crate) fn returns(&self, case: &Case<'_>) -> Writing {
        let reason = wire::ReturnReason::NotCompetent.into();
        self.says(case, Wire::Returned(wire::Returned { reason, ..Default::default() }))
    }

    pub(crate) fn withdraws(&self, case: &Case<'_>) -> Writing {
        self.says(case, Wire::Withdrawn(wire::Withdrawn::default()))
    }

    pub(crate) fn recalls(&self, case: &Case<'_>) -> Writing {
        self.says(case, Wire::Recalled(wire::Recalled::default()))
    }

    pub(crate) fn verifies(&self, case: &Case<'_>, category: &str) -> Writing {
        let category = category.to_owned();
        self.says(case, Wire::Verified(wire::Verified { category, ..Default::default() }))
    }

    pub(crate) fn progresses(&self, case: &Case<'_>) -> Writing {
        let state = wire::ProgressState::Started.into();
        self.says(case, Wire::Progressed(wire::Progressed { state, ..Default::default() }))
    }

    pub(crate) fn responds(&self, case: &Case<'_>) -> Writing {
        self.says(case, Wire::Responded(wire::Responded::default()))
    }

    pub(crate) fn resolves(&self, case: &Case<'_>) -> Writing {
        let outcome = wire::Outcome::Fixed.into();
        self.says(case, Wire::Resolved(wire::Resolved { outcome, ..Default::default() }))
    }

    /// Closes the case. The entry names the ground that the case gives, if there is one.
    pub(crate) fn closes(&self, case: &Case<'_>, cause: wire::CloseCause) -> Writing {
        let state = case.complaint.case();
        let ground = match cause {
            wire::CloseCause::Reply => state.citizens_word,
            wire::CloseCause::Silence => state.answer.map(|(answer, _)| answer),
            wire::CloseCause::OwnWord | wire::CloseCause::Unspecified => None,
        };
        let ground = ground.map(|id| id.0.to_vec()).unwrap_or_default();
        self.says(case, Wire::Closed(wire::Closed { cause: cause.into(), ground, ..Default::default() }))
    }

    pub(crate) fn proposes_archive(&self, case: &Case<'_>) -> Writing {
        let reason = wire::ArchiveReason::Duplicate.into();
        self.says(case, Wire::ArchiveProposed(wire::ArchiveProposed { reason, ..Default::default() }))
    }

    /// Links the complaint to another one.
    pub(crate) fn links(&self, case: &Case<'_>) -> Writing {
        let duplicate_of = vec![9; 32];
        self.says(case, Wire::Linked(wire::Linked { duplicate_of, ..Default::default() }))
    }

    /// A supervisor's or oversight agency's note.
    pub(crate) fn remarks(&self, case: &Case<'_>) -> Writing {
        self.says(case, Wire::Remarked(wire::Remarked::default()))
    }

    /// Shows that `receiver` had an entry at a time, in milliseconds since 1970.
    pub(crate) fn proves(&self, case: &Case<'_>, entry: EntryId, receiver: &str, at: u64) -> Writing {
        let version = self.federation.charter().version;
        let ack = ledger::Ledger::filled(8).acknowledges(receiver, entry, 7, at, version);
        let receipt = item_receipt(&ack, 0);
        self.says(case, Wire::Proven(wire::Proven { entry: entry.0.to_vec(), receipt }))
    }

    fn writes(&self, complaint: Option<ComplaintId>, parents: Vec<EntryId>, clock: HybridClock, body: Wire) -> Writing {
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: self.id.clone(),
            charter: self.federation.charter().name(),
            place: Place { epoch: Epoch::FIRST, index: LedgerIndex(0) },
            complaint,
            parents,
            clock,
            content: Vec::new(),
            body,
        };
        Writing { draft, key: entry_key(self.id.as_str()), charters: self.federation.charters.clone() }
    }
}

/// An entry that is being written.
#[derive(Clone)]
pub(crate) struct Writing {
    /// The draft as it stands.
    pub(crate) draft: EntryDraft,
    key: SigningKey,
    charters: Charters,
}

impl Writing {
    /// Sets the addressee of an offer.
    pub(crate) fn to(mut self, addressee: &str) -> Self {
        match &mut self.draft.body {
            Wire::Forwarded(body) => body.to = addressee.to_owned(),
            Wire::Reassigned(body) => body.to = addressee.to_owned(),
            other => panic!("{other:?} has no addressee"),
        }
        self
    }

    /// Sets the `answer_by` of an offer, in milliseconds since 1970.
    pub(crate) fn answer_by(mut self, millis: u64) -> Self {
        match &mut self.draft.body {
            Wire::Forwarded(body) => body.answer_by = millis,
            Wire::Reassigned(body) => body.answer_by = millis,
            other => panic!("{other:?} is no offer"),
        }
        self
    }

    /// Sets the ground of a closing.
    pub(crate) fn on_ground(mut self, ground: Option<EntryId>) -> Self {
        match &mut self.draft.body {
            Wire::Closed(body) => body.ground = ground.map(|id| id.0.to_vec()).unwrap_or_default(),
            other => panic!("{other:?} has no ground"),
        }
        self
    }

    /// Sets the basis.
    pub(crate) fn on(mut self, basis: EntryId) -> Self {
        if let Some(field) = basis_field(&mut self.draft.body) {
            *field = basis.0.to_vec();
        }
        self
    }

    /// Sets the parents.
    pub(crate) fn after(mut self, parents: &[EntryId]) -> Self {
        self.draft.parents = parents.to_vec();
        self
    }

    /// Sets the clock, in milliseconds since 1970.
    pub(crate) fn at(mut self, millis: u64) -> Self {
        self.draft.clock = HybridClock::new(millis, 0);
        self
    }

    /// Sets the charter version that it names.
    pub(crate) fn under_charter(mut self, version: u64) -> Self {
        let known = self.charters.version(version).map(|charter| charter.name());
        self.draft.charter = known.unwrap_or(CharterName { version, hash: version });
        self
    }

    /// Sets the leaf that it takes. Entries with the same content and other leaves have other ids.
    pub(crate) fn at_leaf(mut self, index: u64) -> Self {
        self.draft.place.index = LedgerIndex(index);
        self
    }

    /// Commits to a content.
    pub(crate) fn committing(mut self, content: &Content, class: ContentClass) -> Self {
        self.draft.content.push(content.commit(class));
        self
    }

    /// Signs with another key, and names it.
    pub(crate) fn signed_with(mut self, key: SigningKey) -> Self {
        self.key = key;
        self
    }

    /// The signed entry.
    pub(crate) fn signed(&self) -> Signed {
        self.draft.clone().sign(&self.key)
    }

    /// The entry as its author has it, without parsing its bytes.
    pub(crate) fn signed_checked(&self) -> Result<Entry, Refusal> {
        self.draft.clone().sign_checked(&self.key)
    }

    /// The entry as any node parses it.
    pub(crate) fn entry(&self) -> Entry {
        Entry::parse(self.signed().bytes, FEDERATION).expect("the fixture writes well-formed entries")
    }

    /// The signed bytes after `change` to the message.
    pub(crate) fn edited(&self, change: impl FnOnce(&mut wire::Entry)) -> Bytes {
        let envelope = wire::SignedEntry::decode(self.signed().bytes).expect("a signed entry");
        let mut message = wire::Entry::decode(envelope.entry).expect("an entry");
        change(&mut message);
        sealed(message.encode_to_vec(), &self.key)
    }
}

/// Any bytes in place of an entry, with a good signature.
pub(crate) fn sealed(entry: Vec<u8>, key: &SigningKey) -> Bytes {
    let envelope = OwnBatch::sign(&[EntryId::of(&entry)], key).envelope(0);
    signed_bytes(entry.into(), Some(&envelope))
}

fn basis_field(body: &mut Wire) -> Option<&mut Vec<u8>> {
    Some(match body {
        Wire::Forwarded(body) => &mut body.basis,
        Wire::Accepted(body) => &mut body.basis,
        Wire::Returned(body) => &mut body.basis,
        Wire::Reassigned(body) => &mut body.basis,
        Wire::Withdrawn(body) => &mut body.basis,
        Wire::Recalled(body) => &mut body.basis,
        Wire::Verified(body) => &mut body.basis,
        Wire::Progressed(body) => &mut body.basis,
        Wire::Responded(body) => &mut body.basis,
        Wire::Resolved(body) => &mut body.basis,
        Wire::Replied(body) => &mut body.basis,
        Wire::Closed(body) => &mut body.basis,
        Wire::Remarked(body) => &mut body.basis,
        Wire::ArchiveProposed(body) => &mut body.basis,
        Wire::ArchiveApproved(body) => &mut body.basis,
        Wire::ArchiveRefused(body) => &mut body.basis,
        Wire::EraseProposed(body) => &mut body.basis,
        Wire::Erased(body) => &mut body.basis,
        Wire::Arrived(body) => &mut body.basis,
        Wire::Escalated(body) => &mut body.basis,
        Wire::Linked(body) => &mut body.basis,
        Wire::Disclosed(body) => &mut body.basis,
        Wire::Lodged(_)
        | Wire::Proven(_)
        | Wire::Witnessed(_)
        | Wire::CharterAdopted(_)
        | Wire::LedgerReset(_)
        | Wire::Published(_) => {
            return None;
        }
    })
}

/// One node's view of a complaint, with its wall clock.
#[derive(Clone)]
pub(crate) struct Case<'f> {
    federation: &'f Federation,
    /// The fold.
    pub(crate) complaint: Complaint,
    /// Wall clock, milliseconds since 1970.
    pub(crate) now: u64,
}

impl<'f> Case<'f> {
    /// The view of a node that has this `Lodged` entry alone.
    pub(crate) fn lodged(federation: &'f Federation, lodged: &Entry) -> Self {
        let complaint = Complaint::lodge(lodged, &federation.charters).expect("a Lodged entry");
        Self { federation, complaint, now: lodged.clock.millis() }
    }

    /// Lets time pass.
    pub(crate) fn later(&mut self, millis: u64) {
        self.now += millis;
    }

    /// Writes an entry, admits it and adds it. Returns its id.
    pub(crate) fn take(&mut self, writing: Writing) -> EntryId {
        let entry = writing.entry();
        self.learn(&entry);
        entry.id
    }

    /// Admits an entry and adds it.
    pub(crate) fn learn(&mut self, entry: &Entry) -> Inserted {
        assert_eq!(self.judges(entry), Verdict::Admit, "{}", entry.body.name());
        let inserted = self.complaint.insert(entry, &self.federation.charters);
        self.complaint.check_invariants();
        inserted
    }

    /// The verdict on an entry.
    pub(crate) fn judges(&self, entry: &Entry) -> Verdict {
        let charter = self.federation.charters.named(&entry.charter).expect("a charter of the fixture");
        admit(entry, Some(&self.complaint), charter, self.now.max(entry.clock.millis()))
    }

    /// The holder's id.
    pub(crate) fn holder(&self) -> &str {
        self.complaint.custody().holder.as_str()
    }

    /// The addressee of the open offer.
    pub(crate) fn offered_to(&self) -> Option<&str> {
        self.complaint.custody().offer.as_ref().map(|offer| offer.to.as_str())
    }

    /// The standing of an entry.
    pub(crate) fn standing(&self, id: EntryId) -> Standing {
        self.complaint.standing(&id).expect("an entry of the case")
    }
}

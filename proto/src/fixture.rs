//! A small federation to test with, in the words of the domain: `federation.node("prov-jabar").forwards(&case).to("kemendagri")`.
//!
//! Everything is deterministic: keys are derived from names, and time is what the test says. What a node writes follows the rules
//! unless the test bends it: another clock, basis, parents or bytes.

pub(crate) mod ledger;

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
    Charter, CharterText, Charters, KeyUse, ManagerText, MemberKeyText, MemberKind, MemberStatus, MemberText, text_hash,
};
use crate::complaint::{Complaint, Inserted, Standing};
use crate::entry::content::{Content, reply_code_hash};
use crate::entry::{ContentClass, Entry, EntryDraft, Place, Signed};
use crate::tlog::note::{self, NoteKey, NoteKeyUse};
use crate::wire::{self, entry::Body as Wire};

/// Name of the federation.
pub(crate) const FEDERATION: &str = "sinergi.example";
/// When the tests begin: 2025-11-24T16:00:00Z, in milliseconds since 1970.
pub(crate) const START: u64 = 1_764_000_000_000;
/// A minute in milliseconds.
pub(crate) const MINUTE: u64 = 60_000;
/// A day in milliseconds.
pub(crate) const DAY: u64 = 24 * 60 * MINUTE;
/// How long an offer of the fixture waits for its answer.
pub(crate) const ANSWER_WITHIN: u64 = 3 * DAY;
/// The code on the citizen's receipt.
pub(crate) const REPLY_CODE: &str = "k7qm-2d9x-p4vt-0hsz";
/// Who signs charters.
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

/// The name of a manager's key in signed notes.
pub(crate) fn manager_key_name(manager: &str) -> String {
    format!("{FEDERATION}/manager/{manager}")
}

/// A manager with one key.
pub(crate) fn manager(name: &str) -> ManagerText {
    ManagerText { name: name.to_owned(), keys: vec![manager_key(name, name)] }
}

/// The verifier key text of the signing key `of`, under the note name of `named`.
pub(crate) fn manager_key(named: &str, of: &str) -> String {
    let public = key(&format!("{of} manager")).verification_key();
    NoteKey::new(manager_key_name(named), NoteKeyUse::Statement, public).to_string()
}

/// A member key, valid from 2025 to 2036.
pub(crate) fn member_key(agency: &str, key_use: KeyUse) -> MemberKeyText {
    let name = match key_use {
        KeyUse::Entry => "entry",
        KeyUse::Checkpoint => "checkpoint",
        KeyUse::Time => "time",
    };
    let public = VerificationKeyBytes::from(&key(&format!("{agency} {name}")));
    MemberKeyText {
        key_use,
        public: BASE64.encode(public.as_ref()),
        valid_from: "2025-01-01T00:00:00Z".to_owned(),
        valid_until: "2036-01-01T00:00:00Z".to_owned(),
    }
}

/// A member as the charter writes it.
pub(crate) fn member(id: &str, kind: MemberKind, parent: Option<&str>) -> MemberText {
    MemberText {
        id: agency(id),
        name: format!("Agency {id}"),
        kind,
        parent: parent.map(agency),
        area: String::new(),
        endpoints: vec![format!("{id}.example:7443")],
        oversight: matches!(id, "ksp" | "ombudsman"),
        status: MemberStatus::Active,
        authorities: vec![BASE64.encode(format!("certificate authority of {id}").as_bytes())],
        key: [KeyUse::Entry, KeyUse::Checkpoint, KeyUse::Time].map(|key_use| member_key(id, key_use)).into(),
    }
}

/// The first charter: seven members, three of five managers.
pub(crate) fn charter_text() -> CharterText {
    CharterText {
        federation: FEDERATION.to_owned(),
        version: 1,
        predecessor: None,
        valid_from: "2025-01-01T00:00:00Z".to_owned(),
        valid_until: "2035-01-01T00:00:00Z".to_owned(),
        grace_days: 30,
        threshold: 3,
        offers_before_alarm: None,
        manager: MANAGERS.map(manager).into(),
        member: vec![
            member("kemenpanrb", MemberKind::Ministry, None),
            member("kemendagri", MemberKind::Ministry, None),
            member("ksp", MemberKind::Institution, None),
            member("ombudsman", MemberKind::Institution, None),
            member("kominfo", MemberKind::Ministry, None),
            member("prov-jabar", MemberKind::Province, Some("kemendagri")),
            member("kota-bandung", MemberKind::City, Some("prov-jabar")),
        ],
    }
}

/// The member of this id in a charter's text.
pub(crate) fn member_of<'a>(text: &'a mut CharterText, id: &str) -> &'a mut MemberText {
    text.member.iter_mut().find(|member| member.id.as_str() == id).expect("a member of the fixture")
}

/// The text of the charter that follows a text.
pub(crate) fn successor_text(of: &CharterText) -> CharterText {
    let hash = text_hash(written(of).as_bytes());
    CharterText { version: of.version + 1, predecessor: Some(HEXLOWER.encode(&hash)), ..of.clone() }
}

/// The TOML that is signed.
pub(crate) fn written(text: &CharterText) -> String {
    toml::to_string(text).expect("a charter text is TOML")
}

/// A charter's text as a note signed by these managers, each under its own name.
pub(crate) fn signed_by(managers: &[&str], text: &str) -> Vec<u8> {
    let line = |manager: &&str| {
        note::sign_statement(&manager_key_name(manager), &key(&format!("{manager} manager")), text.as_bytes())
            .expect("a key name of the fixture")
    };
    let lines: Vec<_> = managers.iter().map(line).collect();
    Note::new(text.as_bytes(), &lines).expect("a charter text makes a note").to_bytes()
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
            reply_code_hash: reply_code_hash(REPLY_CODE).to_vec(),
        });
        self.writes(None, Vec::new(), HybridClock::new(START, 0), body)
    }

    /// Any body, on what the case shows now. A body's empty basis becomes the tip.
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

    pub(crate) fn replies(&self, case: &Case<'_>, word: wire::ReplyWord, reply_code: &str) -> Writing {
        let (word, reply_code) = (word.into(), reply_code.to_owned());
        self.says(case, Wire::Replied(wire::Replied { word, reply_code, ..Default::default() }))
    }

    pub(crate) fn closes(&self, case: &Case<'_>, cause: wire::CloseCause) -> Writing {
        self.says(case, Wire::Closed(wire::Closed { cause: cause.into(), ..Default::default() }))
    }

    /// A supervisor's or oversight agency's note.
    pub(crate) fn remarks(&self, case: &Case<'_>) -> Writing {
        self.says(case, Wire::Remarked(wire::Remarked::default()))
    }

    fn writes(&self, complaint: Option<ComplaintId>, parents: Vec<EntryId>, clock: HybridClock, body: Wire) -> Writing {
        let draft = EntryDraft {
            federation: FEDERATION.to_owned(),
            author: self.id.clone(),
            charter_version: self.federation.charter().version,
            place: Place { epoch: Epoch::FIRST, index: LedgerIndex(0) },
            complaint,
            parents,
            clock,
            content: Vec::new(),
            body,
        };
        Writing { draft, key: entry_key(self.id.as_str()) }
    }
}

/// An entry that is being written.
#[derive(Clone)]
pub(crate) struct Writing {
    /// The draft as it stands.
    pub(crate) draft: EntryDraft,
    key: SigningKey,
}

impl Writing {
    /// The addressee of an offer.
    pub(crate) fn to(mut self, addressee: &str) -> Self {
        match &mut self.draft.body {
            Wire::Forwarded(body) => body.to = addressee.to_owned(),
            Wire::Reassigned(body) => body.to = addressee.to_owned(),
            other => panic!("{other:?} has no addressee"),
        }
        self
    }

    /// Until when an offer may be answered.
    pub(crate) fn answer_by(mut self, millis: u64) -> Self {
        match &mut self.draft.body {
            Wire::Forwarded(body) => body.answer_by = millis,
            Wire::Reassigned(body) => body.answer_by = millis,
            other => panic!("{other:?} is no offer"),
        }
        self
    }

    /// The custody entry that it acts on.
    pub(crate) fn on(mut self, basis: EntryId) -> Self {
        if let Some(field) = basis_field(&mut self.draft.body) {
            *field = basis.0.to_vec();
        }
        self
    }

    /// Its parents.
    pub(crate) fn after(mut self, parents: &[EntryId]) -> Self {
        self.draft.parents = parents.to_vec();
        self
    }

    /// Its clock, in milliseconds.
    pub(crate) fn at(mut self, millis: u64) -> Self {
        self.draft.clock = HybridClock::new(millis, 0);
        self
    }

    /// The charter version that it names.
    pub(crate) fn under_charter(mut self, version: u64) -> Self {
        self.draft.charter_version = version;
        self
    }

    /// The leaf that it takes: makes entries that say the same thing differ.
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

    /// The entry as its author has it, without reading its bytes.
    pub(crate) fn signed_checked(&self) -> Result<Entry, Refusal> {
        self.draft.clone().sign_checked(&self.key)
    }

    /// The entry as any node parses it.
    pub(crate) fn entry(&self) -> Entry {
        Entry::parse(self.signed().bytes, FEDERATION).expect("what the fixture writes is well-formed")
    }

    /// The signed bytes after `change` to the message.
    pub(crate) fn edited(&self, change: impl FnOnce(&mut wire::Entry)) -> Bytes {
        let envelope = wire::SignedEntry::decode(self.signed().bytes).expect("a signed entry");
        let mut message = wire::Entry::decode(envelope.entry.as_slice()).expect("an entry");
        change(&mut message);
        sealed(message.encode_to_vec(), &self.key)
    }
}

/// Any bytes in the place of an entry, well signed.
pub(crate) fn sealed(entry: Vec<u8>, key: &SigningKey) -> Bytes {
    let signature = key.sign(&[b"sinergi/entry/v1\0".as_slice(), &entry].concat()).to_bytes().to_vec();
    wire::SignedEntry { entry, signature }.encode_to_vec().into()
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
        _ => return None,
    })
}

/// One node's view of a complaint, and the time on its wall.
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
        let complaint = Complaint::lodge(lodged).expect("a Lodged entry");
        Self { federation, complaint, now: lodged.clock.millis() }
    }

    /// Lets time pass.
    pub(crate) fn later(&mut self, millis: u64) {
        self.now += millis;
    }

    /// Writes an entry, admits it and adds it; its id.
    pub(crate) fn take(&mut self, writing: Writing) -> EntryId {
        let entry = writing.entry();
        self.learn(&entry);
        entry.id
    }

    /// Admits an entry and adds it.
    pub(crate) fn learn(&mut self, entry: &Entry) -> Inserted {
        assert_eq!(self.judges(entry), Verdict::Admit, "{}", entry.body.name());
        let charter = self.federation.charters.version(entry.charter_version).expect("a charter of the fixture");
        let inserted = self.complaint.insert(entry, charter);
        self.complaint.check_invariants();
        inserted
    }

    /// The verdict on an entry.
    pub(crate) fn judges(&self, entry: &Entry) -> Verdict {
        let charter = self.federation.charters.version(entry.charter_version).expect("a charter of the fixture");
        admit(entry, Some(&self.complaint), charter, self.now.max(entry.clock.millis()))
    }

    /// The holder's id.
    pub(crate) fn holder(&self) -> &str {
        self.complaint.custody().holder.as_str()
    }

    /// Whom custody is offered to.
    pub(crate) fn offered_to(&self) -> Option<&str> {
        self.complaint.custody().offer.as_ref().map(|offer| offer.to.as_str())
    }

    /// Where an entry stands.
    pub(crate) fn standing(&self, id: EntryId) -> Standing {
        self.complaint.standing(&id).expect("an entry of the case")
    }
}

//! The managers of a run's federation. They write and sign its charters with the product's own tools.
//!
//! Invariant: the same two of three managers sign every version, so the charters form one chain although the third manager changes.

use std::sync::Arc;

use sinergi_cli::charter::{Paper, draft, manager_key_name, successor, verifier_key};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::{
    CharterText, Charters, KeyUse, ManagerText, MemberKeyText, MemberText, RulesText, TrustedList,
};

use super::names::{FEDERATION, key};
use super::signatures::Signatures;

/// The managers who sign.
const SIGNERS: [&str; 2] = ["simulator-0", "simulator-1"];
/// Number of managers that must sign.
const THRESHOLD: usize = 2;

/// The mediator, if there are enough ministries.
const MEDIATOR: &str = "kementerian-1";

/// The managers, with the charters that they have signed.
pub struct Managers {
    newest: Paper,
    charters: Arc<Charters>,
    /// The number of the third manager, which is replaced at times.
    third: u64,
}

impl Managers {
    /// Signs the first charter, with these members and this kind of signatures.
    pub fn found(member: Vec<MemberText>, signatures: Signatures) -> Self {
        let text = CharterText {
            federation: FEDERATION.to_owned(),
            version: 1,
            predecessor: None,
            valid_from: "2025-01-01T00:00:00Z".to_owned(),
            valid_until: "2036-01-01T00:00:00Z".to_owned(),
            grace_days: 30,
            threshold: THRESHOLD,
            mediator: member.iter().map(|member| &member.id).find(|id| id.as_str() == MEDIATOR).cloned(),
            revocation: Vec::new(),
            rules: RulesText::default(),
            manager: managers(0),
            member,
        };
        let newest = sign(&text);
        let charters = Charters::self_signed(newest.bytes()).expect("the threshold signed it");
        let charters = Arc::new(signatures.apply_to_charters(charters));
        Self { newest, charters, third: 0 }
    }

    /// All charters.
    pub fn charters(&self) -> &Arc<Charters> {
        &self.charters
    }

    /// Signs the next version, changed by `change`.
    pub fn sign_next(&mut self, change: impl FnOnce(&mut CharterText)) {
        (self.newest, self.charters) = self.next(change);
    }

    /// The signed next version, and the chain that ends with it. Changes nothing here.
    pub fn next(&self, change: impl FnOnce(&mut CharterText)) -> (Paper, Arc<Charters>) {
        let mut text = successor(&self.newest).expect("a signed charter");
        change(&mut text);
        let next = sign(&text);
        let mut charters = Charters::clone(&self.charters);
        charters.succeed(next.bytes()).expect("the successor, signed by the threshold of both");
        (next, Arc::new(charters))
    }

    /// Keeps a list of trusted entries, which a later version names.
    pub fn keep_list(&mut self, list: TrustedList) {
        Arc::make_mut(&mut self.charters).keep_list(list);
    }

    /// Replaces the third manager in the next version. Returns all managers.
    pub fn replace_third(&mut self) -> Vec<ManagerText> {
        self.third += 1;
        managers(self.third)
    }
}

fn managers(third: u64) -> Vec<ManagerText> {
    let names = SIGNERS.iter().map(|name| (*name).to_owned()).chain([format!("simulator-third-{third}")]);
    names
        .map(|name| ManagerText { keys: vec![verifier_key(&key_name(&name), &key(&name)).to_string()], name })
        .collect()
}

fn key_name(manager: &str) -> String {
    manager_key_name(&FEDERATION.parse().expect("a federation name"), manager)
}

fn sign(text: &CharterText) -> Paper {
    let draft = draft(text).expect("a complete charter");
    SIGNERS
        .iter()
        .fold(draft, |paper, name| Paper::Note(paper.sign(None, &key(name)).expect("the key of a manager").note))
}

/// The keys of a member in one generation: for entries, for checkpoints, and for cosigned times.
pub fn member_keys(agency: &AgencyId, generation: u32) -> [SigningKey; 3] {
    ["entry", "checkpoint", "time"].map(|name| match generation {
        0 => key(&format!("{agency} {name}")),
        _ => key(&format!("{agency} {name} {generation}")),
    })
}

/// The same keys, in the form in which its node signs with them.
pub fn signing_keys(agency: &AgencyId, generation: u32, signatures: Signatures) -> [SigningKey; 3] {
    member_keys(agency, generation).map(|key| signatures.apply_to_key(&key))
}

/// The same keys, in the form in which a charter lists them.
pub fn listed_keys(agency: &AgencyId, generation: u32, valid_from: &str, valid_until: &str) -> Vec<MemberKeyText> {
    let uses = [KeyUse::Entry, KeyUse::Checkpoint, KeyUse::Time];
    let listed = uses.into_iter().zip(member_keys(agency, generation)).map(|(key_use, key)| MemberKeyText {
        key_use,
        public: data_encoding::BASE64.encode(key.verification_key().as_ref()),
        valid_from: valid_from.to_owned(),
        valid_until: valid_until.to_owned(),
    });
    listed.collect()
}

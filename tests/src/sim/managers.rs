//! The managers of a run's federation: they write its charters and sign them, with the product's own tools.
//!
//! Invariant: two of three sign, and the two sign every version, so that the charters are one chain whoever the third is.

use std::sync::Arc;

use sinergi_cli::charter::{Paper, draft, manager_key_name, successor, verifier_key};
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::{CharterText, Charters, KeyUse, ManagerText, MemberKeyText, MemberText};

use super::names::{FEDERATION, key};
use super::signatures::Signatures;

/// Those who sign.
const SIGNERS: [&str; 2] = ["simulator-0", "simulator-1"];
/// How many must sign.
const THRESHOLD: usize = 2;

/// What the managers have signed.
pub struct Managers {
    newest: Paper,
    charters: Arc<Charters>,
    /// The third manager, who comes and goes.
    third: u64,
}

impl Managers {
    /// The first charter, of these members, who sign like this.
    pub fn found(member: Vec<MemberText>, signatures: Signatures) -> Self {
        let text = CharterText {
            federation: FEDERATION.to_owned(),
            version: 1,
            predecessor: None,
            valid_from: "2025-01-01T00:00:00Z".to_owned(),
            valid_until: "2036-01-01T00:00:00Z".to_owned(),
            grace_days: 30,
            threshold: THRESHOLD,
            offers_before_alarm: None,
            manager: managers(0),
            member,
        };
        let newest = sign(&text);
        let charters = Charters::self_signed(newest.bytes()).expect("the threshold signed it");
        let charters = Arc::new(signatures.put_on(charters));
        Self { newest, charters, third: 0 }
    }

    /// All charters.
    pub fn charters(&self) -> &Arc<Charters> {
        &self.charters
    }

    /// Signs the next version, changed as `change` says.
    pub fn sign_next(&mut self, change: impl FnOnce(&mut CharterText)) {
        (self.newest, self.charters) = self.next(change);
    }

    /// The next version as they would sign it, and the chain that ends with it.
    pub fn next(&self, change: impl FnOnce(&mut CharterText)) -> (Paper, Arc<Charters>) {
        let mut text = successor(&self.newest).expect("a signed charter");
        change(&mut text);
        let next = sign(&text);
        let mut charters = Charters::clone(&self.charters);
        charters.succeed(next.bytes()).expect("the successor, signed by the threshold of both");
        (next, Arc::new(charters))
    }

    /// Another third manager, for the next version.
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
    let draft = draft(text).expect("a whole charter");
    SIGNERS.iter().fold(draft, |paper, name| Paper::Note(paper.sign(None, &key(name)).expect("a manager's key").note))
}

/// The keys of one member in one generation, each for its use: entries, checkpoints, their time.
pub fn member_keys(agency: &AgencyId, generation: u32) -> [SigningKey; 3] {
    ["entry", "checkpoint", "time"].map(|name| match generation {
        0 => key(&format!("{agency} {name}")),
        _ => key(&format!("{agency} {name} {generation}")),
    })
}

/// The same, as its node signs with them.
pub fn signing_keys(agency: &AgencyId, generation: u32, signatures: Signatures) -> [SigningKey; 3] {
    member_keys(agency, generation).map(|key| signatures.put_on_key(&key))
}

/// The same, as a charter lists them.
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

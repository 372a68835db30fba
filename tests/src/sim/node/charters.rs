//! Changes of a node's charters, keys and peers (daemon: storage/charters, storage/keys, peers/session/jobs).
//!
//! Changes that the operator makes in the node's folder take effect at the next start. A charter from a peer takes effect at once.

use std::sync::Arc;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::{CharterTrustError, Charters, MemberKey, MemberStatus, TrustedList};
use sinergi_proto::engine::Input;
use sinergi_proto::sync::{Adoption, Event};
use sinergi_proto::transparency::rollback_guard::GuardState;

use super::session::Submission;
use super::{Node, State};
use crate::sim::managers::{member_keys, signing_keys};

impl Node {
    /// The operator puts charters into the folder of the node, which is down.
    pub fn install(&mut self, charters: Arc<Charters>) {
        debug_assert_eq!(self.state, State::Down, "charter files are read at a start");
        self.set_charters(charters);
    }

    /// The operator adds a peer to the configuration of the node, which is down.
    pub fn configure(&mut self, peer: AgencyId) {
        debug_assert_eq!(self.state, State::Down, "the configuration is read at a start");
        self.adjacent.insert(peer);
    }

    /// The operator replaces the keys by those of this generation. The node is down or waits for its operator.
    pub fn rekey(&mut self, generation: u32) {
        debug_assert!(matches!(self.state, State::Down | State::SetBack), "keys are read at a start");
        let [entry, checkpoint, time] = signing_keys(&self.id, generation, self.signatures);
        (self.key, self.checkpoint_keys, self.generation) = (entry, [checkpoint, time], generation);
    }

    /// Number of times that the agency has changed its keys.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether the node can start with the keys of this generation under these charters. The newest charter must list the keys.
    pub fn starts_under(&self, charters: &Charters, generation: u32) -> bool {
        let listed = |keys: &[MemberKey]| {
            let mut own = member_keys(&self.id, generation).into_iter();
            own.all(|key| keys.iter().any(|listed| listed.public == key.verification_key()))
        };
        charters.newest().member(&self.id).is_some_and(|member| listed(&member.keys))
    }

    /// Whether the rollback guard lets the node sign.
    pub fn guard_state(&self) -> GuardState {
        self.guard.state()
    }

    /// Whether the newest charter that the node knows revokes one of its keys.
    pub fn has_revoked_key(&self) -> bool {
        let [statement, time] = &self.checkpoint_keys;
        [&self.key, statement, time].into_iter().any(|key| self.charters.is_revoked(&self.id, &key.verification_key()))
    }

    /// Whether the node's key may sign entries now, by the newest charter that the node knows.
    pub fn has_valid_key(&self, now: u64) -> bool {
        let (own, wall) = (self.key.verification_key(), self.wall(now));
        let is_valid = |key: &MemberKey| key.public == own && (key.valid_from..key.valid_until).contains(&wall);
        self.charter().member(&self.id).is_some_and(|member| member.keys.iter().any(is_valid))
    }

    /// Whether the node connects with this agency: it must be a configured peer, and a member that has not left.
    pub fn admits(&self, peer: &AgencyId) -> bool {
        let member = self.charters.newest().member(peer);
        self.adjacent.contains(peer) && member.is_some_and(|member| member.status != MemberStatus::Retired)
    }

    /// Adopts a charter that a peer passed on, and has the engine judge the items again that waited for it.
    pub(super) fn adopt(&mut self, note: &[u8], list: Option<Vec<u8>>, now: u64) -> Adoption {
        // Another link may have brought it.
        if self.charters.has_text_of(note) {
            return Adoption::InForce;
        }
        let mut extended = Charters::clone(&self.charters);
        if let Some(Ok(list)) = list.map(TrustedList::parse) {
            extended.keep_list(list);
        }
        match extended.succeed(note) {
            Ok(_) => {}
            Err(CharterTrustError::Rival(rival)) => return Adoption::Rival(rival.version),
            Err(CharterTrustError::MissingList { list, .. }) => {
                self.set_charters(Arc::new(extended));
                return Adoption::Lacks(list);
            }
            Err(_) => return Adoption::Not,
        }
        self.set_charters(Arc::new(extended));
        if self.has_revoked_key() {
            self.guard.key_revoked();
            self.follow_guard(now);
        }
        self.submissions.push_back(Submission { link: None, input: Input::Tick, job: None });
        self.tell_all(&Event::Charters(Arc::clone(&self.charters)));
        Adoption::InForce
    }

    fn set_charters(&mut self, charters: Arc<Charters>) {
        self.ledger.set_charters(Arc::clone(&charters));
        for agency in charters.newly_revoked_agencies() {
            self.watch.reopen(agency, |note| charters.open_checkpoint(note, agency).ok());
        }
        self.charters = charters;
    }
}

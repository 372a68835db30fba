//! New charters during a run: agencies join and leave, supervision and oversight change, keys rotate or are revoked, rules change.
//!
//! ```text
//! managers sign -> one operator installs the charter and restarts the node -> sessions pass it on over the links that are up
//!               -> a newcomer starts its node; the operators of its peers add it to their configuration, each at a random time
//!               -> an agency with new keys restarts with them, once its own node has the charter
//! ```
//!
//! Must not know how a charter spreads. The sessions do that.

use std::collections::BTreeSet;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use rand::RngExt;
use sha2::Digest;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::{
    CharterText, Charters, MemberKind, MemberStatus, MemberText, RevocationText, RulesText, TrustedList,
    TrustedListDraft,
};
use sinergi_proto::entry::Place;
use sinergi_proto::receipt::receipt_id;

use super::{BOOT, Event, MINUTE, World};
use crate::sim::managers::{listed_keys, member_keys};
use crate::sim::names::FEDERATION;
use crate::sim::node::{Node, State};
use crate::sim::scenarios::Scenario;
use crate::sim::topology::ALWAYS;

/// Time after which an operator tries again.
const AGAIN: u64 = 2 * MINUTE;
/// The longest time that an operator takes to do a task.
const WITHIN: u64 = 30 * MINUTE;
/// The least time for which replaced keys stay valid.
const OVERLAP: u64 = 60 * MINUTE;
/// The time after which the managers revoke a stolen key. The thief goes on after that.
const STOLEN_KEY_REVOKED: u64 = super::TROUBLE / 2;
/// The most charters that managers sign in a run.
const MOST: u32 = 5;

/// A task of an operator, done as soon as it is possible.
#[derive(Clone, Debug)]
pub(super) enum Duty {
    /// Starts the node of an agency that has become a member.
    StartNode,
    /// Puts charters into the node's folder.
    Install(Arc<Charters>),
    /// Adds a peer.
    Configure(AgencyId),
    /// Replaces the keys.
    Rekey(u32),
}

impl World {
    /// Schedules the charters of this run.
    pub(super) fn plan_charters(&mut self) {
        let count = if self.rng.random_ratio(1, 4) { 0 } else { self.rng.random_range(1..=MOST) };
        // A run with a liar has a fixed membership, because the nodes that must find the lie must see all of it.
        let count = if self.plan.lie.is_some() { 0 } else { count };
        if self.plan.lie.is_some() {
            self.schedule(STOLEN_KEY_REVOKED, Event::RevokeStolenKey);
        }
        for _ in 0..count {
            let after = self.rng.random_range(MINUTE..super::TROUBLE - WITHIN);
            self.schedule(after, Event::Charter);
        }
    }

    /// The managers sign the next charter.
    pub(super) fn change_charter(&mut self) {
        let changed = match self.rng.random_range(0..8) {
            0 | 1 => self.lets_join(),
            2 => self.retires(),
            3 => self.moves(),
            4 => self.makes_overseer(),
            5 => self.rotates_keys(),
            6 => self.revokes_keys(),
            _ => None,
        };
        if changed.is_none() {
            self.changes_rules();
        }
        self.install_newest();
    }

    /// The owner of a stolen key has noticed it. The managers revoke the key, and everything that the owner did not write itself is disputed.
    pub(super) fn revoke_stolen_key(&mut self) {
        let liar = self.liar.as_ref().and_then(|liar| self.nodes[liar].lie());
        let Some(victim) = liar.and_then(|lie| lie.victim()).cloned() else {
            return self.schedule(10 * MINUTE, Event::RevokeStolenKey);
        };
        self.revoke_keys_of(&BTreeSet::from([victim]));
        self.install_newest();
    }

    /// Some operator installs the newest charter.
    fn install_newest(&mut self) {
        let active: Vec<AgencyId> = self.active_agencies().collect();
        let first = active[self.rng.random_range(0..active.len())].clone();
        let after = self.rng.random_range(0..WITHIN);
        let charters = Arc::clone(self.topology.charters());
        self.schedule(after, Event::Operator(first, Duty::Install(charters)));
    }

    /// An operator does a task, or tries again later.
    pub(super) fn operator(&mut self, id: &AgencyId, duty: Duty) {
        if self.has_left(id) {
            if let Duty::Install(_) = duty {
                let active: Vec<AgencyId> = self.active_agencies().collect();
                let other = self.pick(&active).expect("at least one agency takes part");
                self.schedule(AGAIN, Event::Operator(other, duty));
            }
            return;
        }
        let (state, is_founded) = (self.nodes[id].state, self.is_founded(id));
        match duty {
            Duty::StartNode if !is_founded => {
                let charters = Arc::clone(self.topology.charters());
                self.node(id).install(charters);
                self.founded.insert(id.clone());
                self.start(id);
            }
            Duty::StartNode => {}
            // A node that waits for its operator or does not run is left alone.
            _ if !is_founded || matches!(state, State::SetBack | State::Down) => {
                self.schedule(AGAIN, Event::Operator(id.clone(), duty))
            }
            Duty::Install(charters) => {
                if self.nodes[id].charter().version < charters.newest().version {
                    self.crash(id, BOOT);
                    self.node(id).install(charters);
                    self.replaces_revoked_keys(id);
                }
            }
            Duty::Configure(peer) => {
                self.crash(id, BOOT);
                self.node(id).configure(peer);
            }
            Duty::Rekey(generation) => {
                let node = &self.nodes[id];
                if node.starts_under(node.charters(), generation) {
                    self.crash(id, BOOT);
                    self.node(id).rekey(generation);
                } else {
                    self.schedule(AGAIN, Event::Operator(id.clone(), duty));
                }
            }
        }
    }

    /// Whether an agency's node was ever started.
    pub(super) fn is_founded(&self, id: &AgencyId) -> bool {
        self.founded.contains(id)
    }

    /// Whether an agency is no longer a member.
    pub fn has_left(&self, id: &AgencyId) -> bool {
        let member = self.topology.charters().newest().member(id);
        member.is_some_and(|member| member.status == MemberStatus::Retired)
    }

    /// Whether an agency takes part: its node was started, and it has not left.
    pub fn takes_part(&self, id: &AgencyId) -> bool {
        self.is_founded(id) && !self.has_left(id)
    }

    fn active_agencies(&self) -> impl Iterator<Item = AgencyId> {
        self.members.iter().filter(|id| self.takes_part(id)).cloned()
    }

    fn sign(&mut self, what: &str, change: impl FnOnce(&mut CharterText)) {
        self.trace.update(what);
        if self.plan.scenario == Some(Scenario::TwoCharters) {
            self.sign_a_rival();
        }
        let valid_from = time(self.now);
        self.topology.managers.sign_next(|text| {
            text.valid_from = valid_from;
            change(text);
            // The previous charter may have ended already, and managers sign no charter that has ended.
            if at(&text.valid_until) <= at(&text.valid_from) {
                text.valid_until = ALWAYS[1].to_owned();
            }
        });
        self.report.charters += 1;
    }

    /// Signs a second charter of the same version, without one of the cities. Some other operator installs it.
    fn sign_a_rival(&mut self) {
        let cities: Vec<AgencyId> = self.active_agencies().filter(|id| self.nodes[id].adjacent().len() == 1).collect();
        let Some(city) = self.pick(&cities) else { return };
        let (_, rival) = self.topology.managers.next(|text| of(text, &city).status = MemberStatus::Retired);
        let active: Vec<AgencyId> = self.active_agencies().collect();
        if let Some(first) = self.pick(&active) {
            self.schedule(1, Event::Operator(first, Duty::Install(rival)));
        }
    }

    /// An agency becomes a member. Its node starts without history, and its peers add it.
    fn lets_join(&mut self) -> Option<()> {
        let newcomer = self.topology.newcomers.pop()?;
        let id = newcomer.member.id.clone();
        self.sign("joins", |text| text.member.push(newcomer.member));
        for peer in newcomer.peers {
            self.adds_link(&id, &peer);
            self.node(&id).configure(peer.clone());
            let after = self.rng.random_range(0..WITHIN);
            self.schedule(after, Event::Operator(peer, Duty::Configure(id.clone())));
        }
        let after = self.rng.random_range(0..WITHIN);
        self.schedule(after, Event::Operator(id, Duty::StartNode));
        Some(())
    }

    /// A city leaves. Entries that only it has are lost to the others.
    fn retires(&mut self) -> Option<()> {
        let sets_out = |id: &AgencyId| {
            let is_leaf = self.nodes[id].adjacent().len() == 1;
            is_leaf && self.nodes[id].state == State::Clear && !self.archive.is_set_back(id)
        };
        let leaving: Vec<AgencyId> = self.active_agencies().filter(sets_out).collect();
        let id = self.pick(&leaving)?;
        self.sign("retires", |text| of(text, &id).status = MemberStatus::Retired);
        Some(())
    }

    /// A city gets another province. It gets a link with it, and keeps the link with the old one.
    fn moves(&mut self) -> Option<()> {
        let charter = Arc::clone(self.topology.charters().newest());
        let is_province = |id: &AgencyId| charter.member(id).is_some_and(|m| m.kind == MemberKind::Province);
        let provinces: Vec<AgencyId> = self.active_agencies().filter(|id| is_province(id)).collect();
        let cities: Vec<AgencyId> =
            self.active_agencies().filter(|id| charter.parent(id).is_some_and(is_province)).collect();
        let city = self.pick(&cities)?;
        let others: Vec<AgencyId> = provinces.into_iter().filter(|id| Some(id) != charter.parent(&city)).collect();
        let province = self.pick(&others)?;
        self.sign("moves", |text| of(text, &city).parent = Some(province.clone()));
        if self.adds_link(&city, &province) {
            for (id, peer) in [(&city, &province), (&province, &city)] {
                let after = self.rng.random_range(0..WITHIN);
                self.schedule(after, Event::Operator(id.clone(), Duty::Configure(peer.clone())));
            }
        }
        Some(())
    }

    /// An institution or a ministry becomes an oversight agency, or ceases to be one.
    fn makes_overseer(&mut self) -> Option<()> {
        let charter = Arc::clone(self.topology.charters().newest());
        // An oversight agency must be linked with ministries.
        let kinds = [MemberKind::Ministry, MemberKind::Institution];
        let may_oversee = |id: &AgencyId| charter.member(id).is_some_and(|member| kinds.contains(&member.kind));
        let all: Vec<AgencyId> = self.active_agencies().filter(may_oversee).collect();
        let id = self.pick(&all)?;
        let is_only_one = charter.is_oversight(&id) && charter.members().filter(|member| member.oversight).count() == 1;
        if is_only_one {
            return None;
        }
        self.sign("oversees", |text| of(text, &id).oversight ^= true);
        Some(())
    }

    /// An agency gets new keys. The old ones stay listed and valid for some time, until the next rotation.
    fn rotates_keys(&mut self) -> Option<()> {
        let has_newest = |id: &AgencyId| self.nodes[id].generation() == self.topology.generation(id);
        let all: Vec<AgencyId> = self.active_agencies().filter(has_newest).collect();
        let id = self.pick(&all)?;
        let before = self.topology.generation(&id);
        let [from, until] = ALWAYS;
        let old_until = time(self.now + OVERLAP + self.rng.random_range(0..2 * OVERLAP));
        let old_until = if self.rng.random_bool(0.5) { old_until } else { until.to_owned() };
        let new_from = time(self.now);
        let mut keys = listed_keys(&id, before, from, &old_until);
        keys.extend(listed_keys(&id, before + 1, &new_from, until));
        self.sign("rotates", |text| of(text, &id).key = keys);
        self.topology.generations.insert(id.clone(), before + 1);
        let after = self.rng.random_range(0..WITHIN);
        self.schedule(after, Event::Operator(id, Duty::Rekey(before + 1)));
        Some(())
    }

    /// One or two agencies report their keys stolen, and get new ones. What they and the oversight agencies have stays trusted.
    fn revokes_keys(&mut self) -> Option<()> {
        let has_newest = |id: &AgencyId| self.nodes[id].generation() == self.topology.generation(id);
        let all: Vec<AgencyId> = self.active_agencies().filter(has_newest).collect();
        let mut reported = BTreeSet::from([self.pick(&all)?]);
        if self.rng.random_bool(0.5) {
            reported.extend(self.pick(&all));
        }
        self.revoke_keys_of(&reported);
        Some(())
    }

    /// The managers revoke the keys of these agencies, which get new ones.
    pub(super) fn revoke_keys_of(&mut self, agencies: &BTreeSet<AgencyId>) {
        let (new_from, [_, until]) = (time(self.now), ALWAYS);
        let mut changes = Vec::new();
        for id in agencies {
            let before = self.topology.generation(id);
            let list = self.trusted_list(id, before);
            let revoked: Vec<String> = list.keys().iter().map(|key| BASE64.encode(key)).collect();
            let (hash, list_bytes) = (HEXLOWER.encode(&list.hash()), list.text().len());
            let revocation = RevocationText { agency: id.clone(), keys: revoked, list: hash, list_bytes };
            changes.push((id.clone(), listed_keys(id, before + 1, &new_from, until), revocation));
            self.topology.managers.keep_list(list);
            self.topology.generations.insert(id.clone(), before + 1);
            let after = self.rng.random_range(0..WITHIN);
            self.schedule(after, Event::Operator(id.clone(), Duty::Rekey(before + 1)));
        }
        self.sign("revokes", |text| {
            for (id, keys, revocation) in changes {
                of(text, &id).key = keys;
                text.revocation.push(revocation);
            }
        });
    }

    /// The list of what stays trusted under an agency's keys of this generation: what is in its own ledger and in those of the oversight agencies.
    fn trusted_list(&self, id: &AgencyId, generation: u32) -> TrustedList {
        let keys = member_keys(id, generation);
        let entry_key = keys[0].id();
        let public = keys.iter().map(|key| <[u8; 32]>::from(&key.verification_key()));
        let mut draft = TrustedListDraft::new(FEDERATION, id, public);
        let charter = self.topology.charters().newest();
        // If the key was stolen, only its owner can tell its own entries from those of the thief.
        let is_stolen = self.liar.is_some();
        let knows = |node: &&Node| node.id == *id || (charter.is_oversight(&node.id) && !is_stolen);
        for node in self.nodes.values().filter(knows) {
            let is_own = |place: Place, index: u64| (place.epoch, place.index.0) == (node.ledger.epoch, index);
            let of_key = (0..).zip(node.ledger.leaves.iter().map(|leaf| &leaf.entry));
            let of_key = of_key.filter(|(index, entry)| {
                let is_genuine = !is_stolen || is_own(entry.place, *index);
                entry.author == *id && entry.key_id == entry_key && is_genuine
            });
            let of_key = of_key.map(|(_, entry)| entry);
            draft.entries.extend(of_key.map(|entry| entry.id));
            draft.receipts.extend(node.ledger.receipts_of(id).map(|ack| receipt_id(&ack.receipt)));
        }
        TrustedList::parse(draft.write()).expect("a list")
    }

    /// Puts new keys into the folder of a node that is down, if its charter does not list the old ones any more. It would not start otherwise.
    pub(super) fn replaces_revoked_keys(&mut self, id: &AgencyId) {
        let (node, next) = (&self.nodes[id], self.nodes[id].generation() + 1);
        if node.state == State::Down && node.has_revoked_key() && node.starts_under(node.charters(), next) {
            self.node(id).rekey(next);
        }
    }

    /// Changes only rules and managers.
    fn changes_rules(&mut self) {
        let third = self.topology.managers.replace_third();
        let rules = RulesText {
            answer_by_days: Some(self.rng.random_range(1..20)),
            silence_working_days: Some(self.rng.random_range(1..20)),
            offers_before_mediation: Some(self.rng.random_range(2..6)),
        };
        let grace = self.rng.random_range(0..60);
        let until = time(self.now + self.rng.random_range(MINUTE..10 * 60 * MINUTE));
        let expires = self.rng.random_bool(0.3);
        self.sign("rules", |text| {
            (text.manager, text.rules, text.grace_days) = (third, rules, grace);
            text.valid_until = if expires { until } else { ALWAYS[1].to_owned() };
        });
    }

    /// Adds a line between two agencies. Returns whether it is new.
    fn adds_link(&mut self, a: &AgencyId, b: &AgencyId) -> bool {
        let pair = Self::pair(a, b);
        if self.lines.contains_key(&pair) {
            return false;
        }
        self.lines.entry(pair.clone()).or_default();
        self.schedule(1, Event::Connect(pair));
        true
    }

    fn pick(&mut self, all: &[AgencyId]) -> Option<AgencyId> {
        (!all.is_empty()).then(|| all[self.rng.random_range(0..all.len())].clone())
    }
}

fn of<'a>(text: &'a mut CharterText, id: &AgencyId) -> &'a mut MemberText {
    text.member.iter_mut().find(|member| member.id == *id).expect("a member")
}

fn time(millis: u64) -> String {
    let millis = i64::try_from(millis).expect("a time of a run");
    jiff::Timestamp::from_millisecond(millis).expect("a time of a run").to_string()
}

/// Parses a time of a charter.
fn at(text: &str) -> jiff::Timestamp {
    text.parse().expect("a time of a charter")
}

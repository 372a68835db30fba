//! The faults of a run: their effects on machines and lines, and their end.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::RngExt;
use sha2::Digest;
use sinergi_proto::base::ids::{AgencyId, EntryId, Epoch};
use sinergi_proto::transparency::rollback_guard::{GuardState, OwnTree};

use super::network::Pair;
use super::{BOOT, CONVERGE, Event, MINUTE, World};
use crate::sim::faults::Fault;
use crate::sim::node::{Node, State};

impl World {
    pub(super) fn begin_fault(&mut self) {
        if self.healing {
            return;
        }
        let (fault, lasts) = Fault::draw(&mut self.rng);
        let number = self.rng.random_range(0..self.lines.len());
        let pair = self.lines.keys().nth(number).cloned().expect("the number is below the number of lines");
        let pair = if self.rng.random_bool(0.5) { pair } else { (pair.1, pair.0) };
        self.trace.update(format!("{fault:?}"));
        let key = Self::pair(&pair.0, &pair.1);
        let line = self.lines.get_mut(&key).expect("linked agencies have a line");
        match fault {
            Fault::Cut => {
                line.cut += 1;
                self.break_line(&key);
            }
            Fault::Split(halves) => {
                for pair in self.lines_between(halves) {
                    self.lines.get_mut(&pair).expect("linked agencies have a line").cut += 1;
                    self.break_line(&pair);
                }
            }
            Fault::OneWay => drop(line.mute.insert(pair.0.clone())),
            Fault::Break => self.break_line(&key),
            Fault::Duplicate => line.duplicate = true,
            Fault::Swap => line.swap = true,
            Fault::Slow => line.slow += 1,
            Fault::Silent => self.silence(&pair.0),
            Fault::Crash if self.rng.random_bool(0.5) => drop(self.crash_at_next_sync.insert(pair.0.clone(), lasts)),
            Fault::Crash => self.crash(&pair.0, lasts),
            Fault::Reboot => {
                self.crash(&pair.0, BOOT);
                self.turn_clock(&pair.0);
            }
            Fault::Clock => self.turn_clock(&pair.0),
            Fault::Drift => self.drift_clock(&pair.0, lasts),
            Fault::FarClock => self.turn_clock_far(&pair.0),
            Fault::FarReboot => self.restart_with_a_far_clock(&pair.0, BOOT),
            // No peer would tell the operators of an agency that has left about the loss.
            Fault::Restore if self.has_left(&pair.0) => self.crash(&pair.0, lasts),
            Fault::Restore => self.restore(&pair.0, lasts),
            Fault::LowDisk => self.node(&pair.0).space.is_low = true,
        }
        self.schedule(lasts, Event::Heal(fault, pair));
    }

    pub(super) fn lines_between(&self, halves: u32) -> Vec<Pair> {
        let half = |id: &AgencyId| {
            let number = self.members.iter().position(|member| member == id).unwrap_or_default();
            halves.rotate_right(u32::try_from(number).unwrap_or_default()) & 1
        };
        self.lines.keys().filter(|(a, b)| half(a) != half(b)).cloned().collect()
    }

    pub(super) fn lines_of(&self, id: &AgencyId) -> Vec<Pair> {
        self.lines.keys().filter(|(a, b)| a == id || b == id).cloned().collect()
    }

    pub(super) fn silence(&mut self, id: &AgencyId) {
        for pair in self.lines_of(id) {
            let line = self.lines.get_mut(&pair).expect("linked agencies have a line");
            line.mute.extend([pair.0.clone(), pair.1.clone()]);
        }
    }

    pub(super) fn crash(&mut self, id: &AgencyId, lasts: u64) {
        for pair in self.lines_of(id) {
            self.break_line(&pair);
        }
        let survives = self.rng.random_bool(0.5);
        let is_founded = self.is_founded(id);
        let node = self.node(id);
        if is_founded && node.state != State::SetBack {
            node.crash(survives);
            let copy = node.ledger.clone();
            // The crash leaves a copy of the folder for a later restore, unless there is one already.
            if !self.folder_copies.contains_key(id) {
                self.folder_copies.insert(id.clone(), copy);
            }
            self.schedule(lasts, Event::Start(id.clone()));
        }
    }

    /// Replaces the node's folder by an older copy, if there is one.
    pub(super) fn restore(&mut self, id: &AgencyId, lasts: u64) {
        // Only its lie restores copies of a liar's folder.
        let copy = self.folder_copies.remove(id).filter(|_| !self.is_liar(id));
        let Some(copy) = copy else { return self.crash(id, lasts) };
        if self.nodes[id].state == State::SetBack {
            return;
        }
        self.crash(id, lasts);
        self.folder_copies.remove(id);
        self.archive.note_set_back(&self.nodes[id], &copy);
        // If no other node can pass the newest charter on, the operators get it from the managers again, so it is not lost. A newcomer has
        // it too, but its peers admit the newcomer only under that charter.
        let newest = self.nodes[id].charter().version;
        let may_link = |node: &Node| node.adjacent().iter().any(|peer| self.nodes[peer].admits(&node.id));
        let passes_on = |node: &Node| node.id != *id && node.charter().version >= newest && may_link(node);
        let is_known = self.nodes.values().any(passes_on);
        let brings_charters = self.rng.random_bool(0.5) && is_known;
        let mark = match self.rng.random_range(0..4) {
            // The mark is where the backup does not reach.
            0 | 1 => self.nodes[id].mark,
            // It came back with the backup.
            2 => Some(OwnTree::extent(&copy)),
            // It was lost with the machine.
            _ => None,
        };
        let node = self.node(id);
        node.mark = mark;
        let is_gone = |entry: &EntryId| copy.leaf_of(entry).is_none();
        let gone: Vec<EntryId> = node.ledger.leaves.iter().map(|leaf| leaf.entry.id).filter(is_gone).collect();
        let (was, kept) = (Arc::clone(node.ledger.charters()), node.generation());
        node.ledger = copy;
        // The charters are in another folder, which may have been copied too.
        let charters = Arc::clone(node.ledger.charters());
        let charters = if brings_charters && node.starts_under(&charters, kept) { charters } else { was };
        node.install(charters);
        for entry in gone {
            // Past a liar nothing comes back: what it has not forgotten it may keep.
            let may_bring_back = |node: &&Node| self.liar.is_none() || node.adjacent().contains(id);
            if self.honest().filter(may_bring_back).all(|node| node.ledger.leaf_of(&entry).is_none()) {
                self.lost.insert(entry);
            }
        }
        // Some of its links are cut at first, so the peer that saw most of its ledger may be the last one that it hears.
        for pair in self.lines_of(id) {
            if self.rng.random_bool(0.5) && !self.healing {
                self.lines.get_mut(&pair).expect("linked agencies have a line").cut += 1;
                let longer = self.rng.random_range(MINUTE..60 * MINUTE);
                self.schedule(lasts + longer, Event::Heal(Fault::Cut, pair));
            }
        }
    }

    pub(super) fn end_fault(&mut self, fault: Fault, pair: &Pair) {
        // Healing has ended every fault.
        if self.healing {
            return;
        }
        let key = Self::pair(&pair.0, &pair.1);
        match fault {
            Fault::Cut => {
                let line = self.lines.get_mut(&key).expect("linked agencies have a line");
                line.cut = line.cut.saturating_sub(1);
            }
            Fault::Split(halves) => {
                for pair in self.lines_between(halves) {
                    let line = self.lines.get_mut(&pair).expect("linked agencies have a line");
                    line.cut = line.cut.saturating_sub(1);
                }
            }
            Fault::OneWay => drop(self.lines.get_mut(&key).expect("linked agencies have a line").mute.remove(&pair.0)),
            Fault::Slow => {
                let line = self.lines.get_mut(&key).expect("linked agencies have a line");
                line.slow = line.slow.saturating_sub(1);
            }
            Fault::Silent => {
                for pair in self.lines_of(&pair.0) {
                    self.break_line(&pair);
                    self.lines.get_mut(&pair).expect("linked agencies have a line").mute.clear();
                }
            }
            Fault::Clock | Fault::Drift | Fault::FarClock | Fault::FarReboot | Fault::Reboot => {
                self.set_clock_right(&pair.0);
            }
            Fault::LowDisk => self.node(&pair.0).space.is_low = false,
            Fault::Break | Fault::Duplicate | Fault::Swap | Fault::Crash | Fault::Restore => {}
        }
    }

    pub(super) fn recover(&mut self, id: &AgencyId) {
        self.recovering.remove(id);
        if self.node(id).state == State::SetBack {
            self.begin_epoch(id);
        }
    }

    fn begin_epoch(&mut self, id: &AgencyId) {
        let now = self.now;
        // The product asks for the time if the clock does not fit the old ledger.
        self.set_clock_right(id);
        self.archive.end_epoch(&self.nodes[id]);
        // An expired key cannot declare an epoch. The operator installs the next one first.
        let (node, next) = (&self.nodes[id], self.nodes[id].generation() + 1);
        if !node.has_valid_key(now) && node.starts_under(node.charters(), next) {
            self.node(id).rekey(next);
        }
        // An operator need not remember an epoch that the mark shows.
        let is_unmarked = |epoch: &Epoch| self.nodes[id].mark.is_none_or(|mark| mark.epoch < *epoch);
        let remembered = self.remembered_epochs.get(id).copied().filter(is_unmarked);
        // The operators may put a copy from before the epoch in place.
        if !self.healing && !self.is_liar(id) && self.rng.random_ratio(1, 6) {
            let before = self.nodes[id].ledger.clone();
            self.folder_copies.insert(id.clone(), before);
            self.schedule(2 * MINUTE, Event::Restore(id.clone()));
        }
        self.node(id).recover(remembered, now);
        self.remembered_epochs.insert(id.clone(), self.nodes[id].ledger.epoch);
        self.report.recovered += 1;
        self.settle(id);
    }

    /// An agency may continue with a ledger that was set back, because its peers were set back too and did not notice. Its auditors then
    /// tell it, and its operator begins a new epoch.
    ///
    /// So does the operator of a node whose peers claim to have more of its ledger, which they can prove only under keys that are revoked.
    pub(super) fn report_undeclared_losses(&mut self) {
        let goes_on = |(id, epoch): &&(AgencyId, Epoch)| self.nodes[id].ledger.epoch == *epoch && !self.has_left(id);
        let went_on = self.archive.undeclared.iter().filter(goes_on).map(|(id, _)| id);
        let is_stuck = |node: &&Node| {
            let was_told = self.topology.charters().has_revoked(&node.id) && self.archive.is_set_back(&node.id);
            was_told && node.guard_state() == GuardState::Unconfirmed
        };
        let stuck = self.nodes.values().filter(is_stuck).map(|node| &node.id);
        for id in went_on.chain(stuck).cloned().collect::<BTreeSet<_>>() {
            for pair in self.lines_of(&id) {
                self.break_line(&pair);
            }
            let node = self.node(&id);
            node.crash(false);
            // It reads the ledgers of its peers from the beginning, because it skipped its own lost entries when it read them before.
            node.ledger.received.clear();
            self.begin_epoch(&id);
        }
    }

    /// Ends all faults.
    pub(super) fn heal(&mut self) {
        self.healing = true;
        self.crash_at_next_sync.clear();
        for pair in self.lines.keys().cloned().collect::<Vec<_>>() {
            let line = &self.lines[&pair];
            // A connection with lost or swapped frames is broken, as a real one would be. The next connection delivers the missing frames.
            if !line.mute.is_empty() || line.cut > 0 || line.swap || line.is_disturbed {
                self.break_line(&pair);
            }
            let line = self.lines.get_mut(&pair).expect("linked agencies have a line");
            line.mute.clear();
            (line.cut, line.slow, line.duplicate, line.swap) = (0, 0, false, false);
        }
        for id in self.members.clone() {
            self.set_clock_right(&id);
            self.node(&id).space.is_low = false;
            self.schedule(1, Event::Start(id));
        }
        self.schedule(CONVERGE / 5, Event::ReportLosses);
    }
}

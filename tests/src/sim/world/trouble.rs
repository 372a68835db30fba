//! The trouble of a run: faults, what they do to machines and lines, and their end.

use rand::RngExt;
use sha2::Digest;
use sinergi_proto::base::ids::{AgencyId, EntryId};

use super::network::Pair;
use super::{BOOT, CONVERGE, Event, MINUTE, World};
use crate::sim::faults::Fault;
use crate::sim::node::State;

impl World {
    pub(super) fn fault(&mut self) {
        if self.healing {
            return;
        }
        let (fault, lasts) = Fault::draw(&mut self.rng);
        let number = self.rng.random_range(0..self.lines.len());
        let pair = self.lines.keys().nth(number).cloned().expect("within the lines");
        let pair = if self.rng.random_bool(0.5) { pair } else { (pair.1, pair.0) };
        self.trace.update(format!("{fault:?}"));
        let key = Self::pair(&pair.0, &pair.1);
        let line = self.lines.get_mut(&key).expect("a line");
        match fault {
            Fault::Cut => {
                line.cut += 1;
                self.break_line(&key);
            }
            Fault::Split(halves) => {
                for pair in self.lines_between(halves) {
                    self.lines.get_mut(&pair).expect("a line").cut += 1;
                    self.break_line(&pair);
                }
            }
            Fault::OneWay => drop(line.mute.insert(pair.0.clone())),
            Fault::Break => self.break_line(&key),
            Fault::Duplicate => line.duplicate = true,
            Fault::Swap => line.swap = true,
            Fault::Slow => line.slow += 1,
            Fault::Silent => self.silence(&pair.0),
            Fault::Crash if self.rng.random_bool(0.5) => drop(self.doomed.insert(pair.0.clone(), lasts)),
            Fault::Crash => self.crash(&pair.0, lasts),
            Fault::Reboot => {
                self.crash(&pair.0, BOOT);
                self.turn_clock(&pair.0);
            }
            Fault::Clock => self.turn_clock(&pair.0),
            Fault::Restore => self.restore(&pair.0, lasts),
        }
        self.at(lasts, Event::Heal(fault, pair));
    }

    pub(super) fn turn_clock(&mut self, id: &AgencyId) {
        let (minutes, ahead) = (self.rng.random_range(2..5_i64), self.rng.random_bool(0.5));
        let minutes = if ahead { minutes } else { -minutes };
        self.node(id).clock_error = minutes * 60_000;
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
            let line = self.lines.get_mut(&pair).expect("a line");
            line.mute.extend([pair.0.clone(), pair.1.clone()]);
        }
    }

    pub(super) fn crash(&mut self, id: &AgencyId, lasts: u64) {
        for pair in self.lines_of(id) {
            self.break_line(&pair);
        }
        let survives = self.rng.random_bool(0.5);
        let node = self.node(id);
        if node.state != State::SetBack {
            node.crash(survives);
            let copy = node.ledger.clone();
            // Now and then somebody has copied the folder.
            if !self.copies.contains_key(id) {
                self.copies.insert(id.clone(), copy);
            }
            self.at(lasts, Event::Start(id.clone()));
        }
    }

    /// The node's folder is replaced by the older copy, if there is one.
    pub(super) fn restore(&mut self, id: &AgencyId, lasts: u64) {
        // What a liar goes back to is the lie's business.
        let copy = self.copies.remove(id).filter(|_| !self.is_liar(id));
        let Some(copy) = copy else { return self.crash(id, lasts) };
        if self.nodes[id].state == State::SetBack {
            return;
        }
        self.crash(id, lasts);
        self.copies.remove(id);
        self.archive.set_back(&self.nodes[id], &copy);
        let node = self.node(id);
        let is_gone = |entry: &EntryId| copy.leaf_of(entry).is_none();
        let gone: Vec<EntryId> = node.ledger.leaves.iter().map(|leaf| leaf.entry.id).filter(is_gone).collect();
        node.ledger = copy;
        for entry in gone {
            if self.honest().all(|node| node.ledger.leaf_of(&entry).is_none()) {
                self.lost.insert(entry);
            }
        }
        // It comes back with a part of its links: who saw most of it may be the last that it hears.
        for pair in self.lines_of(id) {
            if self.rng.random_bool(0.5) {
                self.lines.get_mut(&pair).expect("a line").cut += 1;
                let longer = self.rng.random_range(MINUTE..60 * MINUTE);
                self.at(lasts + longer, Event::Heal(Fault::Cut, pair));
            }
        }
    }

    pub(super) fn over(&mut self, fault: Fault, pair: &Pair) {
        let key = Self::pair(&pair.0, &pair.1);
        match fault {
            Fault::Cut => {
                let line = self.lines.get_mut(&key).expect("a line");
                line.cut = line.cut.saturating_sub(1);
            }
            Fault::Split(halves) => {
                for pair in self.lines_between(halves) {
                    let line = self.lines.get_mut(&pair).expect("a line");
                    line.cut = line.cut.saturating_sub(1);
                }
            }
            Fault::OneWay => drop(self.lines.get_mut(&key).expect("a line").mute.remove(&pair.0)),
            Fault::Slow => {
                let line = self.lines.get_mut(&key).expect("a line");
                line.slow = line.slow.saturating_sub(1);
            }
            Fault::Silent => {
                for pair in self.lines_of(&pair.0) {
                    self.break_line(&pair);
                    self.lines.get_mut(&pair).expect("a line").mute.clear();
                }
            }
            Fault::Clock | Fault::Reboot => self.node(&pair.0).clock_error = 0,
            Fault::Break | Fault::Duplicate | Fault::Swap | Fault::Crash | Fault::Restore => {}
        }
    }

    /// Everything works from now on.
    pub(super) fn heal(&mut self) {
        self.healing = true;
        self.doomed.clear();
        for pair in self.lines.keys().cloned().collect::<Vec<_>>() {
            if !self.lines[&pair].mute.is_empty() || self.lines[&pair].cut > 0 {
                self.break_line(&pair);
            }
            let line = self.lines.get_mut(&pair).expect("a line");
            line.mute.clear();
            (line.cut, line.slow, line.duplicate, line.swap) = (0, 0, false, false);
        }
        for id in self.members.clone() {
            self.node(&id).clock_error = 0;
            self.at(1, Event::Start(id));
        }
        self.at(CONVERGE / 2, Event::FoundOut);
    }
}

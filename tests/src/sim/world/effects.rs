//! Carries out the effects of nodes.

use rand::RngExt;
use sinergi_proto::base::ids::AgencyId;

use super::{Event, LONG_WORK, MINUTE, WORK, World};
use crate::sim::node::{Effect, State};

impl World {
    /// Draws how long a job takes.
    fn work_time(&mut self) -> u64 {
        let most = if self.rng.random_ratio(1, 64) { LONG_WORK } else { WORK };
        self.rng.random_range(0..most)
    }

    /// Carries out the effects of a node, and schedules its next steps.
    pub(super) fn settle(&mut self, id: &AgencyId) {
        for effect in self.node(id).take_effects() {
            match effect {
                Effect::Send(connection, to, frame) => {
                    if !self.is_liar(id) {
                        self.archive.add_frame(&self.nodes[id], &to, &frame);
                    }
                    self.transmit(connection, id, &to, frame);
                }
                Effect::Read(connection, from) => self.has_room(connection, &from, id),
                Effect::Recheck(items) => {
                    let after = self.work_time();
                    let started = self.nodes[id].started();
                    self.schedule(after, Event::Rechecked(id.clone(), started, items));
                }
                Effect::Work(connection, peer, job, what) => {
                    let after = self.work_time();
                    self.schedule(after, Event::JobDone { connection, at: id.clone(), peer, job, what });
                }
                Effect::Close(connection, to, end) => self.hang_up(connection, id, &to, &end),
                Effect::Accuse(accused, epoch, finding) => self.accusations.push((accused, epoch, *finding)),
                Effect::WindowExceeded(what) => self.window_exceeded = Some(what),
                Effect::Acknowledged(entry) => drop(self.acknowledged.insert(entry, id.clone())),
                Effect::StaleAct(entry) => {
                    self.acknowledged.insert(entry, id.clone());
                    self.stale_acts.insert(entry);
                }
            }
        }
        let node = &self.nodes[id];
        self.archive.note_undeclared(node, self.now);
        if node.state == State::SetBack && self.recovering.insert(id.clone()) {
            self.schedule(5 * MINUTE, Event::Recover(id.clone()));
        }
        self.wake(id);
    }
}

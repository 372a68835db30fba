//! Judges the complaints again when a newer charter comes: keys may be revoked, and powers may have ended.
//!
//! Complaints in memory are judged again at once, and every complaint that is read from now on is folded under the newer charters. So no decision
//! rests on the older ones. The backlog then visits all complaints, so that whatever the node derives from them, such as its lists, follows.
//!
//! Invariants:
//! - a visit is recorded when it is complete up to a complaint. After a crash it goes on from there;
//! - a still newer charter begins the visit anew;
//! - it runs in small slices, so that it never delays other work.

use std::sync::Arc;

use super::record::{JudgedHeader, Record};
use super::view::View;
use super::{Batch, Engine, Warning};
use crate::base::ids::ComplaintId;
use crate::base::limits;
use crate::charter::Charters;

/// The number of complaints in one slice.
const COMPLAINTS_A_SLICE: usize = 64;

/// The progress of a visit to all complaints.
#[derive(Debug)]
pub(super) struct JudgeAgain {
    /// The newest record of the progress.
    recorded: JudgedHeader,
    /// Number of complaints of this visit on which the charters may have an effect.
    affected: usize,
}

impl JudgeAgain {
    /// The progress after a start. A ledger without a record was never judged under more than the first charter.
    pub(super) fn new(recorded: Option<JudgedHeader>) -> Self {
        Self { recorded: recorded.unwrap_or(JudgedHeader { version: 1, unfinished: None }), affected: 0 }
    }

    /// Whether complaints may have to be visited under these charters.
    pub(super) fn is_under_way(&self, charters: &Charters) -> bool {
        self.recorded.version < charters.newest().version || self.recorded.unfinished.is_some()
    }

    /// Takes a record of the progress.
    pub(super) fn recorded(&mut self, header: &JudgedHeader) {
        self.recorded = *header;
    }
}

impl Engine {
    /// Decides by these charters from now on.
    pub(super) fn judge_under(&mut self, charters: Arc<Charters>, batch: &mut Batch) {
        self.charters = charters;
        self.deferred.time_passed();
        for complaint in self.cases.judge_again(&self.charters) {
            batch.touched.insert(complaint);
            self.note_duties(&complaint);
        }
    }

    /// Visits a slice of the complaints.
    pub(super) fn judge_some_again<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        let charters = Arc::clone(&self.charters);
        if !self.judge_again.is_under_way(&charters) {
            return Ok(());
        }
        let version = charters.newest().version;
        let JudgedHeader { version: before, unfinished } = self.judge_again.recorded;
        // An entry whose clock is further ahead is not here yet.
        let latest = self.now.wall_millis.saturating_add(limits::CLOCK_AHEAD.as_millis() as u64);
        let is_new = before < version;
        if is_new {
            self.judge_again.affected = 0;
        }
        if is_new && unfinished.is_none() && !charters.may_change_since(before, latest) {
            self.record(Record::Judged(JudgedHeader { version, unfinished: None }), batch);
            return Ok(());
        }
        let revokes = charters.version(before).is_none_or(|before| before.revocations != charters.newest().revocations);
        let revokes = revokes || unfinished.is_some();
        let after = unfinished.filter(|_| !is_new);
        let complaints = view.complaints_after(after, COMPLAINTS_A_SLICE)?;
        for complaint in &complaints {
            self.cases.make_room(self.applied);
            self.cases.look_up(complaint, view)?;
            if self.cases.get(complaint).is_some_and(|case| case.complaint.may_change_under(&charters)) {
                batch.touched.insert(*complaint);
                self.note_duties(complaint);
                self.judge_again.affected += 1;
                if revokes {
                    self.route_disputed(complaint, batch);
                }
            }
        }
        if complaints.is_empty() && self.judge_again.affected > 0 {
            batch.warnings.push(Warning::JudgedAgain { version, affected: self.judge_again.affected });
        }
        let unfinished = complaints.last().copied();
        self.record(Record::Judged(JudgedHeader { version, unfinished }), batch);
        Ok(())
    }

    /// Sends the disputed entries of a complaint to their authors. An author that did not sign them lacks them, and then all that descends from them
    /// waits there.
    fn route_disputed(&mut self, complaint: &ComplaintId, batch: &mut Batch) {
        let Some(case) = self.cases.get(complaint) else { return };
        for (leaf, route) in case.routes_of_disputed(self.routing_context()) {
            self.route_again(leaf, vec![route], batch);
        }
    }
}

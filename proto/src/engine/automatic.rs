//! What the node does by itself: it returns offers that were recalled, says that an offer arrived through relays, and destroys contents that
//! were erased on two signatures.
//!
//! Invariants:
//! - what cannot be done now (the clock, a link) is tried again;
//! - a content is destroyed only when the entry that orders it is durable, and after every start again.

use crate::base::ids::ComplaintId;
use crate::complaint::{Command, recall_to_answer};
use crate::wire;

use super::view::View;
use super::{Act, Batch, CommandError, Destroy, Engine, Warning};

/// Complaints from before the start that one slice of work looks at.
const COMPLAINTS_A_SLICE: usize = 64;

impl Engine {
    /// Remembers what is to be done about a complaint, which has been looked up.
    pub(super) fn note_duties(&mut self, complaint: &ComplaintId) {
        let Some(case) = self.cases.get(complaint) else { return };
        let duties = case.duties(&self.config.own);
        if duties.recall || duties.arrival {
            self.automatic.insert(*complaint);
        }
    }

    /// What this node does by itself when an entry of a complaint is here, new or again.
    pub(super) fn react_to(&mut self, complaint: &ComplaintId, now: u64, batch: &mut Batch) {
        self.note_duties(complaint);
        if self.automatic.remove(complaint) {
            self.do_duties(*complaint, now, batch);
        }
    }

    /// Has the contents destroyed that the entries of a complaint order to be destroyed. The complaint has been looked up.
    pub(super) fn destroy_erased(&self, complaint: &ComplaintId, batch: &mut Batch) {
        if let Some(case) = self.cases.get(complaint).filter(|case| case.complaint.has_erasures()) {
            batch.destroy.extend(case.erased_leaves().map(Destroy::Contents));
        }
    }

    /// Writes what this node has to write by itself, as far as the batch has room. The rest is tried with the next tick.
    pub(super) fn act_by_itself<V: View>(&mut self, now: u64, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        let complaints: Vec<ComplaintId> = self.automatic.iter().copied().collect();
        for complaint in complaints {
            if !self.has_room(batch) {
                break;
            }
            self.cases.make_room(self.applied);
            self.cases.look_up(&complaint, view)?;
            self.automatic.remove(&complaint);
            self.do_duties(complaint, now, batch);
        }
        Ok(())
    }

    fn do_duties(&mut self, complaint: ComplaintId, now: u64, batch: &mut Batch) {
        let done = [self.confirm_arrival(complaint, now, batch), self.answer_recall(complaint, now, batch)];
        for error in done.into_iter().filter_map(Result::err) {
            batch.warnings.push(Warning::PutOff(complaint, error));
            self.automatic.insert(complaint);
        }
    }

    fn confirm_arrival(&mut self, complaint: ComplaintId, now: u64, batch: &mut Batch) -> Result<(), CommandError> {
        let arrival = self.cases.get(&complaint).and_then(|case| case.arrival(&self.config.own));
        match arrival {
            Some(body) => self.write_by_itself(complaint, body, now, batch).map(drop),
            None => Ok(()),
        }
    }

    /// Custody goes back by itself.
    fn answer_recall(&mut self, complaint: ComplaintId, now: u64, batch: &mut Batch) -> Result<(), CommandError> {
        let Some(case) = self.cases.get(&complaint) else { return Ok(()) };
        if recall_to_answer(&case.complaint, &self.config.own).is_none() {
            return Ok(());
        }
        let command = Command::Return { reason: wire::ReturnReason::Recalled.into(), suggestion: None };
        self.decide_act(Act { complaint, command, text: None }, None, now, batch).map(drop)
    }

    /// A crash may have come between an erasure and the destruction: it is repeated after every start, some complaints at a time.
    pub(super) fn destroy_from_before<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        for _ in 0..COMPLAINTS_A_SLICE {
            let Some(complaint) = self.undestroyed.first().copied() else { return Ok(()) };
            self.cases.make_room(self.applied);
            self.cases.look_up(&complaint, view)?;
            self.undestroyed.remove(&complaint);
            if let Some(case) = self.cases.get(&complaint) {
                batch.destroy.extend(case.erased_leaves().map(Destroy::Contents));
            }
        }
        Ok(())
    }
}

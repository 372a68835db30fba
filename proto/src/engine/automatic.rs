//! Automatic actions: the node returns recalled offers, confirms that a relayed offer arrived, shows the receipts that decide between competing
//! acts, and destroys contents that were erased on two signatures.
//!
//! Invariants:
//! - an action that fails (for example because the clock is wrong) is tried again;
//! - contents are destroyed only when the entry that orders it is durable, and once more after every start.

use crate::base::ids::ComplaintId;
use crate::complaint::{Command, recall_to_answer};
use crate::wire;

use super::view::View;
use super::{Act, Batch, CommandError, Engine, Warning};

/// The number of complaints in one slice of [`Engine::destroy_from_before`].
const COMPLAINTS_A_SLICE: usize = 64;

impl Engine {
    /// Remembers a complaint that needs an automatic action. It has been looked up.
    pub(super) fn note_duties(&mut self, complaint: &ComplaintId) {
        let Some(case) = self.cases.get(complaint) else { return };
        let duties = case.duties(&self.config.own);
        if duties.witness {
            self.searches.begin(*complaint);
        }
        if duties.recall || duties.arrival {
            self.automatic.insert(*complaint);
        }
    }

    /// Takes the automatic actions of a complaint after one of its entries came, new or again.
    pub(super) fn react_to(&mut self, complaint: &ComplaintId, now: u64, batch: &mut Batch) {
        self.note_duties(complaint);
        if self.automatic.remove(complaint) {
            self.do_duties(*complaint, now, batch);
        }
    }

    /// Orders the destruction of a complaint's erased contents. The complaint has been looked up.
    pub(super) fn destroy_erased(&self, complaint: &ComplaintId, batch: &mut Batch) {
        if let Some(case) = self.cases.get(complaint).filter(|case| case.complaint.has_erasures()) {
            batch.destroy.extend(case.to_destroy());
        }
    }

    /// Takes the automatic actions that are due, as long as the batch has room. The next tick continues.
    pub(super) fn act_by_itself<V: View>(&mut self, now: u64, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        let complaints: Vec<ComplaintId> = self.automatic.iter().copied().collect();
        for complaint in complaints {
            if !self.has_room(batch) {
                break;
            }
            self.cases.make_room(self.applied);
            self.cases.look_up(&complaint, view)?;
            self.note_duties(&complaint);
            self.automatic.remove(&complaint);
            self.do_duties(complaint, now, batch);
        }
        self.show_witnesses(now, view, batch)
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

    /// Returns an offer that its holder recalled.
    fn answer_recall(&mut self, complaint: ComplaintId, now: u64, batch: &mut Batch) -> Result<(), CommandError> {
        let Some(case) = self.cases.get(&complaint) else { return Ok(()) };
        if recall_to_answer(&case.complaint, &self.config.own).is_none() {
            return Ok(());
        }
        let command = Command::Return { reason: wire::ReturnReason::Recalled.into(), suggestion: None };
        self.decide_act(Act { complaint, command, text: None }, None, now, batch).map(drop)
    }

    /// Orders the destruction of contents that were erased before the start, a slice at a time: a crash may have prevented it.
    pub(super) fn destroy_from_before<V: View>(&mut self, view: &mut V, batch: &mut Batch) -> Result<(), V::Error> {
        for _ in 0..COMPLAINTS_A_SLICE {
            let Some(complaint) = self.undestroyed.first().copied() else { return Ok(()) };
            self.cases.make_room(self.applied);
            self.cases.look_up(&complaint, view)?;
            self.undestroyed.remove(&complaint);
            if let Some(case) = self.cases.get(&complaint) {
                batch.destroy.extend(case.to_destroy());
            }
        }
        Ok(())
    }
}

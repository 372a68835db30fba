//! What this node does by itself: it returns offers that were recalled, says that an offer arrived through relays, and destroys contents that
//! were erased on two signatures.
//!
//! Invariants:
//! - what cannot be done now (the clock, a link) stays a duty and is tried again;
//! - a content is destroyed only when the entry that orders it is durable, and at every start again.

use bytes::Bytes;
use prost::Message;
use sinergi_proto::complaint::{Command, recall_to_answer};
use sinergi_proto::ids::ComplaintId;
use sinergi_proto::limits;
use sinergi_proto::wire;

use super::{Act, SubmitError, Writer, WriterError};
use crate::case::CaseError;
use crate::ledger::Group;

impl Writer {
    /// Remembers what is to be done about a complaint.
    pub(super) fn note_duties(&mut self, complaint: &ComplaintId) -> Result<(), WriterError> {
        let own = self.parts.own.clone();
        let Some(case) = self.parts.applier.case(complaint)? else { return Ok(()) };
        let duties = case.duties(&own);
        if duties.recall || duties.arrival {
            self.duties.insert(*complaint);
        }
        if duties.erasure {
            self.to_erase.insert(*complaint);
        }
        Ok(())
    }

    /// Writes what this node has to write by itself, as far as the group has room.
    pub(super) fn do_duties(&mut self, group: &mut Group) -> Result<(), WriterError> {
        for complaint in std::mem::take(&mut self.duties) {
            if group.length() < limits::GROUP_BYTES {
                self.do_duty(group, complaint)?;
            } else {
                self.duties.insert(complaint);
            }
        }
        Ok(())
    }

    /// Writes what this node has to write about one complaint.
    pub(super) fn do_duty(&mut self, group: &mut Group, complaint: ComplaintId) -> Result<(), WriterError> {
        if let Err(error) = self.say_arrived(group, complaint)? {
            self.put_off(complaint, "say that an offer arrived", &error);
        }
        if let Err(error) = self.answer_recall(group, complaint)? {
            self.put_off(complaint, "answer a recall", &error);
        }
        Ok(())
    }

    fn put_off(&mut self, complaint: ComplaintId, what: &str, error: &SubmitError) {
        tracing::warn!(complaint = complaint.short(), %error, "cannot {what} now");
        self.duties.insert(complaint);
    }

    fn say_arrived(
        &mut self,
        group: &mut Group,
        complaint: ComplaintId,
    ) -> Result<Result<(), SubmitError>, WriterError> {
        let own = self.parts.own.clone();
        let arrival = self.parts.applier.case(&complaint)?.and_then(|case| case.arrival(&own));
        let Some(body) = arrival else { return Ok(Ok(())) };
        Ok(self.write_by_itself(group, complaint, body)?.map(drop))
    }

    /// Custody goes back by itself.
    fn answer_recall(
        &mut self,
        group: &mut Group,
        complaint: ComplaintId,
    ) -> Result<Result<(), SubmitError>, WriterError> {
        let own = self.parts.own.clone();
        let Some(case) = self.parts.applier.case(&complaint)? else { return Ok(Ok(())) };
        if recall_to_answer(&case.complaint, &own).is_none() {
            return Ok(Ok(()));
        }
        let command = Command::Return { reason: wire::ReturnReason::Recalled.into(), suggestion: None };
        let acted = self.act(group, Act { complaint, command, text: None })?;
        if let Ok(acted) = &acted {
            tracing::info!(complaint = complaint.short(), entry = ?acted.entry, "returned a recalled offer");
        }
        Ok(acted.map(drop))
    }

    /// Items that waited were written again with their contents: the first copy would outlast an erasure.
    fn overwrite_spent_items(&mut self) -> Result<(), WriterError> {
        if !std::mem::take(&mut self.has_spent_items) {
            return Ok(());
        }
        for position in self.store()?.spent()? {
            let record = self.reader()?.record(position).map_err(CaseError::Ledger)?;
            let has_content = wire::Item::decode(Bytes::from(record.body)).is_ok_and(|item| !item.content.is_empty());
            if has_content || record.erased {
                self.committer.ledger()?.erase_body(position)?;
            }
            self.parts.applier.store().overwritten(position)?;
        }
        Ok(())
    }

    pub(super) fn has_contents_to_erase(&self) -> bool {
        self.has_spent_items || !self.to_erase.is_empty()
    }

    /// Destroys what the durable entries order to be destroyed.
    pub(super) fn erase_contents(&mut self) -> Result<(), WriterError> {
        self.overwrite_spent_items()?;
        for complaint in std::mem::take(&mut self.to_erase) {
            let Some(case) = self.parts.applier.case(&complaint)? else { continue };
            let leaves: Vec<_> = case.erased_leaves().collect();
            let mut destroyed = 0;
            for leaf in leaves {
                for position in self.reader()?.content_positions(leaf).map_err(CaseError::Ledger)? {
                    destroyed += u32::from(self.committer.ledger()?.erase_body(position)?);
                }
            }
            if destroyed > 0 {
                tracing::info!(complaint = complaint.short(), contents = destroyed, "destroyed what was erased");
            }
        }
        self.parts.applier.nothing_appended();
        Ok(())
    }
}

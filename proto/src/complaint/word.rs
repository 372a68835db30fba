//! The check of the citizen's word, before its effect on the case is judged.
//!
//! It depends on the entry, its ancestors and `Lodged` alone. A word that fails has no effect and is kept. It is not refused: the entry is an act of
//! the agency that carries it, and everybody should see that act.
//!
//! Must not know the order of words: [`super::case`] does.

use super::known_entry::Judged;
use super::timeline::TimelineKey;
use super::{Complaint, NoEffect, NotHeard};
use crate::base::ids::EntryId;
use crate::citizen::Reply;
use crate::entry::{Body, CaseAct};
use crate::wire::ReplyWord;

impl Complaint {
    /// Checks a signed word: by the citizen's key, and about an answer that its carrier had seen. A word without a signature passes.
    pub(super) fn check_word(&self, reply: &Reply, had_seen: impl Fn(&EntryId) -> bool) -> Result<(), NoEffect> {
        if reply.signature.is_none() {
            return Ok(());
        }
        let key = self.lodged.citizen_key.as_ref().ok_or(NoEffect::NotHeard(NotHeard::NoKey))?;
        if !reply.verifies(&self.id, key) {
            return Err(NoEffect::NotHeard(NotHeard::NotSigned));
        }
        match (&reply.word.answer, reply.word.says) {
            (None, ReplyWord::Satisfied | ReplyWord::Dissatisfied) => Err(NoEffect::NotHeard(NotHeard::NoAnswer)),
            (Some(answer), says) if !self.is_answer(answer, says) || !had_seen(answer) => {
                Err(NoEffect::NotHeard(NotHeard::NoAnswer))
            }
            _ => Ok(()),
        }
    }

    /// The answer that a reply names, with its clock.
    pub(super) fn answer_named_by(&self, act: &CaseAct) -> Option<TimelineKey> {
        let answer = act.answer()?;
        Some((self.entries.get(&answer)?.clock, answer))
    }

    /// Whether an entry is something that a word can be about: an answer of a holder. A dissatisfied one may also be about the end of the case.
    fn is_answer(&self, id: &EntryId, says: ReplyWord) -> bool {
        let Some(known) = self.entries.get(id) else { return false };
        match &known.body {
            Body::Case { act: CaseAct::Responded | CaseAct::Resolved { .. }, .. } => {
                matches!(known.judged, Judged::Case)
            }
            Body::Case { act: CaseAct::Closed { .. } | CaseAct::ArchiveApproved { .. }, .. } => {
                says != ReplyWord::Satisfied && matches!(known.judged, Judged::Case)
            }
            _ => false,
        }
    }
}

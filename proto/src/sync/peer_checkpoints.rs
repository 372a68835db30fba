//! The checkpoints that the peer shows of its own ledger: which ones end the link.
//!
//! Must not know how a checkpoint is verified: jobs do that.
//!
//! Invariants:
//! - delivery begins only after a checkpoint that covers everything that the peer delivered and acknowledged before;
//! - a time is judged only by a clock that is confirmed, and by the times that the peer showed itself. Two honest nodes whose clocks are confirmed and
//!   over ten minutes apart end their link, and accuse nobody;
//! - a ledger stays in one epoch while a link is up, so that no receipt can be moved to another one;
//! - a key that this node does not know yet is nobody's fault.

use super::end::End;
use crate::base::clock::rfc3339;
use crate::base::cursor::Cursor;
use crate::base::ids::{AgencyId, Epoch};
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::tlog::checkpoint::Checkpoint;

/// The peer's own checkpoints, as far as this node knows them, and the judgement of new ones.
#[derive(Clone, Debug)]
pub(super) struct PeerCheckpoints {
    peer: AgencyId,
    /// The position up to which this node has the peer's ledger.
    received: Option<Cursor>,
    /// The newest checkpoint of the peer that this node knew when the link began.
    known: Option<Checkpoint>,
    /// The epoch in the peer's Ready.
    epoch: Option<Epoch>,
    /// The latest time that the peer has shown, in seconds since 1970, and the epoch in which it did.
    latest: Option<(Epoch, u64)>,
    /// Whether the last checkpoint that came over this link has a time; `None` before one has come.
    has_time: Option<bool>,
}

/// A checkpoint of the peer's own ledger that came over this link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnShown {
    /// The checkpoint; `None` if the note does not verify under a key that this node knows.
    pub checkpoint: Option<Checkpoint>,
    /// This node's wall clock when the checkpoint was read, if it was confirmed, in milliseconds since 1970.
    pub confirmed: Option<u64>,
}

impl PeerCheckpoints {
    /// The state at the start of a link.
    pub(super) fn new(peer: AgencyId, received: Option<Cursor>, known: Option<Checkpoint>) -> Self {
        let latest = known.as_ref().and_then(|known| Some((known.epoch, known.seconds?)));
        Self { peer, received, known, epoch: None, latest, has_time: None }
    }

    /// Judges the checkpoint in the peer's Ready. `is_behind` says whether this node lacks charters that the peer has.
    pub(super) fn judge_ready(&mut self, shown: &OwnShown, is_behind: bool) -> Result<Epoch, End> {
        let checkpoint = self.verified(shown, is_behind)?;
        self.check_extent(checkpoint)?;
        let fresh_since = shown.confirmed.map(|now| (now / 1000).saturating_sub(limits::COSIGNED_BACK_BY.as_secs()));
        if let (Some(seconds), Some(now), Some(since)) = (checkpoint.seconds, shown.confirmed, fresh_since)
            && seconds < since
        {
            return Err(self.wrong_time(format!(
                "its newest time is {}, and it is {} here",
                at(seconds),
                rfc3339(now)
            )));
        }
        self.judge_time(checkpoint, shown.confirmed)?;
        self.epoch = Some(checkpoint.epoch);
        Ok(checkpoint.epoch)
    }

    /// Judges a checkpoint that the peer shows on a link that is up, by itself or in a receipt. A ledger stays in its epoch as long as its node runs.
    pub(super) fn judge(&mut self, shown: &OwnShown, is_behind: bool) -> Result<(), End> {
        let checkpoint = self.verified(shown, is_behind)?;
        if let Some(epoch) = self.epoch.filter(|epoch| *epoch != checkpoint.epoch) {
            return Err(
                self.none(format!("it shows epoch {}, and showed epoch {epoch} on this link", checkpoint.epoch))
            );
        }
        self.judge_time(checkpoint, shown.confirmed)
    }

    /// Judges a checkpoint that the peer shows by itself, like [`Self::judge`]. Its time must not be very old: the newest checkpoint is shown.
    pub(super) fn judge_newest(&mut self, shown: &OwnShown, is_behind: bool) -> Result<(), End> {
        self.judge(shown, is_behind)?;
        let oldest = shown.confirmed.map(|now| (now / 1000).saturating_sub(limits::CHECKPOINT_WITHIN.as_secs()));
        let seconds = shown.checkpoint.as_ref().and_then(|checkpoint| checkpoint.seconds);
        match (seconds, oldest, shown.confirmed) {
            (Some(seconds), Some(oldest), Some(now)) if seconds < oldest => {
                Err(self.wrong_time(format!("its newest time is {}, and it is {} here", at(seconds), rfc3339(now))))
            }
            _ => Ok(()),
        }
    }

    /// Takes an accepted checkpoint. Returns whether it has a time, if this is a change.
    pub(super) fn has_time(&mut self, shown: &OwnShown) -> Option<bool> {
        let has_time = shown.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.seconds.is_some());
        (self.has_time.replace(has_time) != Some(has_time)).then_some(has_time)
    }

    /// The end of a link over which the peer has shown no checkpoint of its own for too long.
    pub(super) fn overdue(&self) -> End {
        self.none(format!("it has shown none for {} s", limits::CHECKPOINT_WITHIN.as_secs()))
    }

    fn verified<'a>(&self, shown: &'a OwnShown, is_behind: bool) -> Result<&'a Checkpoint, End> {
        let checkpoint = shown.checkpoint.as_ref();
        checkpoint.ok_or_else(|| match is_behind {
            true => {
                let reason = format!(
                    "the checkpoint of {} is under no key of the charters that this node has, and {} names a charter that this node lacks",
                    self.peer, self.peer
                );
                End::Fault(FaultCode::CharterBehind, reason)
            }
            false => self.none("what it shows does not verify under its keys in the charter".to_owned()),
        })
    }

    /// The checkpoint must cover everything that the peer delivered and acknowledged before, and be of no epoch that is too far ahead.
    fn check_extent(&self, checkpoint: &Checkpoint) -> Result<(), End> {
        let most = self.known.as_ref().map(|known| known.epoch.latest_to_believe());
        if let Some(most) = most.filter(|most| checkpoint.epoch.0 > *most) {
            return Err(self.none(format!("it shows epoch {}, and the latest to believe is {most}", checkpoint.epoch)));
        }
        let known = self.known.as_ref().map(|known| (known.epoch, known.size));
        let received = self.received.map(|received| (received.epoch, received.index.0));
        let Some((epoch, size)) = known.max(received).filter(|had| (checkpoint.epoch, checkpoint.size) < *had) else {
            return Ok(());
        };
        Err(self.none(format!(
            "it shows {} leaves in epoch {}, and had {size} in epoch {epoch} before",
            checkpoint.size, checkpoint.epoch
        )))
    }

    fn judge_time(&mut self, checkpoint: &Checkpoint, confirmed: Option<u64>) -> Result<(), End> {
        let Some(seconds) = checkpoint.seconds else { return Ok(()) };
        if let Some(now) = confirmed.filter(|_| checkpoint.is_ahead_of(confirmed)) {
            return Err(self.wrong_time(format!("it shows {}, and it is {} here", at(seconds), rfc3339(now))));
        }
        let before = self.latest.filter(|(epoch, _)| *epoch == checkpoint.epoch).map(|(_, latest)| latest);
        if let Some(latest) = before.filter(|latest| seconds + limits::COSIGNED_BACK_BY.as_secs() < *latest) {
            return Err(self.wrong_time(format!("it shows {}, and showed {} before", at(seconds), at(latest))));
        }
        self.latest = Some((checkpoint.epoch, before.map_or(seconds, |latest| latest.max(seconds))));
        Ok(())
    }

    fn none(&self, problem: String) -> End {
        End::Fault(FaultCode::NoCheckpoint, format!("{} shows no valid checkpoint of its ledger: {problem}", self.peer))
    }

    fn wrong_time(&self, problem: String) -> End {
        let reason = format!(
            "the time in the checkpoint of {} is wrong by the clock here, or by its own earlier ones: {problem}. Compare both clocks",
            self.peer
        );
        End::Fault(FaultCode::CheckpointTime, reason)
    }
}

fn at(seconds: u64) -> String {
    rfc3339(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::LedgerIndex;
    use crate::fixture::agency;

    /// A time in seconds since 1970.
    const NOW: u64 = 1_764_000_000;

    fn checkpoint(epoch: u32, size: u64, seconds: impl Into<Option<u64>>) -> Checkpoint {
        Checkpoint { epoch: Epoch(epoch), size, root: [1; 32], seconds: seconds.into() }
    }

    /// A checkpoint that is shown to a reader with a confirmed clock.
    fn shown(checkpoint: Checkpoint) -> OwnShown {
        OwnShown { checkpoint: Some(checkpoint), confirmed: Some(NOW * 1000) }
    }

    fn code<T>(judged: Result<T, End>) -> Option<FaultCode> {
        match judged {
            Ok(_) => None,
            Err(End::Fault(code, _)) => Some(code),
            Err(other) => panic!("{other}"),
        }
    }

    fn knowing(known: Option<Checkpoint>, received: Option<(u32, u64)>) -> PeerCheckpoints {
        let cursor = |(epoch, index)| Cursor { epoch: Epoch(epoch), index: LedgerIndex(index), part: 0 };
        PeerCheckpoints::new(agency("ksp"), received.map(cursor), known)
    }

    #[test]
    fn ready_covers_what_was_delivered_and_acknowledged() {
        for (known, received, epoch, size, expected) in [
            (None, None, 1, 0, None),
            (Some((1, 10)), None, 1, 9, Some(FaultCode::NoCheckpoint)),
            (Some((1, 10)), None, 1, 10, None),
            (Some((1, 10)), Some((1, 12)), 1, 11, Some(FaultCode::NoCheckpoint)),
            (Some((1, 10)), Some((1, 12)), 1, 12, None),
            (Some((2, 1)), Some((1, 12)), 1, 30, Some(FaultCode::NoCheckpoint)),
            (Some((1, 10)), Some((1, 12)), 2, 1, None),
            (Some((1, 10)), None, 9, 1, None),
            (Some((1, 10)), None, 10, 1, Some(FaultCode::NoCheckpoint)),
        ] {
            let known = known.map(|(epoch, size)| checkpoint(epoch, size, None));
            let judged = knowing(known, received).judge_ready(&shown(checkpoint(epoch, size, NOW)), false);
            assert_eq!(code(judged), expected, "{received:?} {epoch} {size}");
        }
    }

    #[test]
    fn the_time_in_ready_is_within_ten_minutes_of_a_confirmed_clock_or_absent() {
        for (seconds, expected) in [
            (None, None),
            (Some(NOW - 600), None),
            (Some(NOW - 601), Some(FaultCode::CheckpointTime)),
            (Some(NOW + 600), None),
            (Some(NOW + 601), Some(FaultCode::CheckpointTime)),
        ] {
            let now = shown(checkpoint(1, 1, seconds));
            assert_eq!(code(knowing(None, None).judge_ready(&now, false)), expected, "{seconds:?}");
            let unconfirmed = OwnShown { confirmed: None, ..now };
            assert_eq!(code(knowing(None, None).judge_ready(&unconfirmed, false)), None, "{seconds:?}");
        }
    }

    #[test]
    fn a_time_on_a_link_may_be_old_but_not_ahead_and_not_before_an_earlier_one_of_its_epoch() {
        let mut of_ksp = knowing(Some(checkpoint(1, 1, NOW - 5000)), None);
        assert_eq!(code(of_ksp.judge(&shown(checkpoint(1, 2, NOW - 5600)), false)), None);
        assert_eq!(
            code(of_ksp.judge(&shown(checkpoint(1, 2, NOW - 5601)), false)),
            Some(FaultCode::CheckpointTime),
            "the latest counts, not the last"
        );
        assert_eq!(code(of_ksp.judge(&shown(checkpoint(1, 2, NOW + 601)), false)), Some(FaultCode::CheckpointTime));
        assert_eq!(code(of_ksp.judge(&shown(checkpoint(1, 3, NOW)), false)), None);
        assert_eq!(code(of_ksp.judge(&shown(checkpoint(1, 4, None)), false)), None);
        assert_eq!(code(of_ksp.judge(&shown(checkpoint(1, 4, NOW - 601)), false)), Some(FaultCode::CheckpointTime));
        assert_eq!(code(of_ksp.judge(&shown(checkpoint(2, 4, NOW - 601)), false)), None, "another epoch");
    }

    #[test]
    fn after_ready_a_ledger_stays_in_its_epoch_and_what_it_shows_by_itself_is_not_very_old() {
        let mut of_ksp = knowing(None, None);
        assert_eq!(code(of_ksp.judge_ready(&shown(checkpoint(2, 1, None)), false)), None);
        assert_eq!(code(of_ksp.judge(&shown(checkpoint(3, 2, None)), false)), Some(FaultCode::NoCheckpoint));
        assert_eq!(code(of_ksp.judge(&shown(checkpoint(1, 2, None)), false)), Some(FaultCode::NoCheckpoint));
        let within = limits::CHECKPOINT_WITHIN.as_secs();
        assert_eq!(code(of_ksp.judge_newest(&shown(checkpoint(2, 2, NOW - within)), false)), None);
        let older = shown(checkpoint(2, 2, NOW - within - 1));
        assert_eq!(code(of_ksp.judge_newest(&older, false)), Some(FaultCode::CheckpointTime));
        assert_eq!(code(of_ksp.judge(&older, false)), None, "a receipt may be older");
    }

    #[test]
    fn a_note_under_an_unknown_key_is_a_fault_of_the_peer_only_if_no_charter_is_lacking() {
        let unknown = OwnShown { checkpoint: None, confirmed: Some(NOW * 1000) };
        assert_eq!(code(knowing(None, None).judge_ready(&unknown, false)), Some(FaultCode::NoCheckpoint));
        assert_eq!(code(knowing(None, None).judge_ready(&unknown, true)), Some(FaultCode::CharterBehind));
        assert_eq!(code(knowing(None, None).judge(&unknown, true)), Some(FaultCode::CharterBehind));
    }
}

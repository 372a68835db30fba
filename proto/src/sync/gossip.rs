//! Checkpoint gossip: each side tells the other how far its own ledger has come and what it saw of third parties', so that an agency cannot
//! show different ledgers to different peers.
//!
//! Invariants:
//! - at most [`limits::GOSSIP_CHECKPOINTS`] checkpoints of others in [`limits::GOSSIP_PAUSE`], only what changed, the oldest change first;
//! - a link goes on after what the peer has heard on short ones before, so that one that breaks all the time tells all in their turn, and what
//!   was on its way is not lost: heard is what the peer has answered a ping after;
//! - when a link has lasted, and on the one after it, everything is told again: the peer may have forgotten it when it was restarted;
//! - a peer may send frames of checkpoints only so often: each costs signature checks, whatever is in it.

use std::collections::VecDeque;
use std::time::Duration;

use super::effects::Effects;
use super::end::End;
use super::event::{CheckedCheckpoints, Job, PeerChange, SideRecord, Signed};
use super::jobs::JobId;
use super::keepalive::ping;
use super::timers::Timer;
use crate::base::clock::{Now, later};
use crate::base::ids::LedgerIndex;
use crate::base::limits;
use crate::wire::{self, frame::Kind};

/// Pause before the next look at what is new, when there was nothing for this peer.
const NEWS_PAUSE: Duration = Duration::from_secs(1);
/// Checkpoints of itself that a peer shows on one link and that are kept: in its Hello, and a newer one after it. No honest peer shows more, and
/// they may not fill the disk.
const KEPT: usize = 2;

/// What is told to the peer.
#[derive(Clone, Debug)]
pub(super) struct GossipSender {
    /// The newest checkpoint of this node.
    newest: Signed,
    /// Everything of others up to this version of the watch was told.
    sent_version: u64,
    /// This node's own ledger was told up to this size.
    sent_size: LedgerIndex,
    /// The pause after the last frame is over.
    is_due: bool,
    /// Something may have changed since the last look.
    has_news: bool,
    reading: Option<JobId>,
}

impl GossipSender {
    /// This is the newest checkpoint of this node. Nothing is told before [`Self::begin`].
    pub(super) fn new(newest: Signed) -> Self {
        let sent_size = newest.size;
        Self { newest, sent_version: 0, sent_size, is_due: false, has_news: true, reading: None }
    }

    /// The newest checkpoint of this node.
    pub(super) fn newest(&self) -> &Signed {
        &self.newest
    }

    /// Begins to tell. The peer was told of others up to version `told` on links before; `shown` is the checkpoint that was in Hello: a newer
    /// one follows at once.
    pub(super) fn begin(&mut self, told: u64, shown: &[u8], effects: &mut Effects<'_>) -> Result<(), End> {
        (self.sent_version, self.sent_size) = (told, self.newest.size);
        if !self.newest.note.is_empty() && self.newest.note[..] != *shown {
            effects.send(Kind::Checkpoints(wire::CheckpointNotes { notes: vec![self.newest.note.to_vec()] }))?;
        }
        if self.sent_version > 0 {
            effects.set(Timer::RepeatGossip, effects.now.after(limits::GOSSIP_PAUSE));
        }
        self.pause_is_over(effects);
        Ok(())
    }

    /// This node has signed a checkpoint.
    pub(super) fn signed(&mut self, newest: Signed, effects: &mut Effects<'_>) {
        self.newest = newest;
        self.read_news(effects);
    }

    /// Somebody's newest checkpoint has changed.
    pub(super) fn news(&mut self, effects: &mut Effects<'_>) {
        self.has_news = true;
        self.read_news(effects);
    }

    /// Whether it matters that somebody's newest checkpoint changes.
    pub(super) fn wants_news(&self) -> bool {
        self.is_due && !self.has_news && self.reading.is_none()
    }

    /// Something may be told again.
    pub(super) fn pause_is_over(&mut self, effects: &mut Effects<'_>) {
        self.is_due = true;
        self.read_news(effects);
    }

    /// The link has lasted: what was told on links before is told once more.
    pub(super) fn repeat(&mut self, effects: &mut Effects<'_>) {
        self.sent_version = 0;
        self.news(effects);
    }

    /// What is new was looked up.
    pub(super) fn news_read(
        &mut self,
        job: JobId,
        mut notes: Vec<Vec<u8>>,
        reached: u64,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        if self.reading.take_if(|reading| *reading == job).is_none() {
            return Ok(());
        }
        // As many as there may be: others may be left, which are told after the pause.
        self.has_news |= notes.len() >= limits::GOSSIP_CHECKPOINTS;
        if self.sent_size != self.newest.size {
            notes.insert(0, self.newest.note.to_vec());
        }
        (self.sent_version, self.sent_size) = (reached, self.newest.size);
        self.is_due = false;
        if notes.is_empty() {
            effects.set(Timer::Gossip, effects.now.after(NEWS_PAUSE));
            return Ok(());
        }
        effects.set(Timer::Gossip, effects.now.after(limits::GOSSIP_PAUSE));
        effects.send(Kind::Checkpoints(wire::CheckpointNotes { notes }))?;
        effects.send(ping(reached))
    }

    /// The peer answered the ping after what it was told.
    pub(super) fn heard(&self, up_to: u64, effects: &mut Effects<'_>) {
        if (1..=self.sent_version).contains(&up_to) {
            effects.note(PeerChange::Gossiped(up_to));
        }
    }

    fn read_news(&mut self, effects: &mut Effects<'_>) {
        let is_something_new = self.has_news || self.sent_size != self.newest.size;
        if self.is_due && is_something_new && self.reading.is_none() {
            self.has_news = false;
            self.reading = Some(effects.start(Job::Gossip { after: self.sent_version }));
        }
    }
}

/// What the peer tells.
#[derive(Clone, Debug)]
pub(super) struct GossipReceiver {
    allowance: Allowance,
    /// Frames that wait until the one before was looked at.
    waiting: VecDeque<Vec<Vec<u8>>>,
    checking: Option<JobId>,
    kept: usize,
}

impl GossipReceiver {
    /// Nothing was heard yet.
    pub(super) fn new(now: Now) -> Self {
        Self { allowance: Allowance::from(now), waiting: VecDeque::new(), checking: None, kept: 0 }
    }

    /// The checkpoint in the peer's Hello.
    pub(super) fn shown_in_hello(&mut self, note: Vec<u8>, effects: &mut Effects<'_>) {
        self.waiting.push_back(fitting(vec![note]));
        self.check_next(effects);
    }

    /// A frame of checkpoints.
    pub(super) fn received(&mut self, notes: Vec<Vec<u8>>, effects: &mut Effects<'_>) -> Result<(), End> {
        if !self.allowance.allows(effects.now) {
            let (most, seconds) = (limits::GOSSIP_BURST_FRAMES, limits::GOSSIP_PAUSE.as_secs());
            let reason = format!("too many frames of checkpoints: one each {seconds} s, and {most} that come together");
            return Err(End::over_limit(reason));
        }
        let most = limits::GOSSIP_CHECKPOINTS + 1;
        if notes.len() > most {
            return Err(End::over_limit(format!("{} checkpoints in a frame, at most {most}", notes.len())));
        }
        let notes = fitting(notes);
        if !notes.is_empty() {
            self.waiting.push_back(notes);
            self.check_next(effects);
        }
        Ok(())
    }

    /// Whether everything that came was looked at.
    pub(super) fn is_idle(&self) -> bool {
        self.checking.is_none()
    }

    /// The frame was looked at; whether it was the one that is waited for. What the peer showed of itself is kept at once, so that it can be
    /// shown to a peer that is set back.
    pub(super) fn checked(&mut self, job: JobId, checked: CheckedCheckpoints, effects: &mut Effects<'_>) -> bool {
        if self.checking.take_if(|checking| *checking == job).is_none() {
            return false;
        }
        for note in checked.news.into_iter().take(KEPT - self.kept) {
            self.kept += 1;
            effects.store(SideRecord::Seen { at: effects.now.wall_millis, note });
        }
        self.check_next(effects);
        true
    }

    fn check_next(&mut self, effects: &mut Effects<'_>) {
        if self.checking.is_none()
            && let Some(notes) = self.waiting.pop_front()
        {
            self.checking = Some(effects.start(Job::CheckCheckpoints { notes }));
        }
    }
}

/// The notes that can be checkpoints: what is larger is dropped at once, so that little is held.
fn fitting(mut notes: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    notes.retain(|note| !note.is_empty() && note.len() <= limits::CHECKPOINT_BYTES);
    notes
}

/// How many frames of checkpoints may come now.
#[derive(Clone, Debug)]
struct Allowance {
    frames: u64,
    /// When one more was last allowed.
    since: u64,
}

impl Allowance {
    fn from(now: Now) -> Self {
        Self { frames: limits::GOSSIP_BURST_FRAMES, since: now.mono_nanos }
    }

    fn allows(&mut self, now: Now) -> bool {
        while now.is_after(self.since, limits::GOSSIP_PAUSE) && self.frames < limits::GOSSIP_BURST_FRAMES {
            self.frames += 1;
            self.since = later(self.since, limits::GOSSIP_PAUSE);
        }
        if self.frames == limits::GOSSIP_BURST_FRAMES {
            self.since = now.mono_nanos;
        }
        let allows = self.frames > 0;
        self.frames = self.frames.saturating_sub(1);
        allows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_frames_may_come_together_and_then_one_each_pause_however_long_the_silence_was() {
        let at = |mono_nanos| Now { wall_millis: 0, mono_nanos };
        let mut allowance = Allowance::from(at(0));
        for minutes in [0, 30 * 24 * 60] {
            let now = at(0).after(limits::GOSSIP_PAUSE * minutes);
            let together = (0..100).take_while(|_| allowance.allows(at(now))).count();
            assert_eq!(together as u64, limits::GOSSIP_BURST_FRAMES);
            assert!(!allowance.allows(at(later(now, limits::GOSSIP_PAUSE / 2))));
            let next = at(later(now, limits::GOSSIP_PAUSE));
            assert!(allowance.allows(next) && !allowance.allows(next));
        }
    }
}

//! Checkpoint gossip: each side sends its own newest checkpoint and those that it saw of third parties, so that an agency cannot show different
//! ledgers to different peers.
//!
//! Must not know how a checkpoint is verified: jobs do that.
//!
//! Invariants:
//! - at most [`limits::GOSSIP_CHECKPOINTS`] checkpoints of others are sent in [`limits::GOSSIP_PAUSE`], only changed ones, the oldest change first;
//! - a ping follows each frame, and the checkpoints count as received when the peer answers it. A link continues where the peer's answers of
//!   earlier links ended, so that even short links send everything in time, and nothing is lost;
//! - when a link has lasted, and on the link after it, everything is sent again, because the peer may have restarted and forgotten it;
//! - the own checkpoint is shown again from time to time although the ledger has not grown, with its present time;
//! - the rate of a peer's frames of checkpoints is limited, because each costs signature checks.

use std::collections::VecDeque;
use std::time::Duration;

use super::checked_checkpoints::CheckedCheckpoints;
use super::effects::Effects;
use super::end::End;
use super::event::{Job, PeerChange, SessionConfig, SideRecord, Signed};
use super::jobs::JobId;
use super::keepalive::ping;
use super::peer_checkpoints::OwnShown;
use super::timers::Timer;
use crate::base::clock::{Now, later};
use crate::base::ids::LedgerIndex;
use crate::base::limits;
use crate::tlog::checkpoint::Checkpoint;
use crate::wire::{self, frame::Kind};

/// The pause before the next read, if there was no news for this peer.
const NEWS_PAUSE: Duration = Duration::from_secs(1);
/// How often a node shows its own checkpoint again if its ledger does not grow.
const SHOW_AGAIN: Duration = Duration::from_secs(limits::CHECKPOINT_WITHIN.as_secs() / 4);
/// The maximum number of checkpoints of the peer's own ledger that are stored per link: the one in Ready and a newer one. A bad peer must not
/// fill the disk.
const STORED: usize = 2;

/// The sending side of the gossip.
#[derive(Clone, Debug)]
pub(super) struct GossipSender {
    /// The newest checkpoint of this node; `None` before it has signed one.
    newest: Option<Signed>,
    /// The version of the watch up to which the checkpoints of others were sent.
    sent_version: u64,
    /// The number of leaves in this node's last sent checkpoint.
    sent_size: LedgerIndex,
    /// Whether the own checkpoint is due to be shown, also if the ledger has not grown.
    must_show: bool,
    /// Whether the pause after the last frame is over.
    is_due: bool,
    /// Whether the watch may have changed since the last read.
    has_news: bool,
    reading: Option<JobId>,
}

impl GossipSender {
    /// A sender for a node with this newest checkpoint. It sends nothing by itself before [`Self::begin`].
    pub(super) fn new(newest: Option<Signed>) -> Self {
        Self {
            newest,
            sent_version: 0,
            sent_size: LedgerIndex::default(),
            must_show: false,
            is_due: false,
            has_news: true,
            reading: None,
        }
    }

    /// Shows the newest checkpoint of this node to the peer for the first time, if it covers the ledger up to `end`. Returns whether it does.
    pub(super) fn send_ready(
        &mut self,
        end: LedgerIndex,
        config: &SessionConfig,
        effects: &mut Effects<'_>,
    ) -> Result<bool, End> {
        let Some(newest) = self.newest.as_ref().filter(|newest| newest.size >= end) else { return Ok(false) };
        self.sent_size = newest.size;
        let (SessionConfig { federation, own, .. }, now) = (config, effects.now.wall_millis);
        let checkpoint = Checkpoint::without_old_time(&newest.note, federation, own, now);
        effects.send(Kind::Ready(wire::Ready { checkpoint }))?;
        Ok(true)
    }

    /// Begins to send. The peer has received the checkpoints of others up to version `gossiped` on earlier links.
    pub(super) fn begin(&mut self, gossiped: u64, effects: &mut Effects<'_>) {
        self.sent_version = gossiped;
        if self.sent_version > 0 {
            effects.set(Timer::RepeatGossip, effects.now.after(limits::GOSSIP_PAUSE));
        }
        effects.set(Timer::Show, effects.now.after(SHOW_AGAIN));
        self.pause_is_over(effects);
    }

    /// Handles a new checkpoint of this node.
    pub(super) fn signed(&mut self, newest: Signed, effects: &mut Effects<'_>) {
        self.newest = Some(newest);
        self.read_news(effects);
    }

    /// Handles a change of some agency's newest checkpoint.
    pub(super) fn news(&mut self, effects: &mut Effects<'_>) {
        self.has_news = true;
        self.read_news(effects);
    }

    /// Whether this part must hear of the next change of some agency's newest checkpoint.
    pub(super) fn wants_news(&self) -> bool {
        self.is_due && !self.has_news && self.reading.is_none()
    }

    /// Handles the end of the pause: the next frame may be sent.
    pub(super) fn pause_is_over(&mut self, effects: &mut Effects<'_>) {
        self.is_due = true;
        self.read_news(effects);
    }

    /// Sends everything once more, because the link has lasted.
    pub(super) fn repeat(&mut self, effects: &mut Effects<'_>) {
        self.sent_version = 0;
        self.news(effects);
    }

    /// Shows the own checkpoint again, because the peer must see one from time to time.
    pub(super) fn show_again(&mut self, effects: &mut Effects<'_>) {
        self.must_show = true;
        self.read_news(effects);
    }

    /// Handles the result of a read: sends the news.
    pub(super) fn news_read(
        &mut self,
        job: JobId,
        (own, mut notes): (Signed, Vec<Vec<u8>>),
        reached: u64,
        config: &SessionConfig,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        if self.reading.take_if(|reading| *reading == job).is_none() {
            return Ok(());
        }
        // A full frame may have left some out. They are sent after the pause.
        self.has_news |= notes.len() >= limits::GOSSIP_CHECKPOINTS;
        if std::mem::take(&mut self.must_show) || self.sent_size != own.size {
            let now = effects.now.wall_millis;
            notes.insert(0, Checkpoint::without_old_time(&own.note, &config.federation, &config.own, now));
            effects.set(Timer::Show, effects.now.after(SHOW_AGAIN));
        }
        (self.sent_version, self.sent_size) = (reached, own.size);
        self.newest = Some(own);
        self.is_due = false;
        if notes.is_empty() {
            effects.set(Timer::Gossip, effects.now.after(NEWS_PAUSE));
            return Ok(());
        }
        effects.set(Timer::Gossip, effects.now.after(limits::GOSSIP_PAUSE));
        effects.send(Kind::Checkpoints(wire::CheckpointNotes { notes }))?;
        effects.send(ping(reached))
    }

    /// Handles the peer's answer to the ping after a frame of gossip.
    pub(super) fn heard(&self, up_to: u64, effects: &mut Effects<'_>) {
        if (1..=self.sent_version).contains(&up_to) {
            effects.note(PeerChange::Gossiped(up_to));
        }
    }

    fn read_news(&mut self, effects: &mut Effects<'_>) {
        let has_grown = self.newest.as_ref().is_some_and(|newest| newest.size != self.sent_size);
        let is_something_new = self.has_news || self.must_show || has_grown;
        if self.is_due && is_something_new && self.reading.is_none() {
            self.has_news = false;
            self.reading = Some(effects.start(Job::Gossip { after: self.sent_version }));
        }
    }
}

/// The receiving side of the gossip.
#[derive(Clone, Debug)]
pub(super) struct GossipReceiver {
    allowance: Allowance,
    /// Frames that wait until the one before is checked.
    waiting: VecDeque<Vec<Vec<u8>>>,
    checking: Option<JobId>,
    /// The number of the peer's own checkpoints that were stored on this link.
    stored: usize,
    /// The peer's own checkpoints to store when the link is up.
    held: Vec<Vec<u8>>,
}

impl GossipReceiver {
    /// A receiver that has received nothing.
    pub(super) fn new(now: Now) -> Self {
        Self { allowance: Allowance::from(now), waiting: VecDeque::new(), checking: None, stored: 0, held: Vec::new() }
    }

    /// Handles the checkpoint in the peer's Ready.
    pub(super) fn shown_in_ready(&mut self, note: Vec<u8>, effects: &mut Effects<'_>) {
        self.waiting.push_back(fitting(vec![note]));
        self.check_next(effects);
    }

    /// Handles a frame of checkpoints.
    pub(super) fn received(&mut self, notes: Vec<Vec<u8>>, effects: &mut Effects<'_>) -> Result<(), End> {
        if !self.allowance.allows(effects.now) {
            let (most, seconds) = (limits::GOSSIP_BURST_FRAMES, limits::GOSSIP_PAUSE.as_secs());
            let reason = format!("too many frames of checkpoints: at most one each {seconds} s, and {most} at once");
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

    /// Whether everything that came was checked.
    pub(super) fn is_idle(&self) -> bool {
        self.checking.is_none()
    }

    /// Handles the result of a check. Returns the peer's own checkpoints among what was checked; `None` if this part was not waiting for it.
    ///
    /// Those of them that show more than was known are stored by [`Self::store_held`], so that this node can show them to the peer if the peer's
    /// ledger is set back.
    pub(super) fn checked(
        &mut self,
        job: JobId,
        checked: CheckedCheckpoints,
        effects: &mut Effects<'_>,
    ) -> Option<Vec<OwnShown>> {
        self.checking.take_if(|checking| *checking == job)?;
        self.held.extend(checked.news);
        self.check_next(effects);
        Some(checked.own)
    }

    /// Stores the checkpoints of the peer that are held. This node must be able to sign.
    pub(super) fn store_held(&mut self, effects: &mut Effects<'_>) {
        for note in self.held.drain(..).take(STORED - self.stored) {
            self.stored += 1;
            effects.store(SideRecord::Seen { at: effects.now.wall_millis, note });
        }
    }

    fn check_next(&mut self, effects: &mut Effects<'_>) {
        if self.checking.is_none()
            && let Some(notes) = self.waiting.pop_front()
        {
            self.checking = Some(effects.start(Job::CheckCheckpoints { notes }));
        }
    }
}

/// Drops notes that are empty or too large to be checkpoints, to save memory.
fn fitting(mut notes: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    notes.retain(|note| !note.is_empty() && note.len() <= limits::CHECKPOINT_BYTES);
    notes
}

/// The rate limit of frames of checkpoints: a token bucket.
#[derive(Clone, Debug)]
struct Allowance {
    /// The number of frames that may come now.
    frames: u64,
    /// The time at which the last frame was added, in nanoseconds of the monotonic clock.
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
    fn a_burst_is_bounded_and_then_one_frame_per_pause_may_come_however_long_the_silence_was() {
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

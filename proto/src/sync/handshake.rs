//! The handshake: identifies the peer, chooses the protocol version, and exchanges how much each side has of the other's ledger.
//!
//! ```text
//! LoadPeer -> Hello leaves, Hello comes -> Compare -> the session exchanges Ready
//! ```
//!
//! Invariants:
//! - the peer's agency comes from its certificate; the name in Hello must be the same;
//! - the peer's view of this node's ledger counts only with this node's own signature under it. A peer that claims more without proof ends its
//!   link and does not count as heard, so that it cannot make a node sign that has just started;
//! - a node whose ledger was set back first takes the charters that the peer passes on, because one of them may revoke the key under which the
//!   peer's proof was signed.

use std::time::Duration;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, Job, PeerChange, SessionConfig, StoredPeer, Warning};
use super::keepalive::clock_offset;
use super::timers::Timer;
use crate::base::cursor::Cursor;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::wire::{self, frame::Kind};

/// Oldest protocol version that this code speaks.
pub const PROTOCOL_MIN: u32 = 2;
/// Newest protocol version that this code speaks.
pub const PROTOCOL_MAX: u32 = 2;
/// The time within which the peer's Hello must come.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// The time in which the charters of a peer must come whose link ends after the greeting.
const CHARTERS_WITHIN: Duration = Duration::from_secs(2);
/// The maximum number of characters of a name in a peer's Hello that an error quotes.
const QUOTED_CHARS: usize = 80;

/// One handshake.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshake {
    step: Step,
    stored: StoredPeer,
    /// The peer's Hello.
    theirs: wire::Hello,
    protocol: u32,
    /// The end of the link, which waits for the charters that the peer passes on.
    farewell: Option<End>,
}

/// The step of a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    /// This node's records about the peer are being read.
    #[default]
    LoadingPeer,
    /// The peer's Hello must come.
    AwaitingHello,
    /// The peer's view of this node's ledger is being compared with the ledger.
    Comparing,
    /// The handshake is complete.
    Over,
}

impl Handshake {
    /// Starts the handshake.
    pub(super) fn begin(&mut self, effects: &mut Effects<'_>) {
        effects.start(Job::LoadPeer);
    }

    /// Sends Hello, when this node's records about the peer have been read.
    pub(super) fn peer_loaded(
        &mut self,
        stored: StoredPeer,
        config: &SessionConfig,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        if self.step != Step::LoadingPeer {
            return Ok(());
        }
        let charter = config.charters.newest();
        let hello = wire::Hello {
            protocol_min: PROTOCOL_MIN,
            protocol_max: PROTOCOL_MAX,
            federation: config.federation.clone(),
            agency: config.own.to_string(),
            charter_version: charter.version,
            have_cursor: stored.received.map(Cursor::to_wire),
            seen_of_you: stored.checkpoint.as_ref().map(|seen| seen.note.clone()).unwrap_or_default(),
            // Set when the frame leaves.
            now: 0,
            entry_of_you: stored.entry.to_vec(),
            charter_hash: charter.hash.to_vec(),
        };
        self.stored = stored;
        self.step = Step::AwaitingHello;
        effects.set(Timer::Handshake, effects.now.after(HANDSHAKE_WITHIN));
        effects.send(Kind::Hello(hello))
    }

    /// Whether the peer's Hello must come now.
    pub(super) fn awaits_hello(&self) -> bool {
        self.step == Step::AwaitingHello
    }

    /// Whether the peer's Hello has not come yet.
    pub(super) fn is_before_hello(&self) -> bool {
        matches!(self.step, Step::LoadingPeer | Step::AwaitingHello)
    }

    /// Whether the handshake is complete.
    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    /// Whether the link ends when the peer's charters have come.
    pub(super) fn is_leaving(&self) -> bool {
        self.farewell.is_some()
    }

    /// Handles the first frame, which must be Hello.
    pub(super) fn received(
        &mut self,
        kind: Option<Kind>,
        config: &SessionConfig,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        let hello = match kind {
            Some(Kind::Hello(hello)) => hello,
            Some(Kind::Fault(fault)) => return Err(End::by_peer(&fault)),
            _ => return Err(End::unexpected("another frame before Hello")),
        };
        self.protocol = check(&hello, config)?;
        self.step = Step::Comparing;
        effects.stop(Timer::Handshake);
        let (checkpoint, entry) = (hello.seen_of_you.clone(), hello.entry_of_you.clone());
        self.theirs = hello;
        effects.start(Job::Compare { checkpoint, entry });
        Ok(())
    }

    /// The end of a link whose peer sent no Hello in time, or whose end has waited for the peer's charters.
    pub(super) fn expired(&mut self) -> End {
        let late = || End::Fault(FaultCode::Idle, format!("no Hello within {} s", HANDSHAKE_WITHIN.as_secs()));
        self.farewell.take().unwrap_or_else(late)
    }

    /// Ends the link after the greeting: at once, unless the peer has newer charters.
    pub(super) fn leave(&mut self, end: End, config: &SessionConfig, effects: &mut Effects<'_>) -> Result<(), End> {
        if self.theirs.charter_version <= config.charters.newest().version {
            return Err(end);
        }
        self.farewell = Some(end);
        effects.set(Timer::Handshake, effects.now.after(CHARTERS_WITHIN));
        Ok(())
    }

    /// Gives the peer's charters more time, because one of them, or a list that it needs, is coming.
    pub(super) fn wait_for_charters(&self, effects: &mut Effects<'_>) {
        if self.is_leaving() {
            effects.set(Timer::Handshake, effects.now.after(limits::TRUSTED_LIST_PART_WITHIN));
        }
    }

    /// Handles the result of the comparison. `conflict` says how the peer's view contradicts this node's ledger, whose durable end is `end`.
    pub(super) fn compared(
        &mut self,
        conflict: Option<String>,
        end: Cursor,
        config: &SessionConfig,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        if self.step != Step::Comparing {
            return Ok(());
        }
        self.step = Step::Over;
        // The comparison takes a moment, in which this node's clock may jump. So the peer's time counts as if it had come now. It comes before the
        // link is up, so that a node with a wrong clock notices before it signs anything.
        effects.note(PeerChange::ClockOffset(clock_offset(self.theirs.now, effects.now)));
        if let Some(conflict) = conflict {
            return self.leave(End::Fault(FaultCode::AheadOfLedger, conflict), config, effects);
        }
        if let Some(have) = self.have().filter(|have| have.is_beyond(end.epoch, end.index)) {
            let (size, epoch) = (end.index, end.epoch);
            let reason = format!("the peer claims our ledger up to {have}, but it has {size} leaves in epoch {epoch}");
            effects.act(Action::Warn(Warning::Ahead(reason.clone())));
            return Err(End::Fault(FaultCode::AheadOfLedger, reason));
        }
        effects.note(PeerChange::Heard);
        let (protocol, charter_version) = (self.protocol, self.theirs.charter_version);
        effects.note(PeerChange::Greeted { protocol, charter_version });
        Ok(())
    }

    /// The position up to which the peer claims to have this node's ledger.
    pub(super) fn have(&self) -> Option<Cursor> {
        self.theirs.have_cursor.map(Cursor::from_wire)
    }

    /// This node's records about the peer.
    pub(super) fn stored(&self) -> &StoredPeer {
        &self.stored
    }

    /// The peer's Hello.
    pub(super) fn theirs(&self) -> &wire::Hello {
        &self.theirs
    }

    /// Whether the peer goes by a charter that this node lacks: a newer one, or a rival of one of its own.
    pub(super) fn names_another_charter(&self, config: &SessionConfig) -> bool {
        let ours = config.charters.version(self.theirs.charter_version);
        ours.is_none_or(|charter| self.theirs.charter_hash != charter.hash)
    }
}

/// Checks that the names in Hello are right, and chooses the protocol version.
fn check(hello: &wire::Hello, config: &SessionConfig) -> Result<u32, End> {
    let SessionConfig { peer, federation, .. } = config;
    if hello.agency != peer.as_str() || hello.federation != *federation {
        let quoted = |text: &str| text.chars().take(QUOTED_CHARS).collect::<String>();
        let (named, of) = (quoted(&hello.agency), quoted(&hello.federation));
        let reason = format!("Hello of {named:?} in {of:?} on the connection of {peer} in {federation}");
        return Err(End::Fault(FaultCode::IdentityMismatch, reason));
    }
    common_version(hello.protocol_min, hello.protocol_max).ok_or_else(|| {
        let reason = format!(
            "the peer speaks versions {} to {}, this node {PROTOCOL_MIN} to {PROTOCOL_MAX}",
            hello.protocol_min, hello.protocol_max
        );
        End::Fault(FaultCode::NoCommonVersion, reason)
    })
}

/// The newest protocol version that two ranges have in common.
fn common_version(theirs_min: u32, theirs_max: u32) -> Option<u32> {
    let newest = PROTOCOL_MAX.min(theirs_max);
    (newest >= PROTOCOL_MIN.max(theirs_min)).then_some(newest)
}

/// The end of every link of a node whose ledger was set back, after the greeting.
pub(super) fn set_back() -> End {
    let reason = "this node's ledger was set back or lost, as its peers show: it takes and signs nothing until its operator restores the \
                  newest copy or begins a new epoch";
    End::Fault(FaultCode::AheadOfLedger, reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_both_speak_is_spoken() {
        assert_eq!(common_version(1, 9), Some(PROTOCOL_MAX));
        assert_eq!((common_version(PROTOCOL_MAX + 1, 9), common_version(1, PROTOCOL_MIN - 1)), (None, None));
    }
}

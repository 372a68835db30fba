//! What keeps a link honest beside the entries: pings, clocks, charters, checkpoints.

use std::fmt::Display;
use std::sync::atomic::Ordering;

use sinergi_proto::charter::{Charter, MemberStatus};
use sinergi_proto::ids::AgencyId;
use sinergi_proto::limits;
use sinergi_proto::refusal::FaultCode;
use sinergi_proto::wire::{self, Frame, frame::Kind};

use super::{LinkError, Links, Session, frame};
use crate::directory::DirectoryError;
use crate::link::dial::quote;
use crate::time::now_millis;
use crate::tls::Authorities;
use crate::writer::Submission;

/// The version that every node pins, the same everywhere.
const FIRST_CHARTER: u64 = 1;

/// The nonce of a ping that asks for a sign of life and no more.
pub(super) const ALIVE: u64 = 0;

/// A question whether the peer has heard everything before it. It is stamped when it leaves.
pub(super) fn ping(nonce: u64) -> Kind {
    Kind::Ping(wire::Ping { nonce, reply: false, now: 0 })
}

/// The answer.
pub(super) fn pong(nonce: u64) -> Kind {
    Kind::Ping(wire::Ping { nonce, reply: true, now: 0 })
}

/// A frame as it leaves: the time of a ping must not be that of a queue.
pub(super) fn stamped(mut kind: Kind) -> Frame {
    if let Kind::Ping(ping) = &mut kind {
        ping.now = now_millis();
    }
    frame(kind)
}

/// The peer's clock less ours, in milliseconds.
pub(super) fn offset(theirs: u64) -> i64 {
    let offset = i128::from(theirs) - i128::from(now_millis());
    i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX })
}

impl Session<'_> {
    pub(super) fn pinged(&mut self, ping: &wire::Ping) {
        self.peer.note(|state| state.clock_offset = Some(offset(ping.now)));
        self.links.check_clock();
        if !ping.reply {
            self.pong_due = self.pong_due.max(Some(ping.nonce));
            return;
        }
        self.peer.note(|state| state.last_success = now_millis());
        self.heard_us_tell(ping.nonce);
        for asked in self.pinged.drain(..) {
            // Who asked may have gone.
            let _ = asked.send(());
        }
    }

    /// Passes on the charters that the peer does not have. If it goes by another one of a version that is here, the operators of both
    /// must hear of it: then, once, all from the first on which they may differ.
    pub(super) fn pass_on_charters(&mut self, theirs: &wire::Hello) -> Result<(), LinkError> {
        let charters = self.links.directory.charters();
        let ours = charters.version(theirs.charter_version).map(|charter| charter.hash);
        let rival =
            <[u8; 32]>::try_from(&theirs.charter_hash[..]).ok().filter(|hash| ours.is_some_and(|ours| ours != *hash));
        let known = match rival {
            Some(hash) => {
                let passed_on = self.peer.snapshot().passed_on;
                passed_on.filter(|(of, _)| *of == hash).map_or(FIRST_CHARTER, |(_, version)| version)
            }
            None => theirs.charter_version,
        };
        let (mut bytes, mut last) = (0, known);
        for charter in charters.after(known) {
            bytes += charter.note().len();
            if bytes > limits::CHARTERS_PASSED_ON_BYTES {
                break;
            }
            self.pass_on(charter)?;
            last = charter.version;
        }
        if let Some(hash) = rival {
            self.peer.note(|state| state.passed_on = Some((hash, last)));
        }
        Ok(())
    }

    fn pass_on(&mut self, charter: &Charter) -> Result<(), LinkError> {
        self.say(Kind::Charter(wire::CharterNote { note: charter.note().to_vec() }))
    }

    /// This node adopted a charter: the peer learns of it in the next Hello, if it may still be a peer.
    pub(super) fn charter_changed(&mut self) -> Result<(), LinkError> {
        self.charter.borrow_and_update();
        let charter = self.links.directory.newest();
        // Every link is made anew, so that its certificate is checked under the authorities that hold now.
        let member = charter.member(&self.peer.agency);
        if member.is_some_and(|member| member.status != MemberStatus::Retired) {
            let reason = format!("charter version {} was adopted, the link is made anew under it", charter.version);
            return Err(LinkError::Fault(FaultCode::Superseded, reason));
        }
        let reason = format!("{} is no active member of charter version {}", self.peer.agency, charter.version);
        Err(LinkError::Fault(FaultCode::NotPermitted, reason))
    }

    /// A charter from the peer. After one that is not adopted no other is looked at: each builds on the one before.
    pub(super) async fn adopt_charter(&mut self, note: Vec<u8>) -> Result<(), LinkError> {
        if self.charters_end {
            return Ok(());
        }
        let links = self.links.clone();
        let _one_at_a_time = self.links.adopting.lock().await;
        // Several peers may pass it on, and another link may have brought it while this one waited.
        if links.directory.charters().has_text_of(&note) {
            return Ok(());
        }
        let adopt = move || {
            let adopted = links.directory.adopt(&note)?;
            let (authorities, bad) = Authorities::of_charter(links.federation.clone(), &adopted);
            bad.iter().for_each(|bad| tracing::warn!("{bad}"));
            links.authorities.replace(authorities);
            links.directory.announce();
            Ok::<_, DirectoryError>(adopted)
        };
        let adopted = tokio::task::spawn_blocking(adopt).await;
        let problem = match adopted.map_err(|error| LinkError::Broken(error.to_string()))? {
            Ok(charter) => {
                tracing::info!(version = charter.version, from = %self.peer.agency, "adopted a charter");
                self.to_writer.submit(Submission::Retry);
                return Ok(());
            }
            Err(problem) => problem,
        };
        // Told once a link: there is no end to what a peer may send.
        self.charters_end = true;
        let agency = &self.peer.agency;
        match problem {
            DirectoryError::NotTrusted { source, .. } => did_not_adopt(agency, &source),
            DirectoryError::Rival(found) => {
                did_not_adopt(agency, &found.rival);
                self.links.alarms.raise(found.topic(), format!("{agency} goes by another charter: {}", found.alarm()));
                // Its operator should see both, too.
                if let Some(ours) = self.links.directory.charters().version(found.rival.version) {
                    self.pass_on(ours)?;
                }
            }
            own => tracing::error!(from = %agency, "cannot keep a charter: {own}"),
        }
        Ok(())
    }
}

/// Tells the operator that a peer passed on what does not follow the charters here.
fn did_not_adopt(from: &AgencyId, reason: &dyn Display) {
    tracing::warn!(peer = %from, "did not adopt a charter from the peer: {}", quote(&reason.to_string()));
}

impl Links {
    /// Whether this node's clock agrees with most of its linked peers'.
    pub(in crate::link) fn check_clock(&self) {
        let median = self.peers.median_clock_offset();
        self.clock_offset.store(median, Ordering::Relaxed);
        let bound = u64::try_from(limits::CLOCK_AHEAD.as_millis()).unwrap_or(u64::MAX);
        if median.unsigned_abs() > bound {
            let seconds = median / 1000;
            let text = format!(
                "this node's clock differs by {seconds} s from most of its peers': it signs nothing until the clock is set (NTP)"
            );
            self.alarms.raise("clock", text);
        } else {
            self.alarms.settle("clock");
        }
    }
}

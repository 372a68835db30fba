//! Charter sync: each side passes on what the other lacks, and adopts what it is passed.
//!
//! Invariants:
//! - charters are adopted in the order in which they came, one at a time: each builds on the one before;
//! - after one that is not adopted no other is looked at: it could not follow, and there is no end to what a peer may send;
//! - at most one waits while another is being adopted.

use std::collections::VecDeque;

use super::effects::Effects;
use super::end::End;
use super::event::{Adoption, Job, PeerChange};
use super::jobs::JobId;
use crate::base::ids::AgencyId;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::charter::{Charter, Charters, MemberStatus};
use crate::wire::{self, frame::Kind};

/// The version that every node pins, the same everywhere.
const FIRST_CHARTER: u64 = 1;

/// The charters that came over one link.
#[derive(Clone, Debug, Default)]
pub(super) struct CharterSync {
    adopting: Option<JobId>,
    waiting: VecDeque<Vec<u8>>,
    /// One was not adopted.
    has_ended: bool,
}

impl CharterSync {
    /// The peer passes on a charter.
    pub(super) fn received(&mut self, note: Vec<u8>, effects: &mut Effects<'_>) {
        if !self.has_ended {
            self.waiting.push_back(note);
            self.adopt_next(effects);
        }
    }

    /// Whether one more may come.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether nothing is being adopted.
    pub(super) fn is_idle(&self) -> bool {
        self.adopting.is_none()
    }

    /// The charter that was being adopted is in force, or will not be.
    pub(super) fn adopted(
        &mut self,
        job: JobId,
        adoption: Adoption,
        charters: &Charters,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        if self.adopting.take_if(|adopting| *adopting == job).is_none() {
            return Ok(());
        }
        if adoption != Adoption::InForce {
            self.has_ended = true;
            self.waiting.clear();
        }
        if let Adoption::Rival(version) = adoption
            && let Some(ours) = charters.version(version)
        {
            // The peer's operator should see both, too.
            pass_on_one(ours, effects)?;
        }
        self.adopt_next(effects);
        Ok(())
    }

    fn adopt_next(&mut self, effects: &mut Effects<'_>) {
        if self.adopting.is_none()
            && let Some(note) = self.waiting.pop_front()
        {
            self.adopting = Some(effects.start(Job::Adopt { note }));
        }
    }
}

/// Passes on the charters that the peer does not have. If it goes by another one of a version that is here, the operators of both must
/// hear of it: then, once, all from the first on which they may differ. `passed_on` is what was passed on for that on earlier links.
pub(super) fn pass_on(
    charters: &Charters,
    theirs: &wire::Hello,
    passed_on: Option<([u8; 32], u64)>,
    effects: &mut Effects<'_>,
) -> Result<(), End> {
    let ours = charters.version(theirs.charter_version).map(|charter| charter.hash);
    let rival =
        <[u8; 32]>::try_from(&theirs.charter_hash[..]).ok().filter(|hash| ours.is_some_and(|ours| ours != *hash));
    let known = match rival {
        Some(hash) => passed_on.filter(|(of, _)| *of == hash).map_or(FIRST_CHARTER, |(_, version)| version),
        None => theirs.charter_version,
    };
    let (mut bytes, mut last) = (0, known);
    for charter in charters.after(known) {
        bytes += charter.note().len();
        if bytes > limits::CHARTERS_PASSED_ON_BYTES {
            break;
        }
        pass_on_one(charter, effects)?;
        last = charter.version;
    }
    if let Some(hash) = rival {
        effects.note(PeerChange::PassedOn(Some((hash, last))));
    }
    Ok(())
}

fn pass_on_one(charter: &Charter, effects: &mut Effects<'_>) -> Result<(), End> {
    effects.send(Kind::Charter(wire::CharterNote { note: charter.note().to_vec() }))
}

/// The end of every link when another charter comes into force: it is made anew, so that its certificate is checked under the
/// authorities that hold now, if the peer may still be one.
pub(super) fn changed(charters: &Charters, peer: &AgencyId) -> End {
    let charter = charters.newest();
    if charter.member(peer).is_some_and(|member| member.status != MemberStatus::Retired) {
        let reason = format!("charter version {} was adopted, the link is made anew under it", charter.version);
        return End::Fault(FaultCode::Superseded, reason);
    }
    let reason = format!("{peer} is no active member of charter version {}", charter.version);
    End::Fault(FaultCode::NotPermitted, reason)
}

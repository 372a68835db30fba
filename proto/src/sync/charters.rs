//! Charter sync: each side passes on the charters that the other lacks, and adopts those that it gets.
//!
//! Invariants:
//! - charters are adopted in the order in which they came, one at a time, because each builds on the one before;
//! - after a charter that is not adopted, all later ones are ignored: they cannot follow, and a peer could send them without end;
//! - no frame is read while a charter waits for another one that is being adopted. While a list is fetched, a bounded number of charters waits.

use std::collections::VecDeque;

use super::effects::Effects;
use super::end::End;
use super::event::{Action, Adoption, Job, PeerChange};
use super::jobs::JobId;
use super::lists::{Fetched, ListFetch, ListServer};
use crate::base::ids::AgencyId;
use crate::base::limits;
use crate::base::refusal::FaultCode;
use crate::charter::{Charter, Charters, MemberStatus};
use crate::wire::{self, frame::Kind};

/// Most bytes of charters that are passed on over one connection. The next connection of the link goes on from there.
const CHARTERS_PASSED_ON_BYTES: usize = 8 * limits::CHARTER_BYTES;

/// The version of the first charter. Every node has the same one.
const FIRST_CHARTER: u64 = 1;

/// A charter that is being adopted.
#[derive(Clone, Debug)]
struct Adopting {
    note: Vec<u8>,
    /// The job that adopts it, or that found out that a list is lacking and holds the room for it.
    job: JobId,
    /// The list that it lacks, while it is fetched, and after that until the job is done.
    fetch: Option<ListFetch>,
    /// Whether the job is running.
    is_running: bool,
}

/// The charters that come over one link.
#[derive(Clone, Debug, Default)]
pub(super) struct CharterSync {
    adopting: Option<Adopting>,
    waiting: VecDeque<Vec<u8>>,
    list_server: ListServer,
    /// Whether one has come that is not in force here.
    has_come: bool,
    /// Whether one was not adopted, so that later ones are ignored.
    has_ended: bool,
}

impl CharterSync {
    /// Handles a charter that the peer passes on. One that is in force here says nothing new.
    pub(super) fn received(
        &mut self,
        note: Vec<u8>,
        charters: &Charters,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        if charters.after(0).any(|charter| charter.note() == note) {
            return Ok(());
        }
        self.has_come = true;
        if !self.has_ended {
            self.waiting.push_back(note);
            self.adopt_next(effects);
        }
        let bytes: usize = self.waiting.iter().map(Vec::len).sum();
        if bytes > CHARTERS_PASSED_ON_BYTES {
            return Err(End::over_limit(format!("{bytes} bytes of charters wait for the one before them")));
        }
        Ok(())
    }

    /// Whether there is room for one more charter.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty() || self.is_fetching()
    }

    /// Whether a list is being fetched from the peer.
    pub(super) fn is_fetching(&self) -> bool {
        self.adopting.as_ref().is_some_and(|adopting| adopting.fetch.is_some() && !adopting.is_running)
    }

    /// Whether nothing is being adopted.
    pub(super) fn is_idle(&self) -> bool {
        self.adopting.is_none()
    }

    /// Serves the peer's requests for lists.
    pub(super) fn list_server(&mut self) -> &mut ListServer {
        &mut self.list_server
    }

    /// Whether a charter that is not in force here has come over this link.
    pub(super) fn has_come(&self) -> bool {
        self.has_come
    }

    /// Whether charters that the peer passed on may still come into force on this node.
    pub(super) fn may_change(&self) -> bool {
        self.has_come && !self.has_ended
    }

    /// Handles the result of an adoption.
    pub(super) fn adopted(
        &mut self,
        job: JobId,
        adoption: Adoption,
        charters: &Charters,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        let Some(adopting) = self.adopting.take_if(|adopting| adopting.job == job) else { return Ok(()) };
        if let Adoption::Lacks(list) = adoption
            && adopting.fetch.as_ref().is_none_or(|fetched| !fetched.is_of(&list))
        {
            let fetch = Some(ListFetch::begin(list, effects)?);
            self.adopting = Some(Adopting { fetch, is_running: false, ..adopting });
            return Ok(());
        }
        if adopting.fetch.is_some() {
            effects.act(Action::Release(job));
        }
        if adoption != Adoption::InForce {
            self.end();
        }
        if let Adoption::Rival(version) = adoption
            && let Some(ours) = charters.version(version)
        {
            // The peer's operator should see both charters, too.
            pass_on_one(ours, effects)?;
        }
        self.adopt_next(effects);
        Ok(())
    }

    /// Handles a part of a list.
    pub(super) fn list_part(&mut self, part: wire::ListPart, effects: &mut Effects<'_>) -> Result<(), End> {
        let is_fetching = self.is_fetching();
        let adopting = self.adopting.as_mut().filter(|_| is_fetching);
        let Some((adopting, fetch)) = adopting.and_then(|adopting| Some((adopting.job, adopting.fetch.as_mut()?)))
        else {
            return Err(End::unexpected("a part of a list that was not asked for"));
        };
        match fetch.received(part, effects)? {
            Fetched::More => {}
            Fetched::Whole(list) => self.adopt_with(list, effects),
            Fetched::NotThere => {
                effects.act(Action::Release(adopting));
                self.end();
            }
        }
        Ok(())
    }

    /// Gives a fetch up whose next part does not come.
    pub(super) fn list_is_late(&mut self, effects: &mut Effects<'_>) {
        if let Some(adopting) = self.adopting.take() {
            effects.act(Action::Release(adopting.job));
            self.end();
        }
    }

    /// Adopts the charter with the list that was fetched.
    fn adopt_with(&mut self, list: Vec<u8>, effects: &mut Effects<'_>) {
        let Some(adopting) = &mut self.adopting else { return };
        let job = effects.start(Job::Adopt { note: adopting.note.clone(), list: Some(list) });
        effects.act(Action::Release(std::mem::replace(&mut adopting.job, job)));
        adopting.is_running = true;
    }

    /// Ignores all charters from now on.
    fn end(&mut self) {
        self.adopting = None;
        self.has_ended = true;
        self.waiting.clear();
    }

    fn adopt_next(&mut self, effects: &mut Effects<'_>) {
        if self.adopting.is_none()
            && let Some(note) = self.waiting.pop_front()
        {
            let job = effects.start(Job::Adopt { note: note.clone(), list: None });
            self.adopting = Some(Adopting { note, job, fetch: None, is_running: true });
        }
    }
}

/// Passes on the charters that the peer lacks.
///
/// If the peer has a rival of one of this node's charters, the operators of both must see it. Then all charters are passed on from the first
/// version on at which the two chains may differ, but only once: `passed_on` says how many were passed on for this reason on earlier links.
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
        if bytes > CHARTERS_PASSED_ON_BYTES {
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

/// The end of every link when a new charter comes into force. An active member links again, and its certificate is checked under the
/// authorities of the new charter.
pub(super) fn changed(charters: &Charters, peer: &AgencyId) -> End {
    let charter = charters.newest();
    if charter.member(peer).is_some_and(|member| member.status != MemberStatus::Retired) {
        let reason = format!("charter version {} was adopted: link again under it", charter.version);
        return End::Fault(FaultCode::Superseded, reason);
    }
    let reason = format!("{peer} is no active member of charter version {}", charter.version);
    End::Fault(FaultCode::NotPermitted, reason)
}

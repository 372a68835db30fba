//! The lists of trusted entries that charters name: fetched from the peer in parts, and served to it.
//!
//! Must not know what is in a list. The charters check it.
//!
//! Invariants:
//! - a list is fetched only if a charter names it that is right in everything else, so nobody but the managers decides what is fetched;
//! - it takes no more memory than the charter says it has bytes;
//! - one part is under way at a time, in each direction.

use super::effects::Effects;
use super::end::End;
use super::timers::Timer;
use crate::base::limits;
use crate::charter::{Charters, ListName};
use crate::wire::{self, frame::Kind};

/// A list that is being fetched.
#[derive(Clone, Debug)]
pub(super) struct ListFetch {
    list: ListName,
    received: Vec<u8>,
}

/// The state of a fetch after a part of the list has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// The next part is asked for.
    More,
    /// The list is complete.
    Whole(Vec<u8>),
    /// The peer does not have it.
    NotThere,
}

impl ListFetch {
    /// Asks for the first part of a list.
    pub(super) fn begin(list: ListName, effects: &mut Effects<'_>) -> Result<Self, End> {
        let fetch = Self { list, received: Vec::new() };
        fetch.ask(effects)?;
        Ok(fetch)
    }

    /// Whether this list is being fetched.
    pub(super) fn is_of(&self, list: &ListName) -> bool {
        self.list == *list
    }

    /// Takes a part.
    pub(super) fn received(&mut self, part: wire::ListPart, effects: &mut Effects<'_>) -> Result<Fetched, End> {
        if part.hash != self.list.hash || part.offset != self.received.len() as u64 {
            return Err(End::unexpected("a part of a list that was not asked for"));
        }
        let after = self.received.len() + part.data.len();
        if after > self.list.bytes || part.data.len() > limits::TRUSTED_LIST_PART_BYTES {
            let reason = format!("{after} bytes of the list {}", self.list);
            return Err(End::over_limit(reason));
        }
        effects.stop(Timer::List);
        if part.data.is_empty() {
            return Ok(Fetched::NotThere);
        }
        // A full part each time, so that a slow peer cannot hold the memory for the list for very long.
        let rest = self.list.bytes - self.received.len();
        if part.data.len() < rest.min(limits::TRUSTED_LIST_PART_BYTES) {
            return Err(End::unexpected("a part of a list that is not full"));
        }
        self.received.extend(part.data);
        if after == self.list.bytes {
            return Ok(Fetched::Whole(std::mem::take(&mut self.received)));
        }
        self.ask(effects)?;
        Ok(Fetched::More)
    }

    fn ask(&self, effects: &mut Effects<'_>) -> Result<(), End> {
        effects.set(Timer::List, effects.now.after(limits::TRUSTED_LIST_PART_WITHIN));
        let (hash, offset) = (self.list.hash.to_vec(), self.received.len() as u64);
        effects.send(Kind::ListRequest(wire::ListRequest { hash, offset }))
    }
}

/// Serves the peer's requests.
#[derive(Clone, Debug, Default)]
pub(super) struct ListServer {
    /// Whether a part waits until the peer reads it.
    waits: bool,
}

impl ListServer {
    /// Answers a request with the part that begins there, which is empty if the list is not here.
    pub(super) fn asked(
        &mut self,
        request: &wire::ListRequest,
        charters: &Charters,
        effects: &mut Effects<'_>,
    ) -> Result<(), End> {
        if std::mem::replace(&mut self.waits, true) {
            return Err(End::over_limit("a part of a list was asked for before the last one was read".to_owned()));
        }
        let hash = <[u8; 32]>::try_from(request.hash.as_slice()).ok();
        let text = hash.and_then(|hash| charters.list(&hash)).map(|list| list.text());
        let offset = usize::try_from(request.offset).unwrap_or(usize::MAX);
        let rest = text.and_then(|text| text.get(offset..)).unwrap_or_default();
        let data = rest[..rest.len().min(limits::TRUSTED_LIST_PART_BYTES)].to_vec();
        effects.send(Kind::ListPart(wire::ListPart { hash: request.hash.clone(), offset: request.offset, data }))
    }

    /// A part has left.
    pub(super) fn part_left(&mut self) {
        self.waits = false;
    }
}

//! What must hold of every state, and what must be seen somewhere in the space for it to be worth checking.
//!
//! What can be said of one view alone is judged once, when the view is seen first ([`judge`]), and looked up in every state.

mod agreement;
mod custody;
mod memory;
mod sights;

use std::collections::{BTreeSet, HashSet};

use sinergi_proto::base::ids::EntryId;
use sinergi_proto::complaint::Complaint;
use stateright::Property;

use super::book::View;
use super::network::State;
use super::{Bounds, HandOver};

/// What the properties say of one view.
pub struct Judgement {
    custody: custody::Judgement,
    memory: memory::Judgement,
    sights: sights::Sights,
}

/// Judges a view: the fold of these entries, of which some are lies.
pub fn judge(complaint: &Complaint, entries: &BTreeSet<EntryId>, lies: &HashSet<EntryId>) -> Judgement {
    Judgement {
        custody: custody::judge(complaint),
        memory: memory::judge(complaint, entries, lies),
        sights: sights::see(complaint),
    }
}

/// The properties of a model with these bounds.
pub fn of(bounds: Bounds) -> Vec<Property<HandOver>> {
    let mut all = custody::properties();
    all.extend(agreement::properties());
    all.extend(memory::properties());
    all.extend(sights::properties(bounds));
    all
}

fn every_view(model: &HandOver, state: &State, holds: impl Fn(&View) -> bool) -> bool {
    let book = model.book();
    state.views(&book).all(|(_, view)| holds(book.view(view)))
}

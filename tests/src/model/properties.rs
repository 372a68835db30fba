//! The properties that must hold in every state, and the events that must occur somewhere, so that the space is worth checking.
//!
//! [`super::judgement`] judges claims about a single view once. The lists here look the judgements up in every state.

mod agreement;
mod custody;
mod permanence;
mod sights;

use stateright::Property;

use super::book::View;
use super::network::State;
use super::{Bounds, HandOver};

/// The properties of a model with these bounds.
pub fn of(bounds: Bounds) -> Vec<Property<HandOver>> {
    let mut all = custody::properties();
    all.extend(agreement::properties());
    all.extend(permanence::properties());
    all.extend(sights::properties(bounds));
    all
}

fn every_view(model: &HandOver, state: &State, holds: impl Fn(&View) -> bool) -> bool {
    let book = model.book();
    state.views(&book).all(|(_, view)| holds(book.view(view)))
}

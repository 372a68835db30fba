//! Agreement: what is equal for equal sets, and for all when the network is quiet.

use std::collections::BTreeSet;

use stateright::Property;

use super::every_view;
use crate::model::HandOver;
use crate::model::book::{Book, ViewRef};
use crate::model::network::State;

pub(super) fn properties() -> Vec<Property<HandOver>> {
    vec![
        Property::always("equal sets give equal states", equal_sets_give_equal_states),
        Property::always("when the network is quiet all views are equal", |model: &HandOver, state: &State| {
            !state.is_quiet() || readers_agree(&model.book(), state)
        }),
        Property::always("whenever everything is delivered all views become equal", becomes_equal),
        Property::always("no honest node's entry is refused", |_, state: &State| {
            state.nodes.iter().all(|node| node.refused.is_empty())
        }),
    ]
}

/// Between the nodes of one state, and between all states of the space: a set that was folded in another order before gave the same.
fn equal_sets_give_equal_states(model: &HandOver, state: &State) -> bool {
    if !every_view(model, state, |view| view.is_only) {
        return false;
    }
    let book = model.book();
    let views: Vec<ViewRef> = state.views(&book).map(|(_, view)| view).collect();
    let equal = |a: &ViewRef, b: &ViewRef| book.view(*a).entries != book.view(*b).entries || a == b;
    views.iter().all(|a| views.iter().all(|b| equal(a, b)))
}

/// Everybody who is to have the complaint has the same of it.
fn readers_agree(book: &Book, state: &State) -> bool {
    let views: BTreeSet<ViewRef> = state.views(book).map(|(_, view)| view).collect();
    let Some(view) = views.first() else { return false };
    views.len() == 1 && book.view(*view).readers.iter().all(|reader| state.node(*reader).view == Some(*view))
}

/// If nobody wrote any more and everything came to everybody, in whatever order of nodes.
fn becomes_equal(model: &HandOver, state: &State) -> bool {
    let mut book = model.book();
    let views: Vec<ViewRef> = state.views(&book).map(|(_, view)| view).collect();
    let mut ends = BTreeSet::new();
    for first in 0..views.len() {
        let (mut at_node, others) = (views[first], views[first + 1..].iter().chain(&views[..first]));
        for other in others {
            let Some(union) = book.union(at_node, *other) else { return false };
            at_node = union;
        }
        ends.insert(at_node);
    }
    ends.len() == 1
}

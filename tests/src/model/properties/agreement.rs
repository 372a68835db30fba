//! Agreement: equal sets of entries give equal states, and all nodes agree when the network is quiet.

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

/// Compares the nodes of one state. `is_only` also compares all states of the space: an equal set of entries gave an equal view in every
/// order of arrival.
fn equal_sets_give_equal_states(model: &HandOver, state: &State) -> bool {
    if !every_view(model, state, |view| view.is_only) {
        return false;
    }
    let book = model.book();
    let views: Vec<ViewRef> = state.views(&book).map(|(_, view)| view).collect();
    let equal = |a: &ViewRef, b: &ViewRef| book.view(*a).entries != book.view(*b).entries || a == b;
    views.iter().all(|a| views.iter().all(|b| equal(a, b)))
}

/// Whether all readers of the complaint have the same view.
fn readers_agree(book: &Book, state: &State) -> bool {
    let views: BTreeSet<ViewRef> = state.views(book).map(|(_, view)| view).collect();
    let Some(view) = views.first() else { return false };
    views.len() == 1 && book.view(*view).readers.iter().all(|reader| state.node(*reader).view == Some(*view))
}

/// Whether all views would become equal if no agency wrote any more and all entries were delivered to all nodes, in any order of nodes.
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

//! Permanence: no entry disappears, and an acceptance or an answer stays visible as such.

use stateright::Property;

use super::every_view;
use crate::model::HandOver;

pub(super) fn properties() -> Vec<Property<HandOver>> {
    vec![
        Property::always("every entry that a node has taken is in its timeline", |model, state| {
            every_view(model, state, |view| view.judgement.permanence.complete)
        }),
        Property::always(
            "an entry is effective, or shown as superseded, or work whose custody ended",
            |model, state| every_view(model, state, |view| view.judgement.permanence.honest_counts),
        ),
        Property::always("a complaint that was answered shows it", |model, state| {
            every_view(model, state, |view| view.judgement.permanence.answered)
        }),
    ]
}

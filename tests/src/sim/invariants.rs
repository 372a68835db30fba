//! The invariants, one file each. They are about honest nodes, and must hold whatever one dishonest agency does.

mod acknowledged_is_never_lost;
mod at_most_one_open_offer;
mod content_goes_to_whom_it_may;
mod converged;
mod equal_sets_equal_states;
mod every_lie_is_found;
mod incremental_equals_from_nothing;
mod no_duplicates;
mod no_honest_link_is_at_fault;
mod no_more_is_under_way_than_the_window;
mod nobody_honest_is_accused;
mod nothing_disappears;
mod nothing_honest_is_refused;
mod one_holder;
mod receipts_hold;
mod refusal_is_the_same_everywhere;
mod the_addressee_has_the_last_word;
mod the_erased_is_gone;
mod what_was_delivered_is_receipted;
mod who_knew_better_moves_nothing;

pub use super::node::Broken;
use super::world::{Invariants, World};

/// All invariants.
pub const ALL: Invariants = Invariants { always, at_the_end };

/// Checks the invariants that hold after every event.
///
/// # Errors
/// The first invariant that does not hold.
fn always(world: &World) -> Result<(), Broken> {
    no_duplicates::check(world)?;
    nothing_honest_is_refused::check(world)?;
    refusal_is_the_same_everywhere::check(world)?;
    no_honest_link_is_at_fault::check(world)?;
    no_more_is_under_way_than_the_window::check(world)?;
    nobody_honest_is_accused::check(world)
}

/// Checks the invariants that hold when the network has healed and the time to converge is over.
///
/// # Errors
/// The first invariant that does not hold.
fn at_the_end(world: &World) -> Result<(), Broken> {
    one_holder::check(world)?;
    at_most_one_open_offer::check(world)?;
    nothing_disappears::check(world)?;
    the_addressee_has_the_last_word::check(world)?;
    who_knew_better_moves_nothing::check(world)?;
    equal_sets_equal_states::check(world)?;
    incremental_equals_from_nothing::check(world)?;
    content_goes_to_whom_it_may::check(world)?;
    the_erased_is_gone::check(world)?;
    acknowledged_is_never_lost::check(world)?;
    receipts_hold::check(world)?;
    nobody_honest_is_accused::check(world)?;
    converged::check(world)?;
    what_was_delivered_is_receipted::check(world)?;
    every_lie_is_found::check(world)
}

//! The invariants, one file each. They are about honest nodes, and must hold whatever one dishonest agency does.

mod a_witnessed_act_counts;
mod all_nodes_come_to_the_same_verdict;
mod at_most_one_open_offer;
mod converged;
mod equal_sets_equal_states;
mod erased_contents_are_gone;
mod every_delivery_is_receipted;
mod every_leaf_is_signed;
mod every_lie_is_found;
mod incremental_fold_equals_full_fold;
mod no_acknowledged_entry_is_lost;
mod no_duplicates;
mod no_honest_link_is_at_fault;
mod no_link_exceeds_its_window;
mod nobody_honest_is_accused;
mod nothing_disappears;
mod nothing_honest_is_refused;
mod one_holder;
mod only_readers_have_contents;
mod receipts_are_covered;
mod receipts_hold;
mod stale_acts_have_no_effect;

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
    all_nodes_come_to_the_same_verdict::check(world)?;
    no_honest_link_is_at_fault::check(world)?;
    no_link_exceeds_its_window::check(world)?;
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
    a_witnessed_act_counts::check(world)?;
    stale_acts_have_no_effect::check(world)?;
    equal_sets_equal_states::check(world)?;
    incremental_fold_equals_full_fold::check(world)?;
    only_readers_have_contents::check(world)?;
    erased_contents_are_gone::check(world)?;
    no_acknowledged_entry_is_lost::check(world)?;
    every_leaf_is_signed::check(world)?;
    receipts_hold::check(world)?;
    receipts_are_covered::check(world)?;
    nobody_honest_is_accused::check(world)?;
    converged::check(world)?;
    every_delivery_is_receipted::check(world)?;
    every_lie_is_found::check(world)
}

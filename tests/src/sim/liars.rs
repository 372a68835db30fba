//! A library of lies, one file each.
//!
//! A liar is a full node with valid keys. It runs the product's engine and sessions and deviates in one way: the node calls its [`Lie`]
//! when a frame is sent or received, when a peer asks for a proof, and periodically.
//!
//! Invariants:
//! - a lie draws no random numbers, so a seed always gives the same run;
//! - every lie that honest nodes can find is switched on, and some ordinary seeds draw it;
//! - every lie that the protocol cannot withstand is in [`SWITCHED_OFF`], with a seed that shows the failure.

mod asks_for_everything_again;
mod back_dates;
mod cursors_go_back;
mod cursors_leave_a_gap;
mod defers_for_ever;
mod does_not_pass_on;
mod drops_what_it_acknowledged;
mod facade;
mod files_one_finding_twice;
mod floods_with_a_frame;
mod floods_with_checkpoints;
mod floods_with_complaints;
mod floods_with_questions;
mod forgery;
mod greets_with_a_forged_checkpoint;
mod greets_with_a_time_ahead;
mod greets_with_more_than_there_is;
mod greets_without_a_checkpoint;
mod hides_a_custody_entry;
mod keeps_an_answer_back;
mod launders_a_receipt;
mod lies_about_the_time;
mod proofs_held;
mod receipts_beyond_the_checkpoint;
mod receipts_for_another_leaf;
mod receipts_name_a_wrong_leaf;
mod receipts_without_a_checkpoint;
mod refuses_what_is_unwelcome;
mod replays_a_word;
mod resolves_after_handing_over;
mod rewrites_an_entry;
mod sets_itself_back;
mod shows_an_unsigned_entry;
mod shows_two_ledgers;
mod signs_for_others;
mod splits_two_groups;
mod spoils_envelopes;
mod steals_a_key;
mod told;
mod withholds_from_an_observer;
mod withholds_the_citizens_word;

use rand::RngExt;
use rand::rngs::StdRng;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::refusal::FaultCode;

use super::node::{Broken, HonestNodes, LiarAction, Lie, Sign};
use super::topology::Topology;

/// How honest nodes must find a lie.
#[derive(Clone, Copy, Debug)]
pub enum Detection {
    /// Every honest node that must find the lie keeps evidence with one of these findings, and the evidence convinces a stranger. Some
    /// findings exist only in the next protocol.
    Evidence(&'static [&'static str]),
    /// One of the honest nodes that may find the lie keeps such evidence. The others may learn of no contradiction.
    EvidenceOfOne(&'static [&'static str]),
    /// An honest node ends a link over which the lie was told with this code.
    Fault(FaultCode),
    /// Nobody has to find it, because it harms nobody: the invariants hold, and no honest node stops.
    Harmless,
}

/// A lie of the library.
#[derive(Clone, Copy, Debug)]
pub struct LieKind {
    /// The name of the lie and of its file.
    pub name: &'static str,
    /// How honest nodes must find it.
    pub detection: Detection,
    /// Whether an agency can tell this lie.
    pub can_tell: fn(&Topology, &AgencyId) -> bool,
    /// Whether honest agencies still get all entries that they should have. Otherwise they need not agree at the end.
    pub passes_everything_on: bool,
    begin: fn() -> Box<dyn Lie>,
}

/// A lie that is switched off, and the reason.
#[derive(Clone, Copy, Debug)]
pub struct SwitchedOff {
    /// The lie.
    pub kind: &'static LieKind,
    /// The number of the attack in the list of attacks that protocol 2 must withstand.
    pub attack: u8,
    /// The weakness of this protocol.
    pub why: &'static str,
    /// The invariant that breaks.
    pub invariant: &'static str,
    /// A seed that shows the failure.
    pub seed: u64,
}

/// The invariant that most lies of [`SWITCHED_OFF`] break.
const FOUND: &str = "every_lie_is_found";

/// The lies that ordinary seeds draw.
pub const SWITCHED_ON: [&LieKind; 35] = [
    &asks_for_everything_again::KIND,
    &back_dates::KIND,
    &cursors_go_back::KIND,
    &cursors_leave_a_gap::KIND,
    &defers_for_ever::KIND,
    &drops_what_it_acknowledged::KIND,
    &files_one_finding_twice::KIND,
    &floods_with_a_frame::KIND,
    &floods_with_checkpoints::KIND,
    &floods_with_complaints::KIND,
    &floods_with_questions::KIND,
    &greets_with_a_forged_checkpoint::KIND,
    &greets_with_a_time_ahead::KIND,
    &greets_with_more_than_there_is::KIND,
    &greets_without_a_checkpoint::KIND,
    &hides_a_custody_entry::KIND,
    &keeps_an_answer_back::KIND,
    &launders_a_receipt::KIND,
    &lies_about_the_time::KIND,
    &receipts_beyond_the_checkpoint::KIND,
    &receipts_for_another_leaf::KIND,
    &receipts_name_a_wrong_leaf::KIND,
    &receipts_without_a_checkpoint::KIND,
    &refuses_what_is_unwelcome::KIND,
    &replays_a_word::KIND,
    &resolves_after_handing_over::KIND,
    &rewrites_an_entry::KIND,
    &sets_itself_back::KIND,
    &shows_an_unsigned_entry::KIND,
    &shows_two_ledgers::KIND,
    &signs_for_others::KIND,
    &spoils_envelopes::KIND,
    &steals_a_key::KIND,
    &withholds_from_an_observer::KIND,
    &withholds_the_citizens_word::KIND,
];

/// The lies that this protocol cannot withstand. A test checks that the seed of each still shows the failure.
pub const SWITCHED_OFF: [SwitchedOff; 2] = [
    SwitchedOff {
        kind: &does_not_pass_on::KIND,
        attack: 3,
        why: "there is no finding for a relay that acknowledges and drops",
        invariant: FOUND,
        seed: 0,
    },
    SwitchedOff {
        kind: &splits_two_groups::KIND,
        attack: 35,
        why: "two groups that only the liar links never compare what it showed them",
        invariant: FOUND,
        seed: 0,
    },
];

impl LieKind {
    /// The lie with this name, switched on or off.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|kind| kind.name == name)
    }

    /// All lies.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        SWITCHED_ON.into_iter().chain(SWITCHED_OFF.into_iter().map(|switched_off| switched_off.kind))
    }

    /// Draws one of the lies that are switched on.
    pub(super) fn draw(rng: &mut StdRng) -> &'static Self {
        SWITCHED_ON[rng.random_range(0..SWITCHED_ON.len())]
    }

    /// A new instance of the lie, for a liar.
    pub(super) fn begin(&self) -> Box<dyn Lie> {
        (self.begin)()
    }
}

/// For a lie that any agency can tell.
fn any_agency(_: &Topology, _: &AgencyId) -> bool {
    true
}

/// Whether an agency is linked with an oversight agency and is not one itself.
fn linked_with_oversight(topology: &Topology, agency: &AgencyId) -> bool {
    let charter = topology.charters().newest();
    !charter.is_oversight(agency) && topology.adjacent[agency].iter().any(|peer| charter.is_oversight(peer))
}

/// Whether an agency is the only link between some agencies and the rest.
fn links_others(topology: &Topology, agency: &AgencyId) -> bool {
    let children = |peer: &&AgencyId| topology.adjacent[*peer].len() == 1;
    let adjacent = &topology.adjacent[agency];
    adjacent.len() > 1 && adjacent.iter().filter(children).count() > 0 && adjacent.iter().any(|peer| !children(&peer))
}

//! One complaint: what its set of entries says about custody and about the case.
//!
//! [`Complaint`] is a fold over a **set**: any order of arrival gives the same state, because
//! - an entry is judged on the path to its own basis alone, which never changes once the entry is here;
//! - custody is the path from `Lodged` that takes, at each fork of the tree of bases, the child of best rank and then of smallest id;
//! - case entries take effect in the order of (clock, id); an archiving counts only under custody that counts;
//! - what is to be destroyed depends on the ancestors of the second signature alone, and is never taken back.
//!
//! What an operator may do now, a [`Command`], is decided by the same rules: [`decide`](fn@decide).
//!
//! Invariants, checked by [`Complaint::check_invariants`] in the tests:
//! - nobody holds a complaint without an own `Lodged` or `Accepted` on the path;
//! - equal sets give equal states;
//! - at most one offer is open on the path;
//! - nothing disappears: every entry that was inserted is in the timeline, with its standing.

mod case;
mod case_history;
mod command;
mod custody;
mod decide;
mod digest;
mod fold;
mod no_effect;
mod query;
mod timeline;

pub use case::{ArchiveProposal, CaseEntry, CaseState, Phase};
pub use command::{Command, NewOffer};
pub use custody::{Actor, CustodyState, Offer};
pub use decide::{Author, Declined, arrival, decide, recall_to_answer};
pub use digest::SetDigest;
pub use fold::{Complaint, Inserted, KnownEntry};
pub use no_effect::NoEffect;
pub use query::Standing;

#[cfg(test)]
mod tests;

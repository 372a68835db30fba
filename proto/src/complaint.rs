//! One complaint: the state of custody and of the case that follows from its set of entries.
//!
//! [`Complaint`] is a fold over a **set**. Every order of arrival gives the same state, because
//! - an entry is judged on the path to its own basis, which never changes once the entry is here;
//! - custody is a path from `Lodged`. At each fork of the tree of bases it takes a child with a witness before one without, then the best rank;
//! - case entries take effect in the order of (clock, id). An archiving has effect only if its basis is on the path;
//! - the contents to destroy depend on the ancestors of the second signature alone, and are never given back.
//!
//! [`decide`](fn@decide) uses the same rules for the [`Command`]s of an operator.
//!
//! Must not know where entries come from, and reads one complaint only.
//!
//! Invariants, checked by [`Complaint::check_invariants`] in the tests:
//! - nobody holds a complaint without an own `Lodged` or `Accepted` on the path;
//! - equal sets give equal states;
//! - at most one offer is open on the path;
//! - nothing disappears: every inserted entry is in the timeline, with its standing.

mod ancestors;
mod case;
mod case_history;
mod command;
mod custody;
mod decide;
mod digest;
mod fold;
mod known_entry;
mod no_effect;
mod phase;
mod query;
mod timeline;
mod witness;
mod word;

pub use case::{ArchiveProposal, CaseEntry, CaseState};
pub use command::{Command, NewOffer};
pub use custody::{Actor, CustodyState, Offer};
pub use decide::{Author, Declined, arrival, decide, recall_to_answer};
pub use digest::SetDigest;
pub use fold::{Complaint, Inserted};
pub use known_entry::KnownEntry;
pub use no_effect::{NoEffect, NotHeard, NotWitnessed};
pub use phase::Phase;
pub use query::Standing;

#[cfg(test)]
mod tests;

//! The basic types of all other modules: ids, positions in a ledger, keys, time, the limits of the whole federation, the codes of refusals.
//!
//! Must not know entries, charters or links.

pub mod clock;
pub mod cursor;
pub mod ids;
pub mod key;
pub mod limits;
pub mod refusal;

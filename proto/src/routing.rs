//! Routing: the links that get an entry, and the frames that a link sends.
//!
//! [`route`] chooses the links of an entry. [`outbox`] reads the frames of one link from the ledger. [`cursor`] is a position in a ledger.
//!
//! Must not know how a ledger is stored or how a link works.

pub mod cursor;
pub mod outbox;
pub mod route;

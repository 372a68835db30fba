//! Routing: the links that get an entry, and the frames that a link sends.
//!
//! [`route`] chooses the links of an entry. [`outbox`] reads the frames of one link from the ledger.
//!
//! Must not know how a ledger is stored or how a link works.

pub mod outbox;
pub mod route;

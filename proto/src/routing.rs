//! Routing: the links that get an entry, and the frames that a link sends.
//!
//! [`route`] chooses the links of an entry. [`outbox`] reads the frames of one link from the ledger. [`unsettled`] says when an item that a peer did not take
//! is sent again.
//!
//! Must not know how a ledger is stored or how a link works.

pub mod outbox;
pub mod route;
pub mod unsettled;

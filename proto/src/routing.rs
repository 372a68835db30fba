//! Which entries go over which link, and how far each link is.
//!
//! [`route`] chooses the readers of an entry, [`outbox`] reads the frames of one link from the ledger, [`cursor`] names a position in it.

pub mod cursor;
pub mod outbox;
pub mod route;

//! stub
pub mod alarms;
pub mod apply;
pub mod case;
pub mod directory;
pub mod headers;
pub mod keys;
pub mod ledger;
pub mod link;
pub mod outbox;
pub mod store;
pub mod time;
pub mod tls;
pub mod writer;

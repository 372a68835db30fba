//! Connections below gRPC and HTTP: accepting them, and TLS.
//!
//! Must not know what is sent over a connection.

mod accept;
pub mod tls;

pub(crate) use accept::accept;

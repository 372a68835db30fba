//! Connections below the protocols: accepting them, TLS, and whose certificate counts.

mod accept;
pub mod tls;

pub(crate) use accept::accept;

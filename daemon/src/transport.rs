//! Connections with peers below the protocol: TLS and whose certificate counts.

pub mod tls;

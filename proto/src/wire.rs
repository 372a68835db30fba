//! The peer protocol as Rust types, generated from `wire/sinergi/v2/{entry,sync,audit}.proto`. The `.proto` files are its documentation.
//!
//! A generated message shows only that the bytes have the shape of the schema. No rule works on it: the other modules parse each
//! message once, at the edge, into their own domain types.
#![expect(missing_docs, clippy::all, reason = "generated; documented in the .proto files")]
#![expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/wire/sinergi.v2.rs"));

//! The peer protocol as Rust types, generated from `wire/sinergi/v1/{entry,sync,audit}.proto`. The `.proto` files are its documentation.
//!
//! A generated message says only that bytes had the shape of the schema. Everything that decides works on the domain types
//! of the other modules, into which messages are parsed once.
#![expect(missing_docs, clippy::all, reason = "generated; documented in the .proto files")]
#![expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/wire/sinergi.v1.rs"));

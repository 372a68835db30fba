//! The operator API as Rust types, generated from `wire/sinergi/v2/operator.proto`. The `.proto` file is its documentation.
//!
//! It is in this crate because all schema files are. The daemon serves it and the command line calls it.
//!
//! Invariant: no module of this crate uses it, because decisions must not depend on the form of an operator's call. A test of the workspace's
//! sources checks this.
#![expect(missing_docs, reason = "generated; documented in the .proto file")]
#![expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/operator_api/sinergi.v2.rs"));

/// The compiled schema of both, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

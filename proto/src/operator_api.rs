//! The operator API as Rust types, generated from `wire/sinergi/v1/operator.proto`, which is its documentation. It is here because all schema files
//! are; the daemon answers it and the command line asks it.
//!
//! No module of this crate may use it: what decides must not know how an operator asks. A test of the workspace's sources says so.
#![expect(missing_docs, reason = "generated; documented in the .proto file")]
#![expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/operator_api/sinergi.v1.rs"));

/// The compiled schema of both, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

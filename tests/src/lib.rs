//! The proof: what needs more than one node, a process, a real socket or a fault.
//!
//! Nodes here are real `sinergi run` processes with real keys, certificates, ledgers and stores; peers that lie speak the wire protocol over
//! real mutual TLS. Nothing is replaced by a stand-in.
//!
//! | where | what |
//! |---|---|
//! | [`federation`] | federations that tests start, ask, stop and kill, in the domain's words |
//! | [`peer`] | a member under the test's control that says whatever the test wants |
//! | [`program`] | the binaries under test, and the command line as a user runs it |
//! | `tests/*.rs` | the claims, by subject |
//! | `interop/` | checks with implementations that share no code with ours |

pub mod federation;
pub mod peer;
pub mod program;

//! The program `sinergi`: what an operator types. A library, so that the demo, the tests and the benchmarks use the same parts. `cli/README.md` explains
//! the commands.
//!
//! It parses, asks the node and shows the answer. It decides nothing about complaints.
//!
//! ```text
//! main -- options (what was typed) -- commands/ (one file for each command)
//!                                       |  asks              |  shows
//!                                    client                view: stable documents (JSON, and the source of every table)
//!                                 (Unix socket)              |
//!                                       |                  output: tables, time, colour, text that is safe for a terminal
//!                                    sinergid
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | the global options, and which node they mean |
//! | [`command_line`] | everything that can be typed, and which command runs |
//! | [`commands`] | one file for each command |
//! | [`words`], [`when`], [`text`] | what stands in arguments: codes, times, texts |
//! | [`failure`] | the one way in which a command fails: exit code, message, causes, advice |
//! | [`client`], [`lodging`] | the operator API of a running node; many complaints in one call |
//! | [`safe`] | texts of others, safe for a terminal |
//! | [`view`], [`output`] | the documents that `--output json` prints, whose fields are a promise to scripts; tables and terminals |
//! | [`import`] | complaints from files of other systems |
//! | [`pki`], [`charter`] | certificates for a pilot; charters in the making |
//! | [`demo`] | a whole federation on this machine; tests build theirs with its parts |

pub mod charter;
pub mod client;
pub mod command_line;
pub mod commands;
pub mod demo;
pub mod failure;
pub mod import;
pub mod lodging;
pub mod options;
pub mod output;
pub mod pki;
pub mod safe;
pub mod text;
pub mod view;
pub mod when;
pub mod words;

//! The library of the operator's program `sinergi`. The demo, the tests and the benchmarks use its parts. `cli/README.md` explains the commands.
//!
//! It parses the command line, asks the node and shows the answer. It decides nothing about complaints.
//!
//! ```text
//! main -- options (global options) -- commands/ (one file for each command)
//!                                       |  asks              |  shows
//!                                    client                view: stable documents (JSON, and the source of every table)
//!                                 (Unix socket)              |
//!                                       |                  output: tables, time, colour, text that is safe for a terminal
//!                                    sinergid
//! ```
//!
//! | module | content |
//! |---|---|
//! | [`options`] | the global options, and the node that they select |
//! | [`command_line`] | the whole command line, and the dispatch to the commands |
//! | [`commands`] | one file for each command |
//! | [`words`], [`when`], [`text`] | arguments: codes, times, texts |
//! | [`failure`] | the failure of a command: exit code, message, causes, advice |
//! | [`client`], [`lodging`] | the connection to a running node; lodging many complaints in one call |
//! | [`citizen`] | reply codes, signed words and their QR codes |
//! | [`safe`] | makes foreign text safe for a terminal |
//! | [`view`], [`output`] | the stable documents that `--output json` prints; tables and terminals |
//! | [`import`] | reads complaints from files of other systems |
//! | [`pki`], [`charter`] | pilot certificates; drafts of charters and their signatures |
//! | [`demo`] | a whole federation on this machine; tests build their federations with its parts |

pub mod charter;
pub mod citizen;
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

//! The configuration file `sinergid.toml` of one node, read once into [`Config`]. `config/README.md` explains how to operate a node.
//!
//! The crate knows names, bounds and defaults. It must not know keys, certificates, charters or sockets: it reads one file, and opens none of the
//! files that it names.
//!
//! ```text
//! sinergid.toml --toml--> raw (values as written, with their lines) --parse--> Config (checked values)
//! NodeFile ----render---> sinergid.toml of a new node
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `model` | [`Config`] and its parts, their bounds and defaults |
//! | `names` | names in the file: federation, endpoint, pin |
//! | `raw`, `parse` | the file as it is written; parsing it into a [`Config`] |
//! | `problem` | problems of a file: [`Problem`], [`ConfigError`] |
//! | `render` | the file of a new node, made from `examples/sinergid.toml` |
//!
//! Invariants:
//! - every [`Config`] is within its bounds, and its paths are joined, so no other code checks them again;
//! - every problem names file, line, field, value and bound, and all problems are reported at once.

mod model;
mod names;
mod parse;
mod problem;
mod raw;
mod render;

pub use model::{
    Charter, Config, Forward, Keys, Link, Log, LogFormat, Operator, Peer, Shutdown, Store, Tls, Watch, bounds, defaults,
};
pub use names::{CharterPin, Endpoint, Federation, NameError};
pub use problem::{ConfigError, Problem};
pub use render::{NodeFile, pin_charter};

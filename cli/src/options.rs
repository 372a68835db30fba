//! The global options, and the node that they select.
//!
//! Precedence: `--socket` or `--node`, then `SINERGI_SOCKET`, then `SINERGI_NODE`, then the folder `.`.
//! The node's `sinergid.toml` names its socket. Without that file the socket is `sinergid.sock` in the node's folder.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use sinergi_config::{Config, defaults};

use crate::client::Node;
use crate::failure::Failure;
use crate::output::{Format, Output};

/// Options that are allowed anywhere on the command line.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalOptions {
    /// The node's folder [env: SINERGI_NODE] [default: .]
    #[arg(long, value_name = "DIR", global = true)]
    pub node: Option<PathBuf>,

    /// The node's operator socket, instead of its folder [env: SINERGI_SOCKET]
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,

    /// Format of the answer: table for people, json for scripts
    #[arg(long, value_enum, value_name = "FORMAT", global = true, env = "SINERGI_OUTPUT", default_value = "table")]
    pub output: Format,
}

/// The node that a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The node in this folder.
    Folder(PathBuf),
    /// The node behind this socket.
    Socket(PathBuf),
}

impl Target {
    /// The node that the options and the environment select. `variable` reads an environment variable.
    pub fn choose(options: &GlobalOptions, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let variable = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        match (&options.socket, &options.node) {
            (Some(socket), _) => Self::Socket(socket.clone()),
            (None, Some(folder)) => Self::Folder(folder.clone()),
            (None, None) => match variable("SINERGI_SOCKET") {
                Some(socket) => Self::Socket(socket),
                None => Self::Folder(variable("SINERGI_NODE").unwrap_or_else(|| ".".into())),
            },
        }
    }

    /// The node's folder; `None` if only its socket was named.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Socket(_) => None,
        }
    }

    /// The node's folder and its configuration, for a command that works on the node's files.
    ///
    /// # Errors
    /// Only a socket was named, or the configuration cannot be used.
    pub fn files(&self) -> Result<(&Path, Config), Failure> {
        let folder = self.folder().ok_or_else(|| {
            Failure::usage("this command needs the files of a node, and --socket names only its socket")
                .help("name the node's folder with --node DIR")
        })?;
        let config = Config::load(folder).map_err(|error| {
            Failure::failed("cannot read the node's configuration")
                .because(error)
                .help(format!("`sinergi --node {} config check` shows every problem", folder.display()))
        })?;
        Ok((folder, config))
    }

    /// The socket of the node's operator API.
    pub fn socket(&self) -> Result<PathBuf, Failure> {
        match self {
            Self::Socket(socket) => Ok(socket.clone()),
            Self::Folder(folder) => {
                let file = folder.join(defaults::FILE);
                if !file.exists() {
                    return Ok(folder.join(defaults::SOCKET));
                }
                let config = Config::load(&file).map_err(|error| {
                    Failure::failed(format!("cannot find the node's socket in {}", file.display()))
                        .because(error)
                        .help(format!("`sinergi --node {} config check` shows every problem", folder.display()))
                })?;
                Ok(config.operator.socket)
            }
        }
    }

    /// A connection to the node.
    ///
    /// # Errors
    /// The node does not answer, or its configuration does not say where it is.
    pub async fn connect(&self) -> Result<Node, Failure> {
        Node::connect(self.socket()?, self.advice()).await
    }

    /// Advice for the operator if the node does not answer.
    pub fn advice(&self) -> String {
        match self {
            Self::Folder(folder) if folder.join(defaults::FILE).exists() => {
                format!("start the node with `sinergi --node {} run`", folder.display())
            }
            Self::Folder(folder) => format!(
                "{} has no {}; name the node's folder with --node DIR or SINERGI_NODE, or make a node with `sinergi init`",
                folder.display(),
                defaults::FILE
            ),
            Self::Socket(_) => {
                "start the node that owns this socket, or name another with --socket or --node".to_owned()
            }
        }
    }
}

/// The context of every command: its node, and the output for its answer.
#[derive(Clone, Debug)]
pub struct Context {
    /// The node.
    pub target: Target,
    /// The output for the answer.
    pub output: Output,
}

impl Context {
    /// The context from the options and the environment of this process.
    pub fn of_process(options: &GlobalOptions) -> Result<Self, Failure> {
        // The parser cannot check this: it does not compare options before a command with options after it.
        if options.node.is_some() && options.socket.is_some() {
            return Err(
                Failure::usage("--node and --socket cannot be used together").help("name the node with one of them")
            );
        }
        Ok(Self {
            target: Target::choose(options, |name| env::var_os(name)),
            output: Output::of_process(options.output),
        })
    }

    /// A connection to the node.
    pub async fn connect(&self) -> Result<Node, Failure> {
        self.target.connect().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(node: Option<&str>, socket: Option<&str>, variables: &[(&str, &str)]) -> Target {
        let options =
            GlobalOptions { node: node.map(PathBuf::from), socket: socket.map(PathBuf::from), output: Format::Table };
        Target::choose(&options, |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn options_win_over_the_environment() {
        let variables = [("SINERGI_SOCKET", "/run/e.sock"), ("SINERGI_NODE", "/e")];
        assert_eq!(choose(Some("/n"), None, &variables), Target::Folder("/n".into()));
        assert_eq!(choose(None, Some("/s"), &variables), Target::Socket("/s".into()));
        assert_eq!(choose(None, None, &variables), Target::Socket("/run/e.sock".into()));
        assert_eq!(choose(None, None, &variables[1..]), Target::Folder("/e".into()));
        assert_eq!(choose(None, None, &[("SINERGI_NODE", "")]), Target::Folder(".".into()));
    }

    #[test]
    fn node_and_socket_cannot_be_given_together() {
        let both = GlobalOptions { node: Some("/n".into()), socket: Some("/s".into()), output: Format::Table };
        assert_eq!(Context::of_process(&both).expect_err("both").exit(), crate::failure::Exit::Usage);
    }

    #[test]
    fn a_folder_without_configuration_has_the_usual_socket_and_says_what_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = Target::Folder(folder.path().into());
        assert_eq!(target.socket().expect("a socket"), folder.path().join("sinergid.sock"));
        assert!(target.advice().contains("sinergi init"), "{}", target.advice());
    }

    #[test]
    fn a_broken_configuration_is_a_failure_that_names_the_check() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("sinergid.toml"), "agenzy = \"ksp\"\n").expect("written");
        let failure = Target::Folder(folder.path().into()).socket().expect_err("a typo");
        assert!(failure.report().contains("config check"), "{}", failure.report());
        assert!(failure.report().contains("agenzy"), "{}", failure.report());
    }
}

//! A node of a federation on this machine: its folder, its process, and the connection to its operator API.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::operator_api::operator_client::OperatorClient;
use sinergi_proto::operator_api::{GetStatusRequest, ListPeersRequest, NodeStatus, PeerStatus};
use tonic::transport::Channel;

use super::port::Port;
use super::process::{self, Process};
use super::wait;
use crate::failure::Failure;
use crate::options::Target;

/// The timeout until a node's operator API answers. It is long because a node may have to rebuild its store.
const UP: Duration = Duration::from_secs(60);

/// A node, running or not.
#[derive(Debug)]
pub struct Node {
    agency: AgencyId,
    folder: PathBuf,
    program: PathBuf,
    port: Option<Port>,
    environment: Vec<(String, OsString)>,
    process: Option<Process>,
}

/// The reason why a node did not come up.
#[derive(Debug)]
pub enum NotUp {
    /// Another process took its port.
    PortTaken(SocketAddr),
    /// Any other reason.
    Failed(Failure),
}

impl From<NotUp> for Failure {
    fn from(not_up: NotUp) -> Self {
        match not_up {
            NotUp::PortTaken(address) => Self::failed(format!("{address} is taken by another process"))
                .help("choose another port, or end that process"),
            NotUp::Failed(failure) => failure,
        }
    }
}

impl Node {
    pub(super) fn new(agency: AgencyId, folder: PathBuf, program: PathBuf, port: Option<Port>) -> Self {
        Self { agency, folder, program, port, environment: Vec::new(), process: None }
    }

    /// The agency.
    pub fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// Its folder, for `sinergi --node`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address on which it listens; `None` if it only dials out.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.port.as_ref().map(Port::address)
    }

    /// Whether its process runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_none())
    }

    /// The id of its process, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// Sets environment variables of its process, from the next start on.
    pub fn set_environment(&mut self, environment: Vec<(String, OsString)>) {
        self.environment = environment;
    }

    /// Lets another program run it, from the next start on: the `sinergi` command line of another release.
    pub fn run_by(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// Starts its process, unless it runs. [`Self::up`] waits for it.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&mut self) -> Result<(), Failure> {
        if !self.is_running() {
            self.port.iter_mut().for_each(Port::lend);
            self.process = Some(Process::start_with(&self.program, &self.folder, &self.environment)?);
        }
        Ok(())
    }

    /// Waits until its operator API answers.
    ///
    /// # Errors
    /// Its process has ended, or the timeout is over.
    pub async fn up(&mut self) -> Result<NodeStatus, NotUp> {
        let failed = NotUp::Failed;
        let status = wait::until(UP, async || {
            // This is checked first, because the socket of an earlier run may still exist.
            if let Some(problem) = self.problem() {
                return Err(problem);
            }
            Ok(self.status().await.ok())
        });
        let status = status.await?;
        status.ok_or_else(|| failed(self.failure(&format!("does not answer within {} s", UP.as_secs()))))
    }

    /// The reason why its process has ended, if it has.
    fn problem(&mut self) -> Option<NotUp> {
        let status = match &mut self.process {
            None => {
                return Some(NotUp::Failed(Failure::failed(format!("the node of {} was not started", self.agency))));
            }
            Some(process) => process.ended()?,
        };
        let log = process::log_tail(&self.folder);
        match self.listen().filter(|_| log.contains("cannot listen on") && log.contains("in use")) {
            Some(address) => Some(NotUp::PortTaken(address)),
            None => Some(NotUp::Failed(self.failure(&format!("ended unexpectedly ({status})")))),
        }
    }

    /// The failure of a node, with the end of its log.
    pub(super) fn failure(&self, what: &str) -> Failure {
        Failure::failed(format!(
            "the node of {} {what}; the end of {}:\n{}",
            self.agency,
            self.folder.join(process::LOG_FILE).display(),
            process::log_tail(&self.folder)
        ))
    }

    /// Stops its process as an operator would, and waits for its end. Returns `false` if the process had to be killed.
    pub async fn stop(&mut self) -> bool {
        match self.process.take() {
            Some(process) => process.stop().await,
            None => true,
        }
    }

    /// Tells its process to stop, and does not wait.
    pub fn terminate(&self) {
        if let Some(process) = &self.process {
            process.terminate();
        }
    }

    /// Kills its process as a power failure would.
    pub async fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }

    /// Waits until its process ends unexpectedly.
    pub async fn ended(&mut self) -> Failure {
        loop {
            if self.process.is_some()
                && let Some(problem) = self.problem()
            {
                return problem.into();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// A new connection to its operator API.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn client(&self) -> Result<OperatorClient<Channel>, Failure> {
        Ok(Target::Folder(self.folder.clone()).connect().await?.api)
    }

    /// Its status.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn status(&self) -> Result<NodeStatus, Failure> {
        let answer = self.client().await?.get_status(GetStatusRequest {}).await;
        answer.map(tonic::Response::into_inner).map_err(|status| Failure::from_status("tell its status", &status))
    }

    /// Its links.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, Failure> {
        let answer = self.client().await?.list_peers(ListPeersRequest::default()).await;
        let reply = answer.map_err(|status| Failure::from_status("list its peers", &status))?;
        Ok(reply.into_inner().peers)
    }
}

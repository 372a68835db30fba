//! A node from start to end: load, open, start, wait, drain. All wiring is here.
//!
//! Invariants:
//! - nothing is signed before the ledger is open, which makes what it shows durable, and peers had a chance to say what they saw of it;
//! - every task belongs to one set; a task that panics or fails ends the node;
//! - told to stop, a node takes nothing more, finishes what it took, and ends within the configured time.

mod data;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use sinergi_config::Config;
use sinergi_proto::limits;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::audit::{self, EvidenceFolder};
use crate::case::CaseError;
use crate::continuity::Continuity;
use crate::continuity::ContinuityError;
use crate::directory::{Directory, DirectoryError};
use crate::keys::{KeyError, SigningKeys};
use crate::ledger::OpenError;
use crate::link::{self, Budget, Links, Peers};
use crate::operator::{self, OperatorService, SocketError};
use crate::outbox::Outbox;
use crate::peer_clocks::PeerClocks;
use crate::proof_server::ProofServer;
use crate::recent::Recent;
use crate::store::StoreError;
use crate::telemetry::{self, TelemetryError};
use crate::tiles::http::Tiles;
use crate::time::now_millis;
use crate::tls::{Authorities, Credentials, CredentialsError, SharedAuthorities};
use crate::watch::Watch;
use crate::writer::{Rechecks, Submission, Writer, WriterError, WriterHandle, WriterParts, recheck};

pub use data::ledger_path;
pub use data::{Data, rebuild};
pub(crate) use data::{finish_recovery, store_path};

/// What the writer has for its end, if everybody else has used up the time.
const WRITER_MOMENT: std::time::Duration = std::time::Duration::from_secs(1);
/// Sessions that wait to be run.
const SESSIONS_WAITING: usize = 16;

/// Why a node does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The log settings.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The signing keys; all problems at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Keys(Vec<KeyError>),
    /// The charters.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// What the configuration says and what the charter says.
    #[error("{0}")]
    Membership(String),
    /// The certificate.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store, at its place.
    #[error("the store in {} cannot be used, nothing acknowledged is lost: {source}", path.display())]
    StoreFailed {
        /// Its folder.
        path: PathBuf,
        /// Why not.
        source: StoreError,
    },
    /// A new epoch's ledger.
    #[error("cannot put {} in its place: {source}", path.display())]
    Recovered {
        /// Where it was made.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Whether peers saw another ledger.
    #[error(transparent)]
    Continuity(#[from] ContinuityError),
    /// The data contradict each other.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The listening socket.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The operator socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A gRPC server.
    #[error("a server failed: {0}")]
    Server(#[from] tonic::transport::Error),
    /// The writer.
    #[error("the node stops, nothing acknowledged is lost: {0}. Mend the cause and start it again")]
    Writer(#[from] WriterError),
    /// The disk hangs.
    #[error(
        "the writer did not end within {seconds} s: the disk hangs; nothing acknowledged is lost, what was not answered may not be written"
    )]
    Drain {
        /// The configured time.
        seconds: u64,
    },
    /// A defect.
    #[error("a task failed: {0}; this is a defect of the program, please report it")]
    Task(#[from] tokio::task::JoinError),
    /// The system.
    #[error("the system refuses to start the node: {0}")]
    System(#[from] std::io::Error),
}

/// Runs a node until it is told to stop (SIGTERM or SIGINT). Blocks.
///
/// # Errors
/// Why it did not start, or what ended it.
pub fn run(config: &Config) -> Result<(), NodeError> {
    telemetry::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config));
    // A blocked read does not hold up the end: nothing acknowledged depends on it.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    result.map_err(|error| data::after_a_failed_store(config, error))
}

/// A node that is about to start.
struct Opening {
    directory: Directory,
    keys: SigningKeys,
    data: Data,
}

async fn serve(config: &Config) -> Result<(), NodeError> {
    let started_at = now_millis();
    let (credentials, authorities, opening) = open(config)?;
    let stop = CancellationToken::new();
    let (alarms, continuity) = (opening.data.alarms.clone(), opening.data.continuity.clone());
    let peer_clocks = PeerClocks::default();
    let derivation = &opening.data.derivation;
    let recent = Recent::default();
    let outbox = Outbox::new(
        config.federation.to_string(),
        derivation.store().clone(),
        derivation.reader().clone(),
        recent.clone(),
    );
    let (loading, of) = (outbox.clone(), opening.directory.clone());
    let told = alarms.clone();
    let watch = tokio::task::spawn_blocking(move || Watch::load(told, &loading, &of)).await??;
    let (directory, entry_key) = (opening.directory.clone(), opening.keys.entry.clone());
    let (writer_thread, writer, rechecks) = start_writer(config, opening, recent, peer_clocks.clone())?;
    let (sessions, starts) = mpsc::channel(SESSIONS_WAITING);
    let links = Links {
        own: config.agency.clone(),
        federation: config.federation.clone(),
        directory: directory.clone(),
        authorities,
        adopting: Arc::default(),
        idle: config.link.idle,
        credentials,
        entry_key,
        writer: writer.clone(),
        proofs: ProofServer::new(outbox.clone(), directory, writer.head()),
        outbox,
        peers: Peers::new(&config.peers, &peer_clocks),
        sending: Budget::of(limits::ALL_WINDOWS_BYTES),
        receiving: Budget::of(limits::ALL_WINDOWS_BYTES),
        watch,
        alarms,
        peer_clocks,
        continuity: continuity.clone(),
        sessions,
        stop: stop.clone(),
    };
    let mut tasks: JoinSet<Result<(), NodeError>> = JoinSet::new();
    start_links(config, &links, starts, &mut tasks).await?;
    start_tiles(config, &links, &mut tasks).await?;
    let socket = operator::bind(&config.operator.socket).await?;
    start_watch(config, &links, &mut tasks);
    end_with_the_store(&links, &mut tasks);
    start_rechecks(&links, rechecks, &mut tasks);
    let service = OperatorService::new(links, EvidenceFolder::of(&config.data), started_at);
    let operator_stop = stop.clone();
    tasks.spawn(async move { Ok(operator::serve(service, socket, operator_stop).await?) });
    start_ticks(&writer, continuity, &stop, &mut tasks);
    tracing::info!(agency = %config.agency, socket = %config.operator.socket.display(), "the node is up");
    wait_and_drain(config, stop, tasks, writer, writer_thread).await
}

/// Checks the signatures of items that waited once more, when the writer wants it.
fn start_rechecks(links: &Links, rechecks: Rechecks, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let (writer, federation) = (links.writer.clone(), links.federation.to_string());
    let rechecking = recheck(rechecks, writer, federation, links.directory.clone(), links.stop.clone());
    tasks.spawn(async move {
        rechecking.await;
        Ok(())
    });
}

/// Wakes the writer: when the peers were heard, and now and then.
fn start_ticks(
    writer: &WriterHandle,
    continuity: Continuity,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    let (retry, retry_stop) = (writer.clone(), stop.clone());
    tasks.spawn(async move {
        retry_waiting(retry, retry_stop).await;
        Ok(())
    });
    let (first, hearing) = (writer.clone(), stop.clone());
    tasks.spawn(async move {
        continuity.run(&hearing).await;
        // It signs its checkpoint and goes on with what waits. It may have ended.
        let _ = first.submit(Submission::Retry).await;
        // A task that ends is the end of the node.
        hearing.cancelled().await;
        Ok(())
    });
}

fn open(config: &Config) -> Result<(Credentials, SharedAuthorities, Opening), NodeError> {
    let keys = SigningKeys::load(&config.keys).map_err(NodeError::Keys)?;
    let directory = Directory::load(&config.charter)?;
    check_membership(config, &directory, &keys)?;
    let (authorities, bad) = Authorities::of_charter(config.federation.clone(), &directory.newest());
    bad.iter().for_each(|bad| tracing::warn!("{bad}"));
    let credentials = Credentials::load(&config.tls)?;
    credentials.check(&config.federation, &config.agency, now())?;
    if let Err(refusal) = credentials.check_under(&authorities, now()) {
        tracing::warn!("peers will refuse this node: {refusal}");
    }
    let data = Data::open(config, directory.clone())?;
    for rival in directory.rivals() {
        data.alarms.raise(rival.topic(), rival.alarm());
    }
    let opening = Opening { directory, keys, data };
    Ok((credentials, SharedAuthorities::new(authorities), opening))
}

fn now() -> Timestamp {
    i64::try_from(now_millis()).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

/// The charter must know this node, under the keys that it has.
pub(crate) fn check_membership(config: &Config, directory: &Directory, keys: &SigningKeys) -> Result<(), NodeError> {
    let charter = directory.newest();
    let wrong = |text: String| Err(NodeError::Membership(text));
    if charter.federation != config.federation.as_str() {
        return wrong(format!(
            "the charter is of {}, this node is configured for {}",
            charter.federation, config.federation
        ));
    }
    let Some(member) = charter.member(&config.agency) else {
        return wrong(format!("{} is no member of charter version {}", config.agency, charter.version));
    };
    for (name, key) in [("entry", &keys.entry), ("checkpoint", &keys.checkpoint), ("time", &keys.time)] {
        let public = key.verification_key();
        if !member.keys.iter().any(|listed| listed.public == public) {
            return wrong(format!(
                "charter version {} does not list this node's {name} key for {}: is it another node's folder?",
                charter.version, config.agency
            ));
        }
    }
    for peer in &config.peers {
        if charter.member(&peer.agency).is_none() {
            tracing::warn!(peer = %peer.agency, version = charter.version, "a configured peer is no member of the charter");
        }
    }
    Ok(())
}

/// Ends with the writer's result; dropped without a word if the thread panics.
type WriterThread = oneshot::Receiver<Result<(), WriterError>>;

fn start_writer(
    config: &Config,
    opening: Opening,
    recent: Recent,
    peer_clocks: PeerClocks,
) -> Result<(WriterThread, WriterHandle, Rechecks), NodeError> {
    let Opening { directory, keys, data } = opening;
    let Data { ledger, derivation, alarms, continuity, recorded } = data;
    let parts = WriterParts {
        own: config.agency.clone(),
        federation: config.federation.to_string(),
        derivation,
        directory,
        adjacent: config.peers.iter().map(|peer| peer.agency.clone()).collect(),
        keys,
        answer_within_millis: u64::try_from(config.forward.answer_by.as_millis()).unwrap_or(u64::MAX),
        alarms,
        peer_clocks,
        continuity,
        recorded,
    };
    let (writer, handle, rechecks) = Writer::new(parts, ledger, recent)?;
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
        // Nobody waits any more only when the process is ending.
        let _ = ended.send(writer.run());
    })?;
    Ok((end, handle, rechecks))
}

async fn start_links(
    config: &Config,
    links: &Links,
    starts: mpsc::Receiver<link::Start>,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) -> Result<(), NodeError> {
    let sessions = link::run_sessions(links.clone(), starts);
    tasks.spawn(async move {
        sessions.await;
        Ok(())
    });
    if let Some(address) = config.listen {
        let listener = link::listen(address).await.map_err(|source| NodeError::Listen { address, source })?;
        let serving = link::serve(links.clone(), listener);
        tasks.spawn(async move { Ok(serving.await?) });
    }
    for peer in links.peers.iter() {
        if let Some(endpoint) = peer.endpoint.clone() {
            let dialling = link::keep_linked(links.clone(), Arc::clone(peer), endpoint);
            tasks.spawn(async move {
                dialling.await;
                Ok(())
            });
        }
    }
    Ok(())
}

/// Watches other agencies' ledgers.
fn start_watch(config: &Config, links: &Links, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let folder = EvidenceFolder::of(&config.data);
    let asking = audit::keep_checking_checkpoints(links.clone(), folder.clone());
    let witnessing = audit::keep_witnessing(links.clone(), config.watch.witness_every);
    let auditing =
        audit::keep_auditing(links.clone(), folder, config.watch.audit_every, audit::schedule_file(&config.data));
    tasks.spawn(async move {
        tokio::join!(asking, witnessing, auditing);
        Ok(())
    });
}

/// Serves the ledger to everybody, if the operator wishes it.
async fn start_tiles(
    config: &Config,
    links: &Links,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) -> Result<(), NodeError> {
    let Some(address) = config.tiles.listen else { return Ok(()) };
    let listener = link::listen(address).await.map_err(|source| NodeError::Listen { address, source })?;
    let (reader, address) = (links.outbox.reader().clone(), listener.local_addr()?);
    tracing::info!(%address, "serving the ledger's tiles below /{}/", reader.epoch());
    let serving = Tiles::new(reader, links.writer.head()).serve(listener, links.stop.clone());
    tasks.spawn(async move {
        serving.await;
        Ok(())
    });
    Ok(())
}

/// A store that proves damaged ends the node, also if only somebody who reads has come upon it: the next start makes a new one.
fn end_with_the_store(links: &Links, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let (store, stop) = (links.outbox.store().clone(), links.stop.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            damage = store.damage() => Err(damage.into()),
        }
    });
}

/// Items that wait for their time are judged again now and then.
async fn retry_waiting(writer: WriterHandle, stop: CancellationToken) {
    const EVERY: std::time::Duration = std::time::Duration::from_secs(30);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if writer.submit(Submission::Retry).await.is_err() {
            return;
        }
    }
}

/// Waits for a signal or a failure, then ends everything in order: links and operators first, the writer last.
async fn wait_and_drain(
    config: &Config,
    stop: CancellationToken,
    mut tasks: JoinSet<Result<(), NodeError>>,
    writer: WriterHandle,
    mut writer_thread: WriterThread,
) -> Result<(), NodeError> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut writer_ended = None;
    let failure = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = &mut writer_thread => {
            writer_ended = Some(writer_result(ended));
            Ok(())
        }
        Some(ended) = tasks.join_next() => ended.map_err(NodeError::from).and_then(|result| result),
    };
    tracing::info!("stopping");
    stop.cancel();
    let until = tokio::time::Instant::now() + config.shutdown.drain;
    let drain = async {
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended.map_err(NodeError::from).and_then(|result| result) {
                tracing::warn!("{error}");
            }
        }
    };
    let seconds = config.shutdown.drain.as_secs();
    if tokio::time::timeout_at(until, drain).await.is_err() {
        tracing::warn!(seconds, "links or operators did not end in time, stopping all the same");
        tasks.abort_all();
    }
    let writer_result = match writer_ended {
        Some(ended) => ended,
        None => {
            let write_rest = async {
                // Everything that was taken is written before it ends.
                let _ = writer.submit(Submission::Stop).await;
                writer_result(writer_thread.await)
            };
            // The writer gets a moment even if the links took all the time.
            let until = until.max(tokio::time::Instant::now() + WRITER_MOMENT);
            tokio::time::timeout_at(until, write_rest).await.unwrap_or(Err(NodeError::Drain { seconds }))
        }
    };
    let _ = std::fs::remove_file(&config.operator.socket);
    tracing::info!("stopped");
    failure.and(writer_result)
}

fn writer_result(ended: Result<Result<(), WriterError>, oneshot::error::RecvError>) -> Result<(), NodeError> {
    match ended {
        Ok(result) => Ok(result?),
        Err(_) => {
            Err(NodeError::System(std::io::Error::other("the writer thread panicked; please report this defect")))
        }
    }
}

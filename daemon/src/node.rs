//! A node from start to end: load, open, start, wait, drain. All wiring is here.
//!
//! Invariants:
//! - nothing is signed before the ledger is open, which makes what it shows durable, and peers had a chance to say what they saw of it;
//! - every task belongs to one set; a task that panics or fails ends the node;
//! - told to stop, a node takes nothing more, finishes what it took, and ends within the configured time.

mod data;
mod error;
mod folder;
pub mod recover;

use std::sync::Arc;

use crate::base::node_limits;
use jiff::Timestamp;
use sinergi_config::Config;
use sinergi_proto::base::key::SigningKey;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::audit::{self, Auditor, CheckpointChecks, EvidenceFolder};
use crate::base::alarms::Alarms;
use crate::base::peer_clocks::SharedPeerClocks;
use crate::base::telemetry;
use crate::base::time::now_millis;
use crate::operator::{self, OperatorParts, OperatorService};
use crate::peers::proof_server::ProofServer;
use crate::peers::watch::Watch;
use crate::peers::{
    self, Budget, CharterAdoption, Connections, Incoming, Outgoing, PeerClocks, Peers, Receipts, SessionParts,
};
use crate::rollback_guard::Continuity;
use crate::storage::charters::Directory;
use crate::storage::keys::SigningKeys;
use crate::storage::leaf_cache::Recent;
use crate::storage::outbox::Outbox;
use crate::tiles::http::Tiles;
use crate::transport::tls::{Authorities, Credentials, SharedAuthorities};
use crate::writer::{Rechecks, Submission, Writer, WriterError, WriterHandle, WriterParts, recheck};

pub use data::{Data, rebuild};
pub use error::NodeError;
use folder::check_membership;
pub use folder::ledger_path;

/// What the writer has for its end, if everybody else has used up the time.
const WRITER_MOMENT: std::time::Duration = std::time::Duration::from_secs(1);
/// Sessions that wait to be run.
const SESSIONS_WAITING: usize = 16;

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
    let (alarms, guard) = (opening.data.alarms.clone(), opening.data.continuity.clone());
    let clocks = SharedPeerClocks::default();
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
    let (writer_thread, writer, rechecks) = start_writer(config, opening, recent, clocks.clone())?;
    let peers = Peers::new(&config.peers, &clocks);
    let parts = Parts { directory, writer, outbox, peers, watch, alarms, guard, stop };
    let evidence = EvidenceFolder::of(
        &config.data,
        config.agency.clone(),
        entry_key.clone(),
        parts.directory.clone(),
        parts.alarms.clone(),
    );
    let auditor =
        Auditor::new(config.agency.clone(), parts.peers.clone(), parts.outbox.clone(), parts.directory.clone());

    let mut tasks: JoinSet<Result<(), NodeError>> = JoinSet::new();
    let (sessions, starts) = mpsc::channel(SESSIONS_WAITING);
    start_sessions(config, &parts, entry_key, (authorities.clone(), clocks), starts, &mut tasks);
    let connections =
        Connections::new(config, credentials, authorities, parts.peers.clone(), sessions, parts.stop.clone());
    start_connections(config, &connections, &parts.peers, &mut tasks).await?;
    start_tiles(config, &parts, &mut tasks).await?;
    let socket = operator::bind(&config.operator.socket).await?;
    start_watch(config, &parts, &auditor, &evidence, &mut tasks);
    end_with_the_store(&parts, &mut tasks);
    start_rechecks(config, &parts, rechecks, &mut tasks);
    start_operator(config, &parts, (auditor, evidence), socket, started_at, &mut tasks);
    start_ticks(&parts, &mut tasks);
    tracing::info!(agency = %config.agency, socket = %config.operator.socket.display(), "the node is up");
    wait_and_drain(config, parts.stop, tasks, parts.writer, writer_thread).await
}

/// What the tasks of this node are made of. Only the wiring has all of it: each task gets its parts.
struct Parts {
    directory: Directory,
    writer: WriterHandle,
    outbox: Outbox,
    peers: Peers,
    watch: Watch,
    alarms: Alarms,
    guard: Continuity,
    stop: CancellationToken,
}

/// Checks the signatures of items that waited once more, when the writer wants it.
fn start_rechecks(config: &Config, parts: &Parts, rechecks: Rechecks, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let (writer, federation) = (parts.writer.clone(), config.federation.to_string());
    let rechecking = recheck(rechecks, writer, federation, parts.directory.clone(), parts.stop.clone());
    tasks.spawn(async move {
        rechecking.await;
        Ok(())
    });
}

/// Wakes the writer: when the peers were heard, and now and then.
fn start_ticks(parts: &Parts, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let (retry, retry_stop) = (parts.writer.clone(), parts.stop.clone());
    tasks.spawn(async move {
        retry_waiting(retry, retry_stop).await;
        Ok(())
    });
    let (first, guard, hearing) = (parts.writer.clone(), parts.guard.clone(), parts.stop.clone());
    tasks.spawn(async move {
        guard.run(&hearing).await;
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

/// Ends with the writer's result; dropped without a word if the thread panics.
type WriterThread = oneshot::Receiver<Result<(), WriterError>>;

fn start_writer(
    config: &Config,
    opening: Opening,
    recent: Recent,
    peer_clocks: SharedPeerClocks,
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

/// Runs a session on every connection.
fn start_sessions(
    config: &Config,
    parts: &Parts,
    entry_key: SigningKey,
    (authorities, clocks): (SharedAuthorities, SharedPeerClocks),
    starts: mpsc::Receiver<peers::Start>,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    let Parts { directory, writer, outbox, peers, watch, alarms, guard, stop } = parts;
    let (own, federation) = (&config.agency, &config.federation);
    let room = || Budget::of(node_limits::ALL_WINDOWS_BYTES);
    let incoming = Incoming::new(own.clone(), federation.clone(), directory.clone(), room());
    let outgoing = Outgoing::new(own.clone(), peers.clone(), directory.clone(), outbox.clone(), writer.clone(), room());
    let reader = outbox.reader().clone();
    let receipts = Receipts::new(own.clone(), federation.clone(), entry_key, directory.clone(), reader);
    let adoption =
        CharterAdoption::new(federation.clone(), directory.clone(), authorities, writer.clone(), alarms.clone());
    let sessions = SessionParts {
        own: own.clone(),
        federation: federation.clone(),
        idle: config.link.idle,
        directory: directory.clone(),
        writer: writer.clone(),
        guard: guard.clone(),
        watch: watch.clone(),
        proofs: ProofServer::new(outbox.clone(), directory.clone(), writer.head()),
        clocks: PeerClocks::new(clocks, alarms.clone()),
        alarms: alarms.clone(),
        incoming: Arc::new(incoming),
        outgoing: Arc::new(outgoing),
        receipts: Arc::new(receipts),
        adoption: Arc::new(adoption),
        stop: stop.clone(),
    };
    let running = peers::run_sessions(sessions, starts);
    tasks.spawn(async move {
        running.await;
        Ok(())
    });
}

/// Waits for peers, and dials those that have an endpoint.
async fn start_connections(
    config: &Config,
    connections: &Connections,
    peers: &Peers,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) -> Result<(), NodeError> {
    if let Some(address) = config.listen {
        let listener = peers::listen(address).await.map_err(|source| NodeError::Listen { address, source })?;
        let serving = peers::serve(connections.clone(), listener);
        tasks.spawn(async move { Ok(serving.await?) });
    }
    for peer in peers.iter() {
        if let Some(endpoint) = peer.endpoint.clone() {
            let dialling = peers::keep_linked(connections.clone(), Arc::clone(peer), endpoint);
            tasks.spawn(async move {
                dialling.await;
                Ok(())
            });
        }
    }
    Ok(())
}

/// Watches other agencies' ledgers.
fn start_watch(
    config: &Config,
    parts: &Parts,
    auditor: &Auditor,
    evidence: &EvidenceFolder,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    let Parts { directory, writer, peers, watch, stop, .. } = parts;
    let checks = CheckpointChecks::new(watch.clone(), peers.clone(), directory.clone(), evidence.clone());
    let checking = checks.run(stop.clone());
    let witnessing = audit::keep_witnessing(watch.clone(), writer.clone(), config.watch.witness_every, stop.clone());
    let (every, file) = (config.watch.audit_every, audit::schedule_file(&config.data));
    let auditing = audit::keep_auditing(auditor.clone(), evidence.clone(), every, file, stop.clone());
    tasks.spawn(async move {
        tokio::join!(checking, witnessing, auditing);
        Ok(())
    });
}

/// Serves the operator API.
fn start_operator(
    config: &Config,
    parts: &Parts,
    (auditor, evidence): (Auditor, EvidenceFolder),
    socket: UnixListener,
    started_at: u64,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    let service = OperatorService::new(OperatorParts {
        own: config.agency.clone(),
        federation: config.federation.clone(),
        started_at,
        directory: parts.directory.clone(),
        outbox: parts.outbox.clone(),
        writer: parts.writer.clone(),
        guard: parts.guard.clone(),
        peers: parts.peers.clone(),
        watch: parts.watch.clone(),
        alarms: parts.alarms.clone(),
        auditor,
        evidence,
        stop: parts.stop.clone(),
    });
    let stop = parts.stop.clone();
    tasks.spawn(async move { Ok(operator::serve(service, socket, stop).await?) });
}

/// Serves the ledger to everybody, if the operator wishes it.
async fn start_tiles(
    config: &Config,
    parts: &Parts,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) -> Result<(), NodeError> {
    let Some(address) = config.tiles.listen else { return Ok(()) };
    let listener = peers::listen(address).await.map_err(|source| NodeError::Listen { address, source })?;
    let (reader, address) = (parts.outbox.reader().clone(), listener.local_addr()?);
    tracing::info!(%address, "serving the ledger's tiles below /{}/", reader.epoch());
    let serving = Tiles::new(reader, parts.writer.head()).serve(listener, parts.stop.clone());
    tasks.spawn(async move {
        serving.await;
        Ok(())
    });
    Ok(())
}

/// A store that proves damaged ends the node, also if only somebody who reads has come upon it: the next start makes a new one.
fn end_with_the_store(parts: &Parts, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let (store, stop) = (parts.outbox.store().clone(), parts.stop.clone());
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
        ended = end_of(&mut writer_thread) => {
            writer_ended = Some(ended);
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
                end_of(&mut writer_thread).await
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

/// Waits for the end of the writer's thread; how it ended.
async fn end_of(thread: &mut WriterThread) -> Result<(), NodeError> {
    match thread.await {
        Ok(result) => Ok(result?),
        Err(_) => {
            Err(NodeError::System(std::io::Error::other("the writer thread panicked; please report this defect")))
        }
    }
}

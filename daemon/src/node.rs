//! Runs a node from start to end: load, open, start, wait, drain. All wiring is here.
//!
//! Must not know how a part works: it builds each part and gives it what it needs.
//!
//! Invariants:
//! - nothing is signed before the ledger is open (which makes all of it durable) and peers had time to show what they saw of it;
//! - every task belongs to one set; a task that panics or fails ends the node;
//! - at a stop the node takes no more work, finishes the work that it has taken, and ends within the configured time.

mod clock;
mod data;
mod disk;
mod error;
mod folder;
mod mark;
pub mod recover;

use std::sync::Arc;

use crate::base::node_limits;
use jiff::Timestamp;
use sinergi_config::Config;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::base::limits;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::audit::{self, Auditor, CheckpointChecks, EvidenceFolder};
use crate::base::alarms::Alarms;
use crate::base::disk_space::SharedSpace;
use crate::base::own_clock::SharedClock;
use crate::base::telemetry;
use crate::base::time::now_millis;
use crate::operator::{self, OperatorParts, OperatorService};
use crate::peers::proof_server::ProofServer;
use crate::peers::watch::Watch;
use crate::peers::{
    self, AdoptionParts, Budget, CharterAdoption, Connections, Incoming, Outgoing, Peers, Receipts, SessionParts,
};
use crate::rollback_guard::GuardService;
use crate::storage::charters::CharterStore;
use crate::storage::keys::SigningKeys;
use crate::storage::leaf_cache::LeafCache;
use crate::storage::outbox::Outbox;
use crate::tiles::http::Tiles;
use crate::transport::tls::{Authorities, Credentials, SharedAuthorities};
use crate::writer::{Rechecks, Submission, Writer, WriterError, WriterHandle, WriterParts, recheck};

pub use data::{Data, rebuild};
pub use error::NodeError;
use folder::check_membership;
pub use folder::ledger_path;
use mark::MarkKeeper;

/// Time that the writer has to end, if all other tasks have used up the configured time.
const WRITER_MOMENT: std::time::Duration = std::time::Duration::from_secs(1);
/// Sessions that may wait to be started.
const SESSIONS_WAITING: usize = 16;

/// Runs a node until it is told to stop (SIGTERM or SIGINT). Blocks.
///
/// # Errors
/// The reason why it did not start, or the failure that ended it.
pub fn run(config: &Config) -> Result<(), NodeError> {
    telemetry::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config));
    // A blocked read does not hold up the end: nothing acknowledged depends on it.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    result.map_err(|error| data::after_a_failed_store(config, error))
}

/// A node whose data are open and whose threads do not run yet.
struct OpenedNode {
    charter_store: CharterStore,
    keys: SigningKeys,
    data: Data,
}

async fn serve(config: &Config) -> Result<(), NodeError> {
    let started_at = now_millis();
    let (credentials, authorities, opened) = open(config)?;
    let stop = CancellationToken::new();
    let (alarms, guard) = (opened.data.alarms.clone(), opened.data.guard.clone());
    let derivation = &opened.data.derivation;
    let clock = SharedClock::of_a_start(derivation.store().newest_time()?);
    let space = SharedSpace::new(config.ledger.reserve_bytes);
    let leaf_cache = LeafCache::default();
    let outbox = Outbox::new(
        config.federation.to_string(),
        derivation.store().clone(),
        derivation.reader().clone(),
        leaf_cache.clone(),
    );
    let (loading, of) = (outbox.clone(), opened.charter_store.clone());
    let told = alarms.clone();
    let watch = tokio::task::spawn_blocking(move || Watch::load(told, &loading, &of)).await??;
    let (charter_store, keys) = (opened.charter_store.clone(), opened.keys.clone());
    let (writer_thread, writer, rechecks) = start_writer(config, opened, leaf_cache, (clock.clone(), space.clone()))?;
    let peers = Peers::new(&config.peers, &clock);
    let parts = Parts { charter_store, writer, outbox, peers, watch, alarms, guard, clock, stop };
    let evidence = EvidenceFolder::of(
        &config.data,
        config.agency.clone(),
        keys.entry.clone(),
        parts.charter_store.clone(),
        parts.alarms.clone(),
    );
    let auditor = Auditor::new(
        config.agency.clone(),
        &config.data,
        parts.peers.clone(),
        parts.outbox.clone(),
        parts.charter_store.clone(),
        parts.guard.clone(),
    );

    let mut tasks: JoinSet<Result<(), NodeError>> = JoinSet::new();
    let (sessions, starts) = mpsc::channel(SESSIONS_WAITING);
    start_sessions(config, &parts, &keys, authorities.clone(), starts, &mut tasks);
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
    start_measuring(config, &parts, space, &mut tasks);
    let (head, alarms) = (parts.writer.head(), parts.alarms.clone());
    let mut mark = MarkKeeper::new(config, head, parts.guard.clone(), alarms);
    let keeping = mark.clone().run(parts.stop.clone());
    tasks.spawn(async move {
        keeping.await;
        Ok(())
    });
    let (alarms, storing) = (parts.alarms.clone(), parts.alarms.clone().keep_stored(parts.stop.clone()));
    tasks.spawn(async move {
        storing.await;
        Ok(())
    });
    tracing::info!(agency = %config.agency, socket = %config.operator.socket.display(), "the node is up");
    let ended = wait_and_drain(config, parts.stop, tasks, parts.writer, writer_thread).await;
    mark.write();
    alarms.store();
    ended
}

/// The parts of this node. Only the wiring has all of them: each task gets the few that it needs.
struct Parts {
    charter_store: CharterStore,
    writer: WriterHandle,
    outbox: Outbox,
    peers: Peers,
    watch: Watch,
    alarms: Alarms,
    guard: GuardService,
    clock: SharedClock,
    stop: CancellationToken,
}

/// Starts the task that checks the signatures of deferred items again.
fn start_rechecks(config: &Config, parts: &Parts, rechecks: Rechecks, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let (writer, federation) = (parts.writer.clone(), config.federation.to_string());
    let rechecking = recheck(rechecks, writer, federation, parts.charter_store.clone(), parts.stop.clone());
    tasks.spawn(async move {
        rechecking.await;
        Ok(())
    });
}

/// Starts the tasks that wake the writer: when the rollback guard has settled, when the clock is confirmed, and at regular intervals.
fn start_ticks(parts: &Parts, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let (retry, retry_stop) = (parts.writer.clone(), parts.stop.clone());
    tasks.spawn(async move {
        retry_waiting(retry, retry_stop).await;
        Ok(())
    });
    let watching = clock::watch(parts.clock.clone(), parts.writer.clone(), parts.alarms.clone(), parts.stop.clone());
    tasks.spawn(async move {
        watching.await;
        Ok(())
    });
    let (first, guard, hearing) = (parts.writer.clone(), parts.guard.clone(), parts.stop.clone());
    tasks.spawn(async move {
        guard.run(&hearing).await;
        // The writer signs its checkpoint and goes on with deferred work. It may have ended already.
        let _ = first.submit(Submission::Retry).await;
        // The end of a task ends the node, so this one waits for the stop.
        hearing.cancelled().await;
        Ok(())
    });
}

/// Starts the task that measures the free space of the disk.
fn start_measuring(config: &Config, parts: &Parts, space: SharedSpace, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let measuring = disk::watch(space, config.data.clone(), parts.alarms.clone(), parts.stop.clone());
    tasks.spawn(async move {
        measuring.await;
        Ok(())
    });
}

fn open(config: &Config) -> Result<(Credentials, SharedAuthorities, OpenedNode), NodeError> {
    let keys = SigningKeys::load(&config.keys).map_err(NodeError::Keys)?;
    let charter_store = CharterStore::load(&config.charter)?;
    check_membership(config, &charter_store, &keys)?;
    let (authorities, bad) = Authorities::of_charter(config.federation.clone(), &charter_store.newest());
    bad.iter().for_each(|bad| tracing::warn!("{bad}"));
    let credentials = Credentials::load(&config.tls)?;
    credentials.check(&config.federation, &config.agency, now())?;
    if let Err(refusal) = credentials.check_under(&authorities, now()) {
        tracing::warn!("peers will refuse this node: {refusal}");
    }
    let data = Data::open(config, charter_store.clone())?;
    for rival in charter_store.rivals() {
        data.alarms.raise(rival.topic(), rival.alarm());
    }
    let opened = OpenedNode { charter_store, keys, data };
    Ok((credentials, SharedAuthorities::new(authorities), opened))
}

fn now() -> Timestamp {
    i64::try_from(now_millis()).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
}

/// Receives the writer's result when its thread ends. The sender is dropped if the thread panics.
type WriterThread = oneshot::Receiver<Result<(), WriterError>>;

fn start_writer(
    config: &Config,
    opened: OpenedNode,
    leaf_cache: LeafCache,
    (clock, space): (SharedClock, SharedSpace),
) -> Result<(WriterThread, WriterHandle, Rechecks), NodeError> {
    let OpenedNode { charter_store, keys, data } = opened;
    let Data { ledger, derivation, alarms, guard, recorded } = data;
    let parts = WriterParts {
        own: config.agency.clone(),
        federation: config.federation.to_string(),
        derivation,
        charter_store,
        adjacent: config.peers.iter().map(|peer| peer.agency.clone()).collect(),
        keys,
        answer_within_millis: u64::try_from(config.forward.answer_by.as_millis()).unwrap_or(u64::MAX),
        alarms,
        clock,
        space,
        guard,
        recorded,
    };
    let (writer, handle, rechecks) = Writer::new(parts, ledger, leaf_cache)?;
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
        // The receiver is gone only when the process is ending.
        let _ = ended.send(writer.run());
    })?;
    Ok((end, handle, rechecks))
}

/// Starts the task that runs a session on every connection.
fn start_sessions(
    config: &Config,
    parts: &Parts,
    keys: &SigningKeys,
    authorities: SharedAuthorities,
    starts: mpsc::Receiver<peers::Start>,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    let Parts { charter_store, writer, outbox, peers, watch, alarms, guard, clock, stop } = parts;
    let (own, federation) = (&config.agency, &config.federation);
    let room = || Budget::of(node_limits::ALL_WINDOWS_BYTES);
    let incoming = Incoming::new(own.clone(), federation.clone(), charter_store.clone(), clock.clone(), room());
    let outgoing =
        Outgoing::new(own.clone(), peers.clone(), charter_store.clone(), outbox.clone(), writer.clone(), room());
    let receipts =
        Receipts::new(own.clone(), federation.clone(), keys.entry.clone(), charter_store.clone(), clock.clone());
    let adoption = CharterAdoption::new(AdoptionParts {
        own: own.clone(),
        own_keys: [&keys.entry, &keys.checkpoint, &keys.time].map(SigningKey::verification_key),
        federation: federation.clone(),
        charter_store: charter_store.clone(),
        authorities,
        writer: writer.clone(),
        watch: watch.clone(),
        guard: guard.clone(),
        alarms: alarms.clone(),
    });
    let sessions = SessionParts {
        own: own.clone(),
        federation: federation.clone(),
        idle: config.link.idle,
        charter_store: charter_store.clone(),
        writer: writer.clone(),
        guard: guard.clone(),
        watch: watch.clone(),
        proofs: ProofServer::new(outbox.clone(), charter_store.clone(), writer.head()),
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

/// Starts listening for peers, and dials the peers that have an endpoint.
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

/// Starts the checks of other agencies' ledgers: checkpoints, `Witnessed` entries, scheduled audits.
fn start_watch(
    config: &Config,
    parts: &Parts,
    auditor: &Auditor,
    evidence: &EvidenceFolder,
    tasks: &mut JoinSet<Result<(), NodeError>>,
) {
    let Parts { charter_store, writer, peers, watch, guard, stop, .. } = parts;
    let checks =
        CheckpointChecks::new(watch.clone(), peers.clone(), charter_store.clone(), guard.clone(), evidence.clone());
    let checking = checks.run(stop.clone());
    let witnessing = audit::keep_witnessing(watch.clone(), writer.clone(), config.watch.witness_every, stop.clone());
    let (every, file) = (config.watch.audit_every, audit::schedule_file(&config.data));
    let auditing = audit::keep_auditing(auditor.clone(), evidence.clone(), every, file, stop.clone());
    tasks.spawn(async move {
        tokio::join!(checking, witnessing, auditing);
        Ok(())
    });
}

/// Starts the operator API.
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
        charter_store: parts.charter_store.clone(),
        outbox: parts.outbox.clone(),
        writer: parts.writer.clone(),
        guard: parts.guard.clone(),
        peers: parts.peers.clone(),
        watch: parts.watch.clone(),
        clock: parts.clock.clone(),
        alarms: parts.alarms.clone(),
        auditor,
        evidence,
        stop: parts.stop.clone(),
    });
    let stop = parts.stop.clone();
    tasks.spawn(async move { Ok(operator::serve(service, socket, stop).await?) });
}

/// Starts serving the ledger's tiles over HTTP, if that is configured.
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

/// Starts the task that ends the node when the store proves damaged, also if only a read shows it. The next start makes a new store.
fn end_with_the_store(parts: &Parts, tasks: &mut JoinSet<Result<(), NodeError>>) {
    let (store, stop) = (parts.outbox.store().clone(), parts.stop.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            damage = store.damage() => Err(damage.into()),
        }
    });
}

/// Has the writer judge deferred items again, and send unsettled ones again, at regular intervals.
async fn retry_waiting(writer: WriterHandle, stop: CancellationToken) {
    const EVERY: std::time::Duration = limits::SEND_AGAIN_AFTER;
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

/// Waits for a signal or a failure, then ends all tasks in order: links and operators first, the writer last.
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
                // The writer commits all submissions that it has taken before it ends.
                let _ = writer.submit(Submission::Stop).await;
                end_of(&mut writer_thread).await
            };
            // The writer gets this time even if the links took all of theirs.
            let until = until.max(tokio::time::Instant::now() + WRITER_MOMENT);
            tokio::time::timeout_at(until, write_rest).await.unwrap_or(Err(NodeError::Drain { seconds }))
        }
    };
    let _ = std::fs::remove_file(&config.operator.socket);
    tracing::info!("stopped");
    failure.and(writer_result)
}

/// Waits for the end of the writer's thread, and returns its result.
async fn end_of(thread: &mut WriterThread) -> Result<(), NodeError> {
    match thread.await {
        Ok(result) => Ok(result?),
        Err(_) => {
            Err(NodeError::System(std::io::Error::other("the writer thread panicked; please report this defect")))
        }
    }
}

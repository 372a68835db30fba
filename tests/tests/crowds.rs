//! Many peers or connections at once: the limits over all of them together hold, and every peer is served in the end.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use sinergi_cli::commands::init::Kind as AgencyKind;
use sinergi_cli::demo::federation::Agency;
use sinergi_cli::demo::wait;
use sinergi_config::Config;
use sinergi_daemon::base::node_limits;
use sinergi_daemon::transport::tls::{self, Authorities, Credentials, SharedAuthorities};
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::Epoch;
use sinergi_proto::base::limits;
use sinergi_proto::wire::{self, Frame, frame::Kind};
use sinergi_tests::disk::{Disk, Op};
use sinergi_tests::federation::{PATIENCE, TestFederation, agency};
use sinergi_tests::peer::{Connection, Impostor};
use sinergi_tests::stage::Stage;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;

const CITY: &str = "kota-bandung";
/// The time that a test waits for an event that must not happen.
const QUIET: Duration = Duration::from_secs(3);

/// A federation of a city and these institutions, all of which dial it.
fn city_dialled_by(names: &[String]) -> TestFederation {
    let member = |name: &str| Agency::new(agency(name), AgencyKind::Institution);
    let mut agencies: Vec<_> = names.iter().map(|name| member(name).dials_only()).collect();
    agencies.push(Agency::new(agency(CITY), AgencyKind::City));
    let links: Vec<_> = names.iter().map(|name| (name.as_str(), CITY)).collect();
    TestFederation::make_with_links(agencies, &links)
}

/// A frame of almost the largest size. Its items are no entries. When the node answers the `Ping` that follows, it has taken the frame.
fn large_frame() -> wire::Deliver {
    let content = wire::Content { commitment: 0, salt: vec![0; 32], data: vec![0; limits::CONTENT_BYTES].into() };
    let item = |count| wire::Item {
        signed_entry: Bytes::from_static(b"no entry"),
        content: vec![content.clone(); count],
        relays: 0,
    };
    let cursor = Cursor::start(Epoch::FIRST).to_wire();
    let cursor = wire::Cursor { index: 1, ..cursor };
    wire::Deliver {
        cursor: Some(cursor),
        items: vec![item(limits::COMMITMENTS), item(limits::COMMITMENTS - 1)],
        after: None,
    }
}

/// Waits for a frame that fits.
async fn hears(connection: &mut Connection, fits: impl Fn(&Kind) -> bool) {
    loop {
        let frame = connection.next_frame().await.expect("the link holds").expect("the link holds");
        match frame.kind {
            Some(Kind::Fault(fault)) => panic!("the node ended the link: {fault:?}"),
            Some(kind) if fits(&kind) => return,
            _ => {}
        }
    }
}

fn is_pong(kind: &Kind) -> bool {
    matches!(kind, Kind::Ping(ping) if ping.reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_links_together_hold_a_bounded_number_of_bytes_and_those_that_wait_go_on_later() {
    let frame = large_frame();
    let weight = Frame { kind: Some(Kind::Deliver(frame.clone())) }.encoded_len();
    let (fit, waiting) = (node_limits::ALL_WINDOWS_BYTES / weight, 6);
    let names: Vec<String> = (0..fit + waiting).map(|number| format!("dinas-{number}")).collect();
    let mut federation = city_dialled_by(&names);
    // Long enough that no slow test machine ends a link before its frame is taken.
    federation.idle_after(CITY, 600);
    let disk = Disk::below(&federation.folder_of(CITY));
    federation.process_mut(CITY).set_environment(disk.environment());
    federation.start_node(CITY).await;
    // The answer comes when the node no longer waits for its peers to say how far they know its ledger.
    federation.node(CITY).await.lodges("Pertama").await;

    let hang = disk.on(&[Op::Sync], ".seg").hangs();
    let (mut taking, address) = (JoinSet::new(), federation.address_of(CITY));
    for name in &names {
        let impostor = Impostor::of(&federation.folder_of(name));
        let (frame, address) = (frame.clone(), address.clone());
        taking.spawn(async move {
            let mut connection = impostor.dial(&agency(CITY), &address).await.expect("a member");
            connection.greet(&impostor).await;
            connection.say(Kind::Deliver(frame)).await;
            connection.say(Kind::Ping(wire::Ping::default())).await;
            hears(&mut connection, is_pong).await;
            connection
        });
    }
    let mut taken = Vec::new();
    for _ in 0..fit {
        let connection = timeout(PATIENCE, taking.join_next()).await;
        let connection = connection.unwrap_or_else(|_| panic!("{} of {fit} frames were taken", taken.len()));
        taken.push(connection.expect("links wait").expect("a frame is taken"));
    }
    let more = timeout(QUIET, taking.join_next()).await;
    assert!(more.is_err(), "a frame was taken beyond {} MiB", node_limits::ALL_WINDOWS_BYTES >> 20);
    hang.ends();
    while let Some(connection) = timeout(PATIENCE, taking.join_next()).await.expect("those that waited go on") {
        taken.push(connection.expect("a frame is taken"));
    }
    for connection in &mut taken {
        timeout(PATIENCE, hears(connection, |kind| matches!(kind, Kind::Ack(_)))).await.expect("a receipt");
    }
    federation.is_bounded_in_memory(CITY);
}

/// Keeps `connections` silent connections from another address of this machine, and reconnects each that ends.
fn silent_crowd(address: &str, connections: usize) -> JoinSet<()> {
    let address: SocketAddr = address.parse().expect("an address");
    let keep = move || async move {
        let mut buffer = [0; 1];
        loop {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into()).expect("another address of this machine");
            if let Ok(mut stream) = socket.connect(address).await {
                // Until the node ends it.
                let _ = stream.read(&mut buffer).await;
            }
            // Does not take the whole processor for reconnecting: other tests run on this machine.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    (0..connections).map(|_| keep()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_linked_at_once_while_many_silent_connections_are_open() {
    let stage = Stage::set().await;
    // No more connections than the listen backlog of the system, which would turn the rest away.
    let mut crowd = silent_crowd(&stage.federation.address_of(CITY), 4 * node_limits::PENDING_HANDSHAKES);
    let displaced = "others came while its TLS handshake had not ended";
    let is_full =
        wait::until(PATIENCE, async || Ok::<_, ()>(stage.federation.log_of(CITY).contains(displaced).then_some(())));
    assert_eq!(is_full.await, Ok(Some(())), "all places were taken");
    for _ in 0..5 {
        // A node that dials gives up after this time.
        timeout(node_limits::TLS_HANDSHAKE, stage.link()).await.expect("a link in spite of the crowd");
    }
    crowd.abort_all();
}

/// A member that connects with the city and shows only its certificate.
struct Caller {
    credentials: Credentials,
    authorities: SharedAuthorities,
    address: String,
}

impl Caller {
    /// A TLS connection on which nothing is called.
    async fn connect(&self) -> ClientStream<TcpStream> {
        let tls = tls::client_config(&self.credentials, self.authorities.clone(), agency(CITY));
        let stream = TcpStream::connect(&self.address).await.expect("the city listens");
        TlsConnector::from(tls).connect(tls::server_name(), stream).await.expect("a member")
    }

    /// A connection that the city accepts, which it shows by sending the first bytes of HTTP/2.
    async fn is_let_in(&self) -> Option<ClientStream<TcpStream>> {
        let mut connection = self.connect().await;
        let spoke = timeout(PATIENCE, connection.read(&mut [0])).await.expect("let in or turned away");
        spoke.is_ok_and(|bytes| bytes > 0).then_some(connection)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: makes a federation of 258 members"]
async fn a_connection_over_the_limit_of_all_peers_together_is_refused_and_links_go_on() {
    const FULL: usize = node_limits::INBOUND_CONNECTIONS / node_limits::CONNECTIONS_PER_PEER;
    // One institution more than can have all its connections.
    let names: Vec<String> = (0..=FULL).map(|number| format!("dinas-{number}")).collect();
    let mut federation = city_dialled_by(&names);
    // Long enough that no link counts as dead while the others connect.
    federation.idle_after(CITY, 600);
    federation.start_node(CITY).await;
    let address = federation.address_of(CITY);
    let mut linked = Impostor::of(&federation.folder_of(&names[0]));
    let mut link = linked.dial(&agency(CITY), &address).await.expect("a member");
    link.greet(&linked).await;
    let (authorities, _) =
        Authorities::of_charter(linked.member.config.federation.clone(), &linked.member.charter_store.newest());
    let authorities = SharedAuthorities::new(authorities);
    let mut callers = names[1..].iter().map(|name| {
        let config = Config::load(&federation.folder_of(name)).expect("a member's configuration");
        let credentials = Credentials::load(&config.tls).expect("a member's certificate");
        Caller { credentials, authorities: authorities.clone(), address: address.clone() }
    });

    let last = callers.next().expect("one more than fill it");
    let mut crowd = Vec::new();
    for caller in callers {
        for _ in 0..node_limits::CONNECTIONS_PER_PEER {
            crowd.push(caller.is_let_in().await.expect("there is room"));
        }
    }
    for _ in 1..node_limits::CONNECTIONS_PER_PEER {
        crowd.push(last.is_let_in().await.expect("there is room"));
    }
    // The last caller may have one more connection of its own, but all callers together may not.
    assert_eq!(crowd.len() + 1, node_limits::INBOUND_CONNECTIONS);
    assert!(last.is_let_in().await.is_none(), "one too many");
    let log = federation.log_of(CITY);
    let told = format!("refused a connection: there are {} connections already", node_limits::INBOUND_CONNECTIONS);
    let line =
        log.lines().find(|line| line.contains(&told)).unwrap_or_else(|| panic!("the log does not say so:\n{log}"));
    assert!(line.contains("WARN") && line.ends_with(&format!("={}", names[1])), "{line}");

    let honest = linked.lodge("Tetap diambil");
    link.deliver(1, vec![honest.item]).await;
    federation.node(CITY).await.sees(honest.complaint, |seen| seen.intake == names[0]).await;
    federation.is_bounded_in_memory(CITY);
    // Ended connections make room.
    crowd.clear();
    let room = wait::until(PATIENCE, async || Ok::<_, ()>(last.is_let_in().await));
    assert!(room.await.expect("no error").is_some(), "there is room again");
}

//! Tests of the HTTP server: what a client gets, and what it cannot do.

use sinergi_proto::base::ids::Epoch;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::storage::ledger::Ledger;
use crate::tiles::tests::ledger;

/// A server of a ledger of 300 leaves.
struct Served {
    address: SocketAddr,
    ledger: Ledger,
    stop: CancellationToken,
    serving: JoinSet<()>,
    head: watch::Sender<Head>,
    _dir: TempDir,
}

async fn served(is_signed: bool) -> Served {
    let (ledger, dir) = ledger(300);
    let head = Head {
        epoch: Epoch(2),
        size: LedgerIndex(300),
        owed: 0,
        root: ledger.root().0,
        checkpoint: b"a signed note\n".as_slice().into(),
        is_signed,
        counts: Default::default(),
    };
    let (head, heads) = watch::channel(head);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (address, stop) = (listener.local_addr().expect("an address"), CancellationToken::new());
    let mut serving = JoinSet::new();
    serving.spawn(Tiles::new(ledger.reader(), heads).serve(listener, stop.clone()));
    Served { address, ledger, stop, serving, head, _dir: dir }
}

impl Served {
    /// Head and body of the answer to one request.
    async fn asked(&self, request: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let request = format!("{request} HTTP/1.1\r\nHost: tiles\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..end].to_vec()).expect("text").to_lowercase();
        (head, answer[end + 4..].to_vec())
    }

    fn tile(&self, path: &str) -> Vec<u8> {
        Resource::parse(path).expect(path).read(&self.ledger.reader(), 300).expect("readable").expect("there")
    }
}

#[tokio::test]
async fn a_reader_gets_checkpoint_tiles_and_entries_with_the_headers_of_the_specification() {
    let served = served(true).await;
    let (head, body) = served.asked("GET /2/checkpoint").await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    assert!(head.contains("cache-control: no-cache") && body == b"a signed note\n", "{head}");
    for path in ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/7"] {
        let (head, body) = served.asked(&format!("GET /2/{path}")).await;
        assert!(head.starts_with("http/1.1 200 ") && head.contains("immutable"), "{path}: {head}");
        assert!(head.contains("content-type: application/octet-stream"), "{path}: {head}");
        assert_eq!(body, served.tile(path), "{path}");
    }
    let (head, body) = served.asked("HEAD /2/tile/0/000").await;
    assert!(head.starts_with("http/1.1 200 ") && head.contains("content-length: 8192") && body.is_empty(), "{head}");
}

#[tokio::test]
async fn any_other_path_is_not_found_and_any_other_method_not_allowed() {
    let served = served(true).await;
    for path in [
        "/",
        "/2",
        "/2/",
        "/checkpoint",
        "/1/checkpoint",
        "/02/checkpoint",
        "/2/checkpoint/",
        "//2/checkpoint",
        "/2/tile/0/001",
        "/2/tile/0/001.p/45",
        "/2/tile/entries/001.p/45",
        "/2/tile/0/000.p/0",
        "/2/tile/%30/000",
        "/2/tile/0/../../checkpoint",
        "/2/../2/checkpoint",
        "/2/content/0",
    ] {
        let (head, body) = served.asked(&format!("GET {path}")).await;
        assert!(head.starts_with("http/1.1 404 ") && body == b"there is no such tile\n", "{path}: {head}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (head, _) = served.asked(&format!("{method} /2/checkpoint")).await;
        assert!(head.starts_with("http/1.1 405 ") && head.contains("allow: get, head"), "{method}: {head}");
    }
}

#[tokio::test]
async fn a_ledger_that_is_not_signed_for_is_not_shown_until_it_is() {
    let served = served(false).await;
    for path in ["checkpoint", "tile/0/000"] {
        let (head, _) = served.asked(&format!("GET /2/{path}")).await;
        assert!(head.starts_with("http/1.1 503 ") && head.contains("retry-after: "), "{path}: {head}");
    }
    served.head.send_modify(|head| head.is_signed = true);
    assert!(served.asked("GET /2/checkpoint").await.0.starts_with("http/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_and_half_a_request_are_cut_off() {
    let served = served(true).await;
    for said in ["", "GET /2/checkpoint HTTP/1.1\r\nHost:"] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(served.address).await.expect("a connection");
        stream.write_all(said.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it is closed");
        // In virtual time.
        assert!(begun.elapsed() >= HEAD && begun.elapsed() < 2 * HEAD, "{:?} after {said:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn the_server_stops_and_cuts_off_its_clients() {
    let mut served = served(true).await;
    let mut reader = TcpStream::connect(served.address).await.expect("a connection");
    served.stop.cancel();
    served.serving.join_next().await.expect("a task").expect("no panic");
    let cut_off = tokio::time::timeout(HEAD / 2, reader.read(&mut [0; 1])).await.expect("nobody waits for its time");
    assert_eq!(cut_off.unwrap_or(0), 0, "nothing more is said");
}

//! The ledger in the open tile format: exported into a folder, and served over HTTP if the operator configures it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use sinergi_tests::federation::{TestFederation, province_and_city};
use sinergi_tests::program::{Said, run_on};

const CITY: &str = "kota-bandung";
/// A complaint's text. Entries contain no texts, and so no tile contains one.
const TEXT: &str = "Jalan Cihampelas berlubang";

fn export(node: &Path, tiles: &Path, more: &[&str]) -> Said {
    run_on(node, &[&["ledger", "export", "--tiles", tiles.to_str().expect("a path")], more].concat())
}

/// All files below a folder, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).expect("a listing") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.strip_prefix(folder).expect("below it").to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// Sends an HTTP request to a node. Returns the status and the body of the answer.
fn request(address: &str, line: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("a status");
    (status, answer[end + 4..].to_vec())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_node_serves_the_tree_that_it_exports_and_no_text() {
    let mut federation = TestFederation::make(province_and_city());
    federation.configure(CITY, |text| {
        let changed = text.replace("# listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:0\"");
        assert_ne!(changed, text, "a new node's configuration shows the setting");
        changed
    });
    federation.start_node(CITY).await;
    let node = federation.node(CITY).await;
    for _ in 0..3 {
        node.lodges(TEXT).await;
    }
    let tiles = federation.folder().join("tiles");
    let said = export(&federation.folder_of(CITY), &tiles, &[]);
    assert!(said.code == 0 && said.out.contains("holds the 3 entries of"), "{said:?}");
    let expected = ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"].map(PathBuf::from);
    assert_eq!(files(&tiles), expected);

    let log = federation.log_of(CITY);
    let line = log
        .lines()
        .find(|line| line.contains("serving the ledger's tiles below /1/"))
        .expect("the log names the address");
    let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("an address");
    for path in expected {
        let exported = std::fs::read(tiles.join(&path)).expect("a file");
        let (status, body) = request(address, &format!("GET /1/{}", path.display()));
        assert_eq!((status, &body), (200, &exported), "{}", path.display());
        assert!(!contains(&body, TEXT) && !exported.is_empty(), "{}", path.display());
    }
    for (line, status) in
        [("GET /1/tile/0/000", 404), ("GET /", 404), ("GET /2/checkpoint", 404), ("POST /1/checkpoint", 405)]
    {
        assert_eq!(request(address, line).0, status, "{line}");
    }
}

#[tokio::test]
async fn an_export_continues_where_the_last_one_ended_and_refuses_another_ledger_s_folder() {
    let mut federation = TestFederation::make(province_and_city());
    let tiles = federation.folder().join("tiles");
    for id in [CITY, "prov-jabar"] {
        federation.start_node(id).await;
        federation.node(id).await.lodges(TEXT).await;
    }
    let city = federation.folder_of(CITY);
    assert_eq!(export(&city, &tiles, &[]).code, 0);
    let other = export(&federation.folder_of("prov-jabar"), &tiles, &[]);
    assert!(other.code == 4 && other.err.contains("name another folder"), "{other:?}");
    assert_eq!(files(&tiles).len(), 3, "nothing was added");

    let node = federation.node(CITY).await;
    for _ in 0..256 {
        node.lodges(TEXT).await;
    }
    let said = export(&city, &tiles, &["--output", "json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let expected =
        ["checkpoint", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/1"];
    assert_eq!(files(&tiles), expected.map(PathBuf::from), "the partial tiles are full now");

    // Without the checkpoint, every file is compared, and only the damaged one is written again.
    std::fs::remove_file(tiles.join("checkpoint")).expect("there");
    std::fs::write(tiles.join("tile/0/000"), vec![0; 8192]).expect("written");
    let said = export(&city, &tiles, &["--output", "json"]);
    let document: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((&document["files_written"], &document["files_kept"]), (&1.into(), &4.into()), "{document}");

    let in_the_way = tiles.join("checkpoint").join("below");
    let said = export(&city, &in_the_way, &[]);
    assert!(said.code == 1 && said.err.contains(in_the_way.to_str().expect("a path")), "{said:?}");
    assert!(said.err.contains("help: "), "{said:?}");
}

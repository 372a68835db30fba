//! Claims about reading a configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

const SMALLEST: &str = "agency = \"kota-bandung\"\nfederation = \"lapor.go.id\"\n";

fn problems(text: &str) -> Vec<String> {
    Config::parse(text, Path::new("sinergid.toml")).expect_err("must be refused").problems()
}

fn refused(more: &str) -> String {
    problems(&format!("{SMALLEST}{more}")).join("\n")
}

#[test]
fn two_lines_are_a_configuration() {
    let config = Config::parse(SMALLEST, Path::new("/var/lib/sinergi/sinergid.toml")).expect("complete");
    assert_eq!(config.agency.as_str(), "kota-bandung");
    assert_eq!(config.federation.as_str(), "lapor.go.id");
    assert_eq!(config.listen, None);
    assert_eq!(config.data, Path::new("/var/lib/sinergi"));
    assert_eq!(config.keys.entry, Path::new("/var/lib/sinergi/keys/entry.pem"));
    assert_eq!(config.operator.socket, Path::new("/var/lib/sinergi/sinergid.sock"));
    assert_eq!(config.ledger.segment_bytes, 64 * 1024 * 1024);
    assert_eq!(config.store.cache_bytes, 64 * 1024 * 1024);
    assert_eq!(config.forward.answer_by, Duration::from_secs(72 * 3600));
    assert_eq!(config.link.idle, Duration::from_secs(60));
    assert_eq!(config.shutdown.drain, Duration::from_secs(10));
    assert_eq!(config.log, Log { format: LogFormat::Text, filter: "info".into() });
    assert_eq!(config.tiles, Tiles { listen: None });
    assert_eq!(config.peers, []);
}

#[test]
fn the_example_is_a_configuration() {
    let config = Config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sinergid.toml")).expect("complete");
    assert_eq!(config.peers.len(), 2);
    assert!(config.charter.pin.is_some());
}

#[test]
fn a_value_out_of_bounds_is_named_with_line_value_and_bound() {
    assert_eq!(refused("[store]\ncache_mib = 5\n"), "sinergid.toml:4: store.cache_mib = 5: must be 16 to 4096");
    assert_eq!(
        refused("[ledger]\nsegment_mib = 1025\n"),
        "sinergid.toml:4: ledger.segment_mib = 1025: must be 1 to 1024"
    );
    assert_eq!(
        refused("[forward]\nanswer_by_hours = 8785\n"),
        "sinergid.toml:4: forward.answer_by_hours = 8785: must be 1 to 8784"
    );
    assert_eq!(refused("[link]\n\nidle_seconds = 4\n"), "sinergid.toml:5: link.idle_seconds = 4: must be 5 to 3600");
    assert_eq!(
        refused("[shutdown]\n\ndrain_seconds = -1\n"),
        "sinergid.toml:5: shutdown.drain_seconds = -1: must be 1 to 300"
    );
    assert_eq!(
        refused("[log]\nformat = \"xml\"\n"),
        "sinergid.toml:4: log.format = \"xml\": must be \"text\" or \"json\""
    );
}

#[test]
fn tiles_are_served_only_where_it_is_written() {
    let text = format!("{SMALLEST}[tiles]\nlisten = \"127.0.0.1:8080\"\n");
    let config = Config::parse(&text, Path::new("sinergid.toml")).expect("complete");
    assert_eq!(config.tiles.listen, Some("127.0.0.1:8080".parse().expect("an address")));
    assert_eq!(
        refused("[tiles]\nlisten = \"8080\"\n"),
        "sinergid.toml:4: tiles.listen = \"8080\": must be an address and a port, as in \"127.0.0.1:8080\""
    );
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let found = problems("federation = \"A\"\nlisten = \"here\"\n[store]\ncache_mib = 0\n");
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].starts_with("sinergid.toml: agency is missing"), "{}", found[0]);
    assert!(found[1].starts_with("sinergid.toml:1: federation = \"A\": "), "{}", found[1]);
    assert!(found[2].starts_with("sinergid.toml:2: listen = \"here\": "), "{}", found[2]);
    assert!(found[3].starts_with("sinergid.toml:4: store.cache_mib = 0: "), "{}", found[3]);
}

#[test]
fn an_unknown_field_is_refused_at_its_line() {
    let found = refused("[store]\ncach_mib = 64\n");
    assert!(found.starts_with("sinergid.toml:4: `cach_mib = 64`: unknown field `cach_mib`"), "{found}");
}

#[test]
fn a_value_of_another_type_is_refused_at_its_line() {
    let found = refused("[store]\ncache_mib = \"64\"\n");
    assert!(found.starts_with("sinergid.toml:4: `cache_mib = \"64\"`: invalid type: string"), "{found}");
}

#[test]
fn what_is_not_toml_is_refused_at_its_line() {
    let found = refused("listen = \n");
    assert!(found.starts_with("sinergid.toml:3: `listen =`: "), "{found}");
    let found = refused("agency = \"x1\"\n");
    assert!(found.starts_with("sinergid.toml:3: `agency = \"x1\"`: duplicate key"), "{found}");
}

#[test]
fn a_peer_stands_once_and_is_somebody_else() {
    let peer = |agency: &str| format!("[[peer]]\nagency = \"{agency}\"\n");
    let found = refused(&(peer("prov-jabar") + &peer("prov-jabar")));
    assert_eq!(found, "sinergid.toml:6: peer.agency = \"prov-jabar\": is peer number 1 already: remove one of the two");
    let found = refused(&peer("kota-bandung"));
    assert!(found.contains("peer.agency = \"kota-bandung\": is this node's own agency"), "{found}");
    let found = refused("[[peer]]\nendpoint = \"a:1\"\n");
    assert!(found.starts_with("sinergid.toml:3: peer.agency is missing"), "{found}");
    let found = refused("[[peer]]\nagency = \"prov-jabar\"\nendpoint = \"nowhere\"\n");
    assert!(found.starts_with("sinergid.toml:5: peer.endpoint = \"nowhere\": must be \"host:port\""), "{found}");
}

#[test]
fn a_socket_path_that_the_system_cannot_hold_is_refused_by_name() {
    let long = format!("/{}", "s".repeat(bounds::SOCKET_PATH_BYTES));
    let found = refused(&format!("[operator]\nsocket = \"{long}\"\n"));
    assert!(found.starts_with(&format!("sinergid.toml:4: operator.socket = \"{long}\": has 108 bytes")), "{found}");
    let longest = &long[..bounds::SOCKET_PATH_BYTES];
    assert!(Config::parse(&format!("{SMALLEST}[operator]\nsocket = \"{longest}\"\n"), Path::new("s")).is_ok());

    let deep = PathBuf::from(&long).join("sinergid.toml");
    let error = Config::parse(SMALLEST, &deep).expect_err("the default socket lies too deep");
    assert!(error.to_string().contains("operator.socket"), "{error}");
}

#[test]
fn relative_paths_lie_below_the_data_directory() {
    let text = format!("{SMALLEST}data = \"state\"\n[tls]\nkey = \"/etc/sinergi/tls.key\"\n");
    let config = Config::parse(&text, Path::new("/etc/sinergi/sinergid.toml")).expect("complete");
    assert_eq!(config.data, Path::new("/etc/sinergi/state"));
    assert_eq!(config.tls.certificate, Path::new("/etc/sinergi/state/keys/tls.crt"));
    assert_eq!(config.tls.key, Path::new("/etc/sinergi/tls.key"));
}

#[test]
fn an_empty_path_is_refused() {
    assert!(refused("data = \"\"\n").starts_with("sinergid.toml:3: data = \"\": must not be empty"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nonexistent/sinergid.toml")).expect_err("no such file");
    assert!(error.to_string().starts_with("/nonexistent/sinergid.toml cannot be read"), "{error}");
}

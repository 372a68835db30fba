//! The command line as scripts and operators use it: exit codes, texts of refusals, the format of answers.

use std::process::{Command, Stdio};

use serde_json::Value;
use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_proto::base::limits;
use sinergi_proto::operator_api;
use sinergi_proto::wire;
use sinergi_tests::federation::{TestFederation, TestNode, agency, complaint_about, province_and_city};
use sinergi_tests::peer::Impostor;
use sinergi_tests::program::{Said, run_in, run_on, said, sinergi};
use sinergi_tests::stage::Stage;
use sinergi_tests::terminal::shown_on;
use tonic::Code;

/// An id as long as an agency's can be.
const LONGEST_ID: &str = "badan-nasional-penanggulangan-bencana-dan-pencarian-pertolongan";

/// The node of a province whose peers do not run.
struct Province {
    federation: TestFederation,
}

impl Province {
    async fn start() -> Self {
        let mut agencies = province_and_city();
        agencies.push(Agency::new(agency(LONGEST_ID), Kind::Institution));
        let mut federation = TestFederation::make(agencies);
        federation.start_node("prov-jabar").await;
        Self { federation }
    }

    async fn node(&self) -> TestNode {
        self.federation.node("prov-jabar").await
    }

    /// Runs a command on the node.
    fn run(&self, arguments: &[&str]) -> Said {
        run_on(&self.federation.folder_of("prov-jabar"), arguments)
    }

    /// Runs a command that must succeed. Returns its answer as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[arguments, &["--output", "json"]].concat());
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said:?}"))
    }

    /// Runs a command that must print an array of objects. Returns the objects.
    fn listing(&self, arguments: &[&str]) -> Vec<serde_json::Map<String, Value>> {
        let Value::Array(rows) = self.json(arguments) else { panic!("{arguments:?} gives no array") };
        rows.into_iter()
            .map(|row| if let Value::Object(row) = row { row } else { panic!("{row} is no object") })
            .collect()
    }

    /// The number of leaves in the node's ledger.
    fn ledger_size(&self) -> u64 {
        self.json(&["status"])["ledger_size"].as_u64().expect("a number")
    }

    /// Runs a command that must succeed. Returns its text, as a pipe gets it.
    fn page(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.out
    }

    /// Puts a row into every listing: complaints, an offer that waits for a peer, and a refused item.
    async fn fill_listings(&self) {
        let node = self.node().await;
        for title in ["Jalan rusak", "Lampu mati", "Sampah menumpuk"] {
            let lodged = node.lodges(title).await;
            node.forwards(lodged.complaint, "kota-bandung").await;
        }
        let mut institution = Impostor::of(&self.federation.folder_of(LONGEST_ID));
        let address = self.federation.address_of("prov-jabar");
        let mut connection = institution.dial(&agency("prov-jabar"), &address).await.expect("a member may connect");
        connection.greet(&institution).await;
        for index in 1..=3 {
            let made = institution.lodge_under_an_unknown_key();
            connection.deliver(index, vec![made.item]).await;
        }
    }
}

/// The fields of each listing in alphabetical order. They are a promise to scripts (`cli/src/view`): a missing field breaks a script.
const COMPLAINT: &str = "answer_by area category changed_at class digest entries external_id external_source holder id intake kind \
                         lodged_at offered_to phase self_closed title";
const PEER: &str = "acknowledged agency certificate_expires charter_version clock_offset_ms direction endpoint first_failure last_error \
                    last_success linked_since next_retry oldest_queued peer_epoch peer_size protocol queue_depth received received_entries \
                    refused reset_at reset_reason sent sent_entries state";
const OUTGOING: &str = "at author body bytes complaint entry_id leaf_index number peer state";
const REFUSED: &str = "at author body code code_name complaint direction entry_id number peer reason";

#[test]
fn a_node_that_is_down_is_exit_code_3_with_how_to_start_it() {
    let federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of("prov-jabar");
    let lodge = ["complaint", "lodge", "--category", "road", "--title", "Jalan", "--text", "rusak"];
    for command in [&["status"][..], &["peer", "list"], &["complaint", "list"], &["ledger", "verify"], &lodge] {
        let said = run_on(&folder, command);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{command:?}: {said:?}");
        let help = format!("help: start the node with `sinergi --node {} run`", folder.display());
        assert!(said.err.contains("sinergid.sock") && said.err.contains(&help), "{said:?}");
    }
    let nothing = run_in(federation.folder(), &["status"]);
    assert_eq!(nothing.code, 3, "{nothing:?}");
    assert!(nothing.err.contains("sinergid.toml") && nothing.err.contains("sinergi init"), "{nothing:?}");
}

#[tokio::test]
async fn a_node_that_was_killed_is_distinguished_from_one_that_was_stopped() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("prov-jabar").await;
    federation.process_mut("prov-jabar").kill().await;
    let folder = federation.folder_of("prov-jabar");
    let killed = run_on(&folder, &["status"]);
    assert_eq!(killed.code, 3, "{killed:?}");
    assert!(killed.err.contains("nobody listens there: the node has stopped"), "{killed:?}");
    federation.start_node("prov-jabar").await;
    federation.stop_node("prov-jabar").await;
    let stopped = run_on(&folder, &["status"]);
    assert!(stopped.code == 3 && stopped.err.contains("there is no such socket"), "{stopped:?}");
}

#[test]
fn wrong_usage_is_exit_code_2_and_the_error_shows_the_valid_input() {
    let folder = tempfile::tempdir().expect("a folder");
    for (line, words) in [
        ("", "Usage: sinergi"),
        ("complaint", "Usage: sinergi complaint"),
        ("complaint destroy", "unrecognized subcommand 'destroy'"),
        ("status --colour", "unexpected argument '--colour'"),
        ("complaint list --limit 0", "invalid value '0' for '--limit <N>'"),
        ("complaint list --limit many", "invalid value 'many' for '--limit <N>'"),
        ("complaint list --phase lost", "[possible values: received,"),
        ("complaint list --holder Kota_Bandung", "invalid value 'Kota_Bandung' for '--holder <AGENCY>'"),
        ("complaint forward 0123456789", "--to <"),
        ("peer list --state up", "[possible values: linked,"),
        ("status --output yaml", "[possible values: table, json]"),
        ("status --node a --socket b", "--node and --socket cannot be used together"),
    ] {
        let words_of_line: Vec<&str> = line.split_whitespace().collect();
        let said = run_in(folder.path(), &words_of_line);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{line}: {said:?}");
        assert!(said.err.contains(words), "{line} does not say {words}: {}", said.err);
    }
}

#[tokio::test]
async fn a_bad_complaint_is_refused_by_field_value_and_bound_and_adds_nothing() {
    let province = Province::start().await;
    let before = province.ledger_size();
    let long_title = "x".repeat(limits::TITLE_BYTES + 1);
    let long_place = "x".repeat(limits::TEXT_FIELD_BYTES + 1);
    let long_code = "x".repeat(limits::CATEGORY_BYTES + 1);
    // An argument has at most 128 KiB on Linux, so the over-long text comes from a file.
    let long_text = province.federation.folder().join("long.txt");
    std::fs::write(&long_text, "x".repeat(limits::BODY_BYTES + 1)).expect("written");
    let long_text = long_text.to_str().expect("a path");
    let good = [("--category", "road"), ("--title", "Jalan rusak"), ("--text", "Berlubang.")];
    for (field, value, words) in [
        ("--title", "", &["title", "empty"][..]),
        ("--title", "  ", &["title", "empty"]),
        ("--title", &long_title, &["title", "513 bytes", "at most 512"]),
        ("--title", "Jalan\u{7} rusak", &["title", "U+0007", "character 6"]),
        ("--title", "Jalan\nrusak", &["title", "U+000A"]),
        ("--text", "", &["text", "empty"]),
        ("--text", "\n \n", &["text", "empty"]),
        ("--text", "ber\u{1b}[2Jlubang", &["text", "U+001B", "character 4"]),
        ("--text-file", long_text, &["longer than 245760 bytes"]),
        ("--text-file", "/nonexistent/text", &["/nonexistent/text"]),
        ("--category", "", &["--category", "must not be empty"]),
        ("--category", &long_code, &["--category", "129 bytes", "at most 128"]),
        ("--category", "ro\u{85}ad", &["--category", "U+0085"]),
        ("--area", "", &["--area", "must not be empty"]),
        ("--location", &long_place, &["location", "2049 bytes", "at most 2048"]),
        ("--reporter", "Si\u{1}ti", &["reporter", "U+0001", "character 3"]),
        ("--occurred-at", "2026-02-30", &["--occurred-at", "2026-02-30", "write RFC 3339"]),
        ("--occurred-at", "yesterday", &["--occurred-at", "yesterday", "write RFC 3339"]),
        ("--occurred-at", "2026-03-01 25:00:00Z", &["--occurred-at", "2026-03-01 25:00:00Z", "write RFC 3339"]),
        ("--kind", "whim", &["--kind", "whim", "complaint"]),
        ("--class", "identity", &["class", "identity", "public or confidential"]),
        ("--source", "lapor", &["--external-id"]),
    ] {
        let replaced = if field == "--text-file" { "--text" } else { field };
        let options = good.into_iter().filter(|(name, _)| *name != replaced).chain([(field, value)]);
        let mut arguments = vec!["complaint", "lodge"];
        arguments.extend(options.flat_map(|(name, value)| [name, value]));
        let said = province.run(&arguments);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{field} {value:.40}: {said:?}");
        for word in words {
            assert!(said.err.contains(word), "{field} {value:.40} does not say {word}: {}", said.err);
        }
        assert!(!said.err.contains('\u{1b}'), "{field} {value:.40}: {said:?}");
    }
    assert_eq!(province.ledger_size(), before, "nothing was added");
    let mut arguments = vec!["complaint", "lodge"];
    arguments.extend(good.into_iter().flat_map(|(name, value)| [name, value]));
    let lodged = province.run(&arguments);
    assert!(lodged.code == 0 && province.ledger_size() > before, "the good one is lodged: {lodged:?}");
}

#[tokio::test]
async fn the_node_refuses_the_same_bad_requests_as_the_command_line() {
    let province = Province::start().await;
    let node = province.node().await;
    let before = node.status().await.ledger_size;
    let changed = |change: &dyn Fn(&mut operator_api::LodgeRequest, &mut wire::Text)| {
        let mut request = complaint_about("Jalan rusak");
        let mut text = request.text.take().expect("a text");
        change(&mut request, &mut text);
        request.text = Some(text);
        request
    };
    for (request, words) in [
        (changed(&|_, text| text.title.clear()), "title"),
        (changed(&|_, text| text.title = "x".repeat(513)), "at most 512"),
        (changed(&|_, text| text.body = " \n".to_owned()), "text"),
        (changed(&|_, text| text.body = "x".repeat(limits::BODY_BYTES + 1)), "at most 245760"),
        (changed(&|_, text| text.body.push('\0')), "U+0000"),
        (changed(&|_, text| text.reporter = "\u{9b}".to_owned()), "U+009B"),
        (changed(&|_, text| text.occurred_at = "2026-02-30T00:00:00Z".to_owned()), "2026-02-30"),
        (changed(&|request, _| request.category.clear()), "category"),
        (changed(&|request, _| request.area = "x".repeat(65)), "at most 64"),
        (changed(&|request, _| request.kind = 0), "kind"),
        (changed(&|request, _| request.class = wire::ContentClass::Identity.into()), "class"),
        (changed(&|request, _| request.external = Some(operator_api::ExternalReference::default())), "source"),
        (changed(&|request, _| request.forward = Some(operator_api::Forward::default())), "to"),
    ] {
        let status = node.lodges_request(request).await.expect_err(words);
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(words), "{status} does not say {words}");
    }
    assert_eq!(node.status().await.ledger_size, before, "nothing was added");
}

#[tokio::test]
async fn an_unknown_complaint_is_exit_code_4_and_a_name_too_short_is_wrong_usage() {
    let province = Province::start().await;
    province.node().await.lodges("Jalan rusak").await;
    for command in ["show", "timeline", "accept", "withdraw", "respond"] {
        let text = if command == "respond" { &["--text", "x"][..] } else { &[] };
        let arguments = |name| [&["complaint", command, name], text].concat();
        let unknown = province.run(&arguments("zzzzzzzzzz"));
        assert_eq!((unknown.code, unknown.out.as_str()), (4, ""), "{command}: {unknown:?}");
        assert!(unknown.err.contains("there is no complaint zzzzzzzzzz here"), "{unknown:?}");
        for short in ["", "abcde", "abc/defgh", "kota-bandung!"] {
            let said = province.run(&arguments(short));
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{command} {short}: {said:?}");
            assert!(said.err.contains("6"), "the refusal names the bound: {said:?}");
        }
    }
}

#[tokio::test]
async fn a_complaint_is_named_by_any_six_characters_of_its_id() {
    let province = Province::start().await;
    let lodged = province.node().await.lodges("Jalan rusak").await;
    let id = lodged.complaint.to_string();
    for start in (0..=id.len() - 6).step_by(5).chain([id.len() - 6]) {
        let part = &id[start..start + 6];
        assert_eq!(province.json(&["complaint", "show", part])["complaint"]["id"], id.as_str(), "{part}");
        assert_eq!(province.json(&["complaint", "show", &part.to_uppercase()])["complaint"]["id"], id.as_str());
    }
    assert_eq!(province.json(&["complaint", "show", &id])["complaint"]["id"], id.as_str());
}

#[tokio::test]
async fn an_ambiguous_name_is_refused_with_all_candidates_and_changes_nothing() {
    let province = Province::start().await;
    let node = province.node().await;
    // Ids begin with the time, and the first six characters change every four minutes. Of three ids in a row, two share them.
    let mut ids = Vec::new();
    for title in ["satu", "dua", "tiga"] {
        ids.push(node.lodges(title).await.complaint.to_string());
    }
    let pair = ids.windows(2).find(|pair| pair[0][..6] == pair[1][..6]).expect("two of the same minutes");
    let before = province.ledger_size();
    for command in [&["show"][..], &["forward", "--to", "kota-bandung"]] {
        let said = province.run(&[&["complaint", command[0], &pair[0][..6]], &command[1..]].concat());
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains("names several complaints, write more of it"), "{said:?}");
        assert!(pair.iter().all(|id| said.err.contains(id)), "{said:?}");
    }
    assert_eq!(province.ledger_size(), before);
}

#[tokio::test]
async fn an_act_against_the_rules_is_exit_code_4_and_adds_nothing() {
    let federation = TestFederation::start(province_and_city()).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let lodged = city.lodges("Jalan rusak").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    province.sees(lodged.complaint, |seen| seen.offered_to == "prov-jabar").await;
    let id = lodged.complaint.to_string();
    let before = province.status().await.ledger_size;
    let folder = federation.folder_of("prov-jabar");
    for (command, words) in [
        (&["forward", &id, "--to", "kota-bandung"][..], "kota-bandung holds it"),
        (&["resolve", &id, "--outcome", "fixed", "--text", "x"], "kota-bandung holds it"),
        (&["withdraw", &id], "kota-bandung"),
        (&["recall", &id], "kota-bandung"),
    ] {
        let said = run_on(&folder, &[&["complaint"], command].concat());
        assert_eq!((said.code, said.out.as_str()), (4, ""), "{command:?}: {said:?}");
        assert!(said.err.contains(words) && said.err.contains("help: "), "{command:?}: {said:?}");
    }
    assert_eq!(province.status().await.ledger_size, before, "nothing was added");
    let accepted = run_on(&folder, &["complaint", "accept", &id]);
    assert_eq!(accepted.code, 0, "an act that the rules allow is refused: {accepted:?}");
}

#[tokio::test]
async fn every_listing_is_an_array_of_objects_with_its_documented_fields_and_obeys_its_limit() {
    let province = Province::start().await;
    province.fill_listings().await;
    for (command, fields, least) in [
        (["complaint", "list"], COMPLAINT, 3),
        (["peer", "list"], PEER, 2),
        (["outbox", "list"], OUTGOING, 3),
        (["refused", "list"], REFUSED, 3),
    ] {
        let all = province.listing(&command);
        assert!(all.len() >= least, "{command:?} has {} rows of {least}", all.len());
        for row in &all {
            let mut names: Vec<&str> = row.keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names.join(" "), fields, "{command:?}");
        }
        let all_but_one = all.len() - 1;
        for limit in [1, all_but_one] {
            let some = province.listing(&[&command[..], &["--limit", &limit.to_string()]].concat());
            assert_eq!(some, all[..limit], "{command:?} --limit {limit}");
        }
        let empty = province.listing(&[&command[..], filter_for_nothing(command[0])].concat());
        assert!(empty.is_empty(), "{command:?}: an empty listing is an empty array");
    }
}

/// A filter that no row of a listing passes.
fn filter_for_nothing(listing: &str) -> &'static [&'static str] {
    match listing {
        "complaint" => &["--phase", "closed"],
        "peer" => &["--state", "stopped"],
        "outbox" => &["--peer", LONGEST_ID],
        _ => &["--direction", "by-peer"],
    }
}

#[tokio::test]
async fn peer_list_tells_state_failures_queue_cursors_certificate_and_protocol() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let lodged = city.lodges("Jalan rusak").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    province.accepts(lodged.complaint).await;
    city.sees(lodged.complaint, |seen| seen.holder == "prov-jabar").await;
    city.has_an_empty_outbox().await;
    let folder = federation.folder_of("kota-bandung");
    let peer = || {
        let said = run_on(&folder, &["peer", "list", "--output", "json"]);
        serde_json::from_str::<Vec<Value>>(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}")).remove(0)
    };
    let linked = peer();
    for (field, expected) in [("agency", "prov-jabar"), ("state", "linked"), ("direction", "dials")] {
        assert_eq!(linked[field], expected, "{linked}");
    }
    assert_eq!((&linked["queue_depth"], &linked["protocol"]), (&0.into(), &2.into()), "{linked}");
    for field in ["last_success", "linked_since", "certificate_expires"] {
        assert!(linked[field].as_str().is_some_and(|time| time.ends_with('Z')), "{field}: {linked}");
    }
    for field in ["sent", "acknowledged", "received"] {
        assert!(linked[field]["index"].as_u64().is_some_and(|index| index > 0), "{field}: {linked}");
    }
    for field in ["first_failure", "last_error", "next_retry", "oldest_queued"] {
        assert!(linked[field].is_null(), "{field}: {linked}");
    }

    federation.stop_node("prov-jabar").await;
    city.lodges("Lampu mati").await;
    let second = city.lodges("Sampah").await;
    city.forwards(second.complaint, "prov-jabar").await;
    city.sees_peer("prov-jabar", |peer| peer.first_failure > 0 && peer.next_retry > 0).await;
    // Between two tries the state changes for a moment, and `next_retry` is empty.
    let failing = peer();
    assert!(["backoff", "connecting"].iter().any(|state| failing["state"] == *state), "{failing}");
    assert!(failing["last_error"].as_str().is_some_and(|error| !error.is_empty()), "{failing}");
    for field in ["first_failure", "oldest_queued", "last_success"] {
        assert!(failing[field].as_str().is_some_and(|time| time.ends_with('Z')), "{field}: {failing}");
    }
    assert!(failing["queue_depth"].as_u64().is_some_and(|depth| depth >= 2), "{failing}");
    assert!(failing.get("next_retry").is_some(), "{failing}");
}

#[tokio::test]
async fn pages_fit_eighty_columns_and_carry_no_colour_into_a_pipe() {
    let province = Province::start().await;
    province.fill_listings().await;
    let node = province.node().await;
    let mut request = complaint_about(&"Jalan berlubang di depan sekolah ".repeat(10));
    if let Some(text) = &mut request.text {
        text.body = format!("{}\n{}", "kata ".repeat(100), "takada-spasi-".repeat(20));
        text.location = "Jalan Asia Afrika 8, ".repeat(8);
        text.reporter = "Siti Nurhaliza binti ".repeat(8);
    }
    let lodged = node.lodges_request(request).await.expect("lodged");
    let forward = operator_api::Forward { to: LONGEST_ID.to_owned(), reason: 1, answer_by: 0 };
    node.acts(lodged.complaint, operator_api::act_request::Act::Forward(forward), None)
        .await
        .expect("the holder forwards");
    let id = lodged.complaint.to_string();
    for command in [
        &["status"][..],
        &["peer", "list"],
        &["peer", "show", LONGEST_ID],
        &["complaint", "show", &id],
        &["complaint", "timeline", &id],
        &["complaint", "list"],
        &["outbox", "list"],
        &["refused", "list"],
        &["ledger", "verify"],
    ] {
        let page = province.page(command);
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "{command:?} has a line of {}: {line}\n{page}", line.chars().count());
        }
        assert!(!page.contains('\u{1b}'), "{command:?}: {page:?}");
        assert!(page.lines().count() > 0 && page.ends_with('\n'), "{command:?}: {page:?}");
    }
}

#[tokio::test]
async fn a_terminal_shows_colours_unless_no_color_is_set() {
    let province = Province::start().await;
    province.node().await.lodges("Jalan rusak").await;
    let folder = province.federation.folder_of("prov-jabar");
    for command in [&["complaint", "list"][..], &["peer", "list"]] {
        let coloured = shown_on(&folder, command, &[]);
        assert!(coloured.contains("\u{1b}["), "{coloured:?}");
        let plain = shown_on(&folder, command, &[("NO_COLOR", "1")]);
        assert!(
            !plain.contains('\u{1b}') && plain.contains("prov-jabar") | plain.contains("kota-bandung"),
            "{plain:?}"
        );
        let dumb = shown_on(&folder, command, &[("TERM", "dumb")]);
        assert!(!dumb.contains('\u{1b}'), "{dumb:?}");
    }
}

#[tokio::test]
async fn a_sound_ledger_verifies_with_exit_code_0_and_a_damaged_one_with_5() {
    let province = Province::start().await;
    province.fill_listings().await;
    let sound = province.json(&["ledger", "verify"]);
    assert_eq!(sound["findings"], Value::Array(Vec::new()), "{sound}");
    assert!(sound["checked"] == sound["total"] && sound["total"].as_u64() > Some(0), "{sound}");

    let segment = province.federation.folder_of("prov-jabar").join("ledger/00000001.seg");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, &bytes).expect("written");
    let damaged = province.run(&["ledger", "verify", "--output", "json"]);
    assert_eq!(damaged.code, 5, "{damaged:?}");
    let report: Value = serde_json::from_str(&damaged.out).expect("JSON");
    let finding = &report["findings"][0];
    for field in ["file", "problem", "advice"] {
        assert!(finding[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {report}");
    }
}

#[tokio::test]
async fn the_environment_names_the_node_and_the_format() {
    let province = Province::start().await;
    province.node().await.lodges("Jalan rusak").await;
    let folder = province.federation.folder_of("prov-jabar");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let line = |variables: &str| format!("{variables} '{}' complaint list", sinergi().display());
    let run = |variables: &str| said(Command::new("sh").current_dir(&elsewhere).args(["-c", &line(variables)]));
    assert_eq!(run("").code, 3, "no node here");
    let named = run(&format!("SINERGI_NODE='{}' SINERGI_OUTPUT=json", folder.display()));
    assert!(named.code == 0 && serde_json::from_str::<Vec<Value>>(&named.out).is_ok(), "{named:?}");
    let socket = run(&format!("SINERGI_SOCKET='{}'", folder.join("sinergid.sock").display()));
    assert!(socket.code == 0 && socket.out.starts_with("COMPLAINT"), "{socket:?}");
}

#[tokio::test]
async fn a_reply_code_that_cannot_be_written_to_stdout_is_shown_on_stderr() {
    let province = Province::start().await;
    let folder = province.federation.folder_of("prov-jabar");
    let mut command = Command::new(sinergi());
    command.arg("--node").arg(folder).args(["complaint", "lodge", "--title", "Banjir", "--text", "Sejak pagi"]);
    command.args(["--category", "flood"]);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device that is always full");
    let lodged = said(command.stdout(full));
    assert!(lodged.code == 1 && lodged.err.contains("reply code  "), "{lodged:?}");
    assert_eq!(province.node().await.lists().await.len(), 1);
}

#[tokio::test]
async fn a_reader_that_leaves_early_ends_a_listing_quietly() {
    let province = Province::start().await;
    province.node().await.lodges("Jalan rusak").await;
    let folder = province.federation.folder_of("prov-jabar");
    let mut command = Command::new(sinergi());
    command.arg("--node").arg(folder).args(["complaint", "list", "--output", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success() && said.is_empty(), "{:?}: {said}", ended.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_listings_can_be_shown_and_a_peer_pinged() {
    let mut stage = Stage::set().await;
    // The test needs an item that waits for an unlinked peer, and a refused item.
    let broken = stage.impostor.lodge_under_an_unknown_key();
    stage.link().await.deliver(1, vec![broken.item]).await;
    let city = stage.federation.folder_of("kota-bandung");
    let json = |arguments: &[&str]| -> Value {
        let said = run_on(&city, &[arguments, &["--output", "json"]].concat());
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        serde_json::from_str(&said.out).expect("JSON")
    };
    let text = ["--title", "Banjir", "--text", "Sejak pagi", "--category", "flood", "--forward-to", "kominfo"];
    let lodged = json(&[&["complaint", "lodge"], &text[..]].concat());
    assert!(lodged["reply_code"].is_string(), "{lodged}");

    let waiting = json(&["outbox", "list", "--peer", "kominfo"]);
    let number = format!("kominfo/{}", waiting[0]["leaf_index"]);
    let shown = json(&["outbox", "show", &number]);
    assert_eq!((&shown["entry_id"], &shown["complaint"]), (&waiting[0]["entry_id"], &lodged["complaint"]));

    let refused = json(&["refused", "list"]);
    let shown = json(&["refused", "show", refused[0]["number"].as_str().expect("a number")]);
    assert_eq!((&shown["code"], &shown["peer"]), (&Value::from(202), &Value::from("kominfo")));
    assert_eq!(run_on(&city, &["refused", "show", "9-9-9"]).code, 4, "no such refusal");

    assert!(run_on(&city, &["peer", "ping", "prov-jabar"]).out.contains("prov-jabar answered in"));
    let unlinked = run_on(&city, &["peer", "ping", "kominfo"]);
    assert!(unlinked.code != 0 && unlinked.err.contains("kominfo is not linked"), "{unlinked:?}");
    assert_eq!(json(&["peer", "show", "prov-jabar"])["state"], "linked");
}

#[test]
fn a_certificate_and_a_charter_are_shown_with_the_agencies_that_they_name() {
    let federation = TestFederation::make(province_and_city());
    let folder = federation.folder_of("kota-bandung");
    let certificate = run_on(&folder, &["pki", "show"]);
    assert_eq!(certificate.code, 0, "{certificate:?}");
    assert!(certificate.out.contains("spiffe://lapor.example/agency/kota-bandung"), "{certificate:?}");
    let charter = run_in(&folder, &["charter", "show", "charter/00000001.note", "--output", "json"]);
    let shown: Value = serde_json::from_str(&charter.out).expect("JSON");
    assert_eq!((&shown["version"], &shown["federation"]), (&Value::from(1), &Value::from("lapor.example")), "{shown}");
    for id in ["kota-bandung", "prov-jabar"] {
        assert!(charter.out.contains(id), "{charter:?}");
    }
}

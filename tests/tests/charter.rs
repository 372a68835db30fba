//! A newer charter on its way through the federation.

use data_encoding::BASE64;
use sinergi_cli::demo::wait;
use sinergi_proto::charter::MemberStatus;
use sinergi_proto::limits;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::refusal::{DeferralCode, FaultCode};
use sinergi_proto::wire::{self, frame::Kind as FrameKind};
use sinergi_tests::federation::{PATIENCE, TestNode, agency};
use sinergi_tests::stage::Stage;

async fn has_charter(node: &TestNode, version: u64) {
    let adopted =
        wait::until(PATIENCE, async || Ok::<_, ()>((node.status().await.charter_version == version).then_some(())));
    assert!(adopted.await.expect("no error").is_some(), "{} does not adopt charter version {version}", node.id);
}

#[tokio::test]
async fn a_newer_charter_reaches_every_node_over_the_links_and_what_waited_for_it_is_taken() {
    let Stage { mut federation, mut impostor } = Stage::set().await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let note = federation.next_charter(|text| text.grace_days = 60);
    let address = federation.address_of("kota-bandung");
    let mut link = impostor.dial(&agency("kota-bandung"), &address).await.expect("a member");
    link.greet(impostor.hello()).await;

    let lodged_under_it = {
        let mut draft = impostor.draft_of_lodged();
        draft.charter_version = 2;
        impostor.sign(draft, Vec::new())
    };
    let receipt = link.deliver(1, vec![lodged_under_it.item.clone()]).await;
    let waits = ItemOutcome::Deferred(DeferralCode::MissingCharter.number());
    assert_eq!(receipt.results[0].outcome, waits);

    link.say(FrameKind::Charter(wire::CharterNote { note })).await;
    has_charter(&city, 2).await;
    has_charter(&province, 2).await;
    city.sees(lodged_under_it.complaint, |seen| seen.intake == "kominfo").await;
    assert_eq!(city.status().await.deferred, 0);

    // It is kept, and work goes on under it.
    federation.stop_node("kota-bandung").await;
    assert_eq!(federation.start_node("kota-bandung").await.charter_version, 2);
    let city = federation.node("kota-bandung").await;
    let lodged = city.lodges("Di bawah piagam baru").await;
    city.forwards(lodged.complaint, "prov-jabar").await;
    province.accepts(lodged.complaint).await;
}

#[tokio::test]
async fn a_charter_that_too_few_signed_is_not_adopted() {
    let Stage { federation, impostor } = Stage::set().await;
    let city = federation.node("kota-bandung").await;
    let note = federation.next_charter(|text| text.grace_days = 60);
    let text = String::from_utf8(note).expect("text");
    // One signature line alone, of the several that there must be.
    let (body, lines) = text.rsplit_once("\n\n").expect("a signed note");
    let one = lines.lines().next().expect("a signature");
    let below = format!("{body}\n\n{one}\n").into_bytes();
    let address = federation.address_of("kota-bandung");
    let mut link = impostor.dial(&agency("kota-bandung"), &address).await.expect("a member");
    link.greet(impostor.hello()).await;
    link.say(FrameKind::Charter(wire::CharterNote { note: below })).await;
    // Whatever came after the charter was read after it.
    let mut impostor = impostor;
    let made = impostor.lodge("Sesudah piagam palsu");
    link.deliver(1, vec![made.item]).await;
    assert_eq!(city.status().await.charter_version, 1);
}

/// The same note, but that a bit of its last signature is another.
fn with_a_broken_signature(note: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(note).expect("text").trim_end();
    let (before, last) = text.rsplit_once(' ').expect("a signature");
    let mut signature = BASE64.decode(last.as_bytes()).expect("base64");
    *signature.last_mut().expect("a signature") ^= 1;
    format!("{before} {}\n", BASE64.encode(&signature)).into_bytes()
}

#[tokio::test]
async fn a_charter_that_no_honest_peer_passes_on_is_told_to_the_operator_once_a_link_and_the_link_goes_on() {
    let mut stage = Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    let good = stage.federation.next_charter(|text| text.grace_days = 60);
    let large = [b"#".repeat(limits::CHARTER_BYTES).as_slice(), b"\n", &good].concat();
    // The error of a TOML text shows its place, on several lines.
    let no_charter =
        [b"version = 'two'\n\n", good.rsplit(|byte| *byte == b'\n').nth(1).expect("a signature"), b"\n"].concat();
    let first = std::str::from_utf8(stage.federation.charter()).expect("text");
    let another_first = first.replacen("grace_days = 30", "grace_days = 31", 1).into_bytes();
    assert_ne!(another_first, first.as_bytes());
    let notes = [
        (large, "no signed note of at most 1000000 bytes"),
        (b"\xff\xff no charter".to_vec(), "no signed note"),
        (no_charter, "the charter's text"),
        (with_a_broken_signature(&good), "a signature on charter version 2 does not verify"),
        (another_first, "version"),
    ];
    for (index, (note, reason)) in (1..).zip(notes) {
        let mut link = stage.link().await;
        // What is here already is passed on by honest peers, too.
        for note in [stage.federation.charter(), &note, &note] {
            link.say(FrameKind::Charter(wire::CharterNote { note: note.to_vec() })).await;
        }
        let honest = stage.impostor.lodge("Sesudah piagam itu");
        let receipt = link.deliver(index, vec![honest.item]).await;
        assert!(matches!(receipt.results[0].outcome, ItemOutcome::Leaf(_)), "the link goes on: {receipt:?}");
        let log = stage.federation.log_of("kota-bandung");
        let told: Vec<_> = log.lines().filter(|line| line.contains("did not adopt a charter")).collect();
        assert_eq!(told.len() as u64, index, "{log}");
        let last = told.last().expect("a line");
        assert!(last.contains("WARN") && last.contains("kominfo") && last.contains(reason), "{last}");
        assert_eq!(city.status().await.charter_version, 1);
    }
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn a_member_that_a_newer_charter_retires_loses_its_link() {
    let Stage { federation, impostor } = Stage::set().await;
    let address = federation.address_of("kota-bandung");
    let retired = |text: &mut sinergi_proto::charter::CharterText| {
        let member = text.member.iter_mut().find(|member| member.id == agency("kominfo")).expect("a member");
        member.status = MemberStatus::Retired;
    };
    let note = federation.next_charter(retired);
    let mut link = impostor.dial(&agency("kota-bandung"), &address).await.expect("a member still");
    link.greet(impostor.hello()).await;
    link.say(FrameKind::Charter(wire::CharterNote { note })).await;
    assert_eq!(link.fault().await.0, FaultCode::NotPermitted.number());
    let again = impostor.dial(&agency("kota-bandung"), &address).await;
    assert!(again.is_err(), "its certificate counts no more");
}

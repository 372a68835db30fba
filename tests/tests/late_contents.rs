//! Contents that arrive after their entries, or after they were erased. The test plays the node of one member.

use prost::Message;
use sinergi_proto::base::refusal::RefusalCode;
use sinergi_proto::entry::ContentClass;
use sinergi_proto::entry::content::Content;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::ComplaintDetail;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire;
use sinergi_tests::federation::TestNode;
use sinergi_tests::folder::files_with;
use sinergi_tests::stage::Stage;

/// The availability of the first content of an entry; `None` if the node does not have the entry yet.
fn availability(detail: &ComplaintDetail, body: &str) -> Option<String> {
    let row = detail.timeline.iter().find(|row| row.body == body)?;
    Some(row.content[0].availability.clone())
}

async fn shows(node: &TestNode, complaint: sinergi_proto::base::ids::ComplaintId, body: &str, expected: &str) {
    let seen = sinergi_cli::demo::wait::until(sinergi_tests::federation::PATIENCE, async || {
        let detail = node.shows(complaint).await;
        Ok::<_, tonic::Status>(detail.filter(|detail| availability(detail, body).as_deref() == Some(expected)))
    });
    assert!(
        seen.await.expect("the node answers").is_some(),
        "{} does not show {body}'s content as {expected}",
        node.id
    );
}

#[tokio::test]
async fn a_content_that_comes_after_its_entry_is_passed_on_though_nothing_else_happens() {
    let stage = &mut Stage::set().await;
    let made = stage.impostor.lodge("Isi menyusul");
    let forward = stage.impostor.forward(made.complaint, made.id, "prov-jabar");
    let bare = wire::Item { content: Vec::new(), ..made.item.clone() };
    let mut link = stage.link().await;
    link.deliver(2, vec![bare, forward.item.clone()]).await;
    let province = stage.federation.node("prov-jabar").await;
    province.sees(made.complaint, |seen| seen.offered_to == "prov-jabar").await;
    let city = stage.federation.node("kota-bandung").await;
    city.has_an_empty_outbox().await;
    shows(&province, made.complaint, "Lodged", "awaited").await;

    let size = city.status().await.ledger_size;
    link.deliver(3, vec![made.item.clone()]).await;
    shows(&province, made.complaint, "Lodged", "here").await;
    assert_eq!(city.status().await.ledger_size, size, "no new leaf was needed");

    // The same holds after a restart: nothing is sent twice, and new items are passed on.
    stage.federation.stop_node("kota-bandung").await;
    stage.federation.start_node("kota-bandung").await;
    stage.others_are_unaffected().await;
}

#[tokio::test]
async fn erased_content_that_is_sent_again_is_refused_and_stays_erased() {
    let stage = &mut Stage::set().await;
    let city = stage.federation.node("kota-bandung").await;
    let lodged = city.lodges("Hapus data saya").await;
    city.forwards(lodged.complaint, "kominfo").await;
    let mut link = stage.link().await;
    let delivered = link.delivery().await;
    let with_content = delivered.items.iter().find(|item| !item.content.is_empty()).expect("the text").clone();

    let erase = Act::Erase(operator_api::Erase { ground: 1, entries: Vec::new() });
    city.acts(lodged.complaint, erase, None).await.expect("the intake agency proposes");
    let province = stage.federation.node("prov-jabar").await;
    let proposed = |seen: &operator_api::ComplaintSummary| seen.entries >= 3;
    province.sees(lodged.complaint, proposed).await;
    province
        .acts(lodged.complaint, Act::Approve(operator_api::Approve::default()), None)
        .await
        .expect("the supervisor approves");
    shows(&city, lodged.complaint, "Lodged", "erased").await;

    let mut again = stage.link().await;
    let receipt = again.deliver(9, vec![with_content]).await;
    assert!(matches!(receipt.results[0].outcome, ItemOutcome::Leaf(_)), "the entry is here: {receipt:?}");
    let refused = city.refused().await;
    assert_eq!(refused.first().map(|item| item.code), Some(RefusalCode::ContentErased.number()), "{refused:#?}");
    shows(&city, lodged.complaint, "Lodged", "erased").await;
    for (node, id) in [(&city, "kota-bandung"), (&province, "prov-jabar")] {
        node.has_a_sound_ledger().await;
        let folder = stage.federation.folder_of(id).join("ledger");
        assert!(files_with(&folder, b"Hapus data saya").is_empty(), "{id} still has the text");
    }
}

#[tokio::test]
async fn an_item_that_waited_leaves_no_second_copy_of_its_content() {
    let stage = &mut Stage::set().await;
    let lodged = stage.impostor.lodge("Induk");
    let text = wire::Text { body: "Jawaban yang menunggu".to_owned(), ..Default::default() };
    let answer = Content { commitment: 0, salt: [3; 32], data: text.encode_to_vec().into() };
    let body = wire::entry::Body::Responded(wire::Responded { basis: lodged.id.0.to_vec() });
    let mut draft = stage.impostor.draft(Some(lodged.complaint), vec![lodged.id], body);
    draft.content = vec![answer.commit(ContentClass::Public)];
    let responded = stage.impostor.sign(draft, vec![answer]);
    let mut link = stage.link().await;
    let receipt = link.deliver(1, vec![responded.item.clone()]).await;
    assert!(matches!(receipt.results[0].outcome, ItemOutcome::Deferred(_)), "{receipt:?}");
    link.deliver(2, vec![lodged.item.clone()]).await;
    let city = stage.federation.node("kota-bandung").await;
    shows(&city, lodged.complaint, "Responded", "here").await;
    // Makes two more groups. The second is committed after the follow-up work of the first.
    stage.others_are_unaffected().await;
    let ledger = stage.federation.folder_of("kota-bandung").join("ledger");
    assert_eq!(copies(&ledger, b"Jawaban yang menunggu"), 1, "one copy, and none left of the item that waited");
    city.has_a_sound_ledger().await;
}

/// The number of occurrences of these bytes in the files of a folder.
fn copies(folder: &std::path::Path, text: &[u8]) -> usize {
    let files = std::fs::read_dir(folder).expect("the ledger's folder");
    let read =
        |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file.expect("a file").path()).expect("readable");
    files.map(read).map(|bytes| bytes.windows(text.len()).filter(|window| *window == text).count()).sum()
}

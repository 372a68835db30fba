//! Competing acts between real nodes: an act that a witness had in time counts, and one that is dated back gains nothing.

use std::time::Duration;

use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_daemon::base::time::now_millis;
use sinergi_proto::base::clock::HybridClock;
use sinergi_proto::base::ids::LedgerIndex;
use sinergi_proto::entry::EntryDraft;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire::{self, entry::Body};
use sinergi_tests::federation::{TestFederation, agency};
use sinergi_tests::peer::Impostor;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The draft with a clock of some time ago.
fn dated_back(draft: EntryDraft, by: Duration) -> EntryDraft {
    let millis = now_millis() - u64::try_from(by.as_millis()).expect("hours");
    EntryDraft { clock: HybridClock::new(millis, 0), ..draft }
}

#[tokio::test]
async fn an_offer_that_is_dated_back_does_not_undo_the_one_that_a_witness_had() {
    let agencies = vec![
        Agency::new(agency("prov-jabar"), Kind::Province).oversight(),
        Agency::new(agency("kota-bandung"), Kind::City).under(agency("prov-jabar")),
        Agency::new(agency("kominfo"), Kind::Ministry),
    ];
    let links = [("kota-bandung", "prov-jabar"), ("kominfo", "kota-bandung")];
    let mut federation = TestFederation::make_with_links(agencies, &links);
    federation.start_node("prov-jabar").await;
    federation.start_node("kota-bandung").await;
    let mut ministry = Impostor::of(&federation.folder_of("kominfo"));
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);

    let lodged = dated_back(ministry.draft_of_lodged(), 3 * HOUR);
    let lodged = ministry.sign(lodged, Vec::new());
    // The second offer takes the place before the first, so that it would win without a witness.
    ministry.next_place += 1;
    let offer = ministry.forward(lodged.complaint, lodged.id, "kota-bandung");
    let address = federation.address_of("kota-bandung");
    let mut link = ministry.dial(&agency("kota-bandung"), &address).await.expect("a member");
    link.greet(&ministry).await;
    link.deliver(3, vec![lodged.item.clone(), offer.item.clone()]).await;
    province.has_acts(lodged.complaint, 2).await;
    city.sees(lodged.complaint, |seen| seen.offered_to == "kota-bandung").await;

    let offers = Body::Forwarded(wire::Forwarded {
        basis: lodged.id.0.to_vec(),
        to: "prov-jabar".to_owned(),
        reason: wire::ForwardReason::Competence.into(),
        answer_by: now_millis() + 3_600_000,
    });
    let other = ministry.draft(Some(lodged.complaint), vec![lodged.id], offers);
    let mut other = dated_back(other, 2 * HOUR);
    other.place.index = LedgerIndex(1);
    let other = ministry.sign(other, Vec::new());
    let receipt = link.deliver(4, vec![other.item.clone()]).await;
    assert!(matches!(receipt.results[0].outcome, ItemOutcome::Leaf(_)), "it is kept: {receipt:?}");

    let shows_witness = |detail: &sinergi_proto::operator_api::ComplaintDetail| {
        let proven = detail.timeline.iter().find(|row| row.body == "Proven");
        proven.is_some_and(|row| row.proven == offer.id.0 && row.witness == "prov-jabar")
    };
    for node in [&city, &province] {
        let seen = node.sees_whole(lodged.complaint, shows_witness).await;
        let standing = |id: [u8; 32]| {
            let row = seen.timeline.iter().find(|row| row.entry_id == id).expect("nothing disappears");
            row.standing.clone()
        };
        assert_eq!((standing(offer.id.0), standing(other.id.0)), ("effective".to_owned(), "superseded".to_owned()));
    }
    city.accepts(lodged.complaint).await;
    province.sees(lodged.complaint, |seen| seen.holder == "kota-bandung").await;
    province.agrees_with(&city).await;
}

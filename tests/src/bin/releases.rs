//! `releases`: checks that a node of another release and one of this tree work together over one link.
//!
//! `releases OTHER_SINERGI [COMPLAINTS]`. OTHER_SINERGI is the `sinergi` command line of the other release; it runs the city's node. Each side
//! lodges and forwards COMPLAINTS complaints. The other side accepts every second one and returns the rest. Then both nodes restart. At the end both must
//! show the same entries, holders and phases of every complaint, empty outboxes, no refused items and sound ledgers.

use std::path::PathBuf;
use std::process::ExitCode;

use sinergi_proto::base::ids::ComplaintId;
use sinergi_tests::federation::{TestFederation, TestNode, province_and_city};
use sinergi_tests::measure::{CONNECTIONS, Load};
use tokio::time::Instant;

const CITY: &str = "kota-bandung";
const PROVINCE: &str = "prov-jabar";

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (other, complaints) = (arguments.next(), arguments.next().map_or(Ok(1000), |number| number.parse()));
    let (Some(other), Ok(complaints)) = (other.map(PathBuf::from), complaints) else {
        eprintln!(
            "usage: releases OTHER_SINERGI [COMPLAINTS]; COMPLAINTS is the number in each direction, 1000 by default"
        );
        return ExitCode::from(2);
    };
    if !other.is_file() {
        eprintln!("{} is no program", other.display());
        return ExitCode::from(2);
    }
    hand_over(other, complaints).await;
    ExitCode::SUCCESS
}

async fn hand_over(other: PathBuf, complaints: usize) {
    let began = Instant::now();
    let mut federation = TestFederation::make(province_and_city());
    federation.process_mut(CITY).run_by(other);
    federation.start_all().await;
    for (from, to) in [(CITY, PROVINCE), (PROVINCE, CITY)] {
        let load = Load { complaints, size: 1024, clients: 16, connections: CONNECTIONS, to: to.to_owned() };
        load.run(&federation, from).await;
    }
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    for node in [&city, &province] {
        node.has_complaints(2 * complaints).await;
    }
    answer_offers(&city).await;
    answer_offers(&province).await;
    settled(&city, &province).await;

    federation.stop_at_once(&[CITY, PROVINCE]).await;
    federation.start_all().await;
    let (city, province) = (federation.node(CITY).await, federation.node(PROVINCE).await);
    let after = city.lodges("Setelah mulai ulang").await;
    city.forwards(after.complaint, PROVINCE).await;
    province.sees(after.complaint, |seen| seen.offered_to == PROVINCE).await;
    settled(&city, &province).await;
    println!(
        "{complaints} complaints each way, handed over, answered and agreed on in {} s; ledgers of {} and {} leaves",
        began.elapsed().as_secs(),
        city.status().await.ledger_size,
        province.status().await.ledger_size
    );
}

/// Accepts every second complaint that is offered to a node, and returns the others.
async fn answer_offers(node: &TestNode) {
    let offered: Vec<ComplaintId> = node
        .lists()
        .await
        .into_iter()
        .filter(|row| row.offered_to == node.id)
        .map(|row| ComplaintId::from_slice(&row.complaint).expect("an id"))
        .collect();
    for (number, complaint) in offered.into_iter().enumerate() {
        if number % 2 == 0 {
            node.accepts(complaint).await;
        } else {
            node.returns(complaint, "").await;
        }
    }
}

/// Asserts that both agree on everything, have each other's receipts, and refused nothing.
async fn settled(city: &TestNode, province: &TestNode) {
    city.agrees_with(province).await;
    for node in [city, province] {
        node.keeps_its_receipts().await;
        let refused = node.refused().await;
        assert!(refused.is_empty(), "{} refused or was refused: {refused:#?}", node.id);
        node.has_a_sound_ledger().await;
    }
}

//! Many complaints lodged in one call, as an agency's own application does.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sinergi_cli::demo::wait;
use sinergi_cli::lodging::answer_of;
use sinergi_proto::operator_api;
use sinergi_tests::federation::{TestFederation, TestNode, complaint_about, province_and_city};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

/// The most calls that a node holds until it has heard its peers. It answers further calls with Busy.
const MOST_HELD: usize = 256;
/// The most time that a node holds a call.
const LONGEST_HOLD: Duration = Duration::from_secs(10);
/// A call without an answer after this time counts as held.
const HELD_AFTER: Duration = Duration::from_millis(100);

/// An open `LodgeStream` call.
struct Call {
    requests: mpsc::Sender<operator_api::LodgeRequest>,
    results: Streaming<operator_api::LodgeResult>,
}

impl Call {
    async fn begin(node: &TestNode) -> Self {
        let (requests, taken) = mpsc::channel(2 * MOST_HELD);
        let results = node.api.clone().lodge_stream(ReceiverStream::new(taken)).await.expect("a call").into_inner();
        Self { requests, results }
    }

    async fn asks(&self, request: operator_api::LodgeRequest) {
        self.requests.send(request).await.expect("the call is open");
    }

    /// Waits for the next answer. An error concerns only its own request, not the call.
    async fn hears(&mut self) -> Result<operator_api::LodgeReply, Status> {
        answer_of(self.results.message().await.expect("the call is open").expect("an answer to each request"))
    }
}

/// Whether a call met a full node.
///
/// # Panics
/// If it failed for another reason.
fn is_busy<T>(answer: &Result<T, Status>) -> bool {
    match answer {
        Ok(_) => false,
        Err(status) => {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
            true
        }
    }
}

fn forwarded(title: &str, to: &str) -> operator_api::LodgeRequest {
    let forward = operator_api::Forward { to: to.to_owned(), reason: 1, answer_by: 0 };
    operator_api::LodgeRequest { forward: Some(forward), ..complaint_about(title) }
}

#[tokio::test]
async fn requests_of_one_call_are_answered_in_their_order_and_a_bad_one_does_not_end_it() {
    let federation = TestFederation::start(province_and_city()).await;
    let (city, province) = (federation.node("kota-bandung").await, federation.node("prov-jabar").await);
    let mut call = Call::begin(&city).await;
    for number in 0..100 {
        call.asks(match number % 10 {
            3 => operator_api::LodgeRequest { kind: 0, ..complaint_about("tanpa jenis") },
            7 => forwarded(&format!("Laporan {number}"), "prov-jabar"),
            8 => forwarded(&format!("Laporan {number}"), "kota-bandung"),
            _ => complaint_about(&format!("Laporan {number}")),
        })
        .await;
    }
    let mut arriving = 0;
    for number in 0..100 {
        let answer = call.hears().await;
        if number % 10 == 3 {
            let bad = answer.expect_err("it has no kind");
            assert_eq!(bad.code(), Code::InvalidArgument);
            assert!(bad.message().contains("must be complaint, aspiration"), "{bad}");
            continue;
        }
        if number % 10 == 8 {
            let declined = answer.expect_err("it is offered to the agency that lodges it");
            assert_eq!(declined.code(), Code::FailedPrecondition, "{declined}");
            continue;
        }
        let reply = answer.expect("lodged");
        let complaint = sinergi_proto::base::ids::ComplaintId::from_slice(&reply.complaint).expect("an id");
        let title = city.shows(complaint).await.and_then(|detail| detail.summary).expect("lodged here").title;
        assert_eq!(title, format!("Laporan {number}"), "the answer belongs to another request");
        if number % 10 == 7 {
            province.sees(complaint, |seen| seen.offered_to == "prov-jabar" && !seen.title.is_empty()).await;
            arriving += 1;
        }
    }
    assert_eq!((arriving, city.lists().await.len()), (10, 80));
    let Call { requests, mut results } = call;
    drop(requests);
    assert!(results.message().await.expect("a good end").is_none(), "the call ends after the client's last request");
}

#[tokio::test]
async fn a_node_that_stops_answers_accepted_requests_and_ends_the_call_with_unavailable() {
    let mut federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    let mut call = Call::begin(&city).await;
    for number in 0..50 {
        call.asks(complaint_about(&format!("Laporan {number}"))).await;
    }
    call.hears().await.expect("lodged");
    federation.stop_node("kota-bandung").await;
    let mut lodged = 1;
    let end = loop {
        match call.results.message().await {
            Ok(Some(result)) => lodged += usize::from(answer_of(result).is_ok()),
            Ok(None) => panic!("a call that was cut short does not end well"),
            Err(status) => break status,
        }
    };
    assert_eq!(end.code(), Code::Unavailable, "{end}");
    assert!(end.message().contains("the node is stopping"), "{end}");
    federation.start_node("kota-bandung").await;
    assert_eq!(
        federation.node("kota-bandung").await.lists().await.len(),
        lodged,
        "every lodged complaint was answered"
    );
}

#[tokio::test]
async fn a_node_that_has_no_room_answers_busy_to_each_request_and_loses_nothing() {
    let mut federation = TestFederation::make(province_and_city());
    federation.start_node("kota-bandung").await;
    let city = federation.node("kota-bandung").await;
    // The node holds calls until it has heard its peer. Other calls compete for the places, and held calls keep theirs.
    let mut held = Call::begin(&city).await;
    for number in 0..MOST_HELD {
        held.asks(complaint_about(&format!("Laporan {number}"))).await;
    }
    let mut others = FuturesUnordered::new();
    let full = wait::until(LONGEST_HOLD, async || {
        others.push(city.lodges_request(complaint_about("Sekarang juga")));
        match tokio::time::timeout(HELD_AFTER, others.next()).await {
            Err(_held) => Ok::<_, Status>(None),
            Ok(answer) => Ok(is_busy(&answer.expect("a call is open")).then_some(())),
        }
    });
    full.await.expect("it answers").expect("the node holds the most calls that it can");
    let mut other = Call::begin(&city).await;
    for _ in 0..3 {
        other.asks(complaint_about("Nanti saja")).await;
        assert!(is_busy(&other.hears().await), "there is no room");
    }
    federation.start_node("prov-jabar").await;
    let mut lodged = 0;
    for _ in 0..MOST_HELD {
        lodged += usize::from(!is_busy(&held.hears().await));
    }
    lodged += others.filter(|answer| std::future::ready(!is_busy(answer))).count().await;
    assert_eq!(lodged, MOST_HELD, "each held request was lodged");
    other.asks(complaint_about("Nanti saja")).await;
    other.hears().await.expect("there is room again");
    assert_eq!(city.lists().await.len(), MOST_HELD + 1, "a request that heard Busy was lodged");
}

#[tokio::test]
async fn records_that_several_calls_lodge_at_once_are_lodged_once_each() {
    const CALLS: usize = 6;
    const RECORDS: usize = 400;
    let federation = TestFederation::start(province_and_city()).await;
    let city = federation.node("kota-bandung").await;
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push(Call::begin(&city).await);
    }
    // The calls are a few records apart, so that the same record comes again in the next groups of the writer.
    let lodging = calls.into_iter().enumerate().map(|(number, mut call)| async move {
        let mut ids = vec![Vec::new(); RECORDS];
        for step in 0..RECORDS {
            let record = (step + number) % RECORDS;
            let external = operator_api::ExternalReference { source: "lama".to_owned(), id: record.to_string() };
            call.asks(operator_api::LodgeRequest { external: Some(external), ..complaint_about("Laporan") }).await;
            ids[record] = call.hears().await.expect("lodged").complaint;
        }
        ids
    });
    let told: Vec<Vec<Vec<u8>>> = futures_util::future::join_all(lodging).await;
    assert!(told.iter().all(|ids| *ids == told[0]), "two calls got different complaints for the same record");
    assert_eq!(told[0].iter().collect::<BTreeSet<_>>().len(), RECORDS, "two records got the same complaint");
}

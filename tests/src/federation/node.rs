//! A running node, and the calls that tests make over its operator API.
//!
//! Invariant: each function that waits has a deadline. At the deadline, it panics with the node's last answer.

use sinergi_cli::citizen;
use sinergi_cli::demo::wait;
use sinergi_proto::base::ids::{ComplaintId, EntryId};
use sinergi_proto::citizen::{ReplyCode, Word};
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::operator_client::OperatorClient;
use sinergi_proto::operator_api::{ComplaintDetail, ComplaintSummary, NodeStatus, PeerStatus, TimelineRow};
use sinergi_proto::wire;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::PATIENCE;

/// A running node, used over its operator API.
#[derive(Clone)]
pub struct TestNode {
    /// The id of its agency.
    pub id: String,
    /// A client of its operator API.
    pub api: OperatorClient<Channel>,
}

/// A lodged complaint, and the code that its citizen got.
#[derive(Clone, Debug)]
pub struct Lodged {
    /// Its id.
    pub complaint: ComplaintId,
    /// The code with which the citizen replies.
    pub code: ReplyCode,
}

/// The entries of a complaint except `Arrived`. If an offer comes both directly and through a relay, there is an `Arrived` only if the
/// relay was faster.
pub fn acts_of(detail: &ComplaintDetail) -> impl Iterator<Item = &TimelineRow> {
    detail.timeline.iter().filter(|row| row.body != "Arrived")
}

/// A request to lodge a complaint with this title.
pub fn complaint_about(title: &str) -> operator_api::LodgeRequest {
    operator_api::LodgeRequest {
        kind: wire::ComplaintKind::Complaint.into(),
        category: "road".to_owned(),
        area: "32.73".to_owned(),
        class: wire::ContentClass::Public.into(),
        text: Some(wire::Text { title: title.to_owned(), body: format!("{title}: details"), ..Default::default() }),
        ..Default::default()
    }
}

/// The text of a reason or an answer.
pub fn text(body: &str) -> Option<wire::Text> {
    Some(wire::Text { body: body.to_owned(), ..Default::default() })
}

impl TestNode {
    /// Lodges a complaint.
    pub async fn lodges(&self, title: &str) -> Lodged {
        self.lodges_request(complaint_about(title)).await.expect("a good complaint is lodged")
    }

    /// Sends a request to lodge, with a key for the citizen if it has none. A forward in it must succeed.
    ///
    /// # Errors
    /// The status with which the node refused.
    pub async fn lodges_request(&self, mut request: operator_api::LodgeRequest) -> Result<Lodged, Status> {
        let code = citizen::draw();
        if request.citizen_key.is_empty() {
            citizen::commit(&mut request, &code);
        }
        let reply = self.api.clone().lodge(request).await?.into_inner();
        let complaint = ComplaintId::from_slice(&reply.complaint).expect("a complaint id");
        Ok(Lodged { complaint, code })
    }

    /// Acts on a complaint, with an optional text.
    ///
    /// # Errors
    /// The status with which the node refused.
    pub async fn acts(&self, complaint: ComplaintId, act: Act, text: Option<wire::Text>) -> Result<(), Status> {
        let request = operator_api::ActRequest { complaint: complaint.to_string(), text, class: 0, act: Some(act) };
        self.api.clone().act(request).await.map(|_| ())
    }

    /// Forwards the complaint. The addressee has the configured time to answer.
    pub async fn forwards(&self, complaint: ComplaintId, to: &str) {
        let reason = wire::ForwardReason::Competence.into();
        let forward = operator_api::Forward { to: to.to_owned(), reason, answer_by: 0 };
        self.acts(complaint, Act::Forward(forward), text("please")).await.expect("the holder forwards");
    }

    /// Waits for the offer, and accepts it.
    pub async fn accepts(&self, complaint: ComplaintId) {
        self.sees(complaint, |seen| seen.offered_to == self.id).await;
        self.acts(complaint, Act::Accept(operator_api::Accept {}), None).await.expect("the addressee accepts");
    }

    /// Waits for the offer, and returns it.
    pub async fn returns(&self, complaint: ComplaintId, suggestion: &str) {
        self.sees(complaint, |seen| seen.offered_to == self.id).await;
        let reason = wire::ReturnReason::NotCompetent.into();
        let act = Act::Return(operator_api::Return { reason, suggestion: suggestion.to_owned() });
        self.acts(complaint, act, text("not ours")).await.expect("the addressee returns");
    }

    /// Resolves the complaint as fixed.
    pub async fn resolves(&self, complaint: ComplaintId) {
        let act = Act::Resolve(operator_api::Resolve { outcome: wire::Outcome::Fixed.into() });
        self.acts(complaint, act, text("done")).await.expect("the holder resolves");
    }

    /// Carries the citizen's signed word on the newest answer.
    pub async fn replies(&self, lodged: &Lodged, says: wire::ReplyWord) {
        let seen = self.shows(lodged.complaint).await.expect("the carrier has the complaint");
        let (answer, number) = (EntryId::from_slice(&seen.answer_to_reply), seen.word_number + 1);
        let signed = Word { says, answer, score: 0, number }.sign(lodged.complaint, &lodged.code.key());
        let act = Act::Reply(citizen::carried(&signed));
        self.acts(lodged.complaint, act, None).await.expect("the intake agency replies");
    }

    /// Closes on the citizen's reply.
    pub async fn closes(&self, complaint: ComplaintId) {
        let act = Act::Close(operator_api::Close { cause: wire::CloseCause::Reply.into() });
        self.acts(complaint, act, None).await.expect("the intake agency closes");
    }

    /// All details of a complaint; `None` if the node does not have it.
    pub async fn shows(&self, complaint: ComplaintId) -> Option<ComplaintDetail> {
        let request = operator_api::ShowComplaintRequest { complaint: complaint.to_string() };
        match self.api.clone().show_complaint(request).await {
            Ok(detail) => Some(detail.into_inner()),
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => panic!("{} cannot show {complaint}: {status}", self.id),
        }
    }

    /// Waits until the node has the complaint and its summary is as expected.
    pub async fn sees(&self, complaint: ComplaintId, expected: impl Fn(&ComplaintSummary) -> bool) -> ComplaintDetail {
        self.sees_whole(complaint, |detail| detail.summary.as_ref().is_some_and(&expected)).await
    }

    /// Waits until the node has `count` [acts](acts_of) of a complaint.
    pub async fn has_acts(&self, complaint: ComplaintId, count: usize) -> ComplaintDetail {
        self.sees_whole(complaint, |detail| acts_of(detail).count() == count).await
    }

    /// Waits until the node has the complaint and all its details are as expected.
    pub async fn sees_whole(
        &self,
        complaint: ComplaintId,
        expected: impl Fn(&ComplaintDetail) -> bool,
    ) -> ComplaintDetail {
        let mut last = None;
        let seen = wait::until(PATIENCE, async || {
            last = self.shows(complaint).await;
            Ok::<_, Status>(last.clone().filter(&expected))
        });
        let seen = seen.await.expect("the node answers");
        seen.unwrap_or_else(|| panic!("{} does not see {complaint} as expected, last: {last:#?}", self.id))
    }

    /// All complaints, newest first.
    pub async fn lists(&self) -> Vec<ComplaintSummary> {
        self.lists_newest(u32::MAX).await
    }

    /// The `limit` newest complaints, newest first.
    pub async fn lists_newest(&self, limit: u32) -> Vec<ComplaintSummary> {
        let request = operator_api::ListComplaintsRequest { limit, ..Default::default() };
        let mut stream = self.api.clone().list_complaints(request).await.expect("a listing").into_inner();
        let mut all = Vec::new();
        while let Some(row) = stream.message().await.expect("a listing that ends well") {
            all.push(row);
        }
        all
    }

    /// Waits until the node has at least `count` complaints.
    pub async fn has_complaints(&self, count: usize) {
        let mut last = 0;
        let reached = wait::until(PATIENCE * 3, async || {
            last = self.status().await.complaints;
            Ok::<_, Status>((last >= count as u64).then_some(()))
        });
        assert!(reached.await.expect("the node answers").is_some(), "{} has {last} complaints of {count}", self.id);
    }

    /// The node's figures and alarms.
    pub async fn status(&self) -> NodeStatus {
        self.api.clone().get_status(operator_api::GetStatusRequest {}).await.expect("a status").into_inner()
    }

    /// Waits until the node's figures and alarms are as expected.
    pub async fn sees_status(&self, expected: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
        let mut last = None;
        let seen = wait::until(PATIENCE, async || {
            let status = self.status().await;
            last = Some(status.clone());
            Ok::<_, Status>(Some(status).filter(&expected))
        });
        seen.await.expect("the node answers").unwrap_or_else(|| panic!("{} says {last:#?}", self.id))
    }

    /// The node's view of a configured peer.
    pub async fn peer(&self, id: &str) -> PeerStatus {
        let request = operator_api::ListPeersRequest { agency: id.to_owned() };
        let peers = self.api.clone().list_peers(request).await.expect("the peers").into_inner().peers;
        peers.into_iter().next().expect("a configured peer")
    }

    /// Waits until the node's view of a peer is as expected.
    pub async fn sees_peer(&self, id: &str, expected: impl Fn(&PeerStatus) -> bool) -> PeerStatus {
        let mut last = None;
        let seen = wait::until(PATIENCE, async || {
            let peer = self.peer(id).await;
            last = Some(peer.clone());
            Ok::<_, Status>(Some(peer).filter(&expected))
        });
        seen.await.expect("the node answers").unwrap_or_else(|| panic!("{} sees {id} as {last:#?}", self.id))
    }

    /// Waits until peers have acknowledged everything.
    pub async fn has_an_empty_outbox(&self) {
        self.empties_its_outbox().await.unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Waits until peers have acknowledged everything and their receipts are in the ledger. The writer works in order, so when it answers a
    /// call that was made after the last receipt, it has stored that receipt.
    pub async fn keeps_its_receipts(&self) {
        self.has_an_empty_outbox().await;
        self.api
            .clone()
            .retry_refused(operator_api::RetryRefusedRequest::default())
            .await
            .expect("nothing was refused");
    }

    /// Waits until peers have acknowledged everything.
    ///
    /// # Errors
    /// The number of entries that still wait.
    pub async fn empties_its_outbox(&self) -> Result<(), String> {
        let mut last = 0;
        let empty = wait::until(PATIENCE, async || {
            last = self.status().await.outbox;
            Ok::<_, Status>((last == 0).then_some(()))
        });
        let empty = empty.await.map_err(|status| format!("{}: {status}", self.id))?;
        empty.ok_or_else(|| format!("{}: {last} entries wait in the outbox", self.id))
    }

    /// Items that the node refused, and items that peers refused to take from it.
    pub async fn refused(&self) -> Vec<operator_api::RefusedItem> {
        self.refused_request(operator_api::ListRefusedRequest { limit: 1000, ..Default::default() }).await
    }

    /// Items that the node keeps until their parent, their charter or their time has come.
    pub async fn deferred(&self) -> Vec<operator_api::RefusedItem> {
        self.refused_request(operator_api::ListRefusedRequest { limit: 1000, deferred: true, ..Default::default() })
            .await
    }

    async fn refused_request(&self, request: operator_api::ListRefusedRequest) -> Vec<operator_api::RefusedItem> {
        let mut stream = self.api.clone().list_refused(request).await.expect("a listing").into_inner();
        let mut all = Vec::new();
        while let Some(row) = stream.message().await.expect("a listing that ends well") {
            all.push(row);
        }
        all
    }

    /// Checks the whole ledger, which must be sound.
    pub async fn has_a_sound_ledger(&self) {
        self.verifies_its_ledger().await.unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Checks the whole ledger.
    ///
    /// # Errors
    /// The first findings.
    pub async fn verifies_its_ledger(&self) -> Result<(), String> {
        let failed = |status: Status| format!("{}: {status}", self.id);
        let mut stream =
            self.api.clone().verify_ledger(operator_api::VerifyLedgerRequest {}).await.map_err(failed)?.into_inner();
        let mut done = false;
        while let Some(progress) = stream.message().await.map_err(failed)? {
            if !progress.findings.is_empty() {
                return Err(format!("{}: {:?}", self.id, progress.findings));
            }
            done = progress.done;
        }
        if done { Ok(()) } else { Err(format!("{}: the check did not end", self.id)) }
    }

    /// Waits until both nodes hold the same complaints, with the same entries and the same outcome.
    pub async fn agrees_with(&self, other: &Self) {
        let digests = |all: Vec<ComplaintSummary>| {
            all.into_iter()
                .map(|row| (row.complaint, row.digest, row.holder, row.phase))
                .collect::<std::collections::BTreeSet<_>>()
        };
        let mut differ = (0, 0);
        let agreed = wait::until(PATIENCE, async || {
            let (mine, theirs) = (digests(self.lists().await), digests(other.lists().await));
            differ = (mine.difference(&theirs).count(), theirs.difference(&mine).count());
            Ok::<_, Status>((differ == (0, 0)).then_some(()))
        });
        let agreed = agreed.await.expect("the nodes answer");
        assert!(agreed.is_some(), "{} and {} differ in {differ:?} complaints", self.id, other.id);
    }
}

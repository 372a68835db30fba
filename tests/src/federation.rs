//! Federations of real processes, in the domain's words: `node("prov-jabar").forwards(complaint, "kemendagri")`.
//!
//! Invariant: whoever waits, waits for a condition with a deadline, and says what it saw last.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinergi_cli::charter::{self, Paper};
use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::{Agency, Builder, Federation};
use sinergi_cli::demo::node::{Node, NotUp};
use sinergi_cli::demo::wait;
use sinergi_cli::failure::Failure;
use sinergi_config::Config;
use sinergi_config::defaults::FILE;
use sinergi_proto::base::ids::{AgencyId, ComplaintId};
use sinergi_proto::charter::CharterText;
use sinergi_proto::operator_api;
use sinergi_proto::operator_api::act_request::Act;
use sinergi_proto::operator_api::operator_client::OperatorClient;
use sinergi_proto::operator_api::{ComplaintDetail, ComplaintSummary, NodeStatus, PeerStatus, TimelineRow};
use sinergi_proto::wire;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::memory;
use crate::program::sinergi;
use crate::proxy::Proxy;

/// How long anything may take to come about.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The name of all federations in tests.
pub const NAME: &str = "lapor.example";

/// A federation in a folder that is removed at the end.
pub struct TestFederation {
    federation: Federation,
    folder: TempDir,
}

/// An agency id that a test writes.
pub fn agency(id: &str) -> AgencyId {
    id.parse().expect("an agency id")
}

/// A province and a city that dials it: the smallest federation.
pub fn province_and_city() -> Vec<Agency> {
    vec![
        Agency::new(agency("prov-jabar"), Kind::Province),
        Agency::new(agency("kota-bandung"), Kind::City).under(agency("prov-jabar")),
    ]
}

/// A ministry, a province, its city, and the Ombudsman who sees everything.
pub fn hierarchy() -> Vec<Agency> {
    vec![
        Agency::new(agency("kemendagri"), Kind::Ministry),
        Agency::new(agency("ombudsman"), Kind::Institution).oversight(),
        Agency::new(agency("prov-jabar"), Kind::Province).under(agency("kemendagri")),
        Agency::new(agency("kota-bandung"), Kind::City).under(agency("prov-jabar")).dials_only(),
    ]
}

impl TestFederation {
    /// Makes the folders; nothing runs yet.
    pub fn make(agencies: Vec<Agency>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = NAME.parse().expect("a federation name");
        let builder = Builder::new(folder.path(), name, sinergi());
        let federation = agencies.into_iter().fold(builder, Builder::agency).build().expect("a federation");
        Self { federation, folder }
    }

    /// Makes the folders of a federation with these links alone, each as dialler and waiter.
    pub fn make_with_links(agencies: Vec<Agency>, links: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = NAME.parse().expect("a federation name");
        let builder = agencies.into_iter().fold(Builder::new(folder.path(), name, sinergi()), Builder::agency);
        let builder = links.iter().fold(builder, |builder, (from, to)| builder.link(agency(from), agency(to)));
        Self { federation: builder.build().expect("a federation"), folder }
    }

    /// Starts the nodes that were made, and waits for all links.
    pub async fn start_all(&mut self) {
        self.federation.start(|| ()).await.expect("all nodes start");
        self.linked().await;
    }

    /// Stops several nodes at the same time, as an operator would; they must end in order.
    pub async fn stop_at_once(&mut self, ids: &[&str]) {
        ids.iter().for_each(|id| self.process(id).terminate());
        for id in ids {
            self.stop_node(id).await;
        }
    }

    /// Makes it, starts all nodes and waits for all links.
    pub async fn start(agencies: Vec<Agency>) -> Self {
        let mut made = Self::make(agencies);
        made.federation.start(|| ()).await.expect("all nodes start");
        made.federation.linked(|_| ()).await.expect("all links come up");
        made
    }

    /// Waits for all links.
    pub async fn linked(&mut self) {
        self.federation.linked(|_| ()).await.expect("all links come up");
    }

    /// The first charter, as a signed note.
    pub fn charter(&self) -> &[u8] {
        self.federation.charter()
    }

    /// The folder that holds everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The successor of the federation's charter, changed by the test and signed by all managers.
    pub fn next_charter(&self, change: impl FnOnce(&mut CharterText)) -> Vec<u8> {
        self.charter_after(self.charter(), change)
    }

    /// The charter after one of this federation, changed, and signed by all managers.
    pub fn charter_after(&self, before: &[u8], change: impl FnOnce(&mut CharterText)) -> Vec<u8> {
        let before = Paper::read(before).expect("a charter");
        let mut text = charter::successor(&before).expect("a successor");
        change(&mut text);
        let draft = charter::draft(&text).expect("a whole charter");
        let signed = self.federation.managers().iter().fold(draft, |paper, manager| {
            Paper::Note(paper.sign(Some(&manager.name), &manager.key).expect("a manager's key").note)
        });
        signed.bytes().to_vec()
    }

    /// A node's folder.
    pub fn folder_of(&self, id: &str) -> PathBuf {
        self.process(id).folder().to_owned()
    }

    /// A node's process.
    pub fn process(&self, id: &str) -> &Node {
        self.federation.node(id).expect("a node of the federation")
    }

    /// A node's process, to be started, stopped or killed.
    pub fn process_mut(&mut self, id: &str) -> &mut Node {
        self.federation.node_mut(id).expect("a node of the federation")
    }

    /// Starts one node and waits until it answers.
    pub async fn start_node(&mut self, id: &str) -> NodeStatus {
        let node = self.process_mut(id);
        node.start().expect("the program starts");
        node.up().await.unwrap_or_else(|error| panic!("{id} does not come up: {error:?}"))
    }

    /// Starts a node that must not come up: it ends with exit code 1; the end of its log in one line.
    pub async fn does_not_start(&mut self, id: &str) -> String {
        let node = self.process_mut(id);
        node.start().expect("the program starts");
        match node.up().await {
            Err(NotUp::Failed(failure)) => ended_with_1(&failure),
            other => panic!("{id} should not come up: {other:?}"),
        }
    }

    /// Stops a node as an operator would; it must end in order.
    pub async fn stop_node(&mut self, id: &str) {
        assert!(self.process_mut(id).stop().await, "{id} had to be killed");
    }

    /// What a node has logged.
    pub fn log_of(&self, id: &str) -> String {
        std::fs::read_to_string(self.folder_of(id).join("sinergid.log")).unwrap_or_default()
    }

    /// Puts a proxy between a node that is not running yet and a peer that it dials.
    pub async fn proxy(&self, dialler: &str, waiter: &str) -> Proxy {
        let proxy = Proxy::to(&self.address_of(waiter)).await;
        let endpoint = |address: &str| format!("endpoint = \"{address}\"");
        self.configure(dialler, |text| {
            let dialled = endpoint(&self.address_of(waiter));
            assert!(text.contains(&dialled), "{dialler} does not dial {waiter}");
            text.replace(&dialled, &endpoint(&proxy.address().to_string()))
        });
        proxy
    }

    /// Changes the configuration of a node that is not running.
    pub fn configure(&self, id: &str, change: impl FnOnce(&str) -> String) {
        let file = self.folder_of(id).join(FILE);
        let text = std::fs::read_to_string(&file).expect("the node's configuration");
        std::fs::write(&file, change(&text)).expect("the node's configuration");
    }

    /// Sets the silence after which a node that is not running yet takes a link for dead.
    pub fn idle_after(&self, id: &str, seconds: u64) {
        self.configure(id, |text| {
            let changed = text.replace("# idle_seconds = 60", &format!("idle_seconds = {seconds}"));
            assert_ne!(changed, text, "{id} is configured already");
            changed
        });
    }

    /// Asserts that a running node has never held more memory than its limits allow; what it held at most.
    pub fn is_bounded_in_memory(&self, id: &str) -> usize {
        let process = self.process(id).process_id().expect("a running node");
        let links = Config::load(&self.folder_of(id)).expect("the node's configuration").peers.len();
        let (peak, most) = (memory::peak(process), memory::most(links));
        assert!(peak <= most, "{id} held {} MiB, at most {} MiB", peak >> 20, most >> 20);
        peak
    }

    /// The address at which a node listens.
    pub fn address_of(&self, id: &str) -> String {
        self.process(id).listen().expect("a node that listens").to_string()
    }

    /// A node to be asked and told.
    pub async fn node(&self, id: &str) -> TestNode {
        let api = self.process(id).client().await.unwrap_or_else(|error| panic!("{id}: {error:?}"));
        TestNode { id: id.to_owned(), api }
    }
}

/// A running node, asked and told over its operator API.
#[derive(Clone)]
pub struct TestNode {
    /// Its agency.
    pub id: String,
    /// The operator API.
    pub api: OperatorClient<Channel>,
}

/// A complaint that was lodged, with what the citizen got.
#[derive(Clone, Debug)]
pub struct Lodged {
    /// Its id.
    pub complaint: ComplaintId,
    /// The citizen's code.
    pub reply_code: String,
}

/// What a node said that ended by itself, with exit code 1: the end of its log in one line.
pub fn ended_with_1(failure: &Failure) -> String {
    let text = failure.message().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("exit status: 1"), "{text}");
    text
}

/// The entries of a complaint without the notices that an offer has arrived. Where an offer comes directly and through a
/// relay, whichever is faster decides whether there is such a notice.
pub fn acts_of(detail: &ComplaintDetail) -> impl Iterator<Item = &TimelineRow> {
    detail.timeline.iter().filter(|row| row.body != "Arrived")
}

/// A complaint to be lodged.
pub fn complaint_about(title: &str) -> operator_api::LodgeRequest {
    operator_api::LodgeRequest {
        kind: wire::ComplaintKind::Complaint.into(),
        category: "road".to_owned(),
        area: "32.73".to_owned(),
        class: wire::ContentClass::Public.into(),
        text: Some(wire::Text { title: title.to_owned(), body: format!("{title}: details"), ..Default::default() }),
        external: None,
        forward: None,
    }
}

/// A text for a reason or an answer.
pub fn text(body: &str) -> Option<wire::Text> {
    Some(wire::Text { body: body.to_owned(), ..Default::default() })
}

impl TestNode {
    /// Lodges a complaint.
    pub async fn lodges(&self, title: &str) -> Lodged {
        self.lodges_request(complaint_about(title)).await.expect("a good complaint is lodged")
    }

    /// Lodges what the request says.
    pub async fn lodges_request(&self, request: operator_api::LodgeRequest) -> Result<Lodged, Status> {
        let reply = self.api.clone().lodge(request).await?.into_inner();
        assert_eq!(reply.forward_declined, "", "lodged, but not forwarded");
        let complaint = ComplaintId::from_slice(&reply.complaint).expect("a complaint id");
        Ok(Lodged { complaint, reply_code: reply.reply_code })
    }

    /// Does something to a complaint.
    pub async fn acts(&self, complaint: ComplaintId, act: Act, text: Option<wire::Text>) -> Result<(), Status> {
        let request = operator_api::ActRequest { complaint: complaint.to_string(), text, class: 0, act: Some(act) };
        self.api.clone().act(request).await.map(|_| ())
    }

    /// Forwards, with the configured time to answer.
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

    /// Resolves.
    pub async fn resolves(&self, complaint: ComplaintId) {
        let act = Act::Resolve(operator_api::Resolve { outcome: wire::Outcome::Fixed.into() });
        self.acts(complaint, act, text("done")).await.expect("the holder resolves");
    }

    /// Passes on the citizen's word.
    pub async fn replies(&self, lodged: &Lodged, word: wire::ReplyWord) {
        let act = Act::Reply(operator_api::Reply { word: word.into(), reply_code: lodged.reply_code.clone() });
        self.acts(lodged.complaint, act, None).await.expect("the intake agency replies");
    }

    /// Closes on the citizen's reply.
    pub async fn closes(&self, complaint: ComplaintId) {
        let act = Act::Close(operator_api::Close { cause: wire::CloseCause::Reply.into(), silence_working_days: 0 });
        self.acts(complaint, act, None).await.expect("the intake agency closes");
    }

    /// Everything about a complaint; `None`: it is not here.
    pub async fn shows(&self, complaint: ComplaintId) -> Option<ComplaintDetail> {
        let request = operator_api::ShowComplaintRequest { complaint: complaint.to_string() };
        match self.api.clone().show_complaint(request).await {
            Ok(detail) => Some(detail.into_inner()),
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => panic!("{} cannot show {complaint}: {status}", self.id),
        }
    }

    /// Waits until the complaint is here and is as it should be.
    pub async fn sees(&self, complaint: ComplaintId, expected: impl Fn(&ComplaintSummary) -> bool) -> ComplaintDetail {
        self.sees_whole(complaint, |detail| detail.summary.as_ref().is_some_and(&expected)).await
    }

    /// Waits until so many [acts](acts_of) of a complaint are here.
    pub async fn has_acts(&self, complaint: ComplaintId, count: usize) -> ComplaintDetail {
        self.sees_whole(complaint, |detail| acts_of(detail).count() == count).await
    }

    /// Waits until the complaint is here and everything about it is as it should be.
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

    /// The newest complaints, so many.
    pub async fn lists_newest(&self, limit: u32) -> Vec<ComplaintSummary> {
        let request = operator_api::ListComplaintsRequest { limit, ..Default::default() };
        let mut stream = self.api.clone().list_complaints(request).await.expect("a listing").into_inner();
        let mut all = Vec::new();
        while let Some(row) = stream.message().await.expect("a listing that ends well") {
            all.push(row);
        }
        all
    }

    /// Waits until so many complaints are here.
    pub async fn has_complaints(&self, count: usize) {
        let mut last = 0;
        let reached = wait::until(PATIENCE * 3, async || {
            last = self.status().await.complaints;
            Ok::<_, Status>((last >= count as u64).then_some(()))
        });
        assert!(reached.await.expect("the node answers").is_some(), "{} has {last} complaints of {count}", self.id);
    }

    /// The node's figures.
    pub async fn status(&self) -> NodeStatus {
        self.api.clone().get_status(operator_api::GetStatusRequest {}).await.expect("a status").into_inner()
    }

    /// Waits until the node's figures and alarms are as they should be.
    pub async fn sees_status(&self, expected: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
        let mut last = None;
        let seen = wait::until(PATIENCE, async || {
            let status = self.status().await;
            last = Some(status.clone());
            Ok::<_, Status>(Some(status).filter(&expected))
        });
        seen.await.expect("the node answers").unwrap_or_else(|| panic!("{} says {last:#?}", self.id))
    }

    /// What the node knows of a peer.
    pub async fn peer(&self, id: &str) -> PeerStatus {
        let request = operator_api::ListPeersRequest { agency: id.to_owned() };
        let peers = self.api.clone().list_peers(request).await.expect("the peers").into_inner().peers;
        peers.into_iter().next().expect("a configured peer")
    }

    /// Waits until what the node knows of a peer is as it should be.
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

    /// Waits until peers have acknowledged everything and their receipts are in the ledger: what is asked of the writer is done behind them.
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
    /// What waits still.
    pub async fn empties_its_outbox(&self) -> Result<(), String> {
        let mut last = 0;
        let empty = wait::until(PATIENCE, async || {
            last = self.status().await.outbox;
            Ok::<_, Status>((last == 0).then_some(()))
        });
        let empty = empty.await.map_err(|status| format!("{}: {status}", self.id))?;
        empty.ok_or_else(|| format!("{}: {last} entries wait in the outbox", self.id))
    }

    /// What the node refused or was refused.
    pub async fn refused(&self) -> Vec<operator_api::RefusedItem> {
        self.refused_request(operator_api::ListRefusedRequest { limit: 1000, ..Default::default() }).await
    }

    /// What waits at the node.
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

    /// Checks the whole ledger: it must be sound.
    pub async fn has_a_sound_ledger(&self) {
        self.verifies_its_ledger().await.unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Checks the whole ledger.
    ///
    /// # Errors
    /// What is wrong with it.
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

//! Federations of real processes, in the domain's words: `node("prov-jabar").forwards(complaint, "kemendagri")`.
//!
//! This file makes, starts and stops nodes. [`TestNode`] queries a running one.
//!
//! Invariant: each function that waits has a deadline.

mod node;

pub use node::{Lodged, TestNode, acts_of, complaint_about, text};

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinergi_cli::charter::{self, Paper};
use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::{Agency, Builder, Federation};
use sinergi_cli::demo::node::{Node, NotUp};
use sinergi_cli::failure::Failure;
use sinergi_config::Config;
use sinergi_config::defaults::FILE;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::charter::CharterText;
use sinergi_proto::operator_api::NodeStatus;
use tempfile::TempDir;

use crate::memory;
use crate::program::sinergi;
use crate::proxy::Proxy;

/// How long a test waits for a condition before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The name of all federations in tests.
pub const NAME: &str = "lapor.example";

/// A federation in a temporary folder. Dropping it removes the folder.
pub struct TestFederation {
    federation: Federation,
    folder: TempDir,
}

/// An agency id from a literal.
///
/// # Panics
/// If it is not one.
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

/// A ministry, a province under it, a city under the province, and the Ombudsman, which sees everything.
pub fn hierarchy() -> Vec<Agency> {
    vec![
        Agency::new(agency("kemendagri"), Kind::Ministry),
        Agency::new(agency("ombudsman"), Kind::Institution).oversight(),
        Agency::new(agency("prov-jabar"), Kind::Province).under(agency("kemendagri")),
        Agency::new(agency("kota-bandung"), Kind::City).under(agency("prov-jabar")).dials_only(),
    ]
}

impl TestFederation {
    /// Makes the folders of a federation with the links of the charter's hierarchy. No node runs yet.
    pub fn make(agencies: Vec<Agency>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = NAME.parse().expect("a federation name");
        let builder = Builder::new(folder.path(), name, sinergi());
        let federation = agencies.into_iter().fold(builder, Builder::agency).build().expect("a federation");
        Self { federation, folder }
    }

    /// Makes the folders of a federation with these links only. In each pair the first agency dials the second. No node runs yet.
    pub fn make_with_links(agencies: Vec<Agency>, links: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = NAME.parse().expect("a federation name");
        let builder = agencies.into_iter().fold(Builder::new(folder.path(), name, sinergi()), Builder::agency);
        let builder = links.iter().fold(builder, |builder, (from, to)| builder.link(agency(from), agency(to)));
        Self { federation: builder.build().expect("a federation"), folder }
    }

    /// Starts all nodes and waits for all links.
    pub async fn start_all(&mut self) {
        self.federation.start(|| ()).await.expect("all nodes start");
        self.linked().await;
    }

    /// Stops several nodes at the same time, as an operator would. Each must end by itself, without a kill.
    pub async fn stop_at_once(&mut self, ids: &[&str]) {
        ids.iter().for_each(|id| self.process(id).terminate());
        for id in ids {
            self.stop_node(id).await;
        }
    }

    /// Makes a federation, starts all nodes and waits for all links.
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

    /// The folder with the folders of all nodes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The successor of the federation's first charter, changed by the test and signed by all managers.
    pub fn next_charter(&self, change: impl FnOnce(&mut CharterText)) -> Vec<u8> {
        self.charter_after(self.charter(), change)
    }

    /// The successor of the charter `before`, changed by the test and signed by all managers.
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

    /// A node's process, which the test may start, stop or kill.
    pub fn process_mut(&mut self, id: &str) -> &mut Node {
        self.federation.node_mut(id).expect("a node of the federation")
    }

    /// Starts one node and waits until it answers.
    pub async fn start_node(&mut self, id: &str) -> NodeStatus {
        let node = self.process_mut(id);
        node.start().expect("the program starts");
        node.up().await.unwrap_or_else(|error| panic!("{id} does not come up: {error:?}"))
    }

    /// Starts a node that must end by itself with exit code 1. Returns the end of its log in one line.
    pub async fn does_not_start(&mut self, id: &str) -> String {
        let node = self.process_mut(id);
        node.start().expect("the program starts");
        match node.up().await {
            Err(NotUp::Failed(failure)) => ended_with_1(&failure),
            other => panic!("{id} should not come up: {other:?}"),
        }
    }

    /// Stops a node as an operator would. It must end by itself, without a kill.
    pub async fn stop_node(&mut self, id: &str) {
        assert!(self.process_mut(id).stop().await, "{id} had to be killed");
    }

    /// A node's log.
    pub fn log_of(&self, id: &str) -> String {
        std::fs::read_to_string(self.folder_of(id).join("sinergid.log")).unwrap_or_default()
    }

    /// Puts a proxy between a node and a peer that it dials. Takes effect when the node starts.
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

    /// Changes a node's configuration file. Takes effect when the node starts.
    pub fn configure(&self, id: &str, change: impl FnOnce(&str) -> String) {
        let file = self.folder_of(id).join(FILE);
        let text = std::fs::read_to_string(&file).expect("the node's configuration");
        std::fs::write(&file, change(&text)).expect("the node's configuration");
    }

    /// Sets a node's `[link] idle_seconds`. Takes effect when the node starts.
    pub fn idle_after(&self, id: &str, seconds: u64) {
        self.configure(id, |text| {
            let changed = text.replace("# idle_seconds = 60", &format!("idle_seconds = {seconds}"));
            assert_ne!(changed, text, "{id} is configured already");
            changed
        });
    }

    /// Asserts that a running node has never held more memory than its limits allow. Returns its peak in bytes.
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

    /// A client of a running node.
    pub async fn node(&self, id: &str) -> TestNode {
        let api = self.process(id).client().await.unwrap_or_else(|error| panic!("{id}: {error:?}"));
        TestNode { id: id.to_owned(), api }
    }
}

/// The end of the log, in one line, of a node that ended by itself with exit code 1.
pub fn ended_with_1(failure: &Failure) -> String {
    let text = failure.message().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("exit status: 1"), "{text}");
    text
}

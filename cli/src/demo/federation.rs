//! A federation on this machine: one folder and one process for each agency, linked over loopback.
//!
//! ```text
//! Builder ── build ──> folders with keys, certificates, configuration; the charter, signed by its managers
//!                        └─ Federation ── start ──> processes that answer and are linked
//! ```
//!
//! It uses the same functions as the commands `init`, `pki` and `charter`. Must not know what the nodes are used for.
//!
//! Invariants: two agencies have one link, and one of them dials; every file is in the builder's folder.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sinergi_config::{CharterPin, Endpoint, Federation as Name, Peer};
use sinergi_daemon::storage::keys;
use sinergi_proto::base::ids::AgencyId;
use sinergi_proto::base::key::SigningKey;
use sinergi_proto::charter::{CharterText, ManagerText, MemberText, RulesText};

use super::node::{Node, NotUp};
use super::port::Port;
use super::wait;
use crate::charter::{self, Paper};
use crate::commands::init::{self, InitArgs, Kind, MemberDetails, PeerArg};
use crate::failure::Failure;

/// The folder with the managers' keys and the signed charter, in the federation's folder.
pub const MANAGERS_FOLDER: &str = "managers";
/// The file of the signed charter, in [`MANAGERS_FOLDER`].
pub const CHARTER_FILE: &str = "charter.note";
/// The timeout until all links are up.
const LINKED: Duration = Duration::from_secs(60);
/// The number of attempts with other ports, if a port was taken.
const ATTEMPTS: usize = 3;
/// The maximum number of agencies that manage the charter.
const MANAGERS: usize = 5;
const CHARTER_DAYS: i64 = 365;
const GRACE_DAYS: u32 = 30;
const SECONDS_A_DAY: i64 = 86_400;

/// The settings of an agency.
#[derive(Clone, Debug)]
pub struct Agency {
    id: AgencyId,
    details: MemberDetails,
    dials_only: bool,
    port: Option<u16>,
}

impl Agency {
    /// An agency of this kind, without a parent.
    pub fn new(id: AgencyId, kind: Kind) -> Self {
        let details = MemberDetails { kind: Some(kind), ..MemberDetails::default() };
        Self { id, details, dials_only: false, port: None }
    }

    /// Sets the full name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.details.name = Some(name.to_owned());
        self
    }

    /// Sets the supervisor.
    #[must_use]
    pub fn under(mut self, parent: AgencyId) -> Self {
        self.details.parent = Some(parent);
        self
    }

    /// Makes it an oversight agency.
    #[must_use]
    pub fn oversight(mut self) -> Self {
        self.details.oversight = true;
        self
    }

    /// Makes it dial every peer itself, without listening.
    #[must_use]
    pub fn dials_only(mut self) -> Self {
        self.dials_only = true;
        self
    }

    /// Makes it listen on this port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

/// A link between two agencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The agency that dials.
    pub dialler: AgencyId,
    /// The agency that is dialled.
    pub waiter: AgencyId,
}

/// A manager of the charter.
#[derive(Clone)]
pub struct Manager {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: SigningKey,
}

/// The settings of a federation.
#[derive(Clone, Debug)]
pub struct Builder {
    folder: PathBuf,
    name: Name,
    program: PathBuf,
    agencies: Vec<Agency>,
    links: Option<Vec<Link>>,
}

/// A federation on this machine.
pub struct Federation {
    builder: Builder,
    nodes: Vec<Node>,
    links: Vec<Link>,
    managers: Vec<Manager>,
    charter: Vec<u8>,
    pin: CharterPin,
    /// Whether all nodes have been up. From then on their folders have data that must not be lost.
    used: bool,
}

impl Builder {
    /// A federation in `folder`. The `program`, a `sinergi` command line, runs its nodes.
    pub fn new(folder: &Path, name: Name, program: &Path) -> Self {
        Self { folder: folder.to_owned(), name, program: program.to_owned(), agencies: Vec::new(), links: None }
    }

    /// Adds an agency. The first five manage the charter.
    #[must_use]
    pub fn agency(mut self, agency: Agency) -> Self {
        self.agencies.push(agency);
        self
    }

    /// Links two agencies. Without any such call all agencies are linked with each other: the later one dials, or the one that only dials.
    #[must_use]
    pub fn link(mut self, dialler: AgencyId, waiter: AgencyId) -> Self {
        self.links.get_or_insert_default().push(Link { dialler, waiter });
        self
    }

    /// Creates the folders of all agencies, and the signed charter.
    ///
    /// # Errors
    /// A folder exists already, the settings of an agency are invalid, or a file cannot be written.
    pub fn build(self) -> Result<Federation, Failure> {
        let now = Timestamp::now();
        let links = self.all_links();
        let mut ports = self.ports()?;
        let addresses = ports.iter().map(|(agency, port)| (agency.clone(), port.address())).collect();
        let mut nodes = Vec::new();
        let mut members = Vec::new();
        for agency in &self.agencies {
            let folder = self.folder.join(agency.id.as_str());
            let port = ports.remove(&agency.id);
            let peers = peers_of(agency, &links, &addresses)?;
            let made = init::create(&folder, &self.init_args(agency, port.as_ref().map(Port::address), peers), now)?;
            members.extend(read_member(&made.member)?);
            nodes.push(Node::new(agency.id.clone(), folder, self.program.clone(), port));
        }
        let managers = self.make_managers()?;
        let charter = sign(&self.charter_text(&managers, members, now), &managers)?;
        std::fs::write(self.folder.join(MANAGERS_FOLDER).join(CHARTER_FILE), &charter)
            .map_err(|error| Failure::failed("cannot write the charter").because(error))?;
        let mut pin = None;
        for node in &nodes {
            pin = Some(init::adopt_first_charter(node.folder(), &charter)?);
        }
        let pin = pin.ok_or_else(|| Failure::failed("a federation needs at least one agency"))?;
        Ok(Federation { builder: self, nodes, links, managers, charter, pin, used: false })
    }

    fn all_links(&self) -> Vec<Link> {
        let pairs = || {
            let pair = |(at, later): (usize, &Agency)| {
                let earlier = self.agencies[..at].iter();
                let link =
                    |dialler: &Agency, waiter: &Agency| Link { dialler: dialler.id.clone(), waiter: waiter.id.clone() };
                earlier
                    .map(|earlier| if earlier.dials_only { link(earlier, later) } else { link(later, earlier) })
                    .collect::<Vec<_>>()
            };
            self.agencies.iter().enumerate().flat_map(pair).collect()
        };
        self.links.clone().unwrap_or_else(pairs)
    }

    /// A loopback port for each agency that listens.
    fn ports(&self) -> Result<BTreeMap<AgencyId, Port>, Failure> {
        let take = |agency: &Agency| {
            let port = Port::take(agency.port).map_err(|error| {
                let wanted = agency.port.map_or("any loopback port".to_owned(), |port| format!("127.0.0.1:{port}"));
                Failure::failed(format!("cannot listen on {wanted}")).because(error)
            })?;
            Ok((agency.id.clone(), port))
        };
        self.agencies.iter().filter(|agency| !agency.dials_only).map(take).collect()
    }

    fn init_args(&self, agency: &Agency, listen: Option<SocketAddr>, peers: Vec<Peer>) -> InitArgs {
        InitArgs {
            agency: agency.id.clone(),
            federation: self.name.clone(),
            listen,
            endpoints: listen.and_then(|address| endpoint(address).ok()).into_iter().collect(),
            charter: None,
            peers: peers.into_iter().map(PeerArg).collect(),
            member: agency.details.clone(),
            no_pki: false,
        }
    }

    fn make_managers(&self) -> Result<Vec<Manager>, Failure> {
        let folder = self.folder.join(MANAGERS_FOLDER);
        let failed = |error: keys::KeyError| Failure::failed("cannot make the keys of the managers").because(error);
        std::fs::create_dir(&folder)
            .map_err(|error| Failure::failed(format!("cannot make {}", folder.display())).because(error))?;
        let make = |agency: &Agency| {
            let key = keys::generate().map_err(failed)?;
            keys::write_new(&folder.join(format!("{}.pem", agency.id)), &key).map_err(failed)?;
            Ok(Manager { name: agency.id.to_string(), key })
        };
        self.agencies.iter().take(MANAGERS).map(make).collect()
    }

    fn charter_text(&self, managers: &[Manager], member: Vec<MemberText>, now: Timestamp) -> CharterText {
        // Valid from yesterday on, like the keys of its members, so that it is valid for a node whose clock is behind.
        let from = now.as_second() - now.as_second().rem_euclid(SECONDS_A_DAY) - SECONDS_A_DAY;
        let at = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string();
        let manager = |manager: &Manager| {
            let key = charter::verifier_key(&charter::manager_key_name(&self.name, &manager.name), &manager.key);
            ManagerText { name: manager.name.clone(), keys: vec![key.to_string()] }
        };
        CharterText {
            federation: self.name.to_string(),
            version: 1,
            predecessor: None,
            valid_from: at(from),
            valid_until: at(from + CHARTER_DAYS * SECONDS_A_DAY),
            grace_days: GRACE_DAYS,
            threshold: managers.len() / 2 + 1,
            mediator: None,
            rules: RulesText::default(),
            manager: managers.iter().map(manager).collect(),
            member,
            revocation: Vec::new(),
        }
    }
}

impl Federation {
    /// The nodes, in the order in which the agencies were added.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of an agency.
    pub fn node(&self, agency: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.agency().as_str() == agency)
    }

    /// The node of an agency, for starting or stopping it.
    pub fn node_mut(&mut self, agency: &str) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.agency().as_str() == agency)
    }

    /// The links.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The managers of the charter, with their keys.
    pub fn managers(&self) -> &[Manager] {
        &self.managers
    }

    /// The first charter, as a signed note.
    pub fn charter(&self) -> &[u8] {
        &self.charter
    }

    /// The hash that the nodes pin.
    pub fn pin(&self) -> CharterPin {
        self.pin
    }

    /// Starts all nodes and waits until each answers; `up` is called for each. If another process took a port before the first start, the
    /// federation is created again with other ports.
    ///
    /// # Errors
    /// A node ended, or does not answer in time. The error has the end of its log.
    pub async fn start(&mut self, mut up: impl FnMut()) -> Result<(), Failure> {
        for attempt in 1.. {
            match self.start_once(&mut up).await {
                Ok(()) => break,
                Err(NotUp::PortTaken(_)) if attempt < ATTEMPTS && !self.used => {
                    self.stop().await;
                    self.remake()?;
                }
                Err(not_up) => return Err(not_up.into()),
            }
        }
        Ok(())
    }

    async fn start_once(&mut self, up: &mut impl FnMut()) -> Result<(), NotUp> {
        for node in &mut self.nodes {
            node.start().map_err(NotUp::Failed)?;
        }
        for node in &mut self.nodes {
            node.up().await?;
            up();
        }
        self.used = true;
        Ok(())
    }

    /// Deletes all files, which nobody has used yet, and creates the federation again.
    fn remake(&mut self) -> Result<(), Failure> {
        let folders = self.nodes.iter().map(Node::folder).map(Path::to_owned);
        for folder in folders.chain([self.builder.folder.join(MANAGERS_FOLDER)]) {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| Failure::failed(format!("cannot remove {}", folder.display())).because(error))?;
        }
        *self = self.builder.clone().build()?;
        Ok(())
    }

    /// Waits until both ends of every link report that it is up; `up` gets the number of links that are.
    ///
    /// # Errors
    /// After a minute: names the missing links with their last errors.
    pub async fn linked(&mut self, mut up: impl FnMut(usize)) -> Result<(), Failure> {
        let mut missing = Vec::new();
        let linked = wait::until(LINKED, async || {
            missing = self.unlinked().await?;
            up(self.links.len() - missing.len());
            Ok::<_, Failure>(missing.is_empty().then_some(()))
        });
        match linked.await? {
            Some(()) => Ok(()),
            None => {
                let all = missing.iter().map(|(_, problem)| format!("\n  {problem}")).collect::<String>();
                let what = format!("is not linked after {} s (all missing links:{all})", LINKED.as_secs());
                let dialler = missing.first().and_then(|(link, _)| self.node(link.dialler.as_str()));
                Err(dialler.map_or_else(|| Failure::failed(what.clone()), |node| node.failure(&what)))
            }
        }
    }

    /// The links that at least one end does not report as up.
    async fn unlinked(&self) -> Result<Vec<(Link, String)>, Failure> {
        let mut seen = BTreeMap::new();
        for node in &self.nodes {
            for peer in node.peers().await? {
                seen.insert((node.agency().to_string(), peer.agency.clone()), peer);
            }
        }
        let problem = |link: &Link| {
            let (dialler, waiter) = (link.dialler.to_string(), link.waiter.to_string());
            let ends = [(dialler.clone(), waiter.clone()), (waiter, dialler)];
            ends.into_iter().find_map(|ends| match seen.get(&ends) {
                Some(peer) if peer.state == "linked" => None,
                Some(peer) => Some(format!("{} to {}: {} {}", ends.0, ends.1, peer.state, peer.last_error)),
                None => Some(format!("{} to {}: not configured", ends.0, ends.1)),
            })
        };
        Ok(self.links.iter().filter_map(|link| problem(link).map(|problem| (link.clone(), problem))).collect())
    }

    /// Waits until a node ends unexpectedly.
    pub async fn watch(&mut self) -> Failure {
        let ends: Vec<_> = self.nodes.iter_mut().map(|node| Box::pin(node.ended())).collect();
        if ends.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(ends).await.0
    }

    /// Stops all nodes at the same time, and waits until they have ended. Returns those that had to be killed.
    pub async fn stop(&mut self) -> Vec<AgencyId> {
        self.nodes.iter().for_each(Node::terminate);
        let mut killed = Vec::new();
        for node in &mut self.nodes {
            if !node.stop().await {
                killed.push(node.agency().clone());
            }
        }
        killed
    }

    /// Kills all nodes.
    pub async fn kill(&mut self) {
        for node in &mut self.nodes {
            node.kill().await;
        }
    }
}

fn endpoint(address: SocketAddr) -> Result<Endpoint, Failure> {
    address.to_string().parse().map_err(|error| Failure::failed("a loopback address is no endpoint").because(error))
}

/// The peers of an agency, with an endpoint if the agency dials.
fn peers_of(agency: &Agency, links: &[Link], addresses: &BTreeMap<AgencyId, SocketAddr>) -> Result<Vec<Peer>, Failure> {
    let mut peers = Vec::new();
    for link in links {
        if link.dialler == agency.id {
            let address = addresses.get(&link.waiter).ok_or_else(|| {
                Failure::failed(format!("{} cannot dial {}, which does not listen", agency.id, link.waiter))
            })?;
            peers.push(Peer { agency: link.waiter.clone(), endpoint: Some(endpoint(*address)?) });
        } else if link.waiter == agency.id {
            peers.push(Peer { agency: link.dialler.clone(), endpoint: None });
        }
    }
    Ok(peers)
}

fn read_member(file: &Path) -> Result<Vec<MemberText>, Failure> {
    let failed = || Failure::failed(format!("cannot read {}", file.display()));
    let text = keys::read_public(file).map_err(|error| failed().because(error))?;
    charter::member_blocks(&text).map_err(|error| failed().because(error))
}

/// Signs the charter by enough managers.
fn sign(text: &CharterText, managers: &[Manager]) -> Result<Vec<u8>, Failure> {
    let signed = charter::draft(text).and_then(|draft| {
        managers
            .iter()
            .take(text.threshold)
            .try_fold(draft, |paper, manager| Ok(Paper::Note(paper.sign(Some(&manager.name), &manager.key)?.note)))
    });
    Ok(signed.map_err(|error| Failure::failed("cannot make the charter").because(error))?.bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use sinergi_config::Config;
    use sinergi_proto::charter::Charters;

    use super::super::process;
    use super::*;

    fn id(text: &str) -> AgencyId {
        text.parse().expect("an id")
    }

    fn builder(folder: &Path) -> Builder {
        Builder::new(folder, "demo.example".parse().expect("a name"), Path::new("/nonexistent/sinergi"))
            .agency(Agency::new(id("ksp"), Kind::Institution).oversight())
            .agency(Agency::new(id("kota-bandung"), Kind::City).under(id("prov-jabar")).dials_only())
            .agency(Agency::new(id("prov-jabar"), Kind::Province))
    }

    #[test]
    fn every_pair_is_linked_once_and_one_that_only_dials_dials_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let federation = builder(folder.path()).build().expect("made");
        let links: Vec<String> =
            federation.links().iter().map(|link| format!("{} > {}", link.dialler, link.waiter)).collect();
        assert_eq!(links, ["kota-bandung > ksp", "prov-jabar > ksp", "kota-bandung > prov-jabar"]);
        assert_eq!(federation.node("kota-bandung").expect("a node").listen(), None);
        let config = Config::load(&folder.path().join("prov-jabar")).expect("a configuration");
        let endpoints: Vec<bool> = config.peers.iter().map(|peer| peer.endpoint.is_some()).collect();
        assert_eq!(endpoints, [true, false]);
    }

    #[test]
    fn every_node_is_in_order_and_pins_a_charter_that_the_majority_of_its_managers_signed() {
        let folder = tempfile::tempdir().expect("a folder");
        let federation = builder(folder.path()).build().expect("made");
        for node in federation.nodes() {
            let findings = crate::commands::config::check(node.folder(), Timestamp::now());
            assert_eq!((findings.problems, findings.warnings), (Vec::new(), Vec::new()), "{}", node.agency());
        }
        let paper = Paper::read(federation.charter()).expect("a note");
        assert_eq!(paper.signers().expect("signed"), ["ksp", "kota-bandung"]);
        let charters = Charters::self_signed(federation.charter()).expect("trusted");
        assert_eq!((CharterPin(charters.newest().hash), charters.newest().threshold), (federation.pin(), 2));
    }

    #[test]
    fn one_that_does_not_listen_cannot_be_dialled() {
        let folder = tempfile::tempdir().expect("a folder");
        let failure = builder(folder.path()).link(id("ksp"), id("kota-bandung")).build().err().expect("refused");
        assert!(failure.message().contains("ksp cannot dial kota-bandung"), "{}", failure.message());
    }

    #[tokio::test]
    async fn a_port_that_another_process_took_is_answered_with_another_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "echo run >> \"${0%program}runs\"\necho 'error: cannot listen on it: Address already in use'";
        let (program, runs) = (process::program(folder.path(), script), folder.path().join("runs"));
        let nodes = folder.path().join("nodes");
        std::fs::create_dir(&nodes).expect("a folder");
        let builder = Builder::new(&nodes, "demo.example".parse().expect("a name"), &program);
        let mut federation = builder.agency(Agency::new(id("ksp"), Kind::Institution)).build().expect("made");
        let before = federation.nodes()[0].listen();
        let failure = federation.start(|| {}).await.expect_err("always taken");
        assert!(failure.message().contains("is taken by another process"), "{}", failure.message());
        assert_ne!(federation.nodes()[0].listen(), before);
        assert_eq!(std::fs::read_to_string(runs).expect("it ran").lines().count(), ATTEMPTS);
    }

    #[tokio::test]
    async fn a_node_whose_program_does_not_start_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut federation = builder(folder.path()).build().expect("made");
        let failure = federation.start(|| {}).await.expect_err("no program");
        assert!(failure.report().contains("/nonexistent/sinergi"), "{}", failure.report());
    }
}

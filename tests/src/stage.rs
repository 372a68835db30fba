//! A stage with a city and a province, whose nodes are honest, and a ministry whose node the test plays.

use bytes::Bytes;
use prost::Message;
use sinergi_cli::commands::init::Kind;
use sinergi_cli::demo::federation::Agency;
use sinergi_proto::base::refusal::RefusalCode;
use sinergi_proto::receipt::ItemOutcome;
use sinergi_proto::wire;

use crate::disk::Disk;
use crate::federation::{PATIENCE, TestFederation, agency, province_and_city};
use crate::peer::{Connection, Impostor};

/// An honest city and province, and a ministry whose node the test plays. Most tests lie to the city.
pub struct Stage {
    /// The federation. The nodes of city and province run.
    pub federation: TestFederation,
    /// The ministry, whose node the test plays.
    pub impostor: Impostor,
}

impl Stage {
    /// Makes the federation and starts the two honest nodes.
    pub async fn set() -> Self {
        Self::set_with(|_| ()).await
    }

    /// Like [`Self::set`], with this idle timeout of links at both honest nodes.
    pub async fn set_with_idle(seconds: u64) -> Self {
        Self::set_with(|federation| {
            ["prov-jabar", "kota-bandung"].iter().for_each(|id| federation.idle_after(id, seconds));
        })
        .await
    }

    /// Like [`Self::set`], but calls `prepare` before the nodes start.
    pub async fn set_with(prepare: impl FnOnce(&TestFederation)) -> Self {
        let stage = Self::make();
        prepare(&stage.federation);
        stage.start().await
    }

    /// Like [`Self::set`], with the city on a disk under the test's control.
    pub async fn set_on_a_disk() -> (Self, Disk) {
        let mut stage = Self::make();
        let disk = Disk::below(&stage.federation.folder_of("kota-bandung"));
        stage.federation.process_mut("kota-bandung").set_environment(disk.environment());
        (stage.start().await, disk)
    }

    /// Makes the federation. No node runs yet.
    pub fn make() -> Self {
        let mut agencies = province_and_city();
        agencies.push(Agency::new(agency("kominfo"), Kind::Ministry).dials_only());
        Self::of(TestFederation::make(agencies))
    }

    fn of(federation: TestFederation) -> Self {
        let impostor = Impostor::of(&federation.folder_of("kominfo"));
        Self { federation, impostor }
    }

    async fn start(mut self) -> Self {
        self.federation.start_node("prov-jabar").await;
        self.federation.start_node("kota-bandung").await;
        self
    }

    /// Like [`Self::set`], but the city dials the ministry, which must [listen](Impostor::listen).
    pub async fn set_with_the_ministry_dialled() -> Self {
        let mut agencies = province_and_city();
        agencies.push(Agency::new(agency("kominfo"), Kind::Ministry));
        let links = [("kota-bandung", "prov-jabar"), ("kota-bandung", "kominfo")];
        Self::of(TestFederation::make_with_links(agencies, &links)).start().await
    }

    /// A link of the ministry with the city, after the greeting.
    pub async fn link(&self) -> Connection {
        let mut connection = self.connect().await;
        connection.greet(&self.impostor).await;
        connection
    }

    /// A connection of the ministry with the city, before any frame.
    pub async fn connect(&self) -> Connection {
        self.connect_with("kota-bandung").await
    }

    /// A connection of the ministry with one of the honest nodes, before any frame.
    pub async fn connect_with(&self, honest: &str) -> Connection {
        let address = self.federation.address_of(honest);
        self.impostor.dial(&agency(honest), &address).await.expect("a member with a good certificate")
    }

    /// The ministry greets the city and then sends these bytes. Returns the frames of the city up to its first fault or acknowledgement.
    pub async fn says(&self, messages: Vec<Bytes>) -> Vec<wire::frame::Kind> {
        let ready = wire::Ready { checkpoint: self.impostor.checkpoint() };
        let greeting = [wire::frame::Kind::Hello(self.impostor.hello()), wire::frame::Kind::Ready(ready)];
        let greeting = greeting.map(|kind| wire::Frame { kind: Some(kind) }.encode_to_vec().into());
        self.says_in_two_steps(greeting.to_vec(), messages).await
    }

    /// Like [`Self::says`], without the greeting.
    pub async fn says_without_greeting(&self, messages: Vec<Bytes>) -> Vec<wire::frame::Kind> {
        self.says_in_two_steps(messages, Vec::new()).await
    }

    /// Sends `first`, and `then` when the city is ready.
    async fn says_in_two_steps(&self, first: Vec<Bytes>, then: Vec<Bytes>) -> Vec<wire::frame::Kind> {
        let address = self.federation.address_of("kota-bandung");
        let dialled = self.impostor.dial_and_send(&agency("kota-bandung"), &address, first).await;
        let (mut inbound, outbound) = dialled.expect("a member with a good certificate");
        let mut then = then.into_iter();
        let mut said = Vec::new();
        while let Ok(Ok(Some(frame))) = tokio::time::timeout(PATIENCE, inbound.message()).await {
            said.extend(frame.kind);
            match said.last() {
                Some(wire::frame::Kind::Fault(_) | wire::frame::Kind::Ack(_)) => break,
                Some(wire::frame::Kind::Ready(_)) => {
                    for message in then.by_ref() {
                        // If the city has ended the link, its last frame says why.
                        let _ = outbound.send(message).await;
                    }
                }
                _ => {}
            }
        }
        said
    }

    /// Asserts that the honest nodes still work with each other, that the city's ledger is sound, and that its memory is bounded.
    pub async fn others_are_unaffected(&mut self) {
        let city = self.federation.node("kota-bandung").await;
        let lodged = city.lodges("Tetap jalan").await;
        city.forwards(lodged.complaint, "prov-jabar").await;
        self.federation.node("prov-jabar").await.accepts(lodged.complaint).await;
        city.has_a_sound_ledger().await;
        self.federation.is_bounded_in_memory("kota-bandung");
    }

    /// Delivers an item, and asserts that the city refuses it with `code`, both in its receipt and in its list of refused items.
    pub async fn is_refused(&mut self, item: wire::Item, code: RefusalCode) {
        let mut link = self.link().await;
        let honest = self.impostor.lodge("Laporan jujur");
        let receipt = link.deliver(2, vec![item, honest.item.clone()]).await;
        assert_eq!(receipt.results[0].outcome, ItemOutcome::Refused(code.number()));
        assert!(matches!(receipt.results[1].outcome, ItemOutcome::Leaf(_)), "the link stays up: {receipt:?}");
        let city = self.federation.node("kota-bandung").await;
        let refused = city.refused().await;
        assert_eq!((refused.len(), refused[0].code), (1, code.number()), "{refused:#?}");
        assert_eq!((refused[0].peer.as_str(), refused[0].direction.as_str()), ("kominfo", "by_us"));
        assert!(!refused[0].reason.is_empty());
        city.sees(honest.complaint, |seen| seen.intake == "kominfo").await;
        self.others_are_unaffected().await;
    }
}

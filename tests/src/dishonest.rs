//! A ledger of a member that may lie about it. The caller decides what the member acknowledges and which ledger it shows.

use bytes::Bytes;
use sinergi_proto::base::cursor::Cursor;
use sinergi_proto::base::ids::{Epoch, LedgerIndex};
use sinergi_proto::base::limits;
use sinergi_proto::entry::{Entry, id_in, signed_bytes};
use sinergi_proto::receipt::{ItemOutcome, ItemResult, Receipt};
use sinergi_proto::tlog::checkpoint::CheckpointSigner;
use sinergi_proto::tlog::tree::nodes_needed;
use sinergi_proto::wire::{self, frame::Kind};
use tlog_tiles::{Error as TreeError, Hash, HashReader};

use crate::member::{Connection, Member};

/// A ledger that a member keeps or shows.
#[derive(Clone)]
pub struct ShownLedger {
    epoch: Epoch,
    leaves: Vec<Bytes>,
    hashes: Vec<Hash>,
}

impl Default for ShownLedger {
    fn default() -> Self {
        Self::of_epoch(Epoch::FIRST)
    }
}

impl HashReader for ShownLedger {
    fn read_hashes(&self, numbers: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let hash = |number: &u64| usize::try_from(*number).ok().and_then(|number| self.hashes.get(number).copied());
        numbers.iter().map(|number| hash(number).ok_or(TreeError::IndexesNotInTree)).collect()
    }
}

impl ShownLedger {
    /// An empty ledger of an epoch.
    pub fn of_epoch(epoch: Epoch) -> Self {
        Self { epoch, leaves: Vec::new(), hashes: Vec::new() }
    }

    /// Appends a leaf for each number. The leaves are not entries; see [`filling`].
    pub fn fill(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.push(filling(number));
        }
    }

    /// Appends a leaf, given as a `SignedEntry`, and returns its index.
    pub fn push(&mut self, leaf: Bytes) -> LedgerIndex {
        let index = self.size();
        let id = id_in(&leaf).expect("a leaf is given as a signed entry");
        let new = tlog_tiles::stored_hashes_for_record_hash(index, Hash(id.0), self);
        let new = new.expect("the hashes of the leaves before are here");
        self.hashes.extend(new);
        self.leaves.push(leaf);
        LedgerIndex(index)
    }

    /// This ledger with another leaf at one index.
    pub fn with_another(&self, index: LedgerIndex, leaf: Bytes) -> Self {
        let mut other = Self::of_epoch(self.epoch);
        for (at, old) in (0..).zip(&self.leaves) {
            other.push(if at == index.0 { leaf.clone() } else { old.clone() });
        }
        other
    }

    /// A ledger with only the first `size` leaves.
    pub fn cut_to(&self, size: u64) -> Self {
        let mut other = Self::of_epoch(self.epoch);
        for (_, leaf) in (0..size).zip(&self.leaves) {
            other.push(leaf.clone());
        }
        other
    }

    /// Whether its last leaf is this one.
    pub fn ends_with(&self, leaf: &Bytes) -> bool {
        self.leaves.last() == Some(leaf)
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Its checkpoint, signed by the member at a time in seconds since 1970, or without a time.
    pub fn signed(&self, member: &Member, seconds: impl Into<Option<u64>>) -> Vec<u8> {
        let (keys, config) = (&member.keys, &member.config);
        let (checkpoint, time) = (keys.checkpoint.clone(), keys.time.clone());
        let signer = CheckpointSigner::new(config.federation.as_str(), &config.agency, self.epoch, checkpoint, time);
        signer.sign(
            self.size(),
            tlog_tiles::tree_hash(self.size(), self).expect("a tree has all its hashes").0,
            seconds,
        )
    }

    /// Appends the items of a frame as leaves, and returns the acknowledgement.
    ///
    /// # Panics
    /// If an honest node would not send this frame.
    pub fn takes(&mut self, member: &Member, delivered: &wire::Deliver, sender: &str, seconds: u64) -> wire::Ack {
        let federation = member.config.federation.as_str();
        let results = delivered.items.iter().map(|item| {
            let entry = Entry::parse(item.signed_entry.clone(), federation).expect("an entry");
            ItemResult::without_contents(entry.id, ItemOutcome::Leaf(self.push(item.signed_entry.clone())))
        });
        let results = results.collect();
        let receipt = Receipt {
            federation: federation.to_owned(),
            receiver: member.config.agency.clone(),
            sender: sender.parse().expect("an agency id"),
            key_id: Receipt::key_id_of(&member.keys.entry),
            charter_version: 1,
            cursor: Cursor::from_wire(delivered.cursor.expect("a cursor")),
            results,
            checkpoint: self.signed(member, seconds),
        };
        receipt.sign(&member.keys.entry)
    }

    /// The answer to a proof question about this ledger.
    pub fn answer(&self, member: &Member, prove: &wire::Prove, seconds: u64) -> wire::Proof {
        let whole = self.whole(prove);
        let asked = prove.leaves.iter().copied().filter(|index| *index < self.size());
        let proved = if prove.whole { whole.len() } else { prove.leaves.len() };
        let leaves: Vec<LedgerIndex> = asked.take(proved).map(LedgerIndex).collect();
        let sizes: Vec<u64> = prove.sizes.iter().copied().filter(|size| *size <= self.size()).collect();
        let numbers = nodes_needed(self.size(), &leaves, &sizes)
            .expect("leaves and sizes that are not in the tree were left out");
        let hashes = self.read_hashes(&numbers).expect("a tree has all its hashes");
        let node = |(number, hash): (u64, Hash)| wire::TreeNode { number, hash: hash.0.to_vec() };
        wire::Proof {
            number: prove.number,
            checkpoint: self.signed(member, seconds),
            nodes: numbers.into_iter().zip(hashes).map(node).collect(),
            leaves: whole,
            hashes: self.leaf_hashes(prove),
            ..Default::default()
        }
    }

    /// The hashes of the leaves that a question asks for.
    fn leaf_hashes(&self, prove: &wire::Prove) -> Vec<u8> {
        let (from, count) = (prove.first_hash, prove.hash_count);
        let asked = (from..from.saturating_add(count)).take_while(|index| *index < self.size());
        let numbers: Vec<u64> = asked.map(|index| tlog_tiles::stored_hash_index(0, index)).collect();
        let hashes = self.read_hashes(&numbers).expect("a tree has all its hashes");
        hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// The leaves that a question asks for as a whole, up to the limit of an answer.
    fn whole(&self, prove: &wire::Prove) -> Vec<Vec<u8>> {
        let mut bytes = 0;
        let fits = |leaf: &&Bytes| {
            bytes += leaf.len();
            bytes <= limits::PROVE_LEAF_BYTES
        };
        let asked =
            prove.leaves.iter().filter(|_| prove.whole).map(|index| usize::try_from(*index).unwrap_or(usize::MAX));
        asked.map_while(|index| self.leaves.get(index)).take_while(fits).map(|leaf| leaf.to_vec()).collect()
    }
}

/// Plays the member's node until the other node ends the link. It answers pings, and answers questions from `shown`, or refuses them if
/// `shown` is `None`.
pub async fn answer_questions(link: &mut Connection, member: &Member, shown: Option<&ShownLedger>, seconds: u64) {
    while let Ok(Some(frame)) = link.inbound.message().await {
        match frame.kind {
            Some(Kind::Ping(ping)) if !ping.reply => {
                let now = sinergi_daemon::base::time::now_millis();
                link.say(Kind::Ping(wire::Ping { nonce: ping.nonce, reply: true, now })).await;
            }
            Some(Kind::Prove(prove)) => {
                let refusal =
                    || wire::Proof { number: prove.number, refusal: "ask our lawyer".to_owned(), ..Default::default() };
                let proof = shown.map_or_else(refusal, |shown| shown.answer(member, &prove, seconds));
                link.say(Kind::Proof(proof)).await;
            }
            _ => {}
        }
    }
}

/// The `SignedEntry` of an item.
pub fn leaf_of(item: &wire::Item) -> Bytes {
    item.signed_entry.clone()
}

/// A `SignedEntry` of bytes that are no entry, to fill a ledger with.
pub fn filling(number: u64) -> Bytes {
    signed_bytes(number.to_be_bytes().to_vec().into(), None)
}

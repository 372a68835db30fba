//! The envelope of an entry: the author's signature over a batch of entries, and the path from the entry to the batch's root.
//!
//! Must not know the contents of entries.
//!
//! Invariants:
//! - a signature is over `"sinergi/entries/v2\0" || size (8 bytes, big-endian) || root`, so it is valid for no other purpose;
//! - the leaf hashes of a batch are the entries' ids, so the root of a batch of one entry is its id;
//! - an envelope proves one place in one batch: its path has exactly the hashes that the place needs.

use prost::Message;

use crate::base::ids::EntryId;
use crate::base::key::SigningKey;
use crate::base::limits;
use crate::tlog::small_tree::{SmallTree, root_by_path};
use crate::wire;

const DOMAIN: &[u8; 19] = b"sinergi/entries/v2\0";
/// Length of a signed message in bytes.
const MESSAGE: usize = DOMAIN.len() + 8 + 32;

/// The author's signature over a batch of its entries, with one entry's place in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The entry's index in the batch.
    index: u32,
    /// Number of entries of the batch.
    size: u32,
    /// The RFC 6962 audit path of the entry.
    path: Vec<[u8; 32]>,
    /// The Ed25519 signature.
    signature: [u8; 64],
}

/// A batch of entries, as its author signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedBatch {
    /// Number of entries.
    pub size: u32,
    /// The RFC 6962 root over the ids of the entries.
    pub root: [u8; 32],
}

impl SignedBatch {
    /// The bytes that the author signs.
    pub fn message(&self) -> [u8; MESSAGE] {
        let mut message = [0; MESSAGE];
        let (domain, rest) = message.split_at_mut(DOMAIN.len());
        let (size, root) = rest.split_at_mut(8);
        domain.copy_from_slice(DOMAIN);
        size.copy_from_slice(&u64::from(self.size).to_be_bytes());
        root.copy_from_slice(&self.root);
        message
    }
}

/// A batch of own entries with its signature. It gives each entry its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnBatch {
    /// The tree over the ids.
    tree: SmallTree,
    signature: [u8; 64],
}

impl OwnBatch {
    /// Signs the entries with these ids: at least one, at most [`limits::SIGNED_BATCH`].
    pub fn sign(ids: &[EntryId], key: &SigningKey) -> Self {
        let mut batch = Self::restore(ids, [0; 64]);
        batch.signature = key.sign(&batch.signed().message()).to_bytes();
        batch
    }

    /// The batch with these ids and this signature, which was signed before.
    pub fn restore(ids: &[EntryId], signature: [u8; 64]) -> Self {
        Self { tree: SmallTree::of(ids.iter().map(|id| id.0).collect()), signature }
    }

    /// The envelope of the entry with this index in the batch.
    pub fn envelope(&self, index: usize) -> Envelope {
        let path = self.tree.path(index);
        let index = u32::try_from(index).expect("batches are bounded");
        Envelope { index, size: self.signed().size, path, signature: self.signature }
    }

    /// The envelopes of all entries, in order.
    pub fn envelopes(&self) -> impl Iterator<Item = Envelope> + '_ {
        (0..self.tree.size()).map(|index| self.envelope(index))
    }

    /// The signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    fn signed(&self) -> SignedBatch {
        let size = u32::try_from(self.tree.size()).expect("batches are bounded");
        SignedBatch { size, root: self.tree.root() }
    }
}

impl Envelope {
    /// The parsed envelope. `None` if its size, index or path is impossible. Such an envelope can verify for no entry.
    pub(super) fn parse(envelope: &wire::Envelope) -> Option<Self> {
        let wire::Envelope { index, size, path, signature } = envelope;
        let (hashes, rest) = path.as_chunks::<32>();
        let is_possible = *size as usize <= limits::SIGNED_BATCH && rest.is_empty();
        let fits = is_possible && root_by_path([0; 32], *index, *size, hashes).is_some();
        let signature = <[u8; 64]>::try_from(signature.as_ref()).ok()?;
        fits.then(|| Self { index: *index, size: *size, path: hashes.to_vec(), signature })
    }

    /// The wire representation.
    pub(super) fn to_wire(&self) -> wire::Envelope {
        wire::Envelope {
            index: self.index,
            size: self.size,
            path: self.path.concat().into(),
            signature: self.signature.to_vec().into(),
        }
    }

    /// The envelope as bytes, see [`Self::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// The envelope with these bytes. `None` if they are none that could verify.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse(&wire::Envelope::decode(bytes).ok()?)
    }

    /// The batch that the signature is over, if the entry with this id is in it.
    pub fn batch_of(&self, id: &EntryId) -> SignedBatch {
        let root = root_by_path(id.0, self.index, self.size, &self.path);
        SignedBatch { size: self.size, root: root.expect("the path was checked when the envelope was parsed") }
    }

    /// The signature.
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// Number of entries that the signature covers.
    pub fn size(&self) -> u32 {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::entry_key;
    use crate::tlog::tree::root_of;

    fn entries(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("entry {number}")).collect()
    }

    fn ids(entries: &[String]) -> Vec<EntryId> {
        entries.iter().map(|entry| EntryId::of(entry.as_bytes())).collect()
    }

    #[test]
    fn every_entry_of_a_batch_leads_to_the_rfc_6962_root_that_was_signed() {
        let key = entry_key("ksp");
        for count in [1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1023, 1024] {
            let entries = entries(count);
            let root = root_of(entries.iter().map(String::as_bytes));
            let own = OwnBatch::sign(&ids(&entries), &key);
            for (index, id) in ids(&entries).iter().enumerate() {
                let envelope = own.envelope(index);
                let batch = envelope.batch_of(id);
                assert_eq!((batch.size as usize, batch.root), (count, root));
                assert!(key.verification_key().verifies(&batch.message(), envelope.signature()));
                assert_eq!(Envelope::parse(&envelope.to_wire()).as_ref(), Some(&envelope));
            }
        }
    }

    #[test]
    fn a_batch_is_restored_from_its_ids_and_its_signature() {
        let ids = ids(&entries(11));
        let batch = OwnBatch::sign(&ids, &entry_key("ksp"));
        assert_eq!(OwnBatch::restore(&ids, *batch.signature()), batch);
    }

    #[test]
    fn an_envelope_of_another_place_or_with_more_or_fewer_hashes_is_impossible_or_leads_elsewhere() {
        let ids = ids(&entries(6));
        let envelope = OwnBatch::sign(&ids, &entry_key("ksp")).envelope(3);
        let good = envelope.batch_of(&ids[3]);
        let changed = |change: &dyn Fn(&mut wire::Envelope)| {
            let mut envelope = envelope.to_wire();
            change(&mut envelope);
            Envelope::parse(&envelope).map(|envelope| envelope.batch_of(&ids[3]))
        };
        assert_eq!(changed(&|_| {}), Some(good));
        let impossible: [&dyn Fn(&mut wire::Envelope); 7] = [
            &|envelope| envelope.index = 6,
            &|envelope| envelope.size = 0,
            &|envelope| envelope.size = 1025,
            &|envelope| envelope.size = 60,
            &|envelope| envelope.path = envelope.path.slice(..64),
            &|envelope| envelope.path = [&envelope.path[..], &[0; 32]].concat().into(),
            &|envelope| envelope.signature = envelope.signature.slice(..63),
        ];
        for change in impossible {
            assert_eq!(changed(change), None);
        }
        for index in [0, 1, 2] {
            assert_ne!(changed(&|envelope| envelope.index = index), Some(good), "index {index}");
        }
        assert_ne!(changed(&|envelope| envelope.size = 8), Some(good));
    }
}

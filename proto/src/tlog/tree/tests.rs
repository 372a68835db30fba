//! Proofs from the nodes of an honest agency, from those of a dishonest one, and from random nodes.

use std::collections::HashMap;

use proptest::prelude::*;
use tlog_tiles::Hash;

use super::*;

/// A tree with all of its stored hashes.
struct Whole {
    size: u64,
    hashes: Vec<Hash>,
}

impl HashReader for Whole {
    fn read_hashes(&self, numbers: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let hash = |number: &u64| usize::try_from(*number).ok().and_then(|number| self.hashes.get(number).copied());
        numbers.iter().map(|number| hash(number).ok_or(TreeError::IndexesNotInTree)).collect()
    }
}

fn tree(size: u64) -> Whole {
    let mut whole = Whole { size: 0, hashes: Vec::new() };
    for index in 0..size {
        let new = tlog_tiles::stored_hashes(index, format!("leaf {index}").as_bytes(), &whole).expect("hashes");
        whole.hashes.extend(new);
        whole.size += 1;
    }
    whole
}

impl Whole {
    fn root_at(&self, size: u64) -> [u8; 32] {
        tlog_tiles::tree_hash(size, self).expect("a root").0
    }

    /// The nodes that an honest agency shows to prove these leaves and these older sizes.
    fn shows(&self, leaves: &[u64], sizes: &[u64]) -> TreeNodes {
        let leaves: Vec<LedgerIndex> = leaves.iter().map(|index| LedgerIndex(*index)).collect();
        let numbers = nodes_needed(self.size, &leaves, sizes).expect("within the tree");
        let hashes = self.read_hashes(&numbers).expect("within the tree");
        let node = |(number, hash): (u64, Hash)| wire::TreeNode { number, hash: hash.0.to_vec() };
        let nodes: Vec<_> = numbers.into_iter().zip(hashes).map(node).collect();
        TreeNodes::from_wire(self.size, &nodes).expect("hashes")
    }
}

#[test]
fn the_needed_nodes_prove_every_leaf_and_every_older_size_of_every_small_tree() {
    for size in 1..=70 {
        let whole = tree(size);
        let root = whole.root_at(size);
        let all: Vec<u64> = (0..size).collect();
        let shown = whole.shows(&all, &(0..=size).collect::<Vec<_>>());
        for index in 0..size {
            let alone = whole.shows(&[index], &[]);
            for nodes in [&shown, &alone] {
                let inclusion = nodes.inclusion(LedgerIndex(index), root).expect("it is a leaf");
                assert_eq!(inclusion.leaf_hash, leaf_hash(format!("leaf {index}").as_bytes()));
                inclusion.check(size, root).expect("it was just made");
            }
        }
        for older in 0..=size {
            let alone = whole.shows(&[], &[older]);
            for nodes in [&shown, &alone] {
                let (prefix, proof) = nodes.consistency(older, root).expect("it is the beginning");
                assert_eq!(prefix, whole.root_at(older));
                check_consistency(older, prefix, size, root, &proof).expect("it was just made");
            }
        }
    }
}

#[test]
fn a_leaf_that_is_not_in_the_tree_or_was_not_shown_is_an_error() {
    let whole = tree(9);
    let root = whole.root_at(9);
    let shown = whole.shows(&[2], &[]);
    assert!(matches!(shown.inclusion(LedgerIndex(9), root), Err(ProofError::NoLeaf { size: 9, .. })));
    assert!(matches!(shown.inclusion(LedgerIndex(7), root), Err(ProofError::Fails { .. })));
    assert!(matches!(shown.consistency(10, root), Err(ProofError::NotSmaller { older: 10, newer: 9 })));
    assert!(nodes_needed(9, &[LedgerIndex(9)], &[]).is_err() && nodes_needed(9, &[], &[10]).is_err());
    assert!(TreeNodes::from_wire(9, &[wire::TreeNode { number: 0, hash: vec![0; 31] }]).is_err());
}

#[test]
fn a_tree_with_another_past_proves_its_own_past_and_not_the_old_one() {
    let (old, size) = (tree(13), 21);
    let mut other = tree(0);
    for index in 0..size {
        let leaf = if index == 5 { "another".to_owned() } else { format!("leaf {index}") };
        let new = tlog_tiles::stored_hashes(index, leaf.as_bytes(), &other).expect("hashes");
        other.hashes.extend(new);
        other.size += 1;
    }
    let root = other.root_at(size);
    let (prefix, proof) = other.shows(&[], &[13]).consistency(13, root).expect("its own beginning");
    assert_ne!(prefix, old.root_at(13));
    check_consistency(13, prefix, size, root, &proof).expect("this proves that it has another past");
    assert!(check_consistency(13, old.root_at(13), size, root, &proof).is_err());
    assert_ne!(other.shows(&[5], &[]).inclusion(LedgerIndex(5), root).expect("a leaf").leaf_hash, leaf_hash(b"leaf 5"));
}

proptest! {
    #[test]
    fn proofs_hold_in_random_trees_and_fail_when_a_bit_is_changed(
        size in 2u64..3000, at in any::<proptest::sample::Index>(), older in any::<proptest::sample::Index>(),
        hash in any::<proptest::sample::Index>(), bit in 0usize..256, grown in 1u64..9,
    ) {
        let whole = tree(size);
        let root = whole.root_at(size);
        let (index, older) = (at.index(usize::try_from(size).expect("small")) as u64, 1 + older.index(usize::try_from(size - 1).expect("small")) as u64);
        let shown = whole.shows(&[index], &[older]);
        let inclusion = shown.inclusion(LedgerIndex(index), root).expect("a leaf");
        let (prefix, proof) = shown.consistency(older, root).expect("a beginning");

        let flip = |bytes: &mut [u8; 32]| bytes[bit / 8] ^= 1 << (bit % 8);
        let mut changed = inclusion.clone();
        flip(&mut changed.leaf_hash);
        prop_assert!(changed.check(size, root).is_err());
        let mut changed = inclusion.clone();
        flip(&mut changed.path[hash.index(inclusion.path.len())]);
        prop_assert!(changed.check(size, root).is_err());
        let mut other_root = root;
        flip(&mut other_root);
        prop_assert!(inclusion.check(size, other_root).is_err());
        prop_assert!(check_consistency(older, prefix, size, other_root, &proof).is_err());
        let mut other_prefix = prefix;
        flip(&mut other_prefix);
        prop_assert!(check_consistency(older, other_prefix, size, root, &proof).is_err());
        let mut changed = proof.clone();
        flip(&mut changed[hash.index(proof.len())]);
        prop_assert!(check_consistency(older, prefix, size, root, &changed).is_err());
        let elsewhere = Inclusion { index: LedgerIndex((index + grown) % size), ..inclusion.clone() };
        prop_assert!(elsewhere.index == inclusion.index || elsewhere.check(size, root).is_err());
    }

    #[test]
    fn no_nodes_make_a_proof_panic(size in 0u64..u64::MAX / 4, nodes in proptest::collection::hash_map(0u64..5000, any::<[u8; 32]>(), 0..40), index in any::<u64>(), older in any::<u64>()) {
        let nodes: HashMap<u64, [u8; 32]> = nodes;
        let nodes: Vec<_> = nodes.into_iter().map(|(number, hash)| wire::TreeNode { number, hash: hash.to_vec() }).collect();
        let shown = TreeNodes::from_wire(size, &nodes).expect("hashes");
        let _ = shown.inclusion(LedgerIndex(index), [0; 32]);
        let _ = shown.consistency(older, [0; 32]);
    }
}

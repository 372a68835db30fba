//! A small RFC 6962 tree that is whole in memory: the entries of a signed batch, the results of a receipt.
//!
//! Must not know what its leaves mean.
//!
//! Invariant: a path has exactly the hashes that its leaf needs.

use sha2::{Digest, Sha256};

/// The levels of the tree, from the leaf hashes to the root. A last hash without a sibling goes up as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmallTree(Vec<Vec<[u8; 32]>>);

impl SmallTree {
    /// The tree over these leaf hashes.
    pub fn of(leaves: Vec<[u8; 32]>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                single => single[0],
            });
            levels.push(above.collect());
        }
        Self(levels)
    }

    /// Number of leaves.
    pub fn size(&self) -> usize {
        self.0[0].len()
    }

    /// The root. For a tree without leaves, SHA-256 of nothing.
    pub fn root(&self) -> [u8; 32] {
        let top = self.0.last().and_then(|top| top.first());
        top.copied().unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// The audit path of a leaf.
    pub fn path(&self, index: usize) -> Vec<[u8; 32]> {
        let levels = self.0.iter().enumerate();
        levels.filter_map(|(height, level)| level.get(index >> height ^ 1)).copied().collect()
    }
}

/// The root to which a path leads from a leaf. `None` if the tree has no such leaf, or the path has more or fewer hashes than the leaf needs.
pub fn root_by_path(leaf: [u8; 32], index: u32, size: u32, path: &[[u8; 32]]) -> Option<[u8; 32]> {
    if index >= size {
        return None;
    }
    let (mut index, mut size, mut hash) = (index, size, leaf);
    let mut path = path.iter();
    while size > 1 {
        hash = match index % 2 {
            1 => node(path.next()?, &hash),
            _ if index + 1 == size => hash,
            _ => node(&hash, path.next()?),
        };
        (index, size) = (index / 2, size.div_ceil(2));
    }
    path.next().is_none().then_some(hash)
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::tree::{leaf_hash, root_of};

    #[test]
    fn every_leaf_leads_to_the_rfc_6962_root_and_no_other_path_does() {
        for count in [0_u32, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1023, 1024] {
            let leaves: Vec<String> = (0..count).map(|number| format!("leaf {number}")).collect();
            let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect();
            let (tree, root) = (SmallTree::of(hashes.clone()), root_of(leaves.iter().map(String::as_bytes)));
            assert_eq!((tree.size() as u32, tree.root()), (count, root));
            for (index, hash) in (0..count).zip(&hashes) {
                let path = tree.path(index as usize);
                assert_eq!(root_by_path(*hash, index, count, &path), Some(root));
                assert_ne!(root_by_path([9; 32], index, count, &path), Some(root));
                assert_eq!(root_by_path(*hash, index, count, &[&path[..], &[[0; 32]]].concat()), None);
                assert!(path.is_empty() || root_by_path(*hash, index, count, &path[1..]).is_none());
            }
            assert_eq!(root_by_path([0; 32], count, count, &[]), None);
        }
    }
}

//! The Merkle tree hash of RFC 6962, 2.1, in one pass and without allocation.

use heapless::Vec;

use crate::crypto::{Digest, sha256};

/// Levels of the largest tree: 2³² leaves.
const LEVELS: usize = 33;

/// Hash of a leaf: SHA-256(`00` ‖ leaf).
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    sha256(&[&[0x00], leaf])
}

/// Hash of an inner node: SHA-256(`01` ‖ left ‖ right).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[0x01], left, right])
}

/// Root of a tree whose leaves come one after the other.
///
/// Keeps the roots of the complete subtrees so far, one for each bit set in the number of leaves.
#[derive(Clone, Debug, Default)]
pub struct RootBuilder {
    subtrees: Vec<Digest, LEVELS>,
    leaves: u32,
}

impl RootBuilder {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the hash of the next leaf. `complete` sees every node of a complete subtree: its level (leaves are
    /// level 0), its index in that level, its hash; a caller that stores them can later show a path.
    ///
    /// Returns false, and takes nothing, once 2³² − 1 leaves are in.
    pub fn push(&mut self, leaf: Digest, mut complete: impl FnMut(u8, u32, &Digest)) -> bool {
        let Some(count) = self.leaves.checked_add(1) else {
            return false;
        };
        let mut hash = leaf;
        let mut level = 0_u8;
        complete(level, self.leaves, &hash);
        // Each trailing one in the old count is a complete subtree of the same size on the left.
        let mut index = self.leaves;
        while index & 1 == 1 {
            let Some(left) = self.subtrees.pop() else {
                return false;
            };
            hash = node_hash(&left, &hash);
            level = level.saturating_add(1);
            index >>= 1;
            complete(level, index, &hash);
        }
        self.leaves = count;
        self.subtrees.push(hash).is_ok()
    }

    /// Leaves so far.
    pub fn leaves(&self) -> u32 {
        self.leaves
    }

    /// The root; of no leaves: SHA-256 of nothing.
    pub fn root(&self) -> Digest {
        let mut subtrees = self.subtrees.iter().rev();
        let Some(last) = subtrees.next() else {
            return sha256(&[]);
        };
        subtrees.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// The root that results from leaf `index` in a tree of `leaves` leaves (RFC 6962, 2.1.1), where `node` gives the hash
/// of a complete subtree by its level and index, as [`RootBuilder::push`] showed it.
///
/// `None` if the index is outside the tree or `node` does not know a hash.
pub fn root_from_leaf(
    leaf: Digest,
    index: u32,
    leaves: u32,
    node: impl Fn(u8, u32) -> Option<Digest>,
) -> Option<Digest> {
    if index >= leaves {
        return None;
    }
    let mut hash = leaf;
    for level in 0..32_u8 {
        let position = index >> level;
        if leaves.saturating_sub(1) >> level == 0 {
            break;
        }
        // The last node of a level may have no sibling: then it moves up as it is.
        if let Some(sibling) = subtree_hash(level, position ^ 1, leaves, &node)? {
            hash = if position & 1 == 0 {
                node_hash(&hash, &sibling)
            } else {
                node_hash(&sibling, &hash)
            };
        }
    }
    Some(hash)
}

/// Hash of the subtree at (level, position), also of the ragged one at the right edge; `Some(None)` if no leaf is in it.
fn subtree_hash(
    level: u8,
    position: u32,
    leaves: u32,
    node: &impl Fn(u8, u32) -> Option<Digest>,
) -> Option<Option<Digest>> {
    let first = position.checked_mul(1 << level)?;
    let Some(count) = leaves.checked_sub(first).filter(|count| *count > 0) else {
        return Some(None);
    };
    if count >> level > 0 {
        return node(level, position).map(Some);
    }
    // Its complete parts are the bits set in `count`, the largest leftmost: join them from the right.
    let mut hash = None;
    for part in (0..level).filter(|part| count >> part & 1 == 1) {
        let left_of_part = (count >> part).checked_sub(1)?;
        let left = node(part, (first >> part).checked_add(left_of_part)?)?;
        hash = Some(hash.map_or(left, |right| node_hash(&left, &right)));
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::HashMap;
    use std::vec::Vec as List;

    /// RFC 6962, 2.1, word for word.
    fn reference(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(&reference(&leaves[..split]), &reference(&leaves[split..]))
            }
        }
    }

    #[test]
    fn roots_and_paths_agree_with_the_definition() {
        for count in 0..140_u32 {
            let leaves: List<Digest> = (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let mut nodes = HashMap::new();
            let mut builder = RootBuilder::new();
            for leaf in &leaves {
                assert!(builder.push(*leaf, |level, index, hash| {
                    nodes.insert((level, index), *hash);
                }));
            }
            let root = reference(&leaves);
            assert_eq!(builder.root(), root);
            let node = |level, index| nodes.get(&(level, index)).copied();
            for (index, leaf) in (0..).zip(&leaves) {
                assert_eq!(
                    root_from_leaf(*leaf, index, count, node),
                    Some(root),
                    "{index} of {count}"
                );
                assert_ne!(
                    root_from_leaf(leaf_hash(b"other"), index, count, node),
                    Some(root)
                );
            }
            assert_eq!(root_from_leaf(root, count, count, node), None);
        }
    }

    #[test]
    fn known_answers_of_certificate_transparency() {
        // Leaves and roots of the test data in google/certificate-transparency (merkle_tree_test.cc).
        let leaves: [&[u8]; 4] = [b"", b"\x00", b"\x10", b"\x20\x21"];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        let mut builder = RootBuilder::new();
        for (leaf, root) in leaves.into_iter().zip(roots) {
            builder.push(leaf_hash(leaf), |_, _, _| {});
            let hex: std::string::String = builder
                .root()
                .iter()
                .map(|byte| std::format!("{byte:02x}"))
                .collect();
            assert_eq!(hex, root);
        }
    }
}

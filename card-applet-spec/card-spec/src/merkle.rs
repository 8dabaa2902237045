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

/// Walks the audit path of leaf `index` in a tree of `leaves` leaves (RFC 6962, 2.1.1): asks `node` for the hash of
/// each complete subtree (level, index) that the path needs and returns the root that results.
///
/// `None` if the index is outside the tree or `node` does not know a hash.
pub fn root_from_leaf(
    leaf: Digest,
    index: u32,
    leaves: u32,
    mut node: impl FnMut(u8, u32) -> Option<Digest>,
) -> Option<Digest> {
    if index >= leaves {
        return None;
    }
    let mut hash = leaf;
    let mut index = index;
    // Nodes of this level that are roots of complete subtrees; one more may be the ragged right edge.
    let mut complete = leaves;
    let mut level = 0_u8;
    let mut edge: Option<Digest> = None;
    loop {
        let odd = complete & 1 == 1;
        let edge_index = complete & !1;
        if complete == 1 && edge.is_none() {
            return Some(hash);
        }
        if complete == 0 {
            return Some(hash);
        }
        // Fold the last, unpaired complete node into the edge: it joins everything to its right.
        if odd && index < edge_index {
            let last = node(level, edge_index)?;
            edge = Some(match edge {
                Some(right) => node_hash(&last, &right),
                None => last,
            });
        } else if odd && index == edge_index {
            if let Some(right) = edge.take() {
                hash = node_hash(&hash, &right);
            }
            // From here on the leaf is part of the edge: what is left are complete nodes to the left, pair by pair.
            return join_left(hash, complete, level, node);
        }
        if index < edge_index {
            let sibling = node(level, index ^ 1)?;
            hash = if index & 1 == 0 {
                node_hash(&hash, &sibling)
            } else {
                node_hash(&sibling, &hash)
            };
        }
        index >>= 1;
        complete >>= 1;
        level = level.checked_add(1)?;
        if complete == 0 {
            return Some(hash);
        }
        if complete == 1 {
            return Some(match edge {
                Some(right) => node_hash(&hash, &right),
                None => hash,
            });
        }
    }
}

/// Joins the ragged right edge with the complete subtrees to its left, smallest first.
fn join_left(
    edge: Digest,
    complete: u32,
    level: u8,
    mut node: impl FnMut(u8, u32) -> Option<Digest>,
) -> Option<Digest> {
    let mut hash = edge;
    let mut complete = complete >> 1;
    let mut level = level.checked_add(1)?;
    while complete > 0 {
        if complete & 1 == 1 {
            hash = node_hash(&node(level, complete.checked_sub(1)?)?, &hash);
        }
        complete >>= 1;
        level = level.checked_add(1)?;
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

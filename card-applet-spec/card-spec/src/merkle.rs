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

/// The hashes beside the way from a leaf to the root, from the leaf up.
pub type AuditPath = Vec<Digest, LEVELS>;

/// The audit path of leaf `index` in a tree of `leaves` leaves (RFC 6962, 2.1.1), where `node` gives the hash of a complete
/// subtree by its level and index, as [`RootBuilder::push`] showed it.
///
/// `None` if the index is outside the tree or `node` does not know a hash.
pub fn audit_path(index: u32, leaves: u32, node: impl Fn(u8, u32) -> Option<Digest>) -> Option<AuditPath> {
    let mut path = AuditPath::new();
    if index >= leaves {
        return None;
    }
    for level in 0..32_u8 {
        // The last node of a level may have no sibling: then it moves up as it is. Above the root no node has one.
        if let Some(sibling) = subtree_hash(level, (index >> level) ^ 1, leaves, &node)? {
            path.push(sibling).ok()?;
        }
    }
    Some(path)
}

/// The root to which the audit path of leaf `index` leads in a tree of `leaves` leaves (RFC 6962, 2.1.1).
///
/// `None` if the index is outside the tree, or if the path has not exactly the hashes that this leaf's has: no proof is
/// good for another place or another size.
pub fn root_from_path(leaf: Digest, index: u32, leaves: u32, path: &[Digest]) -> Option<Digest> {
    let mut last = leaves.checked_sub(1).filter(|last| index <= *last)?;
    let mut position = index;
    let mut path = path.iter();
    let mut hash = leaf;
    while last > 0 {
        if position & 1 == 1 {
            hash = node_hash(path.next()?, &hash);
        } else if position < last {
            hash = node_hash(&hash, path.next()?);
        }
        (position, last) = (position >> 1, last >> 1);
    }
    path.next().is_none().then_some(hash)
}

/// The root that results from leaf `index` in a tree of `leaves` leaves, where `node` gives hashes as for [`audit_path`].
///
/// `None` if the index is outside the tree or `node` does not know a hash.
pub fn root_from_leaf(
    leaf: Digest,
    index: u32,
    leaves: u32,
    node: impl Fn(u8, u32) -> Option<Digest>,
) -> Option<Digest> {
    root_from_path(leaf, index, leaves, &audit_path(index, leaves, node)?)
}

/// Hash of the subtree at (level, position), also of the ragged one at the right edge; `Some(None)` if no leaf is in it.
fn subtree_hash(
    level: u8,
    position: u32,
    leaves: u32,
    node: &impl Fn(u8, u32) -> Option<Digest>,
) -> Option<Option<Digest>> {
    let first = position.checked_mul(1 << level)?;
    let Some(count) = leaves.checked_sub(first) else {
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
            assert_eq!((builder.root(), builder.leaves()), (root, count));
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
            assert_eq!(audit_path(count, count, node), None);
        }
    }

    /// A path proves its own leaf at its own place and nothing else: not cut, not longer, not with a hash changed, not for
    /// another index.
    #[test]
    fn a_path_proves_nothing_else() {
        let leaf = |n: u32| leaf_hash(&n.to_be_bytes());
        for count in 1..40_u32 {
            let mut nodes = HashMap::new();
            let mut builder = RootBuilder::new();
            for n in 0..count {
                builder.push(leaf(n), |level, index, hash| {
                    nodes.insert((level, index), *hash);
                });
            }
            let root = Some(builder.root());
            for index in 0..count {
                let path =
                    audit_path(index, count, |level, index| nodes.get(&(level, index)).copied()).unwrap();
                assert_eq!(root_from_path(leaf(index), index, count, &path), root);
                for other in (0..=count).filter(|other| *other != index) {
                    assert_ne!(root_from_path(leaf(index), other, count, &path), root, "{other}");
                }
                let mut longer = path.clone();
                longer.push([0; 32]).unwrap();
                assert_eq!(root_from_path(leaf(index), index, count, &longer), None);
                for place in 0..path.len() {
                    assert_eq!(root_from_path(leaf(index), index, count, &path[..place]), None);
                    let mut changed = path.clone();
                    changed[place][31] ^= 1;
                    assert_ne!(root_from_path(leaf(index), index, count, &changed), root);
                }
            }
        }
        assert_eq!(root_from_path([0; 32], 0, 0, &[]), None);
        assert_eq!(root_from_path([0; 32], u32::MAX, u32::MAX, &[]), None);
    }

    fn hash(hex_digits: &str) -> Digest {
        let mut bytes = [0; 32];
        hex::decode_to_slice(hex_digits, &mut bytes).unwrap();
        bytes
    }

    // Leaves, roots and paths of the test data in google/certificate-transparency (merkle_tree_test.cc).
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn known_roots_of_certificate_transparency() {
        let mut builder = RootBuilder::new();
        for (leaf, root) in LEAVES.into_iter().zip(ROOTS) {
            builder.push(leaf_hash(leaf), |_, _, _| {});
            assert_eq!(builder.root(), hash(root));
        }
    }

    #[test]
    fn known_paths_of_certificate_transparency() {
        let paths: [(usize, u32, &[&str]); 5] = [
            (0, 1, &[]),
            (
                0,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                5,
                8,
                &[
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                3,
                &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
            ),
            (
                1,
                5,
                &[
                    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (index, count, path) in paths {
            let path: List<Digest> = path.iter().map(|digits| hash(digits)).collect();
            let leaf = leaf_hash(LEAVES[index]);
            let index = u32::try_from(index).unwrap();
            let root = hash(ROOTS[usize::try_from(count).unwrap() - 1]);
            assert_eq!(
                root_from_path(leaf, index, count, &path),
                Some(root),
                "{index} of {count}"
            );
        }
    }
}

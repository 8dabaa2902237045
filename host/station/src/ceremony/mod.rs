//! The ceremony: keys made where they stay, certificates signed where the root is, and what goes between the two on a stick
//! and on paper. `host/CEREMONY.md` tells people what to do; this is what their commands do.
//!
//! * [`authority`]: the certificates of root, issuer and terminal CA.
//! * [`root`]: the folder of the root, which never comes near a station.
//! * [`station`]: what a station does: it makes keys, asks for certificates and takes them in.
//! * [`backup`]: copies of a station's keys that were opened before anybody relies on them.

pub mod authority;
pub mod backup;
pub mod root;
pub mod station;

use card_spec::crypto::Digest;

/// A fingerprint as people read it aloud: 8 groups of 8 hexadecimal digits.
pub fn spoken(hash: &Digest) -> String {
    let digits = hex::encode(hash);
    let mut groups = Vec::new();
    let mut rest = digits.as_str();
    while let Some((group, tail)) = rest.split_at_checked(8) {
        groups.push(group);
        rest = tail;
    }
    groups.join(" ")
}

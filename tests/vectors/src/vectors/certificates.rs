//! Certificates, with a link from one root to the next.

use card_spec::certificate::{Authorization, Certificate, CertificateKey, Flags, Role};

use super::cards::members_of;
use super::{DATE_ASCII, FEBRUARY_30, Kind};
use crate::broken::{Body, object, replace};
use crate::{World, date, reference, secret, sign};

/// Place of the public key among a certificate's members.
const KEY: usize = 2;

pub(super) fn certificates(world: &World) -> Kind {
    let mut kind = Kind::new("certificate", "SPEC 3.1");
    for (path, encoding) in world
        .files
        .iter()
        .filter(|(path, _)| path.starts_with("certificates/"))
    {
        let signer = if path.contains("VNT0") {
            ("terminal CA", &world.authority)
        } else {
            ("root", &world.root)
        };
        kind.valid(path, encoding, Some(signer));
    }
    let journal = world
        .files
        .get("certificates/VNT0000001J00001.cvc")
        .expect("a certificate");
    kind.refuse_broken(
        journal,
        Some(&world.authority),
        &[
            ("profile 1", 0x5F29, &[1]),
            ("a reference without VN", 0x42, b"DETCA00001"),
            ("a reference in lower case", 0x5F20, b"VNtca00001"),
            FEBRUARY_30,
            DATE_ASCII,
        ],
    );
    let link = sign(&link(), &world.root);
    kind.valid(
        "link certificate from VNROOT00001 to VNROOT00002",
        &link,
        Some(("root", &world.root)),
    );
    refuse_domain_parameters(&mut kind, &link);
    kind
}

/// The trust in the root, handed on to the next (SPEC 3.6): it begins within the first root's dates and ends after them.
fn link() -> Certificate {
    Certificate {
        profile: Default::default(),
        authority: reference("VNROOT00001"),
        public_key: CertificateKey {
            key: secret("second root").public_key(),
            with_domain_parameters: true,
        },
        holder: reference("VNROOT00002"),
        authorization: Authorization {
            role: Role::Root,
            flags: Flags::Test,
        },
        effective: date(2040, 1, 1),
        expiry: date(2070, 12, 31),
    }
}

/// Domain parameters that are not all there, or of another curve.
fn refuse_domain_parameters(kind: &mut Kind, link: &[u8]) {
    let body = Body::of(link, true);
    let mut refuse = |name: &str, refusal: &str, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let changed = body.with(|members| {
            let mut parameters = members_of(&members[KEY]);
            change(&mut parameters);
            members[KEY] = object(0x7F49, &parameters.concat());
        });
        kind.refuse(name, changed, refusal);
    };
    refuse("a link certificate without p", "members", &|parameters| {
        drop(parameters.remove(1))
    });
    refuse("a link certificate without h", "members", &|parameters| {
        drop(parameters.pop())
    });
    refuse("a link certificate with another b", "value", &|parameters| {
        replace(parameters, 0x83, &[1; 32])
    });
    refuse("a link certificate with h = 2", "value", &|parameters| {
        replace(parameters, 0x87, &[2])
    });
    refuse(
        "a link certificate with the parameters behind the key",
        "members",
        &|parameters| parameters.swap(5, 6),
    );
}

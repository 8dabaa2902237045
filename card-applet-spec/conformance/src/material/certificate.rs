//! Card-verifiable certificates (SPEC 3).

use card_spec::crypto::PublicKey;

use super::{Day, ISSUER, Material, OTHER_TERMINAL, ROOT, TERMINAL, TERMINAL_CA, date};
use crate::encoding::tlv;

/// National root (SPEC 3.2).
pub(crate) const ROLE_ROOT: u8 = 0xC0;
/// Provincial issuer.
pub(crate) const ROLE_ISSUER: u8 = 0x81;
/// Terminal CA.
pub(crate) const ROLE_TERMINAL_CA: u8 = 0x82;
/// Terminal, key agreement.
pub(crate) const ROLE_TERMINAL: u8 = 0x01;
/// Terminal, journal signing.
pub(crate) const ROLE_JOURNAL: u8 = 0x02;
/// TEST (SPEC 3.3): all that the kit makes is.
const TEST: u8 = 0x80;

/// What a certificate says. Its key is the one of its holder's name.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) authority: &'static str,
    pub(crate) holder: &'static str,
    pub(crate) role: u8,
    pub(crate) flags: u8,
    pub(crate) from: Day,
    pub(crate) to: Day,
    /// Are the domain parameters spelled out (SPEC 3.1)?
    pub(crate) domain_parameters: bool,
}

impl Certificate {
    pub(crate) fn issuer() -> Self {
        Self {
            authority: ROOT,
            holder: ISSUER,
            role: ROLE_ISSUER,
            flags: TEST,
            from: (2026, 1, 1),
            to: (2046, 12, 31),
            domain_parameters: false,
        }
    }

    pub(crate) fn terminal_ca() -> Self {
        Self {
            holder: TERMINAL_CA,
            role: ROLE_TERMINAL_CA,
            to: (2031, 12, 31),
            ..Self::issuer()
        }
    }

    /// 35 days, the longest (SPEC 3.4).
    pub(crate) fn terminal() -> Self {
        Self {
            authority: TERMINAL_CA,
            holder: TERMINAL,
            role: ROLE_TERMINAL,
            from: (2026, 11, 15),
            to: (2026, 12, 19),
            ..Self::issuer()
        }
    }

    pub(crate) fn other_terminal() -> Self {
        Self {
            holder: OTHER_TERMINAL,
            ..Self::terminal()
        }
    }

    /// A link certificate (SPEC 3.6).
    pub(crate) fn link(authority: &'static str, holder: &'static str) -> Self {
        Self {
            authority,
            holder,
            role: ROLE_ROOT,
            flags: TEST,
            from: (2026, 6, 1),
            to: (2086, 12, 31),
            domain_parameters: true,
        }
    }

    /// The terminal's name, the first ten characters of the holder.
    pub(crate) fn terminal_name(&self) -> Vec<u8> {
        self.holder.bytes().take(10).collect()
    }

    /// The members of the body `7F4E`.
    pub(crate) fn members(&self, key: &PublicKey) -> Vec<Vec<u8>> {
        vec![
            tlv(0x5F29, &[0x00]),
            tlv(0x42, self.authority.as_bytes()),
            public_key(key, self.domain_parameters),
            tlv(0x5F20, self.holder.as_bytes()),
            tlv(
                0x7F4C,
                &[
                    tlv(0x06, &HOLDER_AUTHORIZATION),
                    tlv(0x53, &[self.role, self.flags]),
                ]
                .concat(),
            ),
            tlv(0x5F25, &date(self.from)),
            tlv(0x5F24, &date(self.to)),
        ]
    }

    /// The body `7F4E`.
    pub(crate) fn body(&self, key: &PublicKey) -> Vec<u8> {
        tlv(0x7F4E, &self.members(key).concat())
    }
}

impl Material {
    /// A root as a trust anchor `FF38` (SPEC 6.7).
    pub(crate) fn trust_anchor(&self, root: &str) -> Vec<u8> {
        let members = [
            tlv(0x42, root.as_bytes()),
            tlv(0x83, self.public(root).as_bytes()),
            tlv(0x5F25, &date((2026, 1, 1))),
            tlv(0x5F24, &date((2056, 12, 31))),
            tlv(0x53, &[ROLE_ROOT, TEST]),
        ];
        tlv(0xFF38, &members.concat())
    }
}

/// `7F49` (SPEC 3.1).
fn public_key(key: &PublicKey, domain_parameters: bool) -> Vec<u8> {
    let mut members = vec![tlv(0x06, &ECDSA_SHA256)];
    if domain_parameters {
        members.extend([
            tlv(0x81, &P),
            tlv(0x82, &A),
            tlv(0x83, &B),
            tlv(0x84, &G),
            tlv(0x85, &N),
        ]);
    }
    members.push(tlv(0x86, key.as_bytes()));
    if domain_parameters {
        members.push(tlv(0x87, &[0x01]));
    }
    tlv(0x7F49, &members.concat())
}

/// id-TA-ECDSA-SHA-256.
const ECDSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
/// OID 2.25.308863511793425886602481899189950153634.
const HOLDER_AUTHORIZATION: [u8; 20] = [
    0x69, 0x83, 0xD0, 0xDC, 0xF9, 0xB6, 0x81, 0xCB, 0xAA, 0xBF, 0xDD, 0xB6, 0xC0, 0xAE, 0xB8, 0x96, 0x93,
    0xBC, 0x87, 0x22,
];

// Domain parameters of P-256 (SP 800-186, 3.2.1.3).
const P: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
];
const A: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFC,
];
const B: [u8; 32] = [
    0x5A, 0xC6, 0x35, 0xD8, 0xAA, 0x3A, 0x93, 0xE7, 0xB3, 0xEB, 0xBD, 0x55, 0x76, 0x98, 0x86, 0xBC, 0x65,
    0x1D, 0x06, 0xB0, 0xCC, 0x53, 0xB0, 0xF6, 0x3B, 0xCE, 0x3C, 0x3E, 0x27, 0xD2, 0x60, 0x4B,
];
const G: [u8; 65] = [
    0x04, 0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC, 0xE6, 0xE5, 0x63, 0xA4, 0x40, 0xF2,
    0x77, 0x03, 0x7D, 0x81, 0x2D, 0xEB, 0x33, 0xA0, 0xF4, 0xA1, 0x39, 0x45, 0xD8, 0x98, 0xC2, 0x96, 0x4F,
    0xE3, 0x42, 0xE2, 0xFE, 0x1A, 0x7F, 0x9B, 0x8E, 0xE7, 0xEB, 0x4A, 0x7C, 0x0F, 0x9E, 0x16, 0x2B, 0xCE,
    0x33, 0x57, 0x6B, 0x31, 0x5E, 0xCE, 0xCB, 0xB6, 0x40, 0x68, 0x37, 0xBF, 0x51, 0xF5,
];
const N: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC,
    0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];

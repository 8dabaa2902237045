//! The certified key, in a root with the parameters of its curve (SPEC 3.1).

use super::expect_value;
use crate::crypto::PublicKey;
use crate::tlv::{Error, Field, Reader, Writer};

/// OID 0.4.0.127.0.7.2.2.2.2.3, id-TA-ECDSA-SHA-256 (TR-03110-3, A.6.4).
const ECDSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];

/// Domain parameters of P-256 (SP 800-186, 3.2.1.3) as data objects 81 (p), 82 (a), 83 (b), 84 (G), 85 (n), 87 (h).
const DOMAIN_BEFORE_KEY: [(u16, &[u8]); 5] = [
    (
        0x81,
        &hex32(*b"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    ),
    (
        0x82,
        &hex32(*b"ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"),
    ),
    (
        0x83,
        &hex32(*b"5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
    ),
    (0x84, &GENERATOR),
    (
        0x85,
        &hex32(*b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    ),
];
const COFACTOR: (u16, &[u8]) = (0x87, &[0x01]);

const GENERATOR: [u8; 65] = {
    let x = hex32(*b"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
    let y = hex32(*b"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
    let mut point = [4; 65];
    let (_, coordinates) = point.split_at_mut(1);
    let (first, second) = coordinates.split_at_mut(32);
    first.copy_from_slice(&x);
    second.copy_from_slice(&y);
    point
};

/// 64 hexadecimal digits as 32 bytes, at compile time.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated at compile time only"
)]
const fn hex32(digits: [u8; 64]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut place = 0;
    while place < 64 {
        let digit = digits[place];
        let value = if digit.is_ascii_digit() {
            digit - b'0'
        } else {
            digit - b'a' + 10
        };
        bytes[place / 2] = (bytes[place / 2] << 4) | value;
        place += 1;
    }
    bytes
}

/// Object `7F49`: the public key, in a root with the parameters of its curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateKey {
    /// The key.
    pub key: PublicKey,
    /// Are the domain parameters spelled out? They are in a root, self-signed or linked, and only there.
    pub with_domain_parameters: bool,
}

impl<'a> Field<'a> for CertificateKey {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let mut members = reader.expect(tag)?.members()?;
        expect_value(&mut members, 0x06, &ECDSA_SHA256)?;
        let with_domain_parameters = members.is_next(0x81);
        if with_domain_parameters {
            DOMAIN_BEFORE_KEY
                .iter()
                .try_for_each(|(tag, value)| expect_value(&mut members, *tag, value))?;
        }
        let key = PublicKey::read(&mut members, 0x86)?;
        if with_domain_parameters {
            expect_value(&mut members, COFACTOR.0, COFACTOR.1)?;
        }
        members.finish()?;
        Ok(Self {
            key,
            with_domain_parameters,
        })
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.template(tag, |writer| {
            writer.put(0x06, &ECDSA_SHA256)?;
            if self.with_domain_parameters {
                DOMAIN_BEFORE_KEY
                    .iter()
                    .try_for_each(|(tag, value)| writer.put(*tag, value))?;
            }
            self.key.write(writer, 0x86)?;
            if self.with_domain_parameters {
                writer.put(COFACTOR.0, COFACTOR.1)?;
            }
            Ok(())
        })
    }
}

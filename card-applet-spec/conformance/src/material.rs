//! The kit's own country: keys, certificates, and everything that an issuer signs. All of it follows from the seed, and
//! all of it is put together here from SPEC.md and DATA.md, not by the code of the reference implementation: an object may
//! have to be wrong.

use card_spec::crypto::{PublicKey, SecretKey, Sign as _, sha256};
use card_spec::scp03::StaticKeys;

use crate::encoding::tlv;
use crate::random::Random;

mod certificate;
mod order;
mod plan;
mod script;

pub(crate) use certificate::{Certificate, ROLE_JOURNAL, ROLE_TERMINAL, ROLE_TERMINAL_CA};
pub(crate) use order::{Order, Reversal};
pub(crate) use plan::{CardKeys, Objects, Plan};
pub(crate) use script::{BlockList, Script, node};

/// A calendar day: year, month, day.
pub(crate) type Day = (u16, u8, u8);
/// A calendar month: year, month.
pub(crate) type Month = (u16, u8);

/// The national root's CHR. Its key is that of the same name, as for all others here.
pub(crate) const ROOT: &str = "VNROOT00001";
/// The root after it (SPEC 3.6).
pub(crate) const NEXT_ROOT: &str = "VNROOT00002";
/// And the one after that.
pub(crate) const THIRD_ROOT: &str = "VNROOT00003";
/// The issuer of the cards under test.
pub(crate) const ISSUER: &str = "VNISS7900001";
/// The same issuer with its next key (SPEC 13.3).
pub(crate) const NEXT_ISSUER: &str = "VNISS7900002";
/// Another province.
pub(crate) const OTHER_ISSUER: &str = "VNISS0100001";
/// The terminal CA.
pub(crate) const TERMINAL_CA: &str = "VNTCA00001";
/// Agreement certificate of the terminal that most cases use.
pub(crate) const TERMINAL: &str = "VNT0000001A00001";
/// Of another terminal.
pub(crate) const OTHER_TERMINAL: &str = "VNT0000002A00001";

/// The day of most cases.
pub(crate) const TODAY: Day = (2026, 11, 22);

/// Where the kit's keys and objects come from.
pub(crate) struct Material {
    seed: u64,
    pub(crate) plan: Plan,
}

impl Material {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            plan: Plan::standard(),
        }
    }

    /// The private key of this holder.
    pub(crate) fn secret(&self, holder: &str) -> SecretKey {
        SecretKey::generate(&mut Random::new(self.seed, holder))
    }

    /// The public key of this holder.
    pub(crate) fn public(&self, holder: &str) -> PublicKey {
        self.secret(holder).public_key()
    }

    /// The SCP03 keys that the kit gives a card under this version.
    pub(crate) fn issuer_keys(&self, version: u8) -> StaticKeys {
        let mut random = Random::new(self.seed, &format!("issuer keys {version}"));
        StaticKeys::new(random.octets(), random.octets(), random.octets())
    }

    /// `FF20 { body, 5F37 }` with the signature of this holder (SPEC 2.2).
    pub(crate) fn signed(&self, body: &[u8], signer: &str) -> Vec<u8> {
        self.signed_in(0xFF20, body, signer)
    }

    fn signed_in(&self, wrapper: u16, body: &[u8], signer: &str) -> Vec<u8> {
        let Ok(signature) = self.secret(signer).sign(body);
        tlv(wrapper, &[body, &tlv(0x5F37, signature.as_bytes())].concat())
    }

    /// The certificate, signed by its authority.
    pub(crate) fn certify(&self, certificate: &Certificate) -> Vec<u8> {
        self.certify_by(certificate, certificate.authority)
    }

    /// The certificate, signed by whom it may not name.
    pub(crate) fn certify_by(&self, certificate: &Certificate, signer: &str) -> Vec<u8> {
        let body = certificate.body(&self.public(certificate.holder));
        self.signed_in(0x7F21, &body, signer)
    }

    /// A body `7F4E` as it stands, signed.
    pub(crate) fn certify_body(&self, body: &[u8], signer: &str) -> Vec<u8> {
        self.signed_in(0x7F21, body, signer)
    }
}

/// SHA-256.
pub(crate) fn hash(octets: &[u8]) -> [u8; 32] {
    sha256(&[octets])
}

/// Six octets of one digit each, YYMMDD (SPEC 1, `date`).
pub(crate) fn date((year, month, day): Day) -> Vec<u8> {
    let digits = format!("{:02}{month:02}{day:02}", year % 100);
    digits.bytes().map(|digit| digit - b'0').collect()
}

/// Packed BCD of decimal digits.
pub(crate) fn bcd(digits: &str) -> Vec<u8> {
    let values: Vec<u8> = digits.bytes().map(|digit| digit & 0x0F).collect();
    values
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit))
        .collect()
}

/// Three octets BCD YYYYMM (SPEC 1, `period`).
pub(crate) fn period((year, month): Month) -> Vec<u8> {
    bcd(&format!("{year:04}{month:02}"))
}

/// Seven octets BCD YYYYMMDDhhmmss (SPEC 1, `time`): half past nine of a day.
pub(crate) fn time((year, month, day): Day) -> Vec<u8> {
    bcd(&format!("{year:04}{month:02}{day:02}093000"))
}

/// A card number: 15 digits and their Luhn check digit (SPEC 1, `number`).
pub(crate) fn card_number(digits: u64) -> Vec<u8> {
    let digits = format!("{digits:015}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit & 0x0F);
            if place % 2 == 0 {
                digit / 5 + digit * 2 % 10
            } else {
                digit
            }
        })
        .sum();
    bcd(&format!("{digits}{}", (10 - sum % 10) % 10))
}

#[cfg(test)]
mod tests {
    use card_spec::values::{CardNumber, Date};

    use super::*;

    #[test]
    fn values_are_those_of_the_specification() {
        let number = card_number(790_000_000_000_001).try_into().unwrap();
        assert!(CardNumber::from_bytes(number).is_some());
        assert_eq!(date(TODAY), Date::new(2026, 11, 22).unwrap().to_bytes());
        assert_eq!(period((2026, 11)), [0x20, 0x26, 0x11]);
        assert_eq!(time(TODAY), [0x20, 0x26, 0x11, 0x22, 0x09, 0x30, 0x00]);
    }
}

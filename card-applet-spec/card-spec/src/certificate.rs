//! Card-verifiable certificates (SPEC 3; TR-03110-3, C.1) and the chains they form.
//!
//! [`Certified`] is a public key that a chain from a trust anchor vouches for. It is made by [`Certified::trust`] from
//! the anchor that the caller holds, and by [`Certified::certify`] from a certificate that verified: nothing else.

use core::fmt;

use crate::crypto::{Digest, PublicKey, Verify};
use crate::signed::{Body, Signed};
use crate::tlv::{Error, Field, Reader, Writer, template};
use crate::values::{Constant, Date, TerminalName, byte_enum};

/// OID 0.4.0.127.0.7.2.2.2.2.3, id-TA-ECDSA-SHA-256 (TR-03110-3, A.6.4).
const ECDSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];

/// OID 2.25.308863511793425886602481899189950153634: an arc of our own by ITU-T X.667 (a UUID), so nobody can have it too.
const HOLDER_AUTHORIZATION: [u8; 20] = [
    0x69, 0x83, 0xD0, 0xDC, 0xF9, 0xB6, 0x81, 0xCB, 0xAA, 0xBF, 0xDD, 0xB6, 0xC0, 0xAE, 0xB8, 0x96, 0x93,
    0xBC, 0x87, 0x22,
];

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

byte_enum! {
    /// What the holder of a certificate may do (SPEC 3.2).
    pub enum Role {
        /// National root: signs issuers and terminal CAs.
        Root = 0xC0,
        /// Provincial issuer: signs cards, lists, acknowledgements.
        Issuer = 0x81,
        /// National terminal CA: signs terminals.
        TerminalAuthority = 0x82,
        /// A terminal's key agreement key.
        TerminalAgreement = 0x01,
        /// A terminal's journal signing key.
        TerminalJournal = 0x02,
    }
}

impl Role {
    /// May an authority of this role sign a certificate of `subordinate`?
    fn may_certify(self, subordinate: Self) -> bool {
        matches!(
            (self, subordinate),
            (Self::Root, Self::Issuer | Self::TerminalAuthority)
                | (
                    Self::TerminalAuthority,
                    Self::TerminalAgreement | Self::TerminalJournal
                )
        )
    }
}

byte_enum! {
    /// Flags of a certificate (SPEC 3.3).
    pub enum Flags {
        /// For real cards and terminals.
        Production = 0x00,
        /// Below this certificate nothing proves anything: tests and demonstrations.
        Test = 0x80,
    }
}

/// A certificate holder or authority reference: `VN`, a mnemonic and five digits (SPEC 3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    bytes: [u8; Reference::MAXIMUM],
    length: usize,
}

impl Reference {
    /// Longest reference in bytes (TR-03110-3, A.6.1).
    pub const MAXIMUM: usize = 16;

    /// Checks form and length.
    pub fn new(text: &str) -> Option<Self> {
        let mnemonic_and_sequence = text.strip_prefix("VN")?;
        let split = mnemonic_and_sequence.len().checked_sub(5)?;
        let (mnemonic, sequence) = mnemonic_and_sequence.split_at_checked(split)?;
        let letters = mnemonic
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let digits = sequence.bytes().all(|byte| byte.is_ascii_digit());
        if !(1..=9).contains(&mnemonic.len()) || !letters || !digits {
            return None;
        }
        let mut bytes = [0; Self::MAXIMUM];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self {
            bytes,
            length: text.len(),
        })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..self.length)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// The terminal's name, if this refers to a terminal's certificate.
    pub fn terminal_name(&self) -> Option<TerminalName> {
        let (name, rest) = self.bytes.get(..self.length)?.split_first_chunk::<10>()?;
        let purpose = matches!(rest.first(), Some(b'A' | b'J')) && rest.len() == 6;
        TerminalName::from_bytes(*name).filter(|_| purpose)
    }
}

impl<'a> Field<'a> for Reference {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let text = core::str::from_utf8(reader.expect(tag)?.value()).map_err(|_| Error::Value(tag))?;
        Self::new(text).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, self.as_str().as_bytes())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Object `7F49`: the public key, in a root with the parameters of its curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateKey {
    /// The key.
    pub key: PublicKey,
    /// Are the domain parameters spelled out? They are in a self-signed root, and only there.
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

fn expect_value(reader: &mut Reader<'_>, tag: u16, value: &[u8]) -> Result<(), Error> {
    if reader.expect(tag)?.value() == value {
        Ok(())
    } else {
        Err(Error::Value(tag))
    }
}

/// Object `7F4C`: role and flags under the OID of this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// What the holder may do.
    pub role: Role,
    /// Production or test.
    pub flags: Flags,
}

impl<'a> Field<'a> for Authorization {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let mut members = reader.expect(tag)?.members()?;
        expect_value(&mut members, 0x06, &HOLDER_AUTHORIZATION)?;
        let bits = AuthorizationBits::read(&mut members, 0x53)?;
        members.finish()?;
        Ok(bits.0)
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.template(tag, |writer| {
            writer.put(0x06, &HOLDER_AUTHORIZATION)?;
            AuthorizationBits(*self).write(writer, 0x53)
        })
    }
}

/// Object `53` alone: role and flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorizationBits(pub Authorization);

impl<'a> Field<'a> for AuthorizationBits {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let [role, flags] = <[u8; 2]>::read(reader, tag)?;
        let role = Role::from_byte(role).ok_or(Error::Value(tag))?;
        let flags = Flags::from_byte(flags).ok_or(Error::Value(tag))?;
        Ok(Self(Authorization { role, flags }))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, &[self.0.role as u8, self.0.flags as u8])
    }
}

template! {
    /// Body `7F4E` of a certificate (SPEC 3.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Certificate {
        /// Profile identifier, `00`.
        profile: Constant<0> = 0x5F29,
        /// Who signed it.
        authority: Reference = 0x42,
        /// The certified key.
        public_key: CertificateKey = 0x7F49,
        /// Whose key it is.
        holder: Reference = 0x5F20,
        /// What the holder may do.
        authorization: Authorization = 0x7F4C,
        /// First day of validity.
        effective: Date = 0x5F25,
        /// Last day of validity.
        expiry: Date = 0x5F24,
    }
}

impl Body<'_> for Certificate {
    const TAG: u16 = 0x7F4E;
    const WRAPPER: u16 = 0x7F21;
}

template! {
    /// Body `7F4E` of a certificate request, signed with the key in it (SPEC 3.5).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Request {
        /// Profile identifier, `00`.
        profile: Constant<0> = 0x5F29,
        /// The key, without domain parameters.
        public_key: CertificateKey = 0x7F49,
        /// The name asked for.
        holder: Reference = 0x5F20,
    }
}

impl Body<'_> for Request {
    const TAG: u16 = 0x7F4E;
    const WRAPPER: u16 = 0x7F21;
}

template! {
    /// A root as a card and a terminal hold it: object `FF38` (SPEC 6.7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TrustAnchor {
        /// CHR of the root.
        reference: Reference = 0x42,
        /// Its key.
        key: PublicKey = 0x83,
        /// First day of validity.
        effective: Date = 0x5F25,
        /// Last day of validity.
        expiry: Date = 0x5F24,
        /// Role (must be root) and flags.
        authorization: AuthorizationBits = 0x53,
    }
}

impl TrustAnchor {
    /// Tag of the object.
    pub const TAG: u16 = 0xFF38;
}

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// Its CAR is not the CHR of the authority at hand (SPEC 3.4).
    UnknownAuthority,
    /// Its signature does not verify.
    Signature,
    /// The authority's role does not allow to sign this role, or the name (SPEC 3.2) or the domain parameters, which
    /// stand in a root and only there (SPEC 3.1), do not fit the role.
    Role,
    /// A TEST certificate below a production root, or the reverse of it (SPEC 3.3).
    Flags,
    /// Its dates do not lie within its authority's, or span more than its role allows (SPEC 3.4).
    Dates,
    /// It is not valid on the day in question.
    NotValidOn(Date),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str("signed by an authority that is not known here"),
            Self::Signature => f.write_str("the certificate's signature does not verify"),
            Self::Role => f.write_str(
                "the certificate's role does not fit its authority, its name or the form of its key",
            ),
            Self::Flags => f.write_str("test and production certificates in one chain"),
            Self::Dates => f.write_str("the certificate's dates do not fit its authority's or its role"),
            Self::NotValidOn(date) => write!(f, "the certificate is not valid on {date}"),
        }
    }
}

impl core::error::Error for CertificateError {}

/// A public key that a chain from a trust anchor vouches for, with the name, role and dates it vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certified {
    holder: Reference,
    key: PublicKey,
    authorization: Authorization,
    effective: Date,
    expiry: Date,
}

/// Days that a terminal's certificate may span (SPEC 3.4), both ends included.
const TERMINAL_DAYS: u32 = 35;

impl Certified {
    /// Takes a root on the caller's word: how it got the anchor is the caller's business.
    pub fn trust(anchor: &TrustAnchor) -> Result<Self, CertificateError> {
        let authorization = anchor.authorization.0;
        if authorization.role != Role::Root || !name_fits(Role::Root, &anchor.reference) {
            return Err(CertificateError::Role);
        }
        if anchor.effective > anchor.expiry {
            return Err(CertificateError::Dates);
        }
        Ok(Self {
            holder: anchor.reference,
            key: anchor.key,
            authorization,
            effective: anchor.effective,
            expiry: anchor.expiry,
        })
    }

    /// Takes a self-signed root certificate whose key the caller trusts.
    pub fn trust_root(
        verifier: &impl Verify,
        root: &Signed<'_, Certificate>,
        trusted: &PublicKey,
    ) -> Result<Self, CertificateError> {
        let body = root.claimed();
        if body.public_key.key != *trusted || body.authority != body.holder {
            return Err(CertificateError::UnknownAuthority);
        }
        if !body.public_key.with_domain_parameters {
            return Err(CertificateError::Role);
        }
        root.verify(verifier, trusted)
            .map_err(|_| CertificateError::Signature)?;
        Self::trust(&body.trust_anchor())
    }

    /// Verifies a certificate that this authority signed (SPEC 3.4; the day is [`Self::valid_on`]).
    pub fn certify(
        &self,
        verifier: &impl Verify,
        certificate: &Signed<'_, Certificate>,
    ) -> Result<Self, CertificateError> {
        let body = certificate.claimed();
        if body.authority != self.holder {
            return Err(CertificateError::UnknownAuthority);
        }
        let Authorization { role, flags } = body.authorization;
        let fits = name_fits(role, &body.holder) && !body.public_key.with_domain_parameters;
        if !self.authorization.role.may_certify(role) || !fits {
            return Err(CertificateError::Role);
        }
        // A demonstration root signs test material only, a production root none of it.
        if flags != self.authorization.flags {
            return Err(CertificateError::Flags);
        }
        let within = self.effective <= body.effective && body.expiry <= self.expiry;
        let long_lived = matches!(role, Role::Issuer | Role::TerminalAuthority);
        let short =
            long_lived || days_spanned(body.effective, body.expiry).is_some_and(|days| days <= TERMINAL_DAYS);
        if body.effective > body.expiry || !within || !short {
            return Err(CertificateError::Dates);
        }
        certificate
            .verify(verifier, &self.key)
            .map_err(|_| CertificateError::Signature)?;
        Ok(Self {
            holder: body.holder,
            key: body.public_key.key,
            authorization: body.authorization,
            effective: body.effective,
            expiry: body.expiry,
        })
    }

    /// Is the day within the dates of this certificate (and so within all of its chain)?
    pub fn valid_on(&self, date: Date) -> Result<(), CertificateError> {
        let valid = self.effective <= date && date <= self.expiry;
        if valid {
            Ok(())
        } else {
            Err(CertificateError::NotValidOn(date))
        }
    }

    /// Has this role?
    pub fn require_role(&self, role: Role) -> Result<(), CertificateError> {
        if self.authorization.role == role {
            Ok(())
        } else {
            Err(CertificateError::Role)
        }
    }

    /// The holder's reference.
    pub fn holder(&self) -> Reference {
        self.holder
    }

    /// The certified key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.authorization.role
    }

    /// Production or test.
    pub fn flags(&self) -> Flags {
        self.authorization.flags
    }

    /// First day of validity.
    pub fn effective(&self) -> Date {
        self.effective
    }

    /// Last day of validity.
    pub fn expiry(&self) -> Date {
        self.expiry
    }
}

impl Certificate {
    /// The root's certificate as a trust anchor object.
    pub fn trust_anchor(&self) -> TrustAnchor {
        TrustAnchor {
            reference: self.holder,
            key: self.public_key.key,
            effective: self.effective,
            expiry: self.expiry,
            authorization: AuthorizationBits(self.authorization),
        }
    }
}

/// Does the name have the form that SPEC 3.2 gives the role?
fn name_fits(role: Role, holder: &Reference) -> bool {
    let text = holder.as_str();
    // `prefix` and so many digits.
    let numbered = |prefix, digits| {
        text.strip_prefix(prefix)
            .is_some_and(|rest: &str| rest.len() == digits && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match role {
        Role::Root => numbered("VNROOT", 5),
        // Province (2) and sequence number (5).
        Role::Issuer => numbered("VNISS", 7),
        Role::TerminalAuthority => numbered("VNTCA", 5),
        Role::TerminalAgreement => holder.terminal_name().is_some() && text.as_bytes().get(10) == Some(&b'A'),
        Role::TerminalJournal => holder.terminal_name().is_some() && text.as_bytes().get(10) == Some(&b'J'),
    }
}

/// Days from `first` to `last`, both included.
fn days_spanned(first: Date, last: Date) -> Option<u32> {
    last.day_number().checked_sub(first.day_number())?.checked_add(1)
}

/// Verifies a request: its holder has the private key (SPEC 3.5).
pub fn verify_request<'a>(
    verifier: &impl Verify,
    request: &Signed<'a, Request>,
) -> Result<ProvenRequest, CertificateError> {
    let body = request.claimed();
    if body.public_key.with_domain_parameters {
        return Err(CertificateError::Role);
    }
    request
        .verify(verifier, &body.public_key.key)
        .map_err(|_| CertificateError::Signature)?;
    Ok(ProvenRequest {
        key: body.public_key.key,
        holder: body.holder,
        hash: request.hash(),
    })
}

/// A request whose holder has proven possession of the key.
#[derive(Clone, Copy, Debug)]
pub struct ProvenRequest {
    key: PublicKey,
    holder: Reference,
    hash: Digest,
}

impl ProvenRequest {
    /// The key whose possession is proven.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The name asked for.
    pub fn holder(&self) -> Reference {
        self.holder
    }

    /// SHA-256 of the request's body.
    pub fn hash(&self) -> Digest {
        self.hash
    }
}

//! What the holder of a certificate may do (SPEC 3.1 to 3.3).

use super::expect_value;
use crate::tlv::{Error, Field, Reader, Writer};
use crate::values::byte_enum;

/// OID 2.25.308863511793425886602481899189950153634: an arc of our own by ITU-T X.667 (a UUID), so nobody can have it too.
const HOLDER_AUTHORIZATION: [u8; 20] = [
    0x69, 0x83, 0xD0, 0xDC, 0xF9, 0xB6, 0x81, 0xCB, 0xAA, 0xBF, 0xDD, 0xB6, 0xC0, 0xAE, 0xB8, 0x96, 0x93,
    0xBC, 0x87, 0x22,
];

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
    pub(super) fn may_certify(self, subordinate: Self) -> bool {
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

//! Data groups: what a card says about its holder (SPEC 5). Each starts with 16 random bytes of salt, so that the
//! digests in the CSO reveal nothing.

use heapless::Vec;

use crate::tlv::{Error, Field, Reader, Writer, template};
use crate::values::{Ascii, BirthDate, Date, Digits, Period, Programme, Text, byte_enum};

/// Salt of a data group.
pub type Salt = [u8; 16];

byte_enum! {
    /// Sex as an ISO/IEC 7816-6 object `5F35` holds it, an ASCII digit.
    pub enum Sex {
        /// `1`
        Male = 0x31,
        /// `2`
        Female = 0x32,
        /// `3`
        Undetermined = 0x33,
    }
}

template! {
    /// Data group 1, `FF31`: who holds the card.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Holder<'a> {
        /// Salt.
        salt: Salt = 0x80,
        /// Full name, NFC.
        name: Text<'a, 192> = 0x5F20,
        /// Birth date; month and day may be unknown.
        birth_date: BirthDate = 0x5F2B,
        /// Sex.
        sex: Sex = 0x5F35,
        /// Personal identification number (số định danh cá nhân).
        personal_id: Ascii<'a, 15> = 0x81,
        /// Social security number.
        social_security_number: Ascii<'a, 15> = 0x82,
        /// Province code, two digits.
        province: Digits<2> = 0x83,
        /// Commune code, five digits.
        commune: Digits<5> = 0x84,
    }
}

/// An image as it was loaded: at most 6,000 bytes that nobody in this system parses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Image<'a>(&'a [u8]);

impl<'a> Image<'a> {
    /// Longest image in bytes.
    pub const MAXIMUM: usize = 6_000;

    /// Checks the length.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() <= Self::MAXIMUM).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl<'a> Field<'a> for Image<'a> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        Self::new(reader.expect(tag)?.value()).ok_or(Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, self.0)
    }
}

/// Says how long the image is: a face does not belong into a log.
impl core::fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Image({} bytes)", self.0.len())
    }
}

template! {
    /// Data group 2, `FF32`: the holder's face. A card may have none.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Portrait<'a> {
        /// Salt.
        salt: Salt = 0x80,
        /// The image.
        image: Image<'a> = 0x5F40,
    }
}

impl Portrait<'_> {
    /// Longest data object in bytes: salt 18, image 5 + 6,000, header 5.
    pub const MAXIMUM_LENGTH: usize = 6_028;
}

byte_enum! {
    /// Standing of a programme on a card.
    pub enum ProgrammeStatus {
        /// May be drawn.
        Active = 0x01,
        /// Has ended.
        Ended = 0x00,
    }
}

template! {
    /// One programme on a card, `A1` in data group 3.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ProgrammeEntry {
        /// Which programme.
        programme: Programme = 0x80,
        /// First month.
        from: Period = 0x81,
        /// Last month, if it is known.
        to: Option<Period> = 0x82,
        /// Standing.
        status: ProgrammeStatus = 0x83,
    }
}

/// Programmes on a card at most, sudden relief included.
pub const MAXIMUM_PROGRAMMES: usize = 9;

template! {
    /// Data group 3, `FF33`: the programmes of the holder, always with [`Programme::SUDDEN_RELIEF`].
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Programmes {
        /// Salt.
        salt: Salt = 0x80,
        /// The programmes.
        entries: Vec<ProgrammeEntry, MAXIMUM_PROGRAMMES> = 0xA1,
    }
}

template! {
    /// Data group 4, `FF34`: numbers of the holder in other systems.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LinkedNumbers<'a> {
        /// Salt.
        salt: Salt = 0x80,
        /// Social insurance number.
        social_insurance: Option<Ascii<'a, 10>> = 0x81,
        /// Health insurance card code.
        health_insurance: Option<Ascii<'a, 15>> = 0x82,
        /// Tax code.
        tax: Option<Ascii<'a, 13>> = 0x83,
    }
}

template! {
    /// A person who may receive for the holder, `A1` in data group 5.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Representative<'a> {
        /// Full name, NFC.
        name: Text<'a, 192> = 0x5F20,
        /// Personal identification number.
        personal_id: Ascii<'a, 12> = 0x80,
        /// Relation, two digits (DATA 1).
        relation: Digits<2> = 0x81,
        /// Last day of the authorization.
        expiry: Date = 0x5F24,
        /// Number of the authorization document.
        document: Option<Ascii<'a, 30>> = 0x82,
    }
}

template! {
    /// Data group 5, `FF35`: up to two representatives.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Representatives<'a> {
        /// Salt.
        salt: Salt = 0x80,
        /// The representatives.
        entries: Vec<Representative<'a>, 2> = 0xA1,
    }
}

template! {
    /// Data group 6, `FF36`: where and when the card was issued.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Issuance<'a> {
        /// Salt.
        salt: Salt = 0x80,
        /// Issuing agency (Decision 20/2020/QD-TTg).
        agency: Ascii<'a, 35> = 0x81,
        /// Day of issue.
        issued: Date = 0x82,
        /// The holder's usual pay point.
        home_pay_point: Option<Ascii<'a, 12>> = 0x83,
    }
}

/// Tag of data group 2, the only one that a card may lack.
pub const PORTRAIT: u16 = 0xFF32;

/// Tags of the data groups in the order of STORE DATA (SPEC 6.6), [`PORTRAIT`] among them.
pub const TAGS: [u16; 6] = [0xFF31, PORTRAIT, 0xFF33, 0xFF34, 0xFF35, 0xFF36];

/// Longest data object in bytes that STORE DATA takes, but for a portrait (SPEC 15).
pub const MAXIMUM_LENGTH: usize = 768;

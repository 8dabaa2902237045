//! The TLV profile of SPEC.md, clause 1: BER-TLV with one encoding for one value.
//!
//! Headers are decoded and encoded by the crate `der` (X.690, 10.1); this module adds what the profile asks for beyond
//! DER: two-byte tags at most, four levels of nesting, data objects in a fixed order and nothing behind the last one.
//!
//! A structure is declared as the table in SPEC.md reads, with `template!`: name, type, tag. Reading and writing
//! follow from the same lines, so they cannot drift apart.

use der::{Decode, Encode, Header, Length, Reader as _, SliceReader, Tag as DerTag};

/// Deepest nesting of templates, the outermost counted (SPEC 1.3).
pub const MAXIMUM_DEPTH: u8 = 4;

/// Why an encoding was refused, or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not canonical BER-TLV, cut short, or bytes left over (SPEC 1.1, 1.2).
    Encoding,
    /// Another data object stands where this tag is expected (SPEC 1.2).
    Expected(u16),
    /// The data object with this tag holds a value that its type does not allow.
    Value(u16),
    /// Templates nest deeper than [`MAXIMUM_DEPTH`] (SPEC 1.3).
    Depth,
    /// The output does not fit the buffer.
    Space,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Encoding => f.write_str("not a canonical BER-TLV encoding"),
            Self::Expected(tag) => write!(f, "data object {tag:02X} expected"),
            Self::Value(tag) => write!(f, "data object {tag:02X} holds a value that is not allowed"),
            Self::Depth => f.write_str("templates nest too deeply"),
            Self::Space => f.write_str("output buffer too small"),
        }
    }
}

impl core::error::Error for Error {}

/// One data object as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataObject<'a> {
    tag: u16,
    value: &'a [u8],
    encoding: &'a [u8],
    depth: u8,
}

impl<'a> DataObject<'a> {
    /// Reads exactly one data object: trailing bytes are refused.
    pub fn parse(input: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(input);
        let object = reader.next_object()?.ok_or(Error::Encoding)?;
        reader.finish()?;
        Ok(object)
    }

    /// The tag, one or two bytes as a number (`5F24`).
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// The value without tag and length.
    pub fn value(&self) -> &'a [u8] {
        self.value
    }

    /// Tag, length and value as received: what hashes and signatures cover (SPEC 1.5).
    pub fn encoding(&self) -> &'a [u8] {
        self.encoding
    }

    /// The data objects inside a template.
    pub fn members(&self) -> Result<Reader<'a>, Error> {
        let depth = self.depth.saturating_add(1);
        if depth > MAXIMUM_DEPTH {
            return Err(Error::Depth);
        }
        Ok(Reader {
            rest: self.value,
            depth,
        })
    }
}

/// Reads data objects one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: u8,
}

impl<'a> Reader<'a> {
    /// A reader over concatenated data objects that stand in no template.
    pub fn new(input: &'a [u8]) -> Self {
        Self {
            rest: input,
            depth: 0,
        }
    }

    /// The next data object, `None` at the end.
    pub fn next_object(&mut self) -> Result<Option<DataObject<'a>>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = peek_tag(self.rest).ok_or(Error::Encoding)?;
        let length = length_of_first_object(self.rest)?.ok_or(Error::Encoding)?;
        let (encoding, rest) = self.rest.split_at_checked(length.total).ok_or(Error::Encoding)?;
        let value = encoding.get(length.header..).ok_or(Error::Encoding)?;
        self.rest = rest;
        Ok(Some(DataObject {
            tag,
            value,
            encoding,
            depth: self.depth,
        }))
    }

    /// The next data object, which must have this tag.
    pub fn expect(&mut self, tag: u16) -> Result<DataObject<'a>, Error> {
        match self.next_object()? {
            Some(object) if object.tag == tag => Ok(object),
            _ => Err(Error::Expected(tag)),
        }
    }

    /// Does a data object with this tag come next?
    pub fn is_next(&self, tag: u16) -> bool {
        peek_tag(self.rest) == Some(tag)
    }

    /// Bytes not yet read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Refuses bytes behind the last data object.
    pub fn finish(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Error::Encoding)
        }
    }
}

/// Extent of a data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of tag and length.
    pub header: usize,
    /// Bytes of tag, length and value.
    pub total: usize,
}

/// Extent of the data object that begins at `input`, which may hold only its first bytes: `None` if the header is not
/// complete yet. For readers that get an object piece by piece.
pub fn length_of_first_object(input: &[u8]) -> Result<Option<Extent>, Error> {
    // Six bytes hold the longest header of the profile: tag 2, length 1 + 2, and one more to tell errors apart.
    let window = input.get(..6).unwrap_or(input);
    if window.len() < 2 || (is_two_byte_tag(window) && window.len() < 3) {
        return Ok(None);
    }
    peek_tag(window).ok_or(Error::Encoding)?;
    let mut reader = SliceReader::new(window).map_err(|_| Error::Encoding)?;
    let header = match Header::decode(&mut reader) {
        Ok(header) => header,
        Err(error) if matches!(error.kind(), der::ErrorKind::Incomplete { .. }) && window.len() < 6 => {
            return Ok(None);
        }
        Err(_) => return Err(Error::Encoding),
    };
    let header_length = usize::try_from(reader.position()).map_err(|_| Error::Encoding)?;
    let value_length = usize::try_from(header.length()).map_err(|_| Error::Encoding)?;
    let total = header_length.checked_add(value_length).ok_or(Error::Encoding)?;
    Ok(Some(Extent {
        header: header_length,
        total,
    }))
}

fn is_two_byte_tag(input: &[u8]) -> bool {
    input.first().is_some_and(|first| first & 0x1F == 0x1F)
}

/// The tag at the start; `None` if there is none, or one of more than two bytes.
fn peek_tag(input: &[u8]) -> Option<u16> {
    let first = *input.first()?;
    if !is_two_byte_tag(input) {
        return Some(u16::from(first));
    }
    let second = *input.get(1)?;
    if second & 0x80 != 0 {
        return None;
    }
    Some(u16::from_be_bytes([first, second]))
}

/// Writes data objects into a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl<'a> Writer<'a> {
    /// A writer at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    /// Appends bytes that are encoded already.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self.used.checked_add(bytes.len()).ok_or(Error::Space)?;
        self.buffer
            .get_mut(self.used..end)
            .ok_or(Error::Space)?
            .copy_from_slice(bytes);
        self.used = end;
        Ok(())
    }

    /// Appends a primitive data object.
    pub fn put(&mut self, tag: u16, value: &[u8]) -> Result<(), Error> {
        self.template(tag, |writer| writer.raw(value))
    }

    /// Appends a data object whose value `content` writes. The value is written first and moved behind the header,
    /// whose size is known only then.
    pub fn template(
        &mut self,
        tag: u16,
        content: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = self.used;
        content(self)?;
        let length = self.used.checked_sub(start).ok_or(Error::Space)?;
        let mut header = [0; 8];
        let header = encode_header(tag, length, &mut header)?;
        let body = start.checked_add(header.len()).ok_or(Error::Space)?;
        let end = self.used.checked_add(header.len()).ok_or(Error::Space)?;
        if end > self.buffer.len() {
            return Err(Error::Space);
        }
        self.buffer.copy_within(start..self.used, body);
        self.buffer
            .get_mut(start..body)
            .ok_or(Error::Space)?
            .copy_from_slice(header);
        self.used = end;
        Ok(())
    }

    /// What was written.
    pub fn finish(self) -> &'a [u8] {
        let buffer: &'a [u8] = self.buffer;
        buffer.get(..self.used).unwrap_or_default()
    }
}

fn encode_header(tag: u16, length: usize, out: &mut [u8; 8]) -> Result<&[u8], Error> {
    let [high, low] = tag.to_be_bytes();
    let tag_bytes: &[u8] = if high == 0 { &[low] } else { &[high, low] };
    let der_tag = DerTag::from_der(tag_bytes).map_err(|_| Error::Value(tag))?;
    let length = u32::try_from(length).map_err(|_| Error::Space)?;
    Header::new(der_tag, Length::new(length))
        .encode_to_slice(out)
        .map_err(|_| Error::Space)
}

/// A value that reads and writes itself as the data object with a given tag.
pub trait Field<'a>: Sized {
    /// Reads the value from the next data object.
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error>;
    /// Appends the value as a data object.
    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error>;
}

impl<'a, T: Field<'a>> Field<'a> for Option<T> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        if reader.is_next(tag) {
            T::read(reader, tag).map(Some)
        } else {
            Ok(None)
        }
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        self.as_ref().map_or(Ok(()), |value| value.write(writer, tag))
    }
}

impl<'a, const N: usize> Field<'a> for [u8; N] {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        reader
            .expect(tag)?
            .value()
            .try_into()
            .map_err(|_| Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, self)
    }
}

macro_rules! integer_fields {
    ($($integer:ty),*) => {$(
        impl<'a> Field<'a> for $integer {
            fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
                <[u8; size_of::<$integer>()]>::read(reader, tag).map(<$integer>::from_be_bytes)
            }

            fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
                writer.put(tag, &self.to_be_bytes())
            }
        }
    )*};
}
integer_fields!(u8, u16, u32, u64);

/// A data object kept as it was received.
impl<'a> Field<'a> for DataObject<'a> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        reader.expect(tag)
    }

    fn write(&self, writer: &mut Writer<'_>, _tag: u16) -> Result<(), Error> {
        writer.raw(self.encoding)
    }
}

/// Up to `N` data objects with the same tag, one after the other ("repeated" in SPEC.md).
impl<'a, T: Field<'a>, const N: usize> Field<'a> for heapless::Vec<T, N> {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        let mut items = Self::new();
        while reader.is_next(tag) {
            items.push(T::read(reader, tag)?).map_err(|_| Error::Value(tag))?;
        }
        Ok(items)
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        self.iter().try_for_each(|item| item.write(writer, tag))
    }
}

/// Declares a template as its table in SPEC.md: one line per data object, in order. The struct reads and writes itself
/// through [`Field`] under any tag.
macro_rules! template {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident $(<$lt:lifetime>)? {
            $( $(#[$field_meta:meta])* $field:ident : $type:ty = $tag:literal, )*
        }
    ) => {
        $(#[$meta])*
        $vis struct $name $(<$lt>)? {
            $( $(#[$field_meta])* $vis $field: $type, )*
        }

        impl<'a> $name $(<$lt>)? {
            /// Reads the members, without the template around them.
            pub(crate) fn read_members(
                members: &mut $crate::tlv::Reader<'a>,
            ) -> Result<Self, $crate::tlv::Error> {
                Ok(Self {
                    $( $field: $crate::tlv::Field::read(members, $tag)?, )*
                })
            }

            /// Writes the members, without the template around them.
            pub(crate) fn write_members(
                &self,
                members: &mut $crate::tlv::Writer<'_>,
            ) -> Result<(), $crate::tlv::Error> {
                $( $crate::tlv::Field::write(&self.$field, members, $tag)?; )*
                Ok(())
            }
        }

        impl<'a> $crate::tlv::Field<'a> for $name $(<$lt>)? {
            fn read(
                reader: &mut $crate::tlv::Reader<'a>,
                tag: u16,
            ) -> Result<Self, $crate::tlv::Error> {
                let mut members = reader.expect(tag)?.members()?;
                let value = Self::read_members(&mut members)?;
                members.finish()?;
                Ok(value)
            }

            fn write(
                &self,
                writer: &mut $crate::tlv::Writer<'_>,
                tag: u16,
            ) -> Result<(), $crate::tlv::Error> {
                writer.template(tag, |members| self.write_members(members))
            }
        }
    };
}

pub(crate) use template;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mut buffer = [0; 300];
        let mut writer = Writer::new(&mut buffer);
        writer.template(0xFF21, |w| w.put(0x80, &[7; 200])).unwrap();
        let bytes = writer.finish();
        assert_eq!(&bytes[..7], [0xFF, 0x21, 0x81, 0xCB, 0x80, 0x81, 0xC8]);
        let object = DataObject::parse(bytes).unwrap();
        let mut members = object.members().unwrap();
        assert_eq!(members.expect(0x80).unwrap().value(), [7; 200]);
        members.finish().unwrap();
    }

    #[test]
    fn refuses_what_is_not_canonical() {
        let refused: [&[u8]; 12] = [
            &[],
            &[0x80],
            &[0x80, 0x01],                         // value missing
            &[0x80, 0x81, 0x01, 0xAA],             // length not minimal
            &[0x80, 0x82, 0x00, 0x01, 0xAA],       // length not minimal
            &[0x30, 0x80, 0x00, 0x00],             // indefinite
            &[0x80, 0x00, 0x00],                   // trailing byte
            &[0x00, 0x00],                         // padding as an object
            &[0x9F, 0x1E, 0x00],                   // tag not minimal
            &[0x7F, 0x81, 0x22, 0x00],             // tag of three bytes
            &[0x80, 0x84, 0xFF, 0xFF, 0xFF, 0xFF], // beyond any buffer
            &[0x80, 0xFF, 0x01],
        ];
        for bytes in refused {
            assert!(DataObject::parse(bytes).is_err(), "{bytes:02X?} was accepted");
        }
    }

    #[test]
    fn refuses_the_fifth_level() {
        let bytes = [0xA1, 8, 0xA1, 6, 0xA1, 4, 0xA1, 2, 0xA1, 0];
        let mut object = DataObject::parse(&bytes).unwrap();
        for _ in 1..MAXIMUM_DEPTH {
            object = object.members().unwrap().expect(0xA1).unwrap();
        }
        let fifth = object.members().unwrap().expect(0xA1).unwrap();
        assert_eq!(fifth.members().unwrap_err(), Error::Depth);
    }

    #[test]
    fn tells_an_unfinished_header_from_a_wrong_one() {
        let whole = [0xFF, 0x21, 0x82, 0x01, 0x00];
        for end in 0..whole.len() {
            assert_eq!(length_of_first_object(&whole[..end]), Ok(None), "{end}");
        }
        assert_eq!(
            length_of_first_object(&whole),
            Ok(Some(Extent {
                header: 5,
                total: 261
            }))
        );
        assert_eq!(length_of_first_object(&[0x80, 0x80]), Err(Error::Encoding));
    }
}

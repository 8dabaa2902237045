//! SPEC 1.1 to 1.3: what a reader takes and what a writer makes of data objects and templates. The short strings are all in
//! `tlv_exhaustive.rs`.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::tlv::{DataObject, Error, Extent, Field, Reader, Writer, length_of_first_object};

#[test]
fn an_object_is_tag_length_and_value() {
    for (bytes, tag, header) in [
        (&[0x80, 0x00][..], 0x80, 2),
        (&[0x80, 0x02, 0xAA, 0xBB], 0x80, 2),
        (&[0x5F, 0x25, 0x00], 0x5F25, 3),
        (&[0x5F, 0x25, 0x01, 0xAA], 0x5F25, 3),
        (&[0xFF, 0x7F, 0x00], 0xFF7F, 3),
    ] {
        let object = DataObject::parse(bytes).unwrap();
        assert_eq!(object.tag(), tag, "{bytes:02X?}");
        assert_eq!(object.value(), &bytes[header..]);
        assert_eq!(object.encoding(), bytes);
        let total = bytes.len();
        assert_eq!(length_of_first_object(bytes), Ok(Some(Extent { header, total })));
    }
}

/// For readers that get an object piece by piece: too few bytes are no error, wrong ones are one at once.
#[test]
fn the_extent_is_known_with_the_last_byte_of_the_length() {
    let extent = |header, total| Ok(Some(Extent { header, total }));
    for (bytes, answer) in [
        (&[][..], Ok(None)),
        (&[0x80], Ok(None)),
        (&[0x80, 0x7F], extent(2, 129)),
        (&[0x80, 0x81], Ok(None)),
        (&[0x80, 0x81, 0x80], extent(3, 131)),
        (&[0x5F], Ok(None)),
        (&[0x5F, 0x25], Ok(None)),
        (&[0x5F, 0x25, 0x7F], extent(3, 130)),
        (&[0x5F, 0x25, 0x82, 0x12], Ok(None)),
        (&[0x5F, 0x25, 0x82, 0x12, 0x34], extent(5, 0x1239)),
        (&[0x80, 0x83, 0x01, 0x00, 0x00], extent(5, 0x1_0005)),
        // A length of more bytes than any object here has is no reason to wait for them.
        (&[0x5F, 0x25, 0x84, 0x01, 0x02, 0x03], Err(Error::Encoding)),
        (&[0x80, 0x80], Err(Error::Encoding)),
        (&[0x80, 0x81, 0x7F], Err(Error::Encoding)),
        (&[0x7F, 0x81, 0x22], Err(Error::Encoding)),
        (&[0x9F, 0x1E, 0x00], Err(Error::Encoding)),
    ] {
        assert_eq!(length_of_first_object(bytes), answer, "{bytes:02X?}");
    }
}

#[test]
fn objects_come_one_after_the_other() {
    let bytes = [0x80, 0x01, 0xAA, 0x5F, 0x25, 0x00, 0x81, 0x00];
    let mut reader = Reader::new(&bytes);
    assert!(reader.is_next(0x80) && !reader.is_next(0x81) && !reader.is_next(0x5F25));
    assert_eq!(reader.expect(0x80).unwrap().value(), [0xAA]);
    assert_eq!(reader.rest(), &bytes[3..]);
    assert!(reader.is_next(0x5F25));
    assert_eq!(reader.finish(), Err(Error::Encoding));
    assert_eq!(reader.clone().expect(0x81), Err(Error::Expected(0x81)));
    assert_eq!(reader.expect(0x5F25).unwrap().value(), []);
    assert_eq!(reader.next_object().unwrap().unwrap().tag(), 0x81);
    assert_eq!(reader.next_object(), Ok(None));
    assert!(!reader.is_next(0x81));
    assert_eq!(reader.rest(), []);
    assert_eq!(reader.finish(), Ok(()));
    assert_eq!(reader.expect(0x81), Err(Error::Expected(0x81)));
}

#[test]
fn templates_nest_four_deep() {
    let bytes = [0xA1, 8, 0xA1, 6, 0xA1, 4, 0xA1, 2, 0x80, 0];
    let mut object = DataObject::parse(&bytes).unwrap();
    for _ in 0..4 {
        object = object.members().unwrap().next_object().unwrap().unwrap();
    }
    assert_eq!(object.tag(), 0x80);
    assert_eq!(object.members().err(), Some(Error::Depth));
}

#[test]
fn a_writer_fills_its_buffer_to_the_last_byte_and_no_further() {
    let object = [0xA1, 0x05, 0x80, 0x03, 1, 2, 3];
    let write = |buffer: &mut [u8]| {
        let mut writer = Writer::new(buffer);
        writer.template(0xA1, |members| members.put(0x80, &[1, 2, 3]))?;
        Ok(writer.finish().to_vec())
    };
    assert_eq!(write(&mut [0; 7]), Ok(object.to_vec()));
    assert_eq!(write(&mut [0; 9]), Ok(object.to_vec()));
    for size in 0..object.len() {
        assert_eq!(write(&mut vec![0; size]), Err(Error::Space), "{size}");
    }
}

#[test]
fn a_tag_that_der_does_not_know_is_not_written() {
    for tag in [0x0000, 0x1F00, 0x9F1E, 0x7F81, 0x1234] {
        assert_eq!(
            Writer::new(&mut [0; 16]).put(tag, &[]),
            Err(Error::Value(tag)),
            "{tag:04X}"
        );
    }
}

/// An *opt* object and "repeated" ones (SPEC 1.2).
#[test]
fn what_may_be_missing_or_repeated_is_read_as_it_stands() {
    let bytes = [0x81, 1, 7, 0x82, 1, 8, 0x82, 1, 9];
    let mut reader = Reader::new(&bytes);
    let missing = Option::<u8>::read(&mut reader, 0x80).unwrap();
    let there = Option::<u8>::read(&mut reader, 0x81).unwrap();
    let two = heapless::Vec::<u8, 2>::read(&mut reader.clone(), 0x82).unwrap();
    assert_eq!((missing, there, &two[..]), (None, Some(7), &[8, 9][..]));
    let one_at_most = heapless::Vec::<u8, 1>::read(&mut reader, 0x82);
    assert_eq!(one_at_most, Err(Error::Value(0x82)));

    let mut buffer = [0; 16];
    let mut writer = Writer::new(&mut buffer);
    missing.write(&mut writer, 0x80).unwrap();
    there.write(&mut writer, 0x81).unwrap();
    two.write(&mut writer, 0x82).unwrap();
    assert_eq!(writer.finish(), bytes);
}

#[test]
fn an_object_kept_as_received_is_written_as_received() {
    let bytes = [0xA1, 2, 0x80, 0];
    let object = DataObject::read(&mut Reader::new(&bytes), 0xA1).unwrap();
    assert_eq!(
        DataObject::read(&mut Reader::new(&bytes), 0xA2),
        Err(Error::Expected(0xA2))
    );
    let mut buffer = [0; 8];
    let mut writer = Writer::new(&mut buffer);
    object.write(&mut writer, 0xA1).unwrap();
    assert_eq!(writer.finish(), bytes);
}

/// SPEC 1, `u8` to `u64`: of the width given, never shorter or longer.
#[test]
fn integers_have_their_width() {
    let bytes = [0x80, 4, 0, 1, 2, 3];
    assert_eq!(u32::read(&mut Reader::new(&bytes), 0x80), Ok(0x0001_0203));
    assert_eq!(<[u8; 4]>::read(&mut Reader::new(&bytes), 0x80), Ok([0, 1, 2, 3]));
    assert_eq!(u16::read(&mut Reader::new(&bytes), 0x80), Err(Error::Value(0x80)));
    assert_eq!(u64::read(&mut Reader::new(&bytes), 0x80), Err(Error::Value(0x80)));
    assert_eq!(
        u32::read(&mut Reader::new(&bytes), 0x81),
        Err(Error::Expected(0x81))
    );
    let mut buffer = [0; 8];
    let mut writer = Writer::new(&mut buffer);
    0x0001_0203_u32.write(&mut writer, 0x80).unwrap();
    assert_eq!(writer.finish(), bytes);
}

//! Bytes as data objects: refused, or written again as they were, however deep (SPEC 1.1 to 1.4).
#![no_main]

use card_spec::tlv::{DataObject, Error, MAXIMUM_DEPTH, Reader, Writer, length_of_first_object};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut buffer = [0; fuzz::BUFFER];
    for inside in [false, true] {
        let mut writer = Writer::new(&mut buffer);
        if rewrite(Reader::new(input), &mut writer, inside, 0).is_ok() {
            assert_eq!(writer.finish(), input);
        }
    }
    let extent = length_of_first_object(input);
    if let Ok(object) = DataObject::parse(input) {
        let extent = extent.expect("a header").expect("a whole one");
        assert_eq!((object.encoding(), extent.total), (input, input.len()));
        assert_eq!(object.value(), &input[extent.header..]);
    }
});

/// Writes what `reader` reads; if `inside`, the members of templates one by one.
fn rewrite(mut reader: Reader<'_>, writer: &mut Writer<'_>, inside: bool, depth: u8) -> Result<(), Error> {
    assert!(depth <= MAXIMUM_DEPTH, "nested too deeply");
    while let Some(object) = reader.next_object()? {
        let is_template = object.encoding()[0] & 0x20 != 0;
        if inside && is_template {
            let members = object.members()?;
            writer.template(object.tag(), |writer| rewrite(members, writer, inside, depth + 1))?;
        } else {
            writer.put(object.tag(), object.value())?;
        }
    }
    reader.finish()
}

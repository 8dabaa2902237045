//! An object in words: each data object with its tag, and templates opened, as a stranger's own reader would show it.

use card_spec::tlv::{DataObject, Reader};
use serde_json::{Value, json};

/// Templates by tag: what is opened. `87` of a CSO and others with the constructed bit unset hold values.
fn is_template(tag: u16) -> bool {
    let first = if tag > 0xFF { tag >> 8 } else { tag };
    first & 0x20 != 0
}

/// The members of a template in their order.
pub(crate) fn members(encoding: &[u8]) -> Value {
    let object = DataObject::parse(encoding).expect("an object");
    let mut reader = object.members().expect("a template");
    read_all(&mut reader)
}

fn read_all(reader: &mut Reader<'_>) -> Value {
    let mut all = Vec::new();
    while let Some(object) = reader.next_object().expect("an object") {
        all.push(words(&object));
    }
    Value::Array(all)
}

fn words(object: &DataObject<'_>) -> Value {
    let tag = format!("{:02X}", object.tag());
    if is_template(object.tag()) {
        return json!({ "tag": tag, "members": read_all(&mut object.members().expect("not too deep")) });
    }
    json!({ "tag": tag, "value": hex::encode(object.value()) })
}

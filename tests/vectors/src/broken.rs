//! Objects taken apart and put together wrongly.

use card_spec::crypto::SecretKey;
use card_spec::tlv::{DataObject, Writer};

/// An object taken apart, to be put together wrongly.
pub(crate) struct Body {
    wrapper: Option<u16>,
    tag: u16,
    value: Vec<u8>,
    members: Vec<Vec<u8>>,
    signature: Vec<u8>,
}

impl Body {
    pub(crate) fn of(encoding: &[u8], is_signed: bool) -> Self {
        let outer = DataObject::parse(encoding).expect("an object");
        let (body, signature) = if is_signed {
            let mut reader = outer.members().expect("a template");
            let body = reader.next_object().expect("canonical").expect("a body");
            (body, reader.rest().to_vec())
        } else {
            (outer, Vec::new())
        };
        let mut members = Vec::new();
        let mut reader = body.members().expect("a template");
        while let Some(member) = reader.next_object().expect("canonical") {
            members.push(member.encoding().to_vec());
        }
        Self {
            wrapper: is_signed.then_some(outer.tag()),
            tag: body.tag(),
            value: body.value().to_vec(),
            members,
            signature,
        }
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
        let mut members = self.members.clone();
        change(&mut members);
        self.build(self.tag, &members.concat(), &self.signature)
    }

    pub(crate) fn with_tag(&self, tag: u16) -> Vec<u8> {
        self.build(tag, &self.value, &self.signature)
    }

    pub(crate) fn signed_with(&self, signer: &SecretKey) -> Vec<u8> {
        let Ok(signature) = card_spec::crypto::Sign::sign(signer, &self.value);
        self.build(self.tag, &self.value, &object(0x5F37, signature.as_bytes()))
    }

    pub(crate) fn short_signature(&self) -> Vec<u8> {
        self.build(self.tag, &self.value, &object(0x5F37, &[1; 63]))
    }

    fn build(&self, tag: u16, value: &[u8], signature: &[u8]) -> Vec<u8> {
        let body = object(tag, value);
        match self.wrapper {
            Some(wrapper) => object(wrapper, &[&body, signature].concat()),
            None => body,
        }
    }
}

pub(crate) fn object(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 8192];
    let mut writer = Writer::new(&mut buffer);
    writer.put(tag, value).expect("fits");
    writer.finish().to_vec()
}

pub(crate) fn replace(members: &mut [Vec<u8>], tag: u16, value: &[u8]) {
    let wanted = object(tag, value);
    let has_tag = |member: &&mut Vec<u8>| DataObject::parse(member).is_ok_and(|object| object.tag() == tag);
    *members.iter_mut().find(has_tag).expect("a member with this tag") = wanted;
}

/// The same object with one byte more for its length (ISO/IEC 8825-1, 8.1.3.5, allows it in BER, 10.1 not in DER).
pub(crate) fn long_length(encoding: &[u8]) -> Vec<u8> {
    let object = DataObject::parse(encoding).expect("an object");
    let header = encoding.len() - object.value().len();
    let tag_length = if object.tag() > 0xFF { 2 } else { 1 };
    let (tag, length) = encoding.get(..header).expect("a header").split_at(tag_length);
    let longer = match length {
        [short] => vec![0x81, *short],
        [form, digits @ ..] => [&[form + 1, 0], digits].concat(),
        [] => Vec::new(),
    };
    [tag, &longer, object.value()].concat()
}

//! Data objects as a card should see them, and as it should never see them.

/// A canonical data object with this value.
pub(crate) fn tlv(tag: u16, value: &[u8]) -> Vec<u8> {
    let mut octets = tag_octets(tag);
    octets.extend(length_octets(value.len()));
    octets.extend(value);
    octets
}

fn tag_octets(tag: u16) -> Vec<u8> {
    match tag.to_be_bytes() {
        [0, tag] => vec![tag],
        [high, low] => vec![high, low],
    }
}

fn length_octets(length: usize) -> Vec<u8> {
    match length {
        0..=0x7F => vec![length as u8],
        0x80..=0xFF => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    }
}

/// The same object with its length in one octet more than needed (against SPEC 1.1).
pub(crate) fn with_long_length(object: &[u8]) -> Vec<u8> {
    let (tag, length, value) = split(object);
    let length = match length {
        [short] => vec![0x81, *short],
        [0x81, length] => vec![0x82, 0x00, *length],
        longer => longer.to_vec(),
    };
    [tag, &length, value].concat()
}

/// The same object in the indefinite form, closed by two zeros (against SPEC 1.1).
pub(crate) fn with_indefinite_length(object: &[u8]) -> Vec<u8> {
    let (tag, _, value) = split(object);
    [tag, &[0x80], value, &[0, 0]].concat()
}

/// Tag, length and value octets of one object.
pub(crate) fn split(object: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let tag = match object {
        [first, ..] if first & 0x1F == 0x1F => 2,
        _ => 1,
    };
    let (tag, rest) = object.split_at(tag.min(object.len()));
    let length = match rest {
        [0x82, ..] => 3,
        [0x81, ..] => 2,
        _ => 1,
    };
    let (length, value) = rest.split_at(length.min(rest.len()));
    (tag, length, value)
}

/// The objects that lie one after the other.
pub(crate) fn objects(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        let (tag, length, value) = split(octets);
        let size = match length {
            [0x82, high, low] => usize::from(u16::from_be_bytes([*high, *low])),
            [0x81, size] | [size] => usize::from(*size),
            _ => 0,
        };
        let end = tag.len() + length.len() + size.min(value.len());
        let (object, rest) = octets.split_at(end);
        found.push(object.to_vec());
        octets = rest;
    }
    found
}

/// The template `object` with its members changed.
pub(crate) fn with_members(object: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let (tag, _, value) = split(object);
    let mut members = objects(value);
    change(&mut members);
    let tag = tag
        .iter()
        .fold(0, |number, octet| number << 8 | u16::from(*octet));
    tlv(tag, &members.concat())
}

/// Gives the member with this tag another value.
pub(crate) fn set(members: &mut [Vec<u8>], tag: u16, value: &[u8]) {
    for member in members
        .iter_mut()
        .filter(|member| split(member).0 == tag_octets(tag))
    {
        *member = tlv(tag, value);
    }
}

/// Takes the member with this tag out.
pub(crate) fn remove(members: &mut Vec<Vec<u8>>, tag: u16) {
    members.retain(|member| split(member).0 != tag_octets(tag));
}

/// The value of the first object with this tag.
pub(crate) fn find(octets: &[u8], tag: u16) -> Option<Vec<u8>> {
    let wanted = tag_octets(tag);
    objects(octets)
        .iter()
        .map(|object| split(object))
        .find(|(tag, ..)| *tag == wanted)
        .map(|(_, _, value)| value.to_vec())
}

/// The same octets with one bit of the octet at `place` (from the end if negative) turned.
pub(crate) fn with_wrong_octet(octets: &[u8], place: isize) -> Vec<u8> {
    let mut changed = octets.to_vec();
    let place = if place < 0 {
        octets.len().checked_sub(place.unsigned_abs())
    } else {
        Some(place.unsigned_abs())
    };
    if let Some(octet) = place.and_then(|place| changed.get_mut(place)) {
        *octet ^= 1;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_shortest() {
        assert_eq!(tlv(0x80, &[]), [0x80, 0]);
        assert_eq!(tlv(0x5F24, &[7]), [0x5F, 0x24, 1, 7]);
        assert_eq!(tlv(0x80, &[0; 0x80])[..3], [0x80, 0x81, 0x80]);
        assert_eq!(tlv(0x80, &[0; 0x100])[..4], [0x80, 0x82, 1, 0]);
    }

    #[test]
    fn wrong_forms_are_wrong() {
        assert_eq!(with_long_length(&[0x80, 1, 9]), [0x80, 0x81, 1, 9]);
        assert_eq!(
            with_indefinite_length(&[0xA1, 2, 0x80, 0]),
            [0xA1, 0x80, 0x80, 0, 0, 0]
        );
        assert_eq!(with_wrong_octet(&[1, 2], -1), [1, 3]);
        assert_eq!(with_wrong_octet(&[1, 2], 0), [0, 2]);
    }

    #[test]
    fn members_are_found() {
        let template = tlv(0xFF23, &[tlv(0x81, &[1; 200]), tlv(0x5F24, &[2])].concat());
        let swapped = with_members(&template, |members| members.swap(0, 1));
        assert_eq!(
            objects(split(&swapped).2),
            [tlv(0x5F24, &[2]), tlv(0x81, &[1; 200])]
        );
    }
}

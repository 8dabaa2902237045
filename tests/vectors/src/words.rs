//! An object in words: each data object with its tag, its name in SPEC.md or DATA.md and its value, templates opened, as
//! a stranger's own reader would show it.

use card_spec::tlv::{DataObject, Reader};
use serde_json::{Value, json};

type Names = &'static [(u16, &'static str)];

const RECEIPT: Names = &[
    (0x80, "suite"),
    (0x5A, "card number"),
    (0x81, "CSO version"),
    (0x82, "counter"),
    (0x83, "hash of the receipt before"),
    (0x84, "hash of what was done"),
    (0x85, "holder check as the card saw it"),
    (0x86, "kind"),
];

const ORDER: Names = &[
    (0x81, "terminal"),
    (0x82, "sequence number of the Intent"),
    (0x83, "hash of the journal entry before"),
    (0x84, "Merkle root of the list"),
    (0x85, "CSO hash"),
    (0x86, "line number"),
    (0x87, "line key"),
    (0x88, "amount"),
    (0x89, "recipient"),
    (0x8A, "holder-check method"),
    (0x8B, "operator"),
    (0x8C, "second operator"),
    (0x8D, "time"),
    (0x8E, "clock source"),
    (0x8F, "nonce"),
];

const REVERSAL: Names = &[
    (0x81, "terminal"),
    (0x82, "sequence number of the entry that announces it"),
    (0x83, "hash of the journal entry before"),
    (0x84, "hash of the order"),
    (0x85, "CSO hash"),
    (0x8A, "holder-check method"),
    (0x8B, "operator"),
    (0x8C, "second operator"),
    (0x8D, "time"),
    (0x8E, "clock source"),
    (0x8F, "nonce"),
];

const ISSUER_SCRIPT: Names = &[
    (0x80, "suite"),
    (0x42, "issuer"),
    (0x5A, "card number"),
    (0x81, "receipt counter"),
    (0x82, "action"),
    (0xA3, "content"),
    (0x8D, "issued"),
];

const CERTIFICATE: Names = &[
    (0x5F29, "profile identifier"),
    (0x42, "certification authority reference"),
    (0x7F49, "public key"),
    (0x5F20, "certificate holder reference"),
    (0x7F4C, "holder authorization"),
    (0x5F25, "effective date"),
    (0x5F24, "expiry date"),
];

const PUBLIC_KEY: Names = &[
    (0x06, "object identifier"),
    (0x81, "prime p"),
    (0x82, "coefficient a"),
    (0x83, "coefficient b"),
    (0x84, "base point G"),
    (0x85, "order n"),
    (0x86, "public point"),
    (0x87, "cofactor h"),
];

const CSO: Names = &[
    (0x80, "suite"),
    (0x81, "format version"),
    (0x42, "issuer"),
    (0x5A, "card number"),
    (0x82, "CSO version"),
    (0x5F25, "valid from"),
    (0x5F24, "valid to"),
    (0x83, "key agreement key"),
    (0x84, "signing key"),
    (0x85, "person reference"),
    (0x86, "holder-check policy"),
    (
        0x87,
        "caps: one order, one month, one order while the PIN is blocked",
    ),
    (0xA9, "digests"),
    (0x8A, "issuer's sequence number"),
    (0x8B, "hash of the issuer's body before"),
];

const DIGESTS: Names = &[
    (0x80, "of the trust anchor"),
    (0x81, "of group 1"),
    (0x82, "of group 2"),
    (0x83, "of group 3"),
    (0x84, "of group 4"),
    (0x85, "of group 5"),
    (0x86, "of group 6"),
];

const HOLDER: Names = &[
    (0x80, "salt"),
    (0x5F20, "name"),
    (0x5F2B, "birth date"),
    (0x5F35, "sex"),
    (0x81, "personal ID"),
    (0x82, "social security number"),
    (0x83, "province"),
    (0x84, "commune"),
];

const PROGRAMME: Names = &[
    (0x80, "programme"),
    (0x81, "from"),
    (0x82, "to"),
    (0x83, "status"),
];

const LINKED_NUMBERS: Names = &[
    (0x80, "salt"),
    (0x81, "social insurance number"),
    (0x82, "health insurance code"),
    (0x83, "tax code"),
];

const ISSUANCE: Names = &[
    (0x80, "salt"),
    (0x81, "agency"),
    (0x82, "issued"),
    (0x83, "home pay point"),
];

const LIST_HEADER: Names = &[
    (0x80, "suite"),
    (0x81, "format version"),
    (0x42, "issuer"),
    (0x82, "list id"),
    (0x83, "list number"),
    (0x84, "pay point"),
    (0x85, "terminal"),
    (0x5F25, "first day of payment"),
    (0x5F24, "last day of payment"),
    (0x86, "number of lines"),
    (0x87, "Merkle root"),
    (0x88, "total"),
    (0x8A, "issuer's sequence number"),
    (0x8B, "hash of the issuer's body before"),
    (0x8C, "lists that stay in force"),
    (0x8D, "most that is paid by hand for a line"),
];

const LIST_LINE: Names = &[
    (0x80, "line number"),
    (0x5A, "card number"),
    (0x81, "line key"),
    (0x82, "amount"),
    (0x83, "recipients allowed"),
];

const BLOCK_LIST_HEADER: Names = &[
    (0x80, "suite"),
    (0x81, "format version"),
    (0x42, "issuer"),
    (0x82, "number"),
    (0x83, "count"),
    (0x84, "Merkle root"),
    (0x85, "issued"),
    (0x8A, "issuer's sequence number"),
    (0x8B, "hash of the issuer's body before"),
];

const ENTRY: Names = &[
    (0x80, "suite"),
    (0x81, "terminal"),
    (0x82, "sequence number"),
    (0x83, "boot count"),
    (0x84, "time"),
    (0x85, "clock source"),
    (0x86, "hash of the entry before"),
    (0x87, "kind"),
    (0xA8, "content"),
];

/// Content of the journal entries of kinds 1 to 10 (DATA 5.2), kind 1 first.
const CONTENTS: [Names; 10] = [
    &[(0x80, "hash of the firmware"), (0x81, "flags")],
    &[(0x80, "time before")],
    &[(0x80, "hash of the list header"), (0x81, "list number")],
    &[(0x80, "hash of the block list header"), (0x81, "number")],
    &[(0x80, "operator")],
    &[(0xFF23, "order")],
    &[(0xFF24, "receipt"), (0x5F37, "signature of the card")],
    &[(0x80, "sequence number of the Intent")],
    &[
        (0x80, "reason"),
        (0x5A, "card number"),
        (0x81, "line number"),
        (0x82, "status word"),
        (0x83, "sequence number of the Intent it closes"),
    ],
    &[
        (0x80, "hash of the acknowledgement"),
        (0x81, "acknowledged sequence number"),
    ],
];

const ACKNOWLEDGEMENT: Names = &[
    (0x80, "suite"),
    (0x42, "issuer"),
    (0x81, "terminal"),
    (0x82, "sequence number"),
    (0x83, "hash of that entry"),
    (0x84, "hash of the journal key"),
    (0x85, "time"),
];

/// The members of an object's body in their order.
pub(crate) fn members(kind: &str, body: &[u8]) -> Value {
    let object = DataObject::parse(body).expect("an object");
    read_all(&mut object.members().expect("a template"), names(kind))
}

fn names(kind: &str) -> Names {
    match kind {
        "certificate" | "request" => CERTIFICATE,
        "cso" => CSO,
        "receipt" => RECEIPT,
        "order" => ORDER,
        "reversal" => REVERSAL,
        "issuer-script" => ISSUER_SCRIPT,
        "list-header" => LIST_HEADER,
        "list-line" => LIST_LINE,
        "block-list-header" => BLOCK_LIST_HEADER,
        "block-list-entry" => &[(0x5A, "card number"), (0x80, "reason")],
        "block-delta-base" => &[(0x80, "number"), (0x81, "hash of its header")],
        "block-delta-unblocked" => &[(0x5A, "card number")],
        "journal-entry" => ENTRY,
        "acknowledgement" => ACKNOWLEDGEMENT,
        "time-statement" => &[
            (0x80, "suite"),
            (0x42, "issuer"),
            (0x81, "terminal"),
            (0x82, "nonce"),
            (0x83, "time"),
        ],
        "key-possession" => &[
            (0x80, "suite"),
            (0x5A, "card number"),
            (0x81, "nonce"),
            (0x83, "key agreement key"),
            (0x84, "signing key"),
        ],
        "session-binding" => &[
            (0x80, "suite"),
            (0x81, "session receipt"),
            (0x82, "CSO hash"),
            (0x83, "terminal"),
        ],
        "holder" => HOLDER,
        "portrait" => &[(0x80, "salt"), (0x5F40, "image")],
        "programmes" => &[(0x80, "salt"), (0xA1, "programme")],
        "linked-numbers" => LINKED_NUMBERS,
        "representatives" => &[(0x80, "salt")],
        "issuance" => ISSUANCE,
        other => panic!("no names for {other}"),
    }
}

/// Names inside a template, by its tag; the content of a journal entry by the kind read before it.
fn inside(tag: u16, entry_kind: u8) -> Names {
    match tag {
        0x7F49 => PUBLIC_KEY,
        0x7F4C => &[(0x06, "object identifier"), (0x53, "role, flags")],
        0xA1 => PROGRAMME,
        0xA3 => &[
            (
                0x80,
                "reason, block list number, hash or first month, by the action",
            ),
            (0x5F25, "date"),
        ],
        0xA9 => DIGESTS,
        0xFF23 => ORDER,
        0xFF24 => RECEIPT,
        0xFF2C => REVERSAL,
        _ => content(entry_kind),
    }
}

/// Content of a journal entry by kind (DATA 5.2).
fn content(kind: u8) -> Names {
    match kind {
        11 => &[(0xFF23, "order")],
        12 => &[(0x80, "intent"), (0xFF23, "order, told again")],
        13 => &[(0x80, "intent"), (0xFF2C, "reversal")],
        14 => &[(0x80, "intent"), (0xFF24, "receipt"), (0x5F37, "signature")],
        15 => &[
            (0xFF23, "order of a payment"),
            (0xFF2C, "reversal of a reversal"),
            (0xFF24, "receipt"),
            (0x5F37, "signature of the card"),
        ],
        17 | 25 => &[(0xFF24, "receipt"), (0x5F37, "signature of the card")],
        20 => &[(0x80, "hash of the list of operators"), (0x81, "number")],
        21 => &[(0x80, "operator"), (0x81, "failed attempts")],
        22 => &[(0x80, "operator"), (0x81, "how")],
        24 => &[(0x5A, "card number"), (0xFF23, "order")],
        23 => &[(0x80, "time before"), (0x81, "supervisor")],
        18 => &[(0x80, "operator"), (0x81, "cash received")],
        19 => &[
            (0x80, "operator"),
            (0x81, "cash that should be there"),
            (0x82, "cash counted"),
        ],
        kind => CONTENTS
            .get(usize::from(kind).wrapping_sub(1))
            .expect("a kind of entry"),
    }
}

fn read_all(reader: &mut Reader<'_>, names: Names) -> Value {
    let mut all = Vec::new();
    let mut entry_kind = 0;
    while let Some(object) = reader.next_object().expect("an object") {
        let name = names
            .iter()
            .find(|(tag, _)| *tag == object.tag())
            .expect("every member has a name")
            .1;
        let tag = format!("{:02X}", object.tag());
        if is_template(object.tag()) {
            let names = inside(object.tag(), entry_kind);
            let members = read_all(&mut object.members().expect("not too deep"), names);
            all.push(json!({ "tag": tag, "name": name, "members": members }));
            continue;
        }
        if let (0x87, [kind]) = (object.tag(), object.value()) {
            entry_kind = *kind;
        }
        all.push(json!({ "tag": tag, "name": name, "value": in_words(object.value()) }));
    }
    Value::Array(all)
}

/// A text as a text, all else in hexadecimal.
fn in_words(value: &[u8]) -> String {
    let text = core::str::from_utf8(value).ok();
    let is_text =
        |text: &&str| text.len() > 1 && text.chars().all(|c| c.is_alphanumeric() || " -.".contains(c));
    match text.filter(is_text) {
        Some(text) => format!("'{text}'"),
        None => hex::encode(value),
    }
}

/// Constructed tags hold data objects (ISO/IEC 8825-1, 8.1.2.5).
fn is_template(tag: u16) -> bool {
    let first = if tag > 0xFF { tag >> 8 } else { tag };
    first & 0x20 != 0
}

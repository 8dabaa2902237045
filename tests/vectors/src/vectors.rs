//! The files of `card-applet-spec/vectors`: for each kind of object valid ones, and ones that everybody must refuse.

use card_spec::certificate::{CertificateKey, Request};
use card_spec::command::{KeyPossession, SessionBinding};
use card_spec::crypto::{SecretKey, sha256};
use card_spec::journal::{
    EncodedOrder, EncodedReceipt, Entry, Event, Refusal, RefusalReason, ShiftEnd, TimeStatement,
};
use card_spec::list::{KeptLists, ListHeader, SomeAmount};
use card_spec::payment::{
    ClockSource, HolderCheckMethod, HolderCheckOutcome, Operator, Order, Receipt, ReceiptKind, Recipient,
};
use card_spec::signed::Signed;
use card_spec::values::{Amount, Time};
use serde_json::{Value, json};

use crate::broken::{Body, long_length, replace};
use crate::{ISSUER, World, date, examine, reference, secret, sign, words};

mod cards;
mod certificates;
mod payments;
mod scripts;

/// One kind of object, under construction.
struct Kind {
    name: &'static str,
    clause: &'static str,
    valid: Vec<Value>,
    refused: Vec<Value>,
}

/// A tag and a value that its type does not allow.
type BadValue<'a> = (&'a str, u16, &'a [u8]);

/// All files: name without `.json`, content.
pub fn all() -> Vec<(&'static str, Value)> {
    let world = World::standard();
    vec![
        file("certificate", vec![certificates::certificates(&world), request()]),
        file("cso", vec![cards::cso(&world)]),
        file("groups", cards::data_groups(&world)),
        file(
            "order-and-receipt",
            vec![payments::order(&world), payments::receipt(&world)],
        ),
        file("payment-list", payment_list(&world)),
        file("reversal", vec![scripts::reversal(&world)]),
        file("issuer-script", vec![scripts::issuer_script(&world)]),
        file("block-list", block_list(&world)),
        file("journal-entries", vec![journal_entries()]),
        file("acknowledgement", vec![acknowledgement(&world)]),
        file("time-statement", vec![time_statement()]),
        file("key-possession", vec![key_possession(&world)]),
        file("session-binding", vec![session_binding(&world)]),
    ]
}

fn file(name: &'static str, kinds: Vec<Kind>) -> (&'static str, Value) {
    let kinds: Vec<_> = kinds
        .into_iter()
        .map(|kind| json!({ "kind": kind.name, "clause": kind.clause, "valid": kind.valid, "refused": kind.refused }))
        .collect();
    let note = "All keys are TEST keys: anybody can compute them. Hexadecimal. Signatures: ECDSA P-256 with SHA-256 \
                over the body, RFC 6979, r || s. 'refusal' says what is wrong: encoding (SPEC 1.1, 1.3), members \
                (SPEC 1.2), value (SPEC 1, types), signature (SPEC 2.2).";
    (name, json!({ "note": note, "kinds": kinds }))
}

impl Kind {
    fn new(name: &'static str, clause: &'static str) -> Self {
        Self {
            name,
            clause,
            valid: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// A valid object with what it says.
    fn valid(&mut self, name: &str, encoding: &[u8], signer: Option<(&str, &SecretKey)>) {
        let examined = examine(self.name, encoding).expect("our own object");
        let mut vector = json!({
            "name": name,
            "members": words::members(self.name, &examined.body),
            "body": hex::encode(&examined.body),
            "body_sha256": hex::encode(sha256(&[&examined.body])),
            "encoding": hex::encode(encoding),
        });
        let Some((key_name, key)) = signer else {
            return self.valid.push(vector);
        };
        let signature = examined.signature.expect("a signed object");
        vector["signature"] = hex::encode(signature.as_bytes()).into();
        vector["signer"] = json!({
            "name": key_name,
            "test_private_key": hex::encode(key.to_bytes()),
            "public_key": hex::encode(key.public_key().as_bytes()),
        });
        self.valid.push(vector);
    }

    fn refuse(&mut self, name: &str, encoding: Vec<u8>, refusal: &str) {
        self.refused
            .push(json!({ "name": name, "encoding": hex::encode(encoding), "refusal": refusal }));
    }

    /// What no receiver may accept, whatever the kind; then values that this kind may not hold.
    fn refuse_broken(&mut self, encoding: &[u8], signer: Option<&SecretKey>, bad_values: &[BadValue<'_>]) {
        let body = Body::of(encoding, signer.is_some());
        self.refuse("a byte behind the object", [encoding, &[0]].concat(), "encoding");
        self.refuse(
            "the last byte missing",
            encoding.split_last().expect("not empty").1.to_vec(),
            "encoding",
        );
        self.refuse(
            "length in more bytes than needed",
            long_length(encoding),
            "encoding",
        );
        self.refuse(
            "the first member missing",
            body.with(|members| drop(members.remove(0))),
            "members",
        );
        self.refuse(
            "the first two members swapped",
            body.with(|members| members.swap(0, 1)),
            "members",
        );
        self.refuse(
            "an unknown member at the end",
            body.with(|members| members.push(vec![0x9E, 0])),
            "encoding",
        );
        self.refuse(
            "the first member in an encoding that is not minimal",
            body.with(|members| members[0] = long_length(&members[0])),
            "encoding",
        );
        for (name, tag, value) in bad_values {
            self.refuse(name, body.with(|members| replace(members, *tag, value)), "value");
        }
        let Some(signer) = signer else {
            return;
        };
        self.refuse(
            "the tag of another kind of body",
            body.with_tag(0xFF2F),
            "members",
        );
        let mut flipped = encoding.to_vec();
        *flipped.last_mut().expect("not empty") ^= 1;
        self.refuse("one bit of the signature", flipped, "signature");
        let other = body.signed_with(signer);
        self.refuse(
            "signed over the body's value without tag and length",
            other,
            "signature",
        );
        self.refuse("a signature of 63 bytes", body.short_signature(), "value");
    }
}

const SUITE_2: BadValue<'_> = ("suite 2", 0x80, &[2]);
const NO_LUHN: BadValue<'_> = (
    "a card number with a wrong check digit",
    0x5A,
    &[0x79, 0, 0, 0, 0, 0, 0, 0x11],
);
const FEBRUARY_30: BadValue<'_> = ("30 February", 0x5F25, &[2, 6, 0, 2, 3, 0]);
const DATE_ASCII: BadValue<'_> = ("a date in ASCII", 0x5F24, b"261130");
const HOUR_24: &[u8] = &[0x20, 0x26, 0x11, 0x05, 0x24, 0, 0];
const TRILLION: &[u8] = &1_000_000_000_000_u64.to_be_bytes();
const OFF_CURVE: &[u8] = &[4; 65];

fn request() -> Kind {
    let mut kind = Kind::new("request", "SPEC 3.5");
    let key = secret("VNT0000001 journal");
    let request = Request {
        profile: Default::default(),
        public_key: CertificateKey {
            key: key.public_key(),
            with_domain_parameters: false,
        },
        holder: reference("VNT0000001J00001"),
    };
    let encoding = sign(&request, &key);
    kind.valid("journal key", &encoding, Some(("VNT0000001 journal", &key)));
    kind.refuse_broken(&encoding, Some(&key), &[("profile 1", 0x5F29, &[1])]);
    kind
}

/// The objects of a list file: header, then lines.
fn list_file(world: &World, path: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
    let bytes = world.files.get(path).expect("a list");
    let mut reader = card_spec::tlv::Reader::new(bytes);
    let mut objects = Vec::new();
    while let Some(object) = reader.next_object().expect("canonical") {
        objects.push(object.encoding().to_vec());
    }
    let header = objects.remove(0);
    (header, objects)
}

fn payment_list(world: &World) -> Vec<Kind> {
    let (header, lines) = list_file(world, "lists/2026-11-0001.list");
    let mut headers = Kind::new("list-header", "DATA 3.1");
    headers.valid(
        "list 1, whose lines follow",
        &header,
        Some(("issuer", &world.issuer)),
    );
    headers.refuse_broken(
        &header,
        Some(&world.issuer),
        &[
            SUITE_2,
            ("format 2", 0x81, &[2]),
            FEBRUARY_30,
            DATE_ASCII,
            ("a total of more than the largest amount", 0x88, TRILLION),
            ("a root of 31 bytes", 0x87, &[0; 31]),
            ("a terminal name of 9 bytes", 0x85, b"VNT000001"),
        ],
    );
    let signed = Signed::<ListHeader<'_>>::parse(&header).expect("our own object");
    let beside = ListHeader {
        number: 9,
        keeps: KeptLists::new(&[0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 8]),
        ..*signed.claimed()
    };
    let beside = sign(&beside, &world.issuer);
    headers.valid(
        "list 9 of the same lines, beside which lists 3, 7 and 8 stay in force",
        &beside,
        Some(("issuer", &world.issuer)),
    );
    headers.refuse_broken(
        &beside,
        Some(&world.issuer),
        &[
            ("no list that stays", 0x8C, &[]),
            ("a number of 3 bytes", 0x8C, &[0, 0, 3]),
            ("list 0", 0x8C, &[0, 0, 0, 0]),
            ("descending numbers", 0x8C, &[0, 0, 0, 7, 0, 0, 0, 3]),
            ("one number twice", 0x8C, &[0, 0, 0, 3, 0, 0, 0, 3]),
            (
                "four lists that stay",
                0x8C,
                &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4],
            ),
        ],
    );
    let by_hand = ListHeader {
        number: 10,
        by_hand_up_to: Amount::new(600_000).and_then(SomeAmount::new),
        ..*signed.claimed()
    };
    let by_hand = sign(&by_hand, &world.issuer);
    headers.valid(
        "list 10 of the same lines, of which each up to 600,000 VND may be paid by hand",
        &by_hand,
        Some(("issuer", &world.issuer)),
    );
    headers.refuse_broken(
        &by_hand,
        Some(&world.issuer),
        &[
            ("nothing by hand", 0x8D, &[0; 8]),
            ("more than the largest amount by hand", 0x8D, TRILLION),
            ("an amount of 6 bytes", 0x8D, &[0, 0, 0, 9, 0x27, 0xC0]),
        ],
    );
    let mut kind = Kind::new("list-line", "DATA 3.2");
    for (number, line) in (1..).zip(&lines) {
        kind.valid(&format!("line {number} of list 1"), line, None);
    }
    let unknown_type = [&[7; 16][..], b"HTXH", &[0, 1, 8, 0x20, 0x26, 0x11]].concat();
    kind.refuse_broken(
        lines.first().expect("a line"),
        None,
        &[
            NO_LUHN,
            ("line type 8", 0x81, &unknown_type),
            ("more than the largest amount", 0x82, TRILLION),
        ],
    );
    vec![headers, kind]
}

fn block_list(world: &World) -> Vec<Kind> {
    let (header, entries) = list_file(world, "blocklists/1.blocklist");
    let mut headers = Kind::new("block-list-header", "DATA 4");
    headers.valid(
        "block list 1, whose entries follow",
        &header,
        Some(("issuer", &world.issuer)),
    );
    headers.refuse_broken(
        &header,
        Some(&world.issuer),
        &[
            SUITE_2,
            ("24 o'clock", 0x85, HOUR_24),
            ("a count of 5 bytes", 0x83, &[0, 0, 0, 0, 1]),
        ],
    );
    let mut kind = Kind::new("block-list-entry", "DATA 4");
    let entry = entries.first().expect("an entry");
    kind.valid("a lost card", entry, None);
    kind.refuse_broken(entry, None, &[NO_LUHN, ("reason 7", 0x80, &[7])]);
    let [base, unblocked] = block_delta();
    vec![headers, kind, base, unblocked]
}

/// What a delta has besides header and entries: card 5 is found again, card 1 is lost.
fn block_delta() -> [Kind; 2] {
    let mut world = World::standard();
    let first = world.issue_block_list(&[4]);
    let changes = [world.blocked(0), world.unblocked(4)];
    world.issue_block_delta(&first, &[0], &changes);
    let (_, objects) = list_file(&world, "blocklists/3.blockdelta");
    let [base, _, unblocked] = &objects[..] else {
        panic!("a base and two changes")
    };
    let mut bases = Kind::new("block-delta-base", "DATA 4.2");
    bases.valid("a delta to block list 2", base, None);
    let bad = [
        ("a number of 3 bytes", 0x80, &[0, 0, 1][..]),
        ("a hash of 31 bytes", 0x81, &[0; 31]),
    ];
    bases.refuse_broken(base, None, &bad);
    let mut kind = Kind::new("block-delta-unblocked", "DATA 4.2");
    kind.valid("card 5 is found again", unblocked, None);
    let body = Body::of(unblocked, false);
    kind.refuse(
        "with a reason",
        body.with(|members| members.push(vec![0x80, 1, 1])),
        "encoding",
    );
    for (name, tag, value) in [
        NO_LUHN,
        ("a card number of 7 bytes", 0x5A, &[0x79, 0, 0, 0, 0, 0, 0]),
    ] {
        kind.refuse(name, body.with(|members| replace(members, tag, value)), "value");
    }
    kind.refuse(
        "a byte behind the object",
        [&unblocked[..], &[0]].concat(),
        "encoding",
    );
    kind.refuse("no card", body.with(|members| drop(members.remove(0))), "members");
    [bases, kind]
}

fn journal_entries() -> Kind {
    let mut kind = Kind::new("journal-entry", "DATA 5");
    let mut world = World::standard();
    let order = world.order(0, 0, 3);
    let order = world.intent(0, &order);
    let closes_intent = Some(world.terminal(0).sequence);
    let card_number = world.cards.get(2).map(|card| card.number);
    let order = EncodedOrder::parse(&order).expect("an order");
    world.terminal(0).log(Event::StillOpen(order));
    world.terminal(0).log(Event::Refused(Refusal {
        reason: RefusalReason::RefusedByCard,
        card_number,
        line_number: Some(3),
        status_word: Some(0x6343),
        closes_intent,
    }));
    shifts(&mut world);
    let order = world.order(0, 0, 3);
    let (intent, order) = world.pay_only(0, 2, &order);
    let reversal = world.announce_reversal(0, intent, &order);
    world.not_handed_again(0, intent, &order);
    let receipt = world.reversal_receipt(2, &reversal);
    world.reversed(0, 2, intent, &receipt);
    carried(&mut world);
    witnessed(&mut world);
    let order = world.order_by_hand(0, 0, 3);
    world.pay_by_hand(0, 2, &order);
    let by_hand = world.terminal(0).entries.last().cloned().expect("an entry");
    let terminal = world.terminals.first().expect("a terminal");
    for (sequence, entry) in (1..).zip(&terminal.entries) {
        kind.valid(
            &format!("entry {sequence}"),
            entry,
            Some(("VNT0000001 journal", &terminal.key)),
        );
    }
    let bad = [
        SUITE_2,
        ("a terminal name with letters", 0x81, &b"VNT000000A"[..]),
        ("24 o'clock", 0x84, HOUR_24),
        ("clock source 3", 0x85, &[3]),
        ("kind 26", 0x87, &[26]),
        ("kind 0", 0x87, &[0]),
    ];
    kind.refuse_broken(
        terminal.entries.first().expect("an entry"),
        Some(&terminal.key),
        &bad,
    );
    refuse_by_hand(&mut kind, &by_hand);
    kind
}

/// A card tells of a payment, and of a reversal, at another terminal.
fn carried(world: &mut World) {
    let order = world.order(1, 1, 1);
    let order = order.encode(&mut [0; 512]).expect("fits").to_vec();
    let paid = world.receipt(2, &order);
    let reversal = world.reversal(1, &order);
    let reversal = reversal.encode(&mut [0; 256]).expect("fits").to_vec();
    let undone = world.reversal_receipt(2, &reversal);
    for (object, receipt) in [(order, paid), (reversal, undone)] {
        let receipt = sign(&receipt, &world.cards.get(2).expect("a card").signing);
        world.carry(0, &object, &receipt);
    }
}

/// Orders that nobody pays by hand.
fn refuse_by_hand(kind: &mut Kind, entry: &[u8]) {
    let signed = Signed::<Entry<'_>>::parse(entry).expect("our own entry");
    let Event::ManualPaid(paid) = signed.claimed().event else {
        panic!("a payment by hand")
    };
    let order = *paid.order().order();
    let card_number = [&[0x5A, 8][..], &paid.card_number().to_bytes()].concat();
    for (name, bent) in [
        (
            "an order for a card",
            Order {
                cso_hash: [1; 32],
                ..order
            },
        ),
        (
            "to a representative",
            Order {
                recipient: Recipient::FirstRepresentative,
                ..order
            },
        ),
        (
            "by PIN",
            Order {
                method: HolderCheckMethod::Pin,
                ..order
            },
        ),
        (
            "without a second operator",
            Order {
                second_operator: None,
                ..order
            },
        ),
    ] {
        let mut buffer = [0; 512];
        let bent = bent.encode(&mut buffer).expect("fits");
        let content = [&card_number[..], bent].concat();
        let encoding = Body::of(entry, true).with(|members| replace(members, 0xA8, &content));
        kind.refuse(&format!("paid by hand: {name}"), encoding, "value");
    }
}

/// A card that has blocked itself, and one that has executed a script.
fn witnessed(world: &mut World) {
    let order = world.order(0, 0, 3);
    let order = order.encode(&mut [0; 512]).expect("fits").to_vec();
    for (kind, object) in [
        (ReceiptKind::BlockList, &b"block list"[..]),
        (ReceiptKind::IssuerScript, b"issuer script"),
    ] {
        let receipt = Receipt {
            kind,
            object_hash: sha256(&[object]),
            holder_check: HolderCheckOutcome {
                pin_verified: false,
                tries_left: 3,
            },
            ..world.receipt(2, &order)
        };
        let receipt = sign(&receipt, &world.cards.get(2).expect("a card").signing);
        let receipt = EncodedReceipt::parse(&receipt).expect("a receipt");
        world.terminal(0).log(match kind {
            ReceiptKind::BlockList => Event::CardBlocked(receipt),
            _ => Event::ScriptExecuted(receipt),
        });
    }
}

/// What a terminal tells of its operators.
fn shifts(world: &mut World) {
    let operator = Operator::new("clerk-01").expect("an operator");
    let amount = |vnd| Amount::new(vnd).expect("an amount");
    let events = [
        Event::CashReceived {
            operator,
            amount: amount(18_000_000),
        },
        Event::CashCounted {
            operator,
            expected: amount(18_000_000),
            counted: amount(17_999_500),
        },
        Event::ShiftClosed {
            operator,
            end: ShiftEnd::Idle,
        },
        Event::OperatorsLoaded {
            list: sha256(&[b"operators"]),
            number: 1,
        },
        Event::OperatorRefused {
            operator,
            attempts: 3,
        },
        Event::ClockSetByOperator {
            before: Time::UNSET,
            operator,
        },
    ];
    for event in events {
        let mut entry = world.terminal(0).next_entry(event);
        if matches!(event, Event::ClockSetByOperator { .. }) {
            entry.clock = ClockSource::Operator;
        }
        let key = secret("VNT0000001 journal");
        world.terminal(0).append(&entry, &key);
    }
}

fn acknowledgement(world: &World) -> Kind {
    let mut kind = Kind::new("acknowledgement", "DATA 6");
    let encoding = world
        .files
        .get("acks/VNT0000001-12.ack")
        .expect("an acknowledgement");
    kind.valid("up to entry 12", encoding, Some(("issuer", &world.issuer)));
    kind.refuse_broken(
        encoding,
        Some(&world.issuer),
        &[
            SUITE_2,
            ("24 o'clock", 0x85, HOUR_24),
            ("a sequence number of 3 bytes", 0x82, &[0, 0, 1]),
        ],
    );
    kind
}

fn time_statement() -> Kind {
    let mut kind = Kind::new("time-statement", "DATA 7");
    let issuer = secret("issuer");
    let statement = TimeStatement {
        suite: Default::default(),
        issuer: reference(ISSUER),
        terminal: "VNT0000001".parse().expect("a name"),
        nonce: [0xA5; 16],
        time: Time::new(date(2026, 11, 22), 8, 30, 0).expect("a time"),
    };
    let encoding = sign(&statement, &issuer);
    kind.valid("half past eight", &encoding, Some(("issuer", &issuer)));
    kind.refuse_broken(
        &encoding,
        Some(&issuer),
        &[
            SUITE_2,
            ("24 o'clock", 0x83, HOUR_24),
            ("a nonce of 15 bytes", 0x82, &[0; 15]),
        ],
    );
    kind
}

fn key_possession(world: &World) -> Kind {
    let mut kind = Kind::new("key-possession", "SPEC 6.5");
    let card = world.cards.first().expect("a card");
    let body = KeyPossession {
        suite: Default::default(),
        card_number: card.number,
        nonce: [0x5A; 16],
        agreement_key: card.agreement.public_key(),
        signing_key: card.signing.public_key(),
    };
    let encoding = sign(&body, &card.signing);
    kind.valid(
        "both keys of card 1",
        &encoding,
        Some(("card 1 signing", &card.signing)),
    );
    kind.refuse_broken(
        &encoding,
        Some(&card.signing),
        &[
            SUITE_2,
            NO_LUHN,
            ("a point that is not on the curve", 0x84, OFF_CURVE),
        ],
    );
    kind
}

fn session_binding(world: &World) -> Kind {
    let mut kind = Kind::new("session-binding", "SPEC 7.6");
    let card = world.cards.first().expect("a card");
    let body = SessionBinding {
        suite: Default::default(),
        session_receipt: [0x3C; 16],
        cso_hash: card.cso_hash,
        terminal: "VNT0000001".parse().expect("a name"),
    };
    let encoding = sign(&body, &card.signing);
    kind.valid(
        "card 1 to a terminal",
        &encoding,
        Some(("card 1 signing", &card.signing)),
    );
    kind.refuse_broken(
        &encoding,
        Some(&card.signing),
        &[
            SUITE_2,
            ("a session receipt of 15 bytes", 0x81, &[0; 15]),
            ("another terminal name's form", 0x83, b"VNX0000001"),
        ],
    );
    kind
}

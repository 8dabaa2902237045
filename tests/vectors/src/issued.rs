//! What the issuer signs: cards, payment lists, block lists.

use card_spec::block_delta::{BlockChange, BlockDeltaBase, Unblocked};
use card_spec::crypto::{Digest, SecretKey, Sign as _, sha256};
use card_spec::cso::{Caps, CardSecurityObject, GroupDigests, HolderCheckPolicy, PersonReference};
use card_spec::groups::{
    Holder, Image, Issuance, LinkedNumbers, PORTRAIT, Portrait, ProgrammeEntry, ProgrammeStatus, Programmes,
    Representatives, Sex,
};
use card_spec::list::{
    BlockEntry, BlockListHeader, BlockReason, KeptLists, ListHeader, ListLine, SomeAmount,
};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::payment::{LineKey, LineKeyParts, LineType};
use card_spec::tlv::{Field, Writer};
use card_spec::values::{Ascii, BirthDate, CardNumber, Digits, Period, Programme, Text};

use crate::{World, amount, body, card_number, date, der_signature, pem, programme, secret, sign};

/// Who gets a card, with which keys: what a test changes to make two cards collide.
#[derive(Clone, Debug)]
pub struct Person {
    /// The person.
    pub reference: PersonReference,
    /// Names the card's keys.
    pub keys: String,
}

impl Person {
    /// A person of their own, with keys of their own.
    pub fn numbered(serial: u64) -> Self {
        Self {
            reference: half(&sha256(&[b"person", &serial.to_be_bytes()])),
            keys: format!("card {serial}"),
        }
    }
}

/// A card with its keys and the state of its receipts.
pub struct Card {
    /// Its number.
    pub number: CardNumber,
    /// Its holder.
    pub person: PersonReference,
    /// Signs receipts.
    pub signing: SecretKey,
    /// Key agreement.
    pub agreement: SecretKey,
    /// CSO hash.
    pub cso_hash: Digest,
    /// Receipts so far.
    pub counter: u32,
    /// Hash of the last receipt.
    pub head: Digest,
}

/// A line to be put on a list.
#[derive(Clone, Copy, Debug)]
pub struct LineSpec {
    /// Index of the card.
    pub card: usize,
    /// Month.
    pub period: Period,
    /// Type.
    pub line_type: LineType,
    /// VND.
    pub amount: u64,
    /// Entitlement number.
    pub entitlement: u16,
}

impl LineSpec {
    /// A line of the first entitlement.
    pub fn new(card: usize, period: Period, line_type: LineType, amount: u64) -> Self {
        Self {
            card,
            period,
            line_type,
            amount,
            entitlement: 1,
        }
    }
}

/// A payment list as a terminal has it.
pub struct List {
    /// Merkle root.
    pub root: Digest,
    /// Hash of the header.
    pub header: Digest,
    /// Number.
    pub number: u32,
    /// The lines, the first is number 1, with the index of the card.
    pub lines: Vec<(usize, ListLine)>,
}

/// Hash and number of a block list.
#[derive(Clone, Copy, Debug)]
pub struct BlockListName {
    /// Hash of the header.
    pub header: Digest,
    /// Number.
    pub number: u32,
}

fn half(digest: &Digest) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(digest.split_at(16).0);
    half
}

/// Encodes any field.
pub(crate) fn encode<'a>(field: &impl Field<'a>, tag: u16) -> Vec<u8> {
    let mut buffer = [0; 1024];
    let mut writer = Writer::new(&mut buffer);
    field.write(&mut writer, tag).expect("fits");
    writer.finish().to_vec()
}

/// The data groups of a card without portrait, in the order of STORE DATA.
pub fn groups(person: &PersonReference) -> [(u16, Vec<u8>); 5] {
    let salt = |group: u8| half(&sha256(&[b"salt", person, &[group]]));
    let holder = Holder {
        salt: salt(1),
        name: Text::new("Nguyễn Thị Bưởi").expect("a name"),
        birth_date: BirthDate::new(1944, 0, 0).expect("a year"),
        sex: Sex::Female,
        personal_id: Ascii::new("079144000001").expect("a number"),
        social_security_number: Ascii::new("7900000001").expect("a number"),
        province: Digits::from_bytes(*b"79").expect("digits"),
        commune: Digits::from_bytes(*b"26734").expect("digits"),
    };
    let entry = |programme| ProgrammeEntry {
        programme,
        from: Period::new(2026, 7).expect("a month"),
        to: None,
        status: ProgrammeStatus::Active,
    };
    let programmes = Programmes {
        salt: salt(3),
        entries: [entry(programme()), entry(Programme::SUDDEN_RELIEF)]
            .into_iter()
            .collect(),
    };
    let linked = LinkedNumbers {
        salt: salt(4),
        social_insurance: Ascii::new("7900000001"),
        health_insurance: None,
        tax: None,
    };
    let representatives = Representatives {
        salt: salt(5),
        entries: Default::default(),
    };
    let issuance = Issuance {
        salt: salt(6),
        agency: Ascii::new("H29.10").expect("an agency"),
        issued: date(2026, 11, 2),
        home_pay_point: Ascii::new("BD700000"),
    };
    [
        (0xFF31, encode(&holder, 0xFF31)),
        (0xFF33, encode(&programmes, 0xFF33)),
        (0xFF34, encode(&linked, 0xFF34)),
        (0xFF35, encode(&representatives, 0xFF35)),
        (0xFF36, encode(&issuance, 0xFF36)),
    ]
}

/// A portrait: bytes that stand for an image.
pub(crate) fn portrait(person: &PersonReference) -> Vec<u8> {
    let portrait = Portrait {
        salt: half(&sha256(&[b"salt", person, &[2]])),
        image: Image::new(b"an image that nobody parses").expect("short"),
    };
    encode(&portrait, PORTRAIT)
}

impl World {
    /// Issues a card and gives its index.
    pub fn issue(&mut self, serial: u64, person: &Person) -> usize {
        let signing = secret(&format!("{} signing", person.keys));
        let agreement = secret(&format!("{} agreement", person.keys));
        let [holder, programmes, linked_numbers, representatives, issuance] =
            groups(&person.reference).map(|(_, group)| sha256(&[&group]));
        let cso = CardSecurityObject {
            suite: Default::default(),
            format: Default::default(),
            issuer: self.issuer_name,
            card_number: card_number(serial),
            version: 1,
            effective: date(2026, 11, 2),
            expiry: date(2036, 11, 1),
            agreement_key: agreement.public_key(),
            signing_key: signing.public_key(),
            person: person.reference,
            policy: HolderCheckPolicy {
                methods: 1,
                pin_tries: 3,
                orders_per_verify: 4,
            },
            caps: Caps {
                order: amount(20_000_000),
                month: amount(50_000_000),
                order_without_pin: amount(2_000_000),
            },
            digests: GroupDigests {
                trust_anchor: self.trust_anchor,
                holder,
                portrait: None,
                programmes,
                linked_numbers,
                representatives,
                issuance,
            },
            issuer_sequence: self.issuer_sequence + 1,
            issuer_previous: self.issuer_previous,
        };
        let signed_bytes = body(&cso);
        let cso_hash = sha256(&[&signed_bytes]);
        self.take_place(&signed_bytes);
        let folder = format!("cards/{}", cso.card_number);
        let Ok(signature) = self.issuer.sign(&signed_bytes);
        self.files
            .insert(format!("{folder}/cso.tlv"), sign(&cso, &self.issuer));
        self.files
            .insert(format!("{folder}/cso.signed.bin"), signed_bytes);
        self.files
            .insert(format!("{folder}/cso.sig.der"), der_signature(&signature));
        self.files
            .insert(format!("{folder}/card-signing.pem"), pem(&cso.signing_key));
        self.cards.push(Card {
            number: cso.card_number,
            person: person.reference,
            signing,
            agreement,
            cso_hash,
            counter: 0,
            head: cso_hash,
        });
        self.cards.len() - 1
    }

    /// Signs a list for a terminal and gives its index.
    pub fn issue_list(&mut self, terminal: usize, specs: &[LineSpec]) -> usize {
        let lines: Vec<_> = (1..)
            .zip(specs)
            .map(|(number, spec)| (spec.card, self.line(number, spec)))
            .collect();
        self.issue_lines(terminal, lines)
    }

    /// One line of a list.
    pub fn line(&self, number: u32, spec: &LineSpec) -> ListLine {
        let card = self.cards.get(spec.card).expect("a card");
        ListLine {
            number,
            card_number: card.number,
            line_key: LineKey::new(&LineKeyParts {
                person: card.person,
                programme: programme(),
                entitlement: spec.entitlement,
                line_type: spec.line_type,
                period: spec.period,
            }),
            amount: amount(spec.amount),
            recipients: 0b11,
        }
    }

    /// Signs a list with these lines, whatever they are.
    pub fn issue_lines(&mut self, terminal: usize, lines: Vec<(usize, ListLine)>) -> usize {
        self.issue_beside(terminal, &[], lines)
    }

    /// Signs a list with these lines that leaves these lists in force.
    pub fn issue_beside(&mut self, terminal: usize, keeps: &[u32], lines: Vec<(usize, ListLine)>) -> usize {
        self.issue_with(terminal, keeps, None, lines)
    }

    /// Signs a list with these lines, of which two operators may pay each by hand up to a sum in VND.
    pub fn issue_by_hand(&mut self, terminal: usize, most: u64, lines: Vec<(usize, ListLine)>) -> usize {
        self.issue_with(terminal, &[], SomeAmount::new(amount(most)), lines)
    }

    fn issue_with(
        &mut self,
        terminal: usize,
        keeps: &[u32],
        by_hand_up_to: Option<SomeAmount>,
        lines: Vec<(usize, ListLine)>,
    ) -> usize {
        let keeps: Vec<_> = keeps.iter().flat_map(|number| number.to_be_bytes()).collect();
        self.list_number += 1;
        let encoded: Vec<_> = lines
            .iter()
            .map(|(_, line)| encode(line, ListLine::TAG))
            .collect();
        let mut root = RootBuilder::new();
        for line in &encoded {
            root.push(leaf_hash(line), |_, _, _| {});
        }
        let series = match self.issuer_name.mnemonic() {
            "ISS79" => "2026-11",
            other => other,
        };
        let id = format!("{series}-{:04}", self.list_number);
        let header = ListHeader {
            suite: Default::default(),
            format: Default::default(),
            issuer: self.issuer_name,
            list_id: Ascii::new(&id).expect("a list id"),
            number: self.list_number,
            pay_point: Ascii::new("BD700000").expect("a pay point"),
            terminal: self.terminals.get(terminal).expect("a terminal").name,
            effective: date(2026, 11, 5),
            expiry: date(2026, 11, 25),
            lines: root.leaves(),
            root: root.root(),
            total: amount(lines.iter().map(|(_, line)| line.amount.vnd()).sum()),
            issuer_sequence: self.issuer_sequence + 1,
            issuer_previous: self.issuer_previous,
            keeps: KeptLists::new(&keeps),
            by_hand_up_to,
        };
        let signed_bytes = body(&header);
        let file = [sign(&header, &self.issuer), encoded.concat()].concat();
        self.files.insert(format!("lists/{id}.list"), file);
        self.take_place(&signed_bytes);
        self.lists.push(List {
            root: header.root,
            header: sha256(&[&signed_bytes]),
            number: header.number,
            lines,
        });
        self.lists.len() - 1
    }

    /// Signs a block list of these cards, by index.
    pub fn issue_block_list(&mut self, cards: &[usize]) -> BlockListName {
        let mut numbers: Vec<_> = cards
            .iter()
            .filter_map(|card| self.cards.get(*card))
            .map(|card| card.number)
            .collect();
        numbers.sort();
        self.issue_block_entries(&numbers)
    }

    /// Signs a block list of these card numbers in this order.
    pub fn issue_block_entries(&mut self, numbers: &[CardNumber]) -> BlockListName {
        self.block_list_number += 1;
        let entry = |number: &CardNumber| BlockEntry {
            card_number: *number,
            reason: BlockReason::Lost,
        };
        let encoded: Vec<_> = numbers
            .iter()
            .map(|number| encode(&entry(number), BlockEntry::TAG))
            .collect();
        let (name, header) = self.sign_block_list(&encoded);
        let file = [header, encoded.concat()].concat();
        self.files
            .insert(format!("blocklists/{}.blocklist", name.number), file);
        name
    }

    /// Signs a block list of these cards, by index, and files it as the changes to another one.
    pub fn issue_block_delta(
        &mut self,
        base: &BlockListName,
        cards: &[usize],
        changes: &[BlockChange],
    ) -> BlockListName {
        // The list in full is signed, and not filed.
        let name = self.issue_block_list(cards);
        let full = format!("blocklists/{}.blocklist", name.number);
        let mut header = self.files.remove(&full).expect("a list");
        header.truncate(header.len() - cards.len() * BlockEntry::LENGTH);
        let base = BlockDeltaBase {
            number: base.number,
            header: base.header,
        };
        let mut file = [header, encode(&base, BlockDeltaBase::TAG)].concat();
        for change in changes {
            file.extend(match change {
                BlockChange::Blocked(entry) => encode(entry, BlockEntry::TAG),
                BlockChange::Unblocked(unblocked) => encode(unblocked, Unblocked::TAG),
            });
        }
        self.files
            .insert(format!("blocklists/{}.blockdelta", name.number), file);
        name
    }

    /// The change that blocks a card, by index, as [`Self::issue_block_list`] does.
    pub fn blocked(&self, card: usize) -> BlockChange {
        BlockChange::Blocked(BlockEntry {
            card_number: self.cards.get(card).expect("a card").number,
            reason: BlockReason::Lost,
        })
    }

    /// The change that takes a card, by index, off the list.
    pub fn unblocked(&self, card: usize) -> BlockChange {
        BlockChange::Unblocked(Unblocked {
            card_number: self.cards.get(card).expect("a card").number,
        })
    }

    /// Signs the header of a block list of these encoded entries.
    fn sign_block_list(&mut self, entries: &[Vec<u8>]) -> (BlockListName, Vec<u8>) {
        let mut root = RootBuilder::new();
        for entry in entries {
            root.push(leaf_hash(entry), |_, _, _| {});
        }
        let header = BlockListHeader {
            suite: Default::default(),
            format: Default::default(),
            issuer: self.issuer_name,
            number: self.block_list_number,
            count: root.leaves(),
            root: root.root(),
            issued: self.block_list_issued,
            issuer_sequence: self.issuer_sequence + 1,
            issuer_previous: self.issuer_previous,
        };
        let signed_bytes = body(&header);
        let signed = sign(&header, &self.issuer);
        self.take_place(&signed_bytes);
        let name = BlockListName {
            header: sha256(&[&signed_bytes]),
            number: header.number,
        };
        (name, signed)
    }
}

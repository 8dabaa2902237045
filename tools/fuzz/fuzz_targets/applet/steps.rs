//! What is done to a card, step by step.

use std::sync::LazyLock;

use card_spec::apdu::StatusWord;
use card_spec::command::{BLOCK_LIST_ENTRY, BLOCK_LIST_HEADER, BlockProof, GeneratedKeys};
use card_spec::crypto::{Digest, Signature, sha256};
use card_spec::cso::CardSecurityObject;
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason};
use card_spec::merkle::{leaf_hash, node_hash};
use card_spec::payment::{ClockSource, HolderCheckMethod, Order, Recipient};
use card_spec::reversal::Reversal;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::{Amount, Ascii, CardNumber, Period, Time};
use fuzz::Pieces;

use crate::common::issuer::{ISSUER, IssuerHost, Office, Plan, encoded, objects, plan, reference, signed};
use crate::common::terminal::{Session, Terminal, bytes, line};
use crate::common::{Card, Cut, LONGEST_RESPONSE, SELECT, SecureHost, cut_at, date};
use crate::ledger::{self, Ledger};

/// Who talks to the card through secure messaging.
enum Peer {
    Nobody,
    Issuer(IssuerHost),
    Terminal(Session),
}

/// The keys of everybody but the card, made once.
struct World {
    office: Office,
    terminal: Terminal,
    issuer_certificate: Vec<u8>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let office = Office::new();
    World {
        terminal: Terminal::new(&office),
        issuer_certificate: office
            .issuer_plan()
            .sign(&office.root, office.issuer.public_key()),
        office,
    }
});

/// A card, and who talks to it.
pub(crate) struct Bench {
    card: Card,
    peer: Peer,
    plan: Plan,
    ledger: Option<Ledger>,
    /// The orders that a terminal sent, as it would keep them.
    orders: Vec<Vec<u8>>,
}

/// Commands in a session, whatever the card makes of them: class, INS, P1, P2.
const COMMANDS: [[u8; 4]; 18] = [
    [0x80, 0xCA, 0xFF, 0x3F],
    [0x80, 0xD8, 0x00, 0x81],
    [0x80, 0x47, 0x00, 0x00],
    [0x80, 0x47, 0x01, 0x00],
    [0x80, 0xE2, 0x00, 0x00],
    [0x80, 0x24, 0x01, 0x81],
    [0x80, 0x24, 0x00, 0x81],
    [0x80, 0x44, 0x00, 0x00],
    [0x80, 0xB0, 0x9D, 0x00],
    [0x80, 0xB0, 0x81, 0x00],
    [0x80, 0x88, 0x00, 0x00],
    [0x80, 0x20, 0x00, 0x81],
    [0x80, 0x54, 0x00, 0x00],
    [0x80, 0x56, 0x00, 0x00],
    [0x80, 0xB2, 0x01, 0xDC],
    [0x80, 0xB2, 0x01, 0xE4],
    [0x80, 0x5A, 0x00, 0x00],
    [0x80, 0x04, 0x00, 0x00],
];

impl Bench {
    pub(crate) fn new(card: Card) -> Self {
        Self {
            ledger: Ledger::of(card.memory()),
            card,
            peer: Peer::Nobody,
            plan: plan(),
            orders: Vec::new(),
        }
    }

    pub(crate) fn go_on_with(&mut self, host: IssuerHost) {
        self.peer = Peer::Issuer(host);
    }

    pub(crate) fn into_card(self) -> Card {
        self.card
    }

    /// What has to hold after a step.
    pub(crate) fn check(&mut self) {
        let ledger = Ledger::of(self.card.memory());
        if ledger == self.ledger {
            return;
        }
        let now = ledger.expect("an active card is never personalized again");
        assert!(
            self.ledger.is_none_or(|before| now.may_follow(&before)),
            "{:?} became {now:?}",
            self.ledger
        );
        ledger::check(self.card.memory(), &now);
        self.ledger = ledger;
    }

    /// One step: what its first byte says, with what follows it.
    pub(crate) fn step(&mut self, pieces: &mut Pieces<'_>) {
        match pieces.byte() % 16 {
            0 => self.reset(),
            1 => self.plain(pieces.bytes()),
            2 => self.plain(&SELECT),
            3 => self.open_issuer_session(),
            4 => self.open_terminal_session(pieces),
            5 => self.present_certificates(),
            6 => self.any_protected(pieces.array(), pieces),
            7 => self.any_protected(COMMANDS[usize::from(pieces.byte()) % COMMANDS.len()], pieces),
            8 => self.verify(pieces),
            9 => self.disburse(pieces),
            10 => self.repeat_order(pieces),
            11 => self.reverse(pieces),
            12 => self.any_script(pieces),
            13 => self.block(pieces),
            14 => self.personalize(pieces),
            _ => self.cut_power(pieces),
        }
    }

    fn reset(&mut self) {
        self.peer = Peer::Nobody;
        cut_at(&mut self.card, None);
        self.card.reset();
    }

    fn cut_power(&mut self, pieces: &mut Pieces<'_>) {
        let side = if pieces.byte() & 1 == 0 {
            Cut::Before
        } else {
            Cut::After
        };
        cut_at(&mut self.card, Some((u32::from(pieces.byte() % 16), side)));
    }

    fn plain(&mut self, apdu: &[u8]) {
        let response = self.card.transmit(apdu);
        // Without power there is no answer.
        assert!(response.len() >= 2 || self.card.memory().cut.is_some());
        assert!(response.len() <= LONGEST_RESPONSE);
    }

    fn open_issuer_session(&mut self) {
        self.peer = IssuerHost::open(&mut self.card).map_or(Peer::Nobody, Peer::Issuer);
    }

    fn open_terminal_session(&mut self, pieces: &mut Pieces<'_>) {
        self.peer = WORLD
            .terminal
            .open(&mut self.card)
            .map_or(Peer::Nobody, Peer::Terminal);
        if pieces.byte() & 1 == 0 {
            let pin = self.plan.pin;
            self.verify_pin(&pin, 5, 900_000_000_000);
        }
    }

    fn present_certificates(&mut self) {
        self.plain(&SELECT);
        // Refused unless the card is active.
        let _ = WORLD.terminal.present(&mut self.card);
    }

    fn any_protected(&mut self, header: [u8; 4], pieces: &mut Pieces<'_>) {
        self.protected(header, pieces.bytes());
    }

    /// A command through secure messaging, chained if it is long; its status word if the card answered.
    fn protected(&mut self, header: [u8; 4], data: &[u8]) -> Option<StatusWord> {
        let channel: &mut SecureHost = match &mut self.peer {
            Peer::Nobody => return None,
            Peer::Issuer(host) => &mut host.secure,
            Peer::Terminal(session) => &mut session.secure,
        };
        let [class, instruction, p1, p2] = header;
        // What the channel itself refuses to send would only close it.
        let header = [class & 0x90, instruction, p1, p2];
        match channel.send(&mut self.card, header, data) {
            Ok((status, _, _)) => Some(status),
            Err(_) if channel.channel.is_closed() => {
                self.peer = Peer::Nobody;
                None
            }
            Err(_) => None,
        }
    }

    fn verify(&mut self, pieces: &mut Pieces<'_>) {
        let pin = if pieces.byte() & 1 == 0 {
            self.plan.pin
        } else {
            *b"000000"
        };
        let orders = pieces.byte();
        self.verify_pin(&pin, orders, u64::from(pieces.byte()) * 100_000);
    }

    fn verify_pin(&mut self, pin: &[u8; 6], orders: u8, total: u64) {
        let total = total.to_be_bytes();
        let data = [&[0x80, 6], &pin[..], &[0x81, 1, orders, 0x82, 8], &total].concat();
        self.protected([0x80, 0x20, 0x00, 0x81], &data);
    }

    fn disburse(&mut self, pieces: &mut Pieces<'_>) {
        let Peer::Terminal(session) = &self.peer else {
            return;
        };
        let order = changed(session.order((2026, 11), 100_000, 1), pieces);
        let data = bytes(&order);
        let status = self.protected([0x80, 0x54, 0x00, 0x00], &data);
        if status == Some(StatusWord::SUCCESS) {
            self.orders.push(data);
        }
    }

    fn kept_order(&self, pieces: &mut Pieces<'_>) -> Vec<u8> {
        let back = usize::from(pieces.byte()) + 1;
        let place = self.orders.len().checked_sub(back);
        place.map(|place| self.orders[place].clone()).unwrap_or_default()
    }

    fn repeat_order(&mut self, pieces: &mut Pieces<'_>) {
        let order = self.kept_order(pieces);
        self.protected([0x80, 0x54, 0x00, 0x00], &order);
    }

    fn reverse(&mut self, pieces: &mut Pieces<'_>) {
        let order = self.kept_order(pieces);
        let Peer::Terminal(session) = &self.peer else {
            return;
        };
        let like = changed(session.order((2026, 11), 1, 1), pieces);
        let reversal = Reversal {
            terminal: like.terminal,
            sequence: like.sequence,
            log_head: like.log_head,
            order_hash: sha256(&[&order]),
            cso_hash: like.cso_hash,
            method: like.method,
            operator: like.operator,
            second_operator: like.second_operator,
            time: like.time,
            clock: like.clock,
            nonce: like.nonce,
        };
        self.protected([0x80, 0x56, 0x00, 0x00], &encoded(&reversal, Reversal::TAG));
    }

    fn any_script(&mut self, pieces: &mut Pieces<'_>) {
        let action = self.action(pieces);
        let [counter, certificate, place, mask] = pieces.array();
        self.script(&ScriptPlan {
            action,
            counter_ahead: u32::from(counter),
            certificate: certificate & 1 == 1,
            damage: (usize::from(place), mask),
        });
    }

    fn action(&self, pieces: &mut Pieces<'_>) -> Action {
        let (number, parameter) = (pieces.byte(), pieces.byte());
        let months = Period::new(2023 + u16::from(parameter / 12 % 8), parameter % 12 + 1);
        match number % 9 {
            0 => Action::FillPinTries,
            1 => Action::PermitNewPin,
            2 => Action::Block(BlockReason::Lost),
            3 => Action::Unblock(u32::from(parameter)),
            4 => Action::Terminate(BlockReason::Replaced),
            5 => Action::PutInForce(self.content(parameter).map_or([0; 32], |(_, hash)| hash)),
            6 => Action::Prune(months.unwrap_or(Period::FIRST)),
            7 => Action::SetDate(date(2024 + u16::from(parameter % 8), parameter % 12 + 1, 1)),
            _ => Action::Reverse(sha256(&[&self.kept_order(pieces)])),
        }
    }

    /// What STORE DATA loads, with a CSO of this version, and the hash of that CSO; `None` on a card without keys.
    fn content(&self, version: u8) -> Option<(Vec<u8>, Digest)> {
        let (agreement_key, signing_key) = ledger::public_keys(self.card.memory())?;
        let keys = GeneratedKeys {
            agreement_key,
            signing_key,
            signature: Signature([0; 64]),
            confirmation: [0; 16],
        };
        let mut objects = objects(&WORLD.office, &self.plan, &keys);
        let mut cso = *Signed::<CardSecurityObject>::parse(&objects.cso).ok()?.claimed();
        cso.version = u16::from(version % 4) + 1;
        objects.cso = signed(&cso, &WORLD.office.issuer);
        let hash = Signed::<CardSecurityObject>::parse(&objects.cso).ok()?.hash();
        Some((objects.concatenated(), hash))
    }

    pub(crate) fn script(&mut self, script: &ScriptPlan) {
        let counter = self.ledger.map_or(0, |ledger| ledger.counter);
        let body = IssuerScript {
            suite: Default::default(),
            issuer: reference(ISSUER),
            card_number: self.plan.number,
            counter: counter.wrapping_add(script.counter_ahead),
            action: script.action,
            issued: noon(),
        };
        let object = signed(&body, &WORLD.office.issuer);
        let mut data = with_certificate(script.certificate, &object);
        let (place, mask) = script.damage;
        let place = place % data.len();
        data[place] ^= mask;
        self.protected([0x80, 0x5A, 0x00, 0x00], &data);
    }

    /// DEACTIVATE: header and entry of a block list of two (SPEC 13.10).
    fn block(&mut self, pieces: &mut Pieces<'_>) {
        let [number, certificate, mine, index] = pieces.array();
        let entry = |card_number, reason| encoded(&BlockEntry { card_number, reason }, BlockEntry::TAG);
        let other = CardNumber::new(79, 2).expect("a number");
        let number_named = if mine & 1 == 0 { self.plan.number } else { other };
        let leaves = [
            entry(number_named, BlockReason::Stolen),
            entry(other, BlockReason::Lost),
        ];
        let [left, right] = leaves.each_ref().map(|leaf| leaf_hash(leaf));
        let header = BlockListHeader {
            suite: Default::default(),
            format: Default::default(),
            issuer: reference(ISSUER),
            number: u32::from(number),
            count: 2,
            root: node_hash(&left, &right),
            issued: noon(),
            issuer_sequence: 9,
            issuer_previous: [0; 32],
        };
        let header = signed(&header, &WORLD.office.issuer);
        let header = with_certificate(certificate & 1 == 1, &header);
        self.protected([0x80, 0x04, BLOCK_LIST_HEADER, 0x00], &header);
        let proof = BlockProof {
            entry: BlockEntry {
                card_number: number_named,
                reason: BlockReason::Stolen,
            },
            leaf: &leaves[0],
            index: u32::from(index),
            path: [right].into_iter().collect(),
        };
        let mut buffer = [0; 512];
        let proof = proof.encode(&mut buffer).expect("there is room");
        self.protected([0x80, 0x04, BLOCK_LIST_ENTRY, 0x00], proof);
    }

    /// A step of personalization or of an update.
    fn personalize(&mut self, pieces: &mut Pieces<'_>) {
        let (step, parameter) = (pieces.byte(), pieces.byte());
        let number = self.plan.number;
        let Peer::Issuer(host) = &mut self.peer else {
            return;
        };
        // What the card refuses is as good as what it does: the check after the step counts.
        match step % 5 {
            0 => drop(host.put_key(&mut self.card)),
            1 => drop(host.key_pairs(&mut self.card, parameter & 1, number)),
            2 => self.load(parameter, pieces),
            3 => drop(host.set_pin(&mut self.card, &self.plan.pin)),
            _ => drop(host.activate(&mut self.card)),
        }
    }

    /// STORE DATA of everything, with one byte changed.
    fn load(&mut self, version: u8, pieces: &mut Pieces<'_>) {
        let [high, low, mask] = pieces.array();
        let Some((mut data, _)) = self.content(version) else {
            return;
        };
        let place = usize::from(u16::from_be_bytes([high, low])) % data.len();
        data[place] ^= mask;
        if let Peer::Issuer(host) = &mut self.peer {
            let _ = host.store(&mut self.card, &data, 223);
        }
    }
}

/// What an issuer script is to say.
pub(crate) struct ScriptPlan {
    action: Action,
    /// How far its counter is ahead of the card's.
    counter_ahead: u32,
    /// Does the issuer's certificate come with it?
    certificate: bool,
    /// A place, and which bits of it are flipped.
    damage: (usize, u8),
}

impl ScriptPlan {
    /// One that the card should take.
    pub(crate) fn right(action: Action) -> Self {
        Self {
            action,
            counter_ahead: 0,
            certificate: false,
            damage: (0, 0),
        }
    }
}

/// The issuer's certificate before a signed object, if wanted.
fn with_certificate(wanted: bool, object: &[u8]) -> Vec<u8> {
    let certificate = if wanted {
        &WORLD.issuer_certificate[..]
    } else {
        &[]
    };
    [certificate, object].concat()
}

fn noon() -> Time {
    Time::new(date(2026, 11, 22), 12, 0, 0).expect("a time")
}

/// The order with another month, amount, line, person in charge and nonce.
fn changed<'a>(order: Order<'a>, pieces: &mut Pieces<'_>) -> Order<'a> {
    let [month, amount, entitlement, person, nonce] = pieces.array();
    let method = if person & 1 == 0 {
        HolderCheckMethod::Pin
    } else {
        HolderCheckMethod::PhotoDocument
    };
    let recipient = match person >> 1 & 3 {
        0 | 1 => Recipient::Holder,
        2 => Recipient::FirstRepresentative,
        _ => Recipient::SecondRepresentative,
    };
    let key = order.line_key.parts();
    let code = if person & 8 == 0 { b"BTXH" } else { b"DXUA" };
    Order {
        line_key: line(
            key.person,
            code,
            u16::from(entitlement),
            (2023 + u16::from(month / 12 % 8), month % 12 + 1),
        ),
        amount: Amount::new(1 + u64::from(amount) * 50_000).expect("an amount"),
        recipient,
        method,
        second_operator: (person & 16 != 0).then(|| Ascii::new("op-02").expect("a name")),
        clock: if person & 32 == 0 {
            ClockSource::Host
        } else {
            ClockSource::Operator
        },
        nonce: [nonce; 16],
        ..order
    }
}

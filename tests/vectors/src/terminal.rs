//! Terminals: journals, payments, acknowledgements.

use card_spec::certificate::Role;
use card_spec::crypto::{Digest, SecretKey, sha256};
use card_spec::journal::{
    Acknowledgement, CarriedReceipt, EncodedOrder, EncodedReceipt, EncodedReversal, Entry, Event,
    ManualPayment, NO_CARD, Refusal, RefusalReason, genesis,
};
use card_spec::payment::{
    ClockSource, HolderCheckMethod, HolderCheckOutcome, Operator, Order, Receipt, ReceiptKind, Recipient,
};
use card_spec::reversal::Reversal;
use card_spec::signed::Signed;
use card_spec::values::{Ascii, TerminalName, Time};

use crate::issued::BlockListName;
use crate::{World, body, date, der_signature, pem, secret, sign};

/// The clerk of all generated payments.
pub const OPERATOR: &str = "clerk-01";
/// Who vouches for the clerk.
const SECOND_OPERATOR: &str = "clerk-02";

/// A terminal with its journal.
pub struct Terminal {
    /// Its name.
    pub name: TerminalName,
    /// Signs its journal.
    pub key: SecretKey,
    /// The entries with their signatures.
    pub entries: Vec<Vec<u8>>,
    /// Sequence number of the last entry.
    pub sequence: u32,
    /// Hash of the last entry's body.
    pub head: Digest,
    /// Boot count.
    pub boot_count: u32,
}

impl Terminal {
    /// Path of the journal.
    pub fn path(&self) -> String {
        format!("journals/{}.journal", self.name)
    }

    /// A second after the entry before, ten hours a day.
    fn time(&self) -> Time {
        let seconds = self.sequence;
        let part = |value: u32| u8::try_from(value).expect("below 60");
        let (day, hour) = (5 + seconds / 36_000, 8 + seconds / 3_600 % 10);
        Time::new(
            date(2026, 11, part(day)),
            part(hour),
            part(seconds / 60 % 60),
            part(seconds % 60),
        )
        .expect("a time")
    }

    /// The next entry, as an honest terminal would make it.
    pub fn next_entry<'e>(&self, event: Event<'e>) -> Entry<'e> {
        Entry {
            terminal: self.name,
            sequence: self.sequence + 1,
            boot_count: self.boot_count,
            time: self.time(),
            clock: ClockSource::Host,
            previous: self.head,
            event,
        }
    }

    /// Signs an entry, whatever it says, and appends it.
    pub fn append(&mut self, entry: &Entry<'_>, key: &SecretKey) {
        self.head = sha256(&[&body(entry)]);
        self.sequence = entry.sequence;
        self.entries.push(sign(entry, key));
    }

    /// Appends what an honest terminal would log.
    pub fn log(&mut self, event: Event<'_>) {
        let entry = self.next_entry(event);
        let key = SecretKey::from_bytes(&self.key.to_bytes()).expect("a key");
        self.append(&entry, &key);
    }
}

impl World {
    /// Adds a terminal and its two certificates.
    pub fn add_terminal(&mut self, number: u32) -> usize {
        let text = format!("VNT{number:07}");
        let (key, agreement) = (
            secret(&format!("{text} journal")),
            secret(&format!("{text} agreement")),
        );
        let authority = secret("terminal CA");
        let days = (date(2026, 11, 1), date(2026, 11, 30));
        self.certify(
            "VNTCA00001",
            &authority,
            Role::TerminalAgreement,
            &format!("{text}A00001"),
            &agreement,
            days,
        );
        self.certify(
            "VNTCA00001",
            &authority,
            Role::TerminalJournal,
            &format!("{text}J00001"),
            &key,
            days,
        );
        self.files
            .insert(format!("terminal-{text}.pem"), pem(&key.public_key()));
        self.terminals.push(Terminal {
            name: text.parse().expect("a terminal name"),
            head: genesis(&key.public_key()),
            key,
            entries: Vec::new(),
            sequence: 0,
            boot_count: 1,
        });
        self.terminals.len() - 1
    }

    /// The terminal at an index.
    pub fn terminal(&mut self, index: usize) -> &mut Terminal {
        self.terminals.get_mut(index).expect("a terminal")
    }

    /// First entries after provisioning.
    pub fn start(&mut self, terminal: usize) {
        let firmware = sha256(&[b"firmware"]);
        self.terminal(terminal).log(Event::Boot {
            firmware,
            flags: 0x80,
        });
        self.terminal(terminal)
            .log(Event::ClockSet { before: Time::UNSET });
    }

    /// Logs that a list is in force.
    pub fn load_list(&mut self, terminal: usize, list: usize) {
        let list = self.lists.get(list).expect("a list");
        let (header, number) = (list.header, list.number);
        self.terminal(terminal).log(Event::ListLoaded { header, number });
    }

    /// Logs that a block list is in force.
    pub fn load_block_list(&mut self, terminal: usize, list: &BlockListName) {
        let BlockListName { header, number } = *list;
        self.terminal(terminal)
            .log(Event::BlockListLoaded { header, number });
    }

    /// Logs the clerk.
    pub fn open_shift(&mut self, terminal: usize) {
        let operator = Operator::new(OPERATOR).expect("an operator");
        self.terminal(terminal).log(Event::ShiftOpened { operator });
    }

    /// An honest order for a line of a list (numbered from 1).
    pub fn order(&self, terminal: usize, list: usize, line: usize) -> Order<'static> {
        let terminal = self.terminals.get(terminal).expect("a terminal");
        let list = self.lists.get(list).expect("a list");
        let (card, line) = list.lines.get(line - 1).expect("a line");
        let nonce = sha256(&[b"nonce", &terminal.head]);
        Order {
            terminal: terminal.name,
            sequence: terminal.sequence + 1,
            log_head: terminal.head,
            list_root: list.root,
            cso_hash: self.cards.get(*card).expect("a card").cso_hash,
            line_number: line.number,
            line_key: line.line_key,
            amount: line.amount,
            recipient: Recipient::Holder,
            method: HolderCheckMethod::Pin,
            operator: Ascii::new(OPERATOR).expect("an operator"),
            second_operator: None,
            time: terminal.time(),
            clock: ClockSource::Host,
            nonce: *nonce.first_chunk().expect("16 bytes"),
        }
    }

    /// An honest order for a line of a list that two operators pay by hand.
    pub fn order_by_hand(&self, terminal: usize, list: usize, line: usize) -> Order<'static> {
        Order {
            cso_hash: NO_CARD,
            method: HolderCheckMethod::PhotoDocument,
            second_operator: Ascii::new(SECOND_OPERATOR),
            ..self.order(terminal, list, line)
        }
    }

    /// Logs that a card's line was paid by hand; gives the entry's number.
    pub fn pay_by_hand(&mut self, terminal: usize, card: usize, order: &Order<'_>) -> u32 {
        let card_number = self.cards.get(card).expect("a card").number;
        let mut buffer = [0; 512];
        let order = EncodedOrder::parse(order.encode(&mut buffer).expect("fits")).expect("an order");
        let paid = ManualPayment::new(card_number, order).expect("a payment by hand");
        self.terminal(terminal).log(Event::ManualPaid(paid));
        self.terminal(terminal).sequence
    }

    /// Logs an Intent; gives the order's encoding.
    pub fn intent(&mut self, terminal: usize, order: &Order<'_>) -> Vec<u8> {
        let mut buffer = [0; 512];
        let encoding = order.encode(&mut buffer).expect("fits").to_vec();
        self.terminal(terminal)
            .log(Event::Intent(EncodedOrder::parse(&encoding).expect("an order")));
        encoding
    }

    /// What the card of a line answers to an order.
    pub fn receipt(&mut self, card: usize, order: &[u8]) -> Receipt {
        let method = EncodedOrder::parse(order).expect("an order").order().method;
        let card = self.cards.get_mut(card).expect("a card");
        card.counter += 1;
        let receipt = Receipt {
            suite: Default::default(),
            card_number: card.number,
            cso_version: 1,
            counter: card.counter,
            previous: card.head,
            object_hash: sha256(&[order]),
            holder_check: HolderCheckOutcome {
                pin_verified: method == HolderCheckMethod::Pin,
                tries_left: 3,
            },
            kind: ReceiptKind::Payment,
        };
        card.head = sha256(&[&body(&receipt)]);
        receipt
    }

    /// Logs Paid, and exports the receipt as of this Intent.
    pub fn paid(&mut self, terminal: usize, intent: u32, encoding: &[u8]) {
        let receipt = EncodedReceipt::parse(encoding).expect("a receipt");
        self.terminal(terminal).log(Event::Paid(receipt));
        let signed: Signed<'_, Receipt> = receipt.signed();
        let stem = format!("receipts/{}-{intent}", self.terminal(terminal).name);
        self.files
            .insert(format!("{stem}.signed.bin"), signed.signed_bytes().to_vec());
        self.files
            .insert(format!("{stem}.sig.der"), der_signature(signed.signature()));
    }

    /// Pays what an order says: Intent, Paid, Handed.
    pub fn pay_order(&mut self, terminal: usize, card: usize, order: &Order<'_>) {
        let (intent, _) = self.pay_only(terminal, card, order);
        self.terminal(terminal).log(Event::Handed { intent });
    }

    /// An honest reversal of an order.
    pub fn reversal(&self, terminal: usize, order: &[u8]) -> Reversal<'static> {
        let terminal = self.terminals.get(terminal).expect("a terminal");
        let undone = EncodedOrder::parse(order).expect("an order");
        Reversal {
            terminal: terminal.name,
            sequence: terminal.sequence + 1,
            log_head: terminal.head,
            order_hash: undone.hash(),
            cso_hash: undone.order().cso_hash,
            method: undone.order().method,
            operator: Ascii::new(OPERATOR).expect("an operator"),
            second_operator: None,
            time: terminal.time(),
            clock: ClockSource::Host,
            nonce: *terminal.head.first_chunk().expect("16 bytes"),
        }
    }

    /// Logs that the money of a payment was not handed over.
    pub fn not_handed(&mut self, terminal: usize, intent: u32) {
        self.terminal(terminal)
            .log(Event::NotHanded { intent, order: None });
    }

    /// Logs that once more, with its order.
    pub fn not_handed_again(&mut self, terminal: usize, intent: u32, order: &[u8]) {
        let order = EncodedOrder::parse(order).expect("an order");
        self.terminal(terminal).log(Event::NotHanded {
            intent,
            order: Some(order),
        });
    }

    /// Logs that the money of a payment was not handed over, and announces its reversal; gives the reversal's encoding.
    pub fn announce_reversal(&mut self, terminal: usize, intent: u32, order: &[u8]) -> Vec<u8> {
        self.not_handed(terminal, intent);
        let reversal = self.reversal(terminal, order);
        self.reverse_intent(terminal, intent, &reversal)
    }

    /// Logs a ReverseIntent, whatever it says; gives the reversal's encoding.
    pub fn reverse_intent(&mut self, terminal: usize, intent: u32, reversal: &Reversal<'_>) -> Vec<u8> {
        let mut buffer = [0; 256];
        let encoding = reversal.encode(&mut buffer).expect("fits").to_vec();
        let reversal = EncodedReversal::parse(&encoding).expect("a reversal");
        self.terminal(terminal)
            .log(Event::ReverseIntent { intent, reversal });
        encoding
    }

    /// What a card answers to a reversal.
    pub fn reversal_receipt(&mut self, card: usize, reversal: &[u8]) -> Receipt {
        let card = self.cards.get_mut(card).expect("a card");
        card.counter += 1;
        let receipt = Receipt {
            suite: Default::default(),
            card_number: card.number,
            cso_version: 1,
            counter: card.counter,
            previous: card.head,
            object_hash: sha256(&[reversal]),
            holder_check: HolderCheckOutcome {
                pin_verified: true,
                tries_left: 3,
            },
            kind: ReceiptKind::Reversal,
        };
        card.head = sha256(&[&body(&receipt)]);
        receipt
    }

    /// Logs Reversed with a receipt that this card has signed.
    pub fn reversed(&mut self, terminal: usize, card: usize, intent: u32, receipt: &Receipt) {
        let receipt = sign(receipt, &self.cards.get(card).expect("a card").signing);
        let receipt = EncodedReceipt::parse(&receipt).expect("a receipt");
        self.terminal(terminal).log(Event::Reversed { intent, receipt });
    }

    /// Logs what a card keeps of another terminal's doing.
    pub fn carry(&mut self, terminal: usize, object: &[u8], receipt: &[u8]) {
        let receipt = EncodedReceipt::parse(receipt).expect("a receipt");
        let carried = CarriedReceipt::new(object, receipt).expect("what it is for");
        self.terminal(terminal).log(Event::CarriedReceipt(carried));
    }

    /// Pays an order, and leaves the money where it is: Intent, Paid. Gives the Intent's number and the order.
    pub fn pay_only(&mut self, terminal: usize, card: usize, order: &Order<'_>) -> (u32, Vec<u8>) {
        let encoding = self.intent(terminal, order);
        let intent = self.terminal(terminal).sequence;
        let receipt = self.receipt(card, &encoding);
        let receipt = sign(&receipt, &self.cards.get(card).expect("a card").signing);
        self.paid(terminal, intent, &receipt);
        (intent, encoding)
    }

    /// Pays a line of a list.
    pub fn pay(&mut self, terminal: usize, list: usize, line: usize) {
        let order = self.order(terminal, list, line);
        let card = self
            .lists
            .get(list)
            .and_then(|list| list.lines.get(line - 1))
            .expect("a line")
            .0;
        self.pay_order(terminal, card, &order);
    }

    /// Logs a refusal for a wrong PIN.
    pub fn refuse(&mut self, terminal: usize, card: usize) {
        let card_number = self.cards.get(card).map(|card| card.number);
        self.terminal(terminal).log(Event::Refused(Refusal {
            reason: RefusalReason::WrongPin,
            card_number,
            line_number: None,
            status_word: Some(0x63C2),
            closes_intent: None,
        }));
    }

    /// The issuer's acknowledgement of everything so far.
    pub fn acknowledgement(&self, terminal: usize) -> Acknowledgement {
        let terminal = self.terminals.get(terminal).expect("a terminal");
        Acknowledgement {
            suite: Default::default(),
            issuer: self.issuer_name,
            terminal: terminal.name,
            sequence: terminal.sequence,
            head: terminal.head,
            journal_key: genesis(&terminal.key.public_key()),
            time: Time::new(date(2026, 11, 20), 9, 0, 0).expect("a time"),
        }
    }

    /// Acknowledges everything so far and logs Synced.
    pub fn acknowledge(&mut self, terminal: usize) {
        let acknowledgement = self.acknowledgement(terminal);
        self.file_acknowledgement(&acknowledgement);
        let hash = sha256(&[&body(&acknowledgement)]);
        let sequence = acknowledgement.sequence;
        self.terminal(terminal).log(Event::Synced {
            acknowledgement: hash,
            sequence,
        });
    }

    /// Signs and files an acknowledgement, whatever it says.
    pub fn file_acknowledgement(&mut self, acknowledgement: &Acknowledgement) {
        let path = format!(
            "acks/{}-{}.ack",
            acknowledgement.terminal, acknowledgement.sequence
        );
        self.files.insert(path, sign(acknowledgement, &self.issuer));
    }
}

//! A whole pay point in one process: the terminal core on simulated flash, the reference card, a host that provisions
//! and syncs, and a clerk. Everything is repeatable, and the power can be cut at any flash operation.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by tests, each of which uses its part"
)]

pub mod by_hand;
#[path = "../../../../card-applet-spec/reference-applet/tests/common/mod.rs"]
pub mod card;
pub mod host;
#[path = "../../../journal/tests/support/mod.rs"]
pub mod nor;
pub mod scripted_card;

use std::cell::RefCell;

use card::issuer::IssuerHost;
use card::scripts::{EXECUTE, from_issuer, script};
use card::{Card, TestMemory, TestRandom};
use card_spec::crypto::{Digest, PortableP256, sha256};
use card_spec::journal::{EncodedOrder, Entry, Event, MAXIMUM_OPEN_INTENTS, genesis};
use card_spec::script::Action;
use card_spec::signed::Signed;
use link::{Answer, FrameDecoder, MAX_ENCODED, Request, receive, send};
use nor::Nor;
use reference_applet::Applet;
use terminal::{CardLost, Image, Layout, Output, StartError, Terminal};

pub type Chip = Nor<4>;

/// Room for lists of 4,000 lines, block lists of 384 entries, and a journal of 16 blocks.
pub fn layout() -> Layout {
    let lists = 0x4000;
    let blocks = lists + terminal::LIST_PLACES as u32 * terminal::LIST_SPACE;
    let scripts = blocks + 0x2000;
    let journal = scripts + 0x1000;
    Layout {
        device: 0..lists,
        lists: terminal::list_places(lists),
        block_lists: [blocks..blocks + 0x1000, blocks + 0x1000..scripts],
        scripts: scripts..journal,
        journal: journal..journal + 0x1_0000,
    }
}

pub fn chip() -> RefCell<Chip> {
    RefCell::new(Chip::new(layout().journal.end as usize / nor::BLOCK))
}

pub const FIRMWARE: [u8; 32] = [0xF1; 32];

/// What stands between reader and card: it may alter an answer, or take the card away by answering nothing.
pub type Between<'b> = dyn FnMut(usize, &[u8], Vec<u8>) -> Option<Vec<u8>> + 'b;

/// Anything that answers commands, given their number in the tap.
pub type Answering<'b> = dyn FnMut(usize, &[u8]) -> Option<Vec<u8>> + 'b;

/// Leaves everything as it is.
pub fn honest(_: usize, _: &[u8], answer: Vec<u8>) -> Option<Vec<u8>> {
    Some(answer)
}

/// The terminal under power.
pub struct Bench<'f> {
    pub flash: &'f RefCell<Chip>,
    terminal: Terminal<'f, Chip, TestRandom, PortableP256>,
    now: u64,
    /// What the console showed since it was last looked at.
    pub screen: String,
    pub field: bool,
    /// What was asked of the field, in order.
    pub switched: Vec<bool>,
    answers: Vec<Vec<u8>>,
    command: Option<Vec<u8>>,
    /// Commands of the last tap.
    pub commands: usize,
}

impl<'f> Bench<'f> {
    pub fn power_on(flash: &'f RefCell<Chip>) -> Result<Self, StartError> {
        Self::with(flash, true, 1)
    }

    pub fn with(flash: &'f RefCell<Chip>, test: bool, seed: u64) -> Result<Self, StartError> {
        Self::laid_out(flash, layout(), test, seed)
    }

    /// With other places on the flash, for instance a board's.
    pub fn laid_out(
        flash: &'f RefCell<Chip>,
        layout: Layout,
        test: bool,
        seed: u64,
    ) -> Result<Self, StartError> {
        let image = Image {
            firmware: FIRMWARE,
            test,
        };
        let operations = flash.borrow().operations;
        let random = TestRandom(seed << 40 | operations);
        let terminal = Terminal::start(flash, layout, random, PortableP256, image, 0)?;
        let mut bench = Self {
            flash,
            terminal,
            now: 0,
            screen: String::new(),
            field: false,
            switched: Vec::new(),
            answers: Vec::new(),
            command: None,
            commands: 0,
        };
        bench.collect();
        Ok(bench)
    }

    /// Takes all outputs.
    fn collect(&mut self) {
        let mut decoder = FrameDecoder::new();
        while let Some(output) = self.terminal.poll() {
            match output {
                // As a console shows it.
                Output::Screen(text) => self.screen.extend(
                    text.chars()
                        .filter(|letter| !matches!(letter, '\u{0C}' | '\u{1E}' | '\u{1F}')),
                ),
                Output::Host(bytes) => {
                    for byte in bytes {
                        if let Some(message) = decoder.feed(*byte) {
                            self.answers.push(message.unwrap().to_vec());
                        }
                    }
                }
                Output::Field(on) => {
                    self.field = on;
                    self.switched.push(on);
                }
                Output::Transmit(command) => self.command = Some(command.to_vec()),
            }
        }
    }

    pub fn host_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.terminal.host_byte(*byte);
            self.collect();
        }
    }

    /// Sends a request and gives the encoded answer.
    pub fn ask(&mut self, request: &Request<'_>) -> Vec<u8> {
        let mut encoded = [0; MAX_ENCODED];
        let frame = send(request, &mut encoded).unwrap().to_vec();
        self.answers.clear();
        self.host_bytes(&frame);
        assert_eq!(self.answers.len(), 1, "one answer for {request:?}");
        self.answers.remove(0)
    }

    pub fn no_answer(&self) -> bool {
        self.answers.is_empty()
    }

    pub fn refusal(&mut self, request: &Request<'_>) -> Option<link::Refusal> {
        match receive::<Answer<'_>>(&self.ask(request)).unwrap() {
            Answer::Refused { code } => Some(code),
            _ => None,
        }
    }

    pub fn done(&mut self, request: &Request<'_>) -> Result<(), link::Refusal> {
        match receive::<Answer<'_>>(&self.ask(request)).unwrap() {
            Answer::Done => Ok(()),
            Answer::Refused { code } => Err(code),
            other => panic!("{other:?}"),
        }
    }

    pub fn hello(&mut self) -> link::Hello {
        match receive::<Answer<'_>>(&self.ask(&Request::Hello { version: 1 })).unwrap() {
            Answer::Hello(hello) => hello,
            other => panic!("{other:?}"),
        }
    }

    pub fn type_keys(&mut self, keys: &str) {
        for key in keys.bytes() {
            self.terminal.key(key);
            self.collect();
        }
    }

    pub fn wait(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.terminal.tick(self.now);
        self.collect();
    }

    /// Looks at the console, which begins anew.
    pub fn read_screen(&mut self) -> String {
        std::mem::take(&mut self.screen)
    }

    /// Holds a card to the reader until the terminal sends nothing more, then takes it away.
    pub fn tap(&mut self, card: &mut Card) {
        self.tap_with(card, &mut honest);
    }

    pub fn tap_with(&mut self, card: &mut Card, between: &mut Between<'_>) {
        card.reset();
        self.tap_any(&mut |number, command| {
            let answer = card.transmit(command).to_vec();
            between(number, command, answer)
        });
    }

    /// Holds anything to the reader that answers commands; `None` takes it away.
    pub fn tap_any(&mut self, chip: &mut Answering<'_>) {
        self.commands = 0;
        if !self.field {
            return;
        }
        self.terminal.card_present(true);
        self.collect();
        while let Some(command) = self.command.take() {
            assert!(
                command.len() <= 252,
                "a PN532 frame has no room for {} bytes",
                command.len()
            );
            let answer = chip(self.commands, &command);
            self.commands += 1;
            assert!(self.commands < 100, "endless");
            self.terminal.card_response(answer.as_deref().ok_or(CardLost));
            self.collect();
        }
        self.terminal.card_present(false);
        self.collect();
    }

    /// Both taps; the card is torn away before the order reaches it, or before its answer comes. Gives the order's hash.
    pub fn tear(&mut self, card: &mut Card, reaches: bool) -> Digest {
        self.tap(card);
        self.type_keys("271828\n");
        card.reset();
        self.tap_any(&mut |_, command| {
            let torn = command[..2] == [0x84, 0x54];
            if torn && !reaches {
                return None;
            }
            let answer = card.transmit(command).to_vec();
            (!torn).then_some(answer)
        });
        self.read_screen();
        let mut orders = self.journal().into_iter().filter_map(|entry| order_hash(&entry));
        orders.next_back().expect("an order is open")
    }

    /// The reader looks for a card; gives the command that the terminal has for it.
    pub fn look(&mut self, present: bool) -> Option<Vec<u8>> {
        self.terminal.card_present(present);
        self.collect();
        self.command.take()
    }

    /// The card answers to the command of [`Self::look`].
    pub fn answer(&mut self, answer: &[u8]) {
        self.terminal.card_response(Ok(answer));
        self.collect();
    }

    /// All journal entries, as the host reads them.
    pub fn journal(&mut self) -> Vec<Vec<u8>> {
        let mut entries: Vec<Vec<u8>> = Vec::new();
        loop {
            let from = entries.len() as u32 + 1;
            let answer = self.ask(&Request::ReadJournal { from });
            let Ok(Answer::Entries { bytes }) = receive::<Answer<'_>>(&answer) else {
                return entries;
            };
            if bytes.is_empty() {
                return entries;
            }
            let mut reader = card_spec::tlv::Reader::new(bytes);
            while let Some(object) = reader.next_object().unwrap() {
                entries.push(object.encoding().to_vec());
            }
        }
    }
}

/// What a journal tells, once every signature, number and hash in it was checked.
#[derive(Debug, Default, PartialEq)]
pub struct Story {
    pub kinds: Vec<u8>,
    /// Line numbers of Paid entries, in order.
    pub paid: Vec<u32>,
    /// Line numbers of ManualPaid entries, in order.
    pub by_hand: Vec<u32>,
    /// Reasons of Refused entries.
    pub refused: Vec<u8>,
    /// Status words of Refused entries.
    pub status_words: Vec<u16>,
    /// Intents confirmed to be handed over.
    pub handed: Vec<u32>,
    /// Intents whose money was not handed over.
    pub not_handed: Vec<u32>,
    /// Intents told again for that.
    pub not_handed_again: Vec<u32>,
    /// Line numbers of payments that their cards have undone.
    pub reversed: Vec<u32>,
    /// ReverseIntent entries, those told again included.
    pub announced: usize,
    /// The oldest Intent that is open.
    pub open: Option<u32>,
    /// All that are.
    pub all_open: Vec<u32>,
    /// Intents whose orders are told once more.
    pub still_open: Vec<u32>,
}

pub fn story(entries: &[Vec<u8>], journal_key: &card_spec::crypto::PublicKey) -> Story {
    let mut story = Story::default();
    let mut previous = genesis(journal_key);
    let mut open: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut unhanded: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut kept: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut announced: Vec<(u32, Vec<u8>)> = Vec::new();
    for (number, bytes) in entries.iter().enumerate() {
        let signed = Signed::<Entry<'_>>::parse(bytes).unwrap();
        let entry = signed
            .verify(&PortableP256, journal_key)
            .expect("entry signature");
        assert_eq!(entry.sequence as usize, number + 1, "no number missing");
        assert_eq!(entry.previous, previous, "entry {} is chained", entry.sequence);
        previous = entry.hash();
        story.kinds.push(entry.event.kind());
        match &entry.event {
            Event::Intent(order) => {
                let same_holder = |open: &(u32, Vec<u8>)| {
                    let open = EncodedOrder::parse(&open.1).unwrap();
                    open.order().same_holder(order.order())
                };
                assert!(!open.iter().any(same_holder), "one open order of a holder");
                assert!(open.len() < MAXIMUM_OPEN_INTENTS);
                assert_eq!(order.order().sequence, entry.sequence);
                assert_eq!(order.order().log_head, entry.previous);
                open.push((entry.sequence, order.encoding().to_vec()));
            }
            Event::StillOpen(order) => {
                let told = (order.order().sequence, order.encoding().to_vec());
                assert!(open.contains(&told), "only what is open is told again");
                story.still_open.push(told.0);
            }
            Event::Paid(receipt) => {
                let paid = receipt.signed().claimed().object_hash;
                let place = open.iter().position(|(_, order)| sha256(&[order]) == paid);
                let (intent, order) = open.remove(place.expect("Paid answers an Intent"));
                unhanded.push((intent, order.clone()));
                story
                    .paid
                    .push(EncodedOrder::parse(&order).unwrap().order().line_number);
            }
            Event::ManualPaid(paid) => {
                let order = paid.order();
                let same_holder = |open: &(u32, Vec<u8>)| {
                    let open = EncodedOrder::parse(&open.1).unwrap();
                    open.order().same_holder(order.order())
                };
                assert!(!open.iter().any(same_holder), "no open order of the holder");
                assert_eq!(order.order().sequence, entry.sequence);
                assert_eq!(order.order().log_head, entry.previous);
                unhanded.push((entry.sequence, order.encoding().to_vec()));
                story.by_hand.push(order.order().line_number);
            }
            Event::Refused(refusal) => {
                story.refused.push(refusal.reason as u8);
                story.status_words.extend(refusal.status_word);
                if let Some(closed) = refusal.closes_intent {
                    let is_kept = kept.iter().position(|(intent, _)| *intent == closed);
                    if let Some(place) = is_kept {
                        assert!(announced.iter().any(|(intent, _)| *intent == closed));
                        kept.remove(place);
                        continue;
                    }
                    let place = open.iter().position(|(sequence, _)| *sequence == closed);
                    open.remove(place.expect("what is closed was open"));
                }
            }
            Event::Handed { intent } => {
                let place = unhanded.iter().position(|known| known.0 == *intent);
                unhanded.remove(place.expect("handed over once, and only what is paid"));
                story.handed.push(*intent);
            }
            Event::NotHanded { intent, order: None } => {
                let place = unhanded.iter().position(|known| known.0 == *intent);
                kept.push(unhanded.remove(place.expect("what is paid and not handed over")));
                story.not_handed.push(*intent);
            }
            Event::NotHanded {
                intent,
                order: Some(order),
            } => {
                let told = (*intent, order.encoding().to_vec());
                assert!(kept.contains(&told), "only what still stands is told again");
                story.not_handed_again.push(*intent);
            }
            Event::ReverseIntent { intent, reversal } => {
                let kept = kept.iter().find(|known| known.0 == *intent);
                let (_, order) = kept.expect("a reversal of what was not handed over");
                assert_eq!(reversal.reversal().order_hash, sha256(&[order]));
                let told = (*intent, reversal.encoding().to_vec());
                if !announced.contains(&told) {
                    assert_eq!(reversal.reversal().sequence, entry.sequence);
                    assert_eq!(reversal.reversal().log_head, entry.previous);
                    announced.push(told);
                }
                story.announced += 1;
            }
            Event::Reversed { intent, receipt } => {
                let body = *receipt.signed().claimed();
                assert_eq!(body.kind, card_spec::payment::ReceiptKind::Reversal);
                let answers =
                    |(of, bytes): &(u32, Vec<u8>)| of == intent && sha256(&[bytes]) == body.object_hash;
                assert!(announced.iter().any(answers), "Reversed answers a ReverseIntent");
                let place = kept.iter().position(|known| known.0 == *intent);
                let (_, order) = kept.remove(place.expect("what was not handed over"));
                story
                    .reversed
                    .push(EncodedOrder::parse(&order).unwrap().order().line_number);
            }
            _ => {}
        }
    }
    story.all_open = open.iter().map(|(sequence, _)| *sequence).collect();
    story.open = story.all_open.first().copied();
    story
}

fn order_hash(entry: &[u8]) -> Option<Digest> {
    match &Signed::<Entry<'_>>::parse(entry).unwrap().claimed().event {
        Event::Intent(order) => Some(order.hash()),
        _ => None,
    }
}

/// An issuer script for the usual card, which has given so many receipts.
pub fn execute(card: &mut Card, counter: u32, action: Action) {
    let mut host = IssuerHost::open(card).unwrap();
    let script = from_issuer(&script(counter, action));
    assert_eq!(host.secure.send(card, EXECUTE, &script).unwrap().0.0, 0x9000);
}

/// The same card at another moment.
pub fn copy(card: &Card, random: u64) -> Card {
    let memory = TestMemory {
        writes: 0,
        cut: None,
        ..card.memory().clone()
    };
    Applet::power_on(memory, TestRandom(random << 33))
}

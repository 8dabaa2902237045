//! Who may pay what, when anything may be torn, lost, replayed, reversed or blocked: a model of the money side of SPEC 9 and 13
//! and of DATA 3 to 6, small enough that [`stateright`] visits every state it can get into.
//!
//! One person has two cards (the second replaces the first), two terminals pay, one issuer lists, blocks, signs scripts and takes
//! journals in. Signatures, MACs and hashes are taken for perfect: a receipt is the thing it is for. Whatever an adversary may do
//! without a key is an action of the model: lose an answer, put an old receipt in its place, forge a bare status word, carry
//! any script or block list ever signed to any card at any time, and, where the [`Scope`] says so, act as a terminal.
//!
//! Each [`Fault`] breaks one rule; the tests show that the checker finds it. What is not in the model: amounts, dates, caps and
//! the table's size, which refuse a payment but never undo one, and the block list inside a terminal, which only makes it
//! refuse more.
//!
//! What the model takes for the issuer's rules, because without them it finds money handed over twice, or on a receipt that no
//! longer stands:
//! - A line moves to another terminal or card only after the journal that is committed shows a list loaded without it, and no
//!   Intent open for it; a line of a destroyed terminal stays with its card ([`issuer::Issuer::may_list`]).
//! - A script reverses only what the committed journal announces as not handed over ([`issuer::Issuer::may_reverse`]).
//! - A terminal's reversal counts only if its journal announces it: whoever has a stolen terminal key and his own PIN could
//!   otherwise draw the money, reverse the payment and draw it again.
//!
//! Full runs, by hand, on two cores that others used too; every property held and every event occurred. They
//! are from before a card asked for the paid line first (SPEC 9.3), which answers more orders with `6340` and none with a payment:
//!
//! | `cargo run --release -p money-model --` | distinct states | all | time | memory |
//! |---|---|---|---|---|
//! | (defaults: scripts, block lists, destroyed terminals) | 15,985,570 | 77,146,404 | 529 s | 2.2 GB |
//! | `--cards 2 --lists 1 --scripts 0 --block-lists 0` (a line that moves, a replacement card) | 12,008,948 | 49,014,692 | 494 s | 1.7 GB |

pub mod actions;
pub mod card;
pub mod issuer;
pub mod properties;
pub mod terminal;
pub mod world;

/// Orders that any run of the model can have.
pub const MAXIMUM_ORDERS: usize = 4;
/// Places in a card's ring of receipts that any run can have; a real card has 32 (SPEC 9.7).
pub const MAXIMUM_RING: usize = 3;
/// Payment lines of the person.
pub const LINES: usize = 2;
/// Terminals, and cards of the person.
pub const PAIR: usize = 2;

/// A payment line, below [`LINES`].
pub type Line = u8;
/// A card, below [`PAIR`]: 0 the first, 1 its replacement.
pub type CardIndex = u8;
/// A terminal, below [`PAIR`].
pub type TerminalIndex = u8;
/// An order, by its place in [`world::World::orders`].
pub type OrderIndex = u8;
/// A script, by its place in [`issuer::Issuer::scripts`].
pub type ScriptIndex = u8;

/// What a thief has of terminal 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thief {
    /// Nothing: terminals speak for themselves.
    None,
    /// The key agreement key and certificate (SPEC 11.5).
    Key,
    /// The holder's PIN as well (SPEC 11.5).
    KeyAndPin,
}

/// How much happens in a run: every count is an upper bound.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Orders of both terminals and the thief.
    pub orders: usize,
    /// Lines that there are.
    pub lines: u8,
    /// Cards that there are.
    pub cards: u8,
    /// Places in a card's ring.
    pub ring: usize,
    /// Issuer scripts signed.
    pub scripts: usize,
    /// Block lists published.
    pub block_lists: usize,
    /// Lists that name a line for a terminal, those of the beginning not counted.
    pub lists: u8,
    /// A terminal may be destroyed with its journal.
    pub burning: bool,
    /// What a thief has.
    pub thief: Thief,
    /// A card makes no more receipts than its ring has places while an Intent for it is open. With 32 places this is so
    /// in practice; without it the model shows what the specification itself says is then undecided (SPEC 9.7).
    pub ring_outlasts_intents: bool,
    /// The rule that is broken on purpose.
    pub fault: Option<Fault>,
}

impl Scope {
    /// The smallest run in which every event can occur that needs no replacement card and no thief.
    pub const SMALL: Self = Self {
        orders: 2,
        lines: 1,
        cards: 1,
        ring: 2,
        scripts: 1,
        block_lists: 1,
        lists: 1,
        burning: true,
        thief: Thief::None,
        ring_outlasts_intents: true,
        fault: None,
    };

    /// Is this rule broken?
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

/// A rule broken on purpose: the checker must find what it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A card writes the receipt and, after a possible tear, the line's mark (SPEC 9.3: one write).
    CardForgetsMarkOnTear,
    /// A card overwrites the newest receipt but one while an older place is free (SPEC 9.7).
    CardOverwritesRingEarly,
    /// A card pays an order whose terminal is not the authenticated one (SPEC 9.3).
    CardTakesForeignOrders,
    /// A card pays without a PIN (SPEC 9.3).
    CardIgnoresPin,
    /// A blocked card pays (SPEC 9.3, 14.2).
    CardPaysWhileBlocked,
    /// A card looks at its life cycle and at the CSO's version before it says that a line was paid (SPEC 9.3).
    CardAnswersPaidLast,
    /// A card reverses the named payment again when the reversal is replayed (SPEC 9.8).
    CardReversesAgain,
    /// A card pays an order again that was reversed (SPEC 9.3).
    CardRevivesReversedOrders,
    /// A card runs a script at any counter (SPEC 13.2).
    CardIgnoresScriptCounter,
    /// A card blocks itself by a list up to its number (SPEC 13.10).
    CardIgnoresBlockListNumber,
    /// A terminal sends the order before the Intent is in its journal (DATA 5.3).
    TerminalSendsBeforeIntent,
    /// A terminal says "paid" before Paid is in its journal.
    TerminalSaysPaidBeforeJournal,
    /// A terminal takes a bare status word for a decision (SPEC 8.3).
    TerminalTrustsBareStatus,
    /// A terminal takes any receipt of the card for the one of its order (DATA 5.3).
    TerminalTakesAnyReceipt,
    /// A terminal closes an Intent by the answer of another card (DATA 5.3).
    TerminalSettlesWithAnyCard,
    /// A terminal takes a `6340` without a receipt for a refusal (DATA 5.3).
    TerminalTakesBareStandingForRefusal,
    /// A terminal hands the money over although a reversal is announced.
    TerminalHandsOverAfterReversal,
    /// A terminal loads a list with a lower number (DATA 3.4).
    TerminalLoadsOldList,
    /// A terminal gives journal entries up before they are acknowledged (DATA 6).
    TerminalErasesEarly,
    /// The issuer acknowledges entries before they are committed (DATA 6).
    IssuerAcknowledgesEarly,
    /// The issuer moves a line before its terminal has given the list up (DATA 3.4).
    IssuerMovesLineUnseen,
    /// The issuer moves a line to the replacement card although an Intent for it is open.
    IssuerMovesLineWithOpenIntent,
    /// The issuer moves a line of a destroyed terminal to the replacement card.
    IssuerMovesLineOfLostTerminal,
    /// The issuer signs a reversal for a payment that no terminal has announced as not handed over.
    IssuerReversesUnannounced,
    /// The issuer counts a terminal's reversal that its journal does not announce.
    IssuerCountsUnannouncedReversal,
}

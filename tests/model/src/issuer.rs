//! The issuer: who may pay a line, what is blocked, what is signed, and what it knows from journals and cards.

use heapless::Vec;

use crate::terminal::{Entry, Task, Terminal, task};
use crate::world::{Order, Origin};
use crate::{CardIndex, Fault, LINES, Line, OrderIndex, PAIR, Scope, TerminalIndex};

/// Scripts, and block lists, that any run can have.
pub const MAXIMUM_SIGNED: usize = 3;

/// SPEC 13.1, the actions that touch money or life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScriptAction {
    /// `03`.
    Block,
    /// `04` with a block list number.
    Unblock(u8),
    /// `05`.
    Terminate,
    /// `06`: the CSO version rises.
    Update,
    /// `09`.
    Reverse(OrderIndex),
}

/// An issuer script (SPEC 13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Script {
    /// The card that it names.
    pub card: CardIndex,
    /// The receipt counter for which it is good.
    pub counter: u8,
    /// What it does.
    pub action: ScriptAction,
}

/// Who may pay a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listing {
    /// On no list.
    Nowhere,
    /// The newest list of this terminal has it for this card.
    For(CardIndex, TerminalIndex),
    /// The list of this number took it from this terminal.
    WithdrawnFrom(CardIndex, TerminalIndex, u8),
}

/// What the issuer has signed and what it knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer {
    /// Of each line.
    pub listings: [Listing; LINES],
    /// Number of the newest list of each terminal.
    pub list_numbers: [u8; PAIR],
    /// Lines listed so far, those of the beginning not counted.
    pub lists: u8,
    /// Block lists published, the first with number 1: a bit for each card on it.
    pub block_lists: Vec<u8, MAXIMUM_SIGNED, u8>,
    /// Scripts signed.
    pub scripts: Vec<Script, MAXIMUM_SIGNED, u8>,
    /// Orders whose payment receipt came back through a card, a bit each.
    pub collected: u8,
    /// Orders whose reversal receipt came back through a card, a bit each.
    pub reversals: u8,
}

impl Issuer {
    /// An issuer that has listed each line for the first card: line n at terminal n.
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        let mut listings = [Listing::Nowhere; LINES];
        for line in 0..scope.lines {
            listings[usize::from(line)] = Listing::For(0, line);
        }
        Self {
            listings,
            list_numbers: [1; PAIR],
            lists: 0,
            block_lists: Vec::new(),
            scripts: Vec::new(),
            collected: 0,
            reversals: 0,
        }
    }

    /// Does the issuer know of a payment of this line that stands? What came back through a card counts as well as what a
    /// journal says.
    #[must_use]
    pub fn knows_paid(
        &self,
        line: Line,
        orders: &[Order],
        terminals: &[Terminal; PAIR],
        scope: &Scope,
    ) -> bool {
        (0..orders.len() as u8).any(|index| {
            let order = orders[usize::from(index)];
            let journal = terminals[usize::from(order.terminal)].committed();
            let paid = self.collected & (1 << index) != 0 || journal.contains(&Entry::Paid(index));
            order.line == line && paid && !self.knows_reversed(index, journal, scope)
        })
    }

    /// A script's reversal counts by its receipt, a terminal's only if the journal announces it: a thief with the
    /// terminal's other key could make one, too.
    fn knows_reversed(&self, order: OrderIndex, journal: &[Entry], scope: &Scope) -> bool {
        let by_script = self
            .scripts
            .iter()
            .any(|script| script.action == ScriptAction::Reverse(order));
        let announced = journal.contains(&Entry::Reversing(order));
        let counts = by_script || announced || scope.has(Fault::IssuerCountsUnannouncedReversal);
        let receipt = self.reversals & (1 << order) != 0;
        journal.contains(&Entry::Reversed(order)) || receipt && counts
    }

    /// May the line be listed for this card at this terminal (DATA 3.4)?
    #[must_use]
    pub fn may_list(
        &self,
        line: Line,
        card: CardIndex,
        orders: &[Order],
        terminals: &[Terminal; PAIR],
        scope: &Scope,
    ) -> bool {
        if self.knows_paid(line, orders, terminals, scope) {
            return false;
        }
        match self.listings[usize::from(line)] {
            Listing::Nowhere => true,
            Listing::For(..) => false,
            Listing::WithdrawnFrom(former, terminal, number) => {
                let terminal = &terminals[usize::from(terminal)];
                // Whatever a destroyed terminal did with this card, the card itself knows.
                if terminal.burnt && (card == former || scope.has(Fault::IssuerMovesLineOfLostTerminal)) {
                    return true;
                }
                gave_up(line, number, orders, terminal, scope)
            }
        }
    }

    /// May the issuer reverse this order by a script? Only what will never be handed over: the terminal's journal says so, or
    /// has no such order.
    #[must_use]
    pub fn may_reverse(
        &self,
        index: OrderIndex,
        order: Order,
        terminals: &[Terminal; PAIR],
        scope: &Scope,
    ) -> bool {
        let journal = terminals[usize::from(order.terminal)].committed();
        let known = self.collected & (1 << index) != 0 || journal.contains(&Entry::Paid(index));
        let harmless = order.origin == Origin::Thief || journal.contains(&Entry::Reversing(index));
        known && (harmless || scope.has(Fault::IssuerReversesUnannounced))
    }
}

/// Has the terminal synchronized the list that no longer has the line, with no Intent for it open?
fn gave_up(line: Line, number: u8, orders: &[Order], terminal: &Terminal, scope: &Scope) -> bool {
    let journal = terminal.committed();
    let loaded = |entry: &Entry| matches!(entry, Entry::ListLoaded(loaded) if *loaded >= number);
    let given_up = journal.iter().any(loaded) || scope.has(Fault::IssuerMovesLineUnseen);
    let open = match task(journal) {
        Some(Task::Pay(order) | Task::HandOver(order) | Task::Undo(order)) => {
            orders[usize::from(order)].line == line
        }
        None => false,
    };
    given_up && (!open || scope.has(Fault::IssuerMovesLineWithOpenIntent))
}

//! The hand that holds the card: inserts and removes it, or tears it out at a chosen moment.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::net::{Shutdown, TcpStream};
use std::str::FromStr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Chip;

/// On which side of the counted step the power goes: it did not happen, or it happened and nobody was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the step: the chip never did it.
    Before,
    /// After the step: the chip did it, no answer comes out.
    After,
}

/// Counts steps down and then cuts the power once. Clones share one count.
#[derive(Debug, Clone, Default)]
pub struct Fuse(Arc<Mutex<Option<(u64, Moment)>>>);

impl Fuse {
    /// Lets the power be lost at the `step`-th step from now, counted from 1.
    pub fn set(&self, step: u64, moment: Moment) {
        *lock(&self.0) = Some((step.max(1), moment));
    }

    /// Counts a step that begins now, and says whether it is the one at which the power is lost.
    #[must_use]
    pub fn step(&self) -> Option<Moment> {
        let mut fuse = lock(&self.0);
        let (left, moment) = (*fuse)?;
        *fuse = (left > 1).then_some((left - 1, moment));
        (left <= 1).then_some(moment)
    }
}

/// Where the card is, shared by the transport and whoever gives orders. Clones are handles to the same card.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    hand: Mutex<Hand>,
    moved: Condvar,
    commands: Fuse,
    writes: Fuse,
}

#[derive(Debug, Default)]
struct Hand {
    inserted: bool,
    ended: bool,
    commands: u64,
    insertions: u64,
    missed: bool,
    connection: Option<TcpStream>,
}

impl Control {
    /// Puts the card into the reader.
    pub fn insert(&self) {
        let mut hand = lock(&self.0.hand);
        hand.insertions += u64::from(!hand.inserted);
        hand.inserted = true;
        self.0.moved.notify_all();
    }

    /// Takes the card out of the reader, at once, even in the middle of a command.
    pub fn remove(&self) {
        let mut hand = lock(&self.0.hand);
        hand.inserted = false;
        hand.missed = false;
        hand.hang_up();
        self.0.moved.notify_all();
    }

    /// The reader has looked for a card and found none.
    pub fn miss(&self) {
        lock(&self.0.hand).missed = true;
        self.0.moved.notify_all();
    }

    /// Waits until the reader has found that the card is out; `false` if it does not look for so long.
    #[must_use]
    pub fn wait_until_missed(&self, patience: Duration) -> bool {
        let hand = lock(&self.0.hand);
        let unseen = |hand: &mut Hand| !hand.missed;
        let waited = self.0.moved.wait_timeout_while(hand, patience, unseen);
        waited.unwrap_or_else(PoisonError::into_inner).0.missed
    }

    /// Takes the card out for good: transports return.
    pub fn end(&self) {
        let mut hand = lock(&self.0.hand);
        hand.ended = true;
        hand.inserted = false;
        hand.hang_up();
        self.0.moved.notify_all();
    }

    /// The fuse that counts command APDUs.
    #[must_use]
    pub fn commands_fuse(&self) -> &Fuse {
        &self.0.commands
    }

    /// The fuse that counts writes into the chip's persistent memory.
    #[must_use]
    pub fn writes_fuse(&self) -> &Fuse {
        &self.0.writes
    }

    /// Whether the card is in the reader (in the field, for a contactless one).
    #[must_use]
    pub fn is_inserted(&self) -> bool {
        lock(&self.0.hand).inserted
    }

    /// Which insertion this is, counted from 1, while the card is in: taken out and put back, it has lost its power.
    #[must_use]
    pub fn insertion(&self) -> Option<u64> {
        let hand = lock(&self.0.hand);
        hand.inserted.then_some(hand.insertions)
    }

    /// Commands that reached the chip since the start.
    #[must_use]
    pub fn commands(&self) -> u64 {
        lock(&self.0.hand).commands
    }

    /// Waits until the card is in the reader; `false` when it never will be again.
    #[must_use]
    pub fn wait_until_inserted(&self) -> bool {
        let hand = lock(&self.0.hand);
        let outside = |hand: &mut Hand| !hand.inserted && !hand.ended;
        let hand = self
            .0
            .moved
            .wait_while(hand, outside)
            .unwrap_or_else(PoisonError::into_inner);
        !hand.ended
    }

    /// For transports: the connection to cut when the card is removed; at once when it is out already.
    ///
    /// # Errors
    /// Those of duplicating the connection's handle.
    pub fn attach(&self, connection: &TcpStream) -> io::Result<()> {
        let mut hand = lock(&self.0.hand);
        hand.connection = Some(connection.try_clone()?);
        if !hand.inserted {
            hand.hang_up();
        }
        Ok(())
    }

    /// For transports: gives the chip a command, and its answer unless the power was lost: then the card is out.
    pub fn transmit(&self, chip: &mut impl Chip, command: &[u8]) -> Option<Vec<u8>> {
        let torn = self.0.commands.step();
        if torn != Some(Moment::Before) {
            let answer = chip.transmit(command);
            lock(&self.0.hand).commands += 1;
            if torn.is_none() && !answer.is_empty() {
                return Some(answer);
            }
        }
        self.remove();
        None
    }

    /// Obeys one line and reports the state after it: `insert`, `remove`, `status`, `tear-after N before|after` (commands)
    /// or `tear-at-write N before|after` (writes into persistent memory).
    ///
    /// # Errors
    /// When the line is none of these.
    pub fn obey(&self, line: &str) -> Result<String, UnknownOrder> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["insert"] => self.insert(),
            ["remove"] => self.remove(),
            ["status"] => {}
            ["tear-after", step, moment] => self.0.commands.set(number(step)?, moment.parse()?),
            ["tear-at-write", step, moment] => self.0.writes.set(number(step)?, moment.parse()?),
            _ => return Err(UnknownOrder),
        }
        let place = if self.is_inserted() { "inserted" } else { "removed" };
        Ok(format!("ok {place} commands={}", self.commands()))
    }
}

/// Answers each line of orders with one line, as `obey` says, until they end.
///
/// # Errors
/// Those of reading and writing.
pub fn answer_lines<E: fmt::Display>(
    orders: impl BufRead,
    mut answers: impl Write,
    obey: impl Fn(&str) -> Result<String, E>,
) -> io::Result<()> {
    for line in orders.lines() {
        match obey(&line?) {
            Ok(state) => writeln!(answers, "{state}")?,
            Err(error) => writeln!(answers, "error: {error}")?,
        }
        answers.flush()?;
    }
    Ok(())
}

impl Hand {
    fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Fails only when the other side has hung up already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

/// A line that is no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownOrder;

impl fmt::Display for UnknownOrder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "expected: insert | remove | status | tear-after N before|after | tear-at-write N before|after",
        )
    }
}

impl std::error::Error for UnknownOrder {}

impl FromStr for Moment {
    type Err = UnknownOrder;

    fn from_str(word: &str) -> Result<Self, UnknownOrder> {
        match word {
            "before" => Ok(Self::Before),
            "after" => Ok(Self::After),
            _ => Err(UnknownOrder),
        }
    }
}

fn number(word: &str) -> Result<u64, UnknownOrder> {
    word.parse().ok().filter(|number| *number > 0).ok_or(UnknownOrder)
}

/// A panicking chip leaves plain values behind: a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u8);

    impl Chip for Counter {
        fn answer_to_reset(&self) -> Vec<u8> {
            vec![]
        }
        fn reset(&mut self) {}
        fn transmit(&mut self, _: &[u8]) -> Vec<u8> {
            self.0 += 1;
            if self.0 == 9 { vec![] } else { vec![0x90, 0x00] }
        }
    }

    #[test]
    fn a_fuse_blows_once_at_its_step() {
        let fuse = Fuse::default();
        assert_eq!(fuse.step(), None);
        fuse.set(2, Moment::After);
        assert_eq!(
            [fuse.step(), fuse.step(), fuse.step()],
            [None, Some(Moment::After), None]
        );
    }

    #[test]
    fn torn_before_the_chip_does_nothing_torn_after_it_has_done_it() {
        for (moment, done) in [("before", 1), ("after", 2)] {
            let (control, mut chip) = (Control::default(), Counter(0));
            control.obey("insert").unwrap();
            control.obey(&format!("tear-after 2 {moment}")).unwrap();
            assert!(control.transmit(&mut chip, &[0; 4]).is_some());
            assert_eq!(control.transmit(&mut chip, &[0; 4]), None);
            assert!(!control.is_inserted());
            assert_eq!(chip.0, done);
        }
    }

    #[test]
    fn a_chip_without_power_is_out() {
        let control = Control::default();
        control.insert();
        assert_eq!(control.transmit(&mut Counter(8), &[0; 4]), None);
        assert!(!control.is_inserted());
    }

    #[test]
    fn nonsense_is_not_obeyed() {
        let control = Control::default();
        for line in [
            "",
            "inser",
            "tear-after",
            "tear-after 0 before",
            "tear-after -1 after",
            "tear-after 1 during",
            "remove 2",
        ] {
            assert_eq!(control.obey(line), Err(UnknownOrder), "{line}");
        }
        assert_eq!(control.obey(" status ").unwrap(), "ok removed commands=0");
    }
}

//! What waits for the board to take it: console text, a frame for the host, a wish for the field, a card command.

use core::fmt;

use heapless::{String, Vec};
use link::{Answer, MAX_ENCODED, send};

use crate::Output;
use crate::tap::CommandBuffer;

/// Room for the console's text between two polls.
const SCREEN: usize = 2_048;

/// What was given out last: its place is cleared before anything new goes there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Nothing,
    Screen,
    Host,
    Command,
}

/// Outputs, one place for each kind.
pub(crate) struct Outbox {
    screen: String<SCREEN>,
    host: Vec<u8, MAX_ENCODED>,
    field: Option<bool>,
    field_is_on: bool,
    /// The field goes off before anything else is wished of it.
    drops_field: bool,
    command: CommandBuffer,
    given: Given,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            screen: String::new(),
            host: Vec::new(),
            field: None,
            field_is_on: false,
            drops_field: false,
            command: CommandBuffer::new(),
            given: Given::Nothing,
        }
    }

    /// Forgets what the board has taken. Called before every input and every poll.
    pub(crate) fn settle(&mut self) {
        match core::mem::replace(&mut self.given, Given::Nothing) {
            Given::Nothing => {}
            Given::Screen => self.screen.clear(),
            Given::Host => self.host.clear(),
            Given::Command => self.command.clear(),
        }
    }

    pub(crate) fn next(&mut self) -> Option<Output<'_>> {
        self.settle();
        if !self.screen.is_empty() {
            self.given = Given::Screen;
            return Some(Output::Screen(&self.screen));
        }
        if !self.host.is_empty() {
            self.given = Given::Host;
            return Some(Output::Host(&self.host));
        }
        if core::mem::take(&mut self.drops_field) {
            return Some(Output::Field(false));
        }
        if let Some(on) = self.field.take() {
            return Some(Output::Field(on));
        }
        if !self.command.is_empty() {
            self.given = Given::Command;
            return Some(Output::Transmit(&self.command));
        }
        None
    }

    /// Says that cards are wanted or not.
    pub(crate) fn field(&mut self, on: bool) {
        if self.field_is_on != on {
            self.field_is_on = on;
            self.field = Some(on);
        }
    }

    /// Switches the field off, whatever is wished of it next: the session of the card in it ends.
    pub(crate) fn drop_field(&mut self) {
        self.drops_field = self.field_is_on;
        self.field_is_on = false;
        self.field = None;
    }

    /// Where the next command for the card goes.
    pub(crate) fn command(&mut self) -> &mut CommandBuffer {
        &mut self.command
    }

    /// Answers the host.
    pub(crate) fn answer(&mut self, answer: &Answer<'_>) {
        let mut encoded = [0; MAX_ENCODED];
        self.host.clear();
        if let Ok(frame) = send(answer, &mut encoded) {
            // A frame has at most MAX_ENCODED bytes.
            let _ = self.host.extend_from_slice(frame);
        }
    }
}

/// Console text. What does not fit until the board polls is cut off: a screen never stops a payment.
impl fmt::Write for Outbox {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.screen.push(character).is_err() {
                break;
            }
        }
        Ok(())
    }
}

//! A pay point: the terminal's image in QEMU, the card reader's field, the clerk's hands, and the power.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rig::{Image, Machine, QemuTerminal};
use virtual_card::{Chip, Control, Holder, ReferenceCard, pn532};

use crate::issuing::Issued;
use crate::station::pin_of;

/// Longer than any step takes on a slow machine that runs other things as well.
const PATIENCE: Duration = Duration::from_secs(60);
/// Instruction byte of DISBURSE (SPEC 9.3).
const DISBURSE: u8 = 0x54;

/// What the screen shows where the clerk has to act or look (`firmware/terminal/src/text.rs`).
pub mod screen {
    /// Nobody works here yet.
    pub const OPEN_SHIFT: &str = "a name to open a shift.";
    /// A card may come.
    pub const TAP: &str = "Tap card";
    /// The holder is identified; this is due.
    pub const DUE: &str = "Cộng / total: ";
    /// The holder is identified; the PIN is wanted.
    pub const PIN: &str = "Enter PIN, c = cancel: ";
    /// The PIN is typed; the card is wanted again.
    pub const TAP_AGAIN: &str = "Tap the card again, c = cancel";
    /// Everything is paid; the money is to be handed over.
    pub const HAND_OVER: &str = "then press Enter.";
    /// Nothing was paid; the reason follows.
    pub const NOT_PAID: &str = "NOT PAID: ";
    /// An order's outcome is not known.
    pub const UNSETTLED: &str = "Tap the same card again.";
    /// A line was paid.
    pub const PAID: &str = "ĐÃ TRẢ / PAID";
    /// The clerk's word that the money is handed over is in the journal.
    pub const HANDED: &str = "Money handed over.";
}

/// What passed between reader and card.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Command APDUs.
    pub commands: u64,
    /// Bytes of command APDUs.
    pub to_card: u64,
    /// Bytes of response APDUs.
    pub from_card: u64,
}

/// The air between reader and card: counts what passes, and can keep the answer to DISBURSE from arriving.
#[derive(Clone)]
struct Air {
    card: Holder<ReferenceCard>,
    state: Arc<(Mutex<AirState>, Condvar)>,
}

#[derive(Default)]
struct AirState {
    traffic: Traffic,
    holds_receipt: bool,
    has_paid: bool,
}

impl Air {
    fn lock(&self) -> MutexGuard<'_, AirState> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chip for Air {
    fn answer_to_reset(&self) -> Vec<u8> {
        self.card.answer_to_reset()
    }

    fn reset(&mut self) {
        self.card.reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let answer = self.card.transmit(command);
        let mut state = self.lock();
        state.traffic.commands += 1;
        state.traffic.to_card += command.len() as u64;
        state.traffic.from_card += answer.len() as u64;
        // The last command of the chain that carries the order.
        let order =
            command.first().is_some_and(|class| class & 0x10 == 0) && command.get(1) == Some(&DISBURSE);
        if state.holds_receipt && order {
            state.holds_receipt = false;
            state.has_paid = true;
            self.state.1.notify_all();
            return Vec::new();
        }
        answer
    }
}

/// A pay point.
pub struct PayPoint {
    machine: Machine,
    terminal: Option<QemuTerminal>,
    hand: Control,
    air: Air,
    link: PathBuf,
}

impl PayPoint {
    /// Sets a terminal up on the flash file `flash`, with a card reader into whose field nobody holds a card yet.
    ///
    /// # Errors
    /// When the reader does not start.
    pub fn open(image: &Path, flash: &Path, any_card: &Path) -> Result<Self> {
        let hand = Control::default();
        let card = Holder::new(ReferenceCard::open(any_card, hand.writes_fuse(), false)?);
        let air = Air {
            card,
            state: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (mut chip, control) = (air.clone(), hand.clone());
        // Ends with the process; an error shows as a reader that sees no card.
        thread::spawn(move || pn532::run(&mut chip, &listener, &control));
        let link = flash.with_extension("tty");
        let machine = Machine::new(image, flash, address).host_link_at(&link);
        Ok(Self {
            machine,
            terminal: None,
            hand,
            air,
            link,
        })
    }

    /// Switches the terminal on.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn switch_on(&mut self) -> Result<()> {
        self.switch_on_with([])
    }

    /// Switches the terminal on with more arguments for QEMU, such as a plugin that cuts the power at a chosen place.
    ///
    /// # Errors
    /// When QEMU does not start.
    pub fn switch_on_with<const N: usize>(&mut self, arguments: [String; N]) -> Result<()> {
        self.terminal = Some(self.machine.clone().arguments(arguments).start()?);
        Ok(())
    }

    /// Cuts the power.
    ///
    /// # Errors
    /// When the terminal is off.
    pub fn cut_power(&mut self) -> Result<()> {
        self.lift();
        self.terminal.take().context("the terminal is off")?.kill()
    }

    /// Bytes of stack that the firmware has used at most since it was switched on.
    ///
    /// # Errors
    /// When the terminal is off, or its stack has run over.
    pub fn stack_used(&self, image: &Image) -> Result<u32> {
        self.terminal
            .as_ref()
            .context("the terminal is off")?
            .stack_used(image)
    }

    /// The port of the host link, for `ansinh terminal --port`.
    #[must_use]
    pub fn port(&self) -> &Path {
        &self.link
    }

    /// Holds a card into the field.
    ///
    /// # Errors
    /// When its memory cannot be read.
    pub fn tap(&mut self, card: &Issued) -> Result<()> {
        self.lift();
        self.air
            .card
            .exchange(ReferenceCard::open(&card.memory, self.hand.writes_fuse(), false)?);
        self.hand.insert();
        Ok(())
    }

    /// Takes the card away.
    pub fn lift(&self) {
        self.hand.remove();
    }

    /// Presses keys.
    ///
    /// # Errors
    /// When the terminal is off.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.terminal.as_mut().context("the terminal is off")?.press(keys)
    }

    /// Waits until the screen shows a text; returns what it showed since the last call.
    ///
    /// # Errors
    /// When it does not, with what it shows instead.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        self.terminal
            .as_mut()
            .context("the terminal is off")?
            .wait_for(text, PATIENCE)
    }

    /// Waits until the screen shows one of several texts, all on lines that are complete; returns the text and its line.
    ///
    /// # Errors
    /// When it does not, with what it shows instead.
    pub fn wait_for_one_of<'t>(&mut self, texts: &[&'t str]) -> Result<(&'t str, String)> {
        loop {
            let line = self.wait_for("\n")?;
            if let Some(text) = texts.iter().find(|text| line.contains(**text)) {
                return Ok((text, line));
            }
        }
    }

    /// A clerk opens a shift.
    ///
    /// # Errors
    /// When the terminal does not ask for it.
    pub fn open_shift(&mut self, operator: &str) -> Result<()> {
        self.wait_for(screen::OPEN_SHIFT)?;
        self.press(&format!("o{operator}\r"))?;
        self.wait_for(screen::TAP).map(drop)
    }

    /// First tap and PIN: who it is, what is due. The card is away afterwards.
    ///
    /// # Errors
    /// When the card is refused, or nothing is due.
    pub fn identify(&mut self, card: &Issued, pin: &str) -> Result<String> {
        self.tap(card)?;
        let shown = self.wait_for(screen::PIN)?;
        self.lift();
        self.press(&format!("{pin}\r"))?;
        self.wait_for(screen::TAP_AGAIN)?;
        Ok(shown)
    }

    /// The whole service of a holder who gets what is due: two taps, the PIN, the money. Returns what the screen showed
    /// at the second tap.
    ///
    /// # Errors
    /// When anything else happens.
    pub fn pay(&mut self, card: &Issued) -> Result<String> {
        self.identify(card, pin_of(&card.number))?;
        self.tap(card)?;
        let shown = self.wait_for(screen::HAND_OVER)?;
        self.hand_over()?;
        Ok(shown)
    }

    /// The clerk hands the money over and says so.
    ///
    /// # Errors
    /// When the terminal does not take it.
    pub fn hand_over(&mut self) -> Result<()> {
        self.lift();
        self.press("\r")?;
        self.wait_for(screen::TAP).map(drop)
    }

    /// A card that is to be refused at the first tap. Returns the reason that the screen shows.
    ///
    /// # Errors
    /// When it is not refused.
    pub fn refused(&mut self, card: &Issued) -> Result<String> {
        self.tap(card)?;
        let reason = self.reason()?;
        // At once: a reader that loses sight of it for a moment would begin with it anew.
        self.lift();
        self.wait_for(screen::TAP)?;
        self.wait_until_missed()?;
        Ok(reason)
    }

    /// Waits until the reader has seen that the card is gone: the next one would be taken for it otherwise.
    ///
    /// # Errors
    /// When the reader does not look for cards.
    pub fn wait_until_missed(&self) -> Result<()> {
        anyhow::ensure!(
            self.hand.wait_until_missed(PATIENCE),
            "the reader does not look for cards"
        );
        Ok(())
    }

    /// The reason of a refusal that is on its way to the screen.
    ///
    /// # Errors
    /// When there is none.
    pub fn reason(&mut self) -> Result<String> {
        self.wait_for(screen::NOT_PAID)?;
        Ok(self.wait_for("\n")?.trim().to_owned())
    }

    /// Pays, and cuts the power when the card has made its receipt and the terminal has not got it.
    ///
    /// # Errors
    /// When the card does not pay.
    pub fn pay_and_lose_power(&mut self, card: &Issued) -> Result<()> {
        self.identify(card, pin_of(&card.number))?;
        self.air.lock().holds_receipt = true;
        self.tap(card)?;
        let (state, condition) = &*self.air.state;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, waited) = condition
            .wait_timeout_while(state, PATIENCE, |state| !state.has_paid)
            .unwrap_or_else(PoisonError::into_inner);
        state.has_paid = false;
        drop(state);
        anyhow::ensure!(!waited.timed_out(), "the card was not asked to pay");
        self.cut_power()
    }

    /// What passed between reader and cards up to now.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.air.lock().traffic
    }
}

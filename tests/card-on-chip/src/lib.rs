//! The reference applet on a Cortex-M4F in QEMU (`firmware/boards/qemu-mps2`, image `card`) as a card for the conformance
//! kit. This side plays the virtual reader that the image connects to, and notes what each command costs.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use ansinh_conformance::card::{Card, Cut, NoAnswer};
use anyhow::{Context, Result};
use rig::{Image, Instructions, Machine, QemuTerminal};
use tempfile::TempDir;

/// Controls of vpcd's protocol.
const POWER_OFF: u8 = 0;
const POWER_ON: u8 = 1;
const ANSWER_TO_RESET: u8 = 4;
/// The slowest command takes about a second here; a stuck card gets more.
const PATIENCE: Duration = Duration::from_secs(60);
/// The function of the image that carries out a command.
const TRANSMIT: &str = "ansinh_mark_transmit";

/// A command as it was sent, what came back, and what it cost.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The command APDU; class and instruction are never encrypted.
    pub command: Vec<u8>,
    /// Bytes of the response APDU.
    pub response: usize,
    /// The status word.
    pub status: u16,
    /// Instructions from the command's last byte to the response's first.
    pub instructions: u64,
}

/// What the card did so far, for whoever gave the card away to the kit.
pub type Exchanges = Rc<RefCell<Vec<Exchange>>>;

/// A card whose processor is simulated. Dropping it takes its power for good: the memory is RAM.
pub struct QemuCard {
    image: PathBuf,
    folder: TempDir,
    running: Option<Running>,
    exchanges: Exchanges,
    deepest_stack: Rc<RefCell<u32>>,
}

struct Running {
    machine: QemuTerminal,
    instructions: Instructions,
    group: usize,
    reader: TcpStream,
}

impl QemuCard {
    /// A blank card with the transport keys of the kit's test cards. `image` is the ELF file.
    ///
    /// # Errors
    /// Those of QEMU, with the package to install.
    pub fn new(image: &Path) -> Result<Self> {
        let mut card = Self {
            image: image.to_owned(),
            folder: tempfile::tempdir()?,
            running: None,
            exchanges: Exchanges::default(),
            deepest_stack: Rc::default(),
        };
        card.start()?;
        Ok(card)
    }

    /// What the card will have done.
    #[must_use]
    pub fn exchanges(&self) -> Exchanges {
        Rc::clone(&self.exchanges)
    }

    /// The most bytes of stack that any card of this one's life has used; known once it was replaced or dropped.
    #[must_use]
    pub fn deepest_stack(&self) -> Rc<RefCell<u32>> {
        Rc::clone(&self.deepest_stack)
    }

    fn start(&mut self) -> Result<()> {
        self.stop()?;
        let reader = TcpListener::bind("127.0.0.1:0")?;
        let image = Image::open(&self.image)?;
        let mut instructions = Instructions::new()?;
        let group = instructions.count_inside(&image, TRANSMIT)?;
        let address = reader.local_addr()?.to_string();
        let machine = Machine::new(&self.image, self.folder.path().join("flash"), address)
            .arguments(instructions.arguments())
            .start()?;
        let (reader, _) = reader.accept()?;
        reader.set_nodelay(true)?;
        reader.set_read_timeout(Some(PATIENCE))?;
        let mut running = Running {
            machine,
            instructions,
            group,
            reader,
        };
        // Once it answers, the counters are there, too.
        running.send(&[ANSWER_TO_RESET])?;
        running.receive()?;
        self.running = Some(running);
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        if let Some(running) = self.running.take() {
            let used = running.machine.stack_used(&Image::open(&self.image)?)?;
            let mut deepest = self.deepest_stack.borrow_mut();
            *deepest = used.max(*deepest);
        }
        Ok(())
    }

    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>> {
        let running = self.running.as_mut().context("the card was not started")?;
        let before = running.instructions.read()?;
        running.send(command)?;
        let response = running.receive()?;
        let executed = running.instructions.read()?.since(&before);
        let status = response
            .last_chunk()
            .map(|status| u16::from_be_bytes(*status))
            .context("the card answered with less than a status word")?;
        self.exchanges.borrow_mut().push(Exchange {
            command: command.to_owned(),
            response: response.len(),
            status,
            instructions: executed.inside(running.group),
        });
        Ok(response)
    }
}

impl Running {
    fn send(&mut self, message: &[u8]) -> Result<()> {
        let length = u16::try_from(message.len())?.to_be_bytes();
        Ok(self.reader.write_all(&[&length[..], message].concat())?)
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 2];
        self.reader.read_exact(&mut length)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.reader.read_exact(&mut message)?;
        Ok(message)
    }
}

impl Drop for QemuCard {
    fn drop(&mut self) {
        // A stack that cannot be measured any more is no reason to keep QEMU.
        let _ = self.stop();
    }
}

fn no_answer(error: anyhow::Error) -> NoAnswer {
    NoAnswer(format!("{error:#}"))
}

impl Card for QemuCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        self.exchange(command).map_err(no_answer)
    }

    fn power_cycle(&mut self) -> Result<(), NoAnswer> {
        let running = self
            .running
            .as_mut()
            .ok_or(NoAnswer("the card was not started".into()))?;
        [POWER_OFF, POWER_ON]
            .into_iter()
            .try_for_each(|control| running.send(&[control]))
            .map_err(no_answer)
    }

    fn replace_by_blank(&mut self) -> Result<(), NoAnswer> {
        self.start().map_err(no_answer)
    }

    fn can_be_replaced(&self) -> bool {
        true
    }

    fn cut_power_at(&mut self, _: u32, _: Cut) -> Option<()> {
        None
    }

    fn can_be_cut(&self) -> bool {
        false
    }
}

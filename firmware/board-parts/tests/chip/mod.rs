//! A flash chip as the MX25R6435F data sheet describes it, with faults to choose from.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_hal::delay::DelayNs;
use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};

const PAGE: usize = 256;
const SECTOR: usize = 4_096;

/// The chip, its clock, and what is wrong with it.
pub(crate) struct Chip {
    pub(crate) identification: [u8; 3],
    pub(crate) memory: Vec<u8>,
    pub(crate) asleep: bool,
    /// Microseconds that it is still at work.
    pub(crate) busy_for: u64,
    pub(crate) never_ready: bool,
    pub(crate) fails: bool,
    pub(crate) deaf_to_enable: bool,
    pub(crate) lazy: bool,
    /// Offset and mask of bits that always read as `stuck_value`.
    pub(crate) stuck: Option<(usize, u8)>,
    pub(crate) stuck_value: bool,
    pub(crate) unplugged: bool,
    /// Bytes until the power goes.
    pub(crate) power_lasts: Option<u64>,
    pub(crate) microseconds: u64,
    pub(crate) transactions: u64,
    pub(crate) bytes: u64,
    pub(crate) enabled: bool,
    pub(crate) verdict: u8,
}

impl Default for Chip {
    fn default() -> Self {
        Self {
            identification: [0xC2, 0x28, 0x17],
            memory: vec![0xFF; 8 << 20],
            asleep: false,
            busy_for: 0,
            never_ready: false,
            fails: false,
            deaf_to_enable: false,
            lazy: false,
            stuck: None,
            stuck_value: false,
            unplugged: false,
            power_lasts: None,
            microseconds: 0,
            transactions: 0,
            bytes: 0,
            enabled: false,
            verdict: 0,
        }
    }
}

impl Chip {
    fn status(&self) -> u8 {
        u8::from(self.busy_for > 0) | u8::from(self.enabled) << 1
    }

    /// What the chip answers once `sent` has come: endless, as on the wire.
    fn answer(&self, sent: &[u8], index: usize) -> u8 {
        match sent {
            _ if self.asleep => 0xFF,
            [0x05] => self.status(),
            _ if self.busy_for > 0 => 0xFF,
            [0x9F] => self.identification[index % 3],
            [0x2B] => self.verdict,
            [0x03, address @ ..] if address.len() == 3 => self.read(place(address) + index),
            _ => 0xFF,
        }
    }

    fn read(&self, place: usize) -> u8 {
        let byte = self.memory[place % self.memory.len()];
        match self.stuck {
            Some((stuck, mask)) if stuck == place => {
                if self.stuck_value {
                    byte | mask
                } else {
                    byte & !mask
                }
            }
            _ => byte,
        }
    }

    /// The select line goes up: the command is carried out.
    fn carry_out(&mut self, sent: &[u8]) {
        match sent {
            [0xAB] => self.asleep = false,
            _ if self.asleep || self.busy_for > 0 => {}
            [0x06] => self.enabled = !self.deaf_to_enable,
            [0x20, address @ ..] if address.len() == 3 && self.enabled => {
                let start = place(address) / SECTOR * SECTOR;
                if !self.lazy && !self.fails {
                    self.memory[start..start + SECTOR].fill(0xFF);
                }
                self.work(240_000, 1 << 6);
            }
            [0x02, high, middle, low, data @ ..] if self.enabled && !data.is_empty() => {
                self.program(place(&[*high, *middle, *low]), data);
                self.work(10_000, 1 << 5);
            }
            _ => {}
        }
    }

    /// Only from one to zero, and around at the end of the page.
    fn program(&mut self, start: usize, data: &[u8]) {
        let page = start / PAGE * PAGE;
        for (index, byte) in data.iter().enumerate() {
            if !self.lazy && !self.fails {
                self.memory[page + (start + index) % PAGE] &= byte;
            }
        }
    }

    fn work(&mut self, microseconds: u64, failed: u8) {
        self.enabled = false;
        self.busy_for = microseconds;
        self.verdict = if self.fails { failed } else { 0 };
    }
}

fn place(address: &[u8]) -> usize {
    address
        .iter()
        .fold(0, |place, byte| place << 8 | usize::from(*byte))
}

/// The wires to it.
pub(crate) struct Bus(pub(crate) Rc<RefCell<Chip>>);

impl ErrorType for Bus {
    type Error = ErrorKind;
}

impl SpiDevice for Bus {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        let chip = &mut *self.0.borrow_mut();
        chip.transactions += 1;
        let mut sent = Vec::new();
        for operation in operations {
            let length = match operation {
                Operation::Write(bytes) => {
                    sent.extend_from_slice(bytes);
                    bytes.len()
                }
                Operation::Read(bytes) => {
                    for (index, byte) in bytes.iter_mut().enumerate() {
                        *byte = chip.answer(&sent, index);
                    }
                    bytes.len()
                }
                _ => return Err(ErrorKind::Other),
            } as u64;
            chip.bytes += length;
            if let Some(left) = chip.power_lasts {
                chip.power_lasts = left.checked_sub(length);
                if chip.power_lasts.is_none() {
                    // The select line goes up as the power fails: what has come so far is carried out.
                    sent.truncate(sent.len().min(left as usize));
                    chip.carry_out(&sent);
                    chip.unplugged = true;
                }
            }
            if chip.unplugged {
                return Err(ErrorKind::Other);
            }
        }
        chip.carry_out(&sent);
        Ok(())
    }
}

/// Its time.
pub(crate) struct Clock(pub(crate) Rc<RefCell<Chip>>);

impl DelayNs for Clock {
    fn delay_ns(&mut self, nanoseconds: u32) {
        let chip = &mut *self.0.borrow_mut();
        let microseconds = u64::from(nanoseconds.div_ceil(1_000));
        chip.microseconds += microseconds;
        if !chip.never_ready {
            chip.busy_for = chip.busy_for.saturating_sub(microseconds);
        }
    }
}

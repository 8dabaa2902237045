//! The real terminal core, powered, at the far end of a line that may lose what passes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, dead_code)]

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use card_spec::crypto::PortableP256;
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use getrandom::SysRng;
use link::{Answer, Encoded, FrameDecoder, Hello, MAX_ENCODED, Request, TerminalState, receive, send};
use rand_core::UnwrapErr;
use terminal::{Image, Layout, Output, Terminal};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio_serial::{SerialPort as _, SerialStream};

/// Bytes of flash, and cards that its block lists have room for.
const FLASH: u32 = 4 << 20;
const BLOCKED_CARDS: u32 = 16_384;

/// What the line does to frames, counted from 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// This answer never arrives.
    pub(crate) lost_answer: Option<usize>,
    /// Nor so many after it.
    pub(crate) lost_after: usize,
    /// This answer arrives when the next one does: too late.
    pub(crate) late_answer: Option<usize>,
    /// This byte of the requests arrives with a flipped bit.
    pub(crate) flipped_byte: Option<usize>,
}

/// Powers a blank terminal at a pseudo-terminal; gives the port's name.
pub(crate) fn at_a_port() -> String {
    behind_a_port(|runtime, line| serve(runtime, line, Faults::default()))
}

/// A terminal that shows five journal entries and gives one.
pub(crate) fn withholding_at_a_port(name: [u8; 10], first: Vec<u8>) -> String {
    let first: &'static [u8] = first.leak();
    answering_at_a_port(name, move |request| {
        Some(match request {
            Request::TimeNonce => Answer::Nonce { nonce: [1; 16] },
            Request::ReadJournal { from: 1 } => Answer::Entries { bytes: first },
            Request::ReadJournal { .. } => Answer::Entries { bytes: &[] },
            _ => Answer::Done,
        })
    })
}

/// A provisioned terminal that shows five journal entries and answers what comes after Hello like this; at `None` it is gone.
pub(crate) fn answering_at_a_port(
    name: [u8; 10],
    answer: impl Fn(&Request<'_>) -> Option<Answer<'static>> + Send + 'static,
) -> String {
    behind_a_port(move |runtime, mut line| {
        let mut decoder = FrameDecoder::default();
        runtime.block_on(async {
            while let Ok(byte) = line.read_u8().await {
                let Some(Ok(message)) = decoder.feed(byte) else {
                    continue;
                };
                let answer = match receive(message).unwrap() {
                    Request::Hello { version } => Some(Answer::Hello(Hello {
                        version,
                        name: Some(name),
                        state: TerminalState::Provisioned,
                        test: true,
                        firmware: [7; 32],
                        journal_tail: 5,
                        acknowledged: 0,
                        list_number: 0,
                        block_list_number: 0,
                    })),
                    request => answer(&request),
                };
                let Some(answer) = answer else {
                    return;
                };
                let mut encoded: Encoded = [0; MAX_ENCODED];
                line.write_all(send(&answer, &mut encoded).unwrap())
                    .await
                    .unwrap();
            }
        });
    })
}

/// A provisioned terminal with block list 1 that shows one journal entry and is lost over changes to a block list: it answers them out
/// of turn, which is sooner seen than no answer, then none of the Hellos before the host gives up. Gives also whether a block list with
/// all its entries came.
pub(crate) fn silent_over_changes_at_a_port(name: [u8; 10], first: Vec<u8>) -> (String, Arc<AtomicBool>) {
    let whole = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&whole);
    let mut unanswered = 0;
    let port = behind_a_port(move |runtime, mut line| {
        let mut decoder = FrameDecoder::default();
        runtime.block_on(async {
            while let Ok(byte) = line.read_u8().await {
                let Some(Ok(message)) = decoder.feed(byte) else {
                    continue;
                };
                let answer = match receive(message).unwrap() {
                    Request::Hello { .. } if unanswered > 0 => {
                        unanswered -= 1;
                        continue;
                    }
                    Request::Hello { version } => Answer::Hello(Hello {
                        version,
                        name: Some(name),
                        state: TerminalState::Provisioned,
                        test: true,
                        firmware: [7; 32],
                        journal_tail: 1,
                        acknowledged: 0,
                        list_number: 0,
                        block_list_number: 1,
                    }),
                    Request::TimeNonce => Answer::Nonce { nonce: [1; 16] },
                    Request::ReadJournal { from: 1 } => Answer::Entries { bytes: &first },
                    Request::ReadJournal { .. } => Answer::Entries { bytes: &[] },
                    Request::BlockDelta { .. } => {
                        unanswered = 8;
                        Answer::Nonce { nonce: [1; 16] }
                    }
                    Request::BlockBegin { .. } => {
                        seen.store(true, Ordering::SeqCst);
                        Answer::Done
                    }
                    _ => Answer::Done,
                };
                let mut encoded: Encoded = [0; MAX_ENCODED];
                line.write_all(send(&answer, &mut encoded).unwrap())
                    .await
                    .unwrap();
            }
        });
    });
    (port, whole)
}

fn behind_a_port(terminal: impl FnOnce(&Runtime, SerialStream) + Send + 'static) -> String {
    let runtime = runtime();
    let (line, port) = {
        let _context = runtime.enter();
        SerialStream::pair().unwrap()
    };
    let name = port.name().unwrap();
    // Held open, or the line would break whenever no command is at the port; without the lock that a serial port takes.
    let held = File::open(&name).unwrap();
    drop(port);
    thread::spawn(move || {
        let _held = held;
        terminal(&runtime, line);
    });
    name
}

/// Powers a blank terminal at the far end of a pipe.
pub(crate) fn at_a_pipe(faults: Faults) -> tokio::io::DuplexStream {
    let (near, far) = tokio::io::duplex(8192);
    thread::spawn(move || serve(&runtime(), far, faults));
    near
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Until the line is closed.
fn serve(runtime: &Runtime, mut line: impl AsyncRead + AsyncWrite + Unpin, faults: Faults) {
    let layout = Layout::up_to(FLASH, BLOCKED_CARDS);
    let flash = RefCell::new(Flash(vec![0xFF; layout.journal.end as usize]));
    let image = Image {
        firmware: [7; 32],
        test: true,
    };
    let mut terminal = Terminal::start(&flash, layout, UnwrapErr(SysRng), PortableP256, image, 0).unwrap();
    let (mut received, mut answered, mut late) = (0, 0, Vec::new());
    runtime.block_on(async {
        while let Ok(byte) = line.read_u8().await {
            received += 1;
            let flip = u8::from(faults.flipped_byte == Some(received));
            terminal.host_byte(byte ^ flip);
            let answer = answer(&mut terminal);
            if answer.is_empty() {
                continue;
            }
            answered += 1;
            let is_lost = |first| (first..=first + faults.lost_after).contains(&answered);
            if faults.lost_answer.is_some_and(is_lost) {
                continue;
            }
            if faults.late_answer == Some(answered) {
                late = answer;
                continue;
            }
            let bytes = [std::mem::take(&mut late), answer].concat();
            if line.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
}

fn answer<F: NorFlash>(terminal: &mut Terminal<'_, F, UnwrapErr<SysRng>, PortableP256>) -> Vec<u8> {
    let mut answer = Vec::new();
    while let Some(output) = terminal.poll() {
        if let Output::Host(bytes) = output {
            answer.extend_from_slice(bytes);
        }
    }
    answer
}

/// NOR flash in memory: erased to ones, programming clears bits.
struct Flash(Vec<u8>);

impl ErrorType for Flash {
    type Error = Infallible;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        for (cell, byte) in self.0[offset as usize..].iter_mut().zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}

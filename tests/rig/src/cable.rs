//! The cable between a host and a terminal: a pseudo-terminal whose bytes go to another port and back, counted, at the pace of
//! a serial line if wanted. It can be cut between any two frames or inside of one: whoever has the near end then sees a line
//! that broke, and the terminal at the far end sees nothing more.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_serial::{SerialPort as _, SerialStream};

/// Of a serial line, in bits a second; pseudo-terminals do not care.
const BAUD: u32 = 115_200;
/// Bytes that a line of that rate takes in a second, in each direction: ten bits a byte.
pub const BYTES_A_SECOND: u32 = BAUD / 10;
/// Bytes that are passed on together.
const CHUNK: usize = 64;
/// Zero bytes of a frame: one on each side (DATA 8.1).
const ZEROS: u64 = 2;

/// Where a cable is cut: so many frames of both directions have passed, and so many bytes of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CableCut {
    /// Frames that pass whole.
    pub frames: u64,
    /// Bytes of the next frame that still pass.
    pub bytes: u64,
}

/// A cable. It is unplugged when dropped.
///
/// A program that this process starts inherits the near end (serialport does not close it on exec) and never sees it cut: use a
/// cable that is cut in the process that has it.
#[derive(Debug)]
pub struct Cable {
    port: PathBuf,
    passed: Arc<AtomicU64>,
    zeros: Arc<AtomicU64>,
    unplug: Option<oneshot::Sender<()>>,
    worker: Option<JoinHandle<()>>,
}

impl Cable {
    /// Connects to the port `far`, with `pace` bytes a second in each direction, or as fast as it goes.
    ///
    /// # Errors
    /// When `far` cannot be opened, or there is no pseudo-terminal.
    pub fn connect(far: &Path, pace: Option<u32>, cut: Option<CableCut>) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (far, near, port) = {
            let _context = runtime.enter();
            let name = far.to_string_lossy().into_owned();
            let opened = SerialStream::open(&tokio_serial::new(&name, BAUD)).context(name)?;
            let (near, port) = SerialStream::pair()?;
            (opened, near, port)
        };
        let port_name = PathBuf::from(port.name().context("a pseudo-terminal without a name")?);
        // Held open, or the line would break whenever no command is at the port; without the lock that a serial port takes.
        let held = File::open(&port_name)?;
        drop(port);
        let passed = Arc::new(AtomicU64::new(0));
        let zeros = Arc::new(AtomicU64::new(0));
        let line = Line {
            pace,
            cut,
            zeros: Arc::clone(&zeros),
            rest: Cell::new(cut.map_or(0, |cut| cut.bytes)),
            passed: Arc::clone(&passed),
        };
        let (unplug, unplugged) = oneshot::channel();
        let worker = thread::spawn(move || {
            let _held = held;
            runtime.block_on(line.carry(near, far, unplugged));
        });
        Ok(Self {
            port: port_name,
            passed,
            zeros,
            unplug: Some(unplug),
            worker: Some(worker),
        })
    }

    /// The near end, for `ansinh terminal --port`.
    #[must_use]
    pub fn port(&self) -> &Path {
        &self.port
    }

    /// Bytes that have passed, in both directions.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Frames that have passed whole, in both directions.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.zeros.load(Ordering::SeqCst) / ZEROS
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // A cable that was cut listens no more.
        let _ = self.unplug.take().map(|unplug| unplug.send(()));
        let _ = self.worker.take().map(JoinHandle::join);
    }
}

/// What both directions share.
struct Line {
    pace: Option<u32>,
    cut: Option<CableCut>,
    zeros: Arc<AtomicU64>,
    /// Bytes that still pass of the frame in which the cable is cut.
    rest: Cell<u64>,
    passed: Arc<AtomicU64>,
}

impl Line {
    /// Until the cable is cut or unplugged.
    async fn carry(&self, near: SerialStream, far: SerialStream, unplugged: oneshot::Receiver<()>) {
        let (mut from_host, mut to_host) = split(near);
        let (mut from_terminal, mut to_terminal) = split(far);
        tokio::select! {
            () = self.pass(&mut from_host, &mut to_terminal) => {}
            () = self.pass(&mut from_terminal, &mut to_host) => {}
            _ = unplugged => {}
        }
    }

    async fn pass(&self, from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
        let mut buffer = [0; CHUNK];
        let mut free = Instant::now();
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let bytes = buffer.get(..length).unwrap_or_default();
            let whole = bytes.iter().take_while(|byte| self.may_pass(**byte)).count();
            if let Some(pace) = self.pace {
                free = free.max(Instant::now()) + Duration::from_secs(whole as u64) / pace;
                sleep_until(free).await;
            }
            let written = to.write_all(bytes.get(..whole).unwrap_or_default()).await;
            if written.is_err() || to.flush().await.is_err() || whole < length {
                return;
            }
        }
    }

    /// Counts a byte, unless the cable is cut before it.
    fn may_pass(&self, byte: u8) -> bool {
        if self
            .cut
            .is_some_and(|cut| self.zeros.load(Ordering::SeqCst) >= cut.frames * ZEROS)
        {
            let Some(rest) = self.rest.get().checked_sub(1) else {
                return false;
            };
            self.rest.set(rest);
        }
        self.zeros.fetch_add(u64::from(byte == 0), Ordering::SeqCst);
        self.passed.fetch_add(1, Ordering::SeqCst);
        true
    }
}

//! The host's side of the serial line to a terminal (DATA 8): one request at a time, time-outs, bounded repeats.
//!
//! Requests carry no number, so an answer that comes too late could be taken for the answer to the next request. Before
//! anything is repeated, the host therefore says Hello and drops what comes before the answer to that: terminals answer in
//! order. Repeated is always a whole use case, never a single message of it, because a list's lines would come twice
//! and a nonce serves once:
//!
//! | use case | why it may be repeated |
//! |---|---|
//! | [`TerminalLink::hello`], [`TerminalLink::read_journal`] | change nothing |
//! | [`TerminalLink::make_keys`] | keys without certificates are replaced by new ones |
//! | [`TerminalLink::install`] | the same certificates once more change nothing |
//! | [`TerminalLink::set_time`] | begins with a new nonce |
//! | [`TerminalLink::load_list`], [`TerminalLink::load_block_list`], [`TerminalLink::load_block_delta`] | go on where the terminal says that it stands, unless Hello names the number already |
//! | [`TerminalLink::load_operators`], [`TerminalLink::load_scripts`] | what it has once more changes nothing |
//! | [`TerminalLink::acknowledge`] | unless Hello says it is acknowledged already |

use std::collections::VecDeque;
use std::time::Duration;

use link::{
    Answer, Encoded, FrameDecoder, Hello, MAX_BYTES, MAX_ENCODED, MessageError, Refusal, Request,
    TerminalName, VERSION, receive, send,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_serial::SerialStream;

/// Any value serves on USB and in the emulator; a real UART is wired for this one.
const BAUD: u32 = 115_200;
/// A terminal that runs answers Hello at once.
const HELLO_PATIENCE: Duration = Duration::from_secs(2);
/// How often it is asked: a terminal that was just switched on needs a few seconds.
const HELLOS: u32 = 8;
/// The longest work of a terminal but for block lists and new keys is the hashing of a full list and erasing flash for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// For new keys a terminal erases its journal: on the largest chip 2,631 blocks, 132 s at 50 ms each, but 632 s when each takes as long
/// as it may (0.24 s: tSE in table 15 of the MX25R6435F's data sheet, revision 1.6). For 200,000 blocked cards it erases 452 blocks, 109 s
/// at the longest, writes 7,232 pages, 73 s at 10 ms, and takes 600,000 blocks of SHA-256, some 40 s on a common core.
const ERASING_PATIENCE: Duration = Duration::from_secs(660);
/// How often a use case is tried.
const ATTEMPTS: u32 = 3;

/// Why a terminal did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The port cannot be opened.
    #[error(
        "{port}: không mở được cổng nối tiếp / the serial port cannot be opened ({reason}). Check cable and name, and that no other program uses it"
    )]
    Port {
        /// The port.
        port: String,
        /// The driver's answer.
        reason: tokio_serial::Error,
    },
    /// The line broke.
    #[error(
        "mất kết nối với thiết bị / the line to the terminal broke ({0}). What the terminal confirmed is kept; check the cable and run the command again"
    )]
    Line(std::io::Error),
    /// No answer, however often it was asked.
    #[error(
        "thiết bị không trả lời / the terminal does not answer. Check that it is switched on, not in a payment, and that the port is right; then run the command again"
    )]
    Silent,
    /// Refused, with the terminal's reason.
    #[error("{0}")]
    Refused(Refusal),
    /// An answer to something else.
    #[error(
        "thiết bị trả lời sai / the terminal answered out of turn. Nothing was taken from it; run the command again, and report it if it stays"
    )]
    Unexpected,
    /// The terminal speaks another version.
    #[error(
        "thiết bị dùng phiên bản khác / the terminal speaks version {0} of the protocol, this program {VERSION}. Update the older one"
    )]
    Version(u8),
    /// A message cannot be made.
    #[error("the message to the terminal could not be made ({0}); nothing was sent")]
    Message(#[from] MessageError),
}

impl From<std::io::Error> for LinkError {
    fn from(error: std::io::Error) -> Self {
        Self::Line(error)
    }
}

impl LinkError {
    /// Whether it may go well the next time.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Silent | Self::Unexpected)
    }
}

/// Is told how many lines, entries or changes of a list the terminal has, of how many: also when it had some before.
pub type Taken<'t> = &'t mut dyn FnMut(usize, usize);

/// The two certificate requests of a terminal (SPEC 3.5), encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// For its key agreement key.
    pub agreement: Vec<u8>,
    /// For its journal key.
    pub journal: Vec<u8>,
}

/// How long and how often the terminal is asked.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the answer to Hello.
    pub hello: Duration,
    /// For the answer to what erases much of the flash: new keys, a part of a block list.
    pub erasing: Duration,
    /// For any other answer.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            hello: HELLO_PATIENCE,
            erasing: ERASING_PATIENCE,
            answer: PATIENCE,
        }
    }
}

/// An open line to a terminal.
pub struct TerminalLink<L> {
    line: L,
    runtime: Runtime,
    decoder: Box<FrameDecoder>,
    /// Received and not yet decoded.
    received: VecDeque<u8>,
    patience: Patience,
}

impl TerminalLink<SerialStream> {
    /// Opens a serial port, for this process alone.
    ///
    /// # Errors
    /// [`LinkError::Port`], [`LinkError::Line`].
    pub fn open(port: &str) -> Result<Self, LinkError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let line = {
            let _context = runtime.enter();
            SerialStream::open(&tokio_serial::new(port, BAUD)).map_err(|reason| LinkError::Port {
                port: port.to_owned(),
                reason,
            })?
        };
        Ok(Self::over(runtime, line, Patience::default()))
    }
}

impl<L: AsyncRead + AsyncWrite + Unpin> TerminalLink<L> {
    /// Speaks over any line; `line` must belong to `runtime`.
    pub fn over(runtime: Runtime, line: L, patience: Patience) -> Self {
        Self {
            line,
            runtime,
            decoder: Box::default(),
            received: VecDeque::new(),
            patience,
        }
    }

    /// Who is there.
    ///
    /// # Errors
    /// [`LinkError::Silent`], [`LinkError::Version`].
    pub fn hello(&mut self) -> Result<Hello, LinkError> {
        let ask = Request::Hello { version: VERSION };
        for _ in 0..HELLOS {
            self.write(&ask)?;
            match self.await_hello() {
                Err(LinkError::Silent) => {}
                Ok(hello) if hello.version != VERSION => return Err(LinkError::Version(hello.version)),
                other => return other,
            }
        }
        Err(LinkError::Silent)
    }

    /// Lets the terminal make both key pairs under a new name.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line.
    pub fn make_keys(&mut self, name: TerminalName) -> Result<Requests, LinkError> {
        self.repeat(|link| {
            link.ask(&Request::MakeKeys { name }, |answer| match answer {
                Answer::Requests { agreement, journal } => Some(Requests {
                    agreement: agreement.to_vec(),
                    journal: journal.to_vec(),
                }),
                _ => None,
            })
        })
    }

    /// Installs trust anchor and certificates, concatenated. An anchor that is there already must be the same.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line.
    pub fn install(&mut self, objects: &[u8]) -> Result<(), LinkError> {
        self.repeat(|link| link.done(&Request::Install { objects }))
    }

    /// Sets the clock: `statement` signs the time over the terminal's nonce.
    ///
    /// # Errors
    /// [`LinkError::Refused`], those of the line, and of `statement`.
    pub fn set_time<E: From<LinkError>>(
        &mut self,
        mut statement: impl FnMut([u8; 16]) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        self.repeat(|link| {
            let nonce = link.ask(&Request::TimeNonce, |answer| match answer {
                Answer::Nonce { nonce } => Some(nonce),
                _ => None,
            });
            let signed = match nonce.map(&mut statement) {
                Ok(Ok(signed)) => signed,
                Ok(Err(error)) => return Ok(Err(error)),
                Err(error) => return Err(error),
            };
            link.done(&Request::SetTime { signed: &signed }).map(Ok)
        })?
    }

    /// Sends a payment list, or what the terminal lacks of it: it is in force once this returns.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line; the list before it stays then.
    pub fn load_list(
        &mut self,
        number: u32,
        header: &[u8],
        lines: &[Vec<u8>],
        told: Taken<'_>,
    ) -> Result<(), LinkError> {
        self.repeat(|link| {
            if link.hello()?.list_number == number {
                return Ok(());
            }
            link.begin(&Request::ListBegin { header }, lines, told, |link, bytes| {
                link.done(&Request::ListLines { bytes })
            })?;
            link.done(&Request::ListEnd)
        })
    }

    /// Sends a block list with all its encoded entries, or what the terminal lacks of them: it is in force once this returns.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line; the block list before it stays then.
    pub fn load_block_list(
        &mut self,
        number: u32,
        header: &[u8],
        entries: &[Vec<u8>],
        told: Taken<'_>,
    ) -> Result<(), LinkError> {
        self.block_list(number, &Request::BlockBegin { header }, entries, told)
    }

    /// Sends a block list as the encoded changes to the one in force, whose header's body has the hash `base`, or what the
    /// terminal lacks of them: the later list is in force once this returns.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line; the block list before it stays then.
    pub fn load_block_delta(
        &mut self,
        number: u32,
        header: &[u8],
        base: [u8; 32],
        changes: &[Vec<u8>],
        told: Taken<'_>,
    ) -> Result<(), LinkError> {
        self.block_list(number, &Request::BlockDelta { header, base }, changes, told)
    }

    fn block_list(
        &mut self,
        number: u32,
        begin: &Request<'_>,
        items: &[Vec<u8>],
        told: Taken<'_>,
    ) -> Result<(), LinkError> {
        self.repeat(|link| {
            if link.hello()?.block_list_number == number {
                return Ok(());
            }
            link.begin(begin, items, told, |link, bytes| {
                link.done(&Request::BlockEntries { bytes })
            })?;
            link.done(&Request::BlockEnd)
        })
    }

    /// Begins a list and sends the items that the terminal lacks, as many in a message as the link allows.
    fn begin(
        &mut self,
        begin: &Request<'_>,
        items: &[Vec<u8>],
        told: Taken<'_>,
        send: impl Fn(&mut Self, &[u8]) -> Result<(), LinkError>,
    ) -> Result<(), LinkError> {
        let taken = self.ask(begin, |answer| match answer {
            Answer::Done => Some(0),
            Answer::Taken { count } => Some(count),
            _ => None,
        })?;
        let taken = usize::try_from(taken).map_err(|_| LinkError::Unexpected)?;
        let mut rest = items.get(taken..).ok_or(LinkError::Unexpected)?;
        told(taken, items.len());
        while !rest.is_empty() {
            let (next, later) = rest.split_at(fitting(rest));
            send(self, &next.concat())?;
            rest = later;
            told(items.len() - rest.len(), items.len());
        }
        Ok(())
    }

    /// Sends the signed list of who may work at the terminal.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line; the operators before them stay then.
    pub fn load_operators(&mut self, signed: &[u8]) -> Result<(), LinkError> {
        self.repeat(|link| link.done(&Request::Operators { signed }))
    }

    /// Sends the issuer scripts that the terminal is to carry from now on, concatenated: none to 12.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line; the scripts before them stay then.
    pub fn load_scripts(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.repeat(|link| link.done(&Request::Scripts { bytes }))
    }

    /// Whole journal entries from one on, oldest first; empty if there are no more.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line.
    pub fn read_journal(&mut self, from: u32) -> Result<Vec<u8>, LinkError> {
        self.repeat(|link| {
            link.ask(&Request::ReadJournal { from }, |answer| match answer {
                Answer::Entries { bytes } => Some(bytes.to_vec()),
                _ => None,
            })
        })
    }

    /// Hands over the signed acknowledgement of the entries up to `sequence`.
    ///
    /// # Errors
    /// [`LinkError::Refused`] and those of the line.
    pub fn acknowledge(&mut self, sequence: u32, signed: &[u8]) -> Result<(), LinkError> {
        self.repeat(|link| {
            if link.hello()?.acknowledged >= sequence {
                return Ok(());
            }
            link.done(&Request::Acknowledge { signed })
        })
    }

    /// Tries a use case again while the terminal is silent or out of step.
    fn repeat<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<T, LinkError>,
    ) -> Result<T, LinkError> {
        let mut result = attempt(self);
        for _ in 1..ATTEMPTS {
            if !result.as_ref().is_err_and(LinkError::is_passing) {
                break;
            }
            self.hello()?;
            result = attempt(self);
        }
        result
    }

    fn done(&mut self, request: &Request<'_>) -> Result<(), LinkError> {
        self.ask(request, |answer| matches!(answer, Answer::Done).then_some(()))
    }

    /// Asks once. Late answers to a repeated Hello are dropped.
    fn ask<T>(
        &mut self,
        request: &Request<'_>,
        expected: impl Fn(Answer<'_>) -> Option<T>,
    ) -> Result<T, LinkError> {
        let patience = match request {
            Request::MakeKeys { .. }
            | Request::BlockBegin { .. }
            | Request::BlockDelta { .. }
            | Request::BlockEntries { .. }
            | Request::BlockEnd => self.patience.erasing,
            _ => self.patience.answer,
        };
        self.write(request)?;
        self.read(patience, |answer| match answer {
            Answer::Hello(_) => None,
            Answer::Refused { code } => Some(Err(LinkError::Refused(code))),
            other => Some(expected(other).ok_or(LinkError::Unexpected)),
        })
    }

    fn await_hello(&mut self) -> Result<Hello, LinkError> {
        self.read(self.patience.hello, |answer| match answer {
            Answer::Hello(hello) => Some(Ok(hello)),
            _ => None,
        })
    }

    fn write(&mut self, request: &Request<'_>) -> Result<(), LinkError> {
        let mut encoded: Encoded = [0; MAX_ENCODED];
        let frame = send(request, &mut encoded).map_err(MessageError::from)?;
        let Self { runtime, line, .. } = self;
        let patience = self.patience.answer;
        // A time-out is made inside the runtime: its timer is the runtime's.
        let written = runtime.block_on(async {
            timeout(patience, async {
                line.write_all(frame).await?;
                line.flush().await
            })
            .await
        });
        written.map_err(|_| LinkError::Silent)?.map_err(LinkError::from)
    }

    /// Reads until `select` takes an answer, or until the time is over. Frames that cannot be read are no answers.
    fn read<T>(
        &mut self,
        patience: Duration,
        select: impl Fn(Answer<'_>) -> Option<Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        let Self {
            runtime,
            line,
            decoder,
            received,
            ..
        } = self;
        let search = async {
            let mut buffer = [0; MAX_ENCODED];
            loop {
                while let Some(byte) = received.pop_front() {
                    let Some(Ok(message)) = decoder.feed(byte) else {
                        continue;
                    };
                    let Ok(answer) = receive(message) else { continue };
                    if let Some(result) = select(answer) {
                        return result;
                    }
                }
                let length = line.read(&mut buffer).await?;
                if length == 0 {
                    return Err(LinkError::Line(std::io::ErrorKind::UnexpectedEof.into()));
                }
                received.extend(buffer.iter().take(length));
            }
        };
        let found = runtime.block_on(async { timeout(patience, search).await });
        found.unwrap_or(Err(LinkError::Silent))
    }
}

/// How many items, the first of them, make up the next message.
fn fitting(items: &[Vec<u8>]) -> usize {
    let mut room = MAX_BYTES;
    let fits = |item: &&Vec<u8>| {
        let left = room.checked_sub(item.len());
        room = left.unwrap_or_default();
        left.is_some()
    };
    items.iter().take_while(fits).count().max(1)
}

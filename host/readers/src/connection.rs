//! A powered card in a reader, on a thread and a context of its own.

use std::ffi::CString;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode};

use crate::exchange::exchange;
use crate::{Response, Statistics, TransmitError};

/// A connection to the card in one reader. As long as it stands the card keeps its power, and with it its selection and
/// secure channel, also between transactions; dropping it resets the card, so that nobody inherits them.
#[derive(Debug)]
pub struct CardConnection {
    worker: Worker,
    answer_to_reset: Vec<u8>,
    statistics: Statistics,
}

impl CardConnection {
    /// Connects to the card in the reader of this PC/SC name. `time_out` bounds this and every single later step: a card
    /// that generates keys takes seconds, one that says nothing for 30 seconds is dead.
    ///
    /// # Errors
    /// When there is no such reader, no card in it, no contact with it, or another program has it for itself.
    pub fn open(reader: &str, time_out: Duration) -> Result<Self, TransmitError> {
        let (worker, answer_to_reset) = Worker::start(reader, time_out)?;
        Ok(Self {
            worker,
            answer_to_reset,
            statistics: Statistics::default(),
        })
    }

    /// The card's answer to reset: at most 33 bytes (ISO/IEC 7816-3 §8.1).
    #[must_use]
    pub fn answer_to_reset(&self) -> &[u8] {
        &self.answer_to_reset
    }

    /// Reserves the card for one job, until the transaction is dropped. Never hold one while a person thinks or types.
    ///
    /// # Errors
    /// [`TransmitError::Reset`] when another program has reset the card since the last transaction: the next call
    /// succeeds, on a card that has forgotten session and selection. [`TransmitError::Busy`] when another program kept
    /// the card throughout the time-out.
    pub fn transaction(&mut self) -> Result<Transaction<'_>, TransmitError> {
        self.worker.call(Job::Begin, TransmitError::Busy)?;
        Ok(Transaction { connection: self })
    }

    /// What went over this connection so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }
}

/// A card reserved for one job: no other process's command comes in between.
#[derive(Debug)]
pub struct Transaction<'connection> {
    connection: &'connection mut CardConnection,
}

impl Transaction<'_> {
    /// Sends a command APDU and returns the whole answer, put together where the card gives it in pieces.
    ///
    /// # Errors
    /// See [`TransmitError`]: each says what it means for the card. A status word is no error here.
    pub fn transmit(&mut self, command: &[u8]) -> Result<Response, TransmitError> {
        let CardConnection {
            worker, statistics, ..
        } = &mut *self.connection;
        exchange(command, |command| {
            statistics.commands += 1;
            statistics.bytes_sent += command.len() as u64;
            let answer = worker.call(
                Job::Transmit(command.to_vec()),
                TransmitError::Mute(worker.time_out),
            )?;
            statistics.bytes_received += answer.len() as u64;
            Ok(answer)
        })
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.connection.worker.tell(Job::End);
    }
}

enum Job {
    Begin,
    Transmit(Vec<u8>),
    End,
}

type Answer = Result<Vec<u8>, TransmitError>;

/// The caller's end of the thread that blocks in PC/SC calls: no PC/SC call can be cancelled while a card is silent.
#[derive(Debug)]
struct Worker {
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    time_out: Duration,
    /// What ended this connection: it is the answer to everything from then on.
    fault: Option<TransmitError>,
}

impl Worker {
    fn start(reader: &str, time_out: Duration) -> Result<(Self, Vec<u8>), TransmitError> {
        let name = CString::new(reader).map_err(|_| TransmitError::ReaderLost)?;
        let (jobs, todo) = mpsc::channel();
        let (done, answers) = mpsc::channel();
        thread::Builder::new()
            .name(format!("reader {reader}"))
            .spawn(move || serve(&name, &todo, &done))
            .map_err(|_| TransmitError::Other(pcsc::Error::NoMemory))?;
        let mut worker = Self {
            jobs: Some(jobs),
            answers,
            time_out,
            fault: None,
        };
        let answer_to_reset = worker.wait(TransmitError::Mute(time_out))?;
        Ok((worker, answer_to_reset))
    }

    fn tell(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread has gone only after an answer that said why.
            let _ = jobs.send(job);
        }
    }

    /// Has a job done; `late` is what it means if the time-out comes first.
    fn call(&mut self, job: Job, late: TransmitError) -> Answer {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        self.tell(job);
        self.wait(late)
    }

    fn wait(&mut self, late: TransmitError) -> Answer {
        let answer = self
            .answers
            .recv_timeout(self.time_out)
            .unwrap_or_else(|error| match error {
                RecvTimeoutError::Timeout => Err(late),
                RecvTimeoutError::Disconnected => Err(TransmitError::ServiceLost),
            });
        self.fault = answer
            .as_ref()
            .err()
            .filter(|error| **error != TransmitError::Reset)
            .cloned();
        answer
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        // A thread that waits for a silent card, or for another program, is left behind: it ends when it gets its answer.
        if matches!(self.fault, Some(TransmitError::Mute(_) | TransmitError::Busy)) {
            return;
        }
        // Any other lets go of the card, and then of this channel, before the next connection is made.
        while self.answers.recv_timeout(self.time_out).is_ok() {}
    }
}

/// The thread: connects, reports the answer to reset, works until there are no more jobs, lets go.
fn serve(reader: &CString, jobs: &Receiver<Job>, answers: &Sender<Answer>) {
    let (mut card, answer_to_reset) = match connect(reader) {
        Ok(connected) => connected,
        Err(error) => {
            // Nobody listens any more: the caller's time-out came first.
            let _ = answers.send(Err(error.into()));
            return;
        }
    };
    if answers.send(Ok(answer_to_reset)).is_ok() {
        while let Ok(job) = jobs.recv() {
            if matches!(job, Job::Begin) && transact(&mut card, jobs, answers).is_none() {
                break;
            }
        }
    }
    // A reset, because a session or a verified PIN must not be there for whoever comes next.
    let _ = card.disconnect(Disposition::ResetCard);
}

fn connect(reader: &CString) -> Result<(Card, Vec<u8>), pcsc::Error> {
    let card = Context::establish(Scope::User)?.connect(reader, ShareMode::Shared, Protocols::ANY)?;
    let answer_to_reset = card.status2_owned()?.atr().to_vec();
    Ok((card, answer_to_reset))
}

/// One transaction; `None` when the caller has gone.
fn transact(card: &mut Card, jobs: &Receiver<Job>, answers: &Sender<Answer>) -> Option<()> {
    let transaction = match card.transaction2() {
        Ok(transaction) => transaction,
        Err((card, error)) => {
            if error == pcsc::Error::ResetCard {
                // Acknowledges the reset. If that fails, so does the next transaction, and says why.
                let _ = card.reconnect(ShareMode::Shared, Protocols::ANY, Disposition::LeaveCard);
            }
            return answers.send(Err(error.into())).ok();
        }
    };
    answers.send(Ok(Vec::new())).ok()?;
    let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
    while let Job::Transmit(command) = jobs.recv().ok()? {
        let answer = transaction.transmit(&command, &mut buffer).map(<[u8]>::to_vec);
        answers.send(answer.map_err(TransmitError::from)).ok()?;
    }
    Some(())
}

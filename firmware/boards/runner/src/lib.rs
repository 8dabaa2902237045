//! Feeds the terminal core from a board's wires and carries out what it asks for: the same on every board.
#![no_std]

use core::convert::Infallible;
use core::future::ready;

use card_spec::crypto::Curve;
use embassy_futures::select::{Either, Either3, select, select3};
use embassy_time::{Duration, Instant, Timer};
use embedded_io_async::{Read, Write};
use embedded_storage::nor_flash::NorFlash;
use rand_core::CryptoRng;
use reader::{MAX_APDU, Reader, ReaderError, Target, Transport};
use screen::Screen;
use terminal::{CardLost, Output, Terminal};
use zeroize::Zeroizing;

/// The core wants to know the time at least once a second.
const IDLE: Duration = Duration::from_millis(500);
/// How often the field is looked at while the core waits for a card, or holds one.
const LOOK: Duration = Duration::from_millis(100);

/// The clerk's keys. A read that is given up must lose none.
pub trait Keys: Read {
    /// A key that is held down now must not count before it was let go: it was perhaps pressed before the clerk could see what is
    /// asked. Keys that come over a line, already typed, are not held.
    fn forget_held(&mut self) {}
}

/// What a terminal's board is made of.
pub struct Parts<H, D, K, S> {
    /// Frames to and from the host.
    pub host: H,
    /// The clerk's screen.
    pub screen: D,
    /// The clerk's keys.
    pub keys: K,
    /// The wires to the PN532.
    pub card_reader: S,
}

/// Runs the terminal for ever. `progress` is called after everything that the core asked for, such as one exchange with a card, and
/// after each turn of the loop: at least every few seconds (an exchange ends after 4 s), and within 25 s when a reader has to be
/// set up on a line that is hardly ever quiet (10 s for that, 2 s for each of three commands, and 4 s each to find a card and to
/// change its rate).
// No `async fn`: its future would hold all parts twice, as given and as used.
pub fn run<F, R, P, H, D, K, S>(
    terminal: &mut Terminal<'_, F, R, P>,
    parts: Parts<H, D, K, S>,
    progress: impl FnMut(),
) -> impl Future<Output = Infallible>
where
    F: NorFlash,
    R: CryptoRng,
    P: Curve,
    H: Read + Write,
    D: Screen,
    K: Keys,
    S: Transport,
{
    let mut runner = Runner {
        terminal,
        host: parts.host,
        screen: parts.screen,
        keys: parts.keys,
        reader: Reader::new(parts.card_reader),
        field: Field::Off,
        complaint: None,
        progress,
    };
    async move {
        loop {
            runner.carry_out().await;
            runner.wait().await;
            (runner.progress)();
        }
    }
}

/// What the core wants of the reader, and what is there.
#[derive(Clone, Copy)]
enum Field {
    Off,
    Looking,
    Holding(Target),
}

struct Runner<'t, 'f, F, R, P, H, D, K, S, W> {
    terminal: &'t mut Terminal<'f, F, R, P>,
    host: H,
    screen: D,
    keys: K,
    reader: Reader<S>,
    field: Field,
    complaint: Option<ReaderError>,
    progress: W,
}

impl<F, R, P, H, D, K, S, W> Runner<'_, '_, F, R, P, H, D, K, S, W>
where
    F: NorFlash,
    R: CryptoRng,
    P: Curve,
    H: Read + Write,
    D: Screen,
    K: Keys,
    S: Transport,
    W: FnMut(),
{
    /// Waits for the next input and gives it to the core.
    async fn wait(&mut self) {
        // The keys may be a PIN.
        let (mut bytes, mut keys) = ([0; 128], Zeroizing::new([0; 8]));
        let pause = if matches!(self.field, Field::Off) {
            IDLE
        } else {
            LOOK
        };
        let host = self.host.read(&mut bytes);
        let keyboard = self.keys.read(keys.as_mut());
        // A line that fails has nothing to say: its peer will ask again.
        let (host, keyboard) = match select3(host, keyboard, Timer::after(pause)).await {
            Either3::First(count) => (count.unwrap_or(0), 0),
            Either3::Second(count) => (0, count.unwrap_or(0)),
            Either3::Third(()) => (0, 0),
        };
        self.tick();
        for byte in bytes.iter().take(host) {
            self.terminal.host_byte(*byte);
            self.carry_out().await;
        }
        for key in keys.iter().take(keyboard) {
            if self.screen.key(*key).await {
                continue;
            }
            self.terminal.key(*key);
            self.carry_out().await;
        }
        if host == 0 && keyboard == 0 {
            self.look().await;
        }
    }

    fn tick(&mut self) {
        self.terminal.tick(Instant::now().as_millis());
    }

    /// Tells the core at every look whether a card is there. A card that failed to answer is not "gone" before a look
    /// has found none: one that lies there and fails would be taken for a new one again and again.
    async fn look(&mut self) {
        let seen = match self.field {
            Field::Off => return,
            Field::Looking => self.reader.poll().await,
            Field::Holding(card) => match self.reader.is_present(card).await {
                Ok(present) => Ok(present.then_some(card)),
                // Whether it is gone is unknown: the next look sets the reader up anew and tells.
                Err(_) => {
                    self.field = Field::Looking;
                    return;
                }
            },
        };
        match seen {
            Ok(card) => {
                self.complaint = None;
                self.field = card.map_or(Field::Looking, Field::Holding);
                self.terminal.card_present(card.is_some());
            }
            Err(error) => self.complain(error).await,
        }
    }

    /// Carries out everything that the core asks for.
    async fn carry_out(&mut self) {
        while let Some(output) = self.terminal.poll() {
            match output {
                Output::Screen(text) => self.screen.show(text).await,
                Output::Host(bytes) => send(&mut self.host, bytes).await,
                Output::Field(on) => self.switch_field(on).await,
                Output::Transmit(command) => {
                    let mut response = [0; MAX_APDU];
                    let answered = match self.field {
                        Field::Holding(card) => self.reader.exchange(card, command, &mut response).await,
                        _ => Err(ReaderError::CardLost),
                    };
                    self.tick();
                    match answered.ok().and_then(|length| response.get(..length)) {
                        Some(response) => self.terminal.card_response(Ok(response)),
                        None => {
                            self.field = Field::Looking;
                            self.terminal.card_response(Err(CardLost));
                        }
                    }
                    self.drop_keys().await;
                }
            }
            (self.progress)();
        }
    }

    /// Drops what was typed while the card was served, before the core's answer to it is shown: an impatient Enter must
    /// not say that money is handed over.
    async fn drop_keys(&mut self) {
        let mut keys = Zeroizing::new([0; 8]);
        // A read that would wait ends there.
        while let Either::First(Ok(1..)) = select(self.keys.read(keys.as_mut()), ready(())).await {}
        // While the core computed nobody scanned the keypad: a key held since then would count as new.
        self.keys.forget_held();
    }

    async fn switch_field(&mut self, on: bool) {
        if let Field::Holding(card) = self.field
            && !on
        {
            // A reader that does not answer is set up anew at the next look, and that lets the card go as well.
            let _ = self.reader.release(card).await;
        }
        match (on, self.field) {
            (true, Field::Off) => self.field = Field::Looking,
            (true, _) => {}
            (false, _) => self.field = Field::Off,
        }
    }

    /// Tells the clerk once what is wrong with reader or card.
    async fn complain(&mut self, error: ReaderError) {
        if self.complaint.replace(error) == Some(error) {
            return;
        }
        let text = match error {
            ReaderError::NotASmartCard => {
                "Thẻ này không phải thẻ an sinh. Hãy bỏ ra.\n\u{1F}This is no social security card. Take it away.\n"
            }
            ReaderError::Silent | ReaderError::Garbled => {
                "Đầu đọc thẻ không trả lời. Kiểm tra dây nối.\n\u{1F}The card reader does not answer. Check its cable.\n"
            }
            ReaderError::CardLost | ReaderError::TooLong => {
                "Không đọc được thẻ. Đặt lại thẻ.\n\u{1F}The card cannot be read. Put it on again.\n"
            }
        };
        self.screen.show(text).await;
    }
}

/// A line that takes nothing loses what is sent; whoever is there later asks again.
async fn send(line: &mut impl Write, bytes: &[u8]) {
    let _ = line.write_all(bytes).await;
}

/// A text console on a serial line.
pub struct Console<W>(pub W);

impl<W: Write> Screen for Console<W> {
    async fn show(&mut self, text: &str) {
        for piece in screen::console::pieces(text) {
            send(&mut self.0, piece.as_bytes()).await;
        }
    }
}

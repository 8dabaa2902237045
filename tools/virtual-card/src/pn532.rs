//! Contactless transport: a simulated NXP PN532 on its serial interface ("HSU"), as a server on TCP.
//!
//! The terminal's real driver talks to it, so frames, checksums and the chip's ways are those of the user manual
//! UM0701-02, whose sections are quoted. Simulated are the commands that a terminal needs; anything else gets the
//! chip's syntax error frame. The field is empty or holds one card, as [`Control`] says. Terminals come and go.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::{Chip, Control};

/// Section 6.2.1.3.
const ACK: [u8; 6] = [0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00];
/// Section 6.2.1.5: an information frame that holds the code 7F alone.
const SYNTAX_ERROR: [u8; 8] = [0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00];
const FROM_HOST: u8 = 0xD4;
const TO_HOST: u8 = 0xD5;
/// Section 7.2.11: the byte that wakes the chip's serial interface up.
const WAKE_UP: u8 = 0x55;
/// The longest answer of a card in a normal frame: 255 less TFI, command code and status.
const MAX_APDU: usize = 252;

const DIAGNOSE: u8 = 0x00;
const GET_FIRMWARE_VERSION: u8 = 0x02;
const SAM_CONFIGURATION: u8 = 0x14;
const RF_CONFIGURATION: u8 = 0x32;
const IN_DATA_EXCHANGE: u8 = 0x40;
const IN_LIST_PASSIVE_TARGET: u8 = 0x4A;
const IN_PSL: u8 = 0x4E;
const IN_RELEASE: u8 = 0x52;

/// Section 7.1, table of error codes.
const TIME_OUT: u8 = 0x01;
const ANSWER_TOO_LONG: u8 = 0x07;
const NO_SUCH_TARGET: u8 = 0x27;

/// The number that the chip gives to the only card it activates.
const TARGET: u8 = 1;
/// SENS_RES and SEL_RES of a card with a single-size UID that speaks ISO/IEC 14443-4.
const SENS_SEL_RES: [u8; 3] = [0x00, 0x04, 0x20];
/// ISO/IEC 14443-4, 5.2: TL, T0 (frames of 256 bytes), TA1 (212 and 424 kbit/s, the same in both directions), TB1 (waiting time
/// 39 ms), TC1.
const ATS: [u8; 5] = [0x05, 0x78, 0xB3, 0x70, 0x02];
/// Section 7.3.7: the highest rate in InPSL, 424 kbit/s.
const FASTEST: u8 = 0x02;
/// Section 7.3.1, item 5: "retry eternally", the setting after reset.
const FOR_EVER: u8 = 0xFF;

/// Serves one terminal after the other on `listener`; a chip that was active for one has to be found again by the next.
///
/// # Errors
/// When no connection can be accepted any more.
pub fn run(chip: &mut impl Chip, listener: &TcpListener, control: &Control) -> io::Result<()> {
    for terminal in listener.incoming() {
        // The connection ends when the terminal does: nothing to report.
        let _ = serve(chip, &terminal?, control);
    }
    Ok(())
}

fn serve(chip: &mut impl Chip, terminal: &TcpStream, control: &Control) -> io::Result<()> {
    terminal.set_nodelay(true)?;
    let mut line = BufReader::new(terminal);
    // The chip sleeps until it is woken up and answers nothing.
    line.skip_until(WAKE_UP)?;
    let mut pn532 = Pn532 {
        chip,
        control,
        retries: FOR_EVER,
        active: None,
        in_use: false,
    };
    let mut last = Vec::new();
    loop {
        match receive(&mut line)? {
            // An ACK ends the running command; commands here run to their end before the next frame is read.
            Received::Ack | Received::Disturbed => {}
            Received::Nack => (&*terminal).write_all(&last)?,
            Received::Information(content) => {
                (&*terminal).write_all(&ACK)?;
                last = match pn532.carry_out(&content) {
                    Some(answer) => information(&answer),
                    None => SYNTAX_ERROR.to_vec(),
                };
                (&*terminal).write_all(&last)?;
            }
        }
    }
}

enum Received {
    Ack,
    Nack,
    /// TFI, command code and data of a frame whose checksums are right.
    Information(Vec<u8>),
    /// A wrong checksum: the chip does not react, and the host will run out of patience.
    Disturbed,
}

/// The next frame (section 6.2.1); bytes before its start code `00 FF` are skipped.
fn receive(line: &mut impl Read) -> io::Result<Received> {
    let mut before = 0xFF;
    loop {
        let [byte] = take(line)?;
        if [before, byte] == [0x00, 0xFF] {
            break;
        }
        before = byte;
    }
    let [length, checksum] = take(line)?;
    match [length, checksum] {
        [0x00, 0xFF] => return Ok(Received::Ack),
        [0xFF, 0x00] => return Ok(Received::Nack),
        _ if length.wrapping_add(checksum) != 0 => return Ok(Received::Disturbed),
        _ => {}
    }
    let mut content = vec![0; usize::from(length)];
    line.read_exact(&mut content)?;
    let [checksum] = take(line)?;
    if sum(&content).wrapping_add(checksum) != 0 {
        return Ok(Received::Disturbed);
    }
    Ok(Received::Information(content))
}

fn take<const N: usize>(line: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    line.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Puts at most 255 bytes (TFI, code, data) into a normal information frame.
fn information(content: &[u8]) -> Vec<u8> {
    let length = content.len() as u8;
    let mut frame = vec![0x00, 0x00, 0xFF, length, length.wrapping_neg()];
    frame.extend(content);
    frame.extend([sum(content).wrapping_neg(), 0x00]);
    frame
}

struct Pn532<'a, C> {
    chip: &'a mut C,
    control: &'a Control,
    retries: u8,
    /// The insertion whose card is active: taken out and put back, it is another activation.
    active: Option<u64>,
    /// It has had its rate, or a command: too late for another rate.
    in_use: bool,
}

impl<C: Chip> Pn532<'_, C> {
    /// Carries out one command; none for what the chip calls a syntax error.
    fn carry_out(&mut self, content: &[u8]) -> Option<Vec<u8>> {
        let [FROM_HOST, code, data @ ..] = content else {
            return None;
        };
        let answer = match (*code, data) {
            // Test 6: is the active card still there?
            (DIAGNOSE, [0x06]) if self.active.is_some() && self.is_there() => vec![0x00],
            (DIAGNOSE, [0x06]) => self.lost(),
            // IC PN532, version 1.6, support for ISO/IEC 14443 A and B and ISO 18092.
            (GET_FIRMWARE_VERSION, []) => vec![0x32, 0x01, 0x06, 0x07],
            // Normal mode; time-out and IRQ pin are as they please.
            (SAM_CONFIGURATION, [0x01, ..]) => vec![],
            (RF_CONFIGURATION, [0x05, _, _, retries]) => {
                self.retries = *retries;
                vec![]
            }
            (RF_CONFIGURATION, [item, _, ..]) if *item != 0x05 => vec![],
            // At most one card of type A at 106 kbit/s.
            (IN_LIST_PASSIVE_TARGET, [1..=2, 0x00, ..]) => self.list_passive_target(),
            // A wire of TCP has no rate: only who may ask for one, and when, is the chip's.
            (IN_PSL, [target, to @ ..=FASTEST, from @ ..=FASTEST]) if to == from => self.change_rate(*target),
            (IN_DATA_EXCHANGE, [target, apdu @ ..]) => self.exchange(*target, apdu),
            (IN_RELEASE, [0 | TARGET]) => {
                self.active = None;
                vec![0x00]
            }
            _ => return None,
        };
        Some([&[TO_HOST, code.wrapping_add(1)], answer.as_slice()].concat())
    }

    fn list_passive_target(&mut self) -> Vec<u8> {
        self.active = None;
        if self.retries == FOR_EVER && !self.control.wait_until_inserted() {
            return vec![0];
        }
        let Some(insertion) = self.control.insertion() else {
            self.control.miss();
            return vec![0];
        };
        self.chip.reset();
        self.active = Some(insertion);
        self.in_use = false;
        // ISO/IEC 14443-3, 6.5.4: 08 starts a UID that is not fixed.
        let [.., a, b, c] = insertion.to_be_bytes();
        [&[1, TARGET], &SENS_SEL_RES[..], &[4, 0x08, a, b, c], &ATS].concat()
    }

    /// PPS (ISO/IEC 14443-4, 5.3): once after activation, before the first command.
    fn change_rate(&mut self, target: u8) -> Vec<u8> {
        if target != TARGET || self.active.is_none() {
            return vec![NO_SUCH_TARGET];
        }
        if self.in_use || !self.is_there() {
            return self.lost();
        }
        self.in_use = true;
        vec![0x00]
    }

    fn exchange(&mut self, target: u8, apdu: &[u8]) -> Vec<u8> {
        if target != TARGET || self.active.is_none() {
            return vec![NO_SUCH_TARGET];
        }
        if !self.is_there() {
            return self.lost();
        }
        self.in_use = true;
        match self.control.transmit(self.chip, apdu) {
            Some(answer) if answer.len() > MAX_APDU => vec![ANSWER_TOO_LONG],
            // Taken away while it worked: nobody hears the answer.
            Some(answer) if self.is_there() => [&[0x00], answer.as_slice()].concat(),
            _ => self.lost(),
        }
    }

    fn is_there(&self) -> bool {
        self.control.insertion() == self.active
    }

    fn lost(&mut self) -> Vec<u8> {
        self.active = None;
        vec![TIME_OUT]
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    const SELECT: [u8; 6] = [FROM_HOST, IN_DATA_EXCHANGE, TARGET, 0x00, 0xA4, 0x04];
    const LIST: [u8; 4] = [FROM_HOST, IN_LIST_PASSIVE_TARGET, 1, 0];
    const PATIENCE: Duration = Duration::from_millis(200);

    /// Answers with the command and 9000; a command that begins with FF gets an answer of as many bytes as its second says,
    /// and 200 more; one that begins with EE loses the power.
    struct Echo;

    impl Chip for Echo {
        fn answer_to_reset(&self) -> Vec<u8> {
            vec![]
        }
        fn reset(&mut self) {}
        fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
            match command {
                [0xFF, length, ..] => vec![0x5A; usize::from(*length) + 200],
                [0xEE, ..] => vec![],
                _ => [command, &[0x90, 0x00]].concat(),
            }
        }
    }

    struct Terminal(TcpStream);

    impl Terminal {
        /// A terminal on a woken reader that gives up after one try.
        fn start() -> (Self, Control) {
            let (mut terminal, control) = Self::asleep();
            terminal.send(&[WAKE_UP, WAKE_UP, 0, 0, 0, 0]);
            let retries = [FROM_HOST, RF_CONFIGURATION, 0x05, 0xFF, 0x01, 0x01];
            assert_eq!(terminal.ask(&retries), [TO_HOST, 0x33]);
            (terminal, control)
        }

        fn asleep() -> (Self, Control) {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let terminal = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            terminal.set_read_timeout(Some(PATIENCE)).unwrap();
            let control = Control::default();
            let hand = control.clone();
            thread::spawn(move || run(&mut Echo, &listener, &hand));
            (Self(terminal), control)
        }

        fn send(&mut self, bytes: &[u8]) {
            self.0.write_all(bytes).unwrap();
        }

        /// Sends a command, expects its ACK, and returns the content of the answer.
        fn ask(&mut self, content: &[u8]) -> Vec<u8> {
            self.send(&information(content));
            self.answer()
        }

        fn answer(&mut self) -> Vec<u8> {
            assert_eq!(take::<6>(&mut self.0).unwrap(), ACK);
            self.frame()
        }

        fn frame(&mut self) -> Vec<u8> {
            let [0, 0, 0xFF, length, checksum] = take(&mut self.0).unwrap() else {
                panic!("no start code");
            };
            assert_eq!(length.wrapping_add(checksum), 0);
            let mut rest = vec![0; usize::from(length) + 2];
            self.0.read_exact(&mut rest).unwrap();
            assert_eq!(rest.pop(), Some(0), "postamble");
            assert_eq!(sum(&rest), 0, "checksum");
            rest.pop();
            rest
        }

        fn assert_silence(&mut self) {
            let error = self.0.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn a_card_is_found_and_answers() {
        let (mut terminal, control) = Terminal::start();
        assert_eq!(terminal.ask(&LIST), [TO_HOST, 0x4B, 0]);
        control.insert();
        let found = terminal.ask(&LIST);
        assert_eq!(found[..8], [TO_HOST, 0x4B, 1, TARGET, 0x00, 0x04, 0x20, 4]);
        assert_eq!(
            terminal.ask(&SELECT),
            [TO_HOST, 0x41, 0, 0x00, 0xA4, 0x04, 0x90, 0x00]
        );
        assert_eq!(terminal.ask(&[FROM_HOST, IN_RELEASE, TARGET]), [TO_HOST, 0x53, 0]);
        assert_eq!(terminal.ask(&SELECT), [TO_HOST, 0x41, NO_SUCH_TARGET]);
    }

    #[test]
    fn bytes_are_those_of_the_manual() {
        let (mut terminal, _) = Terminal::start();
        // The example of section 7.2.2, with junk before it and its preamble doubled.
        terminal.send(&[0xAA, 0x00, 0x00, 0x00, 0xFF, 0x02, 0xFE, 0xD4, 0x02, 0x2A, 0x00]);
        let expected = [
            0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0x06, 0xFA, 0xD5, 0x03, 0x32, 0x01, 0x06,
            0x07, 0xE8, 0x00,
        ];
        assert_eq!(take::<19>(&mut terminal.0).unwrap(), expected);
    }

    #[test]
    fn a_rate_is_asked_for_once_and_before_the_first_command() {
        let (mut terminal, control) = Terminal::start();
        let faster = [FROM_HOST, IN_PSL, TARGET, 2, 2];
        let changed = [TO_HOST, 0x4F, 0];
        let lost = [TO_HOST, 0x4F, TIME_OUT];
        assert_eq!(terminal.ask(&faster), [TO_HOST, 0x4F, NO_SUCH_TARGET]);
        control.insert();
        terminal.ask(&LIST);
        assert_eq!(terminal.ask(&faster), changed);
        assert_eq!(terminal.ask(&SELECT)[2], 0);
        terminal.ask(&[FROM_HOST, IN_RELEASE, TARGET]);
        for late in [faster.as_slice(), &SELECT] {
            terminal.ask(&LIST);
            assert_eq!(terminal.ask(late)[2], 0);
            assert_eq!(terminal.ask(&faster), lost);
        }
        terminal.ask(&LIST);
        control.remove();
        assert_eq!(terminal.ask(&faster), lost);
    }

    #[test]
    fn asleep_it_is_silent() {
        let (mut terminal, _) = Terminal::asleep();
        terminal.send(&information(&[FROM_HOST, GET_FIRMWARE_VERSION]));
        terminal.assert_silence();
    }

    #[test]
    fn a_wrong_checksum_gets_silence_and_does_no_harm() {
        let (mut terminal, control) = Terminal::start();
        control.insert();
        terminal.ask(&LIST);
        let good = information(&SELECT);
        for place in 3..good.len() - 1 {
            let mut bad = good.clone();
            bad[place] ^= 0x01;
            terminal.send(&bad);
        }
        // A wrong length that still has its checksum swallows what follows; enough zeros end it.
        terminal.send(&[0; 300]);
        terminal.assert_silence();
        assert_eq!(control.commands(), 0);
        assert_eq!(terminal.ask(&SELECT)[2], 0);
    }

    #[test]
    fn a_nack_brings_the_last_answer_again_and_the_card_sees_one_command() {
        let (mut terminal, control) = Terminal::start();
        control.insert();
        terminal.ask(&LIST);
        let answer = terminal.ask(&SELECT);
        terminal.send(&[0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00]);
        assert_eq!(terminal.frame(), answer);
        terminal.send(&ACK);
        terminal.assert_silence();
        assert_eq!(control.commands(), 1);
    }

    #[test]
    fn what_the_chip_does_not_know_is_a_syntax_error() {
        let (mut terminal, control) = Terminal::start();
        control.insert();
        let unknown: [&[u8]; 13] = [
            &[],
            &[FROM_HOST],
            &[TO_HOST, GET_FIRMWARE_VERSION],
            &[FROM_HOST, GET_FIRMWARE_VERSION, 0],
            &[FROM_HOST, 0x99],
            &[FROM_HOST, SAM_CONFIGURATION],
            &[FROM_HOST, RF_CONFIGURATION, 0x05, 0xFF],
            &[FROM_HOST, IN_LIST_PASSIVE_TARGET, 3, 0],
            &[FROM_HOST, IN_DATA_EXCHANGE],
            &[FROM_HOST, IN_RELEASE, 2],
            &[FROM_HOST, IN_PSL, TARGET, 3, 3],
            &[FROM_HOST, IN_PSL, TARGET, 2, 1],
            &[FROM_HOST, IN_PSL, TARGET],
        ];
        for content in unknown {
            assert_eq!(terminal.ask(content), [0x7F], "{content:02X?}");
        }
    }

    #[test]
    fn the_longest_apdu_passes_and_a_longer_answer_is_an_error() {
        let (mut terminal, control) = Terminal::start();
        control.insert();
        terminal.ask(&LIST);
        let exchange = |apdu: &[u8]| [&[FROM_HOST, IN_DATA_EXCHANGE, TARGET], apdu].concat();
        let longest = terminal.ask(&exchange(&[0xFF, 52]));
        assert_eq!((longest.len(), longest[2]), (255, 0));
        assert_eq!(
            terminal.ask(&exchange(&[0xFF, 53])),
            [TO_HOST, 0x41, ANSWER_TOO_LONG]
        );
        let longest_command = exchange(&[0xFF; MAX_APDU]);
        assert_eq!(terminal.ask(&longest_command)[2], ANSWER_TOO_LONG);
        assert_eq!(terminal.ask(&SELECT)[2], 0);
    }

    #[test]
    fn a_card_that_left_is_a_time_out_even_if_it_came_back() {
        let (mut terminal, control) = Terminal::start();
        let lost = [TO_HOST, 0x41, TIME_OUT];
        let presence = [FROM_HOST, DIAGNOSE, 0x06];
        assert_eq!(terminal.ask(&presence), [TO_HOST, 0x01, TIME_OUT]);
        control.insert();
        terminal.ask(&LIST);
        assert_eq!(terminal.ask(&presence), [TO_HOST, 0x01, 0x00]);
        control.remove();
        assert_eq!(terminal.ask(&SELECT), lost);
        assert_eq!(terminal.ask(&LIST), [TO_HOST, 0x4B, 0]);

        control.insert();
        terminal.ask(&LIST);
        control.remove();
        control.insert();
        assert_eq!(terminal.ask(&SELECT), lost);
        assert_eq!(terminal.ask(&SELECT), [TO_HOST, 0x41, NO_SUCH_TARGET]);

        terminal.ask(&LIST);
        assert_eq!(terminal.ask(&[FROM_HOST, IN_DATA_EXCHANGE, TARGET, 0xEE]), lost);
        assert!(!control.is_inserted());
    }

    #[test]
    fn a_restarted_terminal_finds_the_reader_asleep_and_the_card_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let control = Control::default();
        control.insert();
        let hand = control.clone();
        thread::spawn(move || run(&mut Echo, &listener, &hand));
        for _ in 0..3 {
            let mut terminal = Terminal(TcpStream::connect(address).unwrap());
            terminal.0.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            terminal.send(&[WAKE_UP]);
            assert_eq!(terminal.ask(&SELECT), [TO_HOST, 0x41, NO_SUCH_TARGET]);
            assert_eq!(terminal.ask(&LIST)[2], 1);
            assert_eq!(terminal.ask(&SELECT)[2], 0);
        }
    }
}

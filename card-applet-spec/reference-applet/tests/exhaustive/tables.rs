//! What SPEC 14 and the clauses behind it answer to a command with no data, or with one byte of it. Written from SPEC.md.

#![allow(unreachable_pub, reason = "the module of one test")]

use card_spec::command::LifeCycle::{self, Active, Blank, Blocked, Personalizing, Terminated};

pub const STATES: [LifeCycle; 5] = [Blank, Personalizing, Active, Blocked, Terminated];

/// The tables of SPEC 14.2 as they stand there: class and instruction, then the answer in each state. No new PIN is permitted.
const PLAIN: &str = "
00A4 yes yes yes yes yes
00B0 6985 6985 yes yes yes
8050 yes yes yes yes yes
8482 yes yes yes yes yes
802A 6985 6985 yes yes yes
8082 6985 6985 yes yes yes";

const SCP03: &str = "
84CA yes yes yes yes yes
84D8 yes yes yes yes 6985
8447 6985 yes 6985 6985 6985
84E2 6985 yes yes 6985 6985
8424 6985 yes 6985 6985 6985
8444 6985 yes yes 6985 6985
84B0 6985 yes yes yes 6985
84B2 6985 6985 yes yes yes
845A 6985 6985 yes yes 6985";

const TERMINAL: &str = "
84CA - - yes yes yes
8488 - - yes yes yes
84B2 - - yes yes yes
84B0 - - yes yes yes
8420 - - yes 6985 6985
8424 - - yes 6985 6985
8454 - - yes yes yes
8456 - - yes yes yes
845A - - yes yes 6985
8404 - - yes 6985 6985";

/// SPEC 14.3: files, then whether a terminal reads them on an active card, and afterwards.
const FILES: &str = "
9D yes yes
81 yes 6982
82 yes 6982
83 yes 6982
85 yes 6982
84 6982 6982
86 6982 6982";

/// What the card knows of whoever talks to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    Closed,
    Selected,
    Challenged,
    AuthorityPresented,
    TerminalPresented,
    Scp03,
    Terminal,
    /// A terminal's session after VERIFY.
    Verified,
}

/// All that an answer depends on.
#[derive(Clone, Debug)]
pub struct Situation {
    pub state: LifeCycle,
    pub session: Session,
    /// Length of the file with this short identifier; `None` if the card has none.
    pub files: [Option<usize>; 32],
    /// Receipts given.
    pub records: u8,
    /// Length of the file that READ BINARY made current.
    pub current: Option<usize>,
}

/// The status words that SPEC.md allows: one, unless it leaves it open.
pub type Answer = &'static [u16];

const DONE: Answer = &[0x9000];
const CLASS: Answer = &[0x6E00];
const INSTRUCTION: Answer = &[0x6D00];
const LIFE_CYCLE: Answer = &[0x6985];
const P1_P2: Answer = &[0x6A86];
const SECURITY: Answer = &[0x6982];
const LENGTH: Answer = &[0x6700];
const DATA: Answer = &[0x6A80];
const FILE: Answer = &[0x6A82];

/// The answer to a class and instruction whatever P1 and P2 are, or what they decide.
pub enum Verdict {
    Fixed(Answer),
    ByParameters,
}

use Verdict::{ByParameters, Fixed};

/// What a table says of a command: `None` if it is none of this kind of session.
fn row(table: &str, key: &str, state: LifeCycle) -> Option<Verdict> {
    let row = table.lines().find(|line| line.starts_with(key))?;
    let column = STATES.iter().position(|other| *other == state)?;
    Some(match row.split(' ').nth(column + 1)? {
        "yes" => ByParameters,
        "6985" => Fixed(LIFE_CYCLE),
        other => panic!("{key} {other}"),
    })
}

/// The instructions of the table, with their classes.
pub fn commands(session: Session) -> Vec<(u8, u8)> {
    let table = match session {
        Session::Scp03 => SCP03,
        Session::Terminal | Session::Verified => TERMINAL,
        _ => PLAIN,
    };
    let byte = |text: &str| u8::from_str_radix(text, 16).unwrap();
    let keys = table.lines().filter(|line| !line.is_empty());
    keys.map(|line| (byte(&line[..2]), byte(&line[2..4]))).collect()
}

/// SPEC 8.5: the commands that may be chained in a session.
const CHAINED_IN_SESSION: [u8; 4] = [0x54, 0x56, 0x5A, 0x04];

impl Situation {
    /// A command without secure messaging, in no session.
    pub fn plain(&self, class: u8, instruction: u8) -> Verdict {
        // ISO/IEC 7816-4:2020, 5.4.1 and 5.4.2: invalid in whatever application.
        if class == 0xFF {
            return Fixed(CLASS);
        }
        if matches!(instruction >> 4, 6 | 9) {
            return Fixed(INSTRUCTION);
        }
        if (class, instruction) == (0x00, 0xA4) {
            return ByParameters;
        }
        if self.session == Session::Closed {
            return Fixed(SECURITY);
        }
        if class & 0x10 != 0 && (class, instruction) != (0x90, 0x2A) {
            return Fixed(CLASS);
        }
        let key = format!("{:02X}{instruction:02X}", class & !0x10);
        match row(PLAIN, &key, self.state) {
            // A part of a chain: what it comes to is decided with the last one.
            Some(ByParameters) if class == 0x90 => Fixed(DONE),
            Some(verdict) => verdict,
            None => Fixed(match class {
                0x84 => SECURITY,
                0x00 | 0x80 => INSTRUCTION,
                _ => CLASS,
            }),
        }
    }

    /// A command in a session, its protection in order.
    pub fn protected(&self, class: u8, instruction: u8) -> Verdict {
        let chained = class == 0x94;
        if chained && !CHAINED_IN_SESSION.contains(&instruction) {
            return Fixed(CLASS);
        }
        let table = if self.session == Session::Scp03 {
            SCP03
        } else {
            TERMINAL
        };
        match row(table, &format!("84{instruction:02X}"), self.state) {
            Some(ByParameters) if chained => Fixed(DONE),
            Some(verdict) => verdict,
            None => Fixed(INSTRUCTION),
        }
    }

    /// The answer to a command that is taken in this state, with so many bytes of data: none, or one.
    pub fn by_parameters(&self, class: u8, instruction: u8, parameters: [u8; 2], length: usize) -> Answer {
        let right = |right: &[[u8; 2]], answer| {
            if right.contains(&parameters) {
                answer
            } else {
                P1_P2
            }
        };
        let empty = length == 0;
        match (self.session, class, instruction) {
            // SPEC 6.1: an application of another name is none.
            (_, 0x00, 0xA4) => right(&[[4, 0]], FILE),
            (_, 0x80, 0x50) => right(&[[0, 0]], LENGTH),
            (Session::Challenged, 0x84, 0x82) => right(&[[0x33, 0]], LENGTH),
            (_, 0x84, 0x82) => right(&[[0x33, 0]], SECURITY),
            (_, 0x80, 0x2A) => right(&[[1, 0x90], [1, 0x10]], DATA),
            (Session::TerminalPresented, 0x80, 0x82) => right(&[[1, 0x11]], DATA),
            (_, 0x80, 0x82) => right(&[[1, 0x11]], SECURITY),
            (_, 0x00, 0xB0) => self.read_security_object(parameters, empty),
            (_, _, 0xCA) if parameters != [0xFF, 0x3F] => &[0x6A88],
            (_, _, 0xCA) => without_data(DONE, empty),
            (_, _, 0xD8) => right(&[[0, 0x81]], &[0x6A80, 0x6700]),
            (_, _, 0x47) => right(&[[0, 0], [1, 0]], DATA),
            (_, _, 0xE2) if empty => right(&[[0, 0], [0x80, 0]], LENGTH),
            (_, _, 0xE2) => right(&[[0x80, 0]], DATA),
            (Session::Scp03, _, 0x24) => right(&[[1, 0x81]], DATA),
            // Activated already, or without a PIN: neither changes anything.
            (_, _, 0x44) => right(&[[0, 0]], without_data(self.activates(), empty)),
            (_, _, 0xB0) => self.read_binary(parameters, empty),
            (_, _, 0xB2) => self.read_record(parameters, empty),
            (_, _, 0x88) => right(&[[0, 0]], without_data(DONE, empty)),
            (Session::Terminal, _, 0x20) if empty => right(&[[0, 0x81]], &[0x63C3]),
            (_, _, 0x20) if empty => right(&[[0, 0x81]], DONE),
            (_, _, 0x20 | 0x24) => right(&[[0, 0x81]], DATA),
            (_, _, 0x54 | 0x56 | 0x5A) => right(&[[0, 0]], DATA),
            (_, _, 0x04) => right(&[[0, 0], [1, 0]], DATA),
            _ => panic!("{class:02X} {instruction:02X} is in no table"),
        }
    }

    fn activates(&self) -> Answer {
        if self.state == Active { DONE } else { LIFE_CYCLE }
    }

    /// SPEC 7.4.
    fn read_security_object(&self, [p1, p2]: [u8; 2], empty: bool) -> Answer {
        if p1 >= 0x80 && p2 != 0 {
            return P1_P2;
        }
        if self.session != Session::TerminalPresented {
            return SECURITY;
        }
        match (p1, empty) {
            (0x80.., _) if p1 != 0x9D => &[0x6982, 0x6A82, 0x6A86, 0x6700],
            (_, false) => LENGTH,
            (0x80.., true) => DONE,
            (_, true) => offset(self.files[0x1D], [p1, p2]),
        }
    }

    /// SPEC 7.7 and 14.3.
    fn read_binary(&self, [p1, p2]: [u8; 2], empty: bool) -> Answer {
        if p1 < 0x80 {
            return match self.current {
                _ if !empty => LENGTH,
                None => FILE,
                current => offset(current, [p1, p2]),
            };
        }
        if p2 != 0 {
            return P1_P2;
        }
        // ISO/IEC 7816-4:2020, 11.3.3: bits 7 and 6 of P1 are 0 with a short identifier.
        if p1 & 0x60 != 0 {
            return &[0x6A82, 0x6A86, 0x6700];
        }
        let key = format!("{p1:02X}");
        let row = FILES.lines().find(|line| line.starts_with(&key));
        let readable = row.map(|row| {
            let column = if self.state == Active { 1 } else { 2 };
            self.session == Session::Scp03 || row.split(' ').nth(column) == Some("yes")
        });
        match (readable, self.files[usize::from(p1 & 0x1F)]) {
            (Some(false), _) => SECURITY,
            _ if !empty => LENGTH,
            (Some(true), Some(_)) => DONE,
            _ => FILE,
        }
    }

    /// SPEC 9.9.
    fn read_record(&self, [number, file]: [u8; 2], empty: bool) -> Answer {
        match (number, file) {
            (1.., 0xDC | 0xE4) if !empty => LENGTH,
            (1.., 0xDC | 0xE4) if number <= self.records => DONE,
            (1.., 0xDC | 0xE4) => &[0x6A83],
            _ => P1_P2,
        }
    }
}

fn without_data(answer: Answer, empty: bool) -> Answer {
    if empty { answer } else { LENGTH }
}

/// SPEC 7.7: an offset at or past the end is `6B00`.
fn offset(file: Option<usize>, offset: [u8; 2]) -> Answer {
    let inside = file.is_some_and(|length| usize::from(u16::from_be_bytes(offset)) < length);
    if inside { DONE } else { &[0x6B00] }
}

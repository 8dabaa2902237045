//! SPEC 14: every command in every state and kind of session where it must be refused, and the order of the checks. What
//! the tables allow is tested by the cases of the command's own clause.

use crate::bench::Bench;
use crate::case::{Case, Stage, check};
use crate::channel::command_name;
use crate::issuer::{
    ACTIVATE, EXECUTE_SCRIPT, GENERATE, GET_STATUS, IssuerSession, PUT_KEY, SET_PIN, STORE_FIRST,
};
use crate::material::{Order, Reversal};
use crate::terminal::{
    CHANGE_PIN, DEACTIVATE_LIST, DISBURSE, INTERNAL_AUTHENTICATE, MUTUAL_AUTHENTICATE, REVERSE,
    TerminalSession, VERIFY,
};

use super::support::{none_of, refusal, refuses};

const READ_HOLDER: [u8; 4] = [0x80, 0xB0, 0x81, 0x00];
const READ_RECORD: [u8; 4] = [0x80, 0xB2, 0x01, 0xDC];

/// Which kind of session a command comes in.
#[derive(Clone, Copy)]
enum In {
    Issuer,
    Terminal,
}

impl In {
    fn name(self) -> &'static str {
        match self {
            Self::Issuer => "an issuer's session",
            Self::Terminal => "a terminal's session",
        }
    }
}

/// A cell of the tables of SPEC 14.2. Life cycle comes before P1 P2, length and encoding, so no data is needed.
fn cell(id: &'static str, session: In, stage: Stage, header: [u8; 4], status: u16) -> Case {
    let [class, instruction, ..] = header;
    let purpose = format!(
        "{} in {} on a card that is {stage}",
        command_name(class, instruction),
        session.name()
    );
    Case::new(id, stage, purpose, refusal(status), move |bench| match session {
        In::Issuer => {
            let mut session = IssuerSession::open(bench)?;
            refuses(bench, &mut session.secure, header, &[], status)
        }
        In::Terminal => {
            let mut session = TerminalSession::open(bench)?;
            refuses(bench, &mut session.secure, header, &[], status)
        }
    })
}

fn plain(id: &'static str, stage: Stage, header: [u8; 4]) -> Case {
    let [class, instruction, ..] = header;
    let purpose = format!(
        "{} without a session on a card that is {stage}",
        command_name(class, instruction)
    );
    Case::new(id, stage, purpose, "6985", move |bench| {
        bench.select()?;
        bench.command(header, &[])?.refused(0x6985)
    })
}

pub(crate) fn cases() -> Vec<Case> {
    [
        without_session(),
        issuer(),
        terminal(),
        other_kind(),
        allowed(),
        precedence(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn without_session() -> Vec<Case> {
    const READ_CSO: [u8; 4] = [0x00, 0xB0, 0x9D, 0x00];
    vec![
        plain("14.2-01", Stage::Blank, READ_CSO),
        plain("14.2-02", Stage::Blank, MUTUAL_AUTHENTICATE),
        plain("14.2-03", Stage::Personalizing, READ_CSO),
        plain("14.2-04", Stage::Personalizing, MUTUAL_AUTHENTICATE),
        plain("14.2-05", Stage::Loaded, READ_CSO),
    ]
}

fn issuer() -> Vec<Case> {
    let cell = |id, stage, header| cell(id, In::Issuer, stage, header, 0x6985);
    vec![
        cell("14.2-06", Stage::Blank, GENERATE),
        cell("14.2-07", Stage::Blank, STORE_FIRST),
        cell("14.2-08", Stage::Blank, SET_PIN),
        cell("14.2-09", Stage::Blank, ACTIVATE),
        cell("14.2-10", Stage::Blank, READ_HOLDER),
        cell("14.2-11", Stage::Blank, READ_RECORD),
        cell("14.2-12", Stage::Blank, EXECUTE_SCRIPT),
        cell("14.2-13", Stage::Personalizing, READ_RECORD),
        cell("14.2-14", Stage::Personalizing, EXECUTE_SCRIPT),
        cell("14.2-15", Stage::Loaded, READ_RECORD),
        cell("14.2-16", Stage::Loaded, EXECUTE_SCRIPT),
        cell("14.2-17", Stage::Active, GENERATE),
        cell("14.2-18", Stage::Active, SET_PIN),
        cell("14.2-19", Stage::Blocked, GENERATE),
        cell("14.2-20", Stage::Blocked, STORE_FIRST),
        cell("14.2-21", Stage::Blocked, SET_PIN),
        cell("14.2-22", Stage::Blocked, ACTIVATE),
        cell("14.2-23", Stage::Terminated, PUT_KEY),
        cell("14.2-24", Stage::Terminated, GENERATE),
        cell("14.2-25", Stage::Terminated, STORE_FIRST),
        cell("14.2-26", Stage::Terminated, SET_PIN),
        cell("14.2-27", Stage::Terminated, ACTIVATE),
        cell("14.2-28", Stage::Terminated, READ_HOLDER),
        cell("14.2-29", Stage::Terminated, EXECUTE_SCRIPT),
    ]
}

fn terminal() -> Vec<Case> {
    let refused = |id, stage, header| cell(id, In::Terminal, stage, header, 0x6985);
    vec![
        refused("14.2-30", Stage::Blocked, VERIFY),
        refused("14.2-31", Stage::Blocked, CHANGE_PIN),
        refused("14.2-32", Stage::Blocked, DEACTIVATE_LIST),
        refused("14.2-33", Stage::Terminated, VERIFY),
        refused("14.2-34", Stage::Terminated, CHANGE_PIN),
        refused("14.2-35", Stage::Terminated, EXECUTE_SCRIPT),
        refused("14.2-36", Stage::Terminated, DEACTIVATE_LIST),
        new_order("14.2-37", Stage::Blocked),
        new_order("14.2-38", Stage::Terminated),
        new_reversal("14.2-39", Stage::Blocked),
        new_reversal("14.2-40", Stage::Terminated),
    ]
}

/// An order on a card that pays no more: no method needs a PIN, and none is enough.
fn photo_order(bench: &mut Bench, session: &TerminalSession) -> Order {
    Order {
        method: 2,
        ..session.order(bench)
    }
}

fn new_order(id: &'static str, stage: Stage) -> Case {
    let purpose = format!("an order that was not executed before, on a card that is {stage}");
    Case::new(id, stage, purpose, refusal(0x634C), |bench| {
        let mut session = TerminalSession::open(bench)?;
        let order = photo_order(bench, &session).encode();
        refuses(bench, &mut session.secure, DISBURSE, &order, 0x634C)
    })
}

fn new_reversal(id: &'static str, stage: Stage) -> Case {
    let purpose = format!("a reversal that was not executed before, on a card that is {stage}");
    Case::new(id, stage, purpose, refusal(0x634C), |bench| {
        let mut session = TerminalSession::open(bench)?;
        let order = photo_order(bench, &session);
        let reversal = Reversal::of(&order, [3; 16]).encode();
        refuses(bench, &mut session.secure, REVERSE, &reversal, 0x634C)
    })
}

/// Commands of the other kind of session: `6D00`, whatever the state.
fn other_kind() -> Vec<Case> {
    let issuer = |id, stage, header| cell(id, In::Issuer, stage, header, 0x6D00);
    let terminal = |id, stage, header| cell(id, In::Terminal, stage, header, 0x6D00);
    vec![
        issuer("14.2-41", Stage::Blank, VERIFY),
        issuer("14.2-42", Stage::Active, DISBURSE),
        issuer("14.2-43", Stage::Active, REVERSE),
        issuer("14.2-44", Stage::Active, INTERNAL_AUTHENTICATE),
        issuer("14.2-45", Stage::Active, DEACTIVATE_LIST),
        issuer("14.2-46", Stage::Terminated, DISBURSE),
        terminal("14.2-47", Stage::Active, PUT_KEY),
        terminal("14.2-48", Stage::Active, GENERATE),
        terminal("14.2-49", Stage::Active, ACTIVATE),
        terminal("14.2-50", Stage::Blocked, PUT_KEY),
        terminal("14.2-51", Stage::Terminated, STORE_FIRST),
        Case::new(
            "14.2-52",
            Stage::Active,
            "every instruction that the tables do not name, in an issuer's session",
            "6D00",
            |bench| {
                let known = [0xCA, 0xD8, 0x47, 0xE2, 0x24, 0x44, 0xB0, 0xB2, 0x5A];
                let mut session = IssuerSession::open(bench)?;
                let mut wrong = Vec::new();
                for instruction in instructions().filter(|instruction| !known.contains(instruction)) {
                    let answer = session.send(bench, [0x80, instruction, 0, 0], &[])?;
                    if answer.status != 0x6D00 {
                        wrong.push(format!("{instruction:02X} ({:04X})", answer.status));
                    }
                }
                none_of(&wrong, "answered otherwise")
            },
        ),
        Case::new(
            "14.2-53",
            Stage::Active,
            "every instruction that the tables do not name, in a terminal's session",
            "6D00",
            |bench| {
                let known = [0xCA, 0x88, 0xB2, 0xB0, 0x20, 0x24, 0x54, 0x56, 0x5A, 0x04];
                let mut session = TerminalSession::open(bench)?;
                let mut wrong = Vec::new();
                for instruction in instructions().filter(|instruction| !known.contains(instruction)) {
                    let answer = session.send(bench, [0x80, instruction, 0, 0], &[])?;
                    if answer.status != 0x6D00 {
                        wrong.push(format!("{instruction:02X} ({:04X})", answer.status));
                    }
                }
                none_of(&wrong, "answered otherwise")
            },
        ),
        Case::new(
            "14.2-54",
            Stage::Active,
            "every instruction of class 80 that the table does not name, without a session",
            "6D00",
            |bench| {
                bench.select()?;
                let mut wrong = Vec::new();
                for instruction in
                    instructions().filter(|instruction| ![0x50, 0x2A, 0x82].contains(instruction))
                {
                    let answer = bench.command([0x80, instruction, 0, 0], &[])?;
                    if answer.status != 0x6D00 {
                        wrong.push(format!("{instruction:02X} ({:04X})", answer.status));
                    }
                }
                none_of(&wrong, "answered otherwise")
            },
        ),
    ]
}

/// All but 6X and 9X, which are no instructions (ISO/IEC 7816-4:2020, 5.4.2) and which a reader may not pass on, and C0, GET
/// RESPONSE, which is the transmission protocol's.
fn instructions() -> impl Iterator<Item = u8> {
    (0x00..=0xFF).filter(|instruction| !matches!(instruction & 0xF0, 0x60 | 0x90) && *instruction != 0xC0)
}

/// Cells that say yes and that no other case enters.
fn allowed() -> Vec<Case> {
    let status = |id, stage: Stage, life_cycle: u8| {
        let purpose = format!("GET DATA in either session on a card that is {stage}");
        Case::new(
            id,
            stage,
            purpose,
            format!("life cycle {life_cycle:02X}"),
            move |bench| {
                let issuer = IssuerSession::open(bench)?.card_status(bench)?;
                let terminal = TerminalSession::open(bench)?.card_status(bench)?;
                check(issuer.life_cycle == life_cycle, "another life cycle")?;
                check(
                    issuer == terminal,
                    "the two kinds of session are told different things",
                )
            },
        )
    };
    vec![
        status("14.2-55", Stage::Active, 0x05),
        status("14.2-56", Stage::Blocked, 0x04),
        status("14.2-57", Stage::Terminated, 0x0C),
        Case::new(
            "14.2-58",
            Stage::Blocked,
            "PUT KEY on a blocked card",
            "9000",
            |bench| IssuerSession::open(bench)?.put_key(bench),
        ),
        Case::new(
            "14.2-59",
            Stage::Terminated,
            "READ RECORD by the issuer on a terminated card",
            "9000",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                session.send(bench, READ_RECORD, &[])?.expect(0x9000).map(drop)
            },
        ),
        Case::new(
            "14.2-60",
            Stage::Blocked,
            "a script of the issuer's session on a blocked card: terminate",
            "life cycle 0C",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                let counter = session.card_status(bench)?.counter;
                session
                    .script(bench, &crate::material::Script::terminate(counter))?
                    .expect(0x9000)?;
                check(
                    bench.select()? == Stage::Terminated,
                    "SELECT does not say terminated",
                )
            },
        )
        .alone(),
    ]
}

/// SPEC 14.2: which check comes first.
fn precedence() -> Vec<Case> {
    let wrong = |id, stage, purpose: &str, session: In, header: [u8; 4], data: &'static [u8], status| {
        Case::new(id, stage, purpose, refusal(status), move |bench| match session {
            In::Issuer => {
                let mut session = IssuerSession::open(bench)?;
                refuses(bench, &mut session.secure, header, data, status)
            }
            In::Terminal => {
                let mut session = TerminalSession::open(bench)?;
                refuses(bench, &mut session.secure, header, data, status)
            }
        })
    };
    vec![
        wrong(
            "14.2-61",
            Stage::Blank,
            "life cycle before P1 P2",
            In::Issuer,
            [0x80, 0x44, 0xFF, 0xFF],
            &[],
            0x6985,
        ),
        wrong(
            "14.2-62",
            Stage::Active,
            "instruction before life cycle",
            In::Terminal,
            [0x80, 0x47, 0x00, 0x00],
            &[],
            0x6D00,
        ),
        wrong(
            "14.2-63",
            Stage::Loaded,
            "P1 P2 before length",
            In::Issuer,
            [0x80, 0x44, 0x01, 0x00],
            &[0],
            0x6A86,
        ),
        wrong(
            "14.2-64",
            Stage::Active,
            "P1 P2 before encoding",
            In::Terminal,
            [0x80, 0x54, 0x01, 0x00],
            &[0xFF],
            0x6A86,
        ),
        wrong(
            "14.2-65",
            Stage::Active,
            "P1 P2 before encoding in VERIFY",
            In::Terminal,
            [0x80, 0x20, 0x00, 0x80],
            &[0xFF],
            0x6A86,
        ),
        Case::new(
            "14.2-66",
            Stage::Active,
            "security status before length, in MUTUAL AUTHENTICATE",
            "6982",
            |bench| {
                bench.select()?;
                bench.command(MUTUAL_AUTHENTICATE, &[0x00])?.refused(0x6982)
            },
        ),
        Case::new(
            "14.2-67",
            Stage::Active,
            "P1 P2 before security status, in MUTUAL AUTHENTICATE",
            "6A86",
            |bench| {
                bench.select()?;
                bench.command([0x80, 0x82, 0x02, 0x11], &[0x00])?.refused(0x6A86)
            },
        ),
        Case::new(
            "14.2-68",
            Stage::Active,
            "a session's life goes on over a refusal",
            "GET DATA works after 6D00, 6985, 6A86, 6700, 6A80",
            |bench| {
                let mut session = IssuerSession::open(bench)?;
                for (header, data, status) in [
                    ([0x80, 0x54, 0x00, 0x00], &[][..], 0x6D00),
                    (GENERATE, &[], 0x6985),
                    ([0x80, 0xD8, 0x01, 0x81], &[0], 0x6A86),
                    (GET_STATUS, &[0], 0x6700),
                ] {
                    session.send(bench, header, data)?.refused(status)?;
                }
                session.card_status(bench).map(drop)
            },
        ),
    ]
}

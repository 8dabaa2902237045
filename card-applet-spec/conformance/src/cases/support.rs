//! What many cases share: a command that must be refused without a trace.

use crate::bench::Bench;
use crate::case::{Case, Outcome, Stage, Stop, check};
use crate::channel::Secure;
use crate::issuer::{CardStatus, IssuerSession};
use crate::terminal::TerminalSession;

/// Sends a command that must be refused with this status word, without data; the session goes on, and GET DATA tells the
/// same before and after ("refuse": SPEC, introduction).
pub(crate) fn refuses(
    bench: &mut Bench,
    secure: &mut Secure,
    header: [u8; 4],
    data: &[u8],
    status: u16,
) -> Outcome {
    let before = CardStatus::read(bench, secure)?;
    secure.send(bench, header, data)?.refused(status)?;
    let after = CardStatus::read(bench, secure)?;
    check(before == after, "a refused command changed what GET DATA tells")
}

/// A case: the issuer's command is refused with this status word.
pub(crate) fn issuer_refusal(
    id: &'static str,
    stage: Stage,
    purpose: &str,
    header: [u8; 4],
    status: u16,
    data: impl Fn(&mut Bench, &IssuerSession) -> Outcome<Vec<u8>> + 'static,
) -> Case {
    Case::new(id, stage, purpose, refusal(status), move |bench| {
        let mut session = IssuerSession::open(bench)?;
        let data = data(bench, &session)?;
        refuses(bench, &mut session.secure, header, &data, status)
    })
}

/// A case: the terminal's command is refused with this status word.
pub(crate) fn terminal_refusal(
    id: &'static str,
    stage: Stage,
    purpose: &str,
    header: [u8; 4],
    status: u16,
    data: impl Fn(&mut Bench, &TerminalSession) -> Outcome<Vec<u8>> + 'static,
) -> Case {
    Case::new(id, stage, purpose, refusal(status), move |bench| {
        let mut session = TerminalSession::open(bench)?;
        let data = data(bench, &session)?;
        refuses(bench, &mut session.secure, header, &data, status)
    })
}

/// The expected result in words.
pub(crate) fn refusal(status: u16) -> String {
    format!("{status:04X}; nothing changed")
}

/// No data in the command.
pub(crate) fn nothing<S>(_: &mut Bench, _: &S) -> Outcome<Vec<u8>> {
    Ok(Vec::new())
}

/// Fails the case with the list of what went wrong in a sweep, if anything did.
pub(crate) fn none_of(wrong: &[String], complaint: &str) -> Outcome {
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Stop::Failed(format!("{complaint}: {}", wrong.join(", "))))
    }
}

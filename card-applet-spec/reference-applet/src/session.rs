//! What the card knows about whoever talks to it. Everything here is gone with SELECT, a reset or the power.

use card_spec::certificate::Certified;
use card_spec::scp03::{CardChannel, CardHandshake};

use crate::personalization::IssuerSession;
use crate::terminal_session::TerminalSession;

/// One state at a time, each with just what it may use.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one session at a time, and no heap to move a part of it to"
)]
pub(crate) enum Session {
    /// Not selected yet, or dead (SPEC 8.4): only SELECT helps.
    Closed,
    /// Selected, nothing else known.
    Selected,
    /// INITIALIZE UPDATE was answered; one EXTERNAL AUTHENTICATE may follow.
    Challenged(CardHandshake),
    /// The terminal CA's certificate verified.
    AuthorityPresented(Certified),
    /// The terminal's certificate verified: the CSO is readable. Nobody proved possession of its key yet.
    TerminalPresented(Certified),
    /// Keys are agreed: every command is protected.
    Secure(CardChannel, Peer),
}

/// Who is at the other end of a secure channel.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one session at a time, and no heap to move a part of it to"
)]
pub(crate) enum Peer {
    /// The issuer authenticated (SCP03).
    Issuer(IssuerSession),
    /// A terminal agreed on keys (SCP11a); its first valid C-MAC authenticates it.
    Terminal(TerminalSession),
}

impl Session {
    /// Octets that are not even a command came in plain, which ends a secure session (SPEC 8.4).
    pub(crate) fn end_if_secure(&mut self) {
        if matches!(self, Self::Secure(..)) {
            *self = Self::Closed;
        }
    }
}

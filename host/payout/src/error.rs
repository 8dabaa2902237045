//! What can go wrong between ledger and terminals.

use ansinh_store::StoreError;
use card_spec::certificate::CertificateError;
use card_spec::signed::SignError;
use card_spec::tlv;
use card_spec::values::TerminalName;

/// Why a list, certificate or acknowledgement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PayoutError {
    /// The ledger refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No line is due for this terminal.
    #[error(
        "no line is due for this terminal: nobody waits for money on an active card, or all lines are on lists of other terminals or for earlier cards. No list was made"
    )]
    NothingDue,
    /// Four lists are in force already.
    #[error(
        "four payment lists of this terminal are in force already, and a terminal holds no more. No list was made: make it without --beside, it then takes over their unpaid lines"
    )]
    TooManyLists,
    /// Lines of a lost terminal are not paid by hand.
    #[error(
        "some lines were on a list of a terminal that was declared lost, and it may have paid them to their cards unseen: paid by hand they could be paid twice. No list was made: make it without --by-hand-up-to"
    )]
    LostSightOf,
    /// A list of nobody would lock the terminal.
    #[error(
        "nobody is to work at {0}: a list without operators would lock it. Name one with `ansinh terminal operators set`; nothing was signed"
    )]
    NoOperators(TerminalName),
    /// A value does not fit the type of its data object.
    #[error("{0} does not fit the format of DATA.md; nothing was signed")]
    Value(&'static str),
    /// An object could not be encoded.
    #[error("an object could not be encoded ({0}); nothing was signed")]
    Encoding(#[from] tlv::Error),
    /// The signing key's holder refused.
    #[error("the signing key could not be used: {0}; nothing was signed")]
    Key(String),
    /// A certificate or request was refused.
    #[error("terminal refused: {0}. Nothing was certified")]
    Certificate(#[from] CertificateError),
    /// A request asks for another name than the one that is to be given.
    #[error(
        "the terminal asks for another name than {0}. Start the provisioning again; nothing was certified"
    )]
    OtherName(String),
}

impl<E: core::fmt::Display> From<SignError<E>> for PayoutError {
    fn from(error: SignError<E>) -> Self {
        match error {
            SignError::Encoding(error) => Self::Encoding(error),
            SignError::Key(error) => Self::Key(error.to_string()),
        }
    }
}

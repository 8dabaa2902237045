//! What can go wrong with a key, told so that the person at the station knows what to do next.

use std::path::PathBuf;

/// Why a key could not be made, sealed, opened or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file did not open under this passphrase. Wrong passphrase and tampered file look the same to the cipher.
    #[error(
        "{path}: the passphrase does not open this key file (or the file was changed). Nothing was signed. \
         Try again; if it stays so, restore the file from the backup made at `ansinh init`"
    )]
    WrongPassphrase {
        /// The sealed file.
        path: PathBuf,
    },
    /// The file is not a sealed key of the kind expected.
    #[error("{path}: not a sealed key file of this kind ({reason}). Restore it from backup")]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        reason: &'static str,
    },
    /// A key file is never overwritten: that would destroy the only copy of a key that cards depend on.
    #[error(
        "{path}: exists already and is never overwritten. Move it away if you really mean to make a new one"
    )]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// A passphrase below the minimum length.
    #[error("the passphrase is shorter than {minimum} characters. Choose a longer one")]
    PassphraseTooShort {
        /// Fewest characters accepted.
        minimum: usize,
    },
    /// A default or degenerate master key, known to everybody.
    #[error(
        "the {name} key is a default or trivial key that everybody knows. Ask the card vendor for a delivery with its own transport keys"
    )]
    DefaultKey {
        /// `enc`, `mac` or `dek`.
        name: &'static str,
    },
    /// The key does not match its check value.
    #[error(
        "the {name} key does not match its check value: it was mistyped or damaged on the way. Ask for it again; do not try it on cards"
    )]
    CheckValue {
        /// `enc`, `mac` or `dek`.
        name: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system's random source failed; no key was made. Try again")]
    Random,
    /// Signing or sealing failed inside the cryptographic library.
    #[error("cryptographic operation failed ({0}); nothing was written")]
    Cryptography(&'static str),
    /// Reading or writing a file failed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The PKCS#11 library could not be used.
    #[error(
        "{module}: this PKCS#11 library cannot be used ({reason}). Nothing was signed. Install the token's driver, or correct \
         `module` in station.json"
    )]
    Module {
        /// The library.
        module: PathBuf,
        /// What it, or the loader, said.
        reason: String,
    },
    /// No token of this label is there.
    #[error(
        "no token {token:?} is plugged in or set up. Nothing was signed, no card is affected. Plug it in, or correct `token` in \
         station.json"
    )]
    TokenMissing {
        /// Label of the token.
        token: String,
    },
    /// Several tokens have this label, and a PIN tried at the wrong one is a PIN try lost.
    #[error("{count} tokens are called {token:?}. No PIN was tried. Leave in only the one that is meant")]
    TokenTwice {
        /// Label of the tokens.
        token: String,
        /// How many there are.
        count: usize,
    },
    /// The token refused the PIN.
    #[error(
        "the token {token:?} refuses its PIN, and counts. Nothing was signed. Do not repeat it: check the PIN with the token's own \
         tool, then seal the right one with `ansinh ceremony pin`"
    )]
    WrongPin {
        /// Label of the token.
        token: String,
    },
    /// A wrong PIN now would lock the token.
    #[error(
        "the token {token:?} has only one PIN try left. It was not used: log in once with the token's own tool and the right PIN"
    )]
    FinalPinTry {
        /// Label of the token.
        token: String,
    },
    /// The token takes no PIN any more.
    #[error(
        "the token {token:?} is locked after wrong PINs. Nothing was signed; cards in the field stay valid. Its security officer \
         sets a new PIN with the token's own tool; then seal it with `ansinh ceremony pin`"
    )]
    PinLocked {
        /// Label of the token.
        token: String,
    },
    /// The token has no such object.
    #[error(
        "the token {token:?} has no {kind} {object:?}. Nothing was signed. Is it the right token? Else restore the token from its \
         backup; cards in the field stay valid"
    )]
    ObjectMissing {
        /// Label of the token.
        token: String,
        /// `private key`, `public key` or `secret key`.
        kind: &'static str,
        /// Label of the object.
        object: String,
    },
    /// Several objects have the label, and guessing would sign with a wrong key.
    #[error(
        "the token {token:?} has {count} objects {object:?} of the kind {kind}. Nothing was signed. Find out which one the \
         certificate names, and give the other another label"
    )]
    ObjectTwice {
        /// Label of the token.
        token: String,
        /// `private key`, `public key` or `secret key`.
        kind: &'static str,
        /// Label of the objects.
        object: String,
        /// How many there are.
        count: usize,
    },
    /// A new key would get the label of one that is there.
    #[error(
        "the token {token:?} has an object {object:?} already. No key was made: choose another label, the old key may be needed"
    )]
    ObjectExists {
        /// Label of the token.
        token: String,
        /// Label of the object.
        object: String,
    },
    /// The object is a key for something else.
    #[error("{object:?} in the token {token:?} is not {expected}. Nothing was signed. Name the right object")]
    WrongKeyType {
        /// Label of the token.
        token: String,
        /// Label of the object.
        object: String,
        /// What is needed.
        expected: &'static str,
    },
    /// The token would give the key to anybody who is logged in.
    #[error(
        "the key {object:?} can be taken out of the token {token:?}, so nobody knows who has it. It is not used. Make a new key in \
         the token with `ansinh ceremony rekey`"
    )]
    Extractable {
        /// Label of the token.
        token: String,
        /// Label of the object.
        object: String,
    },
    /// The public object is not that of the private one.
    #[error(
        "the private and the public key {object:?} in the token {token:?} do not belong together. Nothing was signed. Restore the \
         token from its backup"
    )]
    HalvesDiffer {
        /// Label of the token.
        token: String,
        /// Label of the objects.
        object: String,
    },
    /// The token went away while it was used.
    #[error(
        "the token {token:?} was pulled, logged out or restarted in the middle. What was being signed was not signed: no card, list \
         or block list came of it, and no number is used up; a card in a reader is finished when it is inserted again. Plug the \
         token in and start again"
    )]
    TokenLost {
        /// Label of the token.
        token: String,
    },
    /// The token answered with an error.
    #[error(
        "the token {token:?} failed: {reason}. Nothing was signed. Look at its own log, then start again"
    )]
    TokenFailed {
        /// Label of the token.
        token: String,
        /// Function and return value of PKCS#11.
        reason: String,
    },
    /// A key in a token cannot be put into a file.
    #[error("a key in a token never leaves it: back it up with the token's own tool")]
    StaysInToken,
}

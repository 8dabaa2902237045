//! Issuer keys: in sealed files or PKCS#11 tokens, and nothing that prints a secret.
//!
//! Two kinds of secret live here, each in the file format that suits its outside checker:
//! * signing keys (root, issuer, terminal CA): PKCS#8 under a passphrase, so `openssl pkcs8` opens them ([`SigningKey`]);
//! * symmetric master keys of cards: argon2id and ChaCha20-Poly1305 ([`MasterKeys`]).
//!
//! Or both lie in a token ([`Token`]: an HSM, or SoftHSM in tests), which signs and derives and never gives them away; then
//! a file holds the token's PIN, sealed likewise ([`TokenPin`]). Users of a key do not see the difference.
//!
//! No secret type here implements `Debug`, `Display` or `Clone`, and each wipes its memory when dropped.

mod error;
mod files;
mod master;
mod passphrase;
mod sealed;
mod signing;
mod token;

pub use error::KeyError;
pub use files::write_new;
pub use master::{MasterKeys, TransportKey};
pub use passphrase::{Passphrase, TokenPin};
pub use signing::{Role, SigningKey, public_key_pem};
pub use token::Token;

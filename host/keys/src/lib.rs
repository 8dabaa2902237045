//! Issuer keys: signing keys in sealed files, card master keys, and nothing that prints a secret.
//!
//! Two kinds of secret live here, each in the file format that suits its outside checker:
//! * signing keys (root, issuer, terminal CA): PKCS#8 under a passphrase, so `openssl pkcs8` opens them ([`SigningKey`]);
//! * symmetric master keys of cards: argon2id and ChaCha20-Poly1305 ([`MasterKeys`]).
//!
//! No secret type here implements `Debug`, `Display` or `Clone`, and each wipes its memory when dropped.

mod error;
mod files;
mod master;
mod passphrase;
mod signing;

pub use error::KeyError;
pub use files::write_new;
pub use master::{MasterKeys, TransportKey};
pub use passphrase::Passphrase;
pub use signing::{Role, SigningKey, public_key_pem};

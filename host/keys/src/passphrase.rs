//! Passphrases and token PINs: they cannot be printed and are wiped after use.

use std::path::Path;

use zeroize::Zeroizing;

use crate::{KeyError, sealed};

/// The secret that seals key files.
///
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Debug>() {}
/// shown::<ansinh_keys::Passphrase>();
/// ```
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Display>() {}
/// shown::<ansinh_keys::Passphrase>();
/// ```
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Fewest characters of a passphrase for a new key (NIST SP 800-63B-4, 3.1.1.2: 15 for a single factor).
    pub const MINIMUM: usize = 15;

    /// Takes a passphrase as typed or read. Line ends belong to the file or terminal it came from, not to the passphrase.
    pub fn new(text: String) -> Self {
        Self(trimmed(text))
    }

    /// The passphrase of several people, each of whom knows one part; without any of them, or in another order, it is another.
    /// It is the parts one after the other, each as a netstring without the comma: its length in bytes, decimal, a colon, the
    /// part. The lengths keep one person's part from running into the next one's. Anybody can write it for openssl by hand:
    /// `15:first passphrase16:second passphrase`, with the right numbers.
    pub fn of_several(parts: &[Self]) -> Self {
        let length = parts.iter().map(|part| part.0.len() + 8).sum();
        // As large as it gets: growing would leave copies in memory that nobody wipes.
        let mut joined = Zeroizing::new(String::with_capacity(length));
        for part in parts {
            joined.push_str(&part.0.len().to_string());
            joined.push(':');
            joined.push_str(&part.0);
        }
        Self(joined)
    }

    /// Refuses a passphrase too short to protect a new key.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooShort`].
    pub fn check_for_new_key(&self) -> Result<(), KeyError> {
        if self.0.chars().count() < Self::MINIMUM {
            return Err(KeyError::PassphraseTooShort {
                minimum: Self::MINIMUM,
            });
        }
        Ok(())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The user PIN of a PKCS#11 token. At a station it lies sealed under the passphrase of the keys, so that whoever opens the
/// station types one secret, and nobody types a PIN that a token counts.
///
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Debug>() {}
/// shown::<ansinh_keys::TokenPin>();
/// ```
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Display>() {}
/// shown::<ansinh_keys::TokenPin>();
/// ```
pub struct TokenPin(Zeroizing<String>);

/// Purpose under which a PIN is sealed.
const TOKEN_PIN: &str = "token-pin";

impl TokenPin {
    /// Takes a PIN as typed or read, without line ends.
    pub fn new(text: String) -> Self {
        Self(trimmed(text))
    }

    /// Seals the PIN into a new file.
    ///
    /// # Errors
    /// [`KeyError::PassphraseTooShort`], [`KeyError::Exists`], [`KeyError::File`], [`KeyError::Random`].
    pub fn seal(&self, path: &Path, passphrase: &Passphrase) -> Result<(), KeyError> {
        sealed::seal(
            path,
            sealed::Kind::TokenPin,
            TOKEN_PIN,
            self.0.as_bytes(),
            passphrase,
        )
    }

    /// Opens a sealed PIN.
    ///
    /// # Errors
    /// [`KeyError::WrongPassphrase`], [`KeyError::NotAKeyFile`], [`KeyError::File`].
    pub fn open(path: &Path, passphrase: &Passphrase) -> Result<Self, KeyError> {
        let plain = sealed::open(path, sealed::Kind::TokenPin, TOKEN_PIN, passphrase)?;
        let text = str::from_utf8(&plain).map_err(|_| KeyError::NotAKeyFile {
            path: path.to_owned(),
            reason: "the PIN in it is no text",
        })?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn trimmed(text: String) -> Zeroizing<String> {
    let text = Zeroizing::new(text);
    Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
}

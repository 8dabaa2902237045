//! A passphrase that cannot be printed and is wiped after use.

use zeroize::Zeroizing;

use crate::KeyError;

/// The secret that seals key files.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Fewest characters of a passphrase for a new key (NIST SP 800-63B-4, 3.1.1.2: 15 for a single factor).
    pub const MINIMUM: usize = 15;

    /// Takes a passphrase as typed or read. Line ends belong to the file or terminal it came from, not to the passphrase.
    pub fn new(text: String) -> Self {
        let text = Zeroizing::new(text);
        Self(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
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

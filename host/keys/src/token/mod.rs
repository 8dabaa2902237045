//! PKCS#11 tokens (OASIS PKCS #11 2.40): keys that sign and derive there and never leave.
//!
//! A library is loaded once per process and a token logged in once per process, because PKCS#11 has it so: C_Initialize
//! counts per process, and a login holds for all sessions (5.6). Each thread borrows a session of its own for each operation.

mod master;
mod signer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use crate::{KeyError, TokenPin};

pub(crate) use master::TokenMasterKeys;
pub(crate) use signer::TokenSigner;

/// A token that is logged in. Copies are the same login, which ends with the last of them.
///
/// ```compile_fail,E0277
/// fn shown<T: std::fmt::Debug>() {}
/// shown::<ansinh_keys::Token>();
/// ```
#[derive(Clone)]
pub struct Token(Arc<Login>);

struct Login {
    library: Pkcs11,
    slot: Slot,
    label: String,
    /// Kept open: the token logs out when the last session closes.
    keeper: Mutex<Session>,
    idle: Mutex<Vec<Session>>,
}

type Name = (PathBuf, String);

static LIBRARIES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
static LOGINS: Mutex<BTreeMap<Name, Weak<Login>>> = Mutex::new(BTreeMap::new());

impl Token {
    /// Finds the token of this label and logs in, once: a wrong PIN is never repeated, and none is tried when only one try is
    /// left. A token that this process is logged in to already is used as it is.
    ///
    /// # Errors
    /// [`KeyError::Module`], [`KeyError::TokenMissing`], [`KeyError::TokenTwice`], [`KeyError::WrongPin`],
    /// [`KeyError::FinalPinTry`], [`KeyError::PinLocked`], [`KeyError::TokenFailed`].
    pub fn login(module: &Path, label: &str, pin: &TokenPin) -> Result<Self, KeyError> {
        let library = library(module)?;
        let mut logins = lock(&LOGINS);
        let name = (module.to_owned(), label.to_owned());
        if let Some(login) = logins.get(&name).and_then(Weak::upgrade)
            && login.holds()
        {
            return Ok(Self(login));
        }
        let login = Arc::new(Login::open(library, label, pin)?);
        logins.insert(name, Arc::downgrade(&login));
        Ok(Self(login))
    }

    /// The token's label.
    pub(crate) fn label(&self) -> &str {
        &self.0.label
    }

    /// Does something in a session that no other thread uses meanwhile.
    fn with_session<T>(
        &self,
        operation: impl FnOnce(&Session) -> cryptoki::error::Result<T>,
    ) -> Result<T, KeyError> {
        let idle = lock(&self.0.idle).pop();
        let session = match idle {
            Some(session) => Ok(session),
            None => self.0.library.open_rw_session(self.0.slot),
        };
        let session = session.map_err(|error| failure(self.label(), &error))?;
        // A session in which something failed is closed, not used again: an operation may still be active in it.
        let result = operation(&session).map_err(|error| failure(self.label(), &error))?;
        lock(&self.0.idle).push(session);
        Ok(result)
    }

    /// The one object of this class and label.
    fn find(&self, class: ObjectClass, object: &str) -> Result<ObjectHandle, KeyError> {
        let template = [
            Attribute::Token(true),
            Attribute::Class(class),
            Attribute::Label(object.as_bytes().to_vec()),
        ];
        let found = self.with_session(|session| session.find_objects(&template))?;
        match *found.as_slice() {
            [handle] => Ok(handle),
            [] => Err(KeyError::ObjectMissing {
                token: self.label().to_owned(),
                kind: kind(class),
                object: object.to_owned(),
            }),
            _ => Err(KeyError::ObjectTwice {
                token: self.label().to_owned(),
                kind: kind(class),
                object: object.to_owned(),
                count: found.len(),
            }),
        }
    }

    /// Refuses a label that is taken, by whatever object.
    fn demand_free(&self, object: &str) -> Result<(), KeyError> {
        let label = Attribute::Label(object.as_bytes().to_vec());
        let found = self.with_session(|session| session.find_objects(&[Attribute::Token(true), label]))?;
        if found.is_empty() {
            return Ok(());
        }
        Err(KeyError::ObjectExists {
            token: self.label().to_owned(),
            object: object.to_owned(),
        })
    }

    /// Demands a key of this type that signs (or MACs) and cannot be taken out.
    fn demand_own_key(
        &self,
        handle: ObjectHandle,
        object: &str,
        key_type: KeyType,
        expected: &'static str,
    ) -> Result<(), KeyError> {
        let wanted = [
            AttributeType::KeyType,
            AttributeType::Sign,
            AttributeType::Sensitive,
            AttributeType::Extractable,
        ];
        let attributes = self.with_session(|session| session.get_attributes(handle, &wanted))?;
        if !attributes.contains(&Attribute::KeyType(key_type)) || !attributes.contains(&Attribute::Sign(true))
        {
            return Err(self.wrong_key_type(object, expected));
        }
        if !attributes.contains(&Attribute::Sensitive(true))
            || !attributes.contains(&Attribute::Extractable(false))
        {
            return Err(KeyError::Extractable {
                token: self.label().to_owned(),
                object: object.to_owned(),
            });
        }
        Ok(())
    }

    fn wrong_key_type(&self, object: &str, expected: &'static str) -> KeyError {
        KeyError::WrongKeyType {
            token: self.label().to_owned(),
            object: object.to_owned(),
            expected,
        }
    }
}

impl Login {
    fn open(library: Pkcs11, label: &str, pin: &TokenPin) -> Result<Self, KeyError> {
        let failed = |error| failure(label, &error);
        let slot = find_token(&library, label)?;
        let token = || label.to_owned();
        let info = library.get_token_info(slot).map_err(failed)?;
        if info.user_pin_locked() {
            return Err(KeyError::PinLocked { token: token() });
        }
        if info.user_pin_final_try() {
            return Err(KeyError::FinalPinTry { token: token() });
        }
        let keeper = library.open_rw_session(slot).map_err(failed)?;
        let pin = AuthPin::new(pin.as_str().into());
        match keeper.login(UserType::User, Some(&pin)) {
            // Somebody else in this process logged in: by the PIN of the same token.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                return Err(KeyError::WrongPin { token: token() });
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => return Err(KeyError::PinLocked { token: token() }),
            Err(error) => return Err(failed(error)),
        }
        Ok(Self {
            library,
            slot,
            label: token(),
            keeper: Mutex::new(keeper),
            idle: Mutex::default(),
        })
    }

    /// Whether the login still stands.
    fn holds(&self) -> bool {
        let information = lock(&self.keeper).get_session_info();
        information.is_ok_and(|information| {
            matches!(
                information.session_state(),
                SessionState::RwUser | SessionState::RoUser
            )
        })
    }
}

fn find_token(library: &Pkcs11, label: &str) -> Result<Slot, KeyError> {
    let failed = |error| failure(label, &error);
    let slots = library.get_slots_with_initialized_token().map_err(failed)?;
    let mut found = Vec::new();
    for slot in slots {
        if library.get_token_info(slot).map_err(failed)?.label() == label {
            found.push(slot);
        }
    }
    match *found.as_slice() {
        [slot] => Ok(slot),
        [] => Err(KeyError::TokenMissing {
            token: label.to_owned(),
        }),
        _ => Err(KeyError::TokenTwice {
            token: label.to_owned(),
            count: found.len(),
        }),
    }
}

/// The library, loaded and initialized once per process and never finalized: that would end everybody's sessions.
fn library(path: &Path) -> Result<Pkcs11, KeyError> {
    let mut libraries = lock(&LIBRARIES);
    if let Some(library) = libraries.get(path) {
        return Ok(library.clone());
    }
    let failed = |error: Error| KeyError::Module {
        module: path.to_owned(),
        reason: error.to_string(),
    };
    let library = Pkcs11::new(path).map_err(failed)?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(failed(error)),
    }
    libraries.insert(path.to_owned(), library.clone());
    Ok(library)
}

/// What an error of PKCS#11 means at a station. The values are those by which a token says that it, its login, or what was
/// found in it is gone (PKCS #11 2.40, 5.1); no secret is in any of them.
fn failure(token: &str, error: &Error) -> KeyError {
    let token = token.to_owned();
    match error {
        Error::Pkcs11(
            RvError::DeviceRemoved
            | RvError::TokenNotPresent
            | RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::SlotIdInvalid
            | RvError::CryptokiNotInitialized,
            _,
        ) => KeyError::TokenLost { token },
        other => KeyError::TokenFailed {
            token,
            reason: other.to_string(),
        },
    }
}

fn kind(class: ObjectClass) -> &'static str {
    match class {
        ObjectClass::PRIVATE_KEY => "private key",
        ObjectClass::PUBLIC_KEY => "public key",
        _ => "secret key",
    }
}

/// What a thread that panicked left behind is still whole: sessions are taken out before they are used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

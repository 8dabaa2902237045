//! GlobalPlatform Secure Channel Protocol 03 (Amendment D, v1.2): keys, mutual authentication, secure messaging and
//! key replacement. The secure messaging here is the only one in the system: sessions of [`crate::scp11`] use it too.
//!
//! Profile: AES-128, S8 mode (MACs and cryptograms of 8 octets), `i` = 60 (random card challenge, R-MAC, R-ENCRYPTION),
//! security level 33. The engine underneath also does AES-192 and AES-256 and the lower levels, so that published
//! known answers apply to it.

mod channel;
mod handshake;
mod keys;
mod put_key;
mod session;

pub use channel::{
    CardChannel, ChannelError, HostChannel, MAX_COMMAND_DATA, MAX_PROTECTED_COMMAND, MAX_PROTECTED_RESPONSE,
    MAX_RESPONSE_DATA, Reply,
};
pub use handshake::{
    CardHandshake, Challenge, EXTERNAL_AUTHENTICATE, EXTERNAL_AUTHENTICATE_LENGTH, HandshakeError,
    HostHandshake, INITIALIZE_UPDATE, INITIALIZE_UPDATE_LENGTH, INITIALIZE_UPDATE_RESPONSE_LENGTH,
    InitializeUpdateResponse,
};
pub use keys::{AesKey, ChipSerial, DEFAULT_KEY, KeyCheckValue, SessionKeys, StaticKeys, diversify};
pub use put_key::{
    PUT_KEY, PUT_KEY_LENGTH, PUT_KEY_P2, PUT_KEY_RESPONSE_LENGTH, PutKeyError, encode_put_key, parse_put_key,
    put_key_response,
};

pub use session::SecurityLevel;

pub(crate) use handshake::concat;
pub(crate) use keys::Block;

//! What the fuzz targets share: reading and writing again, input cut into pieces, sessions with fixed keys.

use std::fmt::Debug;

use card_spec::apdu::Command;
use card_spec::crypto::{InvalidSignature, PublicKey, Signature, Verify};
use card_spec::scp03::{
    CardChannel, CardHandshake, HostChannel, HostHandshake, InitializeUpdateResponse, StaticKeys,
};
use card_spec::signed::{Body, Signed, encode_body};
use card_spec::tlv::{Field, Reader, Writer};

/// Larger than any input: the script runs the targets with at most 4,096 bytes.
pub const BUFFER: usize = 8_192;

/// What was read as the one object `tag` is written again as it was (SPEC 1.1).
pub fn reads_as_it_writes<'a, T: Field<'a>>(input: &'a [u8], tag: u16) {
    let mut reader = Reader::new(input);
    let Ok(value) = T::read(&mut reader, tag) else {
        return;
    };
    let read = &input[..input.len() - reader.rest().len()];
    let mut buffer = [0; BUFFER];
    let mut writer = Writer::new(&mut buffer);
    value.write(&mut writer, tag).expect("there is room");
    assert_eq!(writer.finish(), read, "{tag:04X} is written differently");
}

/// The same for a signed object, whose hash and signature cover the bytes received (SPEC 1.5).
pub fn signed_reads_as_it_writes<'a, B: Body<'a> + Debug>(input: &'a [u8]) {
    let Ok(signed) = Signed::<B>::parse(input) else {
        return;
    };
    let mut buffer = [0; BUFFER];
    let body = encode_body(signed.claimed(), &mut buffer).expect("there is room");
    assert_eq!(
        body,
        signed.signed_bytes(),
        "{:04X} is written differently",
        B::TAG
    );
    assert_eq!(signed.encoding(), input);

    let mut buffer = [0; BUFFER];
    let mut writer = Writer::new(&mut buffer);
    writer
        .template(B::WRAPPER, |writer| {
            writer.raw(body)?;
            signed.signature().write(writer, 0x5F37)
        })
        .expect("there is room");
    assert_eq!(writer.finish(), input, "the wrapper is written differently");
}

/// Takes every signature: what is behind the signatures is tried as if their makers were malicious.
pub struct AnySignature;

impl Verify for AnySignature {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &Signature) -> Result<(), InvalidSignature> {
        Ok(())
    }
}

/// Cuts the input into pieces. At its end come zeros.
pub struct Pieces<'a>(pub &'a [u8]);

impl<'a> Pieces<'a> {
    /// Is the input used up?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// The next bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.slice(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// The next bytes, as many as the byte before them says.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = self.byte();
        self.slice(usize::from(length))
    }

    fn slice(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Static keys of the sessions.
pub fn static_keys() -> StaticKeys {
    StaticKeys::new([0xE1; 16], [0xE2; 16], [0xE3; 16])
}

/// Both ends of an SCP03 session.
pub fn session() -> (HostChannel, CardChannel) {
    let keys = static_keys();
    let host = HostHandshake::new([7; 8]);
    let first = host.initialize_update(0);
    let first = Command::parse(&first).expect("a command");
    let (card, response) =
        CardHandshake::initialize_update(&first, &keys, 2, [1; 10], [9; 8]).expect("well-formed");
    let response = InitializeUpdateResponse::parse(&response).expect("well-formed");
    let (host, second) = host.card_response(&keys, &response).expect("the same keys");
    let second = Command::parse(&second).expect("a command");
    (host, card.external_authenticate(&second).expect("the same keys"))
}

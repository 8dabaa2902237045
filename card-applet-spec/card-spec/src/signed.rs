//! Signed objects (SPEC 2): a body with its own tag, and a signature over the body as received.
//!
//! [`Signed`] is what arrived; only [`Signed::verify`] turns it into [`Verified`], which everything that acts on the
//! content demands. A body that did not verify cannot be mistaken for one that did.

use core::ops::Deref;

use crate::crypto::{Digest, InvalidSignature, PublicKey, Sign, Signature, Verify, sha256};
use crate::tlv::{DataObject, Error, Field, Reader, Writer};

const SIGNATURE: u16 = 0x5F37;

/// A kind of body that can be signed.
pub trait Body<'a>: Field<'a> {
    /// Tag of the body, different for each kind of object (SPEC 2.2).
    const TAG: u16;
    /// Tag of the template around body and signature.
    const WRAPPER: u16 = 0xFF20;
}

/// A signed object as received, not yet verified.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a, B> {
    body: B,
    body_encoding: &'a [u8],
    signature: Signature,
    encoding: &'a [u8],
}

impl<'a, B: Body<'a>> Signed<'a, B> {
    /// Reads exactly one signed object.
    pub fn parse(input: &'a [u8]) -> Result<Self, Error> {
        Self::from_object(DataObject::parse(input)?)
    }

    /// Reads a signed object that stands among others.
    pub fn read_next(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Self::from_object(reader.expect(B::WRAPPER)?)
    }

    // Not into its callers: their stack would hold what reading takes for as long as they run.
    #[inline(never)]
    fn from_object(object: DataObject<'a>) -> Result<Self, Error> {
        if object.tag() != B::WRAPPER {
            return Err(Error::Expected(B::WRAPPER));
        }
        let mut members = object.members()?;
        let signed = Self::read_members(&mut members, object)?;
        members.finish()?;
        Ok(signed)
    }

    /// Reads body and signature that stand in another template than the wrapper (DATA 5.2, Paid).
    pub(crate) fn read_members(members: &mut Reader<'a>, template: DataObject<'a>) -> Result<Self, Error> {
        let mut ahead = *members;
        let body_encoding = ahead.expect(B::TAG)?.encoding();
        let body = B::read(members, B::TAG)?;
        let signature = Signature::read(members, SIGNATURE)?;
        Ok(Self {
            body,
            body_encoding,
            signature,
            encoding: template.encoding(),
        })
    }

    /// Writes body and signature without a template around them.
    pub(crate) fn write_members(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        writer.raw(self.body_encoding)?;
        self.signature.write(writer, SIGNATURE)
    }

    /// Checks the signature.
    pub fn verify(
        self,
        verifier: &impl Verify,
        key: &PublicKey,
    ) -> Result<Verified<'a, B>, InvalidSignature> {
        verifier.verify(key, self.body_encoding, &self.signature)?;
        Ok(Verified(self))
    }

    /// The content as somebody claims it: good for looking up the key to verify with, and for reports.
    pub fn claimed(&self) -> &B {
        &self.body
    }

    /// The bytes that are signed: the body data object.
    pub fn signed_bytes(&self) -> &'a [u8] {
        self.body_encoding
    }

    /// The signature, not checked.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The whole object as received.
    pub fn encoding(&self) -> &'a [u8] {
        self.encoding
    }

    /// SHA-256 of the body data object, the identity of the object (SPEC 2.3).
    pub fn hash(&self) -> Digest {
        sha256(&[self.body_encoding])
    }
}

/// A signed object whose signature was checked under a key that the caller chose.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a, B>(Signed<'a, B>);

impl<'a, B: Body<'a>> Verified<'a, B> {
    /// The bytes that are signed: the body data object.
    pub fn signed_bytes(&self) -> &'a [u8] {
        self.0.body_encoding
    }

    /// The whole object as received.
    pub fn encoding(&self) -> &'a [u8] {
        self.0.encoding
    }

    /// SHA-256 of the body data object.
    pub fn hash(&self) -> Digest {
        self.0.hash()
    }

    /// The content.
    pub fn into_body(self) -> B {
        self.0.body
    }
}

impl<B> Deref for Verified<'_, B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.0.body
    }
}

/// Why an object could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignError<E> {
    /// It does not fit the buffer.
    Encoding(Error),
    /// The holder of the key refused.
    Key(E),
}

/// Writes the body alone into `out`: what [`sign`] signs.
pub fn encode_body<'b, 'a, B: Body<'a>>(body: &B, out: &'b mut [u8]) -> Result<&'b [u8], Error> {
    let mut writer = Writer::new(out);
    body.write(&mut writer, B::TAG)?;
    Ok(writer.finish())
}

/// Encodes and signs `body`; the signed object is at the start of `out`.
pub fn sign<'b, 'a, B: Body<'a>, S: Sign>(
    body: &B,
    signer: &S,
    out: &'b mut [u8],
) -> Result<&'b [u8], SignError<S::Error>> {
    let signature = {
        let encoding = encode_body(body, out).map_err(SignError::Encoding)?;
        signer.sign(encoding).map_err(SignError::Key)?
    };
    let mut writer = Writer::new(out);
    writer
        .template(B::WRAPPER, |writer| {
            body.write(writer, B::TAG)?;
            writer.put(SIGNATURE, &signature.0)
        })
        .map_err(SignError::Encoding)?;
    Ok(writer.finish())
}

impl<'a> Field<'a> for PublicKey {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        Self::from_sec1(reader.expect(tag)?.value()).map_err(|_| Error::Value(tag))
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, self.as_bytes())
    }
}

impl<'a> Field<'a> for Signature {
    fn read(reader: &mut Reader<'a>, tag: u16) -> Result<Self, Error> {
        <[u8; 64]>::read(reader, tag).map(Self)
    }

    fn write(&self, writer: &mut Writer<'_>, tag: u16) -> Result<(), Error> {
        writer.put(tag, &self.0)
    }
}

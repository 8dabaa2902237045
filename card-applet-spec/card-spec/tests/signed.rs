//! SPEC 2: signatures cover the body as received, and only a body that verified is good for anything; keys and hashes
//! underneath.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

use card_spec::certificate::Reference;
use card_spec::crypto::{
    InvalidPublicKey, InvalidSecretKey, InvalidSignature, PortableP256, PublicKey, SecretKey, Sign,
    Signature, ct_eq, sha256,
};
use card_spec::journal::{Acknowledgement, TimeStatement, genesis};
use card_spec::signed::{Body, SignError, Signed, encode_body, sign};
use card_spec::tlv::{DataObject, Error, Field, Reader, Writer};
use card_spec::values::{Date, Time};

fn key(octet: u8) -> SecretKey {
    SecretKey::from_bytes(&[octet; 32]).unwrap()
}

fn statement() -> TimeStatement {
    TimeStatement {
        suite: Default::default(),
        issuer: Reference::new("VNISS7900001").unwrap(),
        terminal: "VNT0000001".parse().unwrap(),
        nonce: [9; 16],
        time: Time::new(Date::new(2026, 11, 22).unwrap(), 8, 30, 0).unwrap(),
    }
}

fn object() -> Vec<u8> {
    sign(&statement(), &key(1), &mut [0; 256]).unwrap().to_vec()
}

#[test]
fn what_verified_is_what_was_signed() {
    let object = object();
    let mut buffer = [0; 256];
    let body = encode_body(&statement(), &mut buffer).unwrap();
    // FF20 { body, 5F37 signature }
    let template = DataObject::parse(&object).unwrap();
    assert_eq!(template.tag(), 0xFF20);
    assert_eq!(template.value()[..body.len()], *body);
    assert_eq!(template.value()[body.len()..][..3], [0x5F, 0x37, 64]);

    let signed = Signed::<TimeStatement>::parse(&object).unwrap();
    assert_eq!(signed.claimed(), &statement());
    assert_eq!(signed.signed_bytes(), body);
    assert_eq!(signed.encoding(), object);
    assert_eq!(signed.hash(), sha256(&[body]));
    assert_eq!(signed.signature().as_bytes()[..], object[object.len() - 64..]);

    let verified = signed.verify(&PortableP256, &key(1).public_key()).unwrap();
    assert_eq!(verified.time, statement().time);
    assert_eq!(verified.signed_bytes(), body);
    assert_eq!(verified.encoding(), object);
    assert_eq!(verified.hash(), sha256(&[body]));
    assert_eq!(verified.into_body(), statement());
}

#[test]
fn nothing_verifies_under_another_key_or_with_a_bit_changed() {
    let object = object();
    let signed = Signed::<TimeStatement>::parse(&object).unwrap();
    assert!(signed.verify(&PortableP256, &key(2).public_key()).is_err());
    for position in 0..object.len() {
        let mut altered = object.clone();
        altered[position] ^= 1;
        let verified = Signed::<TimeStatement>::parse(&altered)
            .is_ok_and(|signed| signed.verify(&PortableP256, &key(1).public_key()).is_ok());
        assert!(!verified, "byte {position}");
    }
}

#[test]
fn no_object_is_taken_for_another_kind() {
    let object = object();
    let expected = Some(Error::Expected(Acknowledgement::TAG));
    assert_eq!(Signed::<Acknowledgement>::parse(&object).err(), expected);
    // The body alone, another template around it, bytes behind it.
    let body = Signed::<TimeStatement>::parse(&object)
        .unwrap()
        .signed_bytes()
        .to_vec();
    let mut other = object.clone();
    other[1] = 0x2D;
    for wrong in [body, other, [&object[..], &[0x80, 0]].concat()] {
        assert!(Signed::<TimeStatement>::parse(&wrong).is_err());
    }
    let two = [&object[..], &object[..]].concat();
    let mut reader = Reader::new(&two);
    for _ in 0..2 {
        let signed = Signed::<TimeStatement>::read_next(&mut reader).unwrap();
        assert_eq!(signed.encoding(), object);
    }
    assert!(Signed::<TimeStatement>::read_next(&mut reader).is_err());
}

#[test]
fn what_does_not_fit_the_buffer_is_not_signed() {
    for size in 0..object().len() {
        let mut buffer = vec![0; size];
        let refused = sign(&statement(), &key(1), &mut buffer);
        assert_eq!(refused, Err(SignError::Encoding(Error::Space)), "{size}");
    }
}

#[test]
fn keys_are_points_and_integers_of_p256() {
    let public = key(1).public_key();
    assert_eq!(PublicKey::from_sec1(public.as_bytes()), Ok(public));
    assert_eq!(Sign::public_key(&key(1)), public);
    assert_eq!(*key(7).to_bytes(), [7; 32]);
    let mut off_the_curve = *public.as_bytes();
    off_the_curve[64] ^= 1;
    let mut hybrid = *public.as_bytes();
    hybrid[0] = 0x06;
    for refused in [
        &off_the_curve[..],
        &hybrid,
        &[0],
        &public.as_bytes()[..64],
        &[4; 66],
    ] {
        assert_eq!(PublicKey::from_sec1(refused), Err(InvalidPublicKey));
    }
    // Zero and what is not below the order of the group.
    for refused in [[0; 32], [0xFF; 32]] {
        assert_eq!(SecretKey::from_bytes(&refused).err(), Some(InvalidSecretKey));
    }
    for length in [0, 63, 65] {
        assert_eq!(Signature::try_from(&vec![1; length][..]), Err(InvalidSignature));
    }
}

#[test]
fn equal_means_every_byte() {
    assert!(ct_eq(&[1, 2, 3], &[1, 2, 3]));
    assert!(ct_eq(&[], &[]));
    for other in [&[1, 2, 4][..], &[0, 2, 3], &[1, 2], &[1, 2, 3, 0], &[]] {
        assert!(!ct_eq(&[1, 2, 3], other));
    }
}

#[test]
fn a_hash_covers_its_parts_one_after_the_other() {
    // FIPS 180-4, "abc".
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for parts in [&[&b"abc"[..]][..], &[b"a", b"bc"], &[b"", b"ab", b"", b"c"]] {
        assert_eq!(hex::encode(sha256(parts)), abc);
    }
    let public = key(1).public_key();
    assert_eq!(genesis(&public), sha256(&[public.as_bytes()]));
}

#[test]
fn a_public_key_and_a_signature_are_data_objects() {
    let public = key(1).public_key();
    let Ok(signature) = key(1).sign(b"message");
    let mut buffer = [0; 160];
    let mut writer = Writer::new(&mut buffer);
    public.write(&mut writer, 0x86).unwrap();
    signature.write(&mut writer, 0x5F37).unwrap();
    let bytes = writer.finish();
    assert_eq!(bytes[..2], [0x86, 65]);
    let mut reader = Reader::new(bytes);
    assert_eq!(PublicKey::read(&mut reader, 0x86), Ok(public));
    assert_eq!(Signature::read(&mut reader, 0x5F37), Ok(signature));
    assert_eq!(reader.finish(), Ok(()));
    let mut wrong = bytes.to_vec();
    wrong[2] = 2;
    assert_eq!(
        PublicKey::read(&mut Reader::new(&wrong), 0x86),
        Err(Error::Value(0x86))
    );
}

//! The issuer's end of a session (SPEC 6): SCP03, personalization, scripts.

use card_spec::crypto::{Agree as _, PortableP256, PublicKey, Signature, Verify as _, sha256};
use card_spec::scp03::{
    AesKey, HostChannel, HostHandshake, InitializeUpdateResponse, StaticKeys, encode_put_key,
    put_key_response,
};

use crate::bench::Bench;
use crate::case::{Outcome, Own as _, Stop, check};
use crate::channel::{Answer, Secure};
use crate::encoding::{find, objects, tlv};
use crate::material::{CardKeys, Script};

pub(crate) use crate::material::Plan;

pub(crate) const PUT_KEY: [u8; 4] = [0x80, 0xD8, 0x00, 0x81];
pub(crate) const GENERATE: [u8; 4] = [0x80, 0x47, 0x00, 0x00];
pub(crate) const PROVE: [u8; 4] = [0x80, 0x47, 0x01, 0x00];
pub(crate) const STORE_FIRST: [u8; 4] = [0x80, 0xE2, 0x00, 0x00];
pub(crate) const SET_PIN: [u8; 4] = [0x80, 0x24, 0x01, 0x81];
pub(crate) const ACTIVATE: [u8; 4] = [0x80, 0x44, 0x00, 0x00];
pub(crate) const GET_STATUS: [u8; 4] = [0x80, 0xCA, 0xFF, 0x3F];
pub(crate) const EXECUTE_SCRIPT: [u8; 4] = [0x80, 0x5A, 0x00, 0x00];

/// Octets of plaintext in one command (SPEC 8.2).
pub(crate) const BLOCK: usize = 223;

/// What GET DATA answers (SPEC 6.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CardStatus {
    pub(crate) life_cycle: u8,
    pub(crate) key_version: u8,
    pub(crate) flags: u8,
    pub(crate) cso_hash: Option<Vec<u8>>,
    pub(crate) tries: u8,
    pub(crate) counter: u32,
    pub(crate) head: Option<Vec<u8>>,
    pub(crate) date: Option<Vec<u8>>,
}

impl CardStatus {
    /// The key pairs are present.
    pub(crate) const KEYS: u8 = 0x01;
    /// The data is loaded completely.
    pub(crate) const DATA: u8 = 0x02;
    /// A PIN is set.
    pub(crate) const PIN: u8 = 0x04;
    /// An update is loaded completely.
    pub(crate) const UPDATE: u8 = 0x08;
    /// A new PIN may be set.
    pub(crate) const NEW_PIN: u8 = 0x10;

    /// Asks for it, in whatever session.
    pub(crate) fn read(bench: &mut Bench, secure: &mut Secure) -> Outcome<Self> {
        let data = secure.exchange(bench, GET_STATUS, &[])?.expect(0x9000)?;
        Self::parse(&data)
            .ok_or_else(|| Stop::Failed("the answer to GET DATA is not as SPEC 6.10 has it".to_owned()))
    }

    fn parse(data: &[u8]) -> Option<Self> {
        let value = find(data, 0xFF3F)?;
        let byte = |tag| match find(&value, tag)?[..] {
            [byte] => Some(byte),
            _ => None,
        };
        let status = Self {
            life_cycle: byte(0x8A)?,
            key_version: byte(0x80)?,
            flags: byte(0x81)?,
            cso_hash: find(&value, 0x82),
            tries: byte(0x83)?,
            counter: u32::from_be_bytes(find(&value, 0x84)?.try_into().ok()?),
            head: find(&value, 0x85),
            date: find(&value, 0x5F25),
        };
        (status.encode() == data).then_some(status)
    }

    fn encode(&self) -> Vec<u8> {
        let optional = |tag, value: &Option<Vec<u8>>| value.as_ref().map(|value| tlv(tag, value));
        let members = [
            Some(tlv(0x8A, &[self.life_cycle])),
            Some(tlv(0x80, &[self.key_version])),
            Some(tlv(0x81, &[self.flags])),
            optional(0x82, &self.cso_hash),
            Some(tlv(0x83, &[self.tries])),
            Some(tlv(0x84, &self.counter.to_be_bytes())),
            optional(0x85, &self.head),
            optional(0x5F25, &self.date),
        ];
        tlv(
            0xFF3F,
            &members.into_iter().flatten().flatten().collect::<Vec<u8>>(),
        )
    }
}

/// SCP03 between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE.
pub(crate) struct Challenged {
    pub(crate) key_version: u8,
    pub(crate) keys: StaticKeys,
    pub(crate) card_challenge: [u8; 8],
    /// The EXTERNAL AUTHENTICATE that a card must accept.
    pub(crate) authenticate: Vec<u8>,
    channel: HostChannel,
}

impl Challenged {
    /// INITIALIZE UPDATE on a selected card; checks the card's cryptogram.
    pub(crate) fn start(bench: &mut Bench) -> Outcome<Self> {
        let handshake = HostHandshake::new(bench.random.octets());
        let answer = bench.plain(&handshake.initialize_update(0))?.expect(0x9000)?;
        let wrong = |error| Stop::Failed(format!("INITIALIZE UPDATE (SPEC 6.2): {error}"));
        let response = InitializeUpdateResponse::parse(&answer).map_err(wrong)?;
        let keys = match response.key_version {
            1 => bench.transport().keys_of(&response.chip_serial),
            version => bench.material.issuer_keys(version),
        };
        let (channel, authenticate) = handshake.card_response(&keys, &response).map_err(wrong)?;
        Ok(Self {
            key_version: response.key_version,
            keys,
            card_challenge: response.card_challenge,
            authenticate: authenticate.to_vec(),
            channel,
        })
    }

    /// EXTERNAL AUTHENTICATE.
    pub(crate) fn finish(self, bench: &mut Bench) -> Outcome<IssuerSession> {
        bench.plain(&self.authenticate)?.expect(0x9000)?;
        Ok(IssuerSession {
            secure: Secure::new(self.channel),
            keys: self.keys,
            key_version: self.key_version,
        })
    }
}

/// An SCP03 session.
pub(crate) struct IssuerSession {
    pub(crate) secure: Secure,
    pub(crate) keys: StaticKeys,
    pub(crate) key_version: u8,
}

impl IssuerSession {
    /// SELECT, INITIALIZE UPDATE, EXTERNAL AUTHENTICATE.
    pub(crate) fn open(bench: &mut Bench) -> Outcome<Self> {
        bench.select()?;
        Challenged::start(bench)?.finish(bench)
    }

    pub(crate) fn send(&mut self, bench: &mut Bench, header: [u8; 4], data: &[u8]) -> Outcome<Answer> {
        self.secure.send(bench, header, data)
    }

    pub(crate) fn card_status(&mut self, bench: &mut Bench) -> Outcome<CardStatus> {
        CardStatus::read(bench, &mut self.secure)
    }

    /// The data of the PUT KEY that is due.
    pub(crate) fn put_key_data(&self, bench: &Bench, version: u8) -> Outcome<Vec<u8>> {
        let new = bench.material.issuer_keys(version);
        Ok(encode_put_key(version, &new, &self.keys.dek)
            .own("PUT KEY")?
            .to_vec())
    }

    /// Replaces the keys by those of the next version.
    pub(crate) fn put_key(&mut self, bench: &mut Bench) -> Outcome {
        let version = self.key_version.checked_add(1).own("a key version")?;
        let data = self.put_key_data(bench, version)?;
        let answer = self.send(bench, PUT_KEY, &data)?.expect(0x9000)?;
        let new = bench.material.issuer_keys(version);
        check(
            answer == put_key_response(version, &new),
            "the answer to PUT KEY is not the new version and the three check values",
        )?;
        (self.keys, self.key_version) = (new, version);
        Ok(())
    }

    pub(crate) fn generate_key_pairs(&mut self, bench: &mut Bench, number: &[u8]) -> Outcome<CardKeys> {
        self.key_pairs(bench, GENERATE, number)
    }

    pub(crate) fn prove_key_pairs(&mut self, bench: &mut Bench, number: &[u8]) -> Outcome<CardKeys> {
        self.key_pairs(bench, PROVE, number)
    }

    /// GENERATE ASYMMETRIC KEY PAIR, both proofs checked (SPEC 6.5).
    fn key_pairs(&mut self, bench: &mut Bench, header: [u8; 4], number: &[u8]) -> Outcome<CardKeys> {
        let nonce: [u8; 16] = bench.random.octets();
        let data = key_pair_request(bench, number, &nonce);
        let answer = self.send(bench, header, &data.concat())?.expect(0x9000)?;
        let members = objects(&answer);
        let [agreement, signing, _, _] = &members[..] else {
            return Err(Stop::Failed("the answer is not 83, 84, 5F37, 86".to_owned()));
        };
        let key = |tag| {
            let octets = find(&answer, tag).unwrap_or_default();
            PublicKey::from_sec1(&octets).map_err(|error| Stop::Failed(format!("{tag:02X}: {error}")))
        };
        let keys = CardKeys {
            agreement: key(0x83)?,
            signing: key(0x84)?,
        };
        let possession = [tlv(0x80, &[1]), tlv(0x5A, number), tlv(0x81, &nonce)].concat();
        let body = tlv(0xFF2A, &[&possession, &agreement[..], signing].concat());
        let signature = find(&answer, 0x5F37).unwrap_or_default();
        check_signature(&keys.signing, &body, &signature)?;
        let secret = bench.material.secret(EPHEMERAL).agree(&keys.agreement);
        let [key @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            sha256(&[secret.as_bytes(), &[0, 0, 0, 1]]);
        check(
            find(&answer, 0x86).unwrap_or_default() == AesKey::aes128(key).cmac(&[&body]),
            "the key confirmation is wrong: the card has not the agreement key that it names",
        )?;
        Ok(keys)
    }

    /// STORE DATA in the largest blocks.
    pub(crate) fn store(&mut self, bench: &mut Bench, load: &[u8]) -> Outcome {
        self.store_until_last(bench, load)?.expect(0x9000).map(drop)
    }

    /// STORE DATA; every block but the last must be accepted.
    pub(crate) fn store_until_last(&mut self, bench: &mut Bench, load: &[u8]) -> Outcome<Answer> {
        let mut blocks = (0..).zip(load.chunks(BLOCK)).peekable();
        while let Some((number, block)) = blocks.next() {
            if blocks.peek().is_none() {
                return self.send(bench, [0x80, 0xE2, 0x80, number], block);
            }
            self.send(bench, [0x80, 0xE2, 0x00, number], block)?
                .expect(0x9000)?;
        }
        Err(Stop::Kit("an empty load".to_owned()))
    }

    pub(crate) fn set_pin(&mut self, bench: &mut Bench, pin: &[u8]) -> Outcome<Answer> {
        self.send(bench, SET_PIN, pin)
    }

    pub(crate) fn activate(&mut self, bench: &mut Bench) -> Outcome<Answer> {
        self.send(bench, ACTIVATE, &[])
    }

    /// EXECUTE ISSUER SCRIPT with a script of the kit's issuer, without a certificate.
    pub(crate) fn script(&mut self, bench: &mut Bench, script: &Script) -> Outcome<Answer> {
        let data = bench.material.script(script);
        self.send(bench, EXECUTE_SCRIPT, &data)
    }
}

/// Whose key the host uses in GENERATE ASYMMETRIC KEY PAIR.
const EPHEMERAL: &str = "ephemeral key of the issuer";

/// The data objects of GENERATE ASYMMETRIC KEY PAIR.
pub(crate) fn key_pair_request(bench: &Bench, number: &[u8], nonce: &[u8; 16]) -> Vec<Vec<u8>> {
    vec![
        tlv(0x5A, number),
        tlv(0x81, nonce),
        tlv(0x5F49, bench.material.public(EPHEMERAL).as_bytes()),
    ]
}

/// Verifies a signature that the card made.
pub(crate) fn check_signature(key: &PublicKey, message: &[u8], signature: &[u8]) -> Outcome {
    let signature = Signature::try_from(signature)
        .map_err(|_| Stop::Failed("a signature is not of 64 octets (SPEC 2.1)".to_owned()))?;
    PortableP256
        .verify(key, message, &signature)
        .map_err(|_| Stop::Failed("the card's signature does not verify".to_owned()))
}

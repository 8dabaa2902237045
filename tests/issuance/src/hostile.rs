//! Cards that lie. [`Meddler`] alters what a genuine card answers; [`Impostor`] knows the transport keys, as a vendor's
//! broken chip or a thief of keys would, and lies inside the secure channel.

use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::command::instruction::{
    EXTERNAL_AUTHENTICATE, GENERATE_KEY_PAIR, GET_DATA, INITIALIZE_UPDATE, PUT_KEY, SELECT,
};
use card_spec::command::{CardStatus, GenerateData, GeneratedKeys, KeyPossession, LifeCycle};
use card_spec::crypto::{Agree as _, SecretKey, Sign as _, sha256};
use card_spec::scp03::{
    AesKey, CardChannel, CardHandshake, ChipSerial, StaticKeys, diversify, parse_put_key, put_key_response,
};
use card_spec::signed::encode_body;
use card_spec::tlv::{Field as _, Writer};
use virtual_card::Chip;

/// A genuine card behind something that alters answers.
pub struct Meddler<C, F> {
    card: C,
    alter: F,
    commands: usize,
}

impl<C: Chip, F: FnMut(usize, Vec<u8>) -> Vec<u8>> Meddler<C, F> {
    /// `alter` gets each command's number, from 1, and its answer.
    pub fn new(card: C, alter: F) -> Self {
        Self {
            card,
            alter,
            commands: 0,
        }
    }
}

impl<C: Chip, F: FnMut(usize, Vec<u8>) -> Vec<u8>> Chip for Meddler<C, F> {
    fn answer_to_reset(&self) -> Vec<u8> {
        self.card.answer_to_reset()
    }

    fn reset(&mut self) {
        self.card.reset();
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.commands += 1;
        (self.alter)(self.commands, self.card.transmit(command))
    }
}

/// Makes the answer to GENERATE ASYMMETRIC KEY PAIR.
pub type Proof = Box<dyn Fn(&GenerateData) -> Vec<u8> + Send>;

/// What an impostor answers inside the secure channel; by default what a genuine card would.
pub struct Lies {
    /// Answer to GENERATE ASYMMETRIC KEY PAIR.
    pub proof: Proof,
    /// Changes the answer to PUT KEY.
    pub put_key: fn(&mut [u8]),
    /// Answer to GET DATA.
    pub status: CardStatus,
    /// Answers nothing any more after this many commands in the channel.
    pub commands: usize,
}

impl Default for Lies {
    fn default() -> Self {
        Self::with_keys(secret(1), secret(2))
    }
}

impl Lies {
    /// A card with these keys, and their true proof.
    pub fn with_keys(agreement: SecretKey, signing: SecretKey) -> Self {
        Self::with_proof(move |question| encode(&prove(question, &agreement, &signing)))
    }

    /// A card with this proof.
    pub fn with_proof(proof: impl Fn(&GenerateData) -> Vec<u8> + Send + 'static) -> Self {
        let status = CardStatus {
            life_cycle: LifeCycle::Personalizing,
            key_version: 2,
            flags: 0,
            cso_hash: None,
            pin_tries: 0,
            counter: 0,
            head: None,
            date: None,
        };
        Self {
            proof: Box::new(proof),
            put_key: |_| {},
            status,
            commands: usize::MAX,
        }
    }
}

/// A secret key that is the same in each run.
pub fn secret(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

/// The proof of SPEC 6.5.
pub fn prove(question: &GenerateData, agreement: &SecretKey, signing: &SecretKey) -> GeneratedKeys {
    let possession = KeyPossession {
        suite: Default::default(),
        card_number: question.card_number,
        nonce: question.nonce,
        agreement_key: agreement.public_key(),
        signing_key: signing.public_key(),
    };
    let mut buffer = [0; 256];
    let body = encode_body(&possession, &mut buffer).unwrap();
    let Ok(signature) = signing.sign(body);
    let block = sha256(&[agreement.agree(&question.ephemeral).as_bytes(), &[0, 0, 0, 1]]);
    GeneratedKeys {
        agreement_key: possession.agreement_key,
        signing_key: possession.signing_key,
        signature,
        confirmation: AesKey::from_bytes(&block[..16]).unwrap().cmac(&[body]),
    }
}

/// The data field of a proof.
pub fn encode(proof: &GeneratedKeys) -> Vec<u8> {
    let mut buffer = [0; 256];
    proof.encode(&mut buffer).unwrap().to_vec()
}

/// A card that has a chip's keys, and lies.
pub struct Impostor {
    serial: ChipSerial,
    version: u8,
    keys: StaticKeys,
    handshake: Option<CardHandshake>,
    channel: Option<CardChannel>,
    /// Its lies.
    pub lies: Lies,
}

impl Impostor {
    /// Has the keys that a delivery file gives this chip.
    pub fn new(delivery: &std::path::Path, serial: ChipSerial, lies: Lies) -> Self {
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(delivery).unwrap()).unwrap();
        let key = |name: &str| {
            <[u8; 16]>::try_from(hex::decode(file["keys"][name]["key"].as_str().unwrap()).unwrap()).unwrap()
        };
        let master = StaticKeys::new(key("enc"), key("mac"), key("dek"));
        Self {
            serial,
            version: 1,
            keys: diversify(&master, &serial),
            handshake: None,
            channel: None,
            lies,
        }
    }

    fn select(&self) -> Vec<u8> {
        let life_cycle = if self.version == 1 {
            0x01
        } else {
            self.lies.status.life_cycle as u8
        };
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        writer
            .template(0x6F, |information| {
                information.put(0x84, &card_spec::APPLICATION_IDENTIFIER)?;
                information.put(0x8A, &[life_cycle])?;
                information.template(0xA5, |proprietary| proprietary.put(0x80, &[1]))
            })
            .unwrap();
        [writer.finish(), &[0x90, 0x00]].concat()
    }

    fn plain(&mut self, command: &Command<'_>) -> Vec<u8> {
        match command.instruction {
            SELECT => self.select(),
            INITIALIZE_UPDATE => {
                let (handshake, response) =
                    CardHandshake::initialize_update(command, &self.keys, self.version, self.serial, [9; 8])
                        .unwrap();
                self.handshake = Some(handshake);
                [&response[..], &[0x90, 0x00]].concat()
            }
            EXTERNAL_AUTHENTICATE => {
                self.channel = self
                    .handshake
                    .take()
                    .map(|handshake| handshake.external_authenticate(command).unwrap());
                vec![0x90, 0x00]
            }
            _ => vec![0x6D, 0x00],
        }
    }

    fn protected(&mut self, mut channel: CardChannel, command: &Command<'_>) -> Vec<u8> {
        if self.lies.commands == 0 {
            return Vec::new();
        }
        self.lies.commands -= 1;
        let mut buffer = [0; 256];
        let command = channel.unwrap(command, &mut buffer).unwrap();
        let data = self.answer(&command);
        let mut buffer = [0; 252];
        let response = channel
            .wrap(&Response::new(&data, StatusWord::SUCCESS), &mut buffer)
            .unwrap()
            .to_vec();
        self.channel = Some(channel);
        response
    }

    fn answer(&mut self, command: &Command<'_>) -> Vec<u8> {
        match command.instruction {
            PUT_KEY => {
                (self.version, self.keys) = parse_put_key(command.data, &self.keys.dek).unwrap();
                let mut response = put_key_response(self.version, &self.keys);
                (self.lies.put_key)(&mut response);
                response.to_vec()
            }
            GENERATE_KEY_PAIR => (self.lies.proof)(&GenerateData::parse(command.data).unwrap()),
            GET_DATA => {
                let mut buffer = [0; 256];
                let mut writer = Writer::new(&mut buffer);
                self.lies.status.write(&mut writer, CardStatus::TAG).unwrap();
                writer.finish().to_vec()
            }
            _ => Vec::new(),
        }
    }
}

impl Chip for Impostor {
    fn answer_to_reset(&self) -> Vec<u8> {
        vec![0x3B, 0x80, 0x01, 0x81]
    }

    fn reset(&mut self) {
        (self.handshake, self.channel) = (None, None);
    }

    fn transmit(&mut self, octets: &[u8]) -> Vec<u8> {
        let command = Command::parse(octets).unwrap();
        match self.channel.take() {
            Some(channel) => self.protected(channel, &command),
            None => self.plain(&command),
        }
    }
}

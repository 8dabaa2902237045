//! Personalization (SPEC 6): the issuer's commands in an SCP03 session.

use card_spec::apdu::{Command, StatusWord};
use card_spec::command::instruction::{
    ACTIVATE, CHANGE_REFERENCE_DATA, EXECUTE_ISSUER_SCRIPT, GENERATE_KEY_PAIR, GET_DATA, PUT_KEY,
    READ_BINARY, READ_RECORD, STORE_DATA,
};
use card_spec::command::{CardStatus, GenerateData, GeneratedKeys, KeyPossession, PIN_REFERENCE, Pin};
use card_spec::crypto::{Agree as _, SecretKey, SharedSecret, Sign as _, sha256};
use card_spec::scp03::{
    AesKey, CardHandshake, HandshakeError, MAX_COMMAND_DATA, PUT_KEY_P2, SecurityLevel, parse_put_key,
    put_key_response,
};
use card_spec::signed::encode_body;
use card_spec::tlv::{Field as _, Writer};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::answer::{Answer, Stop};
use crate::content::{Content, ContentIndex, Loading, Object};
use crate::memory::{Memory, Slot};
use crate::record::Record as _;
use crate::session::{Peer, Session};
use crate::state::{KeyPairs, State, StoredKeys, StoredPin};
use crate::{Card, require_no_data, require_parameters};

/// Wrong EXTERNAL AUTHENTICATEs in a row after which the card waits for a power-off (SPEC 6.3).
const MAX_WRONG_AUTHENTICATIONS: u8 = 10;
/// Bytes of data of EXTERNAL AUTHENTICATE (SPEC 6.3).
const CRYPTOGRAM_AND_MAC: usize = 16;
/// The last version of issuer keys (SPEC 6.2).
const LAST_KEY_VERSION: u8 = 0x7F;
/// Tag of the card's status, P1-P2 of GET DATA (SPEC 6.10).
const STATUS: [u8; 2] = CardStatus::TAG.to_be_bytes();

/// The issuer's session.
#[derive(Default)]
pub(crate) struct IssuerSession {
    /// STORE DATA under way: it ends with the session.
    loading: Option<Loading>,
    current_file: Option<Object>,
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// INITIALIZE UPDATE (SPEC 6.2).
    pub(crate) fn initialize_update(
        &mut self,
        session: &mut Session,
        wrong_authentications: u8,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        require_parameters(command, [0x00, 0x00])?;
        if wrong_authentications >= MAX_WRONG_AUTHENTICATIONS {
            return Err(Stop::Refused(StatusWord::AUTHENTICATION_METHOD_BLOCKED));
        }
        if command.data.len() != 8 {
            return Err(Stop::LENGTH);
        }
        let chip_serial = self
            .memory
            .read(Slot::ChipSerial)
            .try_into()
            .map_err(|_| Stop::FAULT)?;
        let stored = self.static_keys()?;
        let mut challenge = [0; 8];
        self.random.fill_bytes(&mut challenge);
        let (handshake, response) =
            CardHandshake::initialize_update(command, &stored.keys(), stored.version, chip_serial, challenge)
                .map_err(|error| Stop::Refused(error.status()))?;
        *session = Session::Challenged(handshake);
        Answer::data(&response)
    }

    /// A command in the issuer's session.
    pub(crate) fn issuer_command(
        &mut self,
        session: &mut IssuerSession,
        state: &State,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        match command.instruction {
            GET_DATA => self.get_data(command),
            PUT_KEY => self.put_key(command),
            GENERATE_KEY_PAIR => self.generate_key_pairs(command),
            STORE_DATA => self.store_data(state, &mut session.loading, command),
            CHANGE_REFERENCE_DATA => self.set_pin(state, command),
            ACTIVATE => self.activate(state, command),
            READ_BINARY => self.read_binary(&mut session.current_file, |_| true, command),
            READ_RECORD => self.read_record(command),
            EXECUTE_ISSUER_SCRIPT => self.execute_issuer_script(&mut None, command),
            _ => Err(Stop::INSTRUCTION),
        }
    }

    fn static_keys(&self) -> Result<StoredKeys, Stop> {
        StoredKeys::load(&self.memory, Slot::StaticKeys)?.ok_or(Stop::FAULT)
    }

    /// PUT KEY (SPEC 6.4): three keys in one write. With the transport keys gone the card is no longer blank.
    fn put_key(&mut self, command: &Command<'_>) -> Result<Answer, Stop> {
        require_parameters(command, [0x00, PUT_KEY_P2])?;
        let present = self.static_keys()?;
        let (version, keys) = parse_put_key(command.data, &present.keys().dek)
            .map_err(|error| Stop::Refused(error.status()))?;
        let next = present.version.checked_add(1);
        if next != Some(version) || version > LAST_KEY_VERSION {
            return Err(Stop::DATA);
        }
        StoredKeys::new(version, &keys)
            .ok_or(Stop::DATA)?
            .store(&mut self.memory, Slot::StaticKeys)?;
        Answer::data(&put_key_response(version, &keys))
    }

    /// GENERATE ASYMMETRIC KEY PAIR (SPEC 6.5).
    fn generate_key_pairs(&mut self, command: &Command<'_>) -> Result<Answer, Stop> {
        let generate = match [command.p1, command.p2] {
            [0x00, 0x00] => true,
            [0x01, 0x00] => false,
            _ => return Err(Stop::P1_P2),
        };
        let request = GenerateData::parse(command.data)?;
        let pairs = match KeyPairs::load(&self.memory, Slot::KeyPairs)? {
            Some(pairs) if generate && pairs.kept != 0 => return Err(Stop::LIFE_CYCLE),
            Some(pairs) if !generate => pairs,
            None if !generate => return Err(Stop::Refused(StatusWord::REFERENCED_DATA_NOT_FOUND)),
            _ => self.new_key_pairs()?,
        };
        prove_possession(&pairs, &request)
    }

    fn new_key_pairs(&mut self) -> Result<KeyPairs, Stop> {
        let agreement = SecretKey::generate(&mut self.random);
        let signing = SecretKey::generate(&mut self.random);
        let pairs = KeyPairs {
            agreement_secret: *agreement.to_bytes(),
            agreement: *agreement.public_key().as_bytes(),
            signing_secret: *signing.to_bytes(),
            signing: *signing.public_key().as_bytes(),
            kept: 0,
        };
        pairs.store(&mut self.memory, Slot::KeyPairs)?;
        Ok(pairs)
    }

    /// STORE DATA (SPEC 6.6). A refused block leaves the loading where it was. On an active card it loads an update, which
    /// does not count yet (SPEC 13.6).
    fn store_data(
        &mut self,
        state: &State,
        loading: &mut Option<Loading>,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let last = match command.p1 {
            0x00 => false,
            0x80 => true,
            _ => return Err(Stop::P1_P2),
        };
        let first = command.p2 == 0x00;
        let under_way = loading.filter(|loading| loading.next_block() == Some(command.p2));
        if !first && under_way.is_none() {
            return Err(Stop::P1_P2);
        }
        if command.data.is_empty() || command.data.len() > MAX_COMMAND_DATA {
            return Err(Stop::LENGTH);
        }
        // No loading fits into one block: refused before what was loaded is gone.
        if first && last {
            return Err(Stop::DATA);
        }
        let before = match under_way {
            Some(before) => before,
            None => *loading.insert(Loading::begin(&mut self.memory, state.next_loading())?),
        };
        let current = before.append(&mut self.memory, command.data)?;
        if last {
            self.complete(current.index(&self.memory)?)?;
        }
        *loading = (!last).then_some(current);
        Ok(Answer::done())
    }

    /// Loading is complete. Key pairs that a CSO names are kept from then on (SPEC 6.5): that is written first, so that no
    /// power cut leaves a loaded CSO whose keys could still be replaced.
    fn complete(&mut self, index: ContentIndex) -> Result<(), Stop> {
        let content = Content::with_index(&self.memory, index);
        let cso = content.security_object().map_err(|_| Stop::DATA)?.body;
        let index = content.into_index();
        if let Some(mut pairs) = KeyPairs::load(&self.memory, Slot::KeyPairs)? {
            let named = [cso.agreement_key.as_bytes(), cso.signing_key.as_bytes()];
            if pairs.kept == 0 && named == [&pairs.agreement, &pairs.signing] {
                pairs.kept = 1;
                pairs.store(&mut self.memory, Slot::KeyPairs)?;
            }
        }
        index.complete(&mut self.memory)
    }

    /// CHANGE REFERENCE DATA (SPEC 6.8). The write that sets the PIN uses the permission up.
    fn set_pin(&mut self, state: &State, command: &Command<'_>) -> Result<Answer, Stop> {
        if state.active().is_ok() && !self.may_replace_pin(state)? {
            return Err(Stop::LIFE_CYCLE);
        }
        require_parameters(command, [0x01, PIN_REFERENCE])?;
        let pin = Pin::new(command.data).ok_or(Stop::DATA)?;
        StoredPin::new(*pin.digits(), state.pin_grants()).store(&mut self.memory, Slot::Pin)?;
        Ok(Answer::done())
    }

    /// Does an issuer script permit a new PIN (SPEC 13.4)?
    fn may_replace_pin(&self, state: &State) -> Result<bool, Stop> {
        let pin = StoredPin::load(&self.memory, Slot::Pin)?;
        Ok(pin.is_some_and(|pin| pin.may_be_replaced(state.pin_grants())))
    }

    /// ACTIVATE (SPEC 6.9). Said twice it is still done: the first answer may have been lost.
    fn activate(&mut self, state: &State, command: &Command<'_>) -> Result<Answer, Stop> {
        require_parameters(command, [0x00, 0x00])?;
        require_no_data(command)?;
        if !matches!(state, State::Active(_)) {
            self.begin_active_life()?;
        }
        Ok(Answer::done())
    }

    /// GET DATA (SPEC 6.10).
    pub(crate) fn get_data(&self, command: &Command<'_>) -> Result<Answer, Stop> {
        if [command.p1, command.p2] != STATUS {
            return Err(Stop::Refused(StatusWord::REFERENCED_DATA_NOT_FOUND));
        }
        require_no_data(command)?;
        let mut buffer = [0; 160];
        let mut writer = Writer::new(&mut buffer);
        self.status()?.write(&mut writer, CardStatus::TAG)?;
        Answer::data(writer.finish())
    }

    fn status(&self) -> Result<CardStatus, Stop> {
        let state = State::of(&self.memory)?;
        let generation = state.generation();
        let cso = Content::of(&self.memory, generation)?
            .map(|content| content.security_object())
            .transpose()?;
        let present = |slot| !self.memory.read(slot).is_empty();
        let ledger = state.activated().ok();
        let update = Content::of(&self.memory, generation.next())?;
        let flags = [
            (present(Slot::KeyPairs), CardStatus::KEYS_PRESENT),
            (cso.is_some(), CardStatus::DATA_LOADED),
            (present(Slot::Pin), CardStatus::PIN_SET),
            (update.is_some(), CardStatus::UPDATE_LOADED),
            (self.may_replace_pin(&state)?, CardStatus::PIN_PERMITTED),
        ];
        Ok(CardStatus {
            life_cycle: state.life_cycle(),
            key_version: self.static_keys()?.version,
            flags: flags
                .into_iter()
                .filter_map(|(is, flag)| is.then_some(flag))
                .sum(),
            pin_tries: cso
                .as_ref()
                .map_or(Ok(0), |cso| self.tries_left(cso.body.policy, state.pin_grants()))?,
            cso_hash: cso.map(|cso| cso.hash),
            counter: ledger.map_or(0, |ledger| ledger.counter),
            head: ledger.map(|ledger| ledger.head),
            date: ledger.map(|ledger| ledger.remembered),
        })
    }
}

/// EXTERNAL AUTHENTICATE (SPEC 6.3): one attempt per challenge.
pub(crate) fn external_authenticate(
    session: &mut Session,
    wrong_authentications: &mut u8,
    command: &Command<'_>,
) -> Result<Answer, Stop> {
    require_parameters(command, [SecurityLevel::FULL.to_byte(), 0x00])?;
    if !matches!(session, Session::Challenged(_)) {
        return Err(Stop::SECURITY);
    }
    if command.data.len() != CRYPTOGRAM_AND_MAC {
        return Err(Stop::LENGTH);
    }
    let handshake = match core::mem::replace(session, Session::Closed) {
        Session::Challenged(handshake) => handshake,
        other => {
            *session = other;
            return Err(Stop::SECURITY);
        }
    };
    match handshake.external_authenticate(command) {
        Ok(channel) => {
            *wrong_authentications = 0;
            *session = Session::Secure(channel, Peer::Issuer(IssuerSession::default()));
            Ok(Answer::done())
        }
        Err(error) => {
            if error == HandshakeError::NotAuthentic {
                *wrong_authentications = wrong_authentications.saturating_add(1);
            }
            Err(Stop::Refused(error.status()))
        }
    }
}

/// The card has both private keys: the signing key signs, the agreement key confirms (SPEC 6.5).
fn prove_possession(pairs: &KeyPairs, request: &GenerateData) -> Result<Answer, Stop> {
    let agreement = SecretKey::from_bytes(&pairs.agreement_secret).map_err(|_| Stop::FAULT)?;
    let signing = SecretKey::from_bytes(&pairs.signing_secret).map_err(|_| Stop::FAULT)?;
    let possession = KeyPossession {
        suite: Default::default(),
        card_number: request.card_number,
        nonce: request.nonce,
        agreement_key: agreement.public_key(),
        signing_key: signing.public_key(),
    };
    let mut buffer = [0; 256];
    let body = encode_body(&possession, &mut buffer)?;
    let Ok(signature) = signing.sign(body);
    let proof = GeneratedKeys {
        agreement_key: possession.agreement_key,
        signing_key: possession.signing_key,
        signature,
        confirmation: confirmation_key(&agreement.agree(&request.ephemeral)).cmac(&[body]),
    };
    let mut buffer = [0; 256];
    Answer::data(proof.encode(&mut buffer)?)
}

/// First block of the X9.63 KDF (BSI TR-03111, 4.3.3) with SHA-256 and empty SharedInfo, cut to an AES-128 key.
fn confirmation_key(secret: &SharedSecret) -> AesKey {
    let block = Zeroizing::new(sha256(&[secret.as_bytes(), &1u32.to_be_bytes()]));
    let (key, _) = block.split_first_chunk().unwrap_or((&[0; 16], &[]));
    AesKey::aes128(*key)
}

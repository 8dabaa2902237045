//! How every session of the issuer begins (SPEC 6.1 to 6.3): which application is this, which chip, and has it its keys.

use card_spec::APPLICATION_IDENTIFIER;
use card_spec::apdu::{Command, StatusWord};
use card_spec::command::instruction::SELECT;
use card_spec::command::{FileControlInformation, LifeCycle, TRANSPORT_KEY_VERSION};
use card_spec::scp03::{
    Challenge, ChipSerial, HandshakeError, HostChannel, HostHandshake, InitializeUpdateResponse, StaticKeys,
};
use card_spec::tlv::{Field as _, Reader};

use crate::Failure;
use crate::exchange::{Desk, Dialogue};
use crate::session::{Session, plain};

/// Version of SPEC.md that this host speaks (SPEC 6.1).
const SPECIFICATION_VERSION: u8 = 1;

/// SELECT (SPEC 6.1). What it answers is not authentic.
pub(crate) async fn select<D: Dialogue>(desk: &Desk<D>) -> Result<LifeCycle, Failure> {
    let command = Command {
        class: 0x00,
        instruction: SELECT,
        p1: 0x04,
        p2: 0x00,
        data: &APPLICATION_IDENTIFIER,
        expected: Some(256),
    };
    let mut buffer = [0; 16];
    let command = command
        .encode_short(&mut buffer)
        .map_err(|_| Failure::Program("SELECT does not fit"))?;
    let data = plain(desk, "SELECT", command)
        .await
        .map_err(|failure| match failure {
            Failure::CardRefused { .. } => Failure::ForeignCard,
            other => other,
        })?;
    let mut reader = Reader::new(&data);
    let information = FileControlInformation::read(&mut reader, FileControlInformation::TAG)
        .and_then(|information| reader.finish().map(|()| information))
        .map_err(|_| Failure::ForeignCard)?;
    if information.identifier != APPLICATION_IDENTIFIER
        || information.proprietary.version != SPECIFICATION_VERSION
    {
        return Err(Failure::ForeignCard);
    }
    Ok(information.life_cycle)
}

/// A chip that has said which one it is, and has not shown it yet.
pub(crate) struct Greeting {
    handshake: HostHandshake,
    update: InitializeUpdateResponse,
}

impl Greeting {
    /// INITIALIZE UPDATE (SPEC 6.2).
    pub(crate) async fn exchange<D: Dialogue>(
        desk: &Desk<D>,
        host_challenge: Challenge,
    ) -> Result<Self, Failure> {
        let handshake = HostHandshake::new(host_challenge);
        let update = plain(desk, "INITIALIZE UPDATE", &handshake.initialize_update(0))
            .await
            .map_err(blocked)?;
        let update = InitializeUpdateResponse::parse(&update).map_err(|_| Failure::ForeignCard)?;
        Ok(Self { handshake, update })
    }

    pub(crate) fn chip(&self) -> ChipSerial {
        self.update.chip_serial
    }

    pub(crate) fn key_version(&self) -> u8 {
        self.update.key_version
    }

    /// Whether the chip has its transport keys still.
    pub(crate) fn is_blank(&self) -> bool {
        self.update.key_version == TRANSPORT_KEY_VERSION
    }

    /// Finds out whether the chip has these keys. Nothing is sent, so wrong keys cost the chip no attempt (SPEC 6.3).
    pub(crate) fn recognize(self, keys: &StaticKeys) -> Result<Recognized, Failure> {
        if keys.has_default_key() {
            return Err(Failure::DefaultKeys);
        }
        let (channel, external_authenticate) =
            self.handshake
                .card_response(keys, &self.update)
                .map_err(|error| match error {
                    HandshakeError::NotAuthentic => Failure::WrongCardKeys,
                    _ => Failure::ForeignCard,
                })?;
        Ok(Recognized {
            channel,
            external_authenticate: external_authenticate.to_vec(),
        })
    }
}

/// A chip that has proved to be the one whose serial it gave: only that chip has these keys.
pub(crate) struct Recognized {
    channel: HostChannel,
    external_authenticate: Vec<u8>,
}

impl Recognized {
    /// EXTERNAL AUTHENTICATE (SPEC 6.3).
    pub(crate) async fn open<D: Dialogue>(self, desk: &Desk<D>) -> Result<Session<D>, Failure> {
        plain(desk, "EXTERNAL AUTHENTICATE", &self.external_authenticate).await?;
        Ok(Session::new(desk.clone(), self.channel))
    }
}

/// `6983` to INITIALIZE UPDATE: ten wrong authentications in a row (SPEC 6.3).
fn blocked(failure: Failure) -> Failure {
    match failure {
        Failure::CardRefused {
            status: StatusWord::AUTHENTICATION_METHOD_BLOCKED,
            ..
        } => Failure::AuthenticationBlocked,
        other => other,
    }
}

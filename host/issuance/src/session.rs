//! One SCP03 session as the protocol uses it: a command goes out protected, authenticated data come back.

use card_spec::apdu::{Command, Response};
use card_spec::command::CardStatus;
use card_spec::command::instruction::GET_DATA;
use card_spec::scp03::{HostChannel, MAX_PROTECTED_RESPONSE};
use card_spec::tlv::{Field as _, Reader};
use zeroize::Zeroizing;

use crate::Failure;
use crate::machine::Desk;

/// Class of the commands of SPEC 6 before secure messaging marks them.
const PROPRIETARY: u8 = 0x80;

/// A command in plain for the card: name for messages, then INS, P1, P2.
pub(crate) struct Instruction(pub(crate) &'static str, pub(crate) [u8; 3]);

/// The session; a failure ends it.
pub(crate) struct Session {
    desk: Desk,
    channel: HostChannel,
}

impl Session {
    pub(crate) fn new(desk: Desk, channel: HostChannel) -> Self {
        Self { desk, channel }
    }

    /// Sends a command and returns the data of its authenticated 9000.
    pub(crate) async fn command(
        &mut self,
        instruction: Instruction,
        data: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let Instruction(name, [instruction, p1, p2]) = instruction;
        let command = Command {
            class: PROPRIETARY,
            instruction,
            p1,
            p2,
            data,
            expected: Some(256),
        };
        let mut buffer = [0; 261];
        let wrapped = self
            .channel
            .wrap(&command, &mut buffer)
            .map_err(|_| Failure::Program("a command is too long"))?;
        let response = self.desk.transmit(wrapped).await?;
        if response.len() < 2 {
            return Err(Failure::CardLost);
        }
        let mut plain = Zeroizing::new([0; MAX_PROTECTED_RESPONSE]);
        let reply = self
            .channel
            .unwrap(&response, plain.as_mut_slice())
            .map_err(|_| Failure::Altered)?;
        let refused = |status| Failure::CardRefused {
            command: name,
            status,
        };
        let data = reply
            .authenticated()
            .and_then(|response| response.ok())
            .map_err(refused)?;
        Ok(data.to_vec())
    }

    /// GET DATA (SPEC 6.10).
    pub(crate) async fn status(&mut self) -> Result<CardStatus, Failure> {
        let [p1, p2] = CardStatus::TAG.to_be_bytes();
        let data = self
            .command(Instruction("GET DATA", [GET_DATA, p1, p2]), &[])
            .await?;
        let mut reader = Reader::new(&data);
        let status =
            CardStatus::read(&mut reader, CardStatus::TAG).map_err(|_| Failure::Malformed("GET DATA"))?;
        reader.finish().map_err(|_| Failure::Malformed("GET DATA"))?;
        Ok(status)
    }
}

/// Sends a command that has no protection, and returns the data of its 9000.
pub(crate) async fn plain(desk: &Desk, name: &'static str, command: &[u8]) -> Result<Vec<u8>, Failure> {
    let response = desk.transmit(command).await?;
    let response = Response::parse(&response).map_err(|_| Failure::CardLost)?;
    let data = response.ok().map_err(|status| Failure::CardRefused {
        command: name,
        status,
    })?;
    Ok(data.to_vec())
}

//! One SCP03 session as the protocol uses it: a command goes out protected, authenticated data come back.

use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::command::instruction::{CHANGE_REFERENCE_DATA, GET_DATA, STORE_DATA};
use card_spec::command::{CardStatus, PIN_REFERENCE, Pin};
use card_spec::scp03::{HostChannel, MAX_COMMAND_DATA, MAX_PROTECTED_RESPONSE};
use card_spec::tlv::{Field as _, Reader};
use zeroize::Zeroizing;

use crate::Failure;
use crate::exchange::{Desk, Dialogue};

/// Class of the commands of SPEC 6 before secure messaging marks them.
const PROPRIETARY: u8 = 0x80;
/// The class of all commands of a chain but the last (ISO/IEC 7816-4:2020, 5.4.1).
const CHAINED: u8 = 0x90;

/// A command in plain for the card: name for messages, then INS, P1, P2.
#[derive(Clone, Copy)]
pub(crate) struct Instruction(pub(crate) &'static str, pub(crate) [u8; 3]);

/// The session; a failure ends it.
pub(crate) struct Session<D: Dialogue> {
    desk: Desk<D>,
    channel: HostChannel,
}

impl<D: Dialogue> Session<D> {
    pub(crate) fn new(desk: Desk<D>, channel: HostChannel) -> Self {
        Self { desk, channel }
    }

    /// Sends a command and returns the data of its authenticated 9000.
    pub(crate) async fn command(
        &mut self,
        instruction: Instruction,
        data: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        self.exchange(PROPRIETARY, instruction, data).await
    }

    /// A command whose data may need a chain (SPEC 8.2).
    pub(crate) async fn chain(&mut self, instruction: Instruction, data: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut rest = data;
        while let Some((block, behind)) = rest.split_at_checked(MAX_COMMAND_DATA)
            && !behind.is_empty()
        {
            self.exchange(CHAINED, instruction, block).await?;
            rest = behind;
        }
        self.exchange(PROPRIETARY, instruction, rest).await
    }

    async fn exchange(
        &mut self,
        class: u8,
        instruction: Instruction,
        data: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let Instruction(name, [instruction, p1, p2]) = instruction;
        let command = Command {
            class,
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
        let refused = |status| match (instruction, status) {
            (STORE_DATA, StatusWord::NOT_ENOUGH_MEMORY) => Failure::CardFull,
            _ => Failure::CardRefused {
                command: name,
                status,
            },
        };
        let data = reply
            .authenticated()
            .and_then(|response| response.ok())
            .map_err(refused)?;
        Ok(data.to_vec())
    }

    /// STORE DATA (SPEC 6.6).
    pub(crate) async fn store_data(&mut self, objects: &[u8]) -> Result<(), Failure> {
        let mut blocks = objects.chunks(MAX_COMMAND_DATA).zip(0_u8..).peekable();
        while let Some((block, number)) = blocks.next() {
            let last = if blocks.peek().is_none() { 0x80 } else { 0x00 };
            self.command(Instruction("STORE DATA", [STORE_DATA, last, number]), block)
                .await?;
        }
        Ok(())
    }

    /// CHANGE REFERENCE DATA (SPEC 6.8).
    pub(crate) async fn change_pin(&mut self, pin: &Pin) -> Result<(), Failure> {
        let instruction = Instruction(
            "CHANGE REFERENCE DATA",
            [CHANGE_REFERENCE_DATA, 0x01, PIN_REFERENCE],
        );
        self.command(instruction, pin.digits()).await.map(drop)
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
pub(crate) async fn plain<D: Dialogue>(
    desk: &Desk<D>,
    name: &'static str,
    command: &[u8],
) -> Result<Vec<u8>, Failure> {
    let response = desk.transmit(command).await?;
    let response = Response::parse(&response).map_err(|_| Failure::CardLost)?;
    let data = response.ok().map_err(|status| Failure::CardRefused {
        command: name,
        status,
    })?;
    Ok(data.to_vec())
}

//! The host's end of secure messaging (SPEC 8).

use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::scp03::{HostChannel, MAX_COMMAND_DATA, Reply};

use crate::bench::Bench;
use crate::case::{Outcome, Own as _, Stop, check};

/// What a card answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) data: Vec<u8>,
}

impl Answer {
    /// An answer in plain.
    pub(crate) fn plain(octets: &[u8]) -> Outcome<Self> {
        let (data, status) = octets
            .split_last_chunk()
            .ok_or_else(|| Stop::Gone("less than a status word".to_owned()))?;
        Ok(Self {
            status: u16::from_be_bytes(*status),
            data: data.to_vec(),
        })
    }

    /// The data, if this is the status word.
    pub(crate) fn expect(self, status: u16) -> Outcome<Vec<u8>> {
        if self.status == status {
            return Ok(self.data);
        }
        let answered = self.status;
        Err(Stop::Failed(format!(
            "the card answered {answered:04X}; {status:04X} is right"
        )))
    }

    /// This status word and no data: what a refusal is.
    pub(crate) fn refused(self, status: u16) -> Outcome {
        match self.expect(status)?.len() {
            0 => Ok(()),
            length => Err(Stop::Failed(format!(
                "the refusal {status:04X} came with {length} octets of data"
            ))),
        }
    }
}

/// One end of a session. Every answer is checked: `9000` and warnings must come protected, all others bare (SPEC 8.3).
#[derive(Debug)]
pub(crate) struct Secure(HostChannel);

impl Secure {
    pub(crate) fn new(channel: HostChannel) -> Self {
        Self(channel)
    }

    /// The protected APDU of a command, to send or to spoil.
    pub(crate) fn protect(&mut self, header: [u8; 4], data: &[u8]) -> Outcome<Vec<u8>> {
        let [class, instruction, p1, p2] = header;
        let command = Command {
            class,
            instruction,
            p1,
            p2,
            data,
            expected: Some(256),
        };
        let mut buffer = [0; 261];
        self.0
            .wrap(&command, &mut buffer)
            .map(<[u8]>::to_vec)
            .own("protecting a command")
    }

    /// What a protected answer says.
    pub(crate) fn unprotect(&mut self, octets: &[u8]) -> Outcome<Answer> {
        let mut buffer = [0; 258];
        let reply = self.0.unwrap(octets, &mut buffer).map_err(|error| {
            Stop::Failed(format!(
                "the answer's protection is wrong (SPEC 8.1, 8.3): {error}"
            ))
        })?;
        let response: Response<'_> = match reply {
            Reply::Authenticated(response) => response,
            Reply::Unauthenticated(response) => return bare(response.status()),
        };
        let status = response.status();
        Ok(Answer {
            status: status.0,
            data: response.checked(status).own("the answer's data")?.to_vec(),
        })
    }

    /// One protected APDU and its answer.
    pub(crate) fn exchange(&mut self, bench: &mut Bench, header: [u8; 4], data: &[u8]) -> Outcome<Answer> {
        let octets = self.protect(header, data)?;
        let [class, instruction, p1, p2] = header;
        let meaning = format!(
            "{} ({class:02X} {instruction:02X} {p1:02X} {p2:02X}, {} octets of data)",
            command_name(class, instruction),
            data.len()
        );
        let answer = bench.transmit(&meaning, &octets)?;
        self.unprotect(&answer)
    }

    /// A command, chained if it is long (SPEC 8.2).
    pub(crate) fn send(&mut self, bench: &mut Bench, header: [u8; 4], data: &[u8]) -> Outcome<Answer> {
        let [class, rest @ ..] = header;
        let [instruction, p1, p2] = rest;
        let mut blocks = data.chunks(MAX_COMMAND_DATA).peekable();
        while let Some(block) = blocks.next() {
            if blocks.peek().is_none() {
                return self.exchange(bench, header, block);
            }
            let answer = self.exchange(bench, [class | 0x10, instruction, p1, p2], block)?;
            if answer.status != 0x9000 {
                return Ok(answer);
            }
        }
        self.exchange(bench, header, &[])
    }
}

/// A status word that came without protection, as only those of SPEC 8.3 may that are no decision.
fn bare(status: StatusWord) -> Outcome<Answer> {
    check(
        !matches!(status.0 >> 8, 0x90 | 0x62 | 0x63),
        &format!("{:04X} came without protection (SPEC 8.3)", status.0),
    )?;
    Answer::plain(&status.to_bytes())
}

/// The name of a command in protocols.
pub(crate) fn command_name(class: u8, instruction: u8) -> &'static str {
    match (class & 0x80 != 0, instruction) {
        (false, 0xA4) => "SELECT",
        (_, 0xB0) => "READ BINARY",
        (_, 0xB2) => "READ RECORD",
        (_, 0x50) => "INITIALIZE UPDATE",
        (_, 0x82) if class & 0x04 != 0 => "EXTERNAL AUTHENTICATE",
        (_, 0x82) => "MUTUAL AUTHENTICATE",
        (_, 0xD8) => "PUT KEY",
        (_, 0x04) => "DEACTIVATE",
        (_, 0x47) => "GENERATE ASYMMETRIC KEY PAIR",
        (_, 0xE2) => "STORE DATA",
        (_, 0x24) => "CHANGE REFERENCE DATA",
        (_, 0x44) => "ACTIVATE",
        (_, 0xCA) => "GET DATA",
        (_, 0x2A) => "PERFORM SECURITY OPERATION",
        (_, 0x88) => "INTERNAL AUTHENTICATE",
        (_, 0x20) => "VERIFY",
        (_, 0x54) => "DISBURSE",
        (_, 0x56) => "REVERSE",
        (_, 0x5A) => "EXECUTE ISSUER SCRIPT",
        _ => "a command",
    }
}

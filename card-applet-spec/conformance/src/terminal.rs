//! The terminal's end of a session (SPEC 7, 9): certificates, SCP11a, reading, PIN, orders.

use card_spec::crypto::{PublicKey, SecretKey};
use card_spec::scp03::MAX_COMMAND_DATA;
use card_spec::scp11::TerminalAgreement;

use crate::bench::{Bench, apdu};
use crate::case::{Outcome, Stop, check};
use crate::channel::{Answer, Secure};
use crate::encoding::{find, objects, split, tlv};
use crate::issuer::{CardStatus, check_signature};
use crate::material::{Certificate, Order, Plan, Reversal, TODAY, hash};

pub(crate) const MUTUAL_AUTHENTICATE: [u8; 4] = [0x80, 0x82, 0x01, 0x11];
pub(crate) const INTERNAL_AUTHENTICATE: [u8; 4] = [0x80, 0x88, 0x00, 0x00];
pub(crate) const VERIFY: [u8; 4] = [0x80, 0x20, 0x00, 0x81];
pub(crate) const CHANGE_PIN: [u8; 4] = [0x80, 0x24, 0x00, 0x81];
pub(crate) const DISBURSE: [u8; 4] = [0x80, 0x54, 0x00, 0x00];
pub(crate) const REVERSE: [u8; 4] = [0x80, 0x56, 0x00, 0x00];
pub(crate) const DEACTIVATE_LIST: [u8; 4] = [0x80, 0x04, 0x00, 0x00];
pub(crate) const DEACTIVATE_ENTRY: [u8; 4] = [0x80, 0x04, 0x01, 0x00];
/// READ BINARY of the CSO from its start, in plain.
pub(crate) const READ_CSO: [u8; 4] = [0x00, 0xB0, 0x9D, 0x00];
/// P2 of PERFORM SECURITY OPERATION: more certificates follow, or none.
pub(crate) const MORE: u8 = 0x90;
pub(crate) const LAST: u8 = 0x10;

/// A total that no case reaches.
pub(crate) const ANY_TOTAL: u64 = 900_000_000_000;

/// What the terminal learns from the CSO, its signature checked under the issuer of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Cso {
    pub(crate) hash: [u8; 32],
    pub(crate) body: Vec<u8>,
    pub(crate) agreement: PublicKey,
    pub(crate) signing: PublicKey,
}

impl Cso {
    fn parse(bench: &Bench, object: &[u8]) -> Outcome<Self> {
        let wrong = || Stop::Failed("the CSO is not as SPEC 4.1 has it".to_owned());
        let members = objects(&find(object, 0xFF20).ok_or_else(wrong)?);
        let [body, signature] = &members[..] else {
            return Err(wrong());
        };
        let value = find(body, 0xFF21).ok_or_else(wrong)?;
        let issuer = find(&value, 0x42).and_then(|issuer| String::from_utf8(issuer).ok());
        let issuer = bench.material.public(&issuer.ok_or_else(wrong)?);
        check_signature(&issuer, body, split(signature).2)?;
        let key = |tag| PublicKey::from_sec1(&find(&value, tag).unwrap_or_default()).map_err(|_| wrong());
        Ok(Self {
            hash: hash(body),
            agreement: key(0x83)?,
            signing: key(0x84)?,
            body: value,
        })
    }

    /// The member of the body with this tag.
    pub(crate) fn member(&self, tag: u16) -> Vec<u8> {
        find(&self.body, tag).unwrap_or_default()
    }
}

/// A receipt that verified under the card's key, taken apart (SPEC 9.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) hash: [u8; 32],
    pub(crate) number: Vec<u8>,
    pub(crate) cso_version: u16,
    pub(crate) counter: u32,
    pub(crate) previous: Vec<u8>,
    pub(crate) done: Vec<u8>,
    pub(crate) holder_check: Vec<u8>,
    pub(crate) kind: u8,
}

impl Receipt {
    /// Checks form and signature.
    pub(crate) fn parse(object: &[u8], signing: &PublicKey) -> Outcome<Self> {
        let wrong = || Stop::Failed("the receipt is not as SPEC 9.4 has it".to_owned());
        let members = objects(&find(object, 0xFF20).ok_or_else(wrong)?);
        let [body, signature] = &members[..] else {
            return Err(wrong());
        };
        check_signature(signing, body, split(signature).2)?;
        let value = find(body, 0xFF24).ok_or_else(wrong)?;
        let member = |tag| find(&value, tag).ok_or_else(wrong);
        let receipt = Self {
            hash: hash(body),
            number: member(0x5A)?,
            cso_version: u16::from_be_bytes(member(0x81)?.try_into().map_err(|_| wrong())?),
            counter: u32::from_be_bytes(member(0x82)?.try_into().map_err(|_| wrong())?),
            previous: member(0x83)?,
            done: member(0x84)?,
            holder_check: member(0x85)?,
            kind: member(0x86)?.first().copied().ok_or_else(wrong)?,
        };
        let encoded = tlv(0xFF20, &[receipt.body(), signature.clone()].concat());
        check(
            encoded == object,
            "the receipt's encoding is not that of SPEC 9.4",
        )?;
        Ok(receipt)
    }

    fn body(&self) -> Vec<u8> {
        let members = [
            tlv(0x80, &[0x01]),
            tlv(0x5A, &self.number),
            tlv(0x81, &self.cso_version.to_be_bytes()),
            tlv(0x82, &self.counter.to_be_bytes()),
            tlv(0x83, &self.previous),
            tlv(0x84, &self.done),
            tlv(0x85, &self.holder_check),
            tlv(0x86, &[self.kind]),
        ];
        tlv(0xFF24, &members.concat())
    }
}

/// Which terminal opens a session.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    pub(crate) authority: Certificate,
    pub(crate) certificate: Certificate,
}

impl Terminal {
    pub(crate) fn standard() -> Self {
        Self {
            authority: Certificate::terminal_ca(),
            certificate: Certificate::terminal(),
        }
    }

    pub(crate) fn other() -> Self {
        Self {
            certificate: Certificate::other_terminal(),
            ..Self::standard()
        }
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        self.certificate.terminal_name()
    }

    /// Both certificates, in plain, on a selected card.
    pub(crate) fn present(&self, bench: &mut Bench) -> Outcome {
        let authority = bench.material.certify(&self.authority);
        let own = bench.material.certify(&self.certificate);
        present(bench, MORE, &authority)?.expect(0x9000)?;
        present(bench, LAST, &own)?.expect(0x9000).map(drop)
    }

    /// A session, every proof of the card checked.
    pub(crate) fn open(&self, bench: &mut Bench) -> Outcome<TerminalSession> {
        let (mut session, receipt) = self.agree(bench)?;
        let answer = session.send(bench, INTERNAL_AUTHENTICATE, &[])?.expect(0x9000)?;
        let signature = find(&answer, 0x5F37).unwrap_or_default();
        check_signature(
            &session.cso.signing,
            &binding(&receipt, &session.cso.hash, &self.name()),
            &signature,
        )?;
        Ok(session)
    }

    /// A session before its first command, with the receipt of its key agreement.
    pub(crate) fn agree(&self, bench: &mut Bench) -> Outcome<(TerminalSession, [u8; 16])> {
        bench.select()?;
        self.present(bench)?;
        let object = read_plain_cso(bench)?;
        let cso = Cso::parse(bench, &object)?;
        let own = bench.material.secret(self.certificate.holder);
        let (channel, receipt) = agree(bench, &own, &cso.agreement)?;
        let session = TerminalSession {
            secure: channel,
            cso,
            name: self.name(),
        };
        Ok((session, receipt))
    }
}

/// What INTERNAL AUTHENTICATE signs (SPEC 7.6).
pub(crate) fn binding(receipt: &[u8], cso_hash: &[u8], terminal: &[u8]) -> Vec<u8> {
    let members = [
        tlv(0x80, &[0x01]),
        tlv(0x81, receipt),
        tlv(0x82, cso_hash),
        tlv(0x83, terminal),
    ];
    tlv(0xFF29, &members.concat())
}

/// MUTUAL AUTHENTICATE (SPEC 7.5).
pub(crate) fn agree(bench: &mut Bench, own: &SecretKey, card: &PublicKey) -> Outcome<(Secure, [u8; 16])> {
    let agreement = TerminalAgreement::new(SecretKey::generate(&mut bench.random));
    let answer = bench
        .command(MUTUAL_AUTHENTICATE, agreement.command_data())?
        .expect(0x9000)?;
    let (channel, receipt) = agreement
        .finish(own, card, &answer)
        .map_err(|error| Stop::Failed(format!("MUTUAL AUTHENTICATE (SPEC 7.5): {error}")))?;
    Ok((Secure::new(channel), receipt))
}

/// PERFORM SECURITY OPERATION, chained if the certificate is long.
pub(crate) fn present(bench: &mut Bench, p2: u8, certificate: &[u8]) -> Outcome<Answer> {
    let mut blocks = certificate.chunks(MAX_COMMAND_DATA).peekable();
    while let Some(block) = blocks.next() {
        let last = blocks.peek().is_none();
        let class = if last { 0x80 } else { 0x90 };
        let answer = bench.plain(&apdu([class, 0x2A, 0x01, p2], block)?)?;
        if last || answer.status != 0x9000 {
            return Ok(answer);
        }
    }
    Err(Stop::Kit("an empty certificate".to_owned()))
}

/// The whole CSO, in plain.
pub(crate) fn read_plain_cso(bench: &mut Bench) -> Outcome<Vec<u8>> {
    let mut object = bench.command(READ_CSO, &[])?.expect(0x9000)?;
    loop {
        let [high, low] = next_offset(&object)?;
        let answer = bench.command([0x00, 0xB0, high, low], &[])?;
        if answer.status == 0x6B00 {
            return Ok(object);
        }
        let more = answer.expect(0x9000)?;
        check(!more.is_empty(), EMPTY_PART)?;
        object.extend(more);
    }
}

/// An SCP11a session.
pub(crate) struct TerminalSession {
    pub(crate) secure: Secure,
    pub(crate) cso: Cso,
    pub(crate) name: Vec<u8>,
}

impl TerminalSession {
    /// A session of the terminal that most cases use.
    pub(crate) fn open(bench: &mut Bench) -> Outcome<Self> {
        Terminal::standard().open(bench)
    }

    /// The same, with the holder's PIN verified for as much as the policy allows.
    pub(crate) fn open_verified(bench: &mut Bench) -> Outcome<Self> {
        let mut session = Self::open(bench)?;
        let plan = bench.material.plan.clone();
        session.verify(bench, &plan)?.expect(0x9000)?;
        Ok(session)
    }

    pub(crate) fn send(&mut self, bench: &mut Bench, header: [u8; 4], data: &[u8]) -> Outcome<Answer> {
        self.secure.send(bench, header, data)
    }

    pub(crate) fn card_status(&mut self, bench: &mut Bench) -> Outcome<CardStatus> {
        CardStatus::read(bench, &mut self.secure)
    }

    /// VERIFY with the plan's PIN, for as many orders as it allows and any total.
    pub(crate) fn verify(&mut self, bench: &mut Bench, plan: &Plan) -> Outcome<Answer> {
        self.send(
            bench,
            VERIFY,
            &pin_data(&plan.pin, plan.orders_per_verify, ANY_TOTAL),
        )
    }

    /// VERIFY with a PIN that is not the holder's.
    pub(crate) fn verify_wrongly(&mut self, bench: &mut Bench) -> Outcome<Answer> {
        self.send(bench, VERIFY, &pin_data(b"000000", 1, ANY_TOTAL))
    }

    /// An order that the card should carry out, for a line that no case has used.
    pub(crate) fn order(&self, bench: &mut Bench) -> Order {
        let line = bench.next_line();
        Order {
            terminal: self.name.clone(),
            cso_hash: self.cso.hash,
            person: self.cso.member(0x85).try_into().unwrap_or_default(),
            programme: *b"BTXH",
            entitlement: 100 + line / 12,
            line_type: 1,
            // The year that ends with the month of the remembered date.
            month: match line % 12 {
                0 => (2025, 12),
                month => (2026, month as u8),
            },
            amount: 100_000,
            recipient: 1,
            method: 1,
            operator: "op-01",
            second_operator: None,
            day: TODAY,
            clock: 2,
            nonce: bench.random.octets(),
        }
    }

    pub(crate) fn disburse(&mut self, bench: &mut Bench, order: &Order) -> Outcome<Answer> {
        self.send(bench, DISBURSE, &order.encode())
    }

    /// An order that must be carried out, and its receipt.
    pub(crate) fn pay(&mut self, bench: &mut Bench, order: &Order) -> Outcome<Receipt> {
        let object = self.disburse(bench, order)?.expect(0x9000)?;
        let receipt = self.receipt(&object)?;
        check(receipt.done == order.hash(), "the receipt is for another order")?;
        Ok(receipt)
    }

    pub(crate) fn reverse(&mut self, bench: &mut Bench, reversal: &Reversal) -> Outcome<Answer> {
        self.send(bench, REVERSE, &reversal.encode())
    }

    /// A receipt of this card.
    pub(crate) fn receipt(&self, object: &[u8]) -> Outcome<Receipt> {
        let receipt = Receipt::parse(object, &self.cso.signing)?;
        check(
            receipt.number == self.cso.member(0x5A),
            "the receipt names another card",
        )?;
        Ok(receipt)
    }

    /// READ BINARY of a whole file.
    pub(crate) fn read_file(&mut self, bench: &mut Bench, short_identifier: u8) -> Outcome<Vec<u8>> {
        read_file(bench, &mut self.secure, short_identifier)
    }
}

const EMPTY_PART: &str = "READ BINARY answered 9000 without an octet (SPEC 7.7)";

/// P1 P2 for what follows the part of a file that was read. A card that never says that its file ends is not read for ever.
fn next_offset(read: &[u8]) -> Outcome<[u8; 2]> {
    match u16::try_from(read.len()) {
        Ok(offset @ ..=0x7FFF) => Ok(offset.to_be_bytes()),
        _ => Err(Stop::Failed(
            "READ BINARY reads on behind the last offset that P1 P2 can name (SPEC 7.7)".to_owned(),
        )),
    }
}

/// READ BINARY of a whole file in a session (SPEC 7.7): every part but the last has 239 octets.
pub(crate) fn read_file(bench: &mut Bench, secure: &mut Secure, short_identifier: u8) -> Outcome<Vec<u8>> {
    let mut file = secure
        .exchange(bench, [0x80, 0xB0, 0x80 | short_identifier, 0x00], &[])?
        .expect(0x9000)?;
    let mut part = file.len();
    loop {
        let [high, low] = next_offset(&file)?;
        let answer = secure.exchange(bench, [0x80, 0xB0, high, low], &[])?;
        if answer.status == 0x6B00 {
            return Ok(file);
        }
        check(
            part == 239,
            "a part that is not the last has less than 239 octets (SPEC 7.7)",
        )?;
        let more = answer.expect(0x9000)?;
        check(!more.is_empty(), EMPTY_PART)?;
        part = more.len();
        file.extend(more);
    }
}

/// Data of VERIFY (SPEC 9.1).
pub(crate) fn pin_data(pin: &[u8], orders: u8, total: u64) -> Vec<u8> {
    [
        tlv(0x80, pin),
        tlv(0x81, &[orders]),
        tlv(0x82, &total.to_be_bytes()),
    ]
    .concat()
}

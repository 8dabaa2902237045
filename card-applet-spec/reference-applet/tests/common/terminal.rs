//! The paying side: a terminal with its certificates, a session, orders.

use card_spec::apdu::{Command, StatusWord};
use card_spec::command::{Pin, SessionBinding, VerifyData};
use card_spec::crypto::{PortableP256, SecretKey, Signature, Verify as _};
use card_spec::cso::CardSecurityObject;
use card_spec::payment::{
    ClockSource, HolderCheckMethod, LineKey, LineKeyParts, LineType, Order, Receipt, Recipient,
};
use card_spec::scp11::TerminalAgreement;
use card_spec::signed::Signed;
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{Amount, Ascii, Period, TerminalName, Time};

use super::issuer::{CertificatePlan, Office, programme, secret};
use super::{Card, Failure, Outcome, SELECT, SecureHost, date, plain};

pub struct Terminal {
    pub key: SecretKey,
    pub ca_certificate: Vec<u8>,
    pub certificate: Vec<u8>,
    pub name: TerminalName,
}

impl Terminal {
    pub fn new(office: &Office) -> Self {
        Self::with(office, &office.terminal_plan())
    }

    pub fn with(office: &Office, plan: &CertificatePlan) -> Self {
        let key = secret(50);
        Self {
            ca_certificate: office
                .terminal_ca_plan()
                .sign(&office.root, office.terminal_ca.public_key()),
            certificate: plan.sign(&office.terminal_ca, key.public_key()),
            name: TerminalName::from_bytes(plan.holder.as_bytes()[..10].try_into().unwrap()).unwrap(),
            key,
        }
    }

    pub fn present(&self, card: &mut Card) -> Outcome<()> {
        present(card, 0x90, &self.ca_certificate)?;
        present(card, 0x10, &self.certificate)
    }

    /// The whole opening of a session, every proof checked.
    pub fn open(&self, card: &mut Card) -> Outcome<Session> {
        plain(card, &SELECT)?;
        self.present(card)?;
        let object = read_security_object(card)?;
        let signed = Signed::<CardSecurityObject>::parse(&object).map_err(|_| Failure::NotGenuine)?;
        let (cso, cso_hash) = (*signed.claimed(), signed.hash());
        let agreement = TerminalAgreement::new(secret(51));
        let answer = plain(card, &encode(0x80, 0x82, 0x01, 0x11, agreement.command_data()))?;
        let (channel, receipt) = agreement
            .finish(&self.key, &cso.agreement_key, &answer)
            .map_err(|_| Failure::NotGenuine)?;
        let mut session = Session {
            secure: SecureHost { channel },
            cso,
            cso_hash,
            terminal: self.name,
        };
        let answer = session.secure.done(card, [0x80, 0x88, 0x00, 0x00], &[])?;
        let signature =
            Signature::read(&mut Reader::new(&answer), 0x5F37).map_err(|_| Failure::NotGenuine)?;
        let binding = SessionBinding {
            suite: Default::default(),
            session_receipt: receipt,
            cso_hash,
            terminal: self.name,
        };
        let mut buffer = [0; 128];
        let signed = binding.signed_bytes(&mut buffer).unwrap();
        PortableP256
            .verify(&cso.signing_key, signed, &signature)
            .map_err(|_| Failure::NotGenuine)?;
        Ok(session)
    }
}

pub fn encode(class: u8, instruction: u8, p1: u8, p2: u8, data: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 261];
    let command = Command {
        class,
        instruction,
        p1,
        p2,
        data,
        expected: Some(256),
    };
    command.encode_short(&mut buffer).unwrap().to_vec()
}

/// PERFORM SECURITY OPERATION, chained if the certificate is long.
pub fn present(card: &mut Card, p2: u8, certificate: &[u8]) -> Outcome<()> {
    let blocks: Vec<&[u8]> = certificate.chunks(223).collect();
    for (number, block) in blocks.iter().enumerate() {
        let class = if number + 1 == blocks.len() { 0x80 } else { 0x90 };
        plain(card, &encode(class, 0x2A, 0x01, p2, block))?;
    }
    Ok(())
}

pub fn read_security_object(card: &mut Card) -> Outcome<Vec<u8>> {
    let mut object = plain(card, &[0x00, 0xB0, 0x9D, 0x00, 0x00])?;
    loop {
        let [high, low] = (object.len() as u16).to_be_bytes();
        match plain(card, &[0x00, 0xB0, high, low, 0x00]) {
            Ok(part) => object.extend(part),
            Err(Failure::Refused(StatusWord(0x6B00))) => return Ok(object),
            Err(failure) => return Err(failure),
        }
    }
}

pub struct Session {
    pub secure: SecureHost,
    pub cso: CardSecurityObject,
    pub cso_hash: [u8; 32],
    pub terminal: TerminalName,
}

/// Status word and data of a DISBURSE whose answer came protected; a bare one is a [`Failure`].
pub type Decision = (u16, Vec<u8>);

impl Session {
    pub fn verify(&mut self, card: &mut Card, pin: &[u8; 6], orders: u8, total: u64) -> u16 {
        let pin = Pin::new(pin).unwrap();
        let data = VerifyData {
            pin,
            orders,
            total: Amount::new(total).unwrap(),
        };
        let mut buffer = [0; 64];
        self.secure
            .status(card, [0x80, 0x20, 0x00, 0x81], data.encode(&mut buffer).unwrap())
    }

    pub fn disburse(&mut self, card: &mut Card, order: &Order<'_>) -> Outcome<Decision> {
        self.disburse_bytes(card, &bytes(order))
    }

    pub fn disburse_bytes(&mut self, card: &mut Card, order: &[u8]) -> Outcome<Decision> {
        match self.secure.send(card, [0x80, 0x54, 0x00, 0x00], order)? {
            (status, true, data) => Ok((status.0, data)),
            (status, false, _) => Err(Failure::Refused(status)),
        }
    }

    /// An order for the card of this session.
    pub fn order(&self, period: (u16, u8), amount: u64, nonce: u8) -> Order<'static> {
        Order {
            terminal: self.terminal,
            sequence: u32::from(nonce),
            log_head: [9; 32],
            list_root: [8; 32],
            cso_hash: self.cso_hash,
            line_number: 1,
            line_key: line(self.cso.person, b"BTXH", 1, period),
            amount: Amount::new(amount).unwrap(),
            recipient: Recipient::Holder,
            method: HolderCheckMethod::Pin,
            operator: Ascii::new("op-01").unwrap(),
            second_operator: None,
            time: Time::new(date(2026, 11, 22), 9, 30, 0).unwrap(),
            clock: ClockSource::Host,
            nonce: [nonce; 16],
        }
    }
}

pub fn line(person: [u8; 16], code: &[u8; 4], entitlement: u16, (year, month): (u16, u8)) -> LineKey {
    LineKey::new(&LineKeyParts {
        person,
        programme: programme(code),
        entitlement,
        line_type: LineType::Regular,
        period: Period::new(year, month).unwrap(),
    })
}

pub fn bytes(order: &Order<'_>) -> Vec<u8> {
    let mut buffer = [0; 256];
    order.encode(&mut buffer).unwrap().to_vec()
}

/// Verifies a receipt under the card's key; its body and the body's hash.
pub fn receipt(cso: &CardSecurityObject, object: &[u8]) -> (Receipt, [u8; 32]) {
    let signed = Signed::<Receipt>::parse(object).unwrap();
    let verified = signed.verify(&PortableP256, &cso.signing_key).unwrap();
    (*verified, verified.hash())
}

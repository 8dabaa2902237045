//! A card with genuine keys and a genuine CSO whose software says whatever a test has it say: nothing in a session is true
//! only because it came protected.

use card_spec::APPLICATION_IDENTIFIER;
use card_spec::apdu::{Command, Response, StatusWord};
use card_spec::certificate::Certificate;
use card_spec::command::instruction::{
    DEACTIVATE, DISBURSE, EXECUTE_ISSUER_SCRIPT, INTERNAL_AUTHENTICATE, PERFORM_SECURITY_OPERATION,
    READ_BINARY, READ_RECORD, REVERSE, SELECT, VERIFY,
};
use card_spec::command::{CSO_FILE, GeneratedKeys, RECEIPT_RECORD, SessionBinding};
use card_spec::crypto::{Digest, PublicKey, SecretKey, Sign as _, Signature, sha256};
use card_spec::cso::CardSecurityObject;
use card_spec::payment::{HolderCheckOutcome, Receipt, ReceiptKind};
use card_spec::scp03::{CardChannel, MAX_PROTECTED_RESPONSE, MAX_RESPONSE_DATA};
use card_spec::scp11::{MUTUAL_AUTHENTICATE, card_agreement};
use card_spec::signed::Signed;
use card_spec::values::CardNumber;

use super::card::issuer::{Office, Plan, cso, encoded, objects, secret, signed};
use super::host::NAME;

/// Status word and data.
pub type Decision = (u16, Vec<u8>);

pub struct ScriptedCard {
    number: CardNumber,
    version: u16,
    agreement: SecretKey,
    signing: SecretKey,
    cso: Vec<u8>,
    holder: Vec<u8>,
    /// Certificate of the terminal as it came so far, and the key in the last complete one.
    certificate: Vec<u8>,
    terminal: Option<PublicKey>,
    channel: Option<CardChannel>,
    session_receipt: [u8; 16],
    order: Vec<u8>,
    /// Is it blocked already, and its answer to a block list, or to who reads its newest receipt?
    pub blocking: Option<(bool, Vec<u8>)>,
    /// Data of each VERIFY. Every PIN is right.
    pub claims: Vec<Vec<u8>>,
    /// Receipts and what they are for, newest first.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl ScriptedCard {
    /// A card of this plan, with a CSO of this version.
    pub fn new(plan: &Plan, version: u16) -> Self {
        let (agreement, signing) = (secret(70), secret(71));
        let keys = GeneratedKeys {
            agreement_key: agreement.public_key(),
            signing_key: signing.public_key(),
            signature: Signature([0; 64]),
            confirmation: [0; 16],
        };
        let office = Office::new();
        let objects = objects(&office, plan, &keys);
        let cso = CardSecurityObject {
            version,
            ..cso(plan, objects.digests(), &keys)
        };
        Self {
            number: plan.number,
            version,
            agreement,
            signing,
            cso: signed(&cso, &office.issuer),
            holder: objects.groups[0].clone(),
            certificate: Vec::new(),
            terminal: None,
            channel: None,
            session_receipt: [0; 16],
            order: Vec::new(),
            blocking: None,
            claims: Vec::new(),
            records: Vec::new(),
        }
    }

    /// The same CSO on a chip that has another key in place of one of its two.
    pub fn without_a_key(self, agreement: bool) -> Self {
        let other = secret(75);
        if agreement {
            Self {
                agreement: other,
                ..self
            }
        } else {
            Self {
                signing: other,
                ..self
            }
        }
    }

    /// The card's receipt of a payment by this order.
    pub fn receipt(&self, order: &[u8]) -> Receipt {
        Receipt {
            suite: Default::default(),
            card_number: self.number,
            cso_version: self.version,
            counter: 1,
            previous: self.cso_hash(),
            object_hash: sha256(&[order]),
            holder_check: HolderCheckOutcome {
                pin_verified: true,
                tries_left: 3,
            },
            kind: ReceiptKind::Payment,
        }
    }

    pub fn sign(&self, receipt: &Receipt) -> Vec<u8> {
        signed(receipt, &self.signing)
    }

    pub fn cso_hash(&self) -> Digest {
        Signed::<CardSecurityObject>::parse(&self.cso).unwrap().hash()
    }

    /// Answers a command; `decide` says what a complete order is answered with.
    pub fn transmit(&mut self, apdu: &[u8], decide: &mut dyn FnMut(&Self, &[u8]) -> Decision) -> Vec<u8> {
        let command = Command::parse(apdu).unwrap();
        if command.class & 0x04 != 0 {
            return self.protected(&command, decide);
        }
        let data = match command.instruction {
            SELECT => {
                assert_eq!(command.data, APPLICATION_IDENTIFIER);
                Vec::new()
            }
            PERFORM_SECURITY_OPERATION => self.take_certificate(&command),
            READ_BINARY => {
                assert!(command.p1 & 0x80 == 0 || command.p1 == 0x80 | CSO_FILE);
                part(&self.cso, &command)
            }
            MUTUAL_AUTHENTICATE => {
                let terminal = self.terminal.unwrap();
                let (channel, receipt, answer) =
                    card_agreement(command.data, &self.agreement, &terminal, &secret(72)).unwrap();
                self.channel = Some(channel);
                self.session_receipt = receipt;
                answer.to_vec()
            }
            other => panic!("instruction {other:02X} without a session"),
        };
        [data, vec![0x90, 0x00]].concat()
    }

    fn take_certificate(&mut self, command: &Command<'_>) -> Vec<u8> {
        self.certificate.extend_from_slice(command.data);
        if !command.is_chained() {
            let certificate = std::mem::take(&mut self.certificate);
            let certificate = Signed::<Certificate>::parse(&certificate).unwrap();
            self.terminal = Some(certificate.claimed().public_key.key);
        }
        Vec::new()
    }

    fn protected(
        &mut self,
        command: &Command<'_>,
        decide: &mut dyn FnMut(&Self, &[u8]) -> Decision,
    ) -> Vec<u8> {
        let mut plain = [0; 255];
        let mut channel = self.channel.take().unwrap();
        let command = channel.unwrap(command, &mut plain).unwrap();
        let (status, data) = match command.instruction {
            INTERNAL_AUTHENTICATE => (0x9000, self.bind()),
            READ_BINARY => (0x9000, part(&self.holder, &command)),
            VERIFY => {
                self.claims.push(command.data.to_vec());
                (0x9000, Vec::new())
            }
            REVERSE | EXECUTE_ISSUER_SCRIPT => decide(self, command.data),
            DISBURSE => {
                self.order.extend_from_slice(command.data);
                if command.is_chained() {
                    (0x9000, Vec::new())
                } else {
                    let order = std::mem::take(&mut self.order);
                    decide(self, &order)
                }
            }
            DEACTIVATE => match &self.blocking {
                Some((false, receipt)) if command.p1 == 1 => (0x9000, receipt.clone()),
                Some((false, _)) => (0x9000, Vec::new()),
                _ => (0x6985, Vec::new()),
            },
            READ_RECORD => match &self.blocking {
                Some((_, receipt)) => (0x9000, receipt.clone()),
                None => self.record(command.p1, command.p2),
            },
            other => panic!("instruction {other:02X} in a session"),
        };
        let mut answer = [0; MAX_PROTECTED_RESPONSE];
        let response = Response::new(&data, StatusWord(status));
        let answer = channel.wrap(&response, &mut answer).unwrap().to_vec();
        self.channel = Some(channel);
        answer
    }

    fn record(&self, number: u8, file: u8) -> Decision {
        let Some((receipt, object)) = self.records.get(usize::from(number) - 1) else {
            return (0x6A83, Vec::new());
        };
        let is_receipt = file == RECEIPT_RECORD;
        (0x9000, if is_receipt { receipt } else { object }.clone())
    }

    /// The signature over the session (SPEC 7.6).
    fn bind(&self) -> Vec<u8> {
        let binding = SessionBinding {
            suite: Default::default(),
            session_receipt: self.session_receipt,
            cso_hash: self.cso_hash(),
            terminal: NAME.parse().unwrap(),
        };
        let mut buffer = [0; 128];
        let bytes = binding.signed_bytes(&mut buffer).unwrap();
        encoded(&self.signing.sign(bytes).unwrap(), 0x5F37)
    }
}

/// The part of a file that READ BINARY asks for (SPEC 7.7).
fn part(file: &[u8], command: &Command<'_>) -> Vec<u8> {
    let offset = match command.p1 {
        0x80.. => 0,
        p1 => usize::from(u16::from_be_bytes([p1, command.p2])),
    };
    let end = file.len().min(offset + MAX_RESPONSE_DATA);
    file[offset..end].to_vec()
}

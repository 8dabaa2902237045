//! The bytes of what the oracle only describes.

use card_spec::command::{GenerateData, Pin, PinChange, VerifyData};
use card_spec::cso::CardSecurityObject;
use card_spec::payment::{self, HolderCheckMethod, Recipient};
use card_spec::scp03::encode_put_key;
use card_spec::script::{self, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::{Amount, Ascii, CardNumber, TerminalName};

use super::{Driver, Host, plan_of, terminals};
use crate::common::issuer::{Objects, Office, cso, issuer_keys, objects, plan, secret, signed};
use crate::common::scripts::{
    EXECUTE, REVERSE, TestBlockList, order_hash, reversal_bytes, script as new_script,
};
use crate::common::terminal::{bytes, line};
use crate::common::till::{amount, at};
use crate::oracle::objects::{Action, Command, Done, HolderCheck, Load, Order, Reversal, Script};

impl Driver {
    /// The header without its secure messaging, and the data.
    pub(super) fn encode(&mut self, command: &Command) -> ([u8; 4], Vec<u8>) {
        match command {
            Command::GetData => ([0x80, 0xCA, 0xFF, 0x3F], Vec::new()),
            Command::PutKey { right } => ([0x80, 0xD8, 0x00, 0x81], self.put_key(*right)),
            Command::GenerateKeys => ([0x80, 0x47, 0x00, 0x00], key_request()),
            Command::ProveKeys => ([0x80, 0x47, 0x01, 0x00], key_request()),
            Command::Store(load) => ([0x80, 0xE2, 0x00, 0x00], self.objects(*load).concatenated()),
            Command::StoreFirstBlock => ([0x80, 0xE2, 0x00, 0x00], vec![0xFF; 100]),
            Command::SetPin(pin) => (
                [0x80, 0x24, 0x01, 0x81],
                pin.map_or(b"12345x".to_vec(), |pin| pin.to_vec()),
            ),
            Command::Activate => ([0x80, 0x44, 0x00, 0x00], Vec::new()),
            Command::ReadFile(file) => ([0x80, 0xB0, 0x80 | file, 0x00], Vec::new()),
            Command::ReadRecord { number, object } => (
                [0x80, 0xB2, *number, if *object { 0xE4 } else { 0xDC }],
                Vec::new(),
            ),
            Command::Execute(script) => (EXECUTE, self.script_bytes(script)),
            Command::Authenticate => ([0x80, 0x88, 0x00, 0x00], Vec::new()),
            Command::AskTries => ([0x80, 0x20, 0x00, 0x81], Vec::new()),
            Command::Verify { pin, orders, total } => {
                ([0x80, 0x20, 0x00, 0x81], verify_bytes(*pin, *orders, *total))
            }
            Command::ChangePin { pin, new } => ([0x80, 0x24, 0x00, 0x81], change_bytes(*pin, *new)),
            Command::Disburse(order) => ([0x80, 0x54, 0x00, 0x00], self.order_bytes(order)),
            Command::Reverse(reversal) => (REVERSE, self.reversal_bytes(reversal)),
            Command::ShowHeader {
                number,
                own_signature,
            } => (
                [0x80, 0x04, 0x00, 0x00],
                block_list(*number).signed(&signer(*own_signature)),
            ),
            Command::ShowEntry { own_card, path } => {
                let list = if *path {
                    block_list(1)
                } else {
                    TestBlockList::new(1, &[plan().number])
                };
                (
                    [0x80, 0x04, 0x01, 0x00],
                    if *own_card {
                        list.proof(0)
                    } else {
                        block_list(1).proof(1)
                    },
                )
            }
            Command::Unknown => ([0x80, 0xFA, 0x00, 0x00], Vec::new()),
        }
    }

    fn put_key(&self, right: bool) -> Vec<u8> {
        let Host::Issuer(host) = &self.host else {
            return Vec::new();
        };
        let version = host.key_version + 1;
        let mut data = encode_put_key(version, &issuer_keys(version), &host.keys.dek)
            .unwrap()
            .to_vec();
        if !right {
            *data.last_mut().unwrap() ^= 1;
        }
        data
    }

    /// A load that is not right has a wrong digest of the holder.
    pub(super) fn objects(&mut self, load: Load) -> Objects {
        let keys = self.keys.unwrap();
        let make = || {
            let office = Office::new();
            let plan = plan_of(load.version);
            let mut objects = objects(&office, &plan, &keys);
            let mut digests = objects.digests();
            if !load.right {
                digests.holder[0] ^= 1;
            }
            let body = CardSecurityObject {
                version: load.version,
                ..cso(&plan, digests, &keys)
            };
            objects.cso = signed(&body, &office.issuer);
            objects
        };
        self.loads.entry(load).or_insert_with(make).clone()
    }

    pub(super) fn cso_hash(&mut self, load: Load) -> [u8; 32] {
        Signed::<CardSecurityObject>::parse(&self.objects(load).cso)
            .unwrap()
            .hash()
    }

    fn hash_of_version(&mut self, version: u16) -> [u8; 32] {
        match self.keys {
            Some(_) => self.cso_hash(Load { version, right: true }),
            None => [0; 32],
        }
    }

    fn full_order(&mut self, order: &Order) -> payment::Order<'static> {
        let person = if order.own_person { plan().person } else { [0; 16] };
        let period = (order.period.year(), order.period.month());
        payment::Order {
            terminal: terminal_name(order.terminal),
            sequence: u32::from(order.nonce),
            log_head: [9; 32],
            list_root: [8; 32],
            cso_hash: self.hash_of_version(order.version),
            line_number: 1,
            line_key: line(person, order.programme, order.entitlement, period),
            amount: amount(order.amount),
            recipient: [
                Recipient::Holder,
                Recipient::FirstRepresentative,
                Recipient::SecondRepresentative,
            ][usize::from(order.recipient) - 1],
            method: method(order.check),
            operator: Ascii::new("op-01").unwrap(),
            second_operator: second_operator(order.check),
            time: at(order.date.year(), order.date.month(), order.date.day()),
            clock: payment::ClockSource::Host,
            nonce: [order.nonce; 16],
        }
    }

    fn order_bytes(&mut self, order: &Order) -> Vec<u8> {
        let mut bytes = bytes(&self.full_order(order));
        if !order.encoding {
            bytes.pop();
        }
        bytes
    }

    fn reversal_bytes(&mut self, reversal: &Reversal) -> Vec<u8> {
        let order = self.full_order(&reversal.order);
        reversal_bytes(&card_spec::reversal::Reversal {
            terminal: terminal_name(reversal.terminal),
            sequence: 1000 + u32::from(reversal.nonce),
            log_head: [7; 32],
            order_hash: order_hash(&order),
            cso_hash: self.hash_of_version(reversal.version),
            method: method(reversal.check),
            operator: Ascii::new("op-01").unwrap(),
            second_operator: second_operator(reversal.check),
            time: at(reversal.date.year(), reversal.date.month(), reversal.date.day()),
            clock: payment::ClockSource::Host,
            nonce: [reversal.nonce; 16],
        })
    }

    fn script_bytes(&mut self, script: &Script) -> Vec<u8> {
        use card_spec::list::BlockReason::{HolderDeceased, Stolen};
        let action = match &script.action {
            Action::FillTries => script::Action::FillPinTries,
            Action::PermitPin => script::Action::PermitNewPin,
            Action::Block => script::Action::Block(Stolen),
            Action::Unblock(number) => script::Action::Unblock(*number),
            Action::Terminate => script::Action::Terminate(HolderDeceased),
            Action::PutInForce(load) if self.keys.is_some() => {
                script::Action::PutInForce(self.cso_hash(*load))
            }
            Action::PutInForce(_) => script::Action::PutInForce([0; 32]),
            Action::Prune(floor) => script::Action::Prune(*floor),
            Action::SetDate(date) => script::Action::SetDate(*date),
            Action::Reverse(order) => script::Action::Reverse(order_hash(&self.full_order(order))),
        };
        let card_number = if script.own_card {
            plan().number
        } else {
            other_card()
        };
        let body = IssuerScript {
            card_number,
            ..new_script(script.counter, action)
        };
        signed(&body, &signer(script.own_signature))
    }

    pub(super) fn done_bytes(&mut self, done: &Done) -> Vec<u8> {
        match done {
            Done::Payment(order) => self.order_bytes(order),
            Done::Reversal(reversal) => self.reversal_bytes(reversal),
            Done::Script(script) => self.script_bytes(script),
            Done::BlockList(number) => block_list(*number).signed(&Office::new().issuer),
        }
    }
}

fn other_card() -> CardNumber {
    CardNumber::new(79, 2).unwrap()
}

fn signer(own: bool) -> card_spec::crypto::SecretKey {
    if own { Office::new().issuer } else { secret(77) }
}

fn block_list(number: u32) -> TestBlockList {
    TestBlockList::new(number, &[plan().number, other_card()])
}

fn terminal_name(index: usize) -> TerminalName {
    TerminalName::from_bytes(terminals()[index].0.as_bytes().try_into().unwrap()).unwrap()
}

const fn method(check: HolderCheck) -> HolderCheckMethod {
    match check {
        HolderCheck::Pin => HolderCheckMethod::Pin,
        HolderCheck::Photo | HolderCheck::PhotoByTwo => HolderCheckMethod::PhotoDocument,
    }
}

fn second_operator(check: HolderCheck) -> Option<payment::SecondOperator<'static>> {
    (check == HolderCheck::PhotoByTwo).then(|| Ascii::new("op-02").unwrap())
}

fn key_request() -> Vec<u8> {
    let request = GenerateData {
        card_number: plan().number,
        nonce: [0x4E; 16],
        ephemeral: secret(99).public_key(),
    };
    let mut buffer = [0; 256];
    request.encode(&mut buffer).unwrap().to_vec()
}

fn verify_bytes(pin: Option<[u8; 6]>, orders: u8, total: u64) -> Vec<u8> {
    let data = VerifyData {
        pin: Pin::new(&pin.unwrap_or(*b"000000")).unwrap(),
        orders,
        total: Amount::new(total).unwrap(),
    };
    let mut buffer = [0; 64];
    let mut bytes = data.encode(&mut buffer).unwrap().to_vec();
    if pin.is_none() {
        bytes[2] = b'x';
    }
    bytes
}

fn change_bytes(pin: [u8; 6], new: Option<[u8; 6]>) -> Vec<u8> {
    let Some(new) = new else {
        return pin.to_vec();
    };
    PinChange {
        pin: Pin::new(&pin).unwrap(),
        new: Pin::new(&new).unwrap(),
    }
    .encode()
    .to_vec()
}

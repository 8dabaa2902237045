//! What the card answered, against what the oracle expects.

use card_spec::command::{CardStatus, LifeCycle};
use card_spec::crypto::sha256;
use card_spec::list::BlockListHeader;
use card_spec::payment::Receipt;
use card_spec::script::IssuerScript;
use card_spec::signed::Signed;
use reference_applet::Applet;

use super::{Driver, plan_of};
use crate::common::TestRandom;
use crate::common::issuer::{IssuerHost, Office, cso, objects, plan};
use crate::common::terminal::receipt;
use crate::oracle::Oracle;
use crate::oracle::objects::{self as described, Data, Done};

impl Driver {
    /// Is this the data that the oracle expects?
    pub(super) fn is(&mut self, expected: &Data, data: &[u8], oracle: &Oracle) -> bool {
        match expected {
            Data::None => data.is_empty(),
            Data::Some => !data.is_empty(),
            Data::Object(done) => self.done_bytes(done) == data,
            Data::Receipt(expected) => self.is_receipt(expected, data),
            Data::File(file) => {
                let objects = self.objects(oracle.loaded.unwrap());
                let object = match file {
                    1 => &objects.groups[0],
                    0x1D => &objects.cso,
                    file => &objects.groups[usize::from(*file) - 2],
                };
                data == &object[..object.len().min(239)]
            }
        }
    }

    /// Signature, chain and content; and the bytes are those given at first.
    fn is_receipt(&mut self, expected: &described::Receipt, data: &[u8]) -> bool {
        let known = self.receipts.get(&expected.counter);
        if known.is_some_and(|known| known != data) || Signed::<Receipt>::parse(data).is_err() {
            return false;
        }
        let (kind, hash) = match &expected.done {
            Done::Payment(_) => (1, sha256(&[&self.done_bytes(&expected.done)])),
            Done::Reversal(_) => (2, sha256(&[&self.done_bytes(&expected.done)])),
            Done::Script(_) => (
                3,
                Signed::<IssuerScript>::parse(&self.done_bytes(&expected.done))
                    .unwrap()
                    .hash(),
            ),
            Done::BlockList(_) => {
                let header = self.done_bytes(&expected.done);
                (4, Signed::<BlockListHeader>::parse(&header).unwrap().hash())
            }
        };
        let keys = self.keys.unwrap();
        let digests = objects(&Office::new(), &plan_of(1), &keys).digests();
        let (actual, _) = receipt(&cso(&plan_of(1), digests, &keys), data);
        let chained = match self.head(expected.counter - 1) {
            Some(head) => head == actual.previous,
            None => true,
        };
        let right = actual.counter == expected.counter
            && actual.card_number == plan().number
            && actual.cso_version == expected.version
            && actual.object_hash == hash
            && actual.kind as u8 == kind
            && actual.holder_check.pin_verified == expected.pin_verified
            && actual.holder_check.tries_left == expected.tries
            && chained;
        if right {
            self.receipts.insert(expected.counter, data.to_vec());
        }
        right
    }

    /// Hash that the receipt after this one has of it; `None` if nobody saw it.
    fn head(&mut self, counter: u32) -> Option<[u8; 32]> {
        if counter == 0 {
            // The CSO at activation, whichever version that was.
            return None;
        }
        let known = self.receipts.get(&counter)?;
        Some(Signed::<Receipt>::parse(known).unwrap().hash())
    }

    /// What GET DATA tells of a copy of the card, without disturbing the session.
    pub(super) fn observe(&mut self) -> Result<(), String> {
        let mut copy = Applet::power_on(self.card.memory().clone(), TestRandom(7));
        let status = IssuerHost::open(&mut copy).and_then(|mut host| host.card_status(&mut copy));
        let status = status.map_err(|failure| format!("GET DATA: {failure:?}"))?;
        let mut judged = Vec::new();
        for oracle in self.oracles.clone() {
            let expected = self.expected_status(&oracle, &status);
            judged.push((expected == status, oracle, format!("{expected:?}")));
        }
        self.keep(judged, &format!("{status:?}"))
    }

    fn expected_status(&mut self, oracle: &Oracle, seen: &CardStatus) -> CardStatus {
        let activated = !matches!(oracle.life_cycle, LifeCycle::Blank | LifeCycle::Personalizing);
        let flags = [
            (oracle.keys, CardStatus::KEYS_PRESENT),
            (oracle.loaded.is_some(), CardStatus::DATA_LOADED),
            (oracle.pin.is_some(), CardStatus::PIN_SET),
            (oracle.update.is_some(), CardStatus::UPDATE_LOADED),
            (oracle.pin_permitted, CardStatus::PIN_PERMITTED),
        ];
        let head = if oracle.counter == 0 {
            seen.head
        } else {
            self.head(oracle.counter).or(seen.head)
        };
        CardStatus {
            life_cycle: oracle.life_cycle,
            key_version: oracle.key_version,
            flags: flags
                .into_iter()
                .filter(|(set, _)| *set)
                .fold(0, |flags, (_, flag)| flags | flag),
            cso_hash: oracle
                .loaded
                .filter(|_| self.keys.is_some())
                .map(|load| self.cso_hash(load)),
            pin_tries: oracle.tries(),
            counter: oracle.counter,
            head: head.filter(|_| activated),
            date: activated.then_some(oracle.remembered),
        }
    }
}

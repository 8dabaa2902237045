//! A station's day in the ledger.

use ansinh_store::batches::{BatchState, NewBatch, Selection};
use ansinh_store::block_lists::NewBlockList;
use ansinh_store::cards::{BlockReason, Card, CardState, Claim};
use ansinh_store::deliveries::{ChipSerial, Delivery};
use ansinh_store::import::{ApprovedLine, ApprovedList, Due, ImportError, ImportMode, ListKind, Stated};
use ansinh_store::issuer_log::{Issuer, Position, SignedObject};
use ansinh_store::journal::{JournalEntry, Meaning, Payment};
use ansinh_store::lists::{LineKey, NewPaymentList, Others};
use ansinh_store::operators::{Actor, Role, Token};
use ansinh_store::people::{Entitlement, Person};
use ansinh_store::terminals::Terminal;
use ansinh_store::{Fact, Location, Store, StoreError};

/// Persons on the list.
pub const PEOPLE: u8 = 3;
/// What becomes of each blank chip; the last one stays blank.
pub(crate) const CHIPS: [End; 6] = [
    End::Active,
    End::GivenUpBeforeCso,
    End::GivenUpAfterCso,
    End::Active,
    End::Blocked,
    End::Blank,
];
pub(crate) const ISSUER: Issuer<'static> = Issuer {
    reference: "VNISS7900001",
    certificate_hash: [0xCE; 32],
};
const DELIVERY: &str = "2026-11-A";
const PERIOD: &str = "202611";
const PROGRAMME: &str = "BTXH";
const AMOUNT: u64 = 500_000;

/// What becomes of a chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Active,
    GivenUpBeforeCso,
    GivenUpAfterCso,
    Blocked,
    Blank,
}

/// Who does the job.
pub struct Job {
    officer: Actor,
    approver: Actor,
}

/// The tokens of a job's two officers: what a process needs to take it up.
pub struct Tokens(pub [String; 2]);

impl Job {
    /// Makes a ledger with two officers, in which nothing else was done yet.
    ///
    /// # Panics
    /// If that fails: no fault strikes here.
    pub fn prepare(location: &Location) -> Tokens {
        let store = Store::create(location).unwrap();
        let officer = store.add_first_operator("officer").unwrap();
        let actor = store.authenticate(&officer).unwrap();
        let roles = [Role::Approver].into_iter().collect();
        let approver = store.add_operator(&actor, "approver", roles).unwrap();
        Tokens([officer.reveal().to_owned(), approver.reveal().to_owned()])
    }

    /// Takes the job up.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub fn of(store: &Store, Tokens([officer, approver]): &Tokens) -> Result<Self, StoreError> {
        Ok(Self {
            officer: store.authenticate(&Token::new(officer))?,
            approver: store.authenticate(&Token::new(approver))?,
        })
    }

    /// Does what is not done yet.
    ///
    /// # Errors
    /// Whatever the store answers; then it can be asked for again.
    pub fn go_on(&self, store: &Store) -> Result<(), StoreError> {
        store
            .import(&self.officer, &list(), ImportMode::Commit)
            .map_err(|error| match error {
                ImportError::Store(error) => error,
                other => panic!("{other}"),
            })?;
        self.deliver(store)?;
        self.approve(store)?;
        for (number, end) in (0..).zip(CHIPS) {
            self.personalize(store, number, end)?;
        }
        let terminal = self.terminal(store)?;
        self.pay(store, &terminal)?;
        self.block(store)
    }

    fn deliver(&self, store: &Store) -> Result<(), StoreError> {
        if store.delivery_names()?.iter().any(|name| name == DELIVERY) {
            return Ok(());
        }
        let delivery = Delivery {
            name: DELIVERY.to_owned(),
            key_version: 1,
            check_values: [7; 9],
        };
        let chips: Vec<_> = (0..).zip(CHIPS).map(|(number, _)| chip(number)).collect();
        store.add_delivery(&self.officer, &delivery, &chips)
    }

    fn approve(&self, store: &Store) -> Result<(), StoreError> {
        let batch = match store.batches()?.pop() {
            Some(batch) => batch,
            None => store.draft_batch(
                &self.officer,
                &NewBatch {
                    title: "all".to_owned(),
                    selection: Selection::Everybody,
                    limit: None,
                    expires_on: "20991231".to_owned(),
                    quota: 100,
                },
            )?,
        };
        if batch.state == BatchState::Drafted {
            store.approve_batch(&self.approver, batch.number)?;
        }
        Ok(())
    }

    fn personalize(&self, store: &Store, number: u8, end: End) -> Result<(), StoreError> {
        let chip = chip(number);
        let known = store.card_by_chip(&chip)?;
        let ended = known.is_some_and(|card| {
            matches!(
                card.state,
                CardState::Active | CardState::Blocked | CardState::Abandoned
            )
        });
        if end == End::Blank || ended {
            return Ok(());
        }
        let card = match store.claim_next_person(&self.officer, &chip, "reader 0", 79)? {
            Claim::New(card) | Claim::Resumed(card) => card,
            Claim::NobodyWaiting => panic!("nobody waits for chip {number}"),
        };
        self.finish(store, number, &card, end)
    }

    /// The steps of a personalization, each written down before it is taken.
    fn finish(&self, store: &Store, number: u8, card: &Card, end: End) -> Result<(), StoreError> {
        let about = |step| Fact::About {
            step,
            note: Some(b"a name".as_slice()),
        };
        let record = |facts: &[Fact<'_>]| store.record(&card.number, facts, "reader 0");
        record(&[about("replace keys")])?;
        record(&[Fact::KeysReplaced, about("generate keys")])?;
        if end == End::GivenUpBeforeCso {
            return store.give_up(&self.officer, &card.number).map(drop);
        }
        // Before the CSO a chip may make new keys after a tear, after it not.
        let (agreement, signing) = (&key(2 * number), &key(2 * number + 1));
        let release = [Fact::KeysProven { agreement, signing }, about("load data")];
        store.release_cso(&card.number, (&release, "reader 0"), ISSUER, |position| {
            Ok::<_, StoreError>(sign("cso", position))
        })?;
        if end == End::GivenUpAfterCso {
            return store.give_up(&self.officer, &card.number).map(drop);
        }
        record(&[about("activate")])?;
        store.activated(&self.officer, &card.number)
    }

    fn terminal(&self, store: &Store) -> Result<String, StoreError> {
        if let Some(terminal) = store.terminals()?.pop() {
            return Ok(terminal.name);
        }
        let name = store.next_terminal_name()?;
        let terminal = Terminal {
            name: name.clone(),
            agreement_key: key(200),
            journal_key: key(201),
        };
        store.add_terminal(&self.officer, &terminal, &[])?;
        Ok(name)
    }

    /// A list for the terminal; its journal, in which one line is paid twice; the acknowledgement.
    fn pay(&self, store: &Store, terminal: &str) -> Result<(), StoreError> {
        if store.payment_lists()?.is_empty() {
            store.add_payment_list(
                &self.officer,
                terminal,
                "20261101",
                Others::End,
                ISSUER,
                |draft| {
                    Ok::<_, StoreError>(NewPaymentList {
                        header: sign("list", draft.position),
                        list_id: draft.number.to_string(),
                        root: [1; 32],
                        last_day: "20261130".to_owned(),
                        by_hand_up_to: None,
                        lines: draft.due.into_iter().map(|line| (line, vec![1])).collect(),
                    })
                },
            )?;
        }
        let paid = store.card_by_chip(&chip(0))?;
        let card = paid.unwrap_or_else(|| panic!("the first chip has no card"));
        store.ingest(terminal, &[entry(1, None), entry(2, Some(payment(&card, 1)))])?;
        store.ingest(terminal, &[entry(3, None), entry(4, Some(payment(&card, 3)))])?;
        store.acknowledge(terminal, |head| Ok::<_, StoreError>(head.hash.to_vec()))?;
        Ok(())
    }

    fn block(&self, store: &Store) -> Result<(), StoreError> {
        for (number, end) in (0..).zip(CHIPS) {
            let card = store.card_by_chip(&chip(number))?;
            if let Some(card) = card
                && end == End::Blocked
                && card.state == CardState::Active
            {
                store.block(&self.officer, &card.number, BlockReason::Lost)?;
            }
        }
        if store.block_lists()?.is_empty() {
            store.add_block_list(&self.officer, ISSUER, |draft| {
                Ok::<_, StoreError>(NewBlockList {
                    header: sign("block", draft.position),
                    is_delta: false,
                    content: vec![draft.blocked.len() as u8],
                })
            })?;
        }
        Ok(())
    }
}

pub(crate) fn chip(number: u8) -> ChipSerial {
    [number; 10]
}

fn key(number: u8) -> [u8; 65] {
    [number; 65]
}

/// What stands for a signature: different for each place in the issuer's sequence.
fn sign(kind: &str, position: Position) -> SignedObject {
    let object = [kind.as_bytes(), &position.sequence.to_be_bytes()].concat();
    SignedObject {
        body_hash: hash(&object),
        object,
    }
}

/// Any injective function does.
fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0x5A; 32];
    for (place, byte) in hash.iter_mut().zip(bytes) {
        *place = *byte;
    }
    hash
}

fn list() -> ApprovedList {
    let line = |person: u8| ApprovedLine {
        file_line: u64::from(person) + 2,
        person: Person {
            personal_id: format!("0792400000{person:02}"),
            full_name: format!("Nguyễn Thị {person}"),
            birth_date: "19400000".to_owned(),
            sex: 2,
            province: "79".to_owned(),
            commune: "26734".to_owned(),
            pay_point: None,
            social_insurance_number: None,
            health_insurance_code: None,
        },
        representative: None,
        entitlement: Entitlement {
            programme: PROGRAMME.to_owned(),
            sub_code: None,
            decision: "1/QĐ".to_owned(),
            decision_date: None,
            decided_by: None,
            month_from: "202501".to_owned(),
            month_to: None,
            active: true,
            monthly_amount: AMOUNT,
        },
        period: PERIOD.to_owned(),
        method: 1,
        due: vec![Due {
            line_type: 1,
            amount: AMOUNT,
        }],
        stated: Stated::default(),
    };
    ApprovedList {
        file_hash: [1; 32],
        file_name: "11.csv".to_owned(),
        lines: (0..PEOPLE).map(line).collect(),
        kind: ListKind::Plain,
        warnings: Vec::new(),
    }
}

fn entry(sequence: u32, payment: Option<Payment>) -> JournalEntry {
    JournalEntry {
        sequence,
        hash: hash(&sequence.to_be_bytes()),
        entry: vec![1],
        meaning: payment.map_or(Meaning::Record, Meaning::Paid),
    }
}

fn payment(card: &Card, intent: u32) -> Payment {
    Payment {
        order: hash(&intent.to_le_bytes()),
        intent,
        key: LineKey {
            person: card.person,
            programme: PROGRAMME.to_owned(),
            entitlement: 1,
            line_type: 1,
            period: PERIOD.to_owned(),
        },
        amount: AMOUNT,
        card: card.number,
        card_counter: Some(intent),
        paid_at: "20261122090000".to_owned(),
    }
}

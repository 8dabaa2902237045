//! A ledger on either engine with people, blank chips and two officers, and what is quickly done to it.

use std::process::Command;

use ansinh_store::batches::{NewBatch, Selection};
use ansinh_store::cards::{Card, Claim};
use ansinh_store::deliveries::{ChipSerial, Delivery};
use ansinh_store::import::{ApprovedLine, ApprovedList, Due, ImportMode, ListKind, Stated};
use ansinh_store::issuer_log::{Issuer, Position, SignedObject};
use ansinh_store::journal::{JournalEntry, Meaning, Payment};
use ansinh_store::lists::{DueLine, ListDraft, NewPaymentList, Others};
use ansinh_store::operators::{Actor, Role};
use ansinh_store::people::{Entitlement, Person};
use ansinh_store::terminals::Terminal;
use ansinh_store::{DatabaseUrl, Fact, Location, Store, StoreError};
use tempfile::TempDir;

pub(crate) const ISSUER: Issuer<'static> = Issuer {
    reference: "VNISS7900001",
    certificate_hash: [0xCE; 32],
};

/// What a ledger is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

pub(crate) struct Ledger {
    pub(crate) folder: TempDir,
    pub(crate) location: Location,
    pub(crate) store: Store,
    /// Has every role.
    pub(crate) officer: Actor,
    /// Approves what the officer drafted.
    pub(crate) approver: Actor,
}

impl Ledger {
    /// A store with so many persons, each due 500,000 and in an approved batch, and so many blank chips.
    pub(crate) fn new(engine: Engine, people: u8, chips: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = new_location(engine, &folder);
        let store = Store::create(&location).unwrap();
        let officer = store
            .authenticate(&store.add_first_operator("officer").unwrap())
            .unwrap();
        let approver = [Role::Approver].into_iter().collect();
        let approver = store.add_operator(&officer, "approver", approver).unwrap();
        let approver = store.authenticate(&approver).unwrap();
        let ledger = Self {
            folder,
            location,
            store,
            officer,
            approver,
        };
        ledger
            .store
            .import(&ledger.officer, &list(1, people), ImportMode::Commit)
            .unwrap();
        let delivery = Delivery {
            name: "2026-11-A".to_owned(),
            key_version: 1,
            check_values: [7; 9],
        };
        let chips: Vec<_> = (0..chips).map(chip).collect();
        ledger
            .store
            .add_delivery(&ledger.officer, &delivery, &chips)
            .unwrap();
        if people > 0 {
            ledger.approve_everybody();
        }
        ledger
    }

    /// Somebody with this role alone.
    pub(crate) fn with_role(&self, name: &str, role: Role) -> Actor {
        let roles = [role].into_iter().collect();
        let token = self.store.add_operator(&self.officer, name, roles).unwrap();
        self.store.authenticate(&token).unwrap()
    }

    /// Puts everybody who waits into an approved batch.
    pub(crate) fn approve_everybody(&self) {
        let batch = NewBatch {
            title: "all".to_owned(),
            selection: Selection::Everybody,
            limit: None,
            expires_on: "20991231".to_owned(),
            quota: 1000,
        };
        let batch = self.store.draft_batch(&self.officer, &batch).unwrap();
        self.store.approve_batch(&self.approver, batch.number).unwrap();
    }

    /// What the engine's own command line answers.
    pub(crate) fn sql(&self, sql: &str) -> String {
        sql_at(&self.location, sql)
    }

    /// Whether the engine's own command line takes the SQL, and its answer or complaint.
    pub(crate) fn try_sql(&self, sql: &str) -> (bool, String) {
        try_sql(&self.location, sql)
    }

    pub(crate) fn claim(&self, number: u8) -> Card {
        let claim = self
            .store
            .claim_next_person(&self.officer, &chip(number), "reader 0", 79);
        match claim.unwrap() {
            Claim::New(card) | Claim::Resumed(card) => card,
            Claim::NobodyWaiting => panic!("nobody is waiting"),
        }
    }

    /// A card with proved keys.
    pub(crate) fn with_keys(&self, number: u8) -> Card {
        let card = self.claim(number);
        self.store
            .record(&card.number, &[Fact::KeysReplaced], "reader 0")
            .unwrap();
        self.store
            .record(
                &card.number,
                &[Fact::KeysProven {
                    agreement: &key(2 * number),
                    signing: &key(2 * number + 1),
                }],
                "reader 0",
            )
            .unwrap();
        card
    }

    pub(crate) fn released(&self, number: u8) -> Card {
        let card = self.with_keys(number);
        self.store
            .release_cso(&card.number, (&[], "reader 0"), ISSUER, sign(number))
            .unwrap();
        self.store.card(&card.number).unwrap()
    }

    pub(crate) fn active(&self, number: u8) -> Card {
        let card = self.released(number);
        self.store.activated(&self.officer, &card.number).unwrap();
        self.store.card(&card.number).unwrap()
    }

    pub(crate) fn terminal(&self, number: u8) -> String {
        let name = self.store.next_terminal_name().unwrap();
        let terminal = Terminal {
            name: name.clone(),
            agreement_key: key(200 + number),
            journal_key: key(220 + number),
        };
        self.store.add_terminal(&self.officer, &terminal, &[]).unwrap();
        name
    }

    /// Makes the next list of a terminal from everything that is due.
    pub(crate) fn next_list(&self, terminal: &str) -> Vec<DueLine> {
        next_list(&self.store, &self.officer, terminal)
    }
}

/// What an engine's own command line answers about any ledger.
pub(crate) fn sql_at(location: &Location, sql: &str) -> String {
    let (done, answer) = try_sql(location, sql);
    assert!(done, "{sql}: {answer}");
    answer
}

fn try_sql(location: &Location, sql: &str) -> (bool, String) {
    match location {
        Location::Server(url) => rig::postgres().try_psql(url.as_str(), sql),
        Location::File(path) => {
            let output = Command::new("sqlite3")
                .args(["-cmd", "PRAGMA foreign_keys = ON"])
                .arg(path)
                .arg(sql)
                .output()
                .expect("sqlite3 is missing: apt-get install sqlite3");
            let done = output.status.success();
            let text = if done { output.stdout } else { output.stderr };
            (done, String::from_utf8_lossy(&text).trim().to_owned())
        }
    }
}

/// A place where no store is yet.
pub(crate) fn new_location(engine: Engine, folder: &TempDir) -> Location {
    match engine {
        Engine::Sqlite => Location::File(folder.path().join("store.sqlite")),
        Engine::Postgres => server(&rig::postgres().database()),
    }
}

pub(crate) fn server(url: &str) -> Location {
    Location::Server(DatabaseUrl::new(url).unwrap())
}

pub(crate) fn chip(number: u8) -> ChipSerial {
    [number; 10]
}

pub(crate) fn key(number: u8) -> [u8; 65] {
    [number; 65]
}

pub(crate) fn sign(number: u8) -> impl FnOnce(Position) -> Result<SignedObject, StoreError> {
    move |position| {
        let object = [position.sequence.to_be_bytes().as_slice(), &[number]].concat();
        Ok(SignedObject {
            body_hash: hash(&object),
            object,
        })
    }
}

/// Any injective function does for these tests.
pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0x5A; 32];
    hash[..bytes.len()].copy_from_slice(bytes);
    hash
}

pub(crate) fn list(file: u8, people: u8) -> ApprovedList {
    let lines = (0..people)
        .map(|person| approved(person, "BTXH", "1/QĐ", "202611", 500_000))
        .collect();
    ApprovedList {
        file_hash: [file; 32],
        file_name: format!("{file}.csv"),
        kind: ListKind::Plain,
        lines,
        warnings: Vec::new(),
    }
}

pub(crate) fn approved(
    person: u8,
    programme: &str,
    decision: &str,
    period: &str,
    amount: u64,
) -> ApprovedLine {
    ApprovedLine {
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
            programme: programme.to_owned(),
            sub_code: None,
            decision: decision.to_owned(),
            decision_date: None,
            decided_by: None,
            month_from: "202501".to_owned(),
            month_to: None,
            active: true,
            monthly_amount: amount,
        },
        period: period.to_owned(),
        method: 1,
        due: vec![Due { line_type: 1, amount }],
        stated: Stated::default(),
    }
}

/// Makes the next list of a terminal from everything that is due.
pub(crate) fn next_list(store: &Store, officer: &Actor, terminal: &str) -> Vec<DueLine> {
    try_next_list(store, officer, terminal).unwrap()
}

pub(crate) fn try_next_list(
    store: &Store,
    officer: &Actor,
    terminal: &str,
) -> Result<Vec<DueLine>, StoreError> {
    let days = ["20261101", "20261130"];
    try_list(store, officer, terminal, days, Others::End).map(|(listed, _)| listed)
}

/// Makes the next list of a terminal with these first and last days; gives its lines and the lists that it keeps.
pub(crate) fn try_list(
    store: &Store,
    officer: &Actor,
    terminal: &str,
    [first_day, last_day]: [&str; 2],
    others: Others,
) -> Result<(Vec<DueLine>, Vec<u32>), StoreError> {
    let mut listed = Vec::new();
    let mut kept = Vec::new();
    store.add_payment_list(officer, terminal, first_day, others, ISSUER, |draft| {
        let ListDraft {
            due,
            number,
            keeps,
            position,
        } = draft;
        listed.clone_from(&due);
        kept = keeps;
        let object = [b"list".as_slice(), &position.sequence.to_be_bytes()].concat();
        let header = SignedObject {
            body_hash: hash(&object),
            object,
        };
        Ok::<_, StoreError>(NewPaymentList {
            header,
            list_id: number.to_string(),
            root: [1; 32],
            last_day: last_day.to_owned(),
            by_hand_up_to: None,
            lines: due.into_iter().map(|line| (line, vec![1])).collect(),
        })
    })?;
    Ok((listed, kept))
}

pub(crate) fn entry(sequence: u32, mark: u8, payment: Option<Payment>) -> JournalEntry {
    let hash = hash(&[sequence.to_be_bytes().as_slice(), &[mark]].concat());
    JournalEntry {
        sequence,
        hash,
        entry: vec![mark],
        meaning: payment.map_or(Meaning::Record, Meaning::Paid),
    }
}

pub(crate) fn payment(line: &DueLine, intent: u32, counter: u32) -> Payment {
    Payment {
        order: hash(
            &[
                &line.key.person[..],
                &intent.to_be_bytes(),
                &counter.to_be_bytes(),
            ]
            .concat(),
        ),
        intent,
        key: line.key.clone(),
        amount: line.amount,
        card: line.card,
        card_counter: Some(counter),
        paid_at: "20261122090000".to_owned(),
    }
}

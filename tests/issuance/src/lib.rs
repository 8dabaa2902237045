//! What the tests of issuance share: a station set up by the real `ansinh`, blank cards, and a desk without a reader at
//! which the power can fail at any command, any write of the card and any write of the ledger.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

pub mod bench;
pub mod figures;
pub mod hostile;
pub mod instant;
pub mod office;
pub mod soak;
pub mod till;
pub mod upkeep;

use std::collections::HashSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use ansinh_issuance::{Station, Terms};
use ansinh_keys::{Passphrase, Role};
use ansinh_station::home::Home;
use ansinh_station::issue::IssuingKeys;
use ansinh_store::Store;
use ansinh_store::cards::CardState;
use ansinh_store::operators::{Actor, Token};
use card_spec::certificate::Certificate;
use card_spec::signed::Signed;
use tempfile::TempDir;

/// Passphrase of the keys of every test station.
pub const PASSPHRASE: &str = "a passphrase for tests only";
/// PIN of every test card.
pub const PIN: &[u8] = b"271828";
/// Month that the test lists are for.
const PERIOD: &str = "202611";

/// First operator of a test station: administers it, and issues.
const OFFICER: &str = "lan";
/// Approves what the officer drafts.
const APPROVER: &str = "minh";

/// What a station has open while it issues.
pub struct Opened {
    /// The ledger.
    pub store: Store,
    /// The officer who issues.
    pub actor: Actor,
    /// The officer who approves.
    pub approver: Actor,
    /// Certificates and terms.
    pub station: Station,
    /// The keys.
    pub keys: IssuingKeys,
}

/// A station's folder with a list taken in, everybody on it approved, and blank cards beside it.
pub struct TestStation {
    folder: TempDir,
}

impl TestStation {
    /// Sets a station up with the real command: `init`, `operator add`, `delivery add`, `import`, `batch draft` and `approve`.
    pub fn set_up(people: u32, cards: usize) -> Self {
        let station = Self {
            folder: TempDir::new().expect("a temporary folder"),
        };
        let delivery = station.delivery_file();
        virtual_card::blank::deliver("TEST", &delivery, &station.folder.path().join("cards"), cards)
            .expect("blank cards");
        let list = station.folder.path().join("list.csv");
        let template = beneficiary_list::Template {
            people,
            seed: 1,
            period: PERIOD.to_owned(),
        };
        std::fs::write(&list, beneficiary_list::generate(&template).expect("a list")).expect("the list");
        let token = |name| station.token_file(name);
        let init = ["init", "--province", "79", "--test", "--operator", OFFICER];
        run(station.ansinh(&init).arg("--new-token-file").arg(token(OFFICER)));
        let add = ["operator", "add", APPROVER, "--role", "approver"];
        run(station.ansinh(&add).arg("--new-token-file").arg(token(APPROVER)));
        run(station.ansinh(&["delivery", "add"]).arg(&delivery));
        run(station.ansinh(&["import", "--accept-warnings"]).arg(&list));
        let quota = people.to_string();
        run(&mut station.ansinh(&[
            "batch",
            "draft",
            "--everybody",
            "--title",
            "all",
            "--quota",
            &quota,
        ]));
        run(&mut station.ansinh_as(APPROVER, &["batch", "approve", "1"]));
        station
    }

    /// The station's folder, `--store`.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("station")
    }

    /// The vendor's file with the transport keys.
    pub fn delivery_file(&self) -> PathBuf {
        self.folder.path().join("delivery.json")
    }

    /// The memories of the cards, by name.
    pub fn cards(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("cards")).expect("the cards");
        let mut cards: Vec<_> = entries.map(|entry| entry.expect("a card").path()).collect();
        cards.sort();
        cards
    }

    /// Opens what issuing needs, as the officer who issues.
    pub fn open(&self) -> Opened {
        let home = Home::new(self.home());
        let settings = home.station().expect("the station's settings");
        let certificate = |role| {
            let reference = settings.reference(role).expect("a reference");
            home.certificate(&reference).expect("a certificate")
        };
        let (root, issuer) = (certificate(Role::Root), certificate(Role::Issuer));
        let today = Signed::<Certificate>::parse(&issuer)
            .expect("the issuer's certificate")
            .claimed()
            .effective;
        let station = Station::new(&root, &issuer, Terms::standard(today, "H79")).expect("a station");
        let store = home.open_store().expect("the ledger");
        let passphrase = Passphrase::new(PASSPHRASE.to_owned());
        let officer = |name| {
            let token = std::fs::read_to_string(self.token_file(name)).expect("an officer's token");
            store.authenticate(&Token::new(&token)).expect("an officer")
        };
        Opened {
            keys: IssuingKeys::open(&home, &store, &station, &passphrase).expect("the keys"),
            actor: officer(OFFICER),
            approver: officer(APPROVER),
            station,
            store,
        }
    }

    /// Moves the ledger to an empty database of a server, as the help of `ansinh store` says.
    pub fn move_to(&self, database: &str) {
        let home = Home::new(self.home());
        let copy = self.home().with_file_name("copy.sqlite");
        run(self.ansinh(&["store", "backup"]).arg(&copy));
        let mut settings = home.station().expect("the station's settings");
        settings.database = Some(database.to_owned());
        let settings = serde_json::to_vec(&settings).expect("settings");
        std::fs::write(home.station_file(), settings).expect("the settings' file");
        std::fs::remove_file(home.store_file()).expect("the ledger's file");
        run(self.ansinh(&["store", "restore"]).arg(&copy));
    }

    /// Everybody has exactly one active card, on chips and under CSOs of their own, and the issuer's sequence has no gap.
    pub fn assert_all_issued(&self, people: usize) {
        let home = Home::new(self.home());
        let store = home.open_store().expect("the ledger");
        let cards = store.cards().expect("cards");
        assert!(
            cards.iter().all(|card| card.state == CardState::Active),
            "not all cards are active"
        );
        let persons: HashSet<_> = cards.iter().map(|card| card.person).collect();
        let chips: HashSet<_> = cards.iter().map(|card| card.chip_serial).collect();
        assert_eq!(
            (cards.len(), persons.len(), chips.len()),
            (people, people, people)
        );
        let issuer = home.station().expect("the station's settings").issuer;
        let log = store.issuer_log(&issuer).expect("the issuer's log");
        assert_eq!(log.len(), people);
        for (entry, sequence) in log.iter().zip(1..) {
            assert_eq!((entry.position.sequence, entry.kind.as_str()), (sequence, "cso"));
        }
        assert!(
            log.windows(2)
                .all(|pair| pair[1].position.previous_hash == pair[0].signed.body_hash)
        );
        let left = (store.waiting_persons(), store.unfinished_cards());
        assert_eq!((left.0.expect("a count"), left.1.expect("a count")), (0, 0));
        self.assert_audit_is_clean(people);
    }

    /// The auditor, who shares with the station the specification and the verifier behind it and nothing else, finds so many
    /// cards and nothing amiss.
    pub fn assert_audit_is_clean(&self, cards: usize) {
        let home = Home::new(self.home());
        let folder = TempDir::new().expect("a temporary folder");
        let files = folder.path().join("export");
        let store = home.open_store().expect("the ledger");
        ansinh_station::export::export(&store, &files).expect("an export");
        let root = ansinh_audit::read_root_key(home.public_key_file(Role::Root)).expect("the root's key");
        let report = ansinh_audit::audit(&[files], &root, NonZero::<usize>::MIN).expect("a report");
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert_eq!(report.counts.cards, cards);
    }

    fn token_file(&self, operator: &str) -> PathBuf {
        self.folder.path().join(format!("{operator}.token"))
    }

    /// The `ansinh` command on this station, given by the officer who issues.
    pub fn ansinh(&self, arguments: &[&str]) -> Command {
        self.ansinh_as(OFFICER, arguments)
    }

    /// The same, given by another operator: `lan` or `minh`.
    pub fn ansinh_as(&self, operator: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(ansinh_binary());
        command
            .arg("--store")
            .arg(self.home())
            .arg("--token-file")
            .arg(self.token_file(operator))
            .args(arguments)
            .env("ANSINH_PASSPHRASE", PASSPHRASE)
            .stdin(Stdio::null());
        command
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("ansinh starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The `ansinh` binary of the profile under test, built if need be.
pub fn ansinh_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = std::env::current_exe().expect("own path");
        let folder = test
            .ancestors()
            .find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
        let folder = folder.expect("a target folder");
        let mut build = Command::new(env!("CARGO"));
        build.args([
            "build",
            "--quiet",
            "--offline",
            "--package",
            "ansinh",
            "--bin",
            "ansinh",
        ]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            build.status().expect("cargo starts").success(),
            "ansinh does not build"
        );
        folder.join("ansinh")
    })
}

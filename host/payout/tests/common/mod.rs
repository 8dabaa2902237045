//! A ledger with two active cards, and terminals whose journals the tests write by hand, right or wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    dead_code,
    unused_imports
)]

mod till;

use core::fmt::Display;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use ansinh_payout::{
    IssuerKey, ListTerms, TerminalAuthority, certify_terminal, make_payment_list, vietnam_time,
};
use ansinh_store::batches::{NewBatch, Selection};
use ansinh_store::block_lists::BlockList;
use ansinh_store::cards::Claim;
use ansinh_store::deliveries::{ChipSerial, Delivery};
use ansinh_store::import::{ApprovedLine, ApprovedList, Due, ImportMode, ListKind, Stated};
use ansinh_store::issuer_log::SignedObject;
use ansinh_store::journal::Ingestion;
use ansinh_store::lists::{Others, PaymentList};
use ansinh_store::maintenance::NewVersion;
use ansinh_store::operators::{Actor, Role as OperatorRole};
use ansinh_store::people::{Entitlement, Person};
use ansinh_store::{DatabaseUrl, Fact, Location, Store};
use card_spec::certificate::{
    Authorization, Certificate, CertificateKey, Certified, Flags, Reference, Request, Role,
};
use card_spec::crypto::{Digest, PortableP256, SecretKey, Sign, sha256};
use card_spec::cso::{Caps, CardSecurityObject, GroupDigests, HolderCheckPolicy};
use card_spec::journal::{EncodedOrder, EncodedReceipt, Entry, Event, genesis};
use card_spec::list::{BlockListHeader, ListHeader, ListLine};
use card_spec::payment::{
    ClockSource, HolderCheckMethod, HolderCheckOutcome, Operator, Order, Receipt, ReceiptKind, Recipient,
};
use card_spec::signed::{Body, Signed, sign};
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::{Amount, CardNumber, Constant, Date, Period, Suite, TerminalName, Time};
use jiff::{ToSpan as _, civil};
use tempfile::TempDir;

pub(crate) use till::{Till, encode, encode_reversal, receipt, receipt_body, reversal_receipt, time};

/// The day of the test: what a real station certifies begins today.
static TODAY: LazyLock<Date> = LazyLock::new(|| vietnam_time().unwrap().date().unwrap());

pub(crate) fn today() -> Date {
    *TODAY
}

/// A place for a ledger: in the folder, or with `ANSINH_TEST_ENGINE=postgres` on a private server.
pub(crate) fn location(folder: &Path) -> Location {
    match std::env::var("ANSINH_TEST_ENGINE").as_deref() {
        Ok("postgres") => Location::Server(DatabaseUrl::new(&rig::postgres().database()).unwrap()),
        Ok(other) => panic!("ANSINH_TEST_ENGINE={other}: it is postgres, or not set"),
        Err(_) => Location::File(folder.join("store.sqlite")),
    }
}

/// Receipts that cards have shown and for which nothing is in the books.
pub(crate) fn unbooked(taken: &Ingestion) -> u64 {
    taken.brought_unlisted + taken.brought_second.len() as u64
}

/// Changes a ledger from outside.
pub(crate) fn alter(location: &Location, sql: &str) {
    match location {
        Location::Server(url) => drop(rig::postgres().psql(url.as_str(), sql)),
        Location::File(path) => {
            let done = Command::new("sqlite3")
                // A transaction of the ledger that was given up is rolled back behind the caller: wait for it.
                .args(["-cmd", ".timeout 10000"])
                .arg(path)
                .arg(sql)
                .status();
            assert!(
                done.expect("sqlite3 is missing: apt-get install sqlite3")
                    .success()
            );
        }
    }
}

/// A ledger with an issuer, two active cards and a till that has its first list.
pub(crate) struct Bench {
    pub(crate) office: Office,
    pub(crate) store: Store,
    pub(crate) lan: Actor,
    pub(crate) cards: [Card; 2],
    pub(crate) till: Till,
    pub(crate) list: PaymentList,
    pub(crate) location: Location,
    _folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = location(folder.path());
        let store = Store::create(&location).unwrap();
        let office = Office::new();
        let lan = first_operator(&store);
        let cards = two_cards(&store, &lan, &office.issuer());
        let till = Till::new(1);
        till.register(&store, &lan, &office.authority());
        let list = till.list(&store, &lan, &office.issuer());
        Self {
            office,
            store,
            lan,
            cards,
            till,
            list,
            location,
            _folder: folder,
        }
    }
}

pub(crate) fn days_from_now(days: i64) -> Date {
    let small = |value: u8| i8::try_from(value).unwrap();
    let year = i16::try_from(today().year()).unwrap();
    let later = civil::date(year, small(today().month()), small(today().day()));
    let later = later.checked_add(days.days()).unwrap();
    let [month, day] = [later.month(), later.day()].map(|value| u8::try_from(value).unwrap());
    date(u16::try_from(later.year()).unwrap(), month, day)
}

pub(crate) fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).unwrap()
}

pub(crate) fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

pub(crate) fn signed<'a, B: Body<'a>, S: Sign<Error: Display>>(body: &B, signer: &S) -> Vec<u8> {
    let mut buffer = [0; 1024];
    match sign(body, signer, &mut buffer) {
        Ok(object) => object.to_vec(),
        Err(_) => panic!("cannot be signed"),
    }
}

pub(crate) fn certificate(
    authority: &str,
    holder: &str,
    role: Role,
    key: &SecretKey,
    signer: &SecretKey,
) -> Vec<u8> {
    let body = Certificate {
        profile: Constant,
        authority: Reference::new(authority).unwrap(),
        public_key: CertificateKey {
            key: key.public_key(),
            with_domain_parameters: role == Role::Root,
        },
        holder: Reference::new(holder).unwrap(),
        authorization: Authorization {
            role,
            flags: Flags::Test,
        },
        effective: date(2026, 1, 1),
        expiry: date(2036, 1, 1),
    };
    signed(&body, signer)
}

/// Root, issuer and terminal CA.
pub(crate) struct Office {
    pub(crate) issuer: SecretKey,
    pub(crate) root_certificate: Vec<u8>,
    pub(crate) issuer_certificate: Vec<u8>,
    pub(crate) ca_certificate: Vec<u8>,
    authority: SecretKey,
    certified: Certified,
}

impl Office {
    pub(crate) fn new() -> Self {
        let (root, issuer, authority) = (key(1), key(2), key(3));
        let root_certificate = certificate("VNROOT00001", "VNROOT00001", Role::Root, &root, &root);
        let ca = certificate(
            "VNROOT00001",
            "VNTCA00001",
            Role::TerminalAuthority,
            &authority,
            &root,
        );
        let issuer_certificate = certificate("VNROOT00001", "VNISS7900001", Role::Issuer, &issuer, &root);
        let trusted = Certified::trust_root(
            &PortableP256,
            &Signed::parse(&root_certificate).unwrap(),
            &root.public_key(),
        );
        let certified = trusted
            .unwrap()
            .certify(&PortableP256, &Signed::parse(&ca).unwrap())
            .unwrap();
        Self {
            issuer,
            root_certificate,
            issuer_certificate,
            ca_certificate: ca,
            authority,
            certified,
        }
    }

    pub(crate) fn issuer(&self) -> IssuerKey<'_, SecretKey> {
        IssuerKey::new(&self.issuer, &self.issuer_certificate).unwrap()
    }

    pub(crate) fn authority(&self) -> TerminalAuthority<'_, SecretKey> {
        TerminalAuthority {
            signer: &self.authority,
            certified: self.certified,
        }
    }
}

/// A card as the tests need it: able to sign receipts.
pub(crate) struct Card {
    pub(crate) number: CardNumber,
    pub(crate) signing: SecretKey,
    pub(crate) cso_hash: Digest,
}

/// The first operator of a new ledger.
pub(crate) fn first_operator(store: &Store) -> Actor {
    let token = store.add_first_operator("lan").unwrap();
    store.authenticate(&token).unwrap()
}

/// Drafts a batch of everybody who waits, and has another officer approve it.
pub(crate) fn approve_everybody(store: &Store, actor: &Actor) {
    let roles = [OperatorRole::Approver].into_iter().collect();
    let token = store.renew_token(actor, "minh");
    let token = token
        .or_else(|_| store.add_operator(actor, "minh", roles))
        .unwrap();
    let approver = store.authenticate(&token).unwrap();
    let batch = NewBatch {
        title: "everybody".to_owned(),
        selection: Selection::Everybody,
        limit: None,
        expires_on: "20991231".to_owned(),
        quota: 10_000,
    };
    let drafted = store.draft_batch(actor, &batch).unwrap();
    store.approve_batch(&approver, drafted.number).unwrap();
}

/// Two persons with a regular line of November 2026 each, and their cards, active.
pub(crate) fn two_cards<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
) -> [Card; 2] {
    let list = ApprovedList {
        file_hash: [1; 32],
        file_name: "11-2026.csv".to_owned(),
        kind: ListKind::Plain,
        lines: vec![approved(1), approved(2)],
        warnings: Vec::new(),
    };
    store.import(actor, &list, ImportMode::Commit).unwrap();
    store
        .add_delivery(actor, &delivery("2026-11-A"), &[[1; 10], [2; 10]])
        .unwrap();
    approve_everybody(store, actor);
    [1, 2].map(|chip| active_card(store, actor, issuer, chip))
}

pub(crate) fn delivery(name: &str) -> Delivery {
    Delivery {
        name: name.to_owned(),
        key_version: 1,
        check_values: [7; 9],
    }
}

pub(crate) fn approved(person: u32) -> ApprovedLine {
    ApprovedLine {
        file_line: u64::from(person) + 1,
        person: Person {
            personal_id: format!("0792400{person:05}"),
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
            programme: "BTXH".to_owned(),
            sub_code: None,
            decision: "1/QĐ".to_owned(),
            decision_date: None,
            decided_by: None,
            month_from: "202501".to_owned(),
            month_to: None,
            active: true,
            monthly_amount: 500_000,
        },
        period: "202611".to_owned(),
        method: 1,
        due: vec![Due {
            line_type: 1,
            amount: 500_000,
        }],
        stated: Stated::default(),
    }
}

pub(crate) fn active_card<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
    chip: u8,
) -> Card {
    let keys = [key(10 + chip), key(20 + chip)];
    active_card_with(store, actor, issuer, &[chip; 10], keys)
}

/// A card on this chip and with these keys, for agreement and for signing.
pub(crate) fn active_card_with<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
    chip: &ChipSerial,
    [agreement, signing]: [SecretKey; 2],
) -> Card {
    let Claim::New(card) = store.claim_next_person(actor, chip, "reader 0", 79).unwrap() else {
        panic!("nobody waits for a card");
    };
    let (agreement_key, signing_key) = (agreement.public_key(), signing.public_key());
    store
        .record(&card.number, &[Fact::KeysReplaced], "reader 0")
        .unwrap();
    store
        .record(
            &card.number,
            &[Fact::KeysProven {
                agreement: agreement_key.as_bytes(),
                signing: signing_key.as_bytes(),
            }],
            "reader 0",
        )
        .unwrap();
    let release = store.release_cso(&card.number, (&[], "reader 0"), issuer.issuer(), |position| {
        let body = CardSecurityObject {
            suite: Suite::default(),
            format: Constant,
            issuer: issuer.reference(),
            card_number: card.number,
            version: 1,
            effective: today(),
            expiry: days_from_now(3000),
            agreement_key,
            signing_key,
            person: card.person,
            policy: HolderCheckPolicy {
                methods: HolderCheckPolicy::PIN,
                pin_tries: 3,
                orders_per_verify: 4,
            },
            caps: Caps {
                order: Amount::new(10_000_000).unwrap(),
                month: Amount::new(20_000_000).unwrap(),
                order_without_pin: Amount::new(5_000_000).unwrap(),
            },
            digests: GroupDigests {
                trust_anchor: [0; 32],
                holder: [1; 32],
                portrait: None,
                programmes: [3; 32],
                linked_numbers: [4; 32],
                representatives: [5; 32],
                issuance: [6; 32],
            },
            issuer_sequence: position.sequence,
            issuer_previous: position.previous_hash,
        };
        let object = signed(&body, issuer.signer());
        let body_hash = Signed::<CardSecurityObject>::parse(&object).unwrap().hash();
        Ok::<_, ansinh_store::StoreError>(SignedObject { body_hash, object })
    });
    let cso = release.unwrap();
    store.activated(actor, &card.number).unwrap();
    Card {
        number: card.number,
        signing,
        cso_hash: Signed::<CardSecurityObject>::parse(&cso).unwrap().hash(),
    }
}

/// Signs the next version of a card, as an update does, and has it confirmed; the same card under its new CSO.
pub(crate) fn updated<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
    card: &Card,
) -> Card {
    let versions = store.card_versions(&card.number).unwrap();
    let newest = versions.last().unwrap();
    let version = newest.version + 1;
    let body = *Signed::<CardSecurityObject>::parse(&newest.cso)
        .unwrap()
        .claimed();
    let new = NewVersion {
        version,
        groups: &[1],
        change: 0,
    };
    let cso = store.release_version(actor, &card.number, new, issuer.issuer(), |position| {
        let body = CardSecurityObject {
            version,
            issuer_sequence: position.sequence,
            issuer_previous: position.previous_hash,
            ..body
        };
        let object = signed(&body, issuer.signer());
        let body_hash = Signed::<CardSecurityObject>::parse(&object).unwrap().hash();
        Ok::<_, ansinh_store::StoreError>(SignedObject { body_hash, object })
    });
    let cso = cso.unwrap();
    store.card_seen(actor, &card.number, version, 0, &[]).unwrap();
    Card {
        number: card.number,
        signing: SecretKey::from_bytes(&card.signing.to_bytes()).unwrap(),
        cso_hash: Signed::<CardSecurityObject>::parse(&cso).unwrap().hash(),
    }
}

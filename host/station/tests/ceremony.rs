//! What a root signs and what it refuses, byte by byte, and how a request goes on after a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::Path;

use ansinh_keys::{Passphrase, Role, SigningKey};
use ansinh_station::ceremony::authority::{RootAuthority, date, role_of, root_certificate, years};
use ansinh_station::ceremony::root::Root;
use ansinh_station::ceremony::spoken;
use ansinh_station::ceremony::station::{Accepted, Occasion, Wanted, accept, request, set_up, take_root};
use ansinh_station::home::{Home, Station};
use ansinh_station::keyring::KeyPlaces;
use ansinh_store::Store;
use card_spec::certificate::{Certificate, CertificateKey, Flags, Reference, Request};
use card_spec::crypto::Sign as _;
use card_spec::signed::{Signed, sign};
use card_spec::values::Constant;
use jiff::civil;

fn passphrase() -> Passphrase {
    Passphrase::new("a passphrase for tests only".to_owned())
}

fn reference(text: &str) -> Reference {
    Reference::new(text).unwrap()
}

fn today() -> civil::Date {
    civil::date(2026, 11, 22)
}

fn new_root(folder: &Path) -> Root {
    Root::create(
        folder,
        reference("VNROOT00001"),
        Flags::Test,
        &passphrase(),
        today(),
    )
    .unwrap();
    Root::open(folder, &passphrase()).unwrap()
}

fn request_of(key: &SigningKey, holder: &str) -> Vec<u8> {
    let body = Request {
        profile: Constant,
        public_key: CertificateKey {
            key: key.public_key(),
            with_domain_parameters: false,
        },
        holder: reference(holder),
    };
    let mut buffer = [0; 512];
    sign(&body, key, &mut buffer).ok().unwrap().to_vec()
}

fn issued(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("issued")).unwrap().count()
}

#[test]
fn a_request_with_any_bit_changed_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("root");
    let root = new_root(&folder);
    let good = request_of(&SigningKey::generate().unwrap(), "VNISS7900001");
    assert!(root.examine(&good, today()).is_ok());
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[position] ^= 1 << bit;
            assert!(root.examine(&bad, today()).is_err(), "byte {position}, bit {bit}");
        }
    }
    for length in 0..good.len() {
        assert!(root.examine(&good[..length], today()).is_err(), "{length} bytes");
    }
    let longer = [good.as_slice(), &[0]].concat();
    assert!(root.examine(&longer, today()).is_err());
    assert_eq!(issued(&folder), 0, "looking at a request signs nothing");
}

#[test]
fn a_request_for_somebody_elses_key_proves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let root = new_root(&place.path().join("root"));
    let (own, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let body = Request {
        profile: Constant,
        public_key: CertificateKey {
            key: other.public_key(),
            with_domain_parameters: false,
        },
        holder: reference("VNISS7900001"),
    };
    let mut buffer = [0; 512];
    let request = sign(&body, &own, &mut buffer).ok().unwrap();
    let refused = root.examine(request, today()).err().unwrap();
    assert!(
        format!("{refused:#}").contains("does not prove possession"),
        "{refused:#}"
    );
}

#[test]
fn names_that_are_no_stations_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let root = new_root(&place.path().join("root"));
    for name in [
        "VNROOT00001",
        "VNROOT00002",
        "VNISS00001",
        "VNISS799900001",
        "VNISSAB00001",
        "VNT0000001A00001",
        "VNT0000001J00001",
        "VNTCAX00001",
        "VNX00001",
    ] {
        let request = request_of(&SigningKey::generate().unwrap(), name);
        assert!(root.examine(&request, today()).is_err(), "{name}");
    }
}

#[test]
fn a_key_has_one_name_and_a_name_goes_forwards() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("root");
    let root = new_root(&folder);
    let keys: Vec<_> = (0..4).map(|_| SigningKey::generate().unwrap()).collect();
    let sign = |request: &[u8]| {
        let proposal = root.examine(request, today())?;
        root.sign(&proposal)
    };
    let first = sign(&request_of(&keys[0], "VNISS7900002")).unwrap();
    assert_eq!(sign(&request_of(&keys[0], "VNISS7900002")).unwrap(), first);
    for (key, name) in [
        (&keys[1], "VNISS7900002"),
        (&keys[1], "VNISS7900001"),
        (&keys[0], "VNISS7900003"),
        (&keys[0], "VNISS8000001"),
        (&keys[0], "VNTCA00001"),
    ] {
        assert!(sign(&request_of(key, name)).is_err(), "{name}");
    }
    assert_eq!(issued(&folder), 1);
    sign(&request_of(&keys[1], "VNISS7900003")).unwrap();
    sign(&request_of(&keys[2], "VNISS8000001")).unwrap();
    sign(&request_of(&keys[3], "VNTCA00001")).unwrap();
    assert_eq!(issued(&folder), 4);
}

#[test]
fn a_certificate_never_outlives_its_root() {
    let key = SigningKey::generate().unwrap();
    let holder = reference("VNROOT00001");
    let encoding = root_certificate(&key, holder, Flags::Production, today()).unwrap();
    let expiry = Signed::<Certificate>::parse(&encoding).unwrap().claimed().expiry;
    let root = RootAuthority::new(key, &encoding).unwrap();
    let station = SigningKey::generate().unwrap().public_key();
    let draft = |day| root.draft(Role::Issuer, reference("VNISS7900001"), station, day);
    assert_eq!(
        draft(today()).unwrap().expiry,
        date(civil::date(2041, 11, 22)).unwrap()
    );
    let late = draft(civil::date(2046, 1, 1)).unwrap();
    assert_eq!(late.expiry, expiry);
    assert!(root.certify(&late).is_ok());
    for day in [civil::date(2026, 11, 21), civil::date(2046, 11, 23)] {
        assert!(draft(day).is_err(), "{day}");
    }
    assert!(
        root.draft(Role::Root, reference("VNROOT00002"), station, today())
            .is_err()
    );
    assert!(years(Role::Root) > years(Role::Issuer));
}

#[test]
fn a_root_is_never_made_over_another_and_opens_only_whole() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("root");
    new_root(&folder);
    let again = Root::create(
        &folder,
        reference("VNROOT00002"),
        Flags::Test,
        &passphrase(),
        today(),
    );
    assert!(format!("{:#}", again.unwrap_err()).contains("not empty"));
    let other = place.path().join("other");
    new_root(&other);
    let issuer = Root::create(
        &place.path().join("x"),
        reference("VNISS7900001"),
        Flags::Test,
        &passphrase(),
        today(),
    );
    assert!(issuer.is_err());
    std::fs::copy(other.join("root.key"), folder.join("root.key")).unwrap();
    let mixed = Root::open(&folder, &passphrase()).err().unwrap();
    assert!(
        format!("{mixed:#}").contains("do not belong together"),
        "{mixed:#}"
    );
}

#[test]
fn roles_follow_from_names() {
    assert_eq!(role_of(&reference("VNROOT00001")), Some(Role::Root));
    assert_eq!(role_of(&reference("VNISS7900001")), Some(Role::Issuer));
    assert_eq!(role_of(&reference("VNTCA00001")), Some(Role::TerminalCa));
    assert_eq!(role_of(&reference("VNT0000001A00001")), None);
}

#[test]
fn fingerprints_are_read_out_in_groups() {
    let spoken = spoken(&[0xAB; 32]);
    assert_eq!(spoken, ["abababab"; 8].join(" "));
}

/// A station, and the root that certifies its issuer's keys.
struct Issuer {
    home: Home,
    store: Store,
    root: Root,
}

impl Issuer {
    fn new(place: &Path) -> Self {
        let root = new_root(&place.join("root"));
        let folder = place.join("station");
        let station = Station {
            province: "79".to_owned(),
            agency: "Sở dùng thử".to_owned(),
            root: "VNROOT00001".to_owned(),
            issuer: "VNISS7900001".to_owned(),
            terminal_ca: "VNTCA00001".to_owned(),
            test: true,
            database: None,
            keys: KeyPlaces::default(),
        };
        let certificate = std::fs::read(place.join("root/root.cvc")).unwrap();
        set_up(&folder, &station, |home, store| {
            take_root(home, store, &certificate)?;
            home.make_card_master_keys(&station.keys.card_master, &passphrase())
        })
        .unwrap();
        let home = Home::new(&folder);
        let store = home.open_store().unwrap();
        Self { home, store, root }
    }

    fn certificate(&self, occasion: Occasion, day: civil::Date) -> Vec<u8> {
        let made = request(&self.home, Role::Issuer, occasion, &Wanted::Sealed, &passphrase());
        let proposal = self.root.examine(&made.unwrap().encoding, day).unwrap();
        self.root.sign(&proposal).unwrap()
    }

    fn accept(&self, encoding: &[u8], day: civil::Date) -> anyhow::Result<Accepted> {
        accept(&self.home, &self.store, encoding, &passphrase(), day)
    }

    fn present(&self) -> String {
        self.home.station().unwrap().issuer
    }
}

#[test]
fn a_fifth_key_that_no_terminal_could_take_is_not_accepted() {
    let place = tempfile::tempdir().unwrap();
    let issuer = Issuer::new(place.path());
    let day = |year| civil::date(year, 11, 22);
    for (occasion, year) in [
        (Occasion::First, 2026),
        (Occasion::Rekey, 2029),
        (Occasion::Rekey, 2032),
        (Occasion::Rekey, 2035),
    ] {
        let certificate = issuer.certificate(occasion, day(year));
        issuer.accept(&certificate, day(year)).unwrap();
    }
    // The first ends on 22 November 2041. Accepted later, the fifth would still begin too early.
    let fifth = issuer.certificate(Occasion::Rekey, day(2041));
    for accepted_on in [day(2041), day(2042)] {
        let refused = issuer.accept(&fifth, accepted_on).err().unwrap().to_string();
        assert!(
            refused.contains("VNISS7900001") && refused.contains("sign the same request again"),
            "{refused}"
        );
        assert_eq!(issuer.present(), "VNISS7900004");
    }
    // What the message says to do.
    std::fs::remove_file(place.path().join("root/issued/VNISS7900005.cvc")).unwrap();
    let next_day = civil::date(2041, 11, 23);
    let fifth = issuer.certificate(Occasion::Rekey, next_day);
    issuer.accept(&fifth, next_day).unwrap();
    assert_eq!(issuer.present(), "VNISS7900005");
}

//! A small country in memory: root, issuer, terminals, cards, lists and journals, made with fixed keys and RFC 6979, so
//! that the same code gives the same bytes on any machine. From it come `card-applet-spec/vectors`, the ledgers that
//! the tests of the auditor break, and the journal that its speed is measured on.
//!
//! All keys are TEST keys: anybody can compute them.

#![allow(
    clippy::expect_used,
    reason = "a generator of fixed data: what cannot be made is a bug in it"
)]

mod broken;
mod examine;
mod issued;
mod keys;
mod terminal;
pub mod vectors;
mod words;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use card_spec::certificate::{
    Authorization, AuthorizationBits, Certificate, CertificateKey, Flags, Reference, Role, TrustAnchor,
};
use card_spec::crypto::{Digest, SecretKey, sha256};
use card_spec::payment::LineType::{Arrears, Regular};
use card_spec::signed::{self, Body};
use card_spec::values::{Amount, CardNumber, Date, Period, Programme, Time};

pub use examine::{Examined, examine};
use issued::encode;
pub use issued::{BlockListName, Card, LineSpec, List, Person, groups};
pub use keys::{der_signature, pem, secret};
pub use terminal::{OPERATOR, Terminal};

/// Name of the issuer's first key.
pub const ISSUER: &str = "VNISS7900001";

/// The world: everything that an auditor is given, and the private keys behind it.
pub struct World {
    /// Root, issuer and terminal CA.
    pub root: SecretKey,
    /// Signs cards, lists, acknowledgements.
    pub issuer: SecretKey,
    /// Name of that key.
    pub issuer_name: Reference,
    /// Signs terminals.
    pub authority: SecretKey,
    /// Production or test, in the certificates to come.
    pub flags: Flags,
    /// Files by path, journals excepted.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The terminals with their journals.
    pub terminals: Vec<Terminal>,
    /// The cards.
    pub cards: Vec<Card>,
    /// The payment lists.
    pub lists: Vec<List>,
    /// Number of the newest list.
    pub list_number: u32,
    /// Number of the newest block list.
    pub block_list_number: u32,
    /// When the block lists to come are issued.
    pub block_list_issued: Time,
    /// Last number in the issuer's sequence.
    pub issuer_sequence: u64,
    /// Hash of the body before in the issuer's sequence.
    pub issuer_previous: Digest,
    /// Digest of the trust anchor, for the cards to come.
    pub trust_anchor: Digest,
}

impl World {
    /// Root, issuer and terminal CA, all TEST, and nothing below them.
    pub fn new() -> Self {
        Self::with_flags(Flags::Test)
    }

    /// Root, issuer and terminal CA with these flags, and nothing below them.
    pub fn with_flags(flags: Flags) -> Self {
        let mut world = Self {
            flags,
            root: secret("root"),
            issuer: secret("issuer"),
            issuer_name: reference(ISSUER),
            authority: secret("terminal CA"),
            files: BTreeMap::new(),
            terminals: Vec::new(),
            cards: Vec::new(),
            lists: Vec::new(),
            list_number: 0,
            block_list_number: 0,
            block_list_issued: Time::new(date(2026, 11, 4), 17, 0, 0).expect("a time"),
            issuer_sequence: 0,
            issuer_previous: [0; 32],
            trust_anchor: [0; 32],
        };
        let years = (date(2026, 1, 1), date(2046, 12, 31));
        let (root, issuer, authority) = (secret("root"), secret("issuer"), secret("terminal CA"));
        world.certify("VNROOT00001", &root, Role::Root, "VNROOT00001", &root, years);
        world.trust_anchor = sha256(&[&trust_anchor(&root, flags, years)]);
        world.certify(
            "VNROOT00001",
            &root,
            Role::TerminalAuthority,
            "VNTCA00001",
            &authority,
            years,
        );
        let body = world.certify("VNROOT00001", &root, Role::Issuer, ISSUER, &issuer, years);
        world.issuer_previous = sha256(&[&body]);
        for (name, key) in [("root", &root), ("issuer", &issuer), ("terminal-ca", &authority)] {
            world.files.insert(format!("{name}.pem"), pem(&key.public_key()));
        }
        world
    }

    /// Two terminals, five cards, two lists, a block list, four payments, a refusal, two acknowledgements.
    pub fn standard() -> Self {
        let mut world = Self::new();
        for serial in 1..=5 {
            world.issue(serial, &Person::numbered(serial));
        }
        world.add_terminal(1);
        world.add_terminal(2);
        let month = Period::new(2026, 11).expect("a month");
        let line = |card, line_type| LineSpec::new(card, month, line_type, 500_000);
        world.issue_list(
            0,
            &[
                line(0, Regular),
                line(1, Regular),
                line(2, Regular),
                line(0, Arrears),
            ],
        );
        world.issue_list(1, &[line(3, Regular), line(4, Regular)]);
        let block_list = world.issue_block_list(&[4]);
        for terminal in [0, 1] {
            world.start(terminal);
            world.load_list(terminal, terminal);
            world.load_block_list(terminal, &block_list);
            world.open_shift(terminal);
        }
        world.pay(0, 0, 1);
        world.pay(0, 0, 2);
        world.refuse(0, 2);
        world.acknowledge(0);
        world.pay(0, 0, 4);
        world.pay(1, 1, 1);
        world.acknowledge(1);
        world
    }

    /// Signs a certificate, files it, and gives its body.
    pub fn certify(
        &mut self,
        authority: &str,
        authority_key: &SecretKey,
        role: Role,
        holder: &str,
        key: &SecretKey,
        (effective, expiry): (Date, Date),
    ) -> Vec<u8> {
        let certificate = Certificate {
            profile: Default::default(),
            authority: reference(authority),
            public_key: CertificateKey {
                key: key.public_key(),
                with_domain_parameters: role == Role::Root,
            },
            holder: reference(holder),
            authorization: Authorization {
                role,
                flags: self.flags,
            },
            effective,
            expiry,
        };
        let encoding = sign(&certificate, authority_key);
        self.files.insert(format!("certificates/{holder}.cvc"), encoding);
        body(&certificate)
    }

    /// From now on the issuer signs as `VNISS7900002`, with a sequence of its own; its lists are numbered on (DATA 4.1).
    pub fn change_issuer_key(&mut self) {
        self.sign_as("VNISS7900002", "issuer, second key");
    }

    /// From now on another province's issuer signs. Its lists are numbered from 1.
    pub fn change_issuer(&mut self) {
        self.sign_as("VNISS8000001", "another issuer");
        self.list_number = 0;
    }

    fn sign_as(&mut self, holder: &str, name: &str) {
        let (root, key) = (secret("root"), secret(name));
        let years = (date(2026, 1, 1), date(2046, 12, 31));
        let body = self.certify("VNROOT00001", &root, Role::Issuer, holder, &key, years);
        (self.issuer, self.issuer_name) = (key, reference(holder));
        (self.issuer_sequence, self.issuer_previous) = (0, sha256(&[&body]));
    }

    /// All files with their paths.
    pub fn all_files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.files.clone();
        for terminal in &self.terminals {
            files.insert(terminal.path(), terminal.entries.concat());
        }
        files
    }

    /// Writes all files below a folder.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (path, content) in self.all_files() {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, content)?;
        }
        Ok(())
    }

    /// The next place in the issuer's sequence, taken by an object once its body is known.
    fn take_place(&mut self, body: &[u8]) {
        self.issuer_sequence += 1;
        self.issuer_previous = sha256(&[body]);
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// The root as a card holds it (SPEC 6.7).
fn trust_anchor(root: &SecretKey, flags: Flags, (effective, expiry): (Date, Date)) -> Vec<u8> {
    let anchor = TrustAnchor {
        reference: reference("VNROOT00001"),
        key: root.public_key(),
        effective,
        expiry,
        authorization: AuthorizationBits(Authorization {
            role: Role::Root,
            flags,
        }),
    };
    encode(&anchor, TrustAnchor::TAG)
}

/// A reference that is known to be well formed.
pub fn reference(text: &str) -> Reference {
    Reference::new(text).expect("a reference")
}

/// A day that is known to exist.
pub fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).expect("a day")
}

/// Encodes and signs.
pub fn sign<'a>(body: &impl Body<'a>, key: &SecretKey) -> Vec<u8> {
    let mut buffer = [0; 2048];
    signed::sign(body, key, &mut buffer).expect("fits").to_vec()
}

/// Encodes the body alone.
pub fn body<'a>(body: &impl Body<'a>) -> Vec<u8> {
    let mut buffer = [0; 2048];
    signed::encode_body(body, &mut buffer).expect("fits").to_vec()
}

fn amount(vnd: u64) -> Amount {
    Amount::new(vnd).expect("an amount")
}

fn card_number(serial: u64) -> CardNumber {
    CardNumber::new(79, serial).expect("a serial")
}

/// The programme of the generated lines.
fn programme() -> Programme {
    Programme::from_bytes(*b"HTXH").expect("a programme")
}

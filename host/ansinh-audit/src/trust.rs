//! Who may sign what: the certificates that a chain from the root key vouches for (SPEC 3).

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use card_spec::certificate::{Certificate, CertificateError, Certified, Reference, Role};
use card_spec::crypto::{Digest, PublicKey, Verify, sha256};
use card_spec::signed::Signed;
use card_spec::values::{Date, TerminalName};

use crate::files::{Files, KeyOwner};
use crate::finding::{Code, Findings, Place};
use crate::{pem, records};

/// An issuer and where its sequence starts.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) certified: Certified,
    pub(crate) certificate_hash: Digest,
}

/// The journal key of a terminal with all certificates for it.
#[derive(Clone, Debug)]
pub(crate) struct JournalKey {
    pub(crate) key: PublicKey,
    pub(crate) certificates: Vec<Certified>,
}

impl JournalKey {
    pub(crate) fn valid_on(&self, date: Date) -> bool {
        self.certificates
            .iter()
            .any(|certificate| certificate.valid_on(date).is_ok())
    }
}

/// Everything that the root key vouches for.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// Certificates read, copies not counted.
    pub(crate) certificates: usize,
    issuers: HashMap<Reference, Issuer>,
    authorities: Vec<Certified>,
    terminals: HashMap<TerminalName, JournalKey>,
}

struct Found {
    place: Place,
    encoding: Vec<u8>,
}

impl Found {
    fn certificate(&self) -> Option<Signed<'_, Certificate>> {
        Signed::parse(&self.encoding).ok()
    }
}

impl Trust {
    /// Verifies all certificates below the root key.
    pub(crate) fn establish(
        files: &Files,
        root_key: &PublicKey,
        verifier: &impl Verify,
        findings: &mut Findings,
    ) -> Self {
        let mut trust = Self::default();
        let found = read_certificates(&files.certificates, findings);
        trust.certificates = found.len();
        let parsed: Vec<_> = found
            .iter()
            .filter_map(|found| Some((&found.place, found.certificate()?)))
            .collect();
        let root = parsed
            .iter()
            .find_map(|(_, certificate)| Certified::trust_root(verifier, certificate, root_key).ok());
        let Some(root) = root else {
            let place = Place::file(std::path::Path::new("certificates"));
            let text = "no self-signed certificate of the root key: nothing below it can be verified";
            findings.add(Code::RootMissing, &place, text);
            return trust;
        };
        let is_root = |certificate: &Signed<'_, Certificate>| {
            Certified::trust_root(verifier, certificate, root_key).is_ok()
        };
        let below: Vec<_> = parsed
            .iter()
            .filter(|(_, certificate)| !is_root(certificate))
            .collect();
        let is_authority =
            |certificate: &Signed<'_, Certificate>| certificate.claimed().authority == root.holder();
        // Authorities first: a terminal's certificate needs its authority.
        for (place, certificate) in below.iter().filter(|(_, certificate)| is_authority(certificate)) {
            match root.certify(verifier, certificate) {
                Ok(certified) => trust.add(certified, certificate.hash(), place, findings),
                Err(error) => refuse(error, place, findings),
            }
        }
        for (place, certificate) in below.iter().filter(|(_, certificate)| !is_authority(certificate)) {
            let authority = certificate.claimed().authority;
            let certified = trust
                .authorities
                .iter()
                .find(|known| known.holder() == authority)
                .ok_or(CertificateError::UnknownAuthority)
                .and_then(|known| known.certify(verifier, certificate));
            match certified {
                Ok(certified) => trust.add(certified, certificate.hash(), place, findings),
                Err(error) => refuse(error, place, findings),
            }
        }
        trust.check_key_files(files, root_key, findings);
        trust
    }

    fn add(
        &mut self,
        certified: Certified,
        certificate_hash: Digest,
        place: &Place,
        findings: &mut Findings,
    ) {
        match certified.role() {
            Role::Issuer => {
                let issuer = Issuer {
                    certified,
                    certificate_hash,
                };
                self.issuers.insert(certified.holder(), issuer);
            }
            Role::TerminalAuthority => self.authorities.push(certified),
            Role::TerminalJournal => self.add_journal_key(certified, place, findings),
            Role::Root | Role::TerminalAgreement => {}
        }
    }

    fn add_journal_key(&mut self, certified: Certified, place: &Place, findings: &mut Findings) {
        let Some(terminal) = certified.holder().terminal_name() else {
            return;
        };
        let known = self.terminals.entry(terminal).or_insert_with(|| JournalKey {
            key: *certified.key(),
            certificates: Vec::new(),
        });
        if known.key == *certified.key() {
            known.certificates.push(certified);
        } else {
            let text =
                format!("{terminal} has a certificate for another journal key: a new key needs a new name");
            findings.add(Code::TerminalKeys, place, text);
        }
    }

    /// The issuer that an object names.
    pub(crate) fn issuer(&self, reference: &Reference) -> Option<&Issuer> {
        self.issuers.get(reference)
    }

    pub(crate) fn journal_key(&self, terminal: &TerminalName) -> Option<&JournalKey> {
        self.terminals.get(terminal)
    }

    /// Compares `root.pem`, `issuer.pem` … with the certificates.
    fn check_key_files(&self, files: &Files, root_key: &PublicKey, findings: &mut Findings) {
        for (owner, path) in &files.keys {
            let place = Place::file(path);
            let Some(key) = read(path, &place, findings) else {
                continue;
            };
            let Some(key) = pem::public_key(&key) else {
                findings.add(Code::Encoding, &place, "not a public key of P-256 in PEM");
                continue;
            };
            let agrees = match owner {
                KeyOwner::Root => key == *root_key,
                KeyOwner::Issuer => self.issuers.values().any(|issuer| *issuer.certified.key() == key),
                KeyOwner::TerminalAuthority => {
                    self.authorities.iter().any(|authority| *authority.key() == key)
                }
                KeyOwner::Terminal(name) => self.journal_key(name).is_some_and(|known| known.key == key),
            };
            if !agrees {
                findings.add(
                    Code::KeyFile,
                    &place,
                    "no valid certificate holds this key for this name",
                );
            }
        }
    }
}

fn refuse(error: CertificateError, place: &Place, findings: &mut Findings) {
    let code = match error {
        CertificateError::UnknownAuthority => Code::CertificateAuthority,
        CertificateError::Signature => Code::CertificateSignature,
        CertificateError::Role | CertificateError::Sequence => Code::CertificateRole,
        CertificateError::Flags => Code::CertificateFlags,
        CertificateError::Dates | CertificateError::NotValidOn(_) => Code::CertificateDates,
    };
    findings.add(code, place, error.to_string());
}

/// Reads the certificates, copies once. A copy with another signature is verified by itself.
fn read_certificates(paths: &[(Reference, PathBuf)], findings: &mut Findings) -> Vec<Found> {
    let mut bodies: HashMap<Reference, Digest> = HashMap::new();
    let mut copies = HashSet::new();
    let mut all = Vec::new();
    for (name, path) in paths {
        let place = Place::file(path);
        let Some(encoding) = read(path, &place, findings) else {
            continue;
        };
        let (holder, hash) = match Signed::<Certificate>::parse(&encoding) {
            Ok(certificate) => (certificate.claimed().holder, certificate.hash()),
            Err(error) => {
                findings.add(Code::Encoding, &place, format!("not a certificate: {error}"));
                continue;
            }
        };
        if holder != *name {
            findings.add(
                Code::FileName,
                &place,
                format!("holds the certificate of {holder}"),
            );
        }
        if bodies.insert(holder, hash).is_some_and(|other| other != hash) {
            findings.add(
                Code::CertificateTwice,
                &place,
                format!("{holder} has another certificate"),
            );
        }
        if copies.insert(sha256(&[&encoding])) {
            all.push(Found { place, encoding });
        }
    }
    all
}

/// Reads a small file; what cannot be read is a finding.
pub(crate) fn read(path: &std::path::Path, place: &Place, findings: &mut Findings) -> Option<Vec<u8>> {
    records::read_small(path)
        .map_err(|error| findings.add(Code::Unreadable, place, error.to_string()))
        .ok()
}

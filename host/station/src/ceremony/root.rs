//! The root's folder, on a computer without network or on a stick in a safe:
//!
//! ```text
//! DIR/root.key              sealed under the passphrases of several people
//! DIR/root.cvc root.pem     certificate and public key
//! DIR/issued/<CHR>.cvc      every certificate that the root signed: what it refuses to sign differs from what is here
//! ```

use std::path::{Path, PathBuf};

use ansinh_keys::{Passphrase, Role, SigningKey, public_key_pem, write_new};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use card_spec::certificate::{
    Certificate, Certified, Flags, ProvenRequest, Reference, Request, verify_request,
};
use card_spec::crypto::{Digest, PortableP256, Sign as _};
use card_spec::signed::Signed;
use jiff::civil;

use super::authority::{RootAuthority, role_of, root_certificate};
use crate::home::create_whole;

/// A root's folder, opened.
pub struct Root {
    folder: PathBuf,
    authority: RootAuthority<SigningKey>,
}

/// What the root may sign: a request that proved possession of its key, and whose name is free. Only [`Root::examine`] makes
/// one.
pub struct Proposal {
    role: Role,
    body: Certificate,
    fingerprint: Digest,
    issued_before: Option<Vec<u8>>,
}

impl Proposal {
    /// Role of the holder.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the certificate says.
    pub fn body(&self) -> &Certificate {
        &self.body
    }

    /// SHA-256 of the request's body, which the station shows, too.
    pub fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }
}

impl Root {
    /// Makes a new root in a new folder. Gives the fingerprint of its certificate: SHA-256 of the body.
    ///
    /// # Errors
    /// If the folder is there already, or cannot be written.
    pub fn create(
        folder: &Path,
        holder: Reference,
        flags: Flags,
        passphrase: &Passphrase,
        today: civil::Date,
    ) -> Result<Digest> {
        ensure!(
            role_of(&holder) == Some(Role::Root),
            "{holder} is no root's name: VNROOT and five digits (SPEC 3.2)"
        );
        let key = SigningKey::generate()?;
        let certificate = root_certificate(&key, holder, flags, today)?;
        create_whole(folder, |draft| {
            std::fs::create_dir(draft.join("issued"))?;
            key.seal(&draft.join("root.key"), passphrase)?;
            let public_key = public_key_pem(&key.public_key())?;
            write_new(&draft.join("root.pem"), public_key.as_bytes())?;
            write_new(&draft.join("root.cvc"), &certificate)?;
            Ok(())
        })?;
        parse(&certificate).map(|certificate| certificate.hash())
    }

    /// Opens a root's folder.
    ///
    /// # Errors
    /// If the passphrases do not open it, or its key is not that of its certificate.
    pub fn open(folder: &Path, passphrase: &Passphrase) -> Result<Self> {
        let certificate = read(&folder.join("root.cvc"))?;
        let key = SigningKey::open(&folder.join("root.key"), passphrase)?;
        Ok(Self {
            folder: folder.to_owned(),
            authority: RootAuthority::new(key, &certificate)?,
        })
    }

    /// The root's verified certificate.
    pub fn certified(&self) -> &Certified {
        self.authority.certified()
    }

    /// Looks at a request: nothing is signed yet.
    ///
    /// # Errors
    /// If it does not prove possession of its key, asks for a name that is no issuer's and no terminal CA's, for one that has
    /// another key already, or for an older one than its holder has.
    pub fn examine(&self, request: &[u8], today: civil::Date) -> Result<Proposal> {
        let proven = prove(request)?;
        let holder = proven.holder();
        let role = role_of(&holder)
            .filter(|role| *role != Role::Root)
            .ok_or_else(|| {
                anyhow!(
                    "{holder} is neither an issuer's nor a terminal CA's name (SPEC 3.2). Nothing was signed"
                )
            })?;
        let issued_before = self.compare_with_issued(&proven)?;
        Ok(Proposal {
            role,
            body: self.authority.draft(role, holder, proven.key(), today)?,
            fingerprint: proven.hash(),
            issued_before,
        })
    }

    /// Signs, and keeps a copy before anybody gets the certificate. For a request that was signed before: the same certificate.
    ///
    /// # Errors
    /// If the key cannot sign or the copy cannot be written.
    pub fn sign(&self, proposal: &Proposal) -> Result<Vec<u8>> {
        if let Some(certificate) = &proposal.issued_before {
            return Ok(certificate.clone());
        }
        let certificate = self.authority.certify(&proposal.body)?;
        write_new(&self.issued(&proposal.body.holder), &certificate)?;
        Ok(certificate)
    }

    fn issued(&self, holder: &Reference) -> PathBuf {
        self.folder.join("issued").join(format!("{holder}.cvc"))
    }

    /// The certificate that this very request got before, if it did.
    fn compare_with_issued(&self, request: &ProvenRequest) -> Result<Option<Vec<u8>>> {
        let holder = request.holder();
        for entry in std::fs::read_dir(self.folder.join("issued"))? {
            let path = entry?.path();
            let encoding = read(&path)?;
            let parsed = parse(&encoding).with_context(|| path.display().to_string())?;
            let issued = parsed.claimed();
            let same_key = issued.public_key.key == request.key();
            if issued.holder == holder && same_key {
                return Ok(Some(encoding));
            }
            if same_key {
                bail!(
                    "this key belongs to {} already; a key has one name. Nothing was signed",
                    issued.holder
                );
            }
            if issued.holder.mnemonic() == holder.mnemonic() && issued.holder.sequence() >= holder.sequence()
            {
                bail!(
                    "{} was certified for another key; {holder} must come after it. Nothing was signed. Ask the station \
                     whose request this is",
                    issued.holder
                );
            }
        }
        Ok(None)
    }
}

/// A request's proof of possession (SPEC 3.5).
pub(super) fn prove(request: &[u8]) -> Result<ProvenRequest> {
    let request = Signed::<Request>::parse(request)
        .map_err(|error| anyhow!("not a certificate request (SPEC 3.5): {error}. Nothing was signed"))?;
    verify_request(&PortableP256, &request)
        .context("the request does not prove possession of its key; nothing was signed")
}

/// A certificate, not yet verified.
pub(super) fn parse(encoding: &[u8]) -> Result<Signed<'_, Certificate>> {
    Signed::<Certificate>::parse(encoding).map_err(|error| anyhow!("not a certificate (SPEC 3.1): {error}"))
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))
}

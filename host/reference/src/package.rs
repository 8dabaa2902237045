//! A package: read from a folder, verified, signed. Only a [`Verified`] one can become a [`Reference`](crate::Reference).

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use card_spec::crypto::{PortableP256, PublicKey, Sign, Signature, Verify as _, sha256};
use p256::pkcs8::DecodePublicKey as _;

use crate::built_in;
use crate::error::PackageError;
use crate::manifest::Manifest;

/// Name of the manifest in a package's folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of the signature in a package's folder: ECDSA P-256 with SHA-256 over the bytes of the manifest, in DER, as
/// `openssl dgst -sha256 -verify KEY.pem -signature manifest.sig manifest.json` takes it.
pub const SIGNATURE_FILE: &str = "manifest.sig";

/// Bytes of a file, and of all files. The built-in package has 0.7 MB; every commune of the country twenty times fits.
const LARGEST_FILE: u64 = 8 << 20;
const LARGEST_PACKAGE: u64 = 32 << 20;

/// The files of a package, of which nothing is known yet.
#[derive(Clone)]
pub struct Package {
    manifest: Vec<u8>,
    signature: Option<Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
}

/// A package whose manifest a trusted key has signed (or that is built in) and whose files are those of the manifest. Only this
/// module makes one.
#[derive(Clone)]
pub struct Verified {
    package: Package,
    manifest: Manifest,
}

impl Package {
    /// Reads a folder, at most 32 MiB.
    ///
    /// # Errors
    /// [`PackageError::File`], [`PackageError::TooLarge`]; [`PackageError::Extra`] for what is not a plain file.
    pub fn read(folder: &Path) -> Result<Self, PackageError> {
        let failed = |source| PackageError::File {
            path: folder.to_owned(),
            source,
        };
        let mut package = Self {
            manifest: read_file(&folder.join(MANIFEST_FILE))?,
            signature: None,
            files: BTreeMap::new(),
        };
        let mut total = 0_u64;
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Of the entry itself: a link is not followed, since what it leads to is not part of the package.
            if !entry.file_type().map_err(failed)?.is_file() {
                return Err(PackageError::Extra(name));
            }
            if name == MANIFEST_FILE {
                continue;
            }
            let bytes = read_file(&entry.path())?;
            total = total.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            if total > LARGEST_PACKAGE {
                return Err(PackageError::TooLarge(
                    folder.display().to_string(),
                    LARGEST_PACKAGE,
                ));
            }
            if name == SIGNATURE_FILE {
                package.signature = Some(bytes);
            } else {
                package.files.insert(name, bytes);
            }
        }
        Ok(package)
    }

    /// Checks the signature, by any of the trusted keys, and every file against the manifest.
    ///
    /// # Errors
    /// [`PackageError::Unsigned`], [`PackageError::WrongSignature`], [`PackageError::Manifest`]; [`PackageError::Missing`],
    /// [`PackageError::Extra`], [`PackageError::Changed`] with the file's name.
    pub fn verify(self, trusted: &[PublicKey]) -> Result<Verified, PackageError> {
        let der = self.signature.as_deref().ok_or(PackageError::Unsigned)?;
        let signature = from_der(der).ok_or(PackageError::WrongSignature)?;
        let verifies = |key| PortableP256.verify(key, &self.manifest, &signature).is_ok();
        if !trusted.iter().any(verifies) {
            return Err(PackageError::WrongSignature);
        }
        self.check_files()
    }

    /// The built-in package: whoever trusts the program trusts it.
    ///
    /// # Errors
    /// As [`Package::verify`]; the tests exclude it.
    pub fn built_in() -> Result<Verified, PackageError> {
        let file = |(name, bytes): &(&str, &[u8])| ((*name).to_owned(), bytes.to_vec());
        let files = built_in::FILES.iter().map(file).collect();
        let package = Self {
            manifest: built_in::MANIFEST.to_vec(),
            signature: None,
            files,
        };
        package.check_files()
    }

    fn check_files(self) -> Result<Verified, PackageError> {
        let manifest = Manifest::parse(&self.manifest)?;
        for file in &manifest.files {
            let bytes = self
                .files
                .get(&file.name)
                .ok_or_else(|| PackageError::Missing(file.name.clone()))?;
            let found = hex::encode(sha256(&[bytes]));
            if found != file.sha256 {
                return Err(PackageError::Changed {
                    file: file.name.clone(),
                    found,
                    signed: file.sha256.clone(),
                });
            }
        }
        let extra = self
            .files
            .keys()
            .find(|name| !manifest.files.iter().any(|file| file.name == **name));
        match extra {
            Some(name) => Err(PackageError::Extra(name.clone())),
            None => Ok(Verified {
                package: self,
                manifest,
            }),
        }
    }
}

impl Verified {
    /// What the package says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes of the manifest: two packages with the same are the same.
    pub(crate) fn manifest_bytes(&self) -> &[u8] {
        &self.package.manifest
    }

    /// The bytes of a file.
    pub(crate) fn file(&self, name: &str) -> Option<&[u8]> {
        self.package.files.get(name).map(Vec::as_slice)
    }

    /// All files to be written when the package is copied: what was verified, not what is on the disk by then.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let package = &self.package;
        let files = package
            .files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        let signature = package
            .signature
            .iter()
            .map(|bytes| (SIGNATURE_FILE, bytes.as_slice()));
        files
            .chain(signature)
            .chain([(MANIFEST_FILE, package.manifest.as_slice())])
    }
}

/// Prepares a folder for publication: writes the files' present SHA-256 into its manifest, checks all data as a station will,
/// and signs. Returns the manifest that was signed. Nothing is written unless everything is right.
///
/// # Errors
/// Any [`PackageError`] that a station would report, and [`PackageError::Signing`].
pub fn sign<S: Sign>(folder: &Path, signer: &S) -> Result<Manifest, PackageError>
where
    S::Error: std::fmt::Display,
{
    let mut package = Package::read(folder)?;
    let mut manifest = Manifest::parse(&package.manifest)?;
    for file in &mut manifest.files {
        let bytes = package
            .files
            .get(&file.name)
            .ok_or_else(|| PackageError::Missing(file.name.clone()))?;
        file.sha256 = hex::encode(sha256(&[bytes]));
    }
    let mut text =
        serde_json::to_vec_pretty(&manifest).map_err(|error| PackageError::Manifest(error.to_string()))?;
    text.push(b'\n');
    package.manifest = text;
    let package = package.check_files()?;
    crate::Reference::from_package(&package)?;
    let failed = |text: &str| PackageError::Signing(text.to_owned());
    let text = package.manifest_bytes();
    let signature = signer.sign(text).map_err(|error| failed(&error.to_string()))?;
    PortableP256
        .verify(&signer.public_key(), text, &signature)
        .map_err(|_| failed("the key made a signature that does not verify; have the token checked"))?;
    let der = to_der(&signature).ok_or_else(|| failed("the key made no valid signature"))?;
    // The signature last: a crash in between leaves a manifest whose signature does not verify, never a false one.
    write_file(&folder.join(MANIFEST_FILE), text)?;
    write_file(&folder.join(SIGNATURE_FILE), &der)?;
    Ok(manifest)
}

/// A public key from PEM (SubjectPublicKeyInfo), as the station's `root.pem` and `issuer.pem` hold it.
///
/// # Errors
/// [`PackageError::PublicKey`].
pub fn public_key_from_pem(pem: &str) -> Result<PublicKey, PackageError> {
    let key = p256::PublicKey::from_public_key_pem(pem).map_err(|_| PackageError::PublicKey)?;
    let point = p256::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&key, false);
    PublicKey::from_sec1(point.as_bytes()).map_err(|_| PackageError::PublicKey)
}

/// Replaces a file in one step: under a temporary name first, flushed, then renamed.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), PackageError> {
    let failed = |source| PackageError::File {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn read_file(path: &Path) -> Result<Vec<u8>, PackageError> {
    let failed = |source| PackageError::File {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST_FILE) {
        return Ok(bytes);
    }
    Err(PackageError::TooLarge(path.display().to_string(), LARGEST_FILE))
}

fn from_der(der: &[u8]) -> Option<Signature> {
    let signature = p256::ecdsa::Signature::from_der(der).ok()?;
    Signature::try_from(signature.to_bytes().as_slice()).ok()
}

fn to_der(signature: &Signature) -> Option<Vec<u8>> {
    let signature = p256::ecdsa::Signature::from_slice(signature.as_bytes()).ok()?;
    Some(signature.to_der().as_bytes().to_vec())
}

//! What can be wrong with a package, in words that say what to do.

use std::fmt;
use std::path::PathBuf;

/// One cell of a data file that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DataError {
    /// The file.
    pub file: String,
    /// The line in it, from 1; comments count.
    pub line: u64,
    /// The column by its name in the header; empty if the whole line is meant.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)?;
        if !self.column.is_empty() {
            write!(f, ", {} {:?}", self.column, self.value)?;
        }
        write!(f, ": {}", self.rule)
    }
}

/// Why a package cannot be used. Whatever was in force before stays in force.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The manifest is not one.
    #[error("manifest.json: {0}")]
    Manifest(String),
    /// There is no signature.
    #[error("manifest.sig is missing: the package is not signed. Ask its publisher for the signed package")]
    Unsigned,
    /// The signature is not one of a trusted key over this manifest.
    #[error(
        "manifest.sig is no signature of the station's root or issuer over manifest.json: the package was changed or \
         signed by somebody else. Ask its publisher for it again; nothing was changed"
    )]
    WrongSignature,
    /// A file is named in the manifest and is not there.
    #[error("{0}: named in manifest.json, but missing from the package. Copy the package again, whole")]
    Missing(String),
    /// A file is there that the manifest does not name.
    #[error("{0}: not named in manifest.json, so nobody has signed it. Remove it or ask for a new package")]
    Extra(String),
    /// A file is not the one that was signed.
    #[error("{file}: changed after it was signed (SHA-256 {found}, signed {signed}). Copy the package again")]
    Changed {
        /// Which one.
        file: String,
        /// The digest of the file as it is, in hex.
        found: String,
        /// The digest that the manifest names, in hex.
        signed: String,
    },
    /// This program does not know a list or needs one that is not there.
    #[error("{0}: this version of the program and this package do not fit each other; update the older one")]
    Unsuitable(String),
    /// A file or a package is larger than any reference data.
    #[error("{0}: larger than {1} bytes; this is no reference package")]
    TooLarge(String, u64),
    /// Data is wrong: all places.
    #[error("{}", listed(.0))]
    Data(Vec<DataError>),
    /// A package that is not newer than the one in force.
    #[error("version {offered} is not above version {installed}, which is in force; nothing was changed")]
    NotNewer {
        /// The version that is in force.
        installed: u32,
        /// The version that was offered.
        offered: u32,
    },
    /// Another package than this station uses.
    #[error("this is package {offered:?}; the station uses {installed:?}. Nothing was changed")]
    OtherPackage {
        /// The name of the one in force.
        installed: String,
        /// The name of the one that was offered.
        offered: String,
    },
    /// The key could not sign.
    #[error("the manifest cannot be signed: {0}")]
    Signing(String),
    /// Not a public key.
    #[error("not a P-256 public key in PEM (BEGIN PUBLIC KEY)")]
    PublicKey,
}

fn listed(errors: &[DataError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

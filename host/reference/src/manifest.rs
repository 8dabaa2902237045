//! The manifest: what a package is, which files it has, and where each comes from.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::error::PackageError;

/// The only format of manifests so far.
const FORMAT: u32 = 1;

/// What a package says of itself. The signature covers the bytes of the file, not this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format of the package; 1.
    pub format: u32,
    /// Name of the package. A station never changes over to another one.
    pub name: String,
    /// Version of its content, rising.
    pub version: u32,
    /// Day of publication, `yyyymmdd`.
    pub published: String,
    /// What one should know of the whole.
    pub note: String,
    /// Its files, by name.
    pub files: Vec<ManifestFile>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name in the folder.
    pub name: String,
    /// SHA-256 of its bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What it is.
    pub title: String,
    /// How far it can be relied on.
    pub status: Status,
    /// What one should know of it, such as what it leaves out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Where it comes from.
    pub sources: Vec<Source>,
}

/// How far a list can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Copied from a legal text or an official list.
    Law,
    /// Law in part, and in part from newspapers or public copies: compare with the legal text before relying on it.
    Secondary,
    /// A choice of this project, because no official list is known.
    Project,
    /// Filled by the station itself.
    Station,
}

/// Where data comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Title of the legal text or the publication.
    pub title: String,
    /// Where it can be read; empty if it is known by its title only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
}

impl Manifest {
    /// Reads a manifest and checks its form.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| PackageError::Manifest(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), PackageError> {
        let wrong = |text: String| Err(PackageError::Manifest(text));
        if self.format != FORMAT {
            return wrong(format!(
                "format {} is unknown to this program; update it",
                self.format
            ));
        }
        if self.name.is_empty() || self.version == 0 {
            return wrong("name must not be empty, version must be 1 or more".to_owned());
        }
        if self.published.len() != 8 || Date::strptime("%Y%m%d", &self.published).is_err() {
            return wrong(format!(
                "published {:?} must be a day as yyyymmdd",
                self.published
            ));
        }
        let mut names = BTreeSet::new();
        for file in &self.files {
            if !is_plain_name(&file.name) {
                return wrong(format!(
                    "{:?} must be a name of a-z, 0-9 and - that ends in .csv",
                    file.name
                ));
            }
            if !names.insert(&file.name) {
                return wrong(format!("{} is named twice", file.name));
            }
            if file.sources.is_empty() && file.status != Status::Station {
                return wrong(format!("{} has no source", file.name));
            }
        }
        Ok(())
    }
}

/// A name that can lead nowhere but into the package's own folder.
fn is_plain_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.strip_suffix(".csv")
        .is_some_and(|stem| !stem.is_empty() && stem.bytes().all(letter))
}

//! A copy of the built-in package in a folder of its own, and a key to sign it with.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::path::{Path, PathBuf};

use ansinh_reference::{DataError, Package, PackageError, Reference, Verified, sign};
use card_spec::crypto::{PublicKey, SecretKey};
use tempfile::TempDir;

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

pub(crate) fn trusted() -> [PublicKey; 1] {
    [key(1).public_key()]
}

/// A package in a folder.
pub(crate) struct Draft(TempDir);

impl Draft {
    /// The built-in data under a version of its own, signed.
    pub(crate) fn signed(version: u32) -> Self {
        let draft = Self::unsigned(version);
        sign(draft.path(), &key(1)).unwrap();
        draft
    }

    /// The built-in data under a version of its own.
    pub(crate) fn unsigned(version: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(data()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        let draft = Self(folder);
        draft.edit("manifest.json", |text| {
            text.replace("\"version\": 1,", &format!("\"version\": {version},"))
        });
        draft
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        let changed = change(text.clone());
        assert_ne!(text, changed, "the edit of {name} changed nothing");
        fs::write(self.file(name), changed).unwrap();
    }

    pub(crate) fn append(&self, name: &str, line: &str) {
        self.edit(name, |text| format!("{text}{line}\n"));
    }

    pub(crate) fn verify(&self) -> Result<Verified, PackageError> {
        Package::read(self.path())?.verify(&trusted())
    }

    pub(crate) fn reference(&self) -> Reference {
        Reference::from_package(&self.verify().unwrap()).unwrap()
    }

    /// What is wrong with the data, when somebody tries to sign it.
    pub(crate) fn data_errors(&self) -> Vec<DataError> {
        match sign(self.path(), &key(1)) {
            Err(PackageError::Data(errors)) => errors,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data")
}

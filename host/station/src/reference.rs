//! The reference data of a station: what is built in, or a newer package that its root or its issuer has signed.

use std::path::PathBuf;

use ansinh_keys::Role;
use ansinh_reference::{Reference, public_key_from_pem};
use anyhow::{Context as _, Result};
use card_spec::crypto::PublicKey;

use crate::home::Home;

impl Home {
    /// The folder of installed packages.
    pub fn reference_folder(&self) -> PathBuf {
        self.folder().join("reference")
    }

    /// The keys whose packages this station takes: its root's and its issuer's.
    ///
    /// # Errors
    /// If `root.pem` or `issuer.pem` is missing or no public key.
    pub fn reference_keys(&self) -> Result<Vec<PublicKey>> {
        let key = |role| {
            let path = self.public_key_file(role);
            let pem = std::fs::read_to_string(&path)
                .with_context(|| format!("{}: cannot be read; restore it from backup", path.display()))?;
            public_key_from_pem(&pem).with_context(|| path.display().to_string())
        };
        [Role::Root, Role::Issuer].into_iter().map(key).collect()
    }

    /// The reference data in force at this station.
    ///
    /// # Errors
    /// If the installed package is damaged: the station stops rather than go back to older amounts.
    pub fn reference_data(&self) -> Result<Reference> {
        let folder = self.reference_folder();
        Reference::load_or(&folder, &self.reference_keys()?).with_context(|| {
            format!(
                "{}: the reference data in force cannot be used. Install the signed package again after removing its folder there",
                folder.display()
            )
        })
    }
}

//! Packages installed at a station: `DIR/v2/`, `DIR/v3/` …, each complete; the highest is in force.

use std::fs;
use std::path::{Path, PathBuf};

use card_spec::crypto::PublicKey;

use crate::error::PackageError;
use crate::package::{Package, Verified, write_file};
use crate::reference::{Origin, Reference};

/// What a station can do with a package that it was offered. Nothing is changed yet.
pub enum Offer<'a> {
    /// The very same package is in force already.
    AlreadyInForce,
    /// It is newer and all its data is right.
    Newer(Newer<'a>),
}

/// A package that may be installed in one station's folder. Only [`offer`] makes one.
pub struct Newer<'a> {
    folder: &'a Path,
    package: &'a Verified,
}

impl Reference {
    /// The newest package of a station: that installed in `folder`, or the built-in one if none is installed or the built-in
    /// one is newer. A damaged installed package is an error, never passed over: the older data would pay other amounts.
    ///
    /// # Errors
    /// Any [`PackageError`] of the installed package.
    pub fn load_or(folder: &Path, trusted: &[PublicKey]) -> Result<Self, PackageError> {
        let (package, origin) = in_force(folder, trusted)?;
        Self::built_from(&package, origin)
    }
}

/// Checks all data of a package and whether a station may change over to it.
///
/// # Errors
/// [`PackageError::NotNewer`], [`PackageError::OtherPackage`], [`PackageError::Data`] with every error; any error of the
/// installed package.
pub fn offer<'a>(
    folder: &'a Path,
    package: &'a Verified,
    trusted: &[PublicKey],
) -> Result<Offer<'a>, PackageError> {
    Reference::from_package(package)?;
    let (present, _) = in_force(folder, trusted)?;
    if present.manifest_bytes() == package.manifest_bytes() {
        return Ok(Offer::AlreadyInForce);
    }
    let (old, new) = (present.manifest(), package.manifest());
    if old.name != new.name {
        return Err(PackageError::OtherPackage {
            installed: old.name.clone(),
            offered: new.name.clone(),
        });
    }
    if new.version <= old.version {
        return Err(PackageError::NotNewer {
            installed: old.version,
            offered: new.version,
        });
    }
    Ok(Offer::Newer(Newer { folder, package }))
}

impl Newer<'_> {
    /// Copies the package beside its place, flushes it to disk and moves it there in one step: a crash leaves what was in force
    /// before.
    ///
    /// # Errors
    /// [`PackageError::File`].
    pub fn install(self) -> Result<(), PackageError> {
        copy(self.folder, self.package)
    }
}

/// The package in force, and where it comes from.
fn in_force(folder: &Path, trusted: &[PublicKey]) -> Result<(Verified, Origin), PackageError> {
    let built_in = Package::built_in()?;
    let Some((version, path)) = newest(folder)? else {
        return Ok((built_in, Origin::BuiltIn));
    };
    if version <= built_in.manifest().version {
        return Ok((built_in, Origin::BuiltIn));
    }
    let installed = Package::read(&path)?.verify(trusted)?;
    if installed.manifest().version != version {
        let text = format!(
            "{} holds version {}",
            path.display(),
            installed.manifest().version
        );
        return Err(PackageError::Manifest(text));
    }
    Ok((installed, Origin::Installed))
}

/// The folder with the highest version. Other names are drafts that a crash has left.
fn newest(folder: &Path) -> Result<Option<(u32, PathBuf)>, PackageError> {
    let failed = |source| PackageError::File {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut newest = None;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let version = name
            .to_str()
            .and_then(|name| name.strip_prefix('v'))
            .and_then(|text| text.parse().ok());
        if let Some(version) = version {
            newest = newest.max(Some((version, entry.path())));
        }
    }
    Ok(newest)
}

fn copy(folder: &Path, package: &Verified) -> Result<(), PackageError> {
    let failed = |source| PackageError::File {
        path: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let draft = tempfile::Builder::new()
        .prefix(".incoming-")
        .tempdir_in(folder)
        .map_err(failed)?;
    for (name, bytes) in package.contents() {
        write_file(&draft.path().join(name), bytes)?;
    }
    fs::File::open(draft.path())
        .and_then(|draft| draft.sync_all())
        .map_err(failed)?;
    let place = folder.join(format!("v{}", package.manifest().version));
    // The draft is the package from here on and must outlive this function.
    fs::rename(draft.keep(), &place).map_err(|source| PackageError::File { path: place, source })?;
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

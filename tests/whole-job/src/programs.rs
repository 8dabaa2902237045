//! The programs under test, in the folder in which cargo put this one.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// Path of a program of this workspace.
///
/// # Errors
/// When it was not built: tests of one package do not build the programs of others.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = env::current_exe()?;
    let folder = own.parent().context("no folder")?;
    let folder = if folder.ends_with("deps") {
        folder.parent().context("no folder")?
    } else {
        folder
    };
    let path = folder.join(name);
    ensure!(
        path.exists(),
        "{name} is not built: run cargo build --workspace --bins first"
    );
    Ok(path)
}

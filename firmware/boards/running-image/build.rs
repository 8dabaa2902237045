//! Puts the linker script image.x where the boards' memory.x finds it.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    fs::copy("image.x", out.join("image.x"))?;
    println!("cargo:rerun-if-changed=image.x");
    println!("cargo:rustc-link-search={}", out.display());
    Ok(())
}

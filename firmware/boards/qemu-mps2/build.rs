//! Puts the linker scripts memory.x and device.x where link.x of cortex-m-rt finds them.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    for script in ["memory.x", "device.x"] {
        fs::copy(script, out.join(script))?;
        println!("cargo:rerun-if-changed={script}");
    }
    println!("cargo:rustc-link-search={}", out.display());
    Ok(())
}

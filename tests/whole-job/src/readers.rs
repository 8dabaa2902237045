//! The readers that `with-readers` provides.

use std::env;

use anyhow::{Context, Result};

/// PC/SC name and port of each reader.
///
/// # Errors
/// When this program was not started by `with-readers`.
pub fn provided() -> Result<Vec<(String, u16)>> {
    let hint = "no readers: start this program by with-readers, the demonstration by tools/demo";
    let names = env::var("ANSINH_READER_NAMES").context(hint)?;
    let ports = env::var("ANSINH_VPCD_PORTS").context(hint)?;
    let ports = ports
        .split(',')
        .map(|port| Ok(port.parse()?))
        .collect::<Result<Vec<u16>>>()?;
    Ok(names.split(',').map(str::to_owned).zip(ports).collect())
}

//! Runs a command among virtual card readers: `with-readers 4 -- COMMAND [ARGUMENT...]`.
//!
//! The command finds the readers' names in `ANSINH_READER_NAMES`, their TCP ports on 127.0.0.1 in `ANSINH_VPCD_PORTS`
//! (commas between, same order) and pcscd by `PCSCLITE_CSOCK_NAME`. The exit code is the command's; 127 is the rig's.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use rig::{PcscRig, SOCKET, VirtualReader, command_in_namespace};

/// First argument of the second start of this program, inside the namespace.
const INSIDE: &str = "--inside";

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let inside = arguments.first().is_some_and(|first| first == INSIDE);
    if inside {
        arguments.remove(0);
    }
    match start(inside, &arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("with-readers: {error:#}");
            ExitCode::from(127)
        }
    }
}

fn start(inside: bool, arguments: &[OsString]) -> Result<u8> {
    let [count, dashes, program, rest @ ..] = arguments else {
        bail!(USAGE)
    };
    let count = count
        .to_str()
        .and_then(|count| count.parse().ok())
        .context(USAGE)?;
    if dashes != "--" {
        bail!(USAGE);
    }
    if inside {
        return run(count, program, rest);
    }
    let error = command_in_namespace(env::current_exe()?)
        .arg(INSIDE)
        .args(arguments)
        .exec();
    Err(error).context("setpriv is missing: install Debian's util-linux")
}

const USAGE: &str = "usage: with-readers COUNT -- COMMAND [ARGUMENT...]";

fn run(count: usize, program: &OsString, arguments: &[OsString]) -> Result<u8> {
    let mut rig = PcscRig::start(count)?;
    let status = Command::new(program)
        .args(arguments)
        .env("PCSCLITE_CSOCK_NAME", SOCKET)
        .env(
            "ANSINH_READER_NAMES",
            listed(rig.readers(), |reader| reader.name.clone()),
        )
        .env(
            "ANSINH_VPCD_PORTS",
            listed(rig.readers(), |reader| reader.port.to_string()),
        )
        .status()
        .with_context(|| format!("starting {}", program.display()))?;
    if let Some(report) = rig.post_mortem() {
        bail!(report);
    }
    // A shell's convention for a command that a signal ended.
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

fn listed(readers: &[VirtualReader], item: impl Fn(&VirtualReader) -> String) -> String {
    readers.iter().map(item).collect::<Vec<_>>().join(",")
}

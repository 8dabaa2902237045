//! Runs the terminal's firmware in QEMU for a script: keys on standard input, screen on standard output.
//!
//! `kill -9` of this program, or `--cut-power`, is a power cut; the next start on the same flash file is the same device.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, Result};
use clap::Parser;
use rig::{Image, Instructions, Machine};

/// Run the terminal's firmware in QEMU: keys on standard input, screen on standard output.
#[derive(Parser)]
#[command(after_help = "EXAMPLE:\n  \
    virtual-card --pn532 127.0.0.1:5320 … &\n  \
    qemu-terminal --image \"$(firmware/boards/build)\" --flash t1.flash \\\n    \
    --card-reader 127.0.0.1:5320 --host-link t1.tty\n  \
    ansinh terminal provision --port t1.tty …")]
struct Arguments {
    /// Firmware image (ELF), as firmware/boards/build prints it
    #[arg(long)]
    image: PathBuf,
    /// Flash file: made if missing, kept over restarts and kills
    #[arg(long)]
    flash: PathBuf,
    /// Address of the simulated PN532 (host:port)
    #[arg(long)]
    card_reader: String,
    /// Symbolic link to make for the host link's pty
    #[arg(long)]
    host_link: PathBuf,
    /// Cut the power when the function with this name is about to begin for the N-th time; exit code 137 then
    #[arg(long, value_name = "FUNCTION=N", value_parser = moment)]
    cut_power: Option<(String, u64)>,
}

fn moment(text: &str) -> Result<(String, u64)> {
    let (function, time) = text.rsplit_once('=').context("expected FUNCTION=N")?;
    Ok((function.into(), time.parse()?))
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(status) => ExitCode::from(exit_code(status)),
        Err(error) => {
            eprintln!("qemu-terminal: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitStatus> {
    let image = arguments.image;
    let mut machine =
        Machine::new(&image, arguments.flash, arguments.card_reader).host_link_at(&arguments.host_link);
    // Lives until QEMU ends, since QEMU loads the plugin from its folder.
    let mut instructions = None;
    if let Some((function, time)) = arguments.cut_power {
        let plugin = instructions.insert(Instructions::new()?);
        plugin.cut_power_at(&Image::open(&image)?, &function, time)?;
        machine = machine.arguments(plugin.arguments());
    }
    let terminal = machine.start()?;
    eprintln!("qemu-terminal: host link {}", arguments.host_link.display());
    terminal.attach(io::stdin(), io::stdout())
}

/// A shell's convention for a process that a signal ended.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

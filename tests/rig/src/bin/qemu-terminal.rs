//! Runs the terminal's firmware in QEMU for a script: keys on standard input, screen on standard output.
//!
//! `kill -9` of this program is a power cut; the next start on the same flash file is the same device.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use rig::Machine;

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
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("qemu-terminal: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let machine = Machine::new(arguments.image, arguments.flash, arguments.card_reader)
        .host_link_at(&arguments.host_link);
    let terminal = machine.start()?;
    eprintln!("qemu-terminal: host link {}", arguments.host_link.display());
    terminal.attach(io::stdin(), io::stdout())
}

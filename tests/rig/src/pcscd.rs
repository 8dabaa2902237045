//! The private pcscd: its virtual readers, its configuration, its start by socket activation.

use std::fs::{self, File};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Readers that one pcscd serves at most (`PCSCLITE_MAX_READERS_CONTEXTS`).
pub const MAX_READERS: usize = 16;
/// The socket of the private pcscd, and of any: clients inside find it by default.
pub const SOCKET: &str = "/run/pcscd/pcscd.comm";

const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const CONFIGURATION: &str = "/run/pcscd/readers";
const LOG: &str = "/run/pcscd/log";
const PID: &str = "/run/pcscd/pcscd.pid";
const FIRST_PORT: u16 = 21000;
/// Slots of one copy of the driver (`VICC_MAX_SLOTS`), on consecutive ports.
const SLOTS: usize = 2;

/// A reader without hardware. A process that connects to its port is the card in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualReader {
    /// Its PC/SC name. Find readers by name: pcscd lists them in no order.
    pub name: String,
    /// Its TCP port at 127.0.0.1, inside the namespace.
    pub port: u16,
}

impl VirtualReader {
    fn nth(index: usize) -> Self {
        let (copy, slot) = (index / SLOTS, index % SLOTS);
        // pcscd appends the number among readers of the same name, and the slot.
        Self {
            name: format!("{} 00 {slot:02X}", friendly_name(copy)),
            port: port(index),
        }
    }
}

/// A running pcscd with its readers, inside the namespace of this process.
#[derive(Debug)]
pub struct PcscRig {
    readers: Vec<VirtualReader>,
    pcscd: Child,
}

impl PcscRig {
    /// Starts pcscd with `count` readers. Only for process 1 of a new namespace, since it puts an empty `/run` in place.
    ///
    /// Clients may connect at once: they wait by themselves until pcscd is ready. The driver comes in pairs of slots,
    /// so an odd count leaves one reader unused.
    ///
    /// # Errors
    /// Says which tool is missing and the Debian package that has it.
    pub fn start(count: usize) -> Result<Self> {
        ensure!(
            (1..=MAX_READERS).contains(&count),
            "{count} readers asked for: one pcscd has 1 to {MAX_READERS}"
        );
        ensure!(
            std::process::id() == 1,
            "the rig starts only as process 1 of its own namespace"
        );
        run(
            "mount",
            &["-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"],
            "mount",
        )?;
        run("ip", &["link", "set", "lo", "up"], "iproute2")?;
        configure(0..count.div_ceil(SLOTS))?;
        Ok(Self {
            readers: (0..count).map(VirtualReader::nth).collect(),
            pcscd: activate()?,
        })
    }

    /// Ends the pcscd of this namespace as nothing else can and starts another one, with these pairs of readers: pairs that
    /// both have stay as they are, others were unplugged or plugged in meanwhile.
    ///
    /// # Errors
    /// When no pcscd runs, or the new one does not start.
    pub fn plug(pairs: Range<usize>) -> Result<Self> {
        let pid = fs::read_to_string(PID).context("no pcscd runs here")?;
        let pid = pid.trim_end_matches(['\n', '\0']);
        run("kill", &["-9", pid], "procps")?;
        fs::remove_file(PID)?;
        fs::remove_file(SOCKET)?;
        fs::remove_dir_all(CONFIGURATION)?;
        configure(pairs.clone())?;
        let readers = pairs.start * SLOTS..pairs.end * SLOTS;
        Ok(Self {
            readers: readers.map(VirtualReader::nth).collect(),
            pcscd: activate()?,
        })
    }

    /// The readers, in the order of their ports.
    #[must_use]
    pub fn readers(&self) -> &[VirtualReader] {
        &self.readers
    }

    /// The process of pcscd, for whoever counts its work.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.pcscd.id()
    }

    /// What pcscd wrote, if it has died: a rig whose pcscd died proves nothing.
    pub fn post_mortem(&mut self) -> Option<String> {
        let status = self.pcscd.try_wait().ok().flatten()?;
        Some(format!(
            "pcscd ended ({status}):\n{}",
            fs::read_to_string(LOG).unwrap_or_default()
        ))
    }
}

impl Drop for PcscRig {
    fn drop(&mut self) {
        // Failing to kill means that it is dead already.
        let _ = self.pcscd.kill();
        let _ = self.pcscd.wait();
    }
}

fn friendly_name(copy: usize) -> String {
    format!("ansinh virtual reader {copy}")
}

fn port(index: usize) -> u16 {
    FIRST_PORT + u16::try_from(index).unwrap_or(0)
}

/// One copy of the driver for each pair of readers: its state is a static array, which readers of one file would share.
fn configure(copies: Range<usize>) -> Result<()> {
    ensure!(
        Path::new(DRIVER).exists(),
        "{DRIVER} is missing: install Debian's vsmartcard-vpcd"
    );
    fs::create_dir_all(CONFIGURATION)?;
    for copy in copies {
        let library = format!("/run/pcscd/libifdvpcd-{copy}.so");
        fs::copy(DRIVER, &library).context("copying the virtual readers' driver")?;
        let (name, port) = (friendly_name(copy), port(copy * SLOTS));
        let reader = format!(
            "FRIENDLYNAME \"{name}\"\nDEVICENAME /dev/null:{port:#x}\nLIBPATH {library}\nCHANNELID {port:#x}\n"
        );
        fs::write(format!("{CONFIGURATION}/{copy}"), reader)?;
    }
    Ok(())
}

/// Starts pcscd on a socket that is bound already, as systemd does: descriptor 3, LISTEN_FDS and LISTEN_PID.
fn activate() -> Result<Child> {
    ensure!(
        Path::new("/usr/sbin/pcscd").exists(),
        "pcscd is missing: install Debian's pcscd"
    );
    let socket = UnixListener::bind(SOCKET).with_context(|| format!("binding {SOCKET}"))?;
    fs::set_permissions(SOCKET, fs::Permissions::from_mode(0o666))?;
    let log = File::create(LOG)?;
    let activation = format!(
        "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec /usr/sbin/pcscd --foreground --config {CONFIGURATION}"
    );
    Command::new("/bin/sh")
        .args(["-c", &activation])
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting pcscd")
}

fn run(program: &str, arguments: &[&str], package: &str) -> Result<()> {
    let status = Command::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("{program} is missing: install Debian's {package}"))?;
    if !status.success() {
        bail!("{program} {} failed: {status}", arguments.join(" "));
    }
    Ok(())
}

//! The terminal's firmware image in QEMU (`mps2-an386`): host link on a pty, clerk's console, card reader on TCP, flash in
//! a file that outlives a kill.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::image::Image;

/// Bytes of the flash file: the machine's PSRAM.
const FLASH_SIZE: u64 = 16 << 20;
/// The last erase block is the seed page: magic and 64 random bytes (see `seed.rs` of the board).
const SEED_PAGE: u64 = FLASH_SIZE - 4096;
const SEED_MAGIC: &[u8; 8] = b"ANSINHSD";
const NO_CONSOLE: &str = "QEMU's console is not connected";
/// What QEMU says of its pty, before the guest starts: `char device redirected to /dev/pts/3 (label host)`.
const PTY_ANNOUNCED: &str = "char device redirected to ";

/// Builds an image of the board `qemu-mps2` if need be, and returns its path (ELF): `qemu-mps2` is the terminal,
/// `self-test` tries the board out, `wycheproof` the cryptography, `card` is the reference applet in a virtual reader.
///
/// # Errors
/// With the compiler's messages.
pub fn firmware_image(name: &str) -> Result<PathBuf> {
    build_image(&["qemu-mps2", name])
}

/// As [`firmware_image`], with P-256 by assembly instead of the portable code.
///
/// # Errors
/// With the compiler's messages, or the name of the package that is missing.
pub fn firmware_image_with_assembly(name: &str) -> Result<PathBuf> {
    build_image(&["--assembly", "qemu-mps2", name])
}

fn build_image(arguments: &[&str]) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware/boards/build");
    let built = Command::new(&script)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{}", script.display()))?;
    ensure!(
        built.status.success(),
        "firmware/boards/build failed: {}",
        built.status
    );
    Ok(PathBuf::from(String::from_utf8(built.stdout)?.trim()))
}

#[derive(Debug, Clone, Copy)]
enum Seed {
    Fresh,
    Given([u8; 64]),
    AsItIs,
}

/// The socket of QEMU's monitor, in the terminal's own folder.
const MONITOR: &str = "monitor";
/// What cortex-m-rt (feature `paint-stack`) fills the unused stack with.
const PAINT: u8 = 0xCC;

/// What to start. `start` can be called again after a kill: the same flash file is the same device.
#[derive(Debug, Clone)]
pub struct Machine {
    image: PathBuf,
    flash: PathBuf,
    card_reader: String,
    host_link: Option<PathBuf>,
    seed: Seed,
    arguments: Vec<String>,
}

impl Machine {
    /// A terminal running `image` (ELF) on the flash file `flash` (made, erased, if there is none), with the simulated
    /// PN532 at `card_reader` (host:port).
    pub fn new(image: impl Into<PathBuf>, flash: impl Into<PathBuf>, card_reader: impl Into<String>) -> Self {
        Self {
            image: image.into(),
            flash: flash.into(),
            card_reader: card_reader.into(),
            host_link: None,
            seed: Seed::Fresh,
            arguments: Vec::new(),
        }
    }

    /// Makes `path` a symbolic link to the host link's pty at each start: a name that stays the same over restarts.
    #[must_use]
    pub fn host_link_at(mut self, path: impl Into<PathBuf>) -> Self {
        self.host_link = Some(path.into());
        self
    }

    /// Writes `seed` into the seed page instead of fresh random bytes: the run repeats an earlier one.
    #[must_use]
    pub fn seed(mut self, seed: [u8; 64]) -> Self {
        self.seed = Seed::Given(seed);
        self
    }

    /// Leaves the seed page as it is.
    #[must_use]
    pub fn without_seed(mut self) -> Self {
        self.seed = Seed::AsItIs;
        self
    }

    /// Lets the machine's time count instructions (1 ns each), so that runs with the same inputs are the same.
    #[must_use]
    pub fn instruction_time(self) -> Self {
        self.arguments(["-icount", "shift=0"])
    }

    /// Adds arguments to QEMU's command line, such as `-plugin`.
    #[must_use]
    pub fn arguments<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Starts QEMU and waits until its pty is there. It dies with the thread that started it.
    ///
    /// # Errors
    /// Names the missing tool with its package, or says what QEMU said.
    pub fn start(&self) -> Result<QemuTerminal> {
        ensure!(
            self.image.exists(),
            "{} is missing: run firmware/boards/build",
            self.image.display()
        );
        self.prepare_flash()
            .with_context(|| format!("flash file {}", self.flash.display()))?;
        let folder = tempfile::tempdir()?;
        let mut qemu = self
            .command(&folder.path().join(MONITOR))
            .spawn()
            .context("setpriv is missing: install Debian's util-linux")?;
        let mut screen = BufReader::new(qemu.stdout.take().context(NO_CONSOLE)?);
        let mut announced = String::new();
        screen.read_line(&mut announced)?;
        let pty = announced
            .strip_prefix(PTY_ANNOUNCED)
            .and_then(|rest| rest.split_whitespace().next())
            .map(PathBuf::from);
        let Some(host_link) = pty else {
            let status = qemu.wait()?;
            bail!(
                "QEMU did not start ({status}): {announced}\nqemu-system-arm missing? install Debian's qemu-system-arm"
            );
        };
        if let Some(link) = &self.host_link {
            relink(&host_link, link).with_context(|| format!("link {}", link.display()))?;
        }
        Ok(QemuTerminal {
            qemu,
            screen: follow(screen),
            unread: Vec::new(),
            host_link,
            folder,
        })
    }

    fn prepare_flash(&self) -> Result<()> {
        if !self.flash.exists() {
            fs::write(&self.flash, vec![0xFF; FLASH_SIZE as usize])?;
        }
        let mut flash = OpenOptions::new().write(true).open(&self.flash)?;
        ensure!(
            flash.metadata()?.len() == FLASH_SIZE,
            "it has not {FLASH_SIZE} bytes: it is no flash of this machine"
        );
        let seed = match self.seed {
            Seed::AsItIs => return Ok(()),
            Seed::Given(seed) => seed,
            Seed::Fresh => {
                let mut seed = [0; 64];
                getrandom::fill(&mut seed)?;
                seed
            }
        };
        flash.seek(SeekFrom::Start(SEED_PAGE))?;
        flash.write_all(&[SEED_MAGIC.as_slice(), &seed].concat())?;
        Ok(())
    }

    fn command(&self, monitor: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "qemu-system-arm"])
            .args("-M mps2-an386,memory-backend=flash -monitor none -display none".split(' '))
            .args("-chardev pty,id=host -serial chardev:host".split(' '))
            // The simulated reader may start later, and outlives the terminal.
            .arg("-chardev")
            .arg(format!(
                "socket,id=reader,{},reconnect=1,nodelay=on",
                host_and_port(&self.card_reader)
            ))
            .args(["-serial", "chardev:reader"])
            .args("-chardev stdio,id=console,signal=off -serial chardev:console".split(' '))
            .arg("-object")
            .arg(format!(
                "memory-backend-file,id=flash,mem-path={},size={FLASH_SIZE},share=on",
                self.flash.display()
            ))
            .arg("-qmp")
            .arg(format!("unix:{},server=on,wait=off", monitor.display()))
            .arg("-kernel")
            .arg(&self.image)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }
}

fn host_and_port(address: &str) -> String {
    let (host, port) = address.rsplit_once(':').unwrap_or(("127.0.0.1", address));
    format!("host={host},port={port}")
}

/// Puts a new link in the place of an old one in one step, so that nobody finds none.
fn relink(target: &Path, link: &Path) -> Result<()> {
    let fresh = link.with_extension("new");
    if fresh.is_symlink() {
        fs::remove_file(&fresh)?;
    }
    symlink(target, &fresh)?;
    Ok(fs::rename(&fresh, link)?)
}

fn follow(mut screen: BufReader<ChildStdout>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // Ends when QEMU does, or when nobody looks any more.
        while let Ok(count @ 1..) = screen.read(&mut buffer) {
            let text = buffer.get(..count).unwrap_or_default().to_vec();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A running terminal. Dropping it is a power cut.
#[derive(Debug)]
pub struct QemuTerminal {
    qemu: Child,
    screen: Receiver<Vec<u8>>,
    unread: Vec<u8>,
    host_link: PathBuf,
    folder: TempDir,
}

impl QemuTerminal {
    /// The pty of the host link, for `ansinh terminal --port`.
    #[must_use]
    pub fn host_link(&self) -> &Path {
        &self.host_link
    }

    /// Presses keys on the clerk's console.
    ///
    /// # Errors
    /// When QEMU has ended.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        let keyboard = self.qemu.stdin.as_mut().context(NO_CONSOLE)?;
        keyboard.write_all(keys.as_bytes())?;
        Ok(keyboard.flush()?)
    }

    /// Connects keyboard and screen to `keys` and `screen` until QEMU ends.
    ///
    /// # Errors
    /// When the screen cannot be written.
    pub fn attach(
        mut self,
        mut keys: impl Read + Send + 'static,
        mut screen: impl Write,
    ) -> Result<ExitStatus> {
        let mut keyboard = self.qemu.stdin.take().context(NO_CONSOLE)?;
        thread::spawn(move || io::copy(&mut keys, &mut keyboard));
        while let Ok(shown) = self.screen.recv() {
            screen.write_all(&shown)?;
            screen.flush()?;
        }
        Ok(self.qemu.wait()?)
    }

    /// Waits until the screen shows `text`; returns everything shown since the last call, up to and with it.
    ///
    /// # Errors
    /// After `limit`, or when QEMU has ended; the message has what the screen showed instead.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            let found = self
                .unread
                .windows(text.len())
                .position(|shown| shown == text.as_bytes());
            if let Some(start) = found {
                let shown: Vec<u8> = self.unread.drain(..start + text.len()).collect();
                return Ok(String::from_utf8_lossy(&shown).into_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let failure = match self.screen.recv_timeout(left) {
                Ok(bytes) => {
                    self.unread.extend(bytes);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => format!("not within {limit:?}"),
                Err(RecvTimeoutError::Disconnected) => "QEMU ended".into(),
            };
            bail!(
                "waiting for {text:?}: {failure}. The screen shows:\n{}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    /// How many bytes of stack the firmware, running `image`, has used at most since its start.
    ///
    /// # Errors
    /// Those of QEMU's monitor; when the stack has run over its end.
    pub fn stack_used(&self, image: &Image) -> Result<u32> {
        let stack = image.stack();
        let dump = self.folder.path().join("stack");
        self.save_memory(&stack, &dump)?;
        let untouched = fs::read(&dump)?.iter().take_while(|byte| **byte == PAINT).count();
        let used = stack.end - stack.start - u32::try_from(untouched)?;
        ensure!(untouched > 0, "the stack of {used} bytes is not enough");
        Ok(used)
    }

    /// QMP's `pmemsave`: one JSON object a line; the greeting comes first.
    fn save_memory(&self, range: &Range<u32>, file: &Path) -> Result<()> {
        let mut monitor = UnixStream::connect(self.folder.path().join(MONITOR))?;
        let mut answers = BufReader::new(monitor.try_clone()?).lines();
        answers.next().context("QEMU's monitor is mute")??;
        for order in [
            r#"{"execute":"qmp_capabilities"}"#.to_owned(),
            format!(
                r#"{{"execute":"pmemsave","arguments":{{"val":{},"size":{},"filename":"{}"}}}}"#,
                range.start,
                range.end - range.start,
                file.display()
            ),
        ] {
            writeln!(monitor, "{order}")?;
            let answer = answers.next().context("QEMU's monitor is mute")??;
            ensure!(answer.contains("\"return\""), "QEMU's monitor: {answer}");
        }
        Ok(())
    }

    /// Cuts the power: `kill -9`.
    ///
    /// # Errors
    /// Those of waiting for the process.
    pub fn kill(mut self) -> Result<()> {
        self.qemu.kill()?;
        self.qemu.wait()?;
        Ok(())
    }

    /// Waits until QEMU ends by itself, as it does under a plugin that cuts the power.
    ///
    /// # Errors
    /// Those of waiting for the process.
    pub fn wait(mut self) -> Result<ExitStatus> {
        Ok(self.qemu.wait()?)
    }
}

impl Drop for QemuTerminal {
    fn drop(&mut self) {
        // Failing to kill means that it is dead already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

//! A command of the station's that handles the PIN of one card.
//!
//! It runs in a process group of its own, and the whole group is ended with it: a shell that is killed alone leaves behind what it
//! started, and that may hold a PIN. Only a program that makes a process group of its own escapes, as a printing service does.
//! The group is not that of the terminal, so Ctrl-C does not reach it.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use card_spec::values::CardNumber;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// A running shell and what it started; killed when dropped.
pub(super) struct PinProcess(Option<Child>);

impl PinProcess {
    /// Runs a command by `/bin/sh`, with the card's number in `ANSINH_CARD_NUMBER` and the reader's name in `ANSINH_READER`, and
    /// without the station's passphrase.
    pub(super) fn start(
        command: &str,
        number: &CardNumber,
        reader: &str,
        input: Stdio,
        output: Stdio,
    ) -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", command])
            .env("ANSINH_CARD_NUMBER", number.to_string())
            .env("ANSINH_READER", reader)
            .env_remove("ANSINH_PASSPHRASE")
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()?;
        Ok(Self(Some(shell)))
    }

    /// Its standard output, if that is a pipe; once.
    pub(super) fn output(&mut self) -> Option<ChildStdout> {
        self.0.as_mut()?.stdout.take()
    }

    /// Waits for the shell's end and ends the rest of its group.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when it has not ended by then; it is ended now.
    pub(super) fn end(mut self, deadline: Instant) -> io::Result<ExitStatus> {
        let mut shell = self.0.take().ok_or(io::ErrorKind::NotFound)?;
        let ended = wait_unreaped(&shell, deadline);
        let status = kill(&mut shell);
        ended.and(status)
    }
}

impl Drop for PinProcess {
    fn drop(&mut self) {
        if let Some(shell) = &mut self.0 {
            // Nobody asks any more how it ended.
            let _ = kill(shell);
        }
    }
}

/// Waits for a process to end and leaves it unreaped, so that the number of its group remains its own until [`kill`].
fn wait_unreaped(shell: &Child, deadline: Instant) -> io::Result<()> {
    let pid = Pid::from_child(shell);
    let (sender, receiver) = mpsc::channel();
    // A thread, because waiting has no time limit; it ends with the process.
    thread::spawn(move || {
        let ended = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        sender.send(ended.map(drop))
    });
    let time_left = deadline.saturating_duration_since(Instant::now());
    receiver.recv_timeout(time_left).map_err(|error| match error {
        RecvTimeoutError::Timeout => too_slow(),
        RecvTimeoutError::Disconnected => io::Error::other("its end cannot be waited for"),
    })??;
    Ok(())
}

/// Kills an unreaped process with its group.
fn kill(shell: &mut Child) -> io::Result<ExitStatus> {
    // Fails if the group has ended already.
    let _ = kill_process_group(Pid::from_child(shell), Signal::KILL);
    shell.wait()
}

/// What a command that overran its time is told for.
pub(super) fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it took too long and was ended")
}

//! Several terminals at once: a thread for each port, and what each has to tell in one piece.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{Line, Options, open};
use crate::commands::exit_code;

/// Between two looks at the ports.
const LOOK: Duration = Duration::from_millis(500);

/// Where terminals are.
#[derive(Args)]
pub(super) struct Ports {
    /// Serial port of a terminal, as in /dev/ttyUSB0; give it several times for several terminals at once
    #[arg(
        long = "port",
        value_name = "PORT",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    ports: Vec<String>,
    /// All terminals that are connected
    #[arg(long)]
    all: bool,
    /// Go on with each terminal that is plugged in, until Ctrl-C; what a terminal has confirmed is kept
    #[arg(long, conflicts_with = "ports")]
    watch: bool,
    /// Folder in which the system lists serial ports, each as a file
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/dev/serial/by-id",
        conflicts_with = "ports"
    )]
    ports_in: PathBuf,
}

/// What a visit to a terminal has to tell.
pub(super) struct Told {
    /// For people, lines.
    pub(super) text: String,
    /// For programs.
    pub(super) json: Value,
    /// What went wrong all the same.
    pub(super) fault: Option<anyhow::Error>,
}

/// How a visit shows where it is.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// So many of so many.
    pub(super) fn is_at(&self, what: &'static str, done: u64, all: u64) {
        self.0.set_message(what);
        self.0.set_length(all);
        self.0.set_position(done);
    }

    /// While a list is sent.
    pub(super) fn of_list(&self, what: &'static str) -> impl FnMut(usize, usize) {
        move |done, all| self.is_at(what, done as u64, all as u64)
    }
}

impl Ports {
    /// Visits the terminal at each port. That one fails stops no other.
    pub(super) fn visit(
        &self,
        options: &Options,
        visit: impl Fn((Line, link::Hello), &Progress) -> Result<Told> + Sync,
    ) -> Result<()> {
        let visits = Visits {
            json: options.json,
            bars: MultiProgress::new(),
            failed: AtomicUsize::new(0),
            visit,
        };
        if let [port] = self.ports.as_slice() {
            return visits.alone(port);
        }
        if self.watch {
            return self.watch(&visits);
        }
        let ports = if self.all {
            self.connected()?
        } else {
            self.ports.iter().cloned().collect()
        };
        if ports.is_empty() {
            bail!(
                "{}: không có cổng nối tiếp nào / no serial port is listed there. Connect a terminal, or name its port: --port /dev/ttyUSB0",
                self.ports_in.display()
            );
        }
        thread::scope(|scope| {
            for port in &ports {
                scope.spawn(|| visits.among_others(port));
            }
        });
        match visits.failed.into_inner() {
            0 => Ok(()),
            failed => bail!(
                "{failed} trong {0} thiết bị chưa xong / {failed} of {0} terminals are not done: see above. The others are; run the command again for these",
                ports.len()
            ),
        }
    }

    /// The ports that are there now. A folder that is missing is one without ports: the system makes it with the first one.
    fn connected(&self) -> Result<BTreeSet<String>> {
        let folder = match std::fs::read_dir(&self.ports_in) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error).with_context(|| format!("{}", self.ports_in.display())),
        };
        let path = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.path().to_string_lossy().into_owned());
        folder.map(path).collect()
    }

    /// A terminal is visited once for each time that its port appears.
    fn watch<V: Visit>(&self, visits: &Visits<V>) -> Result<()> {
        visits.note("Chờ thiết bị, Ctrl-C để dừng / Waiting for terminals, Ctrl-C to stop");
        let mut seen = BTreeSet::new();
        thread::scope(|scope| {
            loop {
                let present = self.connected()?;
                let new: Vec<_> = present.difference(&seen).cloned().collect();
                for port in new {
                    scope.spawn(move || visits.among_others(&port));
                }
                seen = present;
                thread::sleep(LOOK);
            }
        })
    }
}

trait Visit: Fn((Line, link::Hello), &Progress) -> Result<Told> + Sync {}

impl<V: Fn((Line, link::Hello), &Progress) -> Result<Told> + Sync> Visit for V {}

/// The visits of one command.
struct Visits<V> {
    json: bool,
    bars: MultiProgress,
    failed: AtomicUsize,
    visit: V,
}

impl<V: Visit> Visits<V> {
    /// The only one: its error is the command's.
    fn alone(&self, port: &str) -> Result<()> {
        let told = self.at(port)?;
        self.print(port, false, &told)?;
        told.fault.map_or(Ok(()), Err)
    }

    fn among_others(&self, port: &str) {
        let fault = match self.at(port) {
            Ok(mut told) => match self.print(port, true, &told) {
                Ok(()) => told.fault.take(),
                Err(error) => Some(error),
            },
            Err(error) => Some(error),
        };
        let Some(fault) = fault else { return };
        self.failed.fetch_add(1, Ordering::SeqCst);
        let line = format!("{port}: {fault:#}");
        if self.json {
            let code = exit_code(&fault);
            // Nobody is left to tell if this fails.
            let _ = self.write(&json!({ "port": port, "error": line, "code": code }).to_string());
        } else {
            self.note(&line);
        }
    }

    fn at(&self, port: &str) -> Result<Told> {
        let bar = if self.json {
            ProgressBar::hidden()
        } else {
            self.bars.add(ProgressBar::new_spinner())
        };
        let style = ProgressStyle::with_template("{prefix} {msg} {wide_bar} {pos}/{len}");
        let bar = bar
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_prefix(port.to_owned());
        let told = open(port).and_then(|line| (self.visit)(line, &Progress(bar.clone())));
        bar.finish_and_clear();
        told
    }

    fn print(&self, port: &str, among_others: bool, told: &Told) -> Result<()> {
        if !self.json {
            return self.write(told.text.trim_end());
        }
        let mut json = told.json.clone();
        if among_others && let Some(object) = json.as_object_mut() {
            object.insert("port".to_owned(), port.into());
        }
        self.write(&json.to_string())
    }

    fn write(&self, text: &str) -> Result<()> {
        self.bars
            .suspend(|| writeln!(io::stdout().lock(), "{text}"))
            .context("standard output")
    }

    fn note(&self, text: &str) {
        self.bars.suspend(|| eprintln!("{text}"));
    }
}

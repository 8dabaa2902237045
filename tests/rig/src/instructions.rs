//! Counts the guest's instructions, and cuts its power at an exact place: QEMU's plugin in `plugin/instructions.c`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::image::Image;

/// Groups of functions, the first of which is everything. The plugin has two counters for each.
const GROUPS: usize = 16;
const COUNTERS: usize = 2 * GROUPS;

/// The plugin with its settings. Give [`arguments`](Instructions::arguments) to a machine; keep it while the machine runs.
#[derive(Debug)]
pub struct Instructions {
    folder: TempDir,
    groups: usize,
    settings: Vec<String>,
}

/// Instructions executed, and calls of groups of functions, since the machine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts([u64; COUNTERS]);

impl Instructions {
    /// Compiles the plugin.
    ///
    /// # Errors
    /// With the compiler's messages, or the package to install.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin/instructions.c");
        let compiled = Command::new("gcc")
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(folder.path().join("instructions.so"))
            .arg(source)
            .output()
            .context("gcc is missing: install Debian's gcc")?;
        ensure!(
            compiled.status.success(),
            "compiling the plugin: {}",
            String::from_utf8_lossy(&compiled.stderr)
        );
        Ok(Self {
            folder,
            groups: 0,
            settings: Vec::new(),
        })
    }

    /// Counts apart what happens inside the functions of `image` whose name contains `part`, until they return. Returns the
    /// group for [`Counts::inside`]. Of functions that call each other the outermost counts.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn count_inside(&mut self, image: &Image, part: &str) -> Result<usize> {
        self.groups += 1;
        ensure!(self.groups < GROUPS, "the plugin has no more counters");
        for address in image.functions(part)? {
            self.settings
                .push(format!("function={}:{address:x}", self.groups));
        }
        Ok(self.groups)
    }

    /// Kills QEMU when the function called `name` in `image` is about to begin for the `time`-th time (from 1).
    ///
    /// # Errors
    /// When there is not exactly one such function.
    pub fn cut_power_at(&mut self, image: &Image, name: &str, time: u64) -> Result<()> {
        let places = image.functions(name)?;
        let [address] = places[..] else {
            anyhow::bail!("{} functions are called like {name:?}", places.len());
        };
        self.settings.push(format!("cut={address:x}:{time}"));
        Ok(())
    }

    /// Kills QEMU when the `number`-th instruction since its start (from 1) is about to be carried out.
    pub fn cut_power_at_instruction(&mut self, number: u64) {
        self.settings.push(format!("cut={number}"));
    }

    /// Arguments for [`Machine::arguments`](crate::Machine::arguments).
    #[must_use]
    pub fn arguments(&self) -> [String; 2] {
        let settings = self.settings.iter().map(|setting| format!(",{setting}"));
        let plugin = self.folder.path().join("instructions.so");
        let counters = self.counters();
        let plugin = format!("{},counters={}", plugin.display(), counters.display());
        ["-plugin".into(), plugin + &settings.collect::<String>()]
    }

    /// The counts up to now; also while the machine runs.
    ///
    /// # Errors
    /// When the machine was never started.
    pub fn read(&self) -> Result<Counts> {
        let bytes =
            fs::read(self.counters()).context("no counts: was the machine started with the plugin?")?;
        let (words, _) = bytes.as_chunks::<8>();
        let mut counts = [0; COUNTERS];
        ensure!(words.len() == COUNTERS, "the counters are not complete");
        for (count, word) in counts.iter_mut().zip(words) {
            *count = u64::from_ne_bytes(*word);
        }
        Ok(Counts(counts))
    }

    fn counters(&self) -> PathBuf {
        self.folder.path().join("counters")
    }
}

impl Counts {
    /// All instructions.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.inside(0)
    }

    /// Instructions inside the functions of a group.
    #[must_use]
    pub fn inside(&self, group: usize) -> u64 {
        self.0.get(group).copied().unwrap_or_default()
    }

    /// How often a function of a group was entered from outside of all groups.
    #[must_use]
    pub fn calls(&self, group: usize) -> u64 {
        self.inside(GROUPS + group)
    }

    /// What was executed after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.0;
        for (now, then) in counts.iter_mut().zip(earlier.0) {
            *now = now.saturating_sub(then);
        }
        Self(counts)
    }
}

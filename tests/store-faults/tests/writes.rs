//! SQLite: a fault at each write of a day in the ledger.
//!
//! The job, or a crowd that shares commits, runs in a process of its own whose writes a preloaded library counts and disturbs (`shim/faults.c`): the ledger's code
//! has no hook for it. After each fault the ledger must open, be sound, and come to the same end as without.
//!
//! CI tries every place of the first transactions and then every [`STRIDE`]th; `ALL_FAULTS=1` tries all.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ansinh_store::{Location, Store};
use store_faults::{Job, Tokens, places};
use tempfile::TempDir;

/// A prime, so that over the kinds of faults and changes of the code it falls on all kinds of writes.
const STRIDE: u64 = 13;
/// Places at the start that CI tries one by one: opening, and the first commits.
const START: u64 = 20;
const SIGKILL: i32 = 9;
/// What `store-crowd` does where nothing fails: eight writers, four acts each.
const ACTS_OF_A_CROWD: usize = 32;

/// A ledger in which nothing was done yet, and the library; made once.
struct Template {
    folder: TempDir,
    tokens: Tokens,
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Job::prepare(&Location::File(folder.path().join("store.sqlite")));
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(folder.path().join("faults.so"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/shim/faults.c"))
            .status()
            .expect("cc is missing: apt-get install gcc libc6-dev");
        assert!(compiled.success(), "the library of faults does not compile");
        Template { folder, tokens }
    })
}

/// A copy of the ledger, and what happened to it.
struct Attempt {
    ledger: TempDir,
    log: TempDir,
}

/// Programs that write.
const JOB: &str = env!("CARGO_BIN_EXE_store-job");
const CROWD: &str = env!("CARGO_BIN_EXE_store-crowd");

/// How a process with a fault ended.
struct Outcome {
    status: ExitStatus,
    output: String,
    errors: String,
    struck: bool,
    writes: Option<u64>,
}

impl Attempt {
    fn new() -> Self {
        let ledger = tempfile::tempdir().unwrap();
        fs::copy(
            template().folder.path().join("store.sqlite"),
            ledger.path().join("store.sqlite"),
        )
        .unwrap();
        Self {
            ledger,
            log: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self) -> PathBuf {
        self.ledger.path().join("store.sqlite")
    }

    fn run(&self, program: &str, kind: &str, at: u64) -> Outcome {
        let log = self.log.path().join("log");
        let mut process = Command::new(program)
            .arg(self.file())
            .env("LD_PRELOAD", template().folder.path().join("faults.so"))
            .env("FAULT_FOLDER", self.ledger.path())
            .env("FAULT_LOG", &log)
            .env("FAULT_KIND", kind)
            .env("FAULT_AT", at.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let tokens = template().tokens.0.join("\n");
        process
            .stdin
            .take()
            .unwrap()
            .write_all(tokens.as_bytes())
            .unwrap();
        let output = process.wait_with_output().unwrap();
        let log = fs::read_to_string(log).unwrap_or_default();
        Outcome {
            status: output.status,
            output: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
            struck: log.contains("struck"),
            writes: log.lines().last().and_then(|line| line.parse().ok()),
        }
    }

    /// The ledger is sound at once, and after another process went on it is as if nothing had happened.
    fn judge(&self) {
        let store = Store::open(&self.file()).unwrap();
        Job::judge_unfinished(&store);
        Job::of(&store, &template().tokens)
            .unwrap()
            .go_on(&store)
            .unwrap();
        Job::judge(&store);
        drop(store);
        assert_sound(&self.file());
    }
}

/// What SQLite's own command line says of the file.
fn assert_sound(file: &Path) {
    let output = Command::new("sqlite3")
        .arg(file)
        .arg("PRAGMA integrity_check; PRAGMA foreign_key_check;")
        .output()
        .expect("sqlite3 is missing: apt-get install sqlite3");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok");
}

/// A fault at each write of a station's day.
fn at_each_write(kind: &str, check: impl Fn(&Outcome) + Sync) {
    at_each_write_of(JOB, kind, |attempt, outcome| {
        check(outcome);
        attempt.judge();
    });
}

/// A fault at each write of many who share commits: what each was told is true.
fn at_each_write_of_a_crowd(kind: &str) {
    let faultless = Attempt::new().run(CROWD, kind, 0);
    let done = faultless
        .output
        .lines()
        .filter(|line| line.ends_with(" done"))
        .count();
    assert_eq!(done, ACTS_OF_A_CROWD, "{}", faultless.output);
    at_each_write_of(CROWD, kind, |attempt, outcome| {
        let store = Store::open(&attempt.file()).unwrap();
        store.verify_operations().unwrap();
        let lines = store.operations().unwrap();
        for told in outcome.output.lines() {
            let (act, told) = told.split_once(' ').unwrap();
            let times = lines.iter().filter(|line| line.subject == act).count();
            let truth = match told {
                "done" => times == 1,
                "undone" => times == 0,
                _ => times <= 1,
            };
            assert!(truth, "{kind}: {act} was told {told}, and is there {times} times");
        }
        drop(store);
        assert_sound(&attempt.file());
    });
}

/// Tries a kind of fault at the places that this run is for, on both cores.
fn at_each_write_of(program: &str, kind: &str, judge: impl Fn(&Attempt, &Outcome) + Sync) {
    let faultless = Attempt::new().run(program, kind, 0);
    assert!(
        faultless.status.success() && !faultless.struck,
        "{}",
        faultless.errors
    );
    let writes = faultless.writes.expect("the library counts");
    let places = places(writes, START, STRIDE);
    let next = AtomicUsize::new(0);
    let try_places = || {
        while let Some(at) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            let attempt = Attempt::new();
            let outcome = attempt.run(program, kind, *at);
            // The number of writes differs a little from run to run, and much with who shares a commit.
            let expected = program == JOB && at + 5 <= writes;
            assert!(outcome.struck || !expected, "{kind} at {at} did not strike");
            judge(&attempt, &outcome);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(try_places);
        scope.spawn(try_places);
    });
    println!("{kind}: {} of {writes} writes", places.len());
}

fn assert_killed(outcome: &Outcome) {
    assert!(
        !outcome.struck || outcome.status.signal() == Some(SIGKILL),
        "{}: {}",
        outcome.status,
        outcome.errors
    );
}

/// What the store said of the fault tells what it means, and nothing of anybody.
fn assert_told(outcome: &Outcome) {
    for line in outcome.errors.lines() {
        assert!(
            ["nothing was changed", "was left as it was", "perhaps it was done"]
                .iter()
                .any(|meaning| line.contains(meaning)),
            "{line}"
        );
        assert!(!line.contains("Nguyễn") && !line.contains("07924"), "{line}");
    }
}

#[test]
fn killed_before_each_write() {
    at_each_write("kill", assert_killed);
}

#[test]
fn killed_in_the_middle_of_each_write() {
    at_each_write("torn", assert_killed);
}

#[test]
fn an_input_output_error_at_each_write_is_told_and_the_process_goes_on() {
    at_each_write("eio", |outcome| {
        assert_told(outcome);
        // Once: what failed is done when it is asked for again, by the same process.
        assert!(matches!(outcome.status.code(), Some(0 | 3)), "{}", outcome.errors);
    });
}

#[test]
fn a_disk_that_is_full_from_each_write_on_is_told() {
    at_each_write("full", |outcome| {
        assert_told(outcome);
        assert!(
            matches!(outcome.status.code(), Some(0 | 3 | 4)),
            "{}",
            outcome.errors
        );
    });
}

#[test]
fn whoever_shares_a_commit_is_told_the_truth_whatever_happens_to_it() {
    for kind in ["kill", "torn", "eio", "full"] {
        at_each_write_of_a_crowd(kind);
    }
}

//! PostgreSQL: the connection cut at each COMMIT of a day in the ledger, before it arrives or before its answer does.
//!
//! Nobody can tell the two apart. The store must say so ([`StoreError::PerhapsDone`]), and asking once more must come to the same end
//! as if nothing had happened. CI tries every [`STRIDE`]th COMMIT; `ALL_FAULTS=1` tries all.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use ansinh_store::{DatabaseUrl, Location, Store, StoreError};
use store_faults::{Job, Tokens, places};
use tempfile::TempDir;

const STRIDE: u64 = 5;
/// COMMITs at the start that CI tries one by one.
const START: u64 = 5;
const SOCKET: &str = ".s.PGSQL.5432";
/// The simple query `COMMIT` as it goes over the wire (PostgreSQL 55.7, Query).
const COMMIT: &[u8] = b"COMMIT\0";

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The server never hears of the COMMIT.
    BeforeItArrives,
    /// The server has committed.
    BeforeItsAnswer,
}

/// Stands between the store and the server, and cuts one connection.
struct Wire {
    folder: TempDir,
    cut: Arc<Cut>,
}

struct Cut {
    at: u64,
    moment: Moment,
    commits: AtomicU64,
}

impl Wire {
    fn new(at: u64, moment: Moment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let cut = Arc::new(Cut {
            at,
            moment,
            commits: AtomicU64::new(0),
        });
        let accepted = Arc::clone(&cut);
        thread::spawn(move || {
            for client in listener.incoming() {
                let cut = Arc::clone(&accepted);
                thread::spawn(move || cut.connect(&client.unwrap()));
            }
        });
        Self { folder, cut }
    }

    fn commits(&self) -> u64 {
        self.cut.commits.load(Ordering::SeqCst)
    }
}

impl Cut {
    fn connect(&self, client: &UnixStream) {
        let server = UnixStream::connect(rig::postgres().socket_folder().join(SOCKET)).unwrap();
        let deaf = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| self.questions(client, &server, &deaf));
            answers(&server, client, &deaf);
        });
    }

    fn questions(&self, mut client: &UnixStream, mut server: &UnixStream, deaf: &AtomicBool) {
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            let question = &buffer[..length];
            if self.strikes(question) {
                if self.moment == Moment::BeforeItArrives {
                    break;
                }
                deaf.store(true, Ordering::SeqCst);
            }
            if server.write_all(question).is_err() {
                break;
            }
        }
        hang_up(client, server);
    }

    fn strikes(&self, question: &[u8]) -> bool {
        question.windows(COMMIT.len()).any(|part| part == COMMIT)
            && self.commits.fetch_add(1, Ordering::SeqCst) + 1 == self.at
    }
}

fn answers(mut server: &UnixStream, mut client: &UnixStream, deaf: &AtomicBool) {
    let mut buffer = [0; 65_536];
    while let Ok(length @ 1..) = server.read(&mut buffer) {
        if deaf.load(Ordering::SeqCst) || client.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    hang_up(client, server);
}

/// Fails where the other side was quicker.
fn hang_up(client: &UnixStream, server: &UnixStream) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

/// A database in which nothing was done yet; made once, and copied by the server.
fn prepared() -> &'static (String, Tokens) {
    static PREPARED: OnceLock<(String, Tokens)> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let url = rig::postgres().database();
        let name = url
            .strip_prefix("postgres:///")
            .and_then(|rest| rest.split('?').next());
        (name.unwrap().to_owned(), Job::prepare(&server(&url)))
    })
}

fn server(url: &str) -> Location {
    Location::Server(DatabaseUrl::new(url).unwrap())
}

fn location(database: &str, socket_folder: &Path) -> Location {
    server(&format!(
        "postgres:///{database}?host={}&user=ansinh",
        socket_folder.display()
    ))
}

/// A day with a cut; the number of its COMMITs. `at` 0 cuts nowhere.
fn day(at: u64, moment: Moment) -> u64 {
    let (template, tokens) = prepared();
    let name = format!("{moment:?}{at}").to_lowercase();
    let postgres = rig::postgres();
    let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
    postgres.psql(&postgres.url("postgres"), &create);
    let direct = location(&name, postgres.socket_folder());
    let wire = Wire::new(at, moment);
    let store = Store::open(location(&name, wire.folder.path())).unwrap();
    let job = Job::of(&store, tokens).unwrap();
    let first = job.go_on(&store);
    if at == 0 {
        first.unwrap();
    } else {
        assert!(
            matches!(first, Err(StoreError::PerhapsDone(_))),
            "{moment:?} {at}: {first:?}"
        );
        Job::judge_unfinished(&Store::open(&direct).unwrap());
        job.go_on(&store).unwrap();
    }
    drop(store);
    Job::judge(&Store::open(&direct).unwrap());
    postgres.psql(&postgres.url("postgres"), &format!("DROP DATABASE {name}"));
    wire.commits()
}

fn at_each_commit(moment: Moment) {
    let commits = day(0, moment);
    assert!(commits > 30, "{commits} COMMITs are too few");
    let places = places(commits, START, STRIDE);
    for at in &places {
        day(*at, moment);
    }
    println!("{moment:?}: {} of {commits} COMMITs", places.len());
}

#[test]
fn cut_before_each_commit_arrives() {
    at_each_commit(Moment::BeforeItArrives);
}

#[test]
fn cut_before_the_answer_to_each_commit() {
    at_each_commit(Moment::BeforeItsAnswer);
}

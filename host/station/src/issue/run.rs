//! All readers at once. Operators swap cards; each reader has a thread of its own, so that no card waits for another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use ansinh_issuance::{Done, Plastic, Station};
use ansinh_readers::{Event, watch};
use ansinh_store::operators::Actor;
use ansinh_store::{Store, StoreError};
use anyhow::Result;

use super::{Desk, IssuingKeys, Ledger, Outcome, PinSource, Report};

/// How often the end is looked for while no card comes or goes.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often those who wait are counted anew while nothing happens here: other stations may share the ledger.
const COUNT_AGAIN: Duration = Duration::from_secs(1);

/// What to issue, and where.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// PC/SC names of the readers; empty: all there are.
    pub readers: Vec<String>,
    /// Issue no more cards than this.
    pub limit: Option<u64>,
    /// End when no card came, went or was worked on for this long. `None`: go on until nobody waits.
    pub wait: Option<Duration>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cards that became active.
    pub issued: u64,
    /// Attempts that failed; a card taken up again and finished later still counts here.
    pub failed_attempts: u64,
    /// Chips given up.
    pub spoilt: u64,
    /// Cards that are bound to a chip and not finished.
    pub unfinished: u64,
    /// Persons of approved batches that have neither a card nor a chip bound to them.
    pub waiting: u64,
    /// Whether the limit ended it.
    pub limited: bool,
}

impl Summary {
    /// Everything that was to be done is done. A spoilt chip matters only while somebody waits for another.
    pub fn is_complete(&self) -> bool {
        let enough = self.waiting == 0 || (self.limited && self.spoilt == 0);
        self.unfinished == 0 && enough
    }
}

/// What all readers share.
#[derive(Clone, Copy)]
pub struct Office<'a> {
    /// The ledger.
    pub store: &'a Store,
    /// Who issues.
    pub actor: &'a Actor,
    /// The keys.
    pub keys: &'a IssuingKeys,
    /// Certificates and terms.
    pub station: &'a Station,
    /// Province in new card numbers.
    pub province: u8,
    /// Where PINs come from.
    pub pins: &'a dyn PinSource,
    /// What the operator sees.
    pub report: &'a Report,
}

/// Personalizes every waiting person on the cards that come into the readers, and finishes every card begun before.
///
/// # Errors
/// When the PC/SC service does not run or the ledger cannot be read; single cards never end the run.
pub fn issue(office: Office<'_>, plan: &Plan) -> Result<Summary> {
    let events = watch()?;
    let tally = Tally::default();
    let ended = thread::scope(|scope| {
        let mut lanes = BTreeMap::new();
        let mut quiet_since = Instant::now();
        let mut counted: Option<(Instant, Summary)> = None;
        loop {
            let event = events.next_within(LOOK_AGAIN);
            if event.is_some() || tally.busy() {
                quiet_since = Instant::now();
                counted = None;
            }
            match event {
                Some(Event::CardInserted { reader, .. }) if plan.chooses(&reader) => {
                    let lane = lanes
                        .entry(reader.clone())
                        .or_insert_with(|| Lane::open(scope, office, plan, &tally, reader));
                    lane.insert(&tally);
                }
                Some(Event::CardRemoved(reader) | Event::ReaderRemoved(reader)) => {
                    if let Some(lane) = lanes.get(&reader) {
                        lane.remove();
                        office.report.waiting(&reader);
                    }
                }
                Some(Event::ServiceLost) => {
                    office.report.notice(
                        "Dịch vụ đầu đọc đã dừng, đang chờ / The PC/SC service has stopped, waiting for it",
                    );
                }
                // More may have come at the same time: cards in readers are all taken up before the end is considered.
                Some(_) => {}
                None if tally.busy() => {}
                None => {
                    counted.take_if(|(at, _)| at.elapsed() >= COUNT_AGAIN);
                    let summary = match counted {
                        Some((_, summary)) => summary,
                        None => tally.summary(office.store, plan)?,
                    };
                    counted.get_or_insert((Instant::now(), summary));
                    // A lane ends before its time by a panic only, which leaves the scope with this thread.
                    let broken = office.report.is_closed() || lanes.values().any(Lane::has_ended);
                    if broken || plan.is_over(&summary, quiet_since.elapsed()) {
                        return Ok::<_, StoreError>(summary);
                    }
                }
            }
        }
    });
    office.report.finish();
    Ok(ended?)
}

impl Plan {
    fn chooses(&self, reader: &str) -> bool {
        self.readers.is_empty() || self.readers.iter().any(|name| name == reader)
    }

    fn is_over(&self, summary: &Summary, quiet: Duration) -> bool {
        let nothing_left = summary.waiting == 0 && summary.unfinished == 0;
        nothing_left || summary.limited || self.wait.is_some_and(|wait| quiet >= wait)
    }
}

/// One reader: insertions go in, its thread works on one after the other.
struct Lane<'scope> {
    insertions: Sender<Insertion<'scope>>,
    thread: ScopedJoinHandle<'scope, ()>,
    /// Counts insertions and removals: work on a card that was taken out meanwhile is skipped.
    current: Arc<AtomicU64>,
}

impl<'scope> Lane<'scope> {
    fn open(
        scope: &'scope Scope<'scope, '_>,
        office: Office<'scope>,
        plan: &'scope Plan,
        tally: &'scope Tally,
        reader: String,
    ) -> Self {
        let (insertions, todo) = mpsc::channel();
        let current = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&current);
        let thread = scope.spawn(move || work(office, plan, tally, &reader, &todo, &seen));
        Self {
            insertions,
            thread,
            current,
        }
    }

    fn insert(&self, tally: &'scope Tally) {
        let number = self.current.fetch_add(1, Ordering::SeqCst) + 1;
        // A lane that has ended takes no more: the insertion is dropped, and so worked off.
        let _ = self.insertions.send(tally.queue(number));
    }

    fn remove(&self) {
        self.current.fetch_add(1, Ordering::SeqCst);
    }

    fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// A reader's thread.
fn work(
    office: Office<'_>,
    plan: &Plan,
    tally: &Tally,
    reader: &str,
    todo: &Receiver<Insertion<'_>>,
    current: &AtomicU64,
) {
    let Office {
        store,
        actor,
        keys,
        station,
        province,
        pins,
        report,
    } = office;
    let desk = Desk {
        ledger: Ledger {
            store,
            actor,
            keys,
            station,
            province,
            reader,
        },
        pins,
        report,
    };
    while let Ok(insertion) = todo.recv() {
        if report.is_closed() {
            continue;
        }
        let Some(turn) = tally.reserve(plan) else {
            continue;
        };
        // A card that was taken out while it waited for its turn is nobody's failure.
        if current.load(Ordering::SeqCst) == insertion.number {
            let outcome = desk.serve();
            turn.end(&outcome);
            report.outcome(reader, &outcome);
        }
    }
}

/// An insertion until it is worked off, however that ends.
struct Insertion<'a> {
    number: u64,
    tally: &'a Tally,
}

impl Drop for Insertion<'_> {
    fn drop(&mut self) {
        self.tally.counts().queued -= 1;
    }
}

/// One card of the limit while it is worked on; given back however that ends.
struct Turn<'a>(&'a Tally);

impl Turn<'_> {
    /// Counts how the card ended.
    fn end(self, outcome: &Outcome) {
        let mut counts = self.0.counts();
        match &outcome.end {
            Ok(Done::Issued(_) | Done::Confirmed(_)) => counts.issued += 1,
            Ok(Done::AlreadyIssued(_) | Done::NobodyWaiting) => {}
            Err(failure) => {
                counts.failed_attempts += 1;
                counts.spoilt += u64::from(failure.plastic() == Plastic::Spoilt);
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.counts().in_work -= 1;
        self.0.changed.notify_all();
    }
}

/// Counts over all readers.
#[derive(Default)]
struct Tally {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Default)]
struct Counts {
    /// Insertions not yet worked off.
    queued: u64,
    /// Cards being worked on.
    in_work: u64,
    issued: u64,
    failed_attempts: u64,
    spoilt: u64,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Plain numbers are as good after a panic of another thread.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(&self) -> bool {
        self.counts().queued > 0
    }

    fn queue(&self, number: u64) -> Insertion<'_> {
        self.counts().queued += 1;
        Insertion { number, tally: self }
    }

    /// Takes one card of the limit, if need be when another reader's card has failed; `None` once the limit is reached.
    fn reserve(&self, plan: &Plan) -> Option<Turn<'_>> {
        let limit = plan.limit.unwrap_or(u64::MAX);
        let full = |counts: &mut Counts| counts.issued < limit && counts.issued + counts.in_work >= limit;
        let counts = self.changed.wait_while(self.counts(), full);
        let mut counts = counts.unwrap_or_else(PoisonError::into_inner);
        let free = counts.issued < limit;
        counts.in_work += u64::from(free);
        free.then(|| Turn(self))
    }

    fn summary(&self, store: &Store, plan: &Plan) -> Result<Summary, StoreError> {
        let (unfinished, waiting) = (store.unfinished_cards()?, store.approved_persons()?);
        let Counts {
            issued,
            failed_attempts,
            spoilt,
            ..
        } = *self.counts();
        let limited = plan.limit.is_some_and(|limit| issued >= limit);
        Ok(Summary {
            issued,
            failed_attempts,
            spoilt,
            unfinished,
            waiting,
            limited,
        })
    }
}

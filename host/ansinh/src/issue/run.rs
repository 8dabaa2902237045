//! All readers at once. Operators swap cards; each reader has a thread of its own, so that no card waits for another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use ansinh_issuance::{Done, Plastic, Station};
use ansinh_readers::{Event, watch};
use ansinh_store::{Store, StoreError};
use anyhow::Result;

use super::{Desk, IssuingKeys, Ledger, Outcome, PinSource, Report};

/// How often the end is looked for while no card comes or goes.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

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
    /// Persons that have neither a card nor a chip bound to them.
    pub waiting: u64,
    /// Whether the limit ended it.
    pub limited: bool,
}

impl Summary {
    /// Everything that was to be done is done.
    pub fn is_complete(&self) -> bool {
        self.unfinished == 0 && self.spoilt == 0 && (self.waiting == 0 || self.limited)
    }
}

/// What all readers share.
#[derive(Clone, Copy)]
pub struct Office<'a> {
    /// The ledger.
    pub store: &'a Store,
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
        loop {
            let event = events.next_within(LOOK_AGAIN);
            if event.is_some() || tally.busy() {
                quiet_since = Instant::now();
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
                    let summary = tally.summary(office.store, plan)?;
                    if plan.is_over(&summary, quiet_since.elapsed()) {
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
struct Lane {
    insertions: Sender<u64>,
    /// Counts insertions and removals: work on a card that was taken out meanwhile is skipped.
    current: Arc<AtomicU64>,
}

impl Lane {
    fn open<'scope>(
        scope: &'scope Scope<'scope, '_>,
        office: Office<'scope>,
        plan: &'scope Plan,
        tally: &'scope Tally,
        reader: String,
    ) -> Self {
        let (insertions, todo) = mpsc::channel();
        let current = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&current);
        scope.spawn(move || work(office, plan, tally, &reader, &todo, &seen));
        Self { insertions, current }
    }

    fn insert(&self, tally: &Tally) {
        let insertion = self.current.fetch_add(1, Ordering::SeqCst) + 1;
        tally.queued.fetch_add(1, Ordering::SeqCst);
        if self.insertions.send(insertion).is_err() {
            tally.queued.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn remove(&self) {
        self.current.fetch_add(1, Ordering::SeqCst);
    }
}

/// A reader's thread.
fn work(
    office: Office<'_>,
    plan: &Plan,
    tally: &Tally,
    reader: &str,
    todo: &Receiver<u64>,
    current: &AtomicU64,
) {
    let Office {
        store,
        keys,
        station,
        province,
        pins,
        report,
    } = office;
    let desk = Desk {
        ledger: Ledger {
            store,
            keys,
            station,
            province,
            reader,
        },
        pins,
        report,
    };
    while let Ok(insertion) = todo.recv() {
        if current.load(Ordering::SeqCst) == insertion && tally.reserve(plan) {
            let outcome = desk.serve();
            tally.count(&outcome);
            report.outcome(reader, &outcome);
        }
        tally.queued.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts over all readers.
#[derive(Default)]
struct Tally {
    /// Insertions not yet worked off.
    queued: AtomicU64,
    /// Cards issued, or being worked on.
    reserved: AtomicU64,
    issued: AtomicU64,
    failed_attempts: AtomicU64,
    spoilt: AtomicU64,
}

impl Tally {
    fn busy(&self) -> bool {
        self.queued.load(Ordering::SeqCst) > 0
    }

    /// Takes one card of the limit.
    fn reserve(&self, plan: &Plan) -> bool {
        let limit = plan.limit.unwrap_or(u64::MAX);
        let taken = self
            .reserved
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
                (taken < limit).then_some(taken + 1)
            });
        taken.is_ok()
    }

    fn count(&self, outcome: &Outcome) {
        match &outcome.end {
            Ok(Done::Issued(_) | Done::Confirmed(_)) => {
                self.issued.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Ok(Done::AlreadyIssued(_) | Done::NobodyWaiting) => {}
            Err(failure) => {
                self.failed_attempts.fetch_add(1, Ordering::SeqCst);
                if failure.plastic() == Plastic::Spoilt {
                    self.spoilt.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        self.reserved.fetch_sub(1, Ordering::SeqCst);
    }

    fn summary(&self, store: &Store, plan: &Plan) -> Result<Summary, StoreError> {
        let issued = self.issued.load(Ordering::SeqCst);
        Ok(Summary {
            issued,
            failed_attempts: self.failed_attempts.load(Ordering::SeqCst),
            spoilt: self.spoilt.load(Ordering::SeqCst),
            unfinished: store.unfinished_cards()?,
            waiting: store.waiting_persons()?,
            limited: plan.limit.is_some_and(|limit| issued >= limit),
        })
    }
}

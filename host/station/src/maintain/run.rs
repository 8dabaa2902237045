//! Cards as they come into the readers, one after the other: a single one, or all that no longer say what the ledger says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ansinh_issuance::Station;
use ansinh_issuance::maintenance::Job;
use ansinh_readers::{Event, watch};
use ansinh_store::operators::Actor;
use ansinh_store::{Store, StoreError};
use anyhow::Result;
use card_spec::values::CardNumber;

use super::{Bench, Chosen, Ledger, Served};
use crate::issue::{IssuingKeys, PinSource};

/// How often the end is looked for while no card comes.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What all readers share.
#[derive(Clone, Copy)]
pub struct Office<'a> {
    /// The ledger.
    pub store: &'a Store,
    /// Who does it.
    pub actor: &'a Actor,
    /// The keys.
    pub keys: &'a IssuingKeys,
    /// Certificates and terms.
    pub station: &'a Station,
    /// Where a new PIN comes from.
    pub pins: &'a dyn PinSource,
}

/// What to do, and where.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The job.
    pub job: Job,
    /// For which cards. [`Chosen::Due`] goes on until none is due any more, the others end with the first card.
    pub chosen: Chosen,
    /// PC/SC names of the readers; empty: all there are.
    pub readers: Vec<String>,
    /// End when no card came for this long. `None`: wait without end.
    pub wait: Option<Duration>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cards on which the job is done.
    pub done: u64,
    /// Attempts that failed; a card taken up again and done later still counts here.
    pub failed_attempts: u64,
    /// Cards that are due still.
    pub left: u64,
}

/// Numbers of the active cards that no longer say what the ledger says.
///
/// # Errors
/// Of the ledger.
pub fn due(store: &Store) -> Result<BTreeSet<CardNumber>, StoreError> {
    let cards = store.cards_to_update()?;
    Ok(cards.into_iter().map(|outdated| outdated.card).collect())
}

/// Does the job on the cards that come into the readers, and tells `show` how each ended.
///
/// # Errors
/// When the PC/SC service does not run or the ledger cannot be read; a card never ends the run by failing.
pub fn tend(office: Office<'_>, plan: Plan, show: &mut dyn FnMut(&str, &Served)) -> Result<Summary> {
    let Plan {
        job,
        mut chosen,
        readers,
        wait,
    } = plan;
    let events = watch()?;
    let mut summary = Summary::default();
    let mut quiet_since = Instant::now();
    while !is_empty(&chosen) && wait.is_none_or(|wait| quiet_since.elapsed() < wait) {
        let Some(Event::CardInserted { reader, .. }) = events.next_within(LOOK_AGAIN) else {
            continue;
        };
        if !readers.is_empty() && !readers.contains(&reader) {
            continue;
        }
        let served = serve(office, job, &chosen, &reader);
        show(&reader, &served);
        quiet_since = Instant::now();
        summary.done += u64::from(served.end.is_ok());
        summary.failed_attempts += u64::from(served.end.is_err() && !super::report::is_left_alone(&served));
        match &mut chosen {
            Chosen::Due(cards) => *cards = due(office.store)?,
            Chosen::Any | Chosen::One(_) => break,
        }
    }
    if let Chosen::Due(cards) = &chosen {
        summary.left = cards.len() as u64;
    }
    Ok(summary)
}

fn is_empty(chosen: &Chosen) -> bool {
    matches!(chosen, Chosen::Due(cards) if cards.is_empty())
}

fn serve(office: Office<'_>, job: Job, chosen: &Chosen, reader: &str) -> Served {
    let Office {
        store,
        actor,
        keys,
        station,
        pins,
    } = office;
    let bench = Bench {
        ledger: Ledger {
            store,
            actor,
            keys,
            station,
            reader,
            chosen,
        },
        pins,
    };
    bench.serve(job)
}

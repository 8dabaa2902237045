//! What happens at the station, told live: a bounded ring of events with numbers, so that whoever lost the connection goes on
//! where it broke. No event holds personal data; cards are named by their numbers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ansinh_station::issue::report::News;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::calls::issuing::Tally;

/// Events that are kept for whoever comes back.
pub const KEPT: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// A reader was plugged in.
    ReaderCame {
        /// Its PC/SC name.
        reader: String,
    },
    /// A reader was unplugged.
    ReaderWent {
        /// Its PC/SC name.
        reader: String,
    },
    /// A card was put into a reader.
    CardIn {
        /// The reader's PC/SC name.
        reader: String,
    },
    /// The card was taken out.
    CardOut {
        /// The reader's PC/SC name.
        reader: String,
    },
    /// The PC/SC service has stopped, and all readers are gone.
    ReadersLost,
    /// Cards are issued from now on.
    IssuingStarted {
        /// Who started it.
        operator: String,
    },
    /// Something at a reader while issuing: a step, an outcome.
    Issuing {
        /// What.
        #[schemars(with = "serde_json::Value")]
        news: News,
    },
    /// The PIN of a card is to be chosen, and given with `pins/give` within a minute.
    PinNeeded {
        /// The card's number.
        card: String,
        /// The reader it is in.
        reader: String,
    },
    /// Issuing has ended.
    IssuingEnded {
        /// What came of it.
        tally: Tally,
    },
    /// Issuing could not go on; cards in work are unfinished and can be taken up again.
    IssuingFailed {
        /// Why, in English.
        detail: String,
    },
    /// A batch was drafted, approved or closed.
    Batch {
        /// Its number.
        batch: u64,
        /// Its state now.
        state: String,
    },
    /// A block list was published.
    BlockListPublished {
        /// Its number.
        number: u32,
    },
    /// A payment list was made.
    PaymentListMade {
        /// Its name.
        list: String,
    },
    /// Events before this one are gone: read again what matters.
    Missed,
}

/// An event with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// From 1, without gaps, since the service started.
    pub number: u64,
    /// What happened.
    pub happening: Happening,
}

/// All that happened since the service started; the newest are kept.
pub struct Events {
    /// Tells one start of the service from another, so that a number of yesterday is not taken for one of today.
    run: String,
    kept: Mutex<VecDeque<Numbered>>,
    newest: watch::Sender<u64>,
}

impl Events {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Self {
        Self {
            run: jiff::Timestamp::now().as_millisecond().to_string(),
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }

    /// Tells everybody.
    pub fn tell(&self, happening: Happening) {
        let mut kept = self.kept();
        let number = kept.back().map_or(0, |newest| newest.number) + 1;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Numbered { number, happening });
        // Within the lock: numbers are announced in order.
        self.newest.send_replace(number);
    }

    /// The number of the newest event; changes when there is another one.
    pub(crate) fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The number of the newest event, 0 for none.
    pub(crate) fn newest_number(&self) -> u64 {
        *self.newest.borrow()
    }

    /// All kept events after this number. The first one is [`Happening::Missed`] if there were others that are gone.
    pub(crate) fn after(&self, number: u64) -> Vec<Numbered> {
        let kept = self.kept();
        let oldest = kept.front().map_or(0, |event| event.number);
        let missed = (oldest > number + 1).then(|| Numbered {
            number: oldest - 1,
            happening: Happening::Missed,
        });
        missed
            .into_iter()
            .chain(kept.iter().filter(|event| event.number > number).cloned())
            .collect()
    }

    /// An event's name for `Last-Event-ID`.
    pub(crate) fn name(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// The number behind a `Last-Event-ID`; `None` for one of another run of the service.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let (run, number) = name.split_once('-')?;
        (run == self.run).then(|| number.parse().ok()).flatten()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Numbered>> {
        // A queue is as good after a panic of another thread.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(events: &[Numbered]) -> Vec<u64> {
        events.iter().map(|event| event.number).collect()
    }

    #[test]
    fn whoever_comes_back_in_time_misses_nothing() {
        let events = Events::new();
        for _ in 0..3 {
            events.tell(Happening::ReadersLost);
        }
        assert_eq!(numbers(&events.after(0)), [1, 2, 3]);
        assert_eq!(numbers(&events.after(2)), [3]);
        assert_eq!(numbers(&events.after(3)), [0; 0]);
        assert_eq!(*events.newest().borrow(), 3);
    }

    #[test]
    fn whoever_comes_back_too_late_is_told_so() {
        let events = Events::new();
        for _ in 0..=KEPT {
            events.tell(Happening::ReadersLost);
        }
        let late = events.after(0);
        assert_eq!(late[0].happening, Happening::Missed);
        assert_eq!(late.len(), KEPT + 1);
        assert_eq!(numbers(&late[..3]), [1, 2, 3]);
        let in_time = events.after(1);
        assert_eq!(in_time.len(), KEPT);
        assert_eq!(in_time[0].happening, Happening::ReadersLost);
    }

    #[test]
    fn a_number_of_another_run_is_none_of_this() {
        let events = Events::new();
        assert_eq!(events.number(&events.name(7)), Some(7));
        for name in [
            "",
            "7",
            "1-7",
            "x",
            &format!("{}-", events.run),
            &format!("{}-x", events.run),
        ] {
            assert_eq!(events.number(name), None, "{name}");
        }
    }
}

//! Where cards come and go: one thread that watches all readers.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use pcsc::{Context, PNP_NOTIFICATION, ReaderState, Scope, State};

use crate::TransmitError;

/// How long a change of the list of readers, or the end of [`Events`], may stay unnoticed where PC/SC reports none.
/// Changes of a reader's card are reported at once.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Readers that PC/SC watches in one call (pcsc-lite, `PCSCLITE_MAX_READERS_CONTEXTS`); the pseudo-reader that tells of
/// plugging counts as one.
const WATCHED_AT_ONCE: usize = 16;

/// A change at the readers. What is there at the start is reported as if it had just come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A reader was plugged in.
    ReaderAdded(String),
    /// A reader was unplugged, and any card with it.
    ReaderRemoved(String),
    /// A card was put into this reader and has power.
    CardInserted {
        /// The reader's PC/SC name.
        reader: String,
        /// At most 33 bytes; empty when the reader gets no answer from the card.
        answer_to_reset: Vec<u8>,
    },
    /// The card was taken out of this reader.
    CardRemoved(String),
    /// The PC/SC service has stopped, and all readers are gone. They are reported anew when it is back.
    ServiceLost,
}

/// The stream of events. Iterating waits for the next one, without end. Dropping it ends the watch.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
    _listening: Arc<()>,
}

impl Events {
    /// The next event, or `None` when none comes within this time.
    #[must_use]
    pub fn next_within(&self, time: Duration) -> Option<Event> {
        self.receiver.recv_timeout(time).ok()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.receiver.recv().ok()
    }
}

/// Starts to watch all readers, those that are plugged in later included.
///
/// # Errors
/// When the PC/SC service does not run.
pub fn watch() -> Result<Events, TransmitError> {
    let context = Context::establish(Scope::User)?;
    let (sender, receiver) = mpsc::channel();
    let listening = Arc::new(());
    let listener = Arc::downgrade(&listening);
    thread::Builder::new()
        .name("readers".to_owned())
        .spawn(move || watch_on(context, &sender, &listener))
        .map_err(|_| TransmitError::Other(pcsc::Error::NoMemory))?;
    Ok(Events {
        receiver,
        _listening: listening,
    })
}

/// Watches over losses of the service until nobody listens.
fn watch_on(mut context: Context, events: &Sender<Event>, listener: &Weak<()>) {
    loop {
        let mut monitor = Monitor {
            readers: BTreeMap::new(),
            events,
        };
        while monitor.look(&context).is_ok() {
            if listener.strong_count() == 0 {
                return;
            }
        }
        monitor.report(Event::ServiceLost);
        context = loop {
            if listener.strong_count() == 0 {
                return;
            }
            match Context::establish(Scope::User) {
                Ok(context) => break context,
                Err(_) => thread::sleep(LOOK_AGAIN),
            }
        };
    }
}

struct Monitor<'events> {
    readers: BTreeMap<CString, Seen>,
    events: &'events Sender<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// As PC/SC wants it back: with the count in its upper half.
    state: State,
    present: bool,
    /// PC/SC's count of insertions and removals in this reader.
    count: u32,
}

impl Monitor<'_> {
    /// Brings the list of readers up to date, then waits for a change and reports it.
    fn look(&mut self, context: &Context) -> Result<(), pcsc::Error> {
        self.update_readers(context)?;
        let watched = self
            .readers
            .iter()
            .map(|(name, seen)| ReaderState::new(name.clone(), seen.state));
        let mut states: Vec<ReaderState> = watched.collect();
        // Without it, a change of the list shows when looking again.
        if states.len() < WATCHED_AT_ONCE {
            states.push(ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE));
        }
        match context.get_status_change(LOOK_AGAIN, &mut states) {
            // A reader that has just gone: the next look finds it missing.
            Err(pcsc::Error::Timeout | pcsc::Error::UnknownReader | pcsc::Error::Cancelled) => return Ok(()),
            other => other?,
        }
        for state in &states {
            self.update_card(state);
        }
        Ok(())
    }

    fn update_readers(&mut self, context: &Context) -> Result<(), pcsc::Error> {
        let listed = match context.list_readers_owned() {
            Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
            listed => listed?,
        };
        let gone: Vec<CString> = self
            .readers
            .keys()
            .filter(|name| !listed.contains(name))
            .cloned()
            .collect();
        for name in gone {
            self.readers.remove(&name);
            self.report(Event::ReaderRemoved(text(&name)));
        }
        for name in listed {
            if !self.readers.contains_key(&name) {
                self.report(Event::ReaderAdded(text(&name)));
                self.readers.insert(
                    name,
                    Seen {
                        state: State::UNAWARE,
                        present: false,
                        count: 0,
                    },
                );
            }
        }
        Ok(())
    }

    fn update_card(&mut self, state: &ReaderState) {
        let Some(seen) = self.readers.get_mut(state.name()) else {
            return;
        };
        let before = *seen;
        let (now, count) = (state.event_state(), state.event_count());
        let counted = State::from_bits_retain(now.bits() | pcsc::ffi::DWORD::from(count << 16));
        let after = Seen {
            state: counted,
            present: now.contains(State::PRESENT),
            count,
        };
        *seen = after;
        let reader = text(state.name());
        // Present before and after, but counted in between: another card, or the same one put back quickly.
        let exchanged = before.present && after.present && before.count != after.count;
        if before.present && (!after.present || exchanged) {
            self.report(Event::CardRemoved(reader.clone()));
        }
        if after.present && (!before.present || exchanged) {
            self.report(Event::CardInserted {
                reader,
                answer_to_reset: state.atr().to_vec(),
            });
        }
    }

    fn report(&self, event: Event) {
        // Nobody listening is noticed in the loop.
        let _ = self.events.send(event);
    }
}

fn text(name: &std::ffi::CStr) -> String {
    name.to_string_lossy().into_owned()
}

//! The readers as the service sees them: watched all day, over losses of the PC/SC service.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ansinh_readers::{Event, watch};

use crate::events::Happening;
use crate::service::Service;

/// How often the PC/SC service is looked for while it does not run, and the end while nothing happens.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Which readers there are.
pub struct Readers {
    /// Each reader with whether a card is in it.
    present: Mutex<BTreeMap<String, bool>>,
    reachable: AtomicBool,
    stop: AtomicBool,
}

impl Readers {
    pub(crate) fn new() -> Self {
        Self {
            present: Mutex::default(),
            reachable: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        }
    }

    /// Whether the PC/SC service runs.
    pub fn reachable(&self) -> bool {
        self.reachable.load(Ordering::SeqCst)
    }

    /// Each reader's PC/SC name, and whether a card is in it.
    pub fn list(&self) -> Vec<(String, bool)> {
        let present = self.present();
        present.iter().map(|(name, card)| (name.clone(), *card)).collect()
    }

    /// Ends the watch.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    fn present(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        // A map is as good after a panic of another thread.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Watches until [`Readers::stop`]; for a thread of its own.
pub(crate) fn keep_watching(service: &Service) {
    let readers = service.readers();
    while !readers.stopped() {
        let Ok(events) = watch() else {
            thread::sleep(LOOK_AGAIN);
            continue;
        };
        readers.reachable.store(true, Ordering::SeqCst);
        while !readers.stopped() {
            match events.next_within(LOOK_AGAIN) {
                // Watched anew: only so it is known when the service is back.
                Some(Event::ServiceLost) => {
                    lost(service);
                    break;
                }
                Some(event) => note(service, event),
                None => {}
            }
        }
    }
}

fn lost(service: &Service) {
    let readers = service.readers();
    readers.reachable.store(false, Ordering::SeqCst);
    readers.present().clear();
    service.metrics().readers.set(0);
    service.events().tell(Happening::ReadersLost);
}

fn note(service: &Service, event: Event) {
    let mut present = service.readers().present();
    let happening = match event {
        Event::ReaderAdded(reader) => {
            present.insert(reader.clone(), false);
            Happening::ReaderCame { reader }
        }
        Event::ReaderRemoved(reader) => {
            present.remove(&reader);
            Happening::ReaderWent { reader }
        }
        Event::CardInserted { reader, .. } => {
            present.insert(reader.clone(), true);
            Happening::CardIn { reader }
        }
        Event::CardRemoved(reader) => {
            present.insert(reader.clone(), false);
            Happening::CardOut { reader }
        }
        Event::ServiceLost => return,
    };
    let count = i64::try_from(present.len()).unwrap_or(i64::MAX);
    drop(present);
    service.metrics().readers.set(count);
    service.events().tell(happening);
}

//! Issuing as the service does it: in the background, one run at a time, with PINs that come in as calls.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ansinh_issuance::{Failure, Station};
use ansinh_keys::Role;
use ansinh_reference::{Reference, today};
use ansinh_station::issue::report::News;
use ansinh_station::issue::{
    self, Addressee, IssuingKeys, LetterPin, Letterhead, Office, PinSource, Plan, Report, Summary,
};
use ansinh_station::reference::terms;
use ansinh_store::operators::Actor;
use anyhow::{Context as _, Result};
use card_spec::command::Pin;
use card_spec::values::{CardNumber, Date};

use crate::calls::issuing::{Pins, Tally};
use crate::events::Happening;
use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// How long a holder has to choose a PIN.
pub const PIN_TIME: Duration = Duration::from_secs(60);

/// The issuing of a service.
pub struct Issuing {
    state: Mutex<State>,
    /// Cards that wait for their PIN.
    waiting: Mutex<BTreeMap<String, SyncSender<Pin>>>,
    /// What goes on in each reader that has a card in work.
    lanes: Mutex<BTreeMap<String, Lane>>,
}

/// What a reader with a card in work does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// It goes on by itself.
    AtWork,
    /// A person is to choose a PIN.
    WaitingForAPerson,
}

#[derive(Default)]
struct State {
    run: Option<Run>,
    last: Option<Tally>,
    /// The service is stopping: nothing is begun any more.
    closed: bool,
}

struct Run {
    operator: String,
    /// PC/SC names of the readers; empty: all there are.
    readers: Vec<String>,
    report: Arc<Report>,
    thread: JoinHandle<()>,
}

impl Issuing {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            waiting: Mutex::default(),
            lanes: Mutex::default(),
        }
    }

    /// Who issues at this moment.
    pub fn operator(&self) -> Option<String> {
        self.state().run.as_ref().map(|run| run.operator.clone())
    }

    /// Of the readers that are plugged in: how many idle in this run, work, and wait for a person.
    pub(crate) fn lanes(&self, plugged_in: &[(String, bool)]) -> (u64, u64, u64) {
        let state = self.state();
        let Some(run) = &state.run else { return (0, 0, 0) };
        let lanes = lock(&self.lanes);
        let count = |what| lanes.values().filter(|lane| **lane == what).count() as u64;
        let chosen = |name: &String| run.readers.is_empty() || run.readers.contains(name);
        let idle = plugged_in
            .iter()
            .filter(|(name, _)| chosen(name) && !lanes.contains_key(name));
        (
            idle.count() as u64,
            count(Lane::AtWork),
            count(Lane::WaitingForAPerson),
        )
    }

    fn set_lane(&self, reader: &str, lane: Lane) {
        lock(&self.lanes).insert(reader.to_owned(), lane);
    }

    /// What came of the last run that has ended.
    pub fn last(&self) -> Option<Tally> {
        self.state().last.clone()
    }

    /// The cards that wait for their PIN.
    pub fn pins_needed(&self) -> Vec<String> {
        lock(&self.waiting).keys().cloned().collect()
    }

    /// Hands a card its PIN.
    ///
    /// # Errors
    /// [`Code::NotFound`] if that card waits for none.
    pub fn give_pin(&self, card: &CardNumber, pin: Pin) -> Result<(), Refusal> {
        let asked = lock(&self.waiting).remove(&card.to_string());
        let given = asked.is_some_and(|asked| asked.send(pin).is_ok());
        given.then_some(()).ok_or_else(|| {
            Refusal::new(
                Code::NotFound,
                format!("card {card} waits for no PIN: nobody asked for it, or the minute is over. Insert it again"),
            )
        })
    }

    /// Begins no card any more; those in work are finished. The run ends by itself then.
    pub fn end(&self) {
        if let Some(run) = &self.state().run {
            run.report.close();
        }
    }

    /// For the end of the service: begins nothing any more, gives up waiting for PINs, and waits for the cards in work.
    pub(crate) fn close(&self) {
        let run = {
            let mut state = self.state();
            state.closed = true;
            state.run.take()
        };
        let Some(run) = run else { return };
        run.report.close();
        // Whoever waits for a PIN hears that none will come.
        lock(&self.waiting).clear();
        // A panic there was told already.
        let _ = run.thread.join();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Plain data is as good after a panic of another thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a run in the background.
///
/// # Errors
/// [`Code::WrongState`] if somebody issues already, or if letters are wanted and nobody prints them; [`Code::Keys`]; [`Code::Unavailable`] if the service is stopping.
pub(crate) fn start(service: &Service, actor: &Actor, plan: Plan, pins: Pins) -> Result<(), Refusal> {
    let issuing = service.issuing();
    let mut state = issuing.state();
    if state.closed {
        return Err(Refusal::new(
            Code::Unavailable,
            "the service is stopping; no card was begun",
        ));
    }
    if let Some(run) = &state.run {
        return Err(Refusal::new(
            Code::WrongState,
            format!(
                "{} issues already: one run has all readers. Wait for its end, or end it",
                run.operator
            ),
        ));
    }
    if pins == Pins::Letters && service.pin_letters().is_none() {
        return Err(Refusal::new(
            Code::WrongState,
            "the service has no command that prints PIN letters; no card was begun. Set [pin_letters] in its settings, or give PINs",
        ));
    }
    let opened = open(service).map_err(|error| match error.downcast_ref::<Refusal>() {
        Some(refusal) => refusal.clone(),
        None => Refusal::new(Code::Keys, format!("{error:#}")),
    })?;
    let told = service.clone();
    let report = Arc::new(Report::to(move |news| tell(&told, news)));
    let (service, seen, actor) = (service.clone(), Arc::clone(&report), actor.clone());
    let (operator, readers) = (actor.name().to_owned(), plan.readers.clone());
    service.events().tell(Happening::IssuingStarted {
        operator: operator.clone(),
    });
    let thread = thread::Builder::new()
        .name("issuing".to_owned())
        .spawn(move || run(&service, &actor, &opened, &seen, &plan, pins))
        .map_err(|_| Refusal::new(Code::Unavailable, "no thread can be started; no card was begun"))?;
    state.run = Some(Run {
        operator,
        readers,
        report,
        thread,
    });
    Ok(())
}

struct Opened {
    station: Station,
    keys: IssuingKeys,
    province: u8,
    reference: Reference,
}

fn open(service: &Service) -> Result<Opened> {
    let (home, settings) = (service.home(), service.station());
    let reference = home.reference_data()?;
    let station = Station::new(
        &home.certificate(&settings.reference(Role::Root)?)?,
        &home.certificate(&settings.reference(Role::Issuer)?)?,
        terms(settings, &reference, today())?,
    )?;
    Ok(Opened {
        keys: IssuingKeys::open(home, service.store(), &station, service.passphrase()?)?,
        station,
        province: settings.province_number()?,
        reference,
    })
}

/// A day as the formats have it.
pub(crate) fn spec_date(day: jiff::civil::Date) -> Result<Date> {
    Date::new(
        day.year().try_into()?,
        day.month().try_into()?,
        day.day().try_into()?,
    )
    .context("the day is outside the years 2000 to 2099")
}

fn run(service: &Service, actor: &Actor, opened: &Opened, report: &Report, plan: &Plan, pins: Pins) {
    let addressee = |number: &CardNumber| Addressee::of_card(service.store(), number, &opened.reference);
    let letters = service.pin_letters().map(|(command, contact)| {
        let head = Letterhead::of_station(service.station(), contact);
        LetterPin::new(command.to_owned(), LetterPin::TIME_LIMIT, head, &addressee)
    });
    let asking = Asking(service);
    let pins: &dyn PinSource = match (pins, &letters) {
        (Pins::Letters, Some(letters)) => letters,
        _ => &asking,
    };
    let ended = issue::issue(
        Office {
            store: service.store(),
            actor,
            keys: &opened.keys,
            station: &opened.station,
            province: opened.province,
            pins,
            report,
        },
        plan,
    );
    let happening = match ended {
        Ok(summary) => Happening::IssuingEnded {
            tally: tally(&summary),
        },
        Err(error) => Happening::IssuingFailed {
            detail: format!("{error:#}"),
        },
    };
    let mut state = service.issuing().state();
    state.run = None;
    if let Happening::IssuingEnded { tally } = &happening {
        state.last = Some(tally.clone());
    }
    drop(state);
    lock(&service.issuing().lanes).clear();
    service.events().tell(happening);
}

fn tally(summary: &Summary) -> Tally {
    Tally {
        issued: summary.issued,
        failed_attempts: summary.failed_attempts,
        spoilt: summary.spoilt,
        unfinished: summary.unfinished,
        waiting: summary.waiting,
        complete: summary.is_complete(),
    }
}

fn tell(service: &Service, news: News) {
    match &news {
        News::Step { reader, .. } => service.issuing().set_lane(reader, Lane::AtWork),
        News::Ended { reader, outcome, .. } => ended(service, reader, outcome),
        News::Waiting { .. } | News::Notice { .. } => {}
    }
    service.events().tell(Happening::Issuing { news });
}

fn ended(service: &Service, reader: &str, outcome: &serde_json::Value) {
    lock(&service.issuing().lanes).remove(reader);
    let kind = outcome["failure"].as_str().or(outcome["outcome"].as_str());
    let time = Duration::from_millis(outcome["milliseconds"].as_u64().unwrap_or(0));
    service.metrics().card(kind.unwrap_or("unknown"), time);
}

/// PINs come in as calls.
struct Asking<'a>(&'a Service);

impl PinSource for Asking<'_> {
    fn pin(&self, number: &CardNumber, reader: &str) -> Result<Pin, Failure> {
        let (sender, given) = mpsc::sync_channel(1);
        let card = number.to_string();
        let issuing = self.0.issuing();
        lock(&issuing.waiting).insert(card.clone(), sender);
        if issuing.state().closed {
            lock(&issuing.waiting).remove(&card);
        }
        issuing.set_lane(reader, Lane::WaitingForAPerson);
        self.0.events().tell(Happening::PinNeeded {
            card: card.clone(),
            reader: reader.to_owned(),
        });
        let pin = given.recv_timeout(PIN_TIME);
        issuing.set_lane(reader, Lane::AtWork);
        lock(&issuing.waiting).remove(&card);
        pin.map_err(|_| Failure::Pin("nobody gave it within a minute, or the service stops".to_owned()))
    }
}

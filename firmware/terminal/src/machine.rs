//! The terminal without its surface: what it keeps, what it knows since power-on, and whether it may pay.

use core::fmt::Write as _;

use card_spec::crypto::{Curve, SecretKey};
use card_spec::journal::{Event, Refusal, RefusalReason};
use card_spec::list::BLOCK_LIST_MAXIMUM_AGE_DAYS;
use card_spec::values::{Date, Time};
use embedded_storage::nor_flash::NorFlash;
use heapless::{String, Vec};
use rand_core::CryptoRng;

use crate::block_list::{BlockList, BlockLoading, TagKey};
use crate::carried::ReadCards;
use crate::clerk::{Flow, PinEntry};
use crate::clock::{Clock, Stamp};
use crate::device::{Device, DeviceStore, InForce};
use crate::flash::{Area, Shared};
use crate::keys::{Credentials, Keys};
use crate::lists::{LinePlace, mark};
use crate::log::Log;
use crate::log_error::LogError;
use crate::operators::operators_loaded;
use crate::outbox::Outbox;
use crate::payment_list::{Facts, ListLoading};
use crate::primitives::Marked;
use crate::second_operator::SecondName;
use crate::shift::Shift;
use crate::slip::LastHanded;
use crate::standing::PaidLine;
use crate::tap::{Context, Ephemeral};
use crate::text::{self, EN, VI};
use crate::{Image, Layout, StartError};

/// Refused lines that are remembered: some holders' worth.
const DECLINED: usize = 64;

/// A list on its way from the host.
#[expect(
    clippy::large_enum_variant,
    reason = "there is no heap, and there is one of it"
)]
pub(crate) enum Loading<'f, F> {
    Nothing,
    List(ListLoading<'f, F>),
    Blocks(u8, BlockLoading<'f, F>),
}

/// For a step of a session: what it needs of the terminal, its key, and the place for the command.
pub(crate) type Session<'t, C, R> = (Context<'t, Marked<C>>, Ephemeral<'t, R>, &'t mut Outbox);

/// The terminal.
pub(crate) struct Machine<'f, F, R, C> {
    pub(crate) flash: Shared<'f, F>,
    pub(crate) layout: Layout,
    pub(crate) image: Image,
    pub(crate) random: R,
    pub(crate) curve: Marked<C>,
    pub(crate) store: DeviceStore<'f, F>,
    pub(crate) device: Device,
    pub(crate) keys: Option<Keys>,
    pub(crate) credentials: Option<Credentials>,
    /// There is one as soon as there are certificates.
    pub(crate) log: Option<Log<'f, F>>,
    pub(crate) block_list: Option<BlockList<'f, F>>,
    /// Lines that their cards have refused since power-on, as many as are remembered.
    pub(crate) declined: Vec<LinePlace, DECLINED>,
    /// The flash has refused a mark without which a line could be paid twice.
    pub(crate) unmarked: bool,
    pub(crate) loading: Loading<'f, F>,
    pub(crate) clock: Clock,
    /// Said the host that it speaks another version?
    pub(crate) other_version: bool,
    /// Good for one time statement, until so many milliseconds since power-on.
    pub(crate) nonce: Option<([u8; 16], u64)>,
    /// Who works here since power-on.
    pub(crate) operator: Option<String<20>>,
    pub(crate) shift: Shift,
    /// Who vouches for the clerk in the next service.
    pub(crate) second: Option<SecondName>,
    pub(crate) flow: Flow,
    /// For the second tap of the holder who is served, made while the card is away.
    pub(crate) ephemeral: Option<SecretKey>,
    /// Of the holder who is served.
    pub(crate) pin: PinEntry<6>,
    pub(crate) last_key: u8,
    /// When the clerk's silence ends what was begun, in milliseconds since power-on.
    pub(crate) deadline: Option<u64>,
    /// Sequence number of the newest open Intent that the clerk has put aside in this start.
    pub(crate) put_aside: u32,
    /// A card that comes into the field is a new tap: none has been lying there since the last one.
    pub(crate) armed: bool,
    /// Of the holder who was served last.
    pub(crate) last_handed: LastHanded,
    pub(crate) read_cards: ReadCards,
    pub(crate) out: Outbox,
}

impl<'f, F: NorFlash, R: CryptoRng, C: Curve> Machine<'f, F, R, C> {
    /// The machine before [`Self::begin`]: nothing of it is there yet, because it is moved.
    pub(crate) fn new(
        flash: Shared<'f, F>,
        layout: Layout,
        random: R,
        curve: C,
        image: Image,
        now: u64,
    ) -> Self {
        let store = DeviceStore::new(flash, layout.device.clone());
        Self {
            flash,
            layout,
            image,
            random,
            curve: Marked(curve),
            store,
            device: Device::default(),
            keys: None,
            credentials: None,
            log: None,
            block_list: None,
            declined: Vec::new(),
            unmarked: false,
            loading: Loading::Nothing,
            clock: Clock::new(now),
            other_version: false,
            nonce: None,
            operator: None,
            shift: Shift::default(),
            second: None,
            flow: Flow::Idle,
            ephemeral: None,
            pin: PinEntry::default(),
            last_key: 0,
            deadline: None,
            put_aside: 0,
            armed: true,
            last_handed: LastHanded::new(),
            read_cards: ReadCards::new(),
            out: Outbox::new(),
        }
    }

    /// Takes up what the flash holds, and greets.
    // By itself: its stack is given back before a board's endless loop begins.
    #[inline(never)]
    pub(crate) fn begin(&mut self) -> Result<(), StartError> {
        self.restore()?;
        self.greet();
        self.prompt();
        self.wish_field();
        Ok(())
    }

    /// Takes up what the flash holds.
    fn restore(&mut self) -> Result<(), StartError> {
        self.store.open(&mut self.device)?;
        let stored = self.device.keys.as_ref();
        self.keys = stored.and_then(|stored| Keys::load(&self.curve, stored));
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        if self.device.certificates.is_none() {
            // Without certificates there are no entries of this name: the power was cut while the journal was made.
            let range = self.layout.journal.clone();
            if !Log::is_ready(self.flash, range.clone(), keys) {
                Log::format(self.flash, range).map_err(|_| StartError::Flash)?;
            }
            return Ok(());
        }
        let credentials = Credentials::load(&self.curve, keys, self.image.test, &self.device);
        self.credentials = Some(credentials.map_err(|_| StartError::Credentials)?);
        self.open_block_list();
        self.open_log()
    }

    fn open_block_list(&mut self) {
        if let Some(in_force) = &self.device.block_list {
            let area = self.block_list_area(in_force.place);
            self.block_list = BlockList::open(area, &in_force.header, self.device.block_list_key);
        }
    }

    /// The flash has lost the block list: nobody is paid until the host has sent it again, in full. Only its number is
    /// remembered, so that no older one comes.
    pub(crate) fn lose_block_list(&mut self) {
        self.block_list = None;
        if self.device.block_list.is_none() {
            return;
        }
        self.device.block_list_floor = self.newest_block_list();
        self.device.block_list = None;
        self.device.block_list_key = TagKey::default();
        // If that is not kept, the next start finds out again.
        let _ = self.store.save(&self.device.kept());
    }

    /// Opens the journal, finds what it leaves open, and completes what a power cut left out.
    fn open_log(&mut self) -> Result<(), StartError> {
        let Some(keys) = &self.keys else {
            return Ok(());
        };
        let range = self.layout.journal.clone();
        let Self {
            layout,
            flash,
            device,
            ..
        } = &*self;
        let mut unmarked = false;
        let mark = |entry: u32, line: PaidLine, paid: bool| {
            let lists = device.lists.open_for(entry, &line, *flash, layout);
            unmarked |= mark(lists, line, paid).is_err();
        };
        let mut log =
            Log::open(self.flash, range, keys, self.image, mark).map_err(|_| StartError::Journal)?;
        self.unmarked = unmarked;
        if log.is_damaged() {
            self.log = Some(log);
            return Ok(());
        }
        // This would have been the next entry when the power went, and it names what is in force already. Its place is
        // known by its number, so nothing may come before it. There was room for it (`next_entry`).
        let stamp = self.clock.stamp();
        let lists = &self.device.lists;
        let list = lists.newest().map(|list| (lists.entry, list_loaded(list)));
        let blocks = self.device.block_list.as_ref().zip(self.block_list.as_ref());
        let blocks = blocks.map(|(in_force, list)| (in_force.entry, block_list_loaded(list)));
        let operators = self.device.operators.as_ref();
        let operators = operators.and_then(|in_force| Some((in_force.entry, operators_loaded(in_force)?)));
        for (entry, event) in list.into_iter().chain(blocks).chain(operators) {
            if log.tail_sequence() < entry {
                log.append_owed(&self.curve, keys, stamp, event)
                    .map_err(|_| StartError::Journal)?;
            }
        }
        // With a full journal the terminal starts, to be read out. The Boot entry then precedes the next one.
        if log.has_room_beside_order().map_err(|_| StartError::Journal)? {
            tolerate_full(log.boot(&self.curve, keys, stamp))?;
        }
        self.shift = Shift::resume(log.failed_proofs(), self.clock.milliseconds());
        self.log = Some(log);
        Ok(())
    }

    pub(crate) fn block_list_area(&self, place: u8) -> Area<'f, F> {
        let [first, second] = &self.layout.block_lists;
        let range = if place == 0 { first } else { second };
        Area::new(self.flash, range.clone())
    }

    /// Keeps an entry.
    pub(crate) fn record(&mut self, event: Event<'_>) -> Result<u32, LogError> {
        let stamp = self.clock.stamp();
        let (Some(log), Some(keys)) = (&mut self.log, &self.keys) else {
            return Err(LogError::Failed);
        };
        log.append(&self.curve, keys, stamp, event)
    }

    /// Keeps the entry for what the device's state has put in force.
    pub(crate) fn record_in_force(&mut self, event: Event<'static>) -> Result<(), LogError> {
        let stamp = self.clock.stamp();
        let (Some(log), Some(keys)) = (&mut self.log, &self.keys) else {
            return Err(LogError::Failed);
        };
        log.append_owed(&self.curve, keys, stamp, event)
    }

    /// Records that a payment was refused and tells the clerk. Without room the refusal stands, and is not recorded.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        let recorded = self.record(Event::Refused(refusal));
        // The journal has one reason for both: what is paid is not known.
        if self.unmarked && refusal.reason == RefusalReason::JournalFull {
            text::unmarked(&mut self.out);
        } else {
            text::refusal(&mut self.out, &refusal);
        }
        if recorded.is_err() {
            text::not_recorded(&mut self.out);
        }
    }

    /// May the terminal pay now? The first reason against it, if there is one.
    pub(crate) fn may_pay(&mut self) -> Result<Stamp, RefusalReason> {
        let (stamp, today) = self.is_certified()?;
        if !self.device.lists.is_any_valid_on(today) {
            return Err(RefusalReason::ListNotValid);
        }
        let issued = self
            .block_list
            .as_ref()
            .and_then(|list| list.facts().issued.date());
        if !issued.is_some_and(|issued| is_fresh(issued, today)) {
            return Err(RefusalReason::BlockListStale);
        }
        self.demand_room()?;
        // As without a journal that can be read: what is paid is not known.
        if self.unmarked {
            return Err(RefusalReason::JournalFull);
        }
        Ok(stamp)
    }

    /// May the terminal undo a payment now, whatever list and block list there are?
    pub(crate) fn may_reverse(&mut self) -> Result<Stamp, RefusalReason> {
        let (stamp, _) = self.is_certified()?;
        self.demand_room()?;
        Ok(stamp)
    }

    fn is_certified(&self) -> Result<(Stamp, Date), RefusalReason> {
        let stamp = self.clock.stamp();
        let today = stamp.time.date().ok_or(RefusalReason::ClockUnset)?;
        let credentials = self.credentials.as_ref();
        if !credentials.is_some_and(|credentials| credentials.valid_on(today)) {
            return Err(RefusalReason::CertificateExpired);
        }
        Ok((stamp, today))
    }

    fn demand_room(&mut self) -> Result<(), RefusalReason> {
        match self.log.as_mut().map(Log::has_room) {
            Some(Ok(true)) => Ok(()),
            _ => Err(RefusalReason::JournalFull),
        }
    }

    /// The newest time that the terminal has signed or seen signed: the clock never falls behind it.
    pub(crate) fn newest_time(&self) -> Time {
        let kept = Time::from_bytes(self.device.time).unwrap_or(Time::UNSET);
        let entries = self.log.as_ref().map_or(Time::UNSET, Log::newest_time);
        let certified = self.credentials.as_ref().map(Credentials::newest_day);
        let certified = certified.and_then(|day| Time::new(day, 0, 0, 0));
        let issued = self.block_list.as_ref().map(|list| list.facts().issued);
        kept.max(entries)
            .max(certified.unwrap_or(Time::UNSET))
            .max(issued.unwrap_or(Time::UNSET))
    }

    /// What a session needs, its key, and the place for the command.
    pub(crate) fn session(&mut self) -> Option<Session<'_, C, R>> {
        let context = Context {
            curve: &self.curve,
            keys: self.keys.as_ref()?,
            credentials: self.credentials.as_ref()?,
            certificates: self.device.certificates.as_ref()?,
            known: None,
        };
        let ephemeral = Ephemeral {
            random: &mut self.random,
            prepared: &mut self.ephemeral,
        };
        Some((context, ephemeral, &mut self.out))
    }

    fn greet(&mut self) {
        let _ = match &self.keys {
            Some(keys) => writeln!(self.out, "\nansinh {}", keys.name),
            None => writeln!(self.out, "\nansinh"),
        };
        if self.image.test {
            let _ = writeln!(self.out, "*** TEST – KHÔNG DÙNG THẬT{EN} / TEST TERMINAL{VI} ***");
        }
    }
}

fn is_fresh(issued: Date, today: Date) -> bool {
    issued <= today && today.day_number().saturating_sub(issued.day_number()) <= BLOCK_LIST_MAXIMUM_AGE_DAYS
}

fn tolerate_full(result: Result<(), LogError>) -> Result<(), StartError> {
    match result {
        Ok(()) | Err(LogError::Full) => Ok(()),
        Err(LogError::Failed) => Err(StartError::Journal),
    }
}

/// The entry for a payment list.
pub(crate) fn list_loaded(list: &Facts) -> Event<'static> {
    Event::ListLoaded {
        header: list.hash,
        number: list.number,
    }
}

/// The entry for a block list in force.
pub(crate) fn block_list_loaded<F: NorFlash>(list: &BlockList<'_, F>) -> Event<'static> {
    Event::BlockListLoaded {
        header: list.facts().hash,
        number: list.facts().number,
    }
}

/// A block list goes to the place that the one in force does not have.
pub(crate) fn free_place(in_force: Option<&InForce>) -> u8 {
    match in_force {
        Some(InForce { place: 0, .. }) => 1,
        _ => 0,
    }
}

/// Bytes for an answer to the host.
pub(crate) type Payload = Vec<u8, { link::MAX_BYTES }>;

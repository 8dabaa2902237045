//! Requests of the host (DATA 8): provisioning, clock, lists, journal.

use card_spec::certificate::Reference;
use card_spec::crypto::{Curve, Digest};
use card_spec::journal::{Acknowledgement, Event, TimeStatement};
use card_spec::list::{BlockListHeader, ListHeader};
use card_spec::payment::ClockSource;
use card_spec::signed::{Signed, sign};
use card_spec::values::{TerminalName, Time};
use embedded_storage::nor_flash::NorFlash;
use link::{Answer, Hello, Refusal, Request, TerminalState, VERSION, receive};
use rand_core::CryptoRng;

use crate::block_list::{BlockLoading, TagKey};
use crate::device::{BlockListFloor, InForce, Kept, Object};
use crate::flash::Area;
use crate::installation::Installation;
use crate::keys::{Credentials, Keys, request};
use crate::log::Log;
use crate::machine::{Loading, Machine, Payload, block_list_loaded, free_place, list_loaded};
use crate::payment_list::ListLoading;
use crate::primitives::Signer;
use crate::shift::Shift;

/// Milliseconds for which a nonce is good: a statement that is held back would set the clock behind by as much.
const NONCE_LIFE: u64 = 30_000;

impl<'f, F: NorFlash, R: CryptoRng, C: Curve> Machine<'f, F, R, C> {
    /// Answers one message.
    // By itself: its buffers are not to lie on the stack while a card is served.
    #[inline(never)]
    pub(crate) fn host_message(&mut self, message: &[u8]) {
        let mut payload = Payload::new();
        let answer = match receive::<Request<'_>>(message) {
            Ok(request) => self.serve(&request, &mut payload),
            Err(_) => Err(Refusal::Malformed),
        };
        let answer = answer.unwrap_or_else(|code| Answer::Refused { code });
        self.out.answer(&answer);
        self.wish_field();
    }

    // What it calls is not to be inlined: all their variables would lie on the stack together.
    fn serve<'p>(&mut self, request: &Request<'_>, payload: &'p mut Payload) -> Result<Answer<'p>, Refusal> {
        match *request {
            Request::Hello { version } => {
                self.other_version = version != VERSION;
                return Ok(Answer::Hello(self.hello()));
            }
            Request::ReadJournal { from } => {
                let log = self.log.as_mut().ok_or(Refusal::OutOfOrder)?;
                log.entries(from, payload)?;
                return Ok(Answer::Entries { bytes: payload });
            }
            _ => {}
        }
        if self.log.as_ref().is_some_and(Log::is_damaged) {
            return Err(Refusal::Storage);
        }
        if self.other_version {
            return Err(Refusal::Version);
        }
        if self.is_serving() {
            return Err(Refusal::Busy);
        }
        match *request {
            Request::Hello { .. } | Request::ReadJournal { .. } => return Err(Refusal::Malformed),
            Request::MakeKeys { name } => return self.make_keys(name, payload),
            Request::TimeNonce => {
                let mut nonce = [0; 16];
                self.random.fill_bytes(&mut nonce);
                self.nonce = Some((nonce, self.clock.milliseconds().saturating_add(NONCE_LIFE)));
                return Ok(Answer::Nonce { nonce });
            }
            Request::Install { objects } => self.install(objects)?,
            Request::SetTime { signed } => self.set_time(signed)?,
            Request::ListBegin { header } => {
                let taken = self.list_begin(header);
                return self.begun(taken);
            }
            Request::BlockBegin { header } => {
                let taken = self.block_begin(header, None);
                return self.begun(taken);
            }
            Request::BlockDelta { header, base } => {
                let taken = self.block_begin(header, Some(base));
                return self.begun(taken);
            }
            Request::ListLines { bytes } => match &mut self.loading {
                Loading::List(list) => list
                    .lines(bytes)
                    .inspect_err(|_| self.loading = Loading::Nothing)?,
                _ => return Err(Refusal::OutOfOrder),
            },
            Request::BlockEntries { bytes } => match &mut self.loading {
                Loading::Blocks(_, list) => {
                    list.entries(bytes)
                        .inspect_err(|_| self.loading = Loading::Nothing)?;
                }
                _ => return Err(Refusal::OutOfOrder),
            },
            Request::ListEnd => self.list_end()?,
            Request::BlockEnd => self.block_end()?,
            Request::Acknowledge { signed } => self.acknowledge(signed)?,
            Request::Operators { signed } => self.load_operators(signed)?,
            Request::Scripts { bytes } => self.load_scripts(bytes)?,
        }
        Ok(Answer::Done)
    }

    /// Told to a host of any version, so that it can say which side is older.
    fn hello(&self) -> Hello {
        let state = match (&self.keys, &self.credentials) {
            (_, Some(_)) => TerminalState::Provisioned,
            (Some(_), None) => TerminalState::KeysMade,
            (None, None) => TerminalState::Blank,
        };
        Hello {
            version: VERSION,
            name: self.keys.as_ref().map(|keys| keys.name.to_bytes()),
            state,
            test: self.image.test,
            firmware: self.image.firmware,
            journal_tail: self.log.as_ref().map_or(0, Log::tail_sequence),
            acknowledged: self.log.as_ref().map_or(0, Log::acknowledged),
            list_number: self.device.lists.number(),
            block_list_number: self.block_list.as_ref().map_or(0, |list| list.facts().number),
        }
    }

    /// Makes both key pairs. What belonged to older ones is forgotten, and it must have nothing to tell any more.
    #[inline(never)]
    fn make_keys<'p>(&mut self, name: [u8; 10], payload: &'p mut Payload) -> Result<Answer<'p>, Refusal> {
        let name = TerminalName::from_bytes(name).ok_or(Refusal::Malformed)?;
        let range = self.layout.journal.clone();
        let used = self.device.certificates.is_some();
        // Keys without certificates have an empty journal, however their making ended.
        if (used || self.keys.is_none()) && !Log::is_forgettable(self.flash, range.clone())? {
            return Err(Refusal::Unacknowledged);
        }
        // DESIGN: provisioning anew means a new key and a new name; two journals of one name would contradict.
        if used && self.keys.as_ref().is_some_and(|keys| keys.name == name) {
            return Err(Refusal::NotNewer);
        }
        self.keep_scripts(&[]).map_err(|_| Refusal::Storage)?;
        let keys = Keys {
            name,
            agreement: self.curve.generate(&mut self.random),
            journal: self.curve.generate(&mut self.random),
        };
        let stored = keys.to_stored();
        let time = self.newest_time().to_bytes();
        let floor = self.newest_block_list();
        let kept = Kept {
            keys: Some(&stored),
            trust_anchor: self.device.trust_anchor.as_ref(),
            time,
            block_list_floor: floor.as_ref(),
            ..Kept::default()
        };
        self.store.save(&kept).map_err(|_| Refusal::Storage)?;
        self.forget();
        self.device.forget(stored, time, floor);
        let keys = self.keys.insert(keys);
        Log::format(self.flash, range)?;
        let agreement = append_request(&self.curve, keys, 'A', payload)?;
        append_request(&self.curve, keys, 'J', payload)?;
        let (agreement, journal) = payload.split_at_checked(agreement).ok_or(Refusal::Storage)?;
        Ok(Answer::Requests { agreement, journal })
    }

    /// The newest block list that was in force, also one that the flash has lost.
    pub(crate) fn newest_block_list(&self) -> Option<BlockListFloor> {
        let header = self.device.block_list.as_ref().map(|in_force| &in_force.header);
        let Some(header) = header.and_then(|header| Signed::<BlockListHeader>::parse(header).ok()) else {
            return self.device.block_list_floor.clone();
        };
        let BlockListHeader { issuer, number, .. } = header.claimed();
        Some(BlockListFloor {
            issuer: Object::from_slice(issuer.as_str().as_bytes()).ok()?,
            number: *number,
        })
    }

    /// Number below which the issuer's block lists are old ones.
    fn block_list_floor(&self) -> u32 {
        let issuer = self.credentials.as_ref().and_then(Credentials::present_issuer);
        // DATA 4: the numbers go on under the issuer's next key.
        let is_same_issuer = |floor: &BlockListFloor| {
            let named = core::str::from_utf8(&floor.issuer).ok().and_then(Reference::new);
            issuer
                .zip(named)
                .is_some_and(|(issuer, named)| issuer.holder().mnemonic() == named.mnemonic())
        };
        self.newest_block_list()
            .filter(is_same_issuer)
            .map_or(0, |floor| floor.number)
    }

    fn forget(&mut self) {
        self.credentials = None;
        self.log = None;
        self.block_list = None;
        self.loading = Loading::Nothing;
        self.operator = None;
        self.last_handed.clear();
        self.shift = Shift::default();
        self.second = None;
        self.put_aside = 0;
        self.nonce = None;
    }

    /// Takes trust anchor and certificates, all of them verified, for the terminal's own name and keys. What it holds
    /// afterwards is kept in one piece, so a power cut leaves the certificates before or after.
    #[inline(never)]
    fn install(&mut self, objects: &[u8]) -> Result<(), Refusal> {
        let keys = self.keys.as_ref().ok_or(Refusal::OutOfOrder)?;
        let given = Installation::split(objects)?;
        let anchor = match (&self.device.trust_anchor, &given.anchor) {
            (Some(installed), Some(given)) if installed != given => return Err(Refusal::AnchorInstalled),
            (Some(anchor), _) | (None, Some(anchor)) => anchor,
            (None, None) => return Err(Refusal::OutOfOrder),
        };
        let newest = self.newest_time().date().max(given.newest_day());
        let is_expired = newest.is_some_and(|day| given.expired_before(day));
        // An open order is settled with its card, whose issuer may have ended since.
        let is_settled = self.log.as_ref().is_none_or(|log| log.open_intents().is_empty());
        let certificates = given.merge(self.device.certificates.as_ref(), newest, is_settled)?;
        let credentials = Credentials::verify(&self.curve, keys, self.image.test, anchor, &certificates)?;
        if is_expired {
            return Err(Refusal::Expired);
        }
        self.check_renewal(&credentials)?;
        self.check_journal()?;
        // A host sends what it has at each connection: what is here already wears no flash.
        if self.device.certificates.as_ref() != Some(&certificates) {
            let time = self.newest_time().to_bytes();
            let kept = Kept {
                trust_anchor: Some(anchor),
                certificates: Some(&certificates),
                time,
                ..self.device.kept()
            };
            self.store.save(&kept).map_err(|_| Refusal::Storage)?;
            if self.device.trust_anchor.is_none() {
                self.device.trust_anchor = given.anchor;
            }
            self.device.certificates = Some(certificates);
            self.device.time = time;
            self.loading = Loading::Nothing;
        }
        self.credentials = Some(credentials);
        self.start_journal()?;
        self.prompt();
        Ok(())
    }

    /// A terminal that begins has nothing in its journal.
    #[inline(never)]
    fn check_journal(&self) -> Result<(), Refusal> {
        if self.log.is_some() {
            return Ok(());
        }
        match self.open_fresh_journal()?.tail_sequence() {
            0 => Ok(()),
            _ => Err(Refusal::Unacknowledged),
        }
    }

    /// Its first entry is that of this start, if it is not there yet.
    #[inline(never)]
    fn start_journal(&mut self) -> Result<(), Refusal> {
        if self.log.is_none() {
            self.log = Some(self.open_fresh_journal()?);
        }
        let (Some(log), Some(keys)) = (&mut self.log, &self.keys) else {
            return Err(Refusal::OutOfOrder);
        };
        Ok(log.boot(&self.curve, keys, self.clock.stamp())?)
    }

    fn open_fresh_journal(&self) -> Result<Log<'f, F>, Refusal> {
        let keys = self.keys.as_ref().ok_or(Refusal::OutOfOrder)?;
        let range = self.layout.journal.clone();
        Ok(Log::open(self.flash, range, keys, self.image, |_, _, _| ())?)
    }

    /// Certificates are renewed forwards only, and in one province: only a terminal that has made new keys goes to another.
    fn check_renewal(&self, credentials: &Credentials) -> Result<(), Refusal> {
        let Some(installed) = &self.credentials else {
            return Ok(());
        };
        if credentials.precede(installed) {
            return Err(Refusal::NotNewer);
        }
        if !credentials.same_province(installed) {
            return Err(Refusal::NotForThisTerminal);
        }
        Ok(())
    }

    /// Sets the clock (DATA 7). The nonce is used up whatever comes of it.
    #[inline(never)]
    fn set_time(&mut self, signed: &[u8]) -> Result<(), Refusal> {
        let credentials = self.credentials.as_ref().ok_or(Refusal::OutOfOrder)?;
        let now = self.clock.milliseconds();
        let nonce = self.nonce.take().filter(|(_, until)| now <= *until);
        let (nonce, _) = nonce.ok_or(Refusal::TimeNotAccepted)?;
        let statement =
            credentials.verify_issued::<TimeStatement>(&self.curve, signed, |statement| statement.issuer)?;
        if self.keys.as_ref().map(|keys| keys.name) != Some(statement.terminal) {
            return Err(Refusal::NotForThisTerminal);
        }
        if statement.nonce != nonce || statement.time.date().is_none() || statement.time < self.newest_time()
        {
            return Err(Refusal::TimeNotAccepted);
        }
        let before = self.clock.stamp().time;
        let kept = self.clock.clone();
        self.clock.set(statement.time, ClockSource::Host);
        self.record(Event::ClockSet { before })
            .inspect_err(|_| self.clock = kept)?;
        self.prompt();
        Ok(())
    }

    /// `taken`: lines, entries or changes that came in before. A refused beginning drops them.
    fn begun(&mut self, taken: Result<u32, Refusal>) -> Result<Answer<'static>, Refusal> {
        match taken {
            Ok(0) => Ok(Answer::Done),
            Ok(count) => Ok(Answer::Taken { count }),
            Err(refusal) => {
                self.loading = Loading::Nothing;
                Err(refusal)
            }
        }
    }

    /// Begins a list, or goes on with it: a header under way is checked like any other. Gives the lines that it has.
    #[inline(never)]
    fn list_begin(&mut self, header: &[u8]) -> Result<u32, Refusal> {
        let credentials = self.credentials.as_ref().ok_or(Refusal::OutOfOrder)?;
        let header =
            credentials.verify_issued::<ListHeader<'_>>(&self.curve, header, |header| header.issuer)?;
        if self.keys.as_ref().map(|keys| keys.name) != Some(header.terminal) {
            return Err(Refusal::NotForThisTerminal);
        }
        let held = &self.device.lists;
        if header.number <= held.number() {
            return Err(Refusal::NotNewer);
        }
        // The whole set that a header names is in force at once, or the list is not.
        if !header.kept().all(|kept| held.has(kept)) {
            return Err(Refusal::KeepsOther);
        }
        if let Loading::List(list) = &self.loading
            && list.is_of(&header)
        {
            return Ok(list.taken());
        }
        let place = held.free_place().ok_or(Refusal::Storage)?;
        let range = self
            .layout
            .lists
            .get(usize::from(place))
            .ok_or(Refusal::Storage)?;
        let area = Area::new(self.flash, range.clone());
        self.loading = Loading::List(ListLoading::begin(area, place, &header)?);
        Ok(0)
    }

    /// Puts the list in force, and with it ends those that it does not keep: in the device's state first, so that the entry
    /// always names what is paid from.
    #[inline(never)]
    fn list_end(&mut self) -> Result<(), Refusal> {
        self.demand_synced()?;
        let Loading::List(loading) = core::mem::replace(&mut self.loading, Loading::Nothing) else {
            return Err(Refusal::OutOfOrder);
        };
        let (list, keeps) = loading.finish()?;
        self.carry_by_hand(&list).map_err(|_| Refusal::Storage)?;
        let entry = self.next_entry()?;
        let mut lists = self.device.lists.clone();
        lists.put(list, &keeps, entry);
        let kept = Kept {
            lists: &lists,
            ..self.device.kept()
        };
        self.store.save(&kept).map_err(|_| Refusal::Storage)?;
        self.device.lists = lists;
        self.declined.clear();
        self.record_in_force(list_loaded(&list.facts))?;
        self.prompt();
        Ok(())
    }

    /// No card guards a line that is paid by hand. So what was paid must be in the ledger before a list counts that may have its line
    /// again (DATA 3.4). The list on its way stays, and can be put in force after the host has acknowledged.
    fn demand_synced(&self) -> Result<(), Refusal> {
        let next_allows = matches!(&self.loading, Loading::List(list) if list.pays_by_hand());
        let allows = next_allows || self.lists().any(|list| list.facts().by_hand_up_to > 0);
        if allows && self.log.as_ref().is_some_and(Log::has_unsynced_payment) {
            return Err(Refusal::Unacknowledged);
        }
        Ok(())
    }

    /// Begins a block list, or goes on with it, as [`Self::list_begin`]. `base`: hash of the list in force, to which changes follow;
    /// without one all entries follow.
    fn block_begin(&mut self, header: &[u8], base: Option<Digest>) -> Result<u32, Refusal> {
        let credentials = self.credentials.as_ref().ok_or(Refusal::OutOfOrder)?;
        let header =
            credentials.verify_issued::<BlockListHeader>(&self.curve, header, |header| header.issuer)?;
        let present = self.block_list.as_ref().map(|list| list.facts().number);
        if present.is_some_and(|present| header.number <= present) || header.number < self.block_list_floor()
        {
            return Err(Refusal::NotNewer);
        }
        // One of the future would stay fresh for too long, and time would not be accepted before it.
        let now = self.clock.stamp().time;
        if now == Time::UNSET {
            return Err(Refusal::OutOfOrder);
        }
        if header.issued > now {
            return Err(Refusal::TimeNotAccepted);
        }
        let in_force = |base| self.block_list.as_ref().filter(|list| list.facts().hash == base);
        let base = base
            .map(|base| in_force(base).cloned().ok_or(Refusal::OtherBase))
            .transpose()?;
        if let Loading::Blocks(_, list) = &self.loading
            && list.is_of(&header, base.as_ref())
        {
            return Ok(list.taken());
        }
        if base.as_ref().is_some_and(|list| !list.is_whole()) {
            self.lose_block_list();
            return Err(Refusal::OtherBase);
        }
        let place = free_place(self.device.block_list.as_ref());
        let mut key = TagKey::default();
        self.random.fill_bytes(&mut key);
        let loading = BlockLoading::begin(self.block_list_area(place), &header, base, key)?;
        self.loading = Loading::Blocks(place, loading);
        Ok(0)
    }

    #[inline(never)]
    fn block_end(&mut self) -> Result<(), Refusal> {
        let Loading::Blocks(place, loading) = core::mem::replace(&mut self.loading, Loading::Nothing) else {
            return Err(Refusal::OutOfOrder);
        };
        let (header, list) = loading.finish()?;
        let in_force = InForce {
            place,
            header,
            entry: self.next_entry()?,
        };
        let kept = Kept {
            block_list: Some(&in_force),
            block_list_key: list.key(),
            ..self.device.kept()
        };
        self.store.save(&kept).map_err(|_| Refusal::Storage)?;
        self.device.block_list = Some(in_force);
        self.device.block_list_key = list.key();
        let event = block_list_loaded(&list);
        self.block_list = Some(list);
        self.record_in_force(event)?;
        self.prompt();
        Ok(())
    }

    /// Sequence number of the next entry. This start's Boot entry is written before, so that it stays the next.
    pub(crate) fn next_entry(&mut self) -> Result<u32, Refusal> {
        let (Some(log), Some(keys)) = (&mut self.log, &self.keys) else {
            return Err(Refusal::OutOfOrder);
        };
        log.boot(&self.curve, keys, self.clock.stamp())?;
        if !log.has_room()? {
            return Err(Refusal::JournalFull);
        }
        log.next_sequence().ok_or(Refusal::JournalFull)
    }

    /// Lets go of entries that the host holds (DATA 6).
    #[inline(never)]
    fn acknowledge(&mut self, signed: &[u8]) -> Result<(), Refusal> {
        let credentials = self.credentials.as_ref().ok_or(Refusal::OutOfOrder)?;
        let acknowledgement =
            credentials.verify_issued::<Acknowledgement>(&self.curve, signed, |body| body.issuer)?;
        let (Some(log), Some(keys)) = (&mut self.log, &self.keys) else {
            return Err(Refusal::OutOfOrder);
        };
        let acknowledged = log.check(keys, &acknowledgement)?;
        // The entries' times go with them at the next start; the newest one is kept.
        let time = self.newest_time().to_bytes();
        if time != self.device.time {
            self.device.time = time;
            self.store
                .save(&self.device.kept())
                .map_err(|_| Refusal::Storage)?;
        }
        let stamp = self.clock.stamp();
        let (Some(log), Some(keys)) = (&mut self.log, &self.keys) else {
            return Err(Refusal::OutOfOrder);
        };
        Ok(log.release(&self.curve, keys, stamp, &acknowledged)?)
    }
}

/// Appends a request signed by its own key; returns where it ends.
fn append_request(
    curve: &impl Curve,
    keys: &Keys,
    purpose: char,
    payload: &mut Payload,
) -> Result<usize, Refusal> {
    let key = if purpose == 'A' {
        &keys.agreement
    } else {
        &keys.journal
    };
    let body = request(keys.name, purpose, key.public_key()).ok_or(Refusal::Malformed)?;
    let mut buffer = [0; 512];
    let encoding = sign(&body, &Signer { curve, key }, &mut buffer).map_err(|_| Refusal::Storage)?;
    payload
        .extend_from_slice(encoding)
        .map_err(|_| Refusal::Storage)?;
    Ok(payload.len())
}

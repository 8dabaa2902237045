//! A card that lives on while the power is cut around it: it pays, is reversed, changed and blocked, months go by.

#![allow(unreachable_pub, reason = "a module of one test")]

use std::rc::Rc;

use card_spec::certificate::Role;
use card_spec::command::CardStatus;
use card_spec::crypto::Signature;
use card_spec::cso::{Caps, CardSecurityObject, HolderCheckPolicy};
use card_spec::list::BlockReason;
use card_spec::payment::{ClockSource, HolderCheckMethod, Order};
use card_spec::reversal::Reversal;
use card_spec::script::{Action, IssuerScript};
use card_spec::signed::Signed;
use card_spec::values::{Amount, Ascii, CardNumber, Date, Period, Time};
use rand_core::Rng as _;
use reference_applet::Slot;
use reference_applet::memory::PAID_ROWS;

use crate::bench::{Bench, Image, image_of};
use crate::common::issuer::{
    CertificatePlan, Objects, Office, Plan, ROOT, cso, objects, plan, secret, signed,
};
use crate::common::scripts::{TestBlockList, from_issuer, order_hash, reversal_bytes, script};
use crate::common::terminal::{Terminal, bytes, line, present};
use crate::common::{Outcome, SELECT, TestRandom, blank_card, date, plain};
use crate::lab::{Lab, Script, Step, pin_step, step};
use crate::meaning::Questions;

const CAP: u64 = 12_000_000;
/// What every order pays.
const AMOUNT: u64 = 1_000;
/// STORE DATA blocks of what personalization loads.
const BLOCKS: usize = 7;

fn office() -> Office {
    Office::new()
}

/// An order cap as high as a month's, so that an amount finds out the month's total; tries for every cut and question.
fn rich_plan() -> Plan {
    let amount = |vnd| Amount::new(vnd).unwrap();
    Plan {
        caps: Caps {
            order: amount(CAP),
            month: amount(CAP),
            order_without_pin: amount(CAP),
        },
        policy: HolderCheckPolicy {
            pin_tries: 8,
            ..plan().policy
        },
        ..plan()
    }
}

/// The terminal with the certificate of this month, counted from November 2026.
fn terminal_of(month: u16) -> Rc<Terminal> {
    let office = office();
    let dates = (day(month, 1), day(month, 28));
    let plan = CertificatePlan {
        dates,
        ..office.terminal_plan()
    };
    Rc::new(Terminal::with(&office, &plan))
}

/// The first month that the terminal CA's certificate does not cover.
const LAST_MONTH: u16 = 61;

fn day(month: u16, day: u8) -> Date {
    let (year, month) = year_and_month(i32::from(month));
    date(year, month, day)
}

fn year_and_month(month: i32) -> (u16, u8) {
    let months = 2026 * 12 + 10 + month;
    ((months / 12) as u16, (months % 12) as u8 + 1)
}

fn period(month: i32) -> Period {
    let (year, month) = year_and_month(month);
    Period::new(year, month).unwrap()
}

pub struct World {
    pub image: Image,
    random: TestRandom,
    terminal: Rc<Terminal>,
    /// From November 2026.
    month: u16,
    /// What was paid this month.
    total: u64,
    /// From November 2026: the first month that may be paid.
    floor: i32,
    pin: [u8; 6],
    cso: CardSecurityObject,
    cso_hash: [u8; 32],
    /// The newest receipt is this payment's.
    newest: Option<Order<'static>>,
    /// The latest payments that stand.
    paid: Vec<Order<'static>>,
    nonce: u64,
}

/// How full a card is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fullness {
    pub receipts: u32,
    pub rows: usize,
}

impl Fullness {
    /// The fuller of both in each respect.
    pub fn or(self, other: Self) -> Self {
        Self {
            receipts: self.receipts.max(other.receipts),
            rows: self.rows.max(other.rows),
        }
    }
}

impl World {
    /// A card that was just activated; it takes the sessions of the lab.
    pub fn new(seed: u64, lab: &mut Lab) -> Self {
        let image = lab.undisturbed(&issue(), &image_of(&blank_card()));
        let terminal = terminal_of(0);
        lab.use_terminal(&image, &terminal);
        let cso = lab.examiner.cso.unwrap();
        let mut world = Self {
            image,
            random: TestRandom(seed << 20),
            terminal,
            month: 0,
            total: 0,
            floor: -36,
            pin: rich_plan().pin,
            cso,
            cso_hash: [0; 32],
            newest: None,
            paid: Vec::new(),
            nonce: 0,
        };
        world.cso_hash = world.status().cso_hash.unwrap();
        world
    }

    pub fn lab(seed: u64) -> (Lab, Self) {
        let mut lab = Lab::new(&image_of(&blank_card()), &terminal_of(0));
        let world = Self::new(seed, &mut lab);
        (lab, world)
    }

    pub fn is_over(&self) -> bool {
        self.month + 2 > LAST_MONTH
    }

    fn status(&self) -> CardStatus {
        Bench::power_on(&self.image, &self.terminal).status().unwrap()
    }

    pub fn fullness(&self) -> Fullness {
        let rows = (0..PAID_ROWS).map(|row| usize::from(Slot::PaidRow(row).index()));
        Fullness {
            receipts: self.status().counter,
            rows: rows.filter(|row| !self.image[*row].is_empty()).count(),
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random.next_u32() % bound
    }

    fn fresh_nonce(&mut self) -> [u8; 16] {
        self.nonce += 1;
        u128::from(self.nonce).to_be_bytes()
    }

    fn time(&self) -> Time {
        Time::new(day(self.month, 10), 9, 30, 0).unwrap()
    }

    fn order(&mut self, entitlement: u16, month: i32) -> Order<'static> {
        Order {
            terminal: self.terminal.name,
            sequence: 1,
            log_head: [9; 32],
            list_root: [8; 32],
            cso_hash: self.cso_hash,
            line_number: 1,
            line_key: line(rich_plan().person, b"DXUA", entitlement, year_and_month(month)),
            amount: Amount::new(AMOUNT).unwrap(),
            recipient: card_spec::payment::Recipient::Holder,
            method: HolderCheckMethod::Pin,
            operator: Ascii::new("op-01").unwrap(),
            second_operator: None,
            time: self.time(),
            clock: ClockSource::Host,
            nonce: self.fresh_nonce(),
        }
    }

    /// An order that the card executes: mostly a new line, at times a further month of a known one.
    fn payable(&mut self, lab: &mut Lab) -> Order<'static> {
        loop {
            let entitlement = self.below(50) as u16;
            let month = i32::from(self.month) + 3 - self.below(40) as i32;
            let order = self.order(entitlement, month.max(self.floor));
            if self.pays(lab, &order).is_some() {
                return order;
            }
            if self.below(100) == 0 {
                self.prune_undisturbed();
            }
        }
    }

    /// The memory after this order, if the card executes it.
    fn pays(&self, lab: &mut Lab, order: &Order<'_>) -> Option<Image> {
        let bench = lab.in_open_session(&self.image);
        assert_eq!(bench.verify(self.pin).unwrap(), 0x9000);
        bench.till_sends(DISBURSE, &bytes(order)).ok()?;
        Some(image_of(&bench.card))
    }

    fn prune_undisturbed(&mut self) {
        let floor = i32::from(self.month) - 1;
        let script = self.script(Action::Prune(period(floor)));
        let mut bench = Bench::power_on(&self.image, &self.terminal);
        bench.execute(&script).unwrap();
        (self.image, self.floor, self.newest) = (image_of(&bench.card), floor, None);
    }

    /// So many payments with the power on.
    pub fn age(&mut self, lab: &mut Lab, payments: u32) {
        for _ in 0..payments {
            let order = self.payable(lab);
            self.image = self.pays(lab, &order).unwrap();
            self.has_paid(order);
        }
    }

    /// What to ask a memory for: lines paid and unpaid, the edges of the window, the month's total, the order itself.
    fn questions(&mut self, order: Option<&Order<'static>>) -> Questions {
        let now = i32::from(self.month);
        let mut orders: Vec<Order<'static>> = Vec::new();
        for month in [now - 36, now - 1, now, now + 3, now + 4, self.floor] {
            let unpaid = self.order(999, month);
            orders.push(with_amount(unpaid, CAP + 1));
        }
        for total in [self.total.saturating_sub(AMOUNT), self.total, self.total + AMOUNT] {
            let left = CAP - total;
            let unpaid = self.order(999, now);
            orders.extend([with_amount(unpaid, left), with_amount(unpaid, left + 1)]);
        }
        for order in order.into_iter().chain(&self.newest.clone()) {
            let nonce = [0xEE; 16];
            orders.extend([*order, with_amount(Order { nonce, ..*order }, CAP + 1)]);
        }
        let again = |order: &Order<'static>| Order {
            cso_hash: self.cso_hash,
            nonce: [0xDD; 16],
            time: self.time(),
            ..with_amount(*order, CAP + 1)
        };
        Questions {
            orders: orders.iter().map(bytes).collect(),
            paid: self.paid.iter().map(|order| bytes(&again(order))).collect(),
            ..Questions::default()
        }
    }

    fn script(&self, action: Action) -> Vec<u8> {
        from_issuer(&IssuerScript {
            issued: self.time(),
            ..script(self.status().counter, action)
        })
    }

    fn execute(&mut self, lab: &mut Lab, name: &'static str, action: Action) -> Image {
        let script = self.script(action);
        let questions = self.questions(None);
        let steps = vec![step(move |bench| bench.execute(&script))];
        lab.cut(&by_issuer(name, steps), &self.image, &questions)
    }

    // The scripts.

    pub fn pay(&mut self, lab: &mut Lab) {
        let order = self.payable(lab);
        let questions = self.questions(Some(&order));
        let steps = vec![right_pin(self.pin), send(DISBURSE, bytes(&order))];
        self.image = lab.cut(&at_terminal("payment", steps), &self.image, &questions);
        self.has_paid(order);
    }

    fn has_paid(&mut self, order: Order<'static>) {
        self.total += AMOUNT;
        self.newest = Some(order);
        self.paid.push(order);
        if self.paid.len() > 6 {
            self.paid.remove(0);
        }
    }

    pub fn reverse(&mut self, lab: &mut Lab) {
        self.age(lab, 1);
        let order = self.newest.take().unwrap();
        self.paid.pop();
        let reversal = reversal_bytes(&Reversal {
            terminal: order.terminal,
            sequence: 2,
            log_head: [7; 32],
            order_hash: order_hash(&order),
            cso_hash: self.cso_hash,
            method: HolderCheckMethod::Pin,
            operator: order.operator,
            second_operator: None,
            time: self.time(),
            clock: ClockSource::Host,
            nonce: self.fresh_nonce(),
        });
        let questions = self.questions(Some(&order));
        let steps = vec![right_pin(self.pin), send(REVERSE, reversal)];
        self.image = lab.cut(&at_terminal("reversal", steps), &self.image, &questions);
        self.total -= AMOUNT;
    }

    /// The nine actions of SPEC 13.1, but for the update and for the PIN that script 02 permits.
    pub fn be_scripted(&mut self, lab: &mut Lab) {
        self.newest = None;
        self.image = self.execute(lab, "script 01: fill the tries", Action::FillPinTries);
        let active = self.image.clone();
        let blocked = self.execute(lab, "script 03: block", Action::Block(BlockReason::Lost));
        self.image = blocked;
        self.execute(lab, "script 05: terminate a blocked card", terminate());
        self.image = self.execute(lab, "script 04: unblock", Action::Unblock(0));
        self.execute(lab, "script 05: terminate", terminate());
        assert!(self.image != active);
        let set_back = Action::SetDate(day(self.month.saturating_sub(2), 1));
        self.execute(lab, "script 08: set the date", set_back);
        if self.floor < i32::from(self.month) - 20 {
            self.floor = i32::from(self.month) - 20;
            self.image = self.execute(lab, "script 07: prune", Action::Prune(period(self.floor)));
        }
        self.age(lab, 1);
        let order = self.newest.unwrap();
        self.paid.pop();
        self.image = self.execute(lab, "script 09: reverse", Action::Reverse(order_hash(&order)));
        (self.total, self.newest) = (self.total - AMOUNT, None);
    }

    pub fn be_updated(&mut self, lab: &mut Lab, portrait: usize) {
        let office = office();
        let keys = card_spec::command::GeneratedKeys {
            agreement_key: self.cso.agreement_key,
            signing_key: self.cso.signing_key,
            signature: Signature([0; 64]),
            confirmation: [0; 16],
        };
        let plan = Plan {
            portrait: Some(vec![0xFF; portrait]),
            ..rich_plan()
        };
        let mut update: Objects = objects(&office, &plan, &keys);
        let body = CardSecurityObject {
            version: self.cso.version + 1,
            ..cso(&plan, update.digests(), &keys)
        };
        update.cso = signed(&body, &office.issuer);
        let hash = Signed::<CardSecurityObject>::parse(&update.cso).unwrap().hash();
        let data = Rc::new(update.concatenated());
        let script = self.script(Action::PutInForce(hash));
        let block = |number| {
            let data = data.clone();
            step(move |bench: &mut Bench| bench.update_block(&data, hash, number))
        };
        let mut steps: Vec<Step> = (0..data.len().div_ceil(223)).map(block).collect();
        steps.push(step(move |bench| bench.execute(&script)));
        let questions = self.questions(None);
        self.image = lab.cut(&by_issuer("update and script 06", steps), &self.image, &questions);
        (self.cso, self.cso_hash, self.newest) = (body, hash, None);
    }

    pub fn be_blocked_by_a_list(&mut self, lab: &mut Lab) {
        let cards = [3, 1, 9].map(|serial| CardNumber::new(79, serial).unwrap());
        let list = TestBlockList::new(1, &cards);
        let (header, entry) = (list.signed(&office().issuer), list.proof(1));
        let block = step(move |bench| {
            // The answer was lost, and the card says that it is blocked.
            if is_blocked(bench)? {
                return Ok(());
            }
            bench.till_sends([0x80, 0x04, 0x00, 0x00], &header)?;
            bench.till_sends([0x80, 0x04, 0x01, 0x00], &entry).map(drop)
        });
        let questions = self.questions(None);
        lab.cut(&at_terminal("block list", vec![block]), &self.image, &questions);
    }

    pub fn have_pins(&mut self, lab: &mut Lab) {
        let (old, new) = (self.pin, self.other_pin());
        let questions = Questions {
            pins: vec![old, new],
            ..self.questions(None)
        };
        // A try was used up, so that a right PIN changes something.
        let active = self.image.clone();
        self.image = lab.cut(&wrong_pin(*b"000000"), &self.image, &questions);
        let right = at_terminal("VERIFY, right PIN", vec![right_pin(old)]);
        self.image = lab.cut(&right, &self.image, &questions);
        assert!(self.image == active);

        let change = pin_step(move |bench| bench.change_pin(old, new));
        self.image = lab.cut(
            &at_terminal("PIN changed by the holder", vec![change]),
            &self.image,
            &questions,
        );
        let (old, new) = (new, self.other_pin());
        let questions = Questions {
            pins: vec![old, new],
            ..self.questions(None)
        };
        let script = self.script(Action::PermitNewPin);
        let steps = vec![
            step(move |bench| bench.execute(&script)),
            step(move |bench| bench.set_pin(new)),
        ];
        self.image = lab.cut(
            &by_issuer("script 02 and the new PIN", steps),
            &self.image,
            &questions,
        );
        (self.pin, self.newest) = (new, None);
    }

    fn other_pin(&mut self) -> [u8; 6] {
        let digits = format!("{:06}", self.below(900_000) + 1);
        digits.into_bytes().try_into().unwrap()
    }

    pub fn have_new_keys(&mut self, lab: &mut Lab) {
        let version = self.status().key_version + 1;
        let steps = vec![step(move |bench| bench.put_key(version))];
        let questions = self.questions(None);
        self.image = lab.cut(&by_issuer("PUT KEY", steps), &self.image, &questions);
    }

    pub fn be_handed_on(&mut self, lab: &mut Lab) {
        let office = office();
        let next = secret(12);
        let link = CertificatePlan {
            authority: ROOT,
            holder: "VNROOT00002",
            role: Role::Root,
            dates: (date(2026, 6, 1), date(2066, 12, 31)),
            ..office.issuer_plan()
        };
        let link = link.sign(&office.root, next.public_key());
        let authority = CertificatePlan {
            authority: "VNROOT00002",
            dates: (date(2026, 6, 1), date(2031, 12, 31)),
            ..office.terminal_ca_plan()
        };
        let questions = Questions {
            authority: Some(authority.sign(&next, office.terminal_ca.public_key())),
            ..self.questions(None)
        };
        let steps = vec![step(move |bench| {
            plain(&mut bench.card, &SELECT)?;
            present(&mut bench.card, 0x90, &link)
        })];
        lab.cut(&by_issuer("link certificate", steps), &self.image, &questions);
    }

    /// The terminal comes with the next month's certificate: the remembered date moves.
    pub fn meet_next_month(&mut self, lab: &mut Lab) {
        self.month += 1;
        let before = self.image.clone();
        self.terminal = terminal_of(self.month);
        lab.use_terminal(&before, &self.terminal);
        let questions = self.questions(None);
        let steps = vec![step(|bench| bench.till().map(drop))];
        self.image = lab.cut(
            &by_issuer("first C-MAC of a later certificate", steps),
            &before,
            &questions,
        );
        (self.total, self.newest) = (0, None);
    }

    /// From a blank card to an active one, all in one.
    pub fn be_issued(lab: &mut Lab) {
        lab.cut(&issue(), &image_of(&blank_card()), &Questions::default());
    }
}

const DISBURSE: [u8; 4] = [0x80, 0x54, 0x00, 0x00];
const REVERSE: [u8; 4] = [0x80, 0x56, 0x00, 0x00];

fn terminate() -> Action {
    Action::Terminate(BlockReason::HolderDeceased)
}

fn with_amount(order: Order<'static>, vnd: u64) -> Order<'static> {
    Order {
        amount: Amount::new(vnd).unwrap(),
        ..order
    }
}

fn issue() -> Script {
    let plan = Rc::new(rich_plan());
    let of_plan = |run: fn(&mut Bench, &Plan) -> Outcome<()>| {
        let plan = plan.clone();
        step(move |bench| run(bench, &plan))
    };
    let mut steps = vec![step(|bench| bench.put_key(2)), of_plan(Bench::key_pairs)];
    steps.extend((0..BLOCKS).map(|number| {
        let plan = plan.clone();
        step(move |bench: &mut Bench| bench.store_block(&office(), &plan, number))
    }));
    steps.push(of_plan(|bench, plan| bench.first_pin(plan.pin)));
    steps.push(step(Bench::activate));
    by_issuer("issue: from blank to active", steps)
}

/// VERIFY with the right PIN.
fn right_pin(pin: [u8; 6]) -> Step {
    pin_step(move |bench| {
        let status = bench.verify(pin)?;
        assert_eq!(status, 0x9000);
        Ok(())
    })
}

fn wrong_pin(pin: [u8; 6]) -> Script {
    let wrong = pin_step(move |bench| {
        let status = bench.verify(pin)?;
        assert_eq!(status & 0xFFF0, 0x63C0);
        Ok(())
    });
    Script {
        always_costs_try: true,
        ..at_terminal("VERIFY, wrong PIN", vec![wrong])
    }
}

/// A command of the terminal that answers `9000` however often it comes.
fn send(header: [u8; 4], data: Vec<u8>) -> Step {
    step(move |bench| bench.till_sends(header, &data).map(drop))
}

fn is_blocked(bench: &mut Bench) -> Outcome<bool> {
    let (session, card) = bench.till()?;
    let status = session.secure.done(card, [0x80, 0xCA, 0xFF, 0x3F], &[])?;
    Ok(status.windows(3).any(|bytes| bytes == [0x8A, 0x01, 0x04]))
}

fn by_issuer(name: &'static str, steps: Vec<Step>) -> Script {
    Script {
        name,
        steps,
        always_costs_try: false,
        in_open_session: false,
    }
}

fn at_terminal(name: &'static str, steps: Vec<Step>) -> Script {
    Script {
        in_open_session: true,
        ..by_issuer(name, steps)
    }
}

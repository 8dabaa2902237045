//! A session at a pay point, ready to disburse.

use card_spec::payment::Order;
use card_spec::values::{Amount, Time};

use super::issuer::{Office, Plan, active_card, plan};
use super::terminal::{Decision, Session, Terminal, receipt};
use super::{Card, Outcome, date};

/// A terminal session with a verified PIN, and what the tests do in it.
pub struct Till {
    pub card: Card,
    pub session: Session,
    pub plan: Plan,
}

impl Till {
    pub fn with(plan: Plan) -> Self {
        let office = Office::new();
        let mut card = active_card(&office, &plan);
        let mut session = Terminal::new(&office).open(&mut card).unwrap();
        assert_eq!(
            session.verify(
                &mut card,
                &plan.pin,
                plan.policy.orders_per_verify,
                900_000_000_000
            ),
            0x9000
        );
        Self { card, session, plan }
    }

    pub fn new() -> Self {
        Self::with(plan())
    }

    pub fn order(&self) -> Order<'static> {
        self.session.order((2026, 11), 1_000_000, 1)
    }

    pub fn disburse(&mut self, order: &Order<'_>) -> Outcome<Decision> {
        self.session.disburse(&mut self.card, order)
    }

    /// The order is refused with this status word, protected and without data, and nothing persistent changed.
    pub fn refuses(&mut self, status: u16, order: &Order<'_>) {
        let before = self.card.memory().slots.clone();
        assert_eq!(self.disburse(order), Ok((status, Vec::new())));
        assert!(self.card.memory().slots == before, "a refusal wrote");
    }

    pub fn pays(&mut self, order: &Order<'_>) -> Vec<u8> {
        let (status, object) = self.disburse(order).unwrap();
        assert_eq!(status, 0x9000);
        receipt(&self.session.cso, &object);
        object
    }
}

pub fn amount(vnd: u64) -> Amount {
    Amount::new(vnd).unwrap()
}

pub fn at(year: u16, month: u8, day: u8) -> Time {
    Time::new(date(year, month, day), 12, 0, 0).unwrap()
}

//! The power goes at every single write, before and after it. The flow goes on where it stopped, and nothing is lost,
//! doubled or half done (SPEC 6.12, 9.3).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has done its work"
)]

mod common;

use card_spec::command::LifeCycle;
use card_spec::payment::Order;
use common::issuer::{IssuerHost, Office, Plan, active_card, objects, personalize, plan};
use common::terminal::{Session, Terminal, receipt};
use common::{Card, Cut, Failure, blank_card, cut_at};

const SIDES: [Cut; 2] = [Cut::Before, Cut::After];

/// Runs `flow` on clones of a card with the power cut at write 0, 1, 2 … on both sides, hands each survivor to `after`,
/// and returns how many writes the flow has.
fn cut_everywhere(
    make: impl Fn() -> Card,
    flow: impl Fn(&mut Card) -> Result<(), Failure>,
    after: impl Fn(&mut Card),
) -> u32 {
    for write in 0.. {
        for side in SIDES {
            let mut card = make();
            cut_at(&mut card, Some((write, side)));
            let outcome = flow(&mut card);
            if card.memory().writes <= write {
                outcome.unwrap();
                return write;
            }
            assert_eq!(outcome, Err(Failure::Gone), "write {write}, {side:?}");
            assert!(
                card.transmit(&common::SELECT).is_empty(),
                "a chip without power answered"
            );
            cut_at(&mut card, None);
            card.reset();
            after(&mut card);
        }
    }
    unreachable!()
}

#[test]
fn personalization_survives_every_cut() {
    let (office, plan) = (Office::new(), plan());
    let writes = cut_everywhere(
        blank_card,
        |card| personalize(card, &office, &plan),
        |card| {
            // Before or after, never between: the card either pays already or takes up where it stopped.
            let mut host = IssuerHost::open(card).unwrap();
            let status = host.card_status(card).unwrap();
            let blank = host.key_version == 1;
            assert_eq!(status.life_cycle == LifeCycle::Blank, blank);
            personalize(card, &office, &plan).unwrap();
            pays_a_month(card, &office, &plan);
        },
    );
    // Keys, key pairs, the start of loading, 7 blocks in 6 slots, the keys kept, the index, the PIN, the ledger.
    println!("personalization: {writes} writes, {} cuts", writes * 2);
    assert!(writes > 12, "only {writes} writes were cut");
}

#[test]
fn loading_anew_survives_every_cut() {
    let (office, plan) = (Office::new(), plan());
    let load = |card: &mut Card, plan: &Plan| {
        let mut host = IssuerHost::open(card)?;
        let keys = host.key_pairs(card, 1, plan.number)?;
        host.store(card, &objects(&office, plan, &keys).concatenated(), 223)
    };
    let other = Plan {
        person: [0xAA; 16],
        ..plan.clone()
    };
    let hash_of = |plan: &Plan| {
        let mut card = card_with_data(&office, plan);
        let mut host = IssuerHost::open(&mut card).unwrap();
        host.card_status(&mut card).unwrap().cso_hash
    };
    let (old, new) = (hash_of(&plan), hash_of(&other));
    assert!(old != new && old.is_some());
    let writes = cut_everywhere(
        || card_with_data(&office, &plan),
        |card| load(card, &other),
        |card| {
            // Old and new never mix: one of them, or neither.
            let mut host = IssuerHost::open(card).unwrap();
            let hash = host.card_status(card).unwrap().cso_hash;
            assert!(hash.is_none() || hash == old || hash == new);
            let activated = host.activate(card).is_ok();
            assert_eq!(activated, hash.is_some());
        },
    );
    println!("loading anew: {writes} writes, {} cuts", writes * 2);
    assert!(writes > 8, "only {writes} writes were cut");
}

/// A card with everything but ACTIVATE.
fn card_with_data(office: &Office, plan: &Plan) -> Card {
    let mut card = blank_card();
    let mut host = IssuerHost::open(&mut card).unwrap();
    host.put_key(&mut card).unwrap();
    let keys = host.key_pairs(&mut card, 0, plan.number).unwrap();
    host.store(&mut card, &objects(office, plan, &keys).concatenated(), 223)
        .unwrap();
    host.set_pin(&mut card, &plan.pin).unwrap();
    card
}

fn pays_a_month(card: &mut Card, office: &Office, plan: &Plan) {
    let mut session = open_and_verify(card, office, plan);
    let order = session.order((2026, 11), 500_000, 1);
    let (status, _) = session.disburse(card, &order).unwrap();
    assert_eq!(status, 0x9000);
}

fn open_and_verify(card: &mut Card, office: &Office, plan: &Plan) -> Session {
    let mut session = Terminal::new(office).open(card).unwrap();
    assert_eq!(session.verify(card, &plan.pin, 5, 5_000_000), 0x9000);
    session
}

/// A card that has paid a first month and holds a PIN with all tries.
fn card_that_paid(office: &Office, plan: &Plan) -> Card {
    let mut card = active_card(office, plan);
    pays_a_month(&mut card, office, plan);
    card
}

#[test]
fn payment_survives_every_cut() {
    let (office, plan) = (Office::new(), plan());
    let terminal = Terminal::new(&office);
    let order_of = |session: &Session| -> Order<'static> { session.order((2026, 10), 700_000, 2) };
    let writes = cut_everywhere(
        || card_that_paid(&office, &plan),
        |card| {
            let mut session = terminal.open(card)?;
            // The PIN is right, so a status here can only be missing because the chip died.
            let verified = verify(card, &mut session, &plan)?;
            assert_eq!(verified, 0x9000);
            let order = order_of(&session);
            let (status, _) = session.disburse(card, &order)?;
            assert_eq!(status, 0x9000);
            Ok(())
        },
        |card| {
            let head_before = head(card);
            let mut session = open_and_verify(card, &office, &plan);
            let order = order_of(&session);
            let (status, object) = session.disburse(card, &order).unwrap();
            assert_eq!(status, 0x9000);
            let (body, hash) = receipt(&session.cso, &object);
            assert_eq!(body.counter, 2, "the order was paid once");
            let (counter, stored) = head(card);
            assert_eq!((counter, stored), (2, hash), "the head is this receipt");
            assert!(
                head_before.0 == 2 || head_before.1 == body.previous,
                "the chain holds"
            );
            // Both lines stay paid, and the third links to the second.
            let mut session = open_and_verify(card, &office, &plan);
            for period in [(2026, 11), (2026, 10)] {
                let other = session.order(period, 1, 9);
                assert_eq!(session.disburse(card, &other).unwrap().0, 0x6340);
            }
            let third = session.order((2026, 12), 100_000, 3);
            let (status, object) = session.disburse(card, &third).unwrap();
            assert_eq!(status, 0x9000);
            assert_eq!(receipt(&session.cso, &object).0.previous, hash);
        },
    );
    // The PIN's try counted and given back, the row before, order, receipt, ledger.
    println!("payment: {writes} writes, {} cuts", writes * 2);
    assert_eq!(writes, 6);
}

fn verify(card: &mut Card, session: &mut Session, plan: &Plan) -> Result<u16, Failure> {
    use card_spec::command::{Pin, VerifyData};
    use card_spec::values::Amount;
    let data = VerifyData {
        pin: Pin::new(&plan.pin).unwrap(),
        orders: 1,
        total: Amount::new(700_000).unwrap(),
    };
    let mut buffer = [0; 64];
    let data = data.encode(&mut buffer).unwrap();
    session
        .secure
        .send(card, [0x80, 0x20, 0x00, 0x81], data)
        .map(|(status, _, _)| status.0)
}

/// Receipt counter and head, as the issuer reads them.
fn head(card: &mut Card) -> (u32, [u8; 32]) {
    let mut host = IssuerHost::open(card).unwrap();
    let status = host.card_status(card).unwrap();
    (status.counter, status.head.unwrap())
}

#[test]
fn a_power_cut_can_cost_a_try_and_never_saves_one() {
    let (office, plan) = (Office::new(), plan());
    let terminal = Terminal::new(&office);
    let mut card = active_card(&office, &plan);
    for tries_left in [2, 1, 0] {
        let mut session = terminal.open(&mut card).unwrap();
        // The attacker cuts the power before the comparison's result can be stored or told.
        cut_at(&mut card, Some((0, Cut::After)));
        assert_eq!(
            verify(
                &mut card,
                &mut session,
                &Plan {
                    pin: *b"000000",
                    ..plan.clone()
                }
            ),
            Err(Failure::Gone)
        );
        cut_at(&mut card, None);
        card.reset();
        let mut host = IssuerHost::open(&mut card).unwrap();
        assert_eq!(host.card_status(&mut card).unwrap().pin_tries, tries_left);
    }
    let mut session = terminal.open(&mut card).unwrap();
    assert_eq!(session.verify(&mut card, &plan.pin, 1, 1), 0x6983);
}

#[test]
fn the_remembered_date_survives_a_cut() {
    let (office, plan) = (Office::new(), plan());
    let mut card = active_card(&office, &plan);
    cut_at(&mut card, Some((0, Cut::Before)));
    assert!(matches!(
        Terminal::new(&office).open(&mut card),
        Err(Failure::Gone)
    ));
    cut_at(&mut card, None);
    card.reset();
    let date = |card: &mut Card| IssuerHost::open(card).unwrap().card_status(card).unwrap().date;
    assert_eq!(date(&mut card), Some(plan.dates.0));
    Terminal::new(&office).open(&mut card).unwrap();
    assert_eq!(date(&mut card), Some(office.terminal_plan().dates.0));
}

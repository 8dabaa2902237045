//! Cards to begin with: one of each stage of life, made once.

use std::sync::LazyLock;

use card_spec::command::LifeCycle;
use card_spec::list::BlockReason;
use card_spec::script::Action;
use reference_applet::Applet;

use crate::common::issuer::{IssuerHost, Office, active_card, card_with_keys, objects, plan};
use crate::common::terminal::Terminal;
use crate::common::{Card, TestMemory, TestRandom, blank_card};
use crate::ledger::Ledger;
use crate::steps::{Bench, ScriptPlan};

/// A card of the stage that `number` says.
pub(crate) fn card(number: u8) -> Card {
    static STAGES: LazyLock<[TestMemory; 7]> = LazyLock::new(|| {
        [
            blank_card(),
            card_with_keys().0,
            loaded_card(),
            active_card(&Office::new(), &plan()),
            paying_card(),
            after_script(Action::Block(BlockReason::Lost), LifeCycle::Blocked),
            after_script(Action::Terminate(BlockReason::Replaced), LifeCycle::Terminated),
        ]
        .map(|card| card.memory().clone())
    });
    let stage = &STAGES[usize::from(number) % STAGES.len()];
    Applet::power_on(stage.clone(), TestRandom(1 << 20))
}

/// Everything but ACTIVATE.
fn loaded_card() -> Card {
    let (mut card, mut host, keys) = card_with_keys();
    let data = objects(&Office::new(), &plan(), &keys).concatenated();
    host.store(&mut card, &data, 223).expect("loaded");
    host.set_pin(&mut card, &plan().pin).expect("a PIN");
    card
}

/// An active card that has paid a month.
fn paying_card() -> Card {
    let mut card = active_card(&Office::new(), &plan());
    let mut session = Terminal::new(&Office::new()).open(&mut card).expect("a session");
    assert_eq!(session.verify(&mut card, &plan().pin, 1, 1_000_000), 0x9000);
    let order = session.order((2026, 10), 500_000, 7);
    assert_eq!(session.disburse(&mut card, &order).expect("a decision").0, 0x9000);
    card
}

fn after_script(action: Action, life_cycle: LifeCycle) -> Card {
    let mut card = paying_card();
    let host = IssuerHost::open(&mut card).expect("a session");
    let mut bench = Bench::new(card);
    bench.go_on_with(host);
    bench.script(&ScriptPlan::right(action));
    let card = bench.into_card();
    let ledger = Ledger::of(card.memory()).expect("an active card");
    assert_eq!((ledger.life_cycle, ledger.counter), (life_cycle, 2));
    card
}

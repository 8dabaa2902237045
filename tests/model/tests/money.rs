//! The model in small runs: every property holds and every event occurs; and each broken rule is found.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use money_model::properties::{
    AUTHORIZED, BLOCKED_PAYS_NOTHING, CALLED_PAID_IS_KEPT, HANDED_ONCE, HANDED_STANDS, INTENT_FIRST,
    NO_LOST_RECEIPT, ONE_STANDING_RECEIPT, REFUSED_DOES_NOT_STAND, REVERSED_IS_DEAD, RING_IS_FULL,
    SCRIPT_ONCE, UNBLOCKED_STAYS,
};
use money_model::{Fault, Scope, Thief};
use stateright::{Checker as _, HasDiscoveries, Model as _};

/// Far above what any of these takes; a checker that finds nothing in it has failed.
const PATIENCE: Duration = Duration::from_secs(300);

/// The checker itself does not tell a search that it gave up from one that it finished.
fn assert_not_given_up(begun: Instant) {
    assert!(
        begun.elapsed() < PATIENCE,
        "the search was given up after {PATIENCE:?}"
    );
}

/// Visits every state of the run.
fn holds(scope: Scope) {
    let begun = Instant::now();
    let checker = scope.checker().threads(2).timeout(PATIENCE).spawn_bfs().join();
    assert_not_given_up(begun);
    checker.assert_properties();
    println!("{scope:?}: {} distinct states", checker.unique_state_count());
}

/// Searches until this property fails; gives the number of steps that it takes.
fn fails(scope: Scope, property: &'static str, depth: usize) -> Option<usize> {
    let wanted = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let begun = Instant::now();
    let checker = scope
        .checker()
        // Two would not go strictly by depth, and could find a longer way than the shortest first.
        .threads(1)
        .timeout(PATIENCE)
        .target_max_depth(depth)
        .finish_when(wanted)
        .spawn_bfs()
        .join();
    let found = checker.discovery(property);
    if found.is_none() {
        assert_not_given_up(begun);
    }
    found.map(|path| path.into_actions().len())
}

/// Searches until this broken rule makes this property fail, and then as far without it: there it holds.
fn found(fault: Fault, property: &'static str, scope: Scope) {
    let broken = Scope {
        fault: Some(fault),
        ..scope
    };
    let steps = fails(broken, property, usize::MAX).unwrap_or_else(|| panic!("{fault:?} is not found"));
    let without = fails(scope, property, steps + 1);
    assert_eq!(without, None, "this property fails without {fault:?}, too");
}

const NO_SIGNED: Scope = Scope {
    scripts: 0,
    block_lists: 0,
    lists: 0,
    burning: false,
    ..Scope::SMALL
};

const WITH_SCRIPT: Scope = Scope {
    scripts: 1,
    ..NO_SIGNED
};

/// A line may move once, to another terminal or to the replacement card.
const MOVING: Scope = Scope {
    cards: 2,
    lists: 1,
    ..NO_SIGNED
};

const THIEF: Scope = Scope {
    thief: Thief::KeyAndPin,
    ..NO_SIGNED
};

#[test]
fn paying_and_reversing() {
    holds(NO_SIGNED);
}

#[test]
fn a_terminal_may_be_destroyed() {
    holds(Scope {
        burning: true,
        ..NO_SIGNED
    });
}

#[test]
fn blocked_by_a_list() {
    holds(Scope {
        block_lists: 1,
        ..NO_SIGNED
    });
}

#[test]
fn scripts() {
    holds(Scope {
        orders: 1,
        ..WITH_SCRIPT
    });
}

#[test]
fn blocked_unblocked_and_shown_the_list_again() {
    holds(Scope {
        orders: 1,
        scripts: 1,
        block_lists: 1,
        ..NO_SIGNED
    });
}

#[test]
fn a_line_moves_to_the_replacement_card() {
    holds(Scope {
        orders: 1,
        burning: true,
        ..MOVING
    });
}

#[test]
fn a_stolen_key_without_the_pin() {
    holds(Scope {
        orders: 1,
        thief: Thief::Key,
        ..NO_SIGNED
    });
}

#[test]
fn card_forgets_the_mark_on_a_tear() {
    found(
        Fault::CardForgetsMarkOnTear,
        ONE_STANDING_RECEIPT,
        Scope {
            orders: 3,
            burning: true,
            lists: 1,
            ..NO_SIGNED
        },
    );
}

#[test]
fn card_overwrites_its_ring_early() {
    found(Fault::CardOverwritesRingEarly, RING_IS_FULL, WITH_SCRIPT);
}

#[test]
fn card_takes_foreign_orders() {
    found(Fault::CardTakesForeignOrders, AUTHORIZED, NO_SIGNED);
}

#[test]
fn card_ignores_the_pin() {
    found(
        Fault::CardIgnoresPin,
        AUTHORIZED,
        Scope {
            thief: Thief::Key,
            ..NO_SIGNED
        },
    );
}

#[test]
fn card_pays_while_blocked() {
    found(Fault::CardPaysWhileBlocked, BLOCKED_PAYS_NOTHING, WITH_SCRIPT);
}

#[test]
fn card_reverses_again() {
    let scope = Scope {
        orders: 3,
        ring: 3,
        ..THIEF
    };
    found(Fault::CardReversesAgain, ONE_STANDING_RECEIPT, scope);
}

#[test]
fn card_revives_reversed_orders() {
    found(Fault::CardRevivesReversedOrders, REVERSED_IS_DEAD, THIEF);
}

#[test]
fn card_ignores_the_counter_of_a_script() {
    found(Fault::CardIgnoresScriptCounter, SCRIPT_ONCE, WITH_SCRIPT);
}

#[test]
fn card_ignores_the_number_of_a_block_list() {
    let scope = Scope {
        block_lists: 1,
        ..WITH_SCRIPT
    };
    found(Fault::CardIgnoresBlockListNumber, UNBLOCKED_STAYS, scope);
}

#[test]
fn terminal_sends_before_the_intent() {
    found(Fault::TerminalSendsBeforeIntent, INTENT_FIRST, NO_SIGNED);
    found(
        Fault::TerminalSendsBeforeIntent,
        NO_LOST_RECEIPT,
        Scope {
            scripts: 2,
            ..NO_SIGNED
        },
    );
}

#[test]
fn terminal_says_paid_before_its_journal_does() {
    found(
        Fault::TerminalSaysPaidBeforeJournal,
        CALLED_PAID_IS_KEPT,
        NO_SIGNED,
    );
}

#[test]
fn terminal_trusts_a_bare_status_word() {
    found(Fault::TerminalTrustsBareStatus, REFUSED_DOES_NOT_STAND, NO_SIGNED);
}

#[test]
fn terminal_takes_any_receipt() {
    let scope = Scope {
        lines: 2,
        ..WITH_SCRIPT
    };
    found(Fault::TerminalTakesAnyReceipt, HANDED_STANDS, scope);
}

#[test]
fn terminal_settles_with_any_card() {
    found(Fault::TerminalSettlesWithAnyCard, REFUSED_DOES_NOT_STAND, MOVING);
}

#[test]
fn terminal_takes_a_6340_without_receipt_for_a_refusal() {
    let scope = Scope {
        scripts: 2,
        ring_outlasts_intents: false,
        ..NO_SIGNED
    };
    found(
        Fault::TerminalTakesBareStandingForRefusal,
        REFUSED_DOES_NOT_STAND,
        scope,
    );
}

#[test]
fn terminal_hands_over_after_a_reversal() {
    found(Fault::TerminalHandsOverAfterReversal, HANDED_STANDS, NO_SIGNED);
}

#[test]
fn terminal_loads_an_old_list() {
    found(Fault::TerminalLoadsOldList, ONE_STANDING_RECEIPT, MOVING);
}

#[test]
fn terminal_erases_early() {
    found(Fault::TerminalErasesEarly, CALLED_PAID_IS_KEPT, NO_SIGNED);
}

#[test]
fn issuer_acknowledges_early() {
    found(Fault::IssuerAcknowledgesEarly, CALLED_PAID_IS_KEPT, NO_SIGNED);
}

#[test]
fn issuer_moves_a_line_unseen() {
    found(Fault::IssuerMovesLineUnseen, ONE_STANDING_RECEIPT, MOVING);
}

#[test]
fn issuer_moves_a_line_with_an_open_intent() {
    found(Fault::IssuerMovesLineWithOpenIntent, ONE_STANDING_RECEIPT, MOVING);
}

#[test]
fn issuer_moves_a_line_of_a_lost_terminal() {
    found(
        Fault::IssuerMovesLineOfLostTerminal,
        HANDED_ONCE,
        Scope {
            burning: true,
            ..MOVING
        },
    );
}

#[test]
fn issuer_reverses_what_may_be_handed_over() {
    found(Fault::IssuerReversesUnannounced, HANDED_STANDS, WITH_SCRIPT);
}

#[test]
fn issuer_counts_a_reversal_that_no_journal_announces() {
    let scope = Scope { lists: 1, ..THIEF };
    found(Fault::IssuerCountsUnannouncedReversal, HANDED_ONCE, scope);
}

/// An order's receipt is overwritten and the card blocked: were it `634C` now, DATA 5.3 would close an Intent that was paid.
#[test]
fn card_answers_paid_last() {
    let scope = Scope {
        scripts: 3,
        orders: 1,
        ring_outlasts_intents: false,
        ..NO_SIGNED
    };
    found(Fault::CardAnswersPaidLast, REFUSED_DOES_NOT_STAND, scope);
}

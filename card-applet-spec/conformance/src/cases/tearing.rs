//! SPEC 6.12 and 9.3: the power goes at every write of a command. The card is before the command or after it, and the
//! command may be sent again.

use std::cell::Cell;

use crate::bench::Bench;
use crate::card::Cut;
use crate::case::{Case, Outcome, Stage, Stop, check};
use crate::encoding::find;
use crate::issuer::{IssuerSession, SET_PIN};
use crate::material::{BlockList, CardKeys, Certificate, NEXT_ROOT, Order, Plan, ROOT, Reversal, Script};
use crate::terminal::{
    CHANGE_PIN, DEACTIVATE_ENTRY, DEACTIVATE_LIST, MORE, Terminal, TerminalSession, VERIFY, pin_data, present,
};

use super::issuer_scripts::execute;

/// More writes than any command makes; a card that never ends is not let run.
const MOST_WRITES: u32 = 64;

/// Runs `act` on a new card in this stage once for every write in it and either side of it, the power cut there; after each
/// cut, and once without, `recover` looks at what is left of the card. `prepare` comes before the cut is set.
fn every_cut<T>(
    bench: &mut Bench,
    stage: Stage,
    prepare: impl Fn(&mut Bench) -> Outcome<T>,
    act: impl Fn(&mut Bench, &mut T) -> Outcome,
    recover: impl Fn(&mut Bench, T) -> Outcome,
) -> Outcome {
    for write in 0..MOST_WRITES {
        for side in [Cut::Before, Cut::After] {
            bench.replace_by_blank()?;
            bench.reach(stage)?;
            let mut prepared = prepare(bench)?;
            bench.cut_at(write, side)?;
            let uncut = match act(bench, &mut prepared) {
                Ok(()) => true,
                Err(Stop::Gone(_)) => false,
                Err(stop) => return Err(stop),
            };
            bench.power_cycle()?;
            recover(bench, prepared)?;
            if uncut {
                return Ok(());
            }
        }
    }
    Err(Stop::Kit(format!(
        "the command did not end within {MOST_WRITES} writes"
    )))
}

fn case(
    id: &'static str,
    stage: Stage,
    purpose: &str,
    expected: &str,
    steps: fn(&mut Bench, Stage) -> Outcome,
) -> Case {
    Case::new(id, stage, purpose, expected, move |bench| steps(bench, stage)).with_power_cuts()
}

pub(crate) fn cases() -> Vec<Case> {
    [personalization(), sessions(), payments(), scripts()]
        .into_iter()
        .flatten()
        .collect()
}

fn personalization() -> Vec<Case> {
    vec![
        case(
            "6.12-01",
            Stage::Blank,
            "PUT KEY",
            "the old keys or the new ones open a session",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    IssuerSession::open,
                    |bench, session| session.put_key(bench),
                    |bench, _| bench.reach(Stage::Active),
                )
            },
        ),
        case(
            "6.12-02",
            Stage::Personalizing,
            "GENERATE ASYMMETRIC KEY PAIR",
            "no keys or a proven pair of pairs",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    IssuerSession::open,
                    |bench, session| {
                        let number = bench.material.plan.number.clone();
                        session.generate_key_pairs(bench, &number).map(drop)
                    },
                    |bench, _| bench.reach(Stage::Active),
                )
            },
        ),
        case(
            "6.12-03",
            Stage::Keyed,
            "STORE DATA, the whole load",
            "not loaded, or loaded completely",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    |bench| {
                        let plan = bench.material.plan.clone();
                        let mut session = IssuerSession::open(bench)?;
                        let keys = session.prove_key_pairs(bench, &plan.number)?;
                        Ok((session, bench.material.objects(&plan, &keys).concatenated()))
                    },
                    |bench, (session, load)| session.store(bench, load),
                    |bench, _| bench.reach(Stage::Active),
                )
            },
        ),
        case(
            "6.12-04",
            Stage::Keyed,
            "CHANGE REFERENCE DATA",
            "no PIN, or the PIN",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    IssuerSession::open,
                    |bench, session| session.send(bench, SET_PIN, b"271828")?.refused(0x9000),
                    |bench, _| {
                        bench.reach(Stage::Active)?;
                        TerminalSession::open_verified(bench).map(drop)
                    },
                )
            },
        ),
        case(
            "6.12-05",
            Stage::Loaded,
            "ACTIVATE",
            "personalizing or active; ACTIVATE again answers 9000",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    IssuerSession::open,
                    |bench, session| session.activate(bench)?.refused(0x9000),
                    |bench, _| {
                        IssuerSession::open(bench)?.activate(bench)?.refused(0x9000)?;
                        let mut session = TerminalSession::open_verified(bench)?;
                        let order = session.order(bench);
                        let receipt = session.pay(bench, &order)?;
                        check(
                            receipt.counter == 1 && receipt.previous == session.cso.hash,
                            "not the first receipt",
                        )
                    },
                )
            },
        ),
    ]
}

fn sessions() -> Vec<Case> {
    vec![
        case(
            "6.12-06",
            Stage::Active,
            "VERIFY with the right PIN",
            "a try may be lost, never gained",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    TerminalSession::open,
                    |bench, session| {
                        session
                            .send(bench, VERIFY, &pin_data(b"271828", 1, 1))?
                            .refused(0x9000)
                    },
                    |bench, _| {
                        let mut session = TerminalSession::open(bench)?;
                        let tries = session.card_status(bench)?.tries;
                        check(matches!(tries, 2 | 3), "tries other than 2 or 3")?;
                        let plan = bench.material.plan.clone();
                        session.verify(bench, &plan)?.refused(0x9000)
                    },
                )
            },
        ),
        case(
            "6.12-07",
            Stage::Active,
            "VERIFY with a wrong PIN: a cut saves no try once the card may have compared",
            "after the first write a try is lost",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    |bench| Ok((TerminalSession::open(bench)?, false)),
                    |bench, (session, answered)| {
                        session.verify_wrongly(bench)?.refused(0x63C2)?;
                        *answered = true;
                        Ok(())
                    },
                    |bench, (_, answered)| {
                        let tries = TerminalSession::open(bench)?.card_status(bench)?.tries;
                        check(tries == 2 || (tries == 3 && !answered), "a wrong PIN cost no try")
                    },
                )
            },
        ),
        case(
            "9.1-39",
            Stage::Active,
            "the try is counted before the comparison and given back after: VERIFY with the right PIN",
            "one of the cuts costs a try",
            |bench, stage| {
                let fewest = Cell::new(3);
                every_cut(
                    bench,
                    stage,
                    TerminalSession::open,
                    |bench, session| {
                        session
                            .send(bench, VERIFY, &pin_data(b"271828", 1, 1))?
                            .refused(0x9000)
                    },
                    |bench, _| {
                        let tries = TerminalSession::open(bench)?.card_status(bench)?.tries;
                        fewest.set(tries.min(fewest.get()));
                        Ok(())
                    },
                )?;
                check(fewest.get() == 2, "no cut before the comparison costs a try")
            },
        ),
        case(
            "6.12-08",
            Stage::Active,
            "the holder's change of the PIN",
            "the old PIN or the new one",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    TerminalSession::open,
                    |bench, session| session.send(bench, CHANGE_PIN, b"271828314159")?.refused(0x9000),
                    |bench, _| {
                        let plan = bench.material.plan.clone();
                        let changed = Plan {
                            pin: *b"314159",
                            ..plan.clone()
                        };
                        let mut session = TerminalSession::open(bench)?;
                        if session.verify(bench, &plan)?.status == 0x9000 {
                            return Ok(());
                        }
                        session.verify(bench, &changed)?.refused(0x9000)
                    },
                )
            },
        ),
        case(
            "6.12-09",
            Stage::Active,
            "the remembered date moves",
            "the old date or the new one",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    |bench| Ok(Terminal::standard().agree(bench)?.0),
                    |bench, session| session.card_status(bench).map(drop),
                    |bench, _| {
                        let date = IssuerSession::open(bench)?.card_status(bench)?.date;
                        let dates =
                            [(2026, 11, 1), (2026, 11, 15)].map(|day| Some(crate::material::date(day)));
                        check(dates.contains(&date), "neither the old date nor the new one")?;
                        TerminalSession::open(bench).map(drop)
                    },
                )
            },
        ),
        case(
            "6.12-10",
            Stage::Active,
            "a link certificate",
            "one trust anchor or two",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    |bench| bench.select(),
                    |bench, _| {
                        let link = bench.material.certify(&Certificate::link(ROOT, NEXT_ROOT));
                        present(bench, MORE, &link)?.refused(0x9000)
                    },
                    |bench, _| {
                        TerminalSession::open(bench)?;
                        bench.select()?;
                        let link = bench.material.certify(&Certificate::link(ROOT, NEXT_ROOT));
                        present(bench, MORE, &link)?.refused(0x9000)?;
                        TerminalSession::open(bench).map(drop)
                    },
                )
            },
        ),
    ]
}

/// Two payments before, so that rows and receipts are in use.
fn till(bench: &mut Bench) -> Outcome<(TerminalSession, Order)> {
    let mut session = TerminalSession::open_verified(bench)?;
    for _ in 0..2 {
        let order = session.order(bench);
        session.pay(bench, &order)?;
    }
    let order = session.order(bench);
    Ok((session, order))
}

/// After a cut payment: the same order gets its receipt, and another one for the line the standing receipt.
fn settle(bench: &mut Bench, order: &Order) -> Outcome {
    let mut session = TerminalSession::open_verified(bench)?;
    let object = session.disburse(bench, order)?.expect(0x9000)?;
    let receipt = session.receipt(&object)?;
    check(receipt.counter == 3, "the receipt's counter is not 3")?;
    let other = Order {
        nonce: [9; 16],
        ..order.clone()
    };
    check(
        session.disburse(bench, &other)?.expect(0x6340)? == object,
        "not the standing receipt",
    )?;
    let next = session.order(bench);
    let following = session.pay(bench, &next)?;
    super::receipts::follows(&receipt, &following)
}

fn payments() -> Vec<Case> {
    vec![
        case(
            "9.3-50",
            Stage::Active,
            "DISBURSE",
            "the same order is settled with one receipt, the line is paid once, the chain goes on",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    till,
                    |bench, (session, order)| session.disburse(bench, order)?.expect(0x9000).map(drop),
                    |bench, (_, order)| settle(bench, &order),
                )
            },
        ),
        case(
            "9.3-51",
            Stage::Active,
            "DISBURSE, and again in the settling of it",
            "as after one cut",
            |bench, stage| {
                for second in 0..8 {
                    every_cut(
                        bench,
                        stage,
                        till,
                        |bench, (session, order)| session.disburse(bench, order)?.expect(0x9000).map(drop),
                        |bench, (_, order)| {
                            let mut session = TerminalSession::open_verified(bench)?;
                            bench.cut_at(second, Cut::After)?;
                            match session.disburse(bench, &order) {
                                Ok(answer) => answer.expect(0x9000).map(drop)?,
                                Err(Stop::Gone(_)) => {}
                                Err(stop) => return Err(stop),
                            }
                            bench.power_cycle()?;
                            settle(bench, &order)
                        },
                    )?;
                }
                Ok(())
            },
        ),
        case(
            "9.8-25",
            Stage::Active,
            "REVERSE",
            "the same reversal is settled with one receipt; the line is payable once",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    |bench| {
                        let (mut session, order) = till(bench)?;
                        session.pay(bench, &order)?;
                        let reversal = Reversal::of(&order, [4; 16]);
                        Ok((session, order, reversal))
                    },
                    |bench, (session, _, reversal)| {
                        session.reverse(bench, reversal)?.expect(0x9000).map(drop)
                    },
                    |bench, (_, order, reversal)| {
                        let mut session = TerminalSession::open_verified(bench)?;
                        let object = session.reverse(bench, &reversal)?.expect(0x9000)?;
                        let receipt = session.receipt(&object)?;
                        check(
                            receipt.counter == 4 && receipt.kind == 0x02,
                            "not the fourth receipt, of kind 02",
                        )?;
                        session.disburse(bench, &order)?.expect(0x634A)?;
                        let again = Order {
                            nonce: [9; 16],
                            ..order
                        };
                        let payment = session.pay(bench, &again)?;
                        super::receipts::follows(&receipt, &payment)
                    },
                )
            },
        ),
    ]
}

/// A script on a card with two receipts: sent again it gets the same receipt, and the chain goes on.
fn torn_script(
    bench: &mut Bench,
    stage: Stage,
    script: fn() -> Script,
    look: fn(&mut Bench) -> Outcome,
) -> Outcome {
    every_cut(
        bench,
        stage,
        till,
        |bench, (session, _)| execute(bench, session, &script()).map(drop),
        |bench, _| {
            let mut session = TerminalSession::open(bench)?;
            let receipt = execute(bench, &mut session, &script())?;
            check(receipt.counter == 3, "the receipt's counter is not 3")?;
            look(bench)
        },
    )
}

fn scripts() -> Vec<Case> {
    vec![
        case(
            "13.2-12",
            Stage::Active,
            "a script that fills the tries",
            "executed once",
            |bench, stage| {
                torn_script(
                    bench,
                    stage,
                    || Script::fill_tries(2),
                    |bench| {
                        let tries = TerminalSession::open(bench)?.card_status(bench)?.tries;
                        check(tries == 3, "the tries are not filled")
                    },
                )
            },
        ),
        case(
            "13.2-13",
            Stage::Active,
            "a script that blocks",
            "blocked, with one receipt",
            |bench, stage| {
                torn_script(
                    bench,
                    stage,
                    || Script::block(2),
                    |bench| check(bench.select()? == Stage::Blocked, "the card is not blocked"),
                )
            },
        ),
        case(
            "13.2-14",
            Stage::Active,
            "a script that prunes",
            "executed once",
            |bench, stage| {
                torn_script(
                    bench,
                    stage,
                    || Script::prune(2, (2026, 6)),
                    |bench| {
                        let mut session = TerminalSession::open_verified(bench)?;
                        let mut order = session.order(bench);
                        order.month = (2026, 5);
                        session.disburse(bench, &order)?.refused(0x6342)
                    },
                )
            },
        ),
        case(
            "13.6-21",
            Stage::Active,
            "a script that puts an update in force",
            "the old CSO or the new one, whole",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    |bench| {
                        let session = TerminalSession::open(bench)?;
                        let keys = CardKeys {
                            agreement: session.cso.agreement,
                            signing: session.cso.signing,
                        };
                        let plan = Plan {
                            version: 2,
                            ..bench.material.plan.clone()
                        };
                        let objects = bench.material.objects(&plan, &keys);
                        let mut issuer = IssuerSession::open(bench)?;
                        issuer.store(bench, &objects.concatenated())?;
                        let value = find(&objects.cso, 0xFF20).unwrap_or_default();
                        let body = crate::encoding::objects(&value)
                            .first()
                            .cloned()
                            .unwrap_or_default();
                        Ok((
                            TerminalSession::open(bench)?,
                            Script::update(0, &crate::material::hash(&body)),
                        ))
                    },
                    |bench, (session, script)| execute(bench, session, script).map(drop),
                    |bench, (_, script)| {
                        // Whichever CSO is in force, it proves the card.
                        let mut session = TerminalSession::open(bench)?;
                        let receipt = execute(bench, &mut session, &script)?;
                        check(
                            receipt.counter == 1 && receipt.cso_version == 2,
                            "not the first receipt, of version 2",
                        )?;
                        let mut session = TerminalSession::open_verified(bench)?;
                        let order = session.order(bench);
                        session.pay(bench, &order).map(drop)
                    },
                )
            },
        ),
        case(
            "13.10-24",
            Stage::Active,
            "DEACTIVATE",
            "active or blocked; SELECT says which",
            |bench, stage| {
                every_cut(
                    bench,
                    stage,
                    |bench| {
                        let list = BlockList::with(5, &bench.material.plan.number);
                        let header = bench.material.block_list(&list);
                        let mut session = TerminalSession::open(bench)?;
                        session.send(bench, DEACTIVATE_LIST, &header)?.refused(0x9000)?;
                        Ok((session, list))
                    },
                    |bench, (session, list)| {
                        session
                            .send(bench, DEACTIVATE_ENTRY, &list.proof().concat())?
                            .expect(0x9000)
                            .map(drop)
                    },
                    |bench, _| {
                        let stage = bench.select()?;
                        let counter = TerminalSession::open(bench)?.card_status(bench)?.counter;
                        check(
                            (stage, counter) == (Stage::Blocked, 1) || (stage, counter) == (Stage::Active, 0),
                            "neither active without a receipt nor blocked with one",
                        )
                    },
                )
            },
        ),
    ]
}

//! What is done to a card at random.

use card_spec::values::{Date, Period};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};

use crate::common::{Cut, date};
use crate::oracle::objects::{Command, HolderCheck};

#[derive(Clone, Debug)]
pub enum Step {
    PowerOff,
    Select,
    SelectOther,
    OpenIssuer,
    OpenTerminal(usize, Option<(u32, Cut)>),
    Plain(Plain),
    Command {
        pick: Pick,
        bad_parameters: bool,
        cut: Option<(u32, Cut)>,
    },
}

/// A command outside secure messaging.
#[derive(Clone, Copy, Debug)]
pub enum Plain {
    ReadSecurityObject,
    UnknownInstruction,
    UnknownClass,
    NoCommand,
}

/// A command that is completed by what happened before.
#[derive(Clone, Debug)]
pub enum Pick {
    Command(Command),
    Store {
        ahead: u16,
        right: bool,
    },
    Order(OrderPick),
    OrderAgain(Index),
    Reversal(ReversalPick),
    ReversalAgain(Index),
    Script {
        action: ActionPick,
        counter: u32,
        own_signature: bool,
        own_card: bool,
    },
    ScriptAgain(Index),
}

#[derive(Clone, Debug)]
pub struct OrderPick {
    pub own_terminal: bool,
    pub own_version: bool,
    pub own_person: bool,
    pub programme: &'static [u8; 4],
    pub entitlement: u16,
    pub period: Period,
    pub amount: u64,
    pub recipient: u8,
    pub check: HolderCheck,
    pub date: Date,
    pub encoding: bool,
}

#[derive(Clone, Debug)]
pub struct ReversalPick {
    /// Of the orders so far, from the newest back.
    pub order: usize,
    pub own_terminal: bool,
    pub own_version: bool,
    pub check: HolderCheck,
    pub date: Date,
}

#[derive(Clone, Debug)]
pub enum ActionPick {
    FillTries,
    PermitPin,
    Block,
    Unblock(u32),
    Terminate,
    PutInForce { ahead: u16, right: bool },
    Prune(Period),
    SetDate(Date),
    Reverse(usize),
}

const PINS: [[u8; 6]; 3] = [*b"271828", *b"314159", *b"161803"];

fn mostly() -> BoxedStrategy<bool> {
    prop_oneof![19 => Just(true), 1 => Just(false)].boxed()
}

fn period() -> impl Strategy<Value = Period> {
    let months = [
        (2023, 10),
        (2023, 11),
        (2026, 11),
        (2026, 11),
        (2026, 12),
        (2027, 2),
        (2027, 3),
        (2027, 7),
    ];
    select(
        months
            .map(|(year, month)| Period::new(year, month).unwrap())
            .to_vec(),
    )
}

fn day() -> impl Strategy<Value = Date> {
    prop_oneof![
        9 => Just(date(2026, 12, 15)),
        4 => Just(date(2026, 11, 22)),
        1 => Just(date(2027, 3, 10)),
        1 => Just(date(2026, 10, 31)),
        1 => Just(date(2027, 1, 13)),
    ]
}

fn check() -> impl Strategy<Value = HolderCheck> {
    prop_oneof![4 => Just(HolderCheck::Pin), 1 => Just(HolderCheck::Photo), 1 => Just(HolderCheck::PhotoByTwo)]
}

fn order() -> impl Strategy<Value = Pick> {
    let own = (mostly(), mostly(), mostly(), mostly());
    let programme = select(vec![
        b"BTXH", b"BTXH", b"BTXH", b"DXUA", b"DXUA", b"DXUA", b"HTXH", b"NGCC",
    ]);
    let amount = select(vec![
        100_000, 1_000_000, 1_000_001, 4_000_000, 5_000_000, 5_000_001,
    ]);
    let recipient = select(vec![1, 1, 1, 1, 2, 2, 3]);
    let line = (programme, prop_oneof![4 => Just(1u16), 1 => Just(2u16)], period());
    (own, line, amount, recipient, check(), day()).prop_map(
        |((own_terminal, own_version, own_person, encoding), line, amount, recipient, check, date)| {
            let (programme, entitlement, period) = line;
            Pick::Order(OrderPick {
                own_terminal,
                own_version,
                own_person,
                programme,
                entitlement,
                period,
                amount,
                recipient,
                check,
                date,
                encoding,
            })
        },
    )
}

fn reversal() -> impl Strategy<Value = Pick> {
    let order = prop_oneof![4 => Just(0usize), 1 => 1..4usize];
    (order, mostly(), mostly(), check(), day()).prop_map(|(order, own_terminal, own_version, check, date)| {
        Pick::Reversal(ReversalPick {
            order,
            own_terminal,
            own_version,
            check,
            date,
        })
    })
}

fn script() -> impl Strategy<Value = Pick> {
    let action = prop_oneof![
        4 => Just(ActionPick::FillTries),
        4 => Just(ActionPick::PermitPin),
        1 => Just(ActionPick::Block),
        4 => (0..4u32).prop_map(ActionPick::Unblock),
        1 => Just(ActionPick::Terminate),
        3 => (0..3u16, mostly()).prop_map(|(ahead, right)| ActionPick::PutInForce { ahead, right }),
        2 => period().prop_map(ActionPick::Prune),
        2 => day().prop_map(ActionPick::SetDate),
        9 => (0..3usize).prop_map(ActionPick::Reverse),
    ];
    let counter = prop_oneof![9 => Just(0u32), 1 => Just(1u32)];
    (action, counter, mostly(), mostly()).prop_map(|(action, counter, own_signature, own_card)| {
        Pick::Script {
            action,
            counter,
            own_signature,
            own_card,
        }
    })
}

fn pin() -> impl Strategy<Value = [u8; 6]> {
    prop_oneof![6 => Just(PINS[0]), 1 => Just(PINS[1]), 1 => Just(PINS[2])]
}

fn store() -> impl Strategy<Value = Pick> {
    (0..3u16, mostly()).prop_map(|(ahead, right)| Pick::Store { ahead, right })
}

fn any_session() -> BoxedStrategy<Command> {
    prop_oneof![
        2 => Just(Command::GetData),
        2 => select(vec![1, 2, 3, 4, 5, 6, 0x1D]).prop_map(Command::ReadFile),
        2 => (0..5u8, any::<bool>()).prop_map(|(number, object)| Command::ReadRecord { number, object }),
        1 => Just(Command::Unknown),
    ]
    .boxed()
}

fn issuer_commands() -> BoxedStrategy<Pick> {
    let command = prop_oneof![
        2 => any_session(),
        2 => mostly().prop_map(|right| Command::PutKey { right }),
        2 => Just(Command::GenerateKeys),
        1 => Just(Command::ProveKeys),
        1 => Just(Command::StoreFirstBlock),
        3 => weighted(0.8, pin()).prop_map(Command::SetPin),
        3 => Just(Command::Activate),
    ];
    prop_oneof![8 => command.prop_map(Pick::Command), 4 => store()].boxed()
}

fn terminal_commands() -> BoxedStrategy<Pick> {
    let total = select(vec![0, 1_000_000, 100_000_000]);
    let verify = (weighted(0.9, pin()), 0..7u8, total);
    let command = prop_oneof![
        4 => any_session(),
        1 => Just(Command::Authenticate),
        2 => Just(Command::AskTries),
        9 => verify.prop_map(|(pin, orders, total)| Command::Verify { pin, orders, total }),
        2 => (pin(), weighted(0.8, pin())).prop_map(|(pin, new)| Command::ChangePin { pin, new }),
        2 => (1..4u32, mostly()).prop_map(|(number, own_signature)| Command::ShowHeader { number, own_signature }),
        5 => (mostly(), mostly()).prop_map(|(own_card, path)| Command::ShowEntry { own_card, path }),
    ];
    prop_oneof![
        10 => command.prop_map(Pick::Command),
        12 => order(),
        4 => any::<Index>().prop_map(Pick::OrderAgain),
        4 => reversal(),
        1 => any::<Index>().prop_map(Pick::ReversalAgain),
        6 => script(),
        1 => any::<Index>().prop_map(Pick::ScriptAgain),
    ]
    .boxed()
}

fn cut(probability: f64) -> impl Strategy<Value = Option<(u32, Cut)>> {
    weighted(probability, (0..6u32, select(vec![Cut::Before, Cut::After])))
}

fn command(pick: BoxedStrategy<Pick>) -> impl Strategy<Value = Step> {
    let bad = prop_oneof![30 => Just(false), 1 => Just(true)];
    (pick, bad, cut(0.04)).prop_map(|(pick, bad_parameters, cut)| Step::Command {
        pick,
        bad_parameters,
        cut,
    })
}

/// What ends a session, with commands after it.
fn interruption(pick: BoxedStrategy<Pick>) -> impl Strategy<Value = Vec<Step>> {
    let plain = [
        Plain::ReadSecurityObject,
        Plain::UnknownInstruction,
        Plain::UnknownClass,
        Plain::NoCommand,
    ];
    let end = prop_oneof![
        Just(Step::PowerOff),
        Just(Step::Select),
        Just(Step::SelectOther),
        select(plain.to_vec()).prop_map(Step::Plain),
    ];
    (end, vec(command(pick), 0..3)).prop_map(|(end, after)| [vec![end], after].concat())
}

/// A session and its commands, and sometimes what ends it before the next one.
fn visit(open: BoxedStrategy<Step>, pick: BoxedStrategy<Pick>) -> impl Strategy<Value = Vec<Step>> {
    let last = prop_oneof![3 => Just(Vec::new()), 1 => interruption(pick.clone())];
    (vec(open, 1), vec(command(pick), 0..14), last)
        .prop_map(|(open, commands, last)| [open, commands, last].concat())
}

fn open_terminal() -> BoxedStrategy<Step> {
    let certificate = prop_oneof![12 => Just(0usize), 3 => Just(1usize), 1 => Just(2usize)];
    (certificate, cut(0.05))
        .prop_map(|(certificate, cut)| Step::OpenTerminal(certificate, cut))
        .boxed()
}

/// From a blank card: mostly the issuer's commands.
pub fn personalizing() -> impl Strategy<Value = Vec<Step>> {
    let open = prop_oneof![9 => Just(Step::OpenIssuer), 1 => open_terminal()].boxed();
    let pick = prop_oneof![9 => issuer_commands(), 1 => terminal_commands()].boxed();
    vec(visit(open, pick), 1..6).prop_map(|visits| visits.concat())
}

/// From an active card: mostly a terminal's commands, after the right PIN.
pub fn paying() -> impl Strategy<Value = Vec<Step>> {
    let right = Command::Verify {
        pin: Some(PINS[0]),
        orders: 5,
        total: 100_000_000,
    };
    let verify = Step::Command {
        pick: Pick::Command(right),
        bad_parameters: false,
        cut: None,
    };
    let with_pin = visit(open_terminal(), terminal_commands()).prop_map(move |mut steps| {
        steps.insert(1, verify.clone());
        steps
    });
    let pick = prop_oneof![3 => terminal_commands(), 4 => issuer_commands()].boxed();
    let other = prop_oneof![1 => Just(Step::OpenIssuer), 1 => open_terminal()].boxed();
    vec(prop_oneof![3 => with_pin, 1 => visit(other, pick)], 1..6).prop_map(|visits| visits.concat())
}

/// Payments, then so many scripts that the ring has forgotten them, then the rest: orders are sent again, lines are due again.
pub fn outliving_the_ring() -> impl Strategy<Value = Vec<Step>> {
    let fill = Step::Command {
        pick: Pick::Script {
            action: ActionPick::FillTries,
            counter: 0,
            own_signature: true,
            own_card: true,
        },
        bad_parameters: false,
        cut: None,
    };
    let fills =
        (28..34usize).prop_map(move |count| [vec![Step::OpenIssuer], vec![fill.clone(); count]].concat());
    (paying(), fills, paying()).prop_map(|(before, fills, after)| [before, fills, after].concat())
}

//! Does each step to the card and to the oracle. A torn command leaves more than one oracle that may be right; those that a
//! later answer contradicts drop out, and one must remain.

mod encoding;
mod judgement;
pub mod steps;

use std::collections::HashMap;
use std::sync::OnceLock;

use card_spec::command::{GeneratedKeys, LifeCycle};
use card_spec::groups::ProgrammeStatus;
use card_spec::values::Date;
use reference_applet::Applet;

use crate::common::issuer::{
    CertificatePlan, IssuerHost, Objects, Office, Plan, card_with_keys, issuer_keys, objects, plan, programme,
};
use crate::common::terminal::{Session as Till, Terminal, encode};
use crate::common::{Card, Cut, Failure, SELECT, TestMemory, TestRandom, blank_card, cut_at, date, raw};
use crate::oracle::objects::{Action, Answer, Command, Load, Order, Reversal, Script};
use crate::oracle::{Oracle, Session};
use steps::{ActionPick, OrderPick, Pick, Plain, ReversalPick, Step};

/// Name, first and last day of the certificates of the terminals. The third is the first one's next.
fn terminals() -> [(&'static str, &'static str, Date, Date); 3] {
    [
        (
            "VNT0000001",
            "VNT0000001A00001",
            date(2026, 11, 15),
            date(2026, 12, 19),
        ),
        (
            "VNT0000002",
            "VNT0000002A00001",
            date(2026, 12, 10),
            date(2027, 1, 13),
        ),
        (
            "VNT0000001",
            "VNT0000001A00002",
            date(2027, 3, 1),
            date(2027, 4, 4),
        ),
    ]
}

/// Terminals are told apart by name.
const fn name_of(certificate: usize) -> usize {
    if certificate == 1 { 1 } else { 0 }
}

/// Status word, whether it came protected, data; `None`: the power went.
type Response = Option<(u16, bool, Vec<u8>)>;

enum Host {
    None,
    Issuer(Box<IssuerHost>),
    Till(Box<Till>),
}

pub struct Driver {
    card: Card,
    host: Host,
    oracles: Vec<Oracle>,
    keys: Option<GeneratedKeys>,
    orders: Vec<Order>,
    reversals: Vec<Reversal>,
    scripts: Vec<Script>,
    loads: HashMap<Load, Objects>,
    /// Receipts as the card first gave them, by counter.
    receipts: HashMap<u32, Vec<u8>>,
}

fn plan_of(version: u16) -> Plan {
    let status = |active| {
        if active {
            ProgrammeStatus::Active
        } else {
            ProgrammeStatus::Ended
        }
    };
    Plan {
        programmes: vec![
            (programme(b"BTXH"), status(!version.is_multiple_of(2))),
            (programme(b"HTXH"), status(version.is_multiple_of(2))),
            (programme(b"DXUA"), ProgrammeStatus::Active),
        ],
        ..plan()
    }
}

impl Driver {
    fn new(card: Card, oracle: Oracle, keys: Option<GeneratedKeys>) -> Self {
        Self {
            card,
            host: Host::None,
            oracles: vec![oracle],
            keys,
            orders: Vec::new(),
            reversals: Vec::new(),
            scripts: Vec::new(),
            loads: HashMap::new(),
            receipts: HashMap::new(),
        }
    }

    pub fn blank() -> Self {
        Self::new(blank_card(), Oracle::blank(plan().dates.0), None)
    }

    /// The card is personalized once for all sequences.
    pub fn active() -> Self {
        static READY: OnceLock<(TestMemory, GeneratedKeys)> = OnceLock::new();
        let (memory, keys) = READY.get_or_init(|| {
            let (mut card, mut host, keys) = card_with_keys();
            let data = objects(&Office::new(), &plan_of(1), &keys).concatenated();
            host.store(&mut card, &data, 223).unwrap();
            host.set_pin(&mut card, &plan().pin).unwrap();
            host.activate(&mut card).unwrap();
            (card.memory().clone(), keys)
        });
        let oracle = Oracle::active(plan().dates.0, plan().pin);
        Self::new(
            Applet::power_on(memory.clone(), TestRandom(1 << 40)),
            oracle,
            Some(*keys),
        )
    }

    /// The error says in what card and oracle differ.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::PowerOff => {
                self.card.reset();
                self.all(|oracle| oracle.session = Session::Closed);
                self.host = Host::None;
            }
            Step::Select => {
                assert_eq!(raw(&mut self.card, &SELECT).unwrap().0.0, 0x9000);
                self.all(|oracle| oracle.session = Session::Selected);
                self.host = Host::None;
            }
            Step::SelectOther => {
                let answer = raw(
                    &mut self.card,
                    &encode(0x00, 0xA4, 0x04, 0x00, &[0xF0, 1, 2, 3, 4]),
                )
                .unwrap();
                assert_eq!(answer.0.0, 0x6A82);
                self.all(|oracle| oracle.session = Session::Closed);
                self.host = Host::None;
            }
            Step::OpenIssuer => {
                let host =
                    IssuerHost::open(&mut self.card).map_err(|failure| format!("SCP03: {failure:?}"))?;
                self.host = Host::Issuer(Box::new(host));
                self.all(|oracle| oracle.session = Session::Issuer);
            }
            Step::OpenTerminal(certificate, cut) => self.open_terminal(*certificate, *cut)?,
            Step::Plain(plain) => self.plain(*plain)?,
            Step::Command {
                pick,
                bad_parameters,
                cut,
            } => {
                if let Some(command) = self.complete(pick) {
                    self.command(&command, *bad_parameters, *cut)?;
                }
            }
        }
        self.observe()
    }

    fn all(&mut self, change: impl Fn(&mut Oracle)) {
        self.oracles.iter_mut().for_each(change);
    }

    /// Keeps the oracles that agree.
    fn keep(&mut self, next: Vec<(bool, Oracle, String)>, seen: &str) -> Result<(), String> {
        let expected: Vec<String> = next.iter().map(|(_, _, expected)| expected.clone()).collect();
        let mut left: Vec<Oracle> = Vec::new();
        for (agrees, oracle, _) in next {
            if agrees && !left.contains(&oracle) {
                left.push(oracle);
            }
        }
        self.oracles = left;
        if self.oracles.is_empty() {
            return Err(format!("the card: {seen}; by SPEC: {}", expected.join(" or ")));
        }
        Ok(())
    }

    fn torn(&mut self, states: Vec<Oracle>) {
        self.card.reset();
        self.host = Host::None;
        self.oracles.clear();
        for mut oracle in states {
            oracle.session = Session::Closed;
            if !self.oracles.contains(&oracle) {
                self.oracles.push(oracle);
            }
        }
    }

    fn open_terminal(&mut self, certificate: usize, cut: Option<(u32, Cut)>) -> Result<(), String> {
        let (_, holder, from, to) = terminals()[certificate];
        let office = Office::new();
        let certificate_plan = CertificatePlan {
            holder,
            dates: (from, to),
            ..office.terminal_plan()
        };
        let after: Vec<(u16, Oracle)> = self
            .oracles
            .iter()
            .map(|oracle| {
                let mut next = oracle.clone();
                (next.open_terminal(name_of(certificate), (from, to)), next)
            })
            .collect();
        self.host = Host::None;
        cut_at(&mut self.card, cut);
        let opened = Terminal::with(&office, &certificate_plan).open(&mut self.card);
        cut_at(&mut self.card, None);
        let status = match opened {
            Err(Failure::Gone) => {
                let next = after.into_iter().map(|(_, oracle)| oracle);
                let states = self.oracles.drain(..).chain(next).collect();
                self.torn(states);
                return Ok(());
            }
            Ok(till) => {
                self.host = Host::Till(Box::new(till));
                0x9000
            }
            Err(Failure::Refused(status)) => status.0,
            Err(Failure::NotGenuine) => return Err("not genuine".into()),
        };
        let next = after
            .into_iter()
            .map(|(expected, oracle)| (expected == status, oracle, format!("{expected:04X}")));
        self.keep(next.collect(), &format!("{status:04X}"))
    }

    fn plain(&mut self, plain: Plain) -> Result<(), String> {
        let (apdu, selected): (&[u8], u16) = match plain {
            Plain::ReadSecurityObject => (&[0x00, 0xB0, 0x9D, 0x00, 0x00], 0x6982),
            Plain::UnknownInstruction => (&[0x00, 0xFA, 0x00, 0x00], 0x6D00),
            Plain::UnknownClass => (&[0xB0, 0xCA, 0xFF, 0x3F, 0x00], 0x6E00),
            Plain::NoCommand => (&[0x00, 0xB0], 0x6700),
        };
        let status = raw(&mut self.card, apdu).unwrap().0.0;
        self.host = Host::None;
        let next = self.oracles.iter().map(|oracle| {
            let mut next = oracle.clone();
            let early = matches!(oracle.life_cycle, LifeCycle::Blank | LifeCycle::Personalizing);
            let expected = match (plain, &oracle.session) {
                (Plain::NoCommand, _) => 0x6700,
                (_, Session::Closed) => 0x6982,
                (Plain::ReadSecurityObject, Session::Selected) if early => 0x6985,
                (_, Session::Selected) => selected,
                (_, Session::Issuer | Session::Terminal(_)) => 0x6987,
            };
            if oracle.session != Session::Selected {
                next.session = Session::Closed;
            }
            (expected == status, next, format!("{expected:04X}"))
        });
        let next = next.collect();
        self.keep(next, &format!("{status:04X}"))
    }

    /// The command that this pick means now; `None` if it has no meaning yet.
    fn complete(&mut self, pick: &Pick) -> Option<Command> {
        Some(match pick {
            Pick::Command(command) => command.clone(),
            Pick::Store { ahead, right } => {
                self.find_keys()?;
                Command::Store(self.load(*ahead, *right))
            }
            Pick::Order(pick) => {
                let order = self.order(pick);
                self.orders.push(order.clone());
                Command::Disburse(order)
            }
            Pick::OrderAgain(index) if !self.orders.is_empty() => {
                Command::Disburse(index.get(&self.orders).clone())
            }
            Pick::Reversal(pick) => {
                let reversal = self.reversal(pick)?;
                self.reversals.push(reversal.clone());
                Command::Reverse(reversal)
            }
            Pick::ReversalAgain(index) if !self.reversals.is_empty() => {
                Command::Reverse(index.get(&self.reversals).clone())
            }
            Pick::Script {
                action,
                counter,
                own_signature,
                own_card,
            } => {
                let script = Script {
                    counter: self.oracles[0].counter + counter,
                    action: self.action(action)?,
                    own_signature: *own_signature,
                    own_card: *own_card,
                };
                self.scripts.push(script.clone());
                Command::Execute(script)
            }
            Pick::ScriptAgain(index) if !self.scripts.is_empty() => {
                Command::Execute(index.get(&self.scripts).clone())
            }
            Pick::OrderAgain(_) | Pick::ReversalAgain(_) | Pick::ScriptAgain(_) => return None,
        })
    }

    /// A card that has no CSO yet may have new keys: it is asked.
    fn find_keys(&mut self) -> Option<()> {
        let oracle = &self.oracles[0];
        if let (Host::Issuer(host), LifeCycle::Personalizing, true) =
            (&mut self.host, oracle.life_cycle, oracle.keys)
        {
            let keys = host.key_pairs(&mut self.card, 1, plan().number).unwrap();
            if self
                .keys
                .is_none_or(|known| known.signing_key != keys.signing_key)
            {
                self.loads.clear();
            }
            self.keys = Some(keys);
        }
        self.keys.map(drop)
    }

    fn load(&self, ahead: u16, right: bool) -> Load {
        Load {
            version: self.oracles[0].version().max(1) + ahead.saturating_sub(1),
            right,
        }
    }

    fn order(&self, pick: &OrderPick) -> Order {
        let (terminal, version) = self.own(pick.own_terminal, pick.own_version);
        Order {
            nonce: self.orders.len() as u8,
            terminal,
            version,
            own_person: pick.own_person,
            programme: pick.programme,
            entitlement: pick.entitlement,
            period: pick.period,
            amount: pick.amount,
            recipient: pick.recipient,
            check: pick.check,
            date: pick.date,
            encoding: pick.encoding,
        }
    }

    fn reversal(&self, pick: &ReversalPick) -> Option<Reversal> {
        let (terminal, version) = self.own(pick.own_terminal, pick.own_version);
        Some(Reversal {
            nonce: self.reversals.len() as u8,
            terminal,
            version,
            order: self.orders.iter().rev().nth(pick.order)?.clone(),
            check: pick.check,
            date: pick.date,
        })
    }

    fn own(&self, own_terminal: bool, own_version: bool) -> (usize, u16) {
        let name = match &self.oracles[0].session {
            Session::Terminal(session) => session.name,
            _ => 0,
        };
        let terminal = if own_terminal { name } else { 1 - name };
        (terminal, self.oracles[0].version() + u16::from(!own_version))
    }

    fn action(&self, pick: &ActionPick) -> Option<Action> {
        Some(match *pick {
            ActionPick::FillTries => Action::FillTries,
            ActionPick::PermitPin => Action::PermitPin,
            ActionPick::Block => Action::Block,
            ActionPick::Unblock(number) => Action::Unblock(number),
            ActionPick::Terminate => Action::Terminate,
            ActionPick::PutInForce { ahead, right } => match self.oracles[0].update {
                Some(load) if ahead > 0 => Action::PutInForce(load),
                _ => Action::PutInForce(self.load(ahead, right)),
            },
            ActionPick::Prune(floor) => Action::Prune(floor),
            ActionPick::SetDate(date) => Action::SetDate(date),
            ActionPick::Reverse(back) => Action::Reverse(self.orders.iter().rev().nth(back)?.clone()),
        })
    }

    fn command(
        &mut self,
        command: &Command,
        bad_parameters: bool,
        cut: Option<(u32, Cut)>,
    ) -> Result<(), String> {
        // P1 and P2 are a block number, and an offset: none is bad by itself.
        let fixed = matches!(
            command,
            Command::Store(_) | Command::StoreFirstBlock | Command::ReadFile(_)
        );
        let bad_parameters = bad_parameters && !fixed;
        let next: Vec<(Answer, Oracle)> = self
            .oracles
            .iter()
            .map(|oracle| {
                let mut next = oracle.clone();
                (next.command(command, bad_parameters), next)
            })
            .collect();
        cut_at(&mut self.card, cut);
        let response = self.transmit(command, bad_parameters);
        cut_at(&mut self.card, None);
        let Some((status, protected, data)) = response else {
            let mut states: Vec<Oracle> = self
                .oracles
                .iter()
                .flat_map(|oracle| oracle.torn_by(command))
                .collect();
            states.extend(next.into_iter().map(|(_, oracle)| oracle));
            self.torn(states);
            return Ok(());
        };
        if status == 0x9000 && matches!(command, Command::GenerateKeys | Command::ProveKeys) {
            self.keys = Some(GeneratedKeys::parse(&data).map_err(|error| format!("{error:?}"))?);
            self.loads.clear();
        }
        let session = !matches!(self.host, Host::None);
        let must = session && (status == 0x9000 || status & 0xFF00 == 0x6300);
        if protected != must {
            return Err(format!("{status:04X} came protected: {protected}"));
        }
        let mut judged = Vec::new();
        for (expected, oracle) in next {
            let agrees = expected.0 == status && self.is(&expected.1, &data, &oracle);
            judged.push((agrees, oracle, format!("{:04X} {:?}", expected.0, expected.1)));
        }
        self.keep(judged, &format!("{status:04X} {data:02X?}"))
    }

    fn transmit(&mut self, command: &Command, bad_parameters: bool) -> Response {
        let (mut header, data) = self.encode(command);
        if bad_parameters {
            header[3] ^= 0x40;
        }
        if let (Command::Store(_), Host::Issuer(host)) = (command, &mut self.host) {
            return match host.store(&mut self.card, &data, 223) {
                Ok(()) => Some((0x9000, true, Vec::new())),
                Err(Failure::Refused(status)) => Some((status.0, false, Vec::new())),
                Err(_) => None,
            };
        }
        // In a terminal's session it would be a chain, which only some commands may be (SPEC 8.5).
        let data = match command {
            Command::Store(_) => data[..100].to_vec(),
            _ => data,
        };
        let secure = match &mut self.host {
            Host::Issuer(host) => &mut host.secure,
            Host::Till(till) => &mut till.secure,
            Host::None => {
                let [class, instruction, p1, p2] = header;
                let answer = raw(&mut self.card, &encode(class, instruction, p1, p2, &[])).unwrap();
                return Some((answer.0.0, false, answer.1));
            }
        };
        let response = match secure.send(&mut self.card, header, &data) {
            Ok((status, protected, data)) => Some((status.0, protected, data)),
            Err(Failure::Refused(status)) => Some((status.0, false, Vec::new())),
            Err(_) => None,
        };
        if let (Some((0x9000, ..)), Command::PutKey { .. }, Host::Issuer(host)) =
            (&response, command, &mut self.host)
        {
            host.key_version += 1;
            host.keys = issuer_keys(host.key_version);
        }
        response
    }
}

//! A small card, written from SPEC.md alone: what it answers and what it remembers, without a byte of cryptography.
//! Objects are their descriptions, so the same description is the same object.

mod money;
pub mod objects;

use card_spec::command::LifeCycle;
use card_spec::values::{Date, Period};

use money::Row;
use objects::{Answer, Command, Data, Load, Receipt};

/// SPEC 4.1 `86`, as the test's CSO has them.
pub const TRIES: u8 = 3;
pub const ORDERS: u8 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    Closed,
    Selected,
    Issuer,
    Terminal(TerminalSession),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalSession {
    pub name: usize,
    pub certificate: (Date, Date),
    pub authorized: Option<(u8, u64)>,
    pub list: Option<u32>,
}

/// What a card remembers, and its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oracle {
    pub life_cycle: LifeCycle,
    pub key_version: u8,
    pub keys: bool,
    pub cso_was_loaded: bool,
    pub loaded: Option<Load>,
    pub update: Option<Load>,
    pub pin: Option<[u8; 6]>,
    pub used: u8,
    pub pin_permitted: bool,
    pub counter: u32,
    pub remembered: Date,
    month: Period,
    total: u64,
    floor: Period,
    rows: Vec<Row>,
    ring: Vec<Receipt>,
    block_list_number: u32,
    pub session: Session,
}

const fn plain(status: u16) -> Answer {
    (status, Data::None)
}

impl Oracle {
    pub fn blank(valid_from: Date) -> Self {
        Self {
            life_cycle: LifeCycle::Blank,
            key_version: 1,
            keys: false,
            cso_was_loaded: false,
            loaded: None,
            update: None,
            pin: None,
            used: 0,
            pin_permitted: false,
            counter: 0,
            remembered: valid_from,
            month: valid_from.period(),
            total: 0,
            floor: Period::FIRST,
            rows: Vec::new(),
            ring: Vec::new(),
            block_list_number: 0,
            session: Session::Closed,
        }
    }

    /// Personalized with a right CSO of version 1, under the first issuer keys.
    pub fn active(valid_from: Date, pin: [u8; 6]) -> Self {
        Self {
            life_cycle: LifeCycle::Active,
            key_version: 2,
            keys: true,
            cso_was_loaded: true,
            loaded: Some(Load {
                version: 1,
                right: true,
            }),
            pin: Some(pin),
            ..Self::blank(valid_from)
        }
    }

    /// States in which a torn command can leave the card beside the one after it: SPEC 6.6, 6.12, 9.1.
    pub fn torn_by(&self, command: &Command) -> Vec<Self> {
        let mut states = vec![self.clone()];
        match command {
            Command::Verify { .. } | Command::ChangePin { .. } if self.tries() > 0 => {
                states.push(Self {
                    used: self.used + 1,
                    ..self.clone()
                });
            }
            Command::Store(_) | Command::StoreFirstBlock if self.life_cycle == LifeCycle::Active => {
                states.push(Self {
                    update: None,
                    ..self.clone()
                });
            }
            Command::Store(_) | Command::StoreFirstBlock if self.life_cycle == LifeCycle::Personalizing => {
                for cso_was_loaded in [self.cso_was_loaded, true] {
                    states.push(Self {
                        loaded: None,
                        cso_was_loaded,
                        ..self.clone()
                    });
                }
            }
            _ => {}
        }
        states
    }

    fn activated(&self) -> bool {
        !matches!(self.life_cycle, LifeCycle::Blank | LifeCycle::Personalizing)
    }

    pub fn version(&self) -> u16 {
        self.loaded.map_or(0, |load| load.version)
    }

    /// SPEC 6.10, `83`.
    pub fn tries(&self) -> u8 {
        if self.pin.is_some() && self.loaded.is_some() {
            TRIES - self.used
        } else {
            0
        }
    }

    /// The chain of certificates and the key agreement: SPEC 7.1, 7.2, 7.5.
    pub fn open_terminal(&mut self, name: usize, certificate: (Date, Date)) -> u16 {
        self.session = Session::Selected;
        if !self.activated() {
            return 0x6985;
        }
        if certificate.1 < self.remembered {
            return 0x6982;
        }
        self.remembered = self.remembered.max(certificate.0);
        self.session = Session::Terminal(TerminalSession {
            name,
            certificate,
            authorized: None,
            list: None,
        });
        0x9000
    }

    /// SPEC 14.2: instruction, life cycle, P1 P2; then the clause.
    pub fn command(&mut self, command: &Command, bad_parameters: bool) -> Answer {
        let row = match &self.session {
            Session::Closed => return plain(0x6982),
            Session::Selected => return plain(0x6D00),
            Session::Issuer => issuer_row(command),
            Session::Terminal(_) => terminal_row(command),
        };
        let Some(row) = row else { return plain(0x6D00) };
        let states = [
            LifeCycle::Blank,
            LifeCycle::Personalizing,
            LifeCycle::Active,
            LifeCycle::Blocked,
            LifeCycle::Terminated,
        ];
        let place = states.iter().position(|state| *state == self.life_cycle).unwrap();
        let pin = matches!(command, Command::SetPin(_) | Command::ChangePin { .. });
        let issuer = self.session == Session::Issuer;
        let forbidden = issuer && pin && self.life_cycle == LifeCycle::Active && !self.pin_permitted;
        if row.as_bytes()[place] != b'y' || forbidden {
            return plain(0x6985);
        }
        // P1 says whose change of the PIN it is.
        let others = pin && issuer != matches!(command, Command::SetPin(_));
        if bad_parameters || others {
            return plain(if matches!(command, Command::GetData) {
                0x6A88
            } else {
                0x6A86
            });
        }
        self.own_checks(command)
    }

    fn own_checks(&mut self, command: &Command) -> Answer {
        match command {
            Command::GetData | Command::Authenticate => (0x9000, Data::Some),
            Command::PutKey { right } => self.put_key(*right),
            Command::GenerateKeys if self.cso_was_loaded => plain(0x6985),
            Command::ProveKeys if !self.keys => plain(0x6A88),
            Command::GenerateKeys | Command::ProveKeys => {
                self.keys = true;
                (0x9000, Data::Some)
            }
            Command::Store(load) => self.store(Some(*load)),
            Command::StoreFirstBlock => self.store(None),
            Command::SetPin(None) => plain(0x6A80),
            Command::SetPin(Some(pin)) => {
                (self.pin, self.used, self.pin_permitted) = (Some(*pin), 0, false);
                plain(0x9000)
            }
            Command::Activate => self.activate(),
            Command::ReadFile(file) => self.read_file(*file),
            Command::ReadRecord { number, object } => self.read_record(*number, *object),
            Command::Execute(script) => self.execute(script),
            Command::AskTries if self.terminal().authorized.is_some() => plain(0x9000),
            Command::AskTries if self.tries() == 0 => plain(0x6983),
            Command::AskTries => plain(0x63C0 | u16::from(self.tries())),
            Command::Verify { .. } | Command::ChangePin { .. } if self.tries() == 0 => plain(0x6983),
            Command::Verify { pin, orders, total } => match pin {
                Some(pin) if (1..=ORDERS).contains(orders) => {
                    let answer = self.compare(pin);
                    if answer.0 == 0x9000 {
                        self.terminal().authorized = Some((*orders, *total));
                    }
                    answer
                }
                _ => plain(0x6A80),
            },
            Command::ChangePin { new: None, .. } => plain(0x6A80),
            Command::ChangePin { pin, new } => {
                let answer = self.compare(pin);
                if answer.0 == 0x9000 {
                    self.pin = *new;
                }
                answer
            }
            Command::Disburse(order) => self.disburse(order),
            Command::Reverse(reversal) => self.reverse(reversal),
            Command::ShowHeader {
                number,
                own_signature,
            } => self.show_header(*number, *own_signature),
            Command::ShowEntry { own_card, path } => self.show_entry(*own_card, *path),
            Command::Unknown => plain(0x6D00),
        }
    }

    /// Only for commands of a terminal session.
    fn terminal(&mut self) -> &mut TerminalSession {
        match &mut self.session {
            Session::Terminal(session) => session,
            _ => panic!("no terminal session"),
        }
    }

    fn end_authorization(&mut self) {
        if let Session::Terminal(session) = &mut self.session {
            session.authorized = None;
        }
    }

    /// SPEC 6.4.
    fn put_key(&mut self, right: bool) -> Answer {
        if !right {
            return plain(0x6A80);
        }
        self.key_version += 1;
        if self.life_cycle == LifeCycle::Blank {
            self.life_cycle = LifeCycle::Personalizing;
        }
        (0x9000, Data::Some)
    }

    /// SPEC 6.6; `None`: only the first block.
    fn store(&mut self, load: Option<Load>) -> Answer {
        if self.life_cycle == LifeCycle::Active {
            self.update = load;
        } else {
            self.loaded = load;
            self.cso_was_loaded |= load.is_some();
        }
        plain(0x9000)
    }

    /// SPEC 6.9.
    fn activate(&mut self) -> Answer {
        if self.life_cycle == LifeCycle::Active {
            return plain(0x9000);
        }
        if !self.loaded.is_some_and(|load| load.right) || self.pin.is_none() {
            return plain(0x6985);
        }
        self.life_cycle = LifeCycle::Active;
        plain(0x9000)
    }

    /// SPEC 14.3; there is no portrait.
    fn read_file(&self, file: u8) -> Answer {
        let readable = match (&self.session, self.life_cycle) {
            (Session::Issuer, _) => true,
            (_, LifeCycle::Active) => !matches!(file, 4 | 6),
            _ => file == 0x1D,
        };
        match file {
            _ if !readable => plain(0x6982),
            2 => plain(0x6A82),
            _ if self.loaded.is_none() => plain(0x6A82),
            _ => (0x9000, Data::File(file)),
        }
    }

    /// SPEC 9.9.
    fn read_record(&self, number: u8, object: bool) -> Answer {
        let Some(place) = usize::from(number).checked_sub(1) else {
            return plain(0x6A86);
        };
        let Some(receipt) = self.ring.get(place).cloned() else {
            return plain(0x6A83);
        };
        let data = if object {
            Data::Object(receipt.done)
        } else {
            Data::Receipt(receipt)
        };
        (0x9000, data)
    }

    /// SPEC 9.1: the try is counted, and given back if the PIN is right.
    fn compare(&mut self, pin: &[u8; 6]) -> Answer {
        if self.pin == Some(*pin) {
            self.used = 0;
            return plain(0x9000);
        }
        self.used += 1;
        self.end_authorization();
        plain(0x63C0 | u16::from(self.tries()))
    }
}

/// SPEC 14.2: blank, personalizing, active, blocked, terminated.
const fn issuer_row(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::GetData => "yyyyy",
        Command::PutKey { .. } => "yyyy-",
        Command::GenerateKeys | Command::ProveKeys => "-y---",
        Command::Store(_) | Command::StoreFirstBlock | Command::SetPin(_) | Command::Activate => "-yy--",
        Command::ChangePin { .. } => "-yy--",
        Command::ReadFile(_) => "-yyy-",
        Command::ReadRecord { .. } => "--yyy",
        Command::Execute(_) => "--yy-",
        _ => return None,
    })
}

const fn terminal_row(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::GetData | Command::Authenticate | Command::ReadRecord { .. } | Command::ReadFile(_) => {
            "--yyy"
        }
        Command::AskTries | Command::Verify { .. } | Command::ChangePin { .. } | Command::SetPin(_) => {
            "--y--"
        }
        Command::Disburse(_) | Command::Reverse(_) => "--yyy",
        Command::Execute(_) => "--yy-",
        Command::ShowHeader { .. } | Command::ShowEntry { .. } => "--y--",
        _ => return None,
    })
}

//! What commands carry and answers hold, as descriptions.

use card_spec::values::{Date, Period};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub nonce: u8,
    pub terminal: usize,
    pub version: u16,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderCheck {
    Pin,
    Photo,
    PhotoByTwo,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    pub nonce: u8,
    pub terminal: usize,
    pub version: u16,
    pub order: Order,
    pub check: HolderCheck,
    pub date: Date,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    FillTries,
    PermitPin,
    Block,
    Unblock(u32),
    Terminate,
    PutInForce(Load),
    Prune(Period),
    SetDate(Date),
    Reverse(Order),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub counter: u32,
    pub action: Action,
    pub own_signature: bool,
    pub own_card: bool,
}

/// What STORE DATA loads: the CSO's version, and whether its digests are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Load {
    pub version: u16,
    pub right: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Payment(Order),
    Reversal(Reversal),
    Script(Script),
    BlockList(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub counter: u32,
    pub version: u16,
    pub done: Done,
    pub pin_verified: bool,
    pub tries: u8,
}

#[derive(Clone, Debug)]
pub enum Command {
    GetData,
    PutKey {
        right: bool,
    },
    GenerateKeys,
    ProveKeys,
    Store(Load),
    StoreFirstBlock,
    SetPin(Option<[u8; 6]>),
    Activate,
    ReadFile(u8),
    ReadRecord {
        number: u8,
        object: bool,
    },
    Execute(Script),
    Authenticate,
    AskTries,
    Verify {
        pin: Option<[u8; 6]>,
        orders: u8,
        total: u64,
    },
    ChangePin {
        pin: [u8; 6],
        new: Option<[u8; 6]>,
    },
    Disburse(Order),
    Reverse(Reversal),
    ShowHeader {
        number: u32,
        own_signature: bool,
    },
    ShowEntry {
        own_card: bool,
        path: bool,
    },
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    None,
    Receipt(Receipt),
    Object(Done),
    File(u8),
    /// Some data that the clause's own tests examine.
    Some,
}

/// Status word and data.
pub type Answer = (u16, Data);

//! The host of the bench: certificates, lists, time, acknowledgements.

use card_spec::certificate::{Request as CertificateRequest, Role, verify_request};
use card_spec::crypto::{PortableP256, PublicKey, SecretKey, sha256};
use card_spec::journal::{Acknowledgement, Entry, TimeStatement};
use card_spec::list::{
    BlockEntry, BlockListHeader, BlockReason, KeptLists, ListHeader, ListLine, SomeAmount,
};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::payment::{LineKey, LineKeyParts, LineType};
use card_spec::signed::Signed;
use card_spec::values::{Amount, Ascii, CardNumber, Date, Period, TerminalName, Time};
use link::{Answer, Refusal, Request, TerminalState, receive};

use super::Bench;
use super::card::date;
use super::card::issuer::{
    CertificatePlan, ISSUER, Office, Plan, encoded, plan, programme, reference, signed,
};

pub const NAME: &str = "VNT0000001";

pub fn noon() -> Time {
    Time::new(date(2026, 11, 22), 12, 0, 0).unwrap()
}

/// A line of the holder with the bench's usual card.
pub fn line(number: u32, entitlement: u16, vnd: u64) -> ListLine {
    ListLine {
        number,
        card_number: plan().number,
        line_key: LineKey::new(&LineKeyParts {
            person: plan().person,
            programme: programme(b"BTXH"),
            entitlement,
            line_type: LineType::Regular,
            period: Period::new(2026, 11).unwrap(),
        }),
        amount: Amount::new(vnd).unwrap(),
        recipients: 1,
    }
}

/// A payment list that is about to be signed.
#[derive(Clone)]
pub struct ListPlan {
    pub number: u32,
    pub terminal: &'static str,
    pub dates: (Date, Date),
    pub lines: Vec<ListLine>,
    /// Numbers of the lists that it keeps, 4 bytes each.
    pub keeps: &'static [u8],
    /// VND; 0 for a list that lets nothing be paid by hand.
    pub by_hand_up_to: u64,
}

impl ListPlan {
    pub fn new(number: u32, lines: Vec<ListLine>) -> Self {
        Self {
            number,
            terminal: NAME,
            dates: (date(2026, 11, 1), date(2026, 11, 30)),
            lines,
            keeps: &[],
            by_hand_up_to: 0,
        }
    }

    /// A list beside earlier ones.
    pub fn beside(number: u32, keeps: &'static [u8], lines: Vec<ListLine>) -> Self {
        Self {
            keeps,
            ..Self::new(number, lines)
        }
    }

    pub fn body(&self) -> Vec<u8> {
        self.lines
            .iter()
            .flat_map(|line| encoded(line, ListLine::TAG))
            .collect()
    }

    pub fn header(&self) -> ListHeader<'static> {
        let mut root = RootBuilder::new();
        for line in &self.lines {
            root.push(leaf_hash(&encoded(line, ListLine::TAG)), |_, _, _| {});
        }
        ListHeader {
            suite: Default::default(),
            format: Default::default(),
            issuer: reference(ISSUER),
            list_id: Ascii::new("DS-2026-11-A").unwrap(),
            number: self.number,
            pay_point: Ascii::new("BD-700000").unwrap(),
            terminal: self.terminal.parse().unwrap(),
            effective: self.dates.0,
            expiry: self.dates.1,
            lines: self.lines.len() as u32,
            root: root.root(),
            total: self.lines.iter().fold(Amount::default(), |sum, line| {
                sum.checked_add(line.amount).unwrap()
            }),
            issuer_sequence: u64::from(self.number),
            issuer_previous: [0; 32],
            keeps: KeptLists::new(self.keeps),
            by_hand_up_to: Amount::new(self.by_hand_up_to).and_then(SomeAmount::new),
        }
    }
}

pub fn block_header(number: u32, cards: &[CardNumber], issued: Time) -> BlockListHeader {
    let mut root = RootBuilder::new();
    for card in cards {
        root.push(leaf_hash(&block_entry(*card)), |_, _, _| {});
    }
    BlockListHeader {
        suite: Default::default(),
        format: Default::default(),
        issuer: reference(ISSUER),
        number,
        count: cards.len() as u32,
        root: root.root(),
        issued,
        issuer_sequence: 1,
        issuer_previous: [0; 32],
    }
}

pub fn block_entry(card_number: CardNumber) -> Vec<u8> {
    let entry = BlockEntry {
        card_number,
        reason: BlockReason::Lost,
    };
    encoded(&entry, BlockEntry::TAG)
}

/// The host. It knows the terminal's journal key once the terminal has asked for its certificate.
pub struct Host {
    pub office: Office,
    /// Name of the issuer's key that it signs with.
    pub issuer_name: &'static str,
    pub journal_key: Option<PublicKey>,
    pub list: ListPlan,
    pub blocked: Vec<CardNumber>,
}

impl Host {
    pub fn new(lines: Vec<ListLine>) -> Self {
        Self {
            office: Office::new(),
            issuer_name: ISSUER,
            journal_key: None,
            list: ListPlan::new(1, lines),
            blocked: Vec::new(),
        }
    }

    pub fn anchor(&self) -> Vec<u8> {
        encoded(&self.office.trust_anchor(), 0xFF38)
    }

    pub fn certificates(&self, agreement: PublicKey, journal: PublicKey) -> [Vec<u8>; 4] {
        let office = &self.office;
        let journal_plan = CertificatePlan {
            holder: "VNT0000001J00001",
            role: Role::TerminalJournal,
            ..office.terminal_plan()
        };
        [
            office
                .issuer_plan()
                .sign(&office.root, office.issuer.public_key()),
            office
                .terminal_ca_plan()
                .sign(&office.root, office.terminal_ca.public_key()),
            office.terminal_plan().sign(&office.terminal_ca, agreement),
            journal_plan.sign(&office.terminal_ca, journal),
        ]
    }

    /// Has keys made; gives the agreement key and remembers the journal key.
    pub fn make_keys(&mut self, bench: &mut Bench<'_>) -> Result<PublicKey, Refusal> {
        let answer = bench.ask(&Request::MakeKeys {
            name: NAME.as_bytes().try_into().unwrap(),
        });
        let (agreement, journal) = match receive::<Answer<'_>>(&answer).unwrap() {
            Answer::Requests { agreement, journal } => (agreement, journal),
            Answer::Refused { code } => return Err(code),
            other => panic!("{other:?}"),
        };
        let proven = |request| {
            let request = Signed::<CertificateRequest>::parse(request).unwrap();
            let proven = verify_request(&PortableP256, &request).unwrap();
            assert_eq!(proven.holder().terminal_name().unwrap().as_str(), NAME);
            proven.key()
        };
        self.journal_key = Some(proven(journal));
        Ok(proven(agreement))
    }

    pub fn objects(&self, agreement: PublicKey) -> Vec<u8> {
        let journal = self.journal_key.unwrap();
        [
            vec![self.anchor()],
            self.certificates(agreement, journal).to_vec(),
        ]
        .concat()
        .concat()
    }

    pub fn time_statement(&self, nonce: [u8; 16], time: Time) -> TimeStatement {
        TimeStatement {
            suite: Default::default(),
            issuer: reference(self.issuer_name),
            terminal: NAME.parse().unwrap(),
            nonce,
            time,
        }
    }

    pub fn nonce(bench: &mut Bench<'_>) -> [u8; 16] {
        match receive::<Answer<'_>>(&bench.ask(&Request::TimeNonce)).unwrap() {
            Answer::Nonce { nonce } => nonce,
            other => panic!("{other:?}"),
        }
    }

    pub fn set_time(&self, bench: &mut Bench<'_>, time: Time) -> Result<(), Refusal> {
        let statement = self.time_statement(Self::nonce(bench), time);
        bench.done(&Request::SetTime {
            signed: &signed(&statement, &self.office.issuer),
        })
    }

    pub fn load_list(&self, bench: &mut Bench<'_>, list: &ListPlan) -> Result<(), Refusal> {
        let header = ListHeader {
            issuer: reference(self.issuer_name),
            ..list.header()
        };
        let header = signed(&header, &self.office.issuer);
        bench.done(&Request::ListBegin { header: &header })?;
        for bytes in list.body().chunks(ListLine::LENGTH * 30) {
            bench.done(&Request::ListLines { bytes })?;
        }
        bench.done(&Request::ListEnd)
    }

    pub fn load_blocks(&self, bench: &mut Bench<'_>, number: u32, issued: Time) -> Result<(), Refusal> {
        let header = BlockListHeader {
            issuer: reference(self.issuer_name),
            ..block_header(number, &self.blocked, issued)
        };
        let header = signed(&header, &self.office.issuer);
        bench.done(&Request::BlockBegin { header: &header })?;
        for card in &self.blocked {
            bench.done(&Request::BlockEntries {
                bytes: &block_entry(*card),
            })?;
        }
        bench.done(&Request::BlockEnd)
    }

    /// Does whatever is still missing until the terminal can pay: what a sync does at each connection.
    pub fn prepare(&mut self, bench: &mut Bench<'_>) -> Result<(), Refusal> {
        if bench.hello().state != TerminalState::Provisioned {
            let agreement = self.make_keys(bench)?;
            let objects = self.objects(agreement);
            bench.done(&Request::Install { objects: &objects })?;
        }
        self.set_time(bench, noon())?;
        let hello = bench.hello();
        if hello.list_number == 0 {
            self.load_list(bench, &self.list)?;
        }
        if hello.block_list_number == 0 {
            self.load_blocks(bench, 1, noon())?;
        }
        Ok(())
    }

    pub fn acknowledgement(&self, entry: &[u8]) -> Acknowledgement {
        let entry = Signed::<Entry<'_>>::parse(entry).unwrap();
        Acknowledgement {
            suite: Default::default(),
            issuer: reference(self.issuer_name),
            terminal: NAME.parse::<TerminalName>().unwrap(),
            sequence: entry.claimed().sequence,
            head: entry.hash(),
            journal_key: sha256(&[self.journal_key.unwrap().as_bytes()]),
            time: noon(),
        }
    }

    pub fn acknowledge(&self, bench: &mut Bench<'_>, entry: &[u8]) -> Result<(), Refusal> {
        let body = self.acknowledgement(entry);
        bench.done(&Request::Acknowledge {
            signed: &signed(&body, &self.office.issuer),
        })
    }

    pub fn issuer(&self) -> &SecretKey {
        &self.office.issuer
    }
}

/// A card of the bench's usual holder, or as planned.
pub fn card(plan: &Plan) -> super::card::Card {
    super::card::issuer::active_card(&Office::new(), plan)
}

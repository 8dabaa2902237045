//! Payment lists for terminals.

use ansinh_payout::{ListTerms, make_payment_list};
use ansinh_store::lists::{ListSummary, Others};
use ansinh_store::operators::{Actor, Role};
use card_spec::list::{ListHeader, SomeAmount};
use card_spec::signed::Signed;
use card_spec::values::{Amount, Date, Period, TerminalName};
use jiff::civil;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EVERYBODY, day};
use crate::call::{Call, Kind};
use crate::events::Happening;
use crate::refusal::{Code, Refusal};
use crate::service::Service;

/// Makes and signs the next payment list of a terminal.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MakeList")]
pub struct Make {
    /// The terminal that may pay the list.
    #[schemars(regex(pattern = "^VNT[0-9]{7}$"))]
    pub terminal: String,
    /// Where it is paid.
    #[schemars(regex(pattern = "^[A-Za-z0-9-]{1,12}$"))]
    pub pay_point: String,
    /// The newest month that is paid, `yyyymm`; unpaid lines of months before go along.
    #[schemars(regex(pattern = "^20[0-9]{4}$"))]
    pub period: String,
    /// First day of payment, `yyyymmdd`.
    #[schemars(regex(pattern = "^20[0-9]{6}$"))]
    pub valid_from: String,
    /// Last day of payment, `yyyymmdd`.
    #[schemars(regex(pattern = "^20[0-9]{6}$"))]
    pub valid_to: String,
    /// Leave out persons whose pay point is known to be another one.
    #[serde(default)]
    pub only_this_pay_point: bool,
    /// Leave the terminal's lists in force beside the new one, which then holds what is due besides; otherwise it takes over their
    /// unpaid lines and they end.
    #[serde(default)]
    pub beside: bool,
    /// The most in VND that two operators may pay by hand for one line, to the holder of a card that fails; without it nothing is.
    #[serde(default)]
    #[schemars(range(min = 1, max = 999_999_999_999_u64))]
    pub by_hand_up_to: Option<u64>,
}

/// A list that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeList {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub list: String,
    /// The terminal that may pay it.
    pub terminal: String,
    /// Lines on it.
    pub lines: u64,
    /// What they sum up to.
    pub total_vnd: u64,
    /// Numbers of the terminal's lists that stay in force beside it.
    pub keeps: Vec<u32>,
    /// Lines that are due besides but did not fit: another terminal can take them.
    pub left_out: u64,
    /// Lines that stay on the list of a person's earlier card.
    pub of_earlier_cards: u64,
}

impl Make {
    fn terms(self) -> Result<ListTerms, Refusal> {
        let terminal = terminal_name(&self.terminal).ok_or_else(|| refused(NO_TERMINAL_NAME))?;
        let code = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=12).contains(&self.pay_point.len()) || !self.pay_point.bytes().all(code) {
            return Err(refused("a pay point is 1 to 12 letters, digits or dashes"));
        }
        let (first, last) = (day(&self.valid_from), day(&self.valid_to));
        let (Some(first), Some(last)) = (first, last) else {
            return Err(refused("a day of payment is none, yyyymmdd"));
        };
        if last < first {
            return Err(refused("the last day of payment is before the first"));
        }
        Ok(ListTerms {
            terminal,
            pay_point: self.pay_point,
            period: period(&self.period).ok_or_else(|| refused("the month is none, yyyymm"))?,
            effective: spec_day(first)?,
            expiry: spec_day(last)?,
            others: match self.beside {
                true => Others::Stay {
                    today: spec_day(ansinh_reference::today())?,
                },
                false => Others::End,
            },
            only_this_pay_point: self.only_this_pay_point,
            by_hand_up_to: self.by_hand_up_to.map(by_hand).transpose()?,
        })
    }
}

const NO_TERMINAL_NAME: &str = "the terminal's name is none, such as VNT0000001";

fn refused(why: &str) -> Refusal {
    Refusal::refused_data(format!("{why}; no list was made"))
}

fn by_hand(vnd: u64) -> Result<SomeAmount, Refusal> {
    let most = Amount::new(vnd).and_then(SomeAmount::new);
    most.ok_or_else(|| refused("what may be paid by hand for one line is 1 to 999999999999 VND"))
}

fn terminal_name(text: &str) -> Option<TerminalName> {
    text.parse().ok()
}

fn period(text: &str) -> Option<Period> {
    let first = day(&format!("{text}01")).filter(|_| text.len() == 6)?;
    Period::new(first.year().try_into().ok()?, first.month().try_into().ok()?)
}

fn spec_day(day: civil::Date) -> Result<Date, Refusal> {
    crate::issuing::spec_date(day).map_err(|_| refused("a day of payment is outside the years 2000 to 2099"))
}

impl Call for Make {
    type Answer = MadeList;
    const NAME: &'static str = "lists/make";
    const KIND: Kind = Kind::Change;
    const ROLES: &'static [Role] = &[Role::Operator];
    const SUMMARY: &'static str = "Make and sign the next payment list of a terminal";

    fn run(self, service: &Service, actor: &Actor) -> Result<Self::Answer, Refusal> {
        let terms = self.terms()?;
        let made = make_payment_list(service.store(), actor, &service.issuer()?, &terms)?;
        let header = Signed::<ListHeader<'_>>::parse(&made.list.header)
            .map_err(|_| Refusal::new(Code::Internal, "the list was made, but its header cannot be read"))?;
        service.events().tell(Happening::PaymentListMade {
            list: made.list.list_id.clone(),
        });
        Ok(MadeList {
            number: made.list.number,
            total_vnd: header.claimed().total.vnd(),
            keeps: header.claimed().kept().collect(),
            lines: made.list.lines.len() as u64,
            left_out: made.left_out as u64,
            of_earlier_cards: service.store().lines_of_earlier_cards()?,
            terminal: made.list.terminal.clone(),
            list: made.list.list_id,
        })
    }
}

/// Where a list is, as far as the committed journal of its terminal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListState {
    /// The terminal was not heard to have it, and may still get it.
    Made,
    /// The terminal pays from it, on its days.
    InForce,
    /// A later list has ended it, or came before it.
    Ended,
}

/// A payment list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownList {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub list: String,
    /// The terminal that may pay it.
    pub terminal: String,
    /// First day of payment, `yyyy-mm-dd`.
    pub valid_from: String,
    /// Last day of payment, `yyyy-mm-dd`.
    pub valid_to: String,
    /// Lines on it.
    pub lines: u32,
    /// What they sum up to.
    pub total_vnd: u64,
    /// Numbers of the earlier lists that it leaves in force.
    pub keeps: Vec<u32>,
    /// Where it is.
    pub state: ListState,
}

impl KnownList {
    fn of(list: ListSummary) -> Result<Self, Refusal> {
        let unreadable = |_| Refusal::new(Code::Internal, "the header of a list cannot be read");
        let signed = Signed::<ListHeader<'_>>::parse(&list.header).map_err(unreadable)?;
        let header = signed.claimed();
        let is_later = list.newest_loaded.is_none_or(|newest| list.number > newest);
        Ok(Self {
            number: list.number,
            list: list.list_id,
            terminal: list.terminal,
            valid_from: header.effective.to_string(),
            valid_to: header.expiry.to_string(),
            lines: header.lines,
            total_vnd: header.total.vnd(),
            keeps: header.kept().collect(),
            state: match (list.is_in_force, is_later) {
                (true, _) => ListState::InForce,
                (false, true) => ListState::Made,
                (false, false) => ListState::Ended,
            },
        })
    }
}

/// Shows the payment lists, of one terminal or of all, and which are in force.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ShowLists")]
pub struct Show {
    /// Only those of this terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^VNT[0-9]{7}$"))]
    pub terminal: Option<String>,
}

impl Call for Show {
    type Answer = Vec<KnownList>;
    const NAME: &'static str = "lists";
    const KIND: Kind = Kind::Read;
    const ROLES: &'static [Role] = EVERYBODY;
    const SUMMARY: &'static str = "Show the payment lists of one terminal or of all, and which are in force";

    fn run(self, service: &Service, _: &Actor) -> Result<Self::Answer, Refusal> {
        // A name that is none would be shown as a terminal without lists.
        let known = |name: &str| terminal_name(name).ok_or_else(|| Refusal::refused_data(NO_TERMINAL_NAME));
        let named = self.terminal.as_deref().map(known).transpose()?;
        let lists = service
            .store()
            .list_summaries(named.as_ref().map(TerminalName::as_str))?;
        lists.into_iter().map(KnownList::of).collect()
    }
}

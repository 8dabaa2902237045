//! Payment lists (DATA 3): the lines that a terminal may pay, signed as one.

use core::fmt::Display;

use ansinh_store::Store;
use ansinh_store::issuer_log::SignedObject;
use ansinh_store::lists::{DueLine, ListDraft, ListSummary, NewPaymentList, Others, PaymentList};
use ansinh_store::operators::Actor;
use card_spec::crypto::Sign;
use card_spec::list::{KeptLists, ListHeader, ListLine, MAXIMUM_KEPT, MAXIMUM_LINES, SomeAmount};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::payment::{LineKey, LineKeyParts, LineType, Recipient};
use card_spec::signed::{Signed, sign};
use card_spec::tlv::{Field as _, Writer};
use card_spec::values::{Amount, Ascii, Constant, Date, Period, Programme, Suite, TerminalName};

use crate::statements::OBJECT;
use crate::{IssuerKey, PayoutError};

/// Bit of a recipient in a line's recipients (DATA 3.2).
pub(crate) const fn recipient_bit(recipient: Recipient) -> u8 {
    match recipient {
        Recipient::Holder => 0x01,
        Recipient::FirstRepresentative | Recipient::SecondRepresentative => 0x02,
    }
}

/// What a list is for.
#[derive(Debug, Clone)]
pub struct ListTerms {
    /// The terminal that may pay it.
    pub terminal: TerminalName,
    /// Where it is paid, up to 12 characters.
    pub pay_point: String,
    /// The newest month that is paid; older unpaid ones are carried along.
    pub period: Period,
    /// First day of payment.
    pub effective: Date,
    /// Last day of payment.
    pub expiry: Date,
    /// Which of the terminal's lists stay in force beside it.
    pub others: Others,
    /// Whether persons whose pay point is known to be another one are left out.
    pub only_this_pay_point: bool,
    /// The most that may be paid by hand for one line, to a card that fails; `None` if nothing may (DATA 5.7).
    pub by_hand_up_to: Option<SomeAmount>,
}

/// A list that was made.
#[derive(Debug, Clone)]
pub struct MadeList {
    /// The list.
    pub list: PaymentList,
    /// Lines that are due besides but did not fit (DATA 3.1). They are on no list; another terminal can take them.
    pub left_out: usize,
}

/// Makes, signs and stores the next list of a terminal: the due lines up to the period of active cards, at most 4,000.
///
/// # Errors
/// [`PayoutError::NothingDue`]; [`PayoutError::LostSightOf`]; [`PayoutError::TooManyLists`] if as many as can be would stay beside it; otherwise of the store and the key. On an error no list exists.
pub fn make_payment_list<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
    terms: &ListTerms,
) -> Result<MadeList, PayoutError> {
    let first_day = digits(terms.effective);
    let mut left_out = 0;
    let list = store.add_payment_list(
        actor,
        terms.terminal.as_str(),
        &first_day,
        terms.others,
        issuer.issuer(),
        |mut draft| {
            if draft.keeps.len() > MAXIMUM_KEPT {
                return Err(PayoutError::TooManyLists);
            }
            let mut due = lines_in_terms(std::mem::take(&mut draft.due), terms)?;
            if due.is_empty() {
                return Err(PayoutError::NothingDue);
            }
            // The lost one may have paid them to the card, and paid by hand no card would refuse them.
            if terms.by_hand_up_to.is_some() && due.iter().any(|(line, _)| line.lost_sight_of) {
                return Err(PayoutError::LostSightOf);
            }
            left_out = due.len().saturating_sub(MAXIMUM_LINES as usize);
            due.truncate(MAXIMUM_LINES as usize);
            sign_list(issuer, terms, due, &draft)
        },
    )?;
    Ok(MadeList { list, left_out })
}

/// What a terminal lacks, in the order in which it takes it: `lists` are all of this terminal's by number, `held` the number of the
/// newest that it has, 0 for none.
///
/// A list keeps only such lists as are in force with the one made before it. So what follows the newest list that keeps none is taken one
/// after the other; what was made before that one is not needed any more.
///
/// # Errors
/// [`PayoutError::Encoding`] if a header in the ledger was changed from outside.
pub fn lists_to_load(lists: &[ListSummary], held: u32) -> Result<&[ListSummary], PayoutError> {
    let later = lists.partition_point(|list| list.number <= held);
    let mut first = later;
    for (place, list) in lists.iter().enumerate().skip(later) {
        if kept_lists(&list.header)?.is_empty() {
            first = place;
        }
    }
    Ok(lists.get(first..).unwrap_or_default())
}

/// Numbers of the lists that a list keeps in force beside it, by its header.
///
/// # Errors
/// [`PayoutError::Encoding`] if it is none.
pub fn kept_lists(header: &[u8]) -> Result<Vec<u32>, PayoutError> {
    let header = Signed::<ListHeader<'_>>::parse(header)?;
    Ok(header.claimed().kept().collect())
}

/// `yyyymmdd`.
fn digits(day: Date) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

fn lines_in_terms(due: Vec<DueLine>, terms: &ListTerms) -> Result<Vec<(DueLine, LineKey)>, PayoutError> {
    let mut lines = Vec::with_capacity(due.len());
    for line in due {
        let key = line_key(&line)?;
        let elsewhere = line.pay_point.as_ref().is_some_and(|own| *own != terms.pay_point);
        if key.parts().period <= terms.period && !(terms.only_this_pay_point && elsewhere) {
            lines.push((line, key));
        }
    }
    Ok(lines)
}

fn sign_list<S: Sign<Error: Display>>(
    issuer: &IssuerKey<'_, S>,
    terms: &ListTerms,
    due: Vec<(DueLine, LineKey)>,
    draft: &ListDraft,
) -> Result<NewPaymentList, PayoutError> {
    let number = draft.number;
    let mut tree = RootBuilder::new();
    let mut total = Amount::default();
    let mut lines = Vec::with_capacity(due.len());
    for (line_number, (line, line_key)) in (1..).zip(due) {
        let amount = Amount::new(line.amount).ok_or(PayoutError::Value("an amount"))?;
        total = total
            .checked_add(amount)
            .ok_or(PayoutError::Value("the list's total"))?;
        let holder = recipient_bit(Recipient::Holder);
        let recipients = if line.has_representative {
            holder | recipient_bit(Recipient::FirstRepresentative)
        } else {
            holder
        };
        let content = ListLine {
            number: line_number,
            card_number: line.card,
            line_key,
            amount,
            recipients,
        };
        let mut buffer = [0; ListLine::LENGTH];
        let mut writer = Writer::new(&mut buffer);
        content.write(&mut writer, ListLine::TAG)?;
        tree.push(leaf_hash(&buffer), |_, _, _| {});
        lines.push((line, buffer.to_vec()));
    }
    let list_id = format!(
        "{}-{number:06}",
        terms.pay_point.chars().take(12).collect::<String>()
    );
    let keeps: Vec<u8> = draft.keeps.iter().flat_map(|kept| kept.to_be_bytes()).collect();
    let header = ListHeader {
        suite: Suite::default(),
        format: Constant,
        issuer: issuer.reference(),
        list_id: Ascii::new(&list_id).ok_or(PayoutError::Value("the list's name"))?,
        number,
        pay_point: Ascii::new(&terms.pay_point).ok_or(PayoutError::Value("the pay point"))?,
        terminal: terms.terminal,
        effective: terms.effective,
        expiry: terms.expiry,
        lines: tree.leaves(),
        root: tree.root(),
        total,
        issuer_sequence: draft.position.sequence,
        issuer_previous: draft.position.previous_hash,
        keeps: KeptLists::new(&keeps),
        by_hand_up_to: terms.by_hand_up_to,
    };
    let mut buffer = [0; OBJECT];
    let object = sign(&header, issuer.signer(), &mut buffer)?;
    let body_hash = Signed::<ListHeader<'_>>::parse(object)?.hash();
    let header = SignedObject {
        body_hash,
        object: object.to_vec(),
    };
    Ok(NewPaymentList {
        header,
        list_id: list_id.clone(),
        root: tree.root(),
        last_day: digits(terms.expiry),
        by_hand_up_to: terms.by_hand_up_to.map(|most| most.amount().vnd()),
        lines,
    })
}

/// The key of a stored line as a card and a terminal see it.
fn line_key(line: &DueLine) -> Result<LineKey, PayoutError> {
    let key = &line.key;
    let programme = <[u8; 4]>::try_from(key.programme.as_bytes())
        .ok()
        .and_then(Programme::from_bytes);
    let month: u32 = key.period.parse().map_err(|_| PayoutError::Value("a period"))?;
    let year = u16::try_from(month / 100).map_err(|_| PayoutError::Value("a period"))?;
    let period = u8::try_from(month % 100)
        .ok()
        .and_then(|month| Period::new(year, month));
    Ok(LineKey::new(&LineKeyParts {
        person: key.person,
        programme: programme.ok_or(PayoutError::Value("a programme"))?,
        entitlement: key.entitlement,
        line_type: LineType::from_byte(key.line_type).ok_or(PayoutError::Value("a line type"))?,
        period: period.ok_or(PayoutError::Value("a period"))?,
    }))
}

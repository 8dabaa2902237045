//! What proves a payment: an order for a line that the issuer listed, and the receipt of the card that the line names.
//!
//! The two come together twice, in the terminal's journal (DATA 5.3) and in the card's own memory (SPEC 9.9), and have to
//! agree in the same way.

use ansinh_store::journal::{CarriedPayment, Payment};
use ansinh_store::lists::LineKey;
use ansinh_store::maintenance::CardReceipt;
use ansinh_store::{Store, StoreError};
use ansinh_verifier::AwsLc;
use card_spec::crypto::{Digest, PublicKey};
use card_spec::cso::CardSecurityObject;
use card_spec::journal::{EncodedOrder, ManualPayment};
use card_spec::list::{ListHeader, ListLine, SomeAmount};
use card_spec::payment::{HolderCheckMethod, Order, Receipt, ReceiptKind};
use card_spec::signed::Signed;
use card_spec::tlv::{Field as _, Reader};
use card_spec::values::CardNumber;

use crate::ingestion::{EntryError, Fault};
use crate::lists::recipient_bit;

/// The payment that a receipt read back from its card proves; `None` if it is of another kind, or its order is for no line that
/// the issuer listed for that card and terminal.
///
/// # Errors
/// [`StoreError`]: the ledger could not be read, and nothing is said of the receipt.
pub fn carried_payment(store: &Store, seen: &CardReceipt) -> Result<Option<CarriedPayment>, StoreError> {
    if_listed(carried(store, seen))
}

/// What is proven, or nothing; a ledger that fails says nothing of either.
pub(crate) fn if_listed(proven: Result<CarriedPayment, Fault>) -> Result<Option<CarriedPayment>, StoreError> {
    match proven {
        Ok(payment) => Ok(Some(payment)),
        Err(Fault::Entry(_)) => Ok(None),
        Err(Fault::Store(error)) => Err(error),
    }
}

fn carried(store: &Store, seen: &CardReceipt) -> Result<CarriedPayment, Fault> {
    let receipt = Signed::<Receipt>::parse(&seen.receipt)?;
    // What is stored with a receipt of another kind is no order.
    if receipt.claimed().kind != ReceiptKind::Payment {
        return Err(EntryError::NoPayment.into());
    }
    proven_carried(store, &EncodedOrder::parse(&seen.object)?, &receipt)
}

/// The payment at the terminal that the order names.
pub(crate) fn proven_carried(
    store: &Store,
    order: &EncodedOrder<'_>,
    receipt: &Signed<'_, Receipt>,
) -> Result<CarriedPayment, Fault> {
    Ok(CarriedPayment {
        terminal: order.order().terminal.as_str().to_owned(),
        payment: proven_payment(store, order, receipt)?,
    })
}

/// The payment that order and receipt prove together.
pub(crate) fn proven_payment(
    store: &Store,
    encoded: &EncodedOrder<'_>,
    receipt: &Signed<'_, Receipt>,
) -> Result<Payment, Fault> {
    let claimed = *receipt.claimed();
    if claimed.object_hash != encoded.hash() {
        return Err(EntryError::NoIntent.into());
    }
    let order = encoded.order();
    let card = known_card(store, &claimed.card_number, &order.cso_hash)?;
    receipt
        .verify(&AwsLc, &card.signing_key)
        .map_err(|_| EntryError::Receipt)?;
    let Some(version) = card.ordered else {
        return Err(EntryError::NotOnList.into());
    };
    if !is_on_list(store, order, claimed.card_number)? {
        return Err(EntryError::NotOnList.into());
    }
    if claimed.kind != ReceiptKind::Payment {
        return Err(EntryError::NoPayment.into());
    }
    if claimed.cso_version != version || !states_holder_check(&claimed, order) {
        return Err(EntryError::OtherReceipt.into());
    }
    Ok(Payment {
        order: encoded.hash(),
        intent: order.sequence,
        key: line_key(order),
        amount: order.amount.vnd(),
        card: claimed.card_number,
        card_counter: Some(claimed.counter),
        paid_at: digits(&order.time.to_bytes()),
    })
}

/// The payment that two operators vouch for, of a line that a list lets be paid by hand (DATA 5.7).
pub(crate) fn paid_by_hand(store: &Store, paid: &ManualPayment<'_>) -> Result<Payment, Fault> {
    let order = paid.order().order();
    if !is_on_list(store, order, paid.card_number())? {
        return Err(EntryError::NotOnList.into());
    }
    let mut allowed = None;
    for list in store.list_summaries(Some(order.terminal.as_str()))? {
        let header = Signed::<ListHeader<'_>>::parse(&list.header)
            .map_err(|_| StoreError::Malformed("payment list"))?;
        // Lists of one root have the same lines, and what one of them lets be paid may be.
        let header = header.claimed();
        let up_to = header.by_hand_up_to.filter(|_| header.root == order.list_root);
        allowed = allowed.max(up_to.map(SomeAmount::amount));
    }
    if allowed.is_none_or(|most| order.amount > most) {
        return Err(EntryError::NotByHand.into());
    }
    Ok(Payment {
        order: paid.order().hash(),
        intent: order.sequence,
        key: line_key(order),
        amount: order.amount.vnd(),
        card: paid.card_number(),
        card_counter: None,
        paid_at: digits(&order.time.to_bytes()),
    })
}

/// The line of an order, as the ledger names it.
pub(crate) fn line_key(order: &Order<'_>) -> LineKey {
    let key = order.line_key.parts();
    LineKey {
        person: key.person,
        programme: key.programme.as_str().to_owned(),
        entitlement: key.entitlement,
        line_type: key.line_type as u8,
        period: format!("{:04}{:02}", key.period.year(), key.period.month()),
    }
}

/// Demands that the card that a receipt names has signed it.
pub(crate) fn verify_receipt(store: &Store, receipt: &Signed<'_, Receipt>) -> Result<(), Fault> {
    // Whichever version of it.
    let card = known_card(store, &receipt.claimed().card_number, &Digest::default())?;
    receipt
        .verify(&AwsLc, &card.signing_key)
        .map_err(|_| EntryError::Receipt)?;
    Ok(())
}

/// What the ledger knows of a card that signs receipts.
struct KnownCard {
    signing_key: PublicKey,
    /// The version whose CSO the order names; an updated card settles an order for an earlier one (DATA 5.3).
    ordered: Option<u16>,
}

fn known_card(store: &Store, number: &CardNumber, ordered: &Digest) -> Result<KnownCard, Fault> {
    let mut known = None;
    for version in store.card_versions(number)? {
        let cso = Signed::<CardSecurityObject>::parse(&version.cso)
            .map_err(|_| StoreError::Malformed("card security object"))?;
        let card = known.get_or_insert(KnownCard {
            signing_key: cso.claimed().signing_key,
            ordered: None,
        });
        if cso.hash() == *ordered {
            card.ordered = Some(cso.claimed().version);
        }
    }
    known.ok_or(Fault::Entry(EntryError::UnknownCard))
}

fn is_on_list(store: &Store, order: &Order<'_>, card_number: CardNumber) -> Result<bool, StoreError> {
    let found = store.list_line(order.terminal.as_str(), &order.list_root, order.line_number)?;
    let Some(line) = found else { return Ok(false) };
    let line = ListLine::read(&mut Reader::new(&line), ListLine::TAG)
        .map_err(|_| StoreError::Malformed("payment list line"))?;
    Ok(line.card_number == card_number
        && line.line_key == order.line_key
        && line.amount == order.amount
        && line.recipients & recipient_bit(order.recipient) != 0)
}

/// `01` exactly if the order names the PIN (SPEC 9.4).
fn states_holder_check(receipt: &Receipt, order: &Order<'_>) -> bool {
    receipt.holder_check.pin_verified == (order.method == HolderCheckMethod::Pin)
}

/// The digits of a BCD value.
fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

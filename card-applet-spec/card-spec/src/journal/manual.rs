//! Payments by hand: orders that two operators have carried out without a card (DATA 5.7).

use super::EncodedOrder;
use crate::crypto::Digest;
use crate::payment::{HolderCheckMethod, Recipient};
use crate::tlv::{Error, Field as _, Reader, Writer};
use crate::values::CardNumber;

/// What two operators have paid without the card (DATA 5.7): an order for its line that no card can carry out, because its CSO hash is
/// [`NO_CARD`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ManualPayment<'a> {
    card_number: CardNumber,
    order: EncodedOrder<'a>,
}

/// CSO hash in the order of a [`ManualPayment`].
pub const NO_CARD: Digest = [0; 32];

impl<'a> ManualPayment<'a> {
    /// Of the card with this number, to its holder, whose photo document was seen, vouched for by a second operator; all else is none.
    pub fn new(card_number: CardNumber, order: EncodedOrder<'a>) -> Result<Self, Error> {
        let said = order.order();
        let wrong = |is_wrong: bool, tag| if is_wrong { Err(Error::Value(tag)) } else { Ok(()) };
        wrong(said.cso_hash != NO_CARD, 0x85)?;
        wrong(said.recipient != Recipient::Holder, 0x89)?;
        wrong(said.method != HolderCheckMethod::PhotoDocument, 0x8A)?;
        wrong(said.second_operator.is_none(), 0x8C)?;
        Ok(Self { card_number, order })
    }

    pub(super) fn read_next(members: &mut Reader<'a>) -> Result<Self, Error> {
        let card_number = CardNumber::read(members, 0x5A)?;
        Self::new(card_number, EncodedOrder::read_next(members)?)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        self.card_number.write(writer, 0x5A)?;
        writer.raw(self.order.encoding())
    }

    /// The card, by the number printed on it.
    pub fn card_number(&self) -> CardNumber {
        self.card_number
    }

    /// Line, amount, operators.
    pub fn order(&self) -> &EncodedOrder<'a> {
        &self.order
    }
}

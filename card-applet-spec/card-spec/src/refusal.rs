//! Decisions of a card (SPEC 10): why it does not carry out an order, a reversal, an issuer script or a block list.
//! They come protected (SPEC 8.3), so a terminal may rely on them.

use core::fmt;

use crate::apdu::StatusWord;

/// Declares the decisions as their table in SPEC 10 reads.
macro_rules! refusals {
    ($( $(#[$meta:meta])* $name:ident = $status:literal, $text:literal; )*) => {
        /// A decision other than "done" (SPEC 10).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Refusal { $( $(#[$meta])* $name = $status, )* }

        impl Refusal {
            /// All of them, by rising status word.
            pub const ALL: &'static [Self] = &[$( Self::$name ),*];

            const fn text(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }
        }
    };
}

refusals! {
    /// `6340`: the line was paid; the standing receipt is the data.
    Paid = 0x6340, "the line was paid already; pay nothing, the standing receipt tells where it was paid";
    /// `6341`: programme not on the card, or ended.
    Programme = 0x6341, "the card does not have the programme, or it has ended; the card must be updated before this line is paid";
    /// `6342`: period outside the window, or before the floor.
    Period = 0x6342, "the card pays this month no more, or not yet; the issuer decides about the line";
    /// `6343`: more than the cap of an order.
    OrderCap = 0x6343, "the amount is above what one order on this card may pay; nothing was paid";
    /// `6344`: more than the cap of a month.
    MonthCap = 0x6344, "the amount would exceed what this card may pay in a month; nothing was paid";
    /// `6345`: a date outside the card's or the terminal certificate's.
    Date = 0x6345, "the date is outside the card's or the terminal's validity; check the clock, nothing was done";
    /// `6346`: holder check missing, used up or not allowed.
    HolderCheck = 0x6346, "the holder was not checked in a way that this card allows; check the holder again";
    /// `6347`: table of paid lines full.
    NoRoom = 0x6347, "the card has no room to remember another paid line; the issuer must prune it, nothing was paid";
    /// `6348`: receipt counter at its end.
    Counter = 0x6348, "the card's receipt counter is at its end; the card must be replaced, nothing was done";
    /// `6349`: for another card, person or CSO version.
    OtherCard = 0x6349, "this is for another card, person or version of the card; nothing was done";
    /// `634A`: the order was reversed; the receipt of the reversal is the data.
    Reversed = 0x634A, "the order was reversed and stays so; pay the line with a new order";
    /// `634B`: not the newest payment, or another terminal's.
    NotNewest = 0x634B, "only the newest payment is reversed, at the terminal that made it; others the issuer reverses";
    /// `634C`: the card is blocked or terminated.
    Blocked = 0x634C, "the card is blocked or terminated; pay nothing, send the holder to the issuer";
    /// `634D`: a script for another counter, a block list not above the card's number.
    OutOfTurn = 0x634D, "the script is for another receipt counter, or the block list is not newer than the card's; nothing was done";
    /// `634E`: action or content not possible now.
    NotPossible = 0x634E, "the card cannot do this now; nothing was done";
    /// `634F`: recipient not on the card, or no longer authorized.
    Recipient = 0x634F, "the recipient is not authorized by this card on this day; pay the holder";
}

impl Refusal {
    /// The refusal that a status word stands for.
    pub fn from_status(status: StatusWord) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|refusal| refusal.status() == status)
    }

    /// Its status word.
    pub const fn status(self) -> StatusWord {
        StatusWord(self as u16)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_word_is_a_refusal_exactly_from_6340_to_634f() {
        for status in (0..=u16::MAX).map(StatusWord) {
            let refusal = Refusal::from_status(status);
            assert_eq!(
                refusal.map(Refusal::status),
                (status.0 & 0xFFF0 == 0x6340).then_some(status)
            );
        }
    }
}

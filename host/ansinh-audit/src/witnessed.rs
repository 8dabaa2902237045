//! What a terminal's journal tells of cards beside its own payments: that one has blocked itself (SPEC 13.10), or has executed an issuer
//! script that the terminal carried (DATA 12).

use card_spec::crypto::Verify;
use card_spec::journal::EncodedReceipt;
use card_spec::payment::ReceiptKind;

use crate::finding::{Code, Place};
use crate::journal::Pass;

impl<V: Verify> Pass<'_, V> {
    /// A receipt of a card that was shown the block list in force. It takes its place in the card's chain.
    pub(crate) fn card_blocked(&mut self, receipt: &EncodedReceipt<'_>, place: &Place) {
        let signed = receipt.signed();
        let body = *signed.claimed();
        if !self.check_witness(receipt, place) {
            return;
        }
        if body.kind != ReceiptKind::BlockList {
            let text = format!(
                "the receipt is of kind {:?}: no list has blocked the card",
                body.kind
            );
            return self.find(Code::ReceiptKind, place, text);
        }
        self.check_shown_list(receipt, place);
        let link = (place.clone(), body, signed.hash());
        self.journal.stray_receipts.push(link);
    }

    /// A receipt of an issuer script. It takes its place in the card's chain; what the script has undone its file tells.
    pub(crate) fn script_executed(&mut self, receipt: &EncodedReceipt<'_>, place: &Place) {
        let signed = receipt.signed();
        let body = *signed.claimed();
        if !self.check_witness(receipt, place) {
            return;
        }
        if body.kind != ReceiptKind::IssuerScript {
            let text = format!("the receipt is of kind {:?}: it is for no script", body.kind);
            return self.find(Code::ReceiptKind, place, text);
        }
        self.journal.executed.push((place.clone(), body));
        let link = (place.clone(), body, signed.hash());
        self.journal.stray_receipts.push(link);
    }

    /// Is the card at hand, and has it signed?
    pub(crate) fn check_witness(&mut self, receipt: &EncodedReceipt<'_>, place: &Place) -> bool {
        let signed = receipt.signed();
        let number = signed.claimed().card_number;
        if self.context.cards.by_number(&number).is_none() {
            let text = format!("card {number} is not among the files: its receipt proves nothing");
            self.find(Code::CardUnknown, place, text);
            return false;
        }
        let forged = self.is_forged(&signed);
        if forged {
            let text = format!("does not verify under the key of card {number}");
            self.find(Code::ReceiptSignature, place, text);
        }
        !forged
    }

    /// A terminal shows the list in force, to a card that is on it.
    fn check_shown_list(&mut self, receipt: &EncodedReceipt<'_>, place: &Place) {
        let body = *receipt.signed().claimed();
        let Some(list) = self.block_list.filter(|_| !self.block_list_lost) else {
            if !self.damage_before && !self.block_list_lost {
                self.find(
                    Code::CardBlocked,
                    place,
                    "no block list was loaded that could block a card",
                );
            }
            return;
        };
        if list.header != body.object_hash {
            if !self.damage_before {
                let text = format!("names another list than {}, which was in force", list.number);
                self.find(Code::CardBlocked, place, text);
            }
            return;
        }
        let block_lists = &self.context.issued.block_lists;
        if !block_lists.blocks(list, &body.card_number) {
            let text = format!("card {} is not on block list {}", body.card_number, list.number);
            self.find(Code::CardBlocked, place, text);
        }
    }
}

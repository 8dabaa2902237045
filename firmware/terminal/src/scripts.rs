//! Issuer scripts that this terminal carries (DATA 12): the issuer undoes a payment whose money was not handed over, and nobody has
//! to travel for it.
//!
//! They have an erase block of their own: how many there are, written last, then a mark and the script of each. Flash is not trusted:
//! a script is verified again before a card gets it.

use card_spec::apdu::StatusWord;
use card_spec::command::MAXIMUM_CHAIN;
use card_spec::crypto::{Curve, Digest, Verify};
use card_spec::journal::{EncodedReceipt, Event, Refusal as Refused, RefusalReason};
use card_spec::payment::ReceiptKind;
use card_spec::refusal::Refusal as Decision;
use card_spec::scp03::{MAX_PROTECTED_RESPONSE, Reply};
use card_spec::script::{Action, IssuerScript, MAXIMUM_LENGTH};
use card_spec::signed::{Signed, Verified};
use card_spec::tlv::Reader;
use embedded_storage::nor_flash::{NorFlash, NorFlashErrorKind};
use heapless::Vec;
use link::Refusal;
use rand_core::CryptoRng;

use crate::blocking::{Delivery, Step};
use crate::device::Object;
use crate::flash::{Area, FlashError, UNIT};
use crate::handover_text;
use crate::keys::Credentials;
use crate::machine::Machine;
use crate::payment::refusal;
use crate::tap::{CardFacts, GenuineCard};
use crate::text;

/// Scripts that are carried at most: one message holds all.
const MAXIMUM: usize = 12;
/// Bytes of a script in flash, behind its mark.
const LENGTH: usize = MAXIMUM_LENGTH.next_multiple_of(UNIT);
/// A mark before the script is executed, or its card has said that it will not have it.
const UNDECIDED: [u8; UNIT] = [0xFF; UNIT];

/// Where the mark of a script lies; the script follows it.
fn mark_at(place: usize) -> u32 {
    let offset = place
        .saturating_mul(UNIT.saturating_add(LENGTH))
        .saturating_add(UNIT);
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn script_at(place: usize) -> u32 {
    mark_at(place).saturating_add(UNIT as u32)
}

/// How many scripts the block holds: none where the power was cut before all were there.
fn count<F: NorFlash>(area: &Area<'_, F>) -> Result<usize, FlashError> {
    let head = area.read::<UNIT>(0)?;
    let [count, ..] = head;
    let is_whole = head == [count; UNIT] && usize::from(count) <= MAXIMUM;
    Ok(if is_whole { usize::from(count) } else { 0 })
}

fn padded(script: &[u8]) -> [u8; LENGTH] {
    let mut bytes = [0xFF; LENGTH];
    bytes.iter_mut().zip(script).for_each(|(to, byte)| *to = *byte);
    bytes
}

/// Are these the scripts that the block holds?
fn holds<F: NorFlash>(area: &Area<'_, F>, scripts: &[&[u8]]) -> Result<bool, FlashError> {
    if count(area)? != scripts.len() {
        return Ok(false);
    }
    for (place, script) in scripts.iter().enumerate() {
        if area.read::<LENGTH>(script_at(place))? != padded(script) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The script, if a key of this province's issuer has signed it and it is one that a terminal carries.
fn verified<'a>(
    script: Signed<'a, IssuerScript>,
    credentials: &Credentials,
    verifier: &impl Verify,
) -> Result<Verified<'a, IssuerScript>, Refusal> {
    let IssuerScript { issuer, action, .. } = script.claimed();
    let present = credentials.present_issuer();
    let is_own = present.is_some_and(|own| own.holder().mnemonic() == issuer.mnemonic());
    if !is_own || !matches!(action, Action::Reverse(_)) {
        return Err(Refusal::NotForThisTerminal);
    }
    let issuer = credentials.issuer(*issuer).ok_or(Refusal::NotGenuine)?;
    let verified = script.verify(verifier, issuer.key());
    verified.map_err(|_| Refusal::NotGenuine)
}

impl<'f, F: NorFlash, R: CryptoRng, C: Curve> Machine<'f, F, R, C> {
    fn script_area(&self) -> Area<'f, F> {
        Area::new(self.flash, self.layout.scripts.clone())
    }

    /// Takes what is to be carried from now on, all of it or nothing.
    #[inline(never)]
    pub(crate) fn load_scripts(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let credentials = self.credentials.as_ref().ok_or(Refusal::OutOfOrder)?;
        let mut scripts = Vec::<&[u8], MAXIMUM>::new();
        let mut reader = Reader::new(bytes);
        let mut before = None;
        while !reader.rest().is_empty() {
            let script = Signed::<IssuerScript>::read_next(&mut reader).map_err(|_| Refusal::Malformed)?;
            let IssuerScript {
                card_number, counter, ..
            } = script.claimed();
            let place = Some((*card_number, *counter));
            if place <= before {
                return Err(Refusal::Malformed);
            }
            before = place;
            let script = verified(script, credentials, &self.curve)?;
            scripts.push(script.encoding()).map_err(|_| Refusal::TooLarge)?;
        }
        self.keep_scripts(&scripts).map_err(|_| Refusal::Storage)
    }

    /// Keeps these scripts in place of those before. The same once more change nothing.
    pub(crate) fn keep_scripts(&self, scripts: &[&[u8]]) -> Result<(), FlashError> {
        let mut area = self.script_area();
        if holds(&area, scripts)? {
            return Ok(());
        }
        area.erase(0, area.size())?;
        for (place, script) in scripts.iter().enumerate() {
            area.write(script_at(place), &padded(script))?;
        }
        if let Ok(count @ 1..) = u8::try_from(scripts.len()) {
            area.write(0, &[count; UNIT])?;
        }
        let is_kept = holds(&area, scripts)?;
        is_kept.then_some(()).ok_or(FlashError(NorFlashErrorKind::Other))
    }

    /// Has the card execute its next script, from this place on; then its holder is served.
    #[inline(never)]
    pub(crate) fn execute_scripts(&mut self, card: GenuineCard, from: usize) {
        let Some((step, message)) = self.next_script(card.facts(), from) else {
            return self.greet_holder(card);
        };
        text::hold_still(&mut self.out);
        self.deliver(Delivery::new(card, step, message));
    }

    fn next_script(&mut self, facts: &CardFacts, from: usize) -> Option<(Step, Object<MAXIMUM_CHAIN>)> {
        let area = self.script_area();
        for place in from..count(&area).ok()? {
            if area.read::<UNIT>(mark_at(place)).ok()? != UNDECIDED {
                continue;
            }
            let bytes = area.read::<LENGTH>(script_at(place)).ok()?;
            let script = Signed::<IssuerScript>::read_next(&mut Reader::new(&bytes));
            let Some(script) = script
                .ok()
                .filter(|script| script.claimed().card_number == facts.number)
            else {
                continue;
            };
            let credentials = self.credentials.as_ref()?;
            let Ok(script) = verified(script, credentials, &self.curve) else {
                continue;
            };
            let message = self.behind_certificate(facts, script.issuer, script.encoding())?;
            let step = Step::Script(place, script.counter, script.hash());
            // What the card has done the journal must be able to say.
            return self.may_reverse().is_ok().then_some((step, message));
        }
        None
    }

    /// The card has answered to a part of the script.
    #[inline(never)]
    pub(crate) fn script_answered(
        &mut self,
        mut delivery: Delivery,
        place: usize,
        counter: u32,
        script: Digest,
        response: Option<&[u8]>,
    ) {
        let facts = *delivery.card.facts();
        let refused = |reason, status: Option<StatusWord>| Refused {
            status_word: status.map(|status| status.0),
            ..refusal(reason, Some(&facts))
        };
        let Some(response) = response else {
            return self.give_up(refused(RefusalReason::CardRemoved, None));
        };
        let mut plain = [0; MAX_PROTECTED_RESPONSE];
        let (response, is_protected) = match delivery.card.receive(response, &mut plain) {
            Ok(Reply::Authenticated(response)) => (response, true),
            Ok(Reply::Unauthenticated(response)) => (response, false),
            Err(_) => return self.give_up(refused(RefusalReason::NotGenuine, None)),
        };
        let status = response.status();
        if status == StatusWord::SUCCESS && !delivery.is_whole() {
            return self.deliver(delivery);
        }
        let decision = Decision::from_status(status);
        if !is_protected || decision.is_some() {
            let refusal = refused(RefusalReason::RefusedByCard, Some(status));
            // What the journal does not say the host never learns: no mark, and the card is asked again.
            if self.record(Event::Refused(refusal)).is_err() {
                return self.not_readable();
            }
            // The card has counted on meanwhile, as when the terminal itself has undone that payment: nothing for the holder to do.
            if !is_protected || decision != Some(Decision::OutOfTurn) {
                text::refusal(&mut self.out, &refusal);
                handover_text::not_undone_by_issuer(&mut self.out);
            }
            // SPEC 8.3: a bare status word decides nothing, and keeps nobody from their money.
            if !is_protected {
                return self.greet_holder(delivery.card);
            }
        } else {
            let receipt = facts.verify_receipt(&self.curve, response.ok().unwrap_or_default());
            let receipt = receipt.filter(|receipt| {
                receipt.kind == ReceiptKind::IssuerScript
                    && receipt.object_hash == script
                    && counter.checked_add(1) == Some(receipt.counter)
            });
            let receipt = receipt.and_then(|receipt| EncodedReceipt::parse(receipt.encoding()).ok());
            let Some(receipt) = receipt else {
                return self.give_up(refused(RefusalReason::NotGenuine, Some(status)));
            };
            if self.record(Event::ScriptExecuted(receipt)).is_err() {
                // The card will give the receipt again.
                return self.not_readable();
            }
            handover_text::undone_by_issuer(&mut self.out);
        }
        // Without its mark the script is told to the card once more, at another tap.
        let _ = self.script_area().write(mark_at(place), &[0; UNIT]);
        self.execute_scripts(delivery.card, place.saturating_add(1));
    }
}

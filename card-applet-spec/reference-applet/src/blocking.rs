//! DEACTIVATE (SPEC 13.10): the card blocks itself when a terminal shows it that its issuer's block list has it.

use card_spec::apdu::{Command, StatusWord};
use card_spec::command::{BLOCK_LIST_ENTRY, BLOCK_LIST_HEADER, BlockProof, IssuerMessage, LifeCycle};
use card_spec::crypto::PortableP256;
use card_spec::list::BlockListHeader;
use card_spec::merkle::{leaf_hash, root_from_path};
use card_spec::payment::{HolderCheckOutcome, ReceiptKind};
use card_spec::refusal::Refusal;
use card_spec::signed::Signed;
use heapless::Vec;
use rand_core::CryptoRng;

use crate::Card;
use crate::answer::{Answer, Stop};
use crate::commit::Deed;
use crate::memory::Memory;
use crate::state::{ActiveLedger, Ledger, State};
use crate::terminal_session::TerminalSession;

/// The header of a block list of the card's issuer, as the session keeps it. Only [`Card::deactivate`] makes it, once the
/// signature has verified.
pub(crate) struct BlockList(Vec<u8, { BlockListHeader::MAXIMUM_LENGTH }>);

impl BlockList {
    fn header(&self) -> Result<Signed<'_, BlockListHeader>, Stop> {
        Signed::parse(&self.0).map_err(|_| Stop::FAULT)
    }
}

impl<M: Memory, R: CryptoRng> Card<M, R> {
    /// DEACTIVATE: first the header, then the entry.
    pub(crate) fn deactivate(
        &mut self,
        session: &mut TerminalSession,
        command: &Command<'_>,
    ) -> Result<Answer, Stop> {
        let ledger = State::of(&self.memory)?.active()?;
        match [command.p1, command.p2] {
            [BLOCK_LIST_HEADER, 0x00] => {
                session.block_list = Some(self.verify_block_list(&ledger, command.data)?);
                Ok(Answer::done())
            }
            [BLOCK_LIST_ENTRY, 0x00] => self.block_by_entry(session, &ledger, command.data),
            _ => Err(Stop::P1_P2),
        }
    }

    fn verify_block_list(&self, ledger: &ActiveLedger, data: &[u8]) -> Result<BlockList, Stop> {
        let message = IssuerMessage::<BlockListHeader>::parse(data)?;
        let header = message.object;
        let issuer = self.issuer(message.certificate.as_ref(), header.claimed().issuer, ledger)?;
        let header = header
            .verify(&PortableP256, issuer.key())
            .map_err(|_| Stop::SECURITY)?;
        require_above(header.number, ledger)?;
        Vec::from_slice(header.encoding())
            .map(BlockList)
            .map_err(|_| Stop::DATA)
    }

    fn block_by_entry(
        &mut self,
        session: &mut TerminalSession,
        ledger: &ActiveLedger,
        data: &[u8],
    ) -> Result<Answer, Stop> {
        let proof = BlockProof::parse(data)?;
        let header = session.block_list.as_ref().ok_or(NO_HEADER)?.header()?;
        let list = header.claimed();
        // The issuer may have unblocked the card in this session, after the header came.
        require_above(list.number, ledger)?;
        let cso = self.content()?.security_object()?.body;
        if proof.entry.card_number != cso.card_number {
            return Err(Refusal::OtherCard.into());
        }
        let root = root_from_path(leaf_hash(proof.leaf), proof.index, list.count, &proof.path);
        if root != Some(list.root) {
            return Err(Stop::SECURITY);
        }
        let number = ledger.next_receipt().ok_or(Refusal::Counter)?;
        let deed = Deed {
            kind: ReceiptKind::BlockList,
            object: header.encoding(),
            hash: header.hash(),
            holder_check: HolderCheckOutcome {
                pin_verified: false,
                tries_left: self.tries_left(cso.policy, ledger.pin_grants)?,
            },
            number,
        };
        let blocked = Ledger {
            life_cycle: LifeCycle::Blocked,
            ..**ledger
        };
        let answer = self.commit(ledger, blocked, &cso, &deed)?;
        session.authorized = None;
        Ok(answer)
    }
}

/// SPEC 13.10: no header came before.
const NO_HEADER: Stop = Stop::Refused(StatusWord::REFERENCED_DATA_NOT_FOUND);

/// SPEC 13.5: lists up to the card's number block it no more.
fn require_above(number: u32, ledger: &Ledger) -> Result<(), Refusal> {
    if number > ledger.block_list_number {
        Ok(())
    } else {
        Err(Refusal::OutOfTurn)
    }
}

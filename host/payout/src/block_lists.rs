//! Block lists (DATA 4): every blocked card with its reason, in full.

use core::fmt::Display;

use ansinh_store::Store;
use ansinh_store::issuer_log::SignedObject;
use ansinh_store::lists::BlockList;
use ansinh_store::operators::Actor;
use card_spec::crypto::Sign;
use card_spec::list::{BlockEntry, BlockListHeader, BlockReason};
use card_spec::merkle::{RootBuilder, leaf_hash};
use card_spec::signed::{Signed, sign};
use card_spec::tlv::{Field as _, Writer};
use card_spec::values::{Constant, Suite, Time};

use crate::statements::OBJECT;
use crate::{IssuerKey, PayoutError};

/// Makes, signs and stores the next block list.
///
/// # Errors
/// Of the store and the key. On an error no list exists.
pub fn make_block_list<S: Sign<Error: Display>>(
    store: &Store,
    actor: &Actor,
    issuer: &IssuerKey<'_, S>,
    issued: Time,
) -> Result<BlockList, PayoutError> {
    store.add_block_list(actor, issuer.issuer(), |number, position, blocked| {
        let mut tree = RootBuilder::new();
        let mut entries = Vec::with_capacity(blocked.len() * BlockEntry::LENGTH);
        for (card_number, reason) in blocked {
            let reason = BlockReason::from_byte(*reason).ok_or(PayoutError::Value("a block reason"))?;
            let mut buffer = [0; BlockEntry::LENGTH];
            let mut writer = Writer::new(&mut buffer);
            BlockEntry {
                card_number: *card_number,
                reason,
            }
            .write(&mut writer, BlockEntry::TAG)?;
            tree.push(leaf_hash(&buffer), |_, _, _| {});
            entries.extend_from_slice(&buffer);
        }
        let header = BlockListHeader {
            suite: Suite::default(),
            format: Constant,
            issuer: issuer.reference(),
            number,
            count: tree.leaves(),
            root: tree.root(),
            issued,
            issuer_sequence: position.sequence,
            issuer_previous: position.previous_hash,
        };
        let mut buffer = [0; OBJECT];
        let object = sign(&header, issuer.signer(), &mut buffer)?;
        let body_hash = Signed::<BlockListHeader>::parse(object)?.hash();
        Ok((
            SignedObject {
                body_hash,
                object: object.to_vec(),
            },
            entries,
        ))
    })
}

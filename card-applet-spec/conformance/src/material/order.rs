//! Orders and reversals (SPEC 9.2, 9.8) of a terminal.

use super::{Day, Month, TODAY, hash, period, time};
use crate::encoding::tlv;

/// A payment order. Every field is what goes out, right or wrong.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) terminal: Vec<u8>,
    pub(crate) cso_hash: [u8; 32],
    pub(crate) person: [u8; 16],
    pub(crate) programme: [u8; 4],
    pub(crate) entitlement: u16,
    pub(crate) line_type: u8,
    pub(crate) month: Month,
    pub(crate) amount: u64,
    pub(crate) recipient: u8,
    pub(crate) method: u8,
    pub(crate) operator: &'static str,
    pub(crate) second_operator: Option<&'static str>,
    pub(crate) day: Day,
    pub(crate) clock: u8,
    pub(crate) nonce: [u8; 16],
}

impl Order {
    /// The members of `FF23`.
    pub(crate) fn members(&self) -> Vec<Vec<u8>> {
        let line = [
            &self.person[..],
            &self.programme,
            &self.entitlement.to_be_bytes(),
            &[self.line_type],
            &period(self.month),
        ]
        .concat();
        let mut members = vec![
            tlv(0x81, &self.terminal),
            tlv(0x82, &7u32.to_be_bytes()),
            tlv(0x83, &[0x83; 32]),
            tlv(0x84, &[0x84; 32]),
            tlv(0x85, &self.cso_hash),
            tlv(0x86, &1u32.to_be_bytes()),
            tlv(0x87, &line),
            tlv(0x88, &self.amount.to_be_bytes()),
            tlv(0x89, &[self.recipient]),
            tlv(0x8A, &[self.method]),
            tlv(0x8B, self.operator.as_bytes()),
        ];
        members.extend(
            self.second_operator
                .map(|operator| tlv(0x8C, operator.as_bytes())),
        );
        members.extend([
            tlv(0x8D, &time(self.day)),
            tlv(0x8E, &[self.clock]),
            tlv(0x8F, &self.nonce),
        ]);
        members
    }

    /// The data object `FF23`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        tlv(0xFF23, &self.members().concat())
    }

    /// The order hash that receipts and reversals name.
    pub(crate) fn hash(&self) -> [u8; 32] {
        hash(&self.encode())
    }
}

/// A reversal.
#[derive(Clone, Debug)]
pub(crate) struct Reversal {
    pub(crate) terminal: Vec<u8>,
    pub(crate) order_hash: [u8; 32],
    pub(crate) cso_hash: [u8; 32],
    pub(crate) method: u8,
    pub(crate) day: Day,
    pub(crate) nonce: [u8; 16],
}

impl Reversal {
    /// Undoes this order, by PIN.
    pub(crate) fn of(order: &Order, nonce: [u8; 16]) -> Self {
        Self {
            terminal: order.terminal.clone(),
            order_hash: order.hash(),
            cso_hash: order.cso_hash,
            method: 1,
            day: TODAY,
            nonce,
        }
    }

    /// The members of `FF2C`.
    pub(crate) fn members(&self) -> Vec<Vec<u8>> {
        vec![
            tlv(0x81, &self.terminal),
            tlv(0x82, &8u32.to_be_bytes()),
            tlv(0x83, &[0x38; 32]),
            tlv(0x84, &self.order_hash),
            tlv(0x85, &self.cso_hash),
            tlv(0x8A, &[self.method]),
            tlv(0x8B, b"op-01"),
            tlv(0x8D, &time(self.day)),
            tlv(0x8E, &[0x02]),
            tlv(0x8F, &self.nonce),
        ]
    }

    /// The data object `FF2C`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        tlv(0xFF2C, &self.members().concat())
    }
}

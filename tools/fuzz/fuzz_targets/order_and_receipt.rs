//! Payment orders, reversals and receipts (SPEC 9.2, 9.4, 9.8), alone and as a journal and a card keep them.
#![no_main]

use card_spec::journal::{EncodedOrder, EncodedReceipt};
use card_spec::payment::{ClockSource, LineKey, LineType, Order, Receipt};
use card_spec::reversal::Reversal;
use card_spec::values::Time;
use fuzz::{reads_as_it_writes, signed_reads_as_it_writes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    reads_as_it_writes::<Order<'_>>(input, Order::TAG);
    reads_as_it_writes::<Reversal<'_>>(input, Reversal::TAG);
    signed_reads_as_it_writes::<Receipt>(input);
    if let Ok(receipt) = EncodedReceipt::parse(input) {
        assert_eq!(receipt.signed().encoding(), input);
    }
    let Ok(encoded) = EncodedOrder::parse(input) else {
        return;
    };
    let order = encoded.order();
    let mut buffer = [0; Order::MAXIMUM_LENGTH];
    assert_eq!(
        order.encode(&mut buffer),
        Ok(input),
        "an order longer than the longest"
    );
    // What no valid order holds (SPEC 9.2).
    assert_ne!(order.amount.vnd(), 0);
    assert_ne!(order.time, Time::UNSET);
    assert_ne!(order.clock, ClockSource::Unset);
    assert_ne!(
        order.second_operator.map(|second| second.as_str()),
        Some(order.operator.as_str())
    );
    let line = order.line_key.parts();
    assert_ne!(line.line_type, LineType::Recovery);
    assert_eq!(LineKey::new(&line), order.line_key);
});

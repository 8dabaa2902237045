//! `ansinh card undo-payments CARD --at TERMINAL`: the next visit of the card's holder to a terminal does what the desk would.

use ansinh_payout::{PayoutError, carry_reversals, vietnam_time};
use ansinh_store::StoreError;
use anyhow::Result;
use card_spec::values::{CardNumber, TerminalName};
use serde_json::{Value, json};

use crate::commands::signing::Signing;
use crate::commands::{Options, Refused};

/// Signs a script for each payment of the card whose money was not handed over, for the terminal to carry.
pub(super) fn carry(options: &Options, card: CardNumber, terminal: TerminalName) -> Result<()> {
    let signing = Signing::open(options)?;
    let (store, issuer) = (&signing.store, signing.issuer()?);
    let signed = carry_reversals(store, &signing.actor, &issuer, terminal, &card, vietnam_time()?);
    let scripts = signed.map_err(|error| match error {
        PayoutError::Store(StoreError::WrongState { .. }) => Refused(format!(
            "chưa ký gì / nothing was signed: {error}. Nếu thiết bị đã trả chưa đồng bộ / If the terminal that paid was not synchronised yet: ansinh terminal sync"
        ))
        .into(),
        other => anyhow::Error::from(other),
    })?;
    if options.json {
        let of_each = scripts
            .iter()
            .map(|script| json!({ "counter": script.counter, "order": hex::encode(script.order) }));
        let report = json!({
            "card": card.to_string(),
            "terminal": terminal.as_str(),
            "scripts": of_each.collect::<Value>(),
        });
        println!("{report}");
        return Ok(());
    }
    println!(
        "Thẻ / Card {card}: {} khoản chưa giao tiền, lệnh hủy đã ký cho {terminal} mang / payments whose money was not handed over, \
         {terminal} is to carry the scripts that undo them",
        scripts.len()
    );
    println!(
        "Đồng bộ thiết bị để nhận lệnh; thẻ hủy khi người hưởng đưa thẻ vào thiết bị ấy, rồi đồng bộ lại:"
    );
    println!(
        "Synchronise it to hand them over; the card undoes them when its holder comes to it. Then synchronise again:"
    );
    println!("  ansinh terminal sync --all");
    Ok(())
}

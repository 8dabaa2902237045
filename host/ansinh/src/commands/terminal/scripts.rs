//! Issuer scripts that a terminal carries to cards (DATA 12): a visit brings it those that it is to have.

use ansinh_payout::{ScriptSet, script_set};
use ansinh_reference::today;
use ansinh_station::terminal_link::LinkError;
use ansinh_store::carried_scripts::Passed;
use anyhow::{Context as _, Result};
use card_spec::values::{CardNumber, TerminalName};
use link::Refusal;
use serde_json::Value;

use super::{Line, Signing};
use crate::commands::init::date;

/// What a terminal carries from now on, as far as is known.
#[derive(Default)]
pub(super) struct Carried {
    scripts: usize,
    /// The cards of those, each once.
    cards: Vec<CardNumber>,
    later: usize,
    passed: Vec<(CardNumber, Passed)>,
    /// Scripts for a terminal whose image carries none.
    not_carried: usize,
}

/// Sends a terminal the scripts that it is to carry; do it after a synchronisation, which tells what is done. One that never had any is
/// sent none. What is known is told also where the terminal does not take them.
pub(super) fn send(link: &mut Line, signing: &Signing, terminal: TerminalName) -> (Carried, Result<()>) {
    let set = match script_set_of(signing, terminal) {
        Ok(set) => set,
        Err(error) => return (Carried::default(), Err(error)),
    };
    let sent = deliver(link, signing, terminal, &set);
    let mut carried = Carried {
        later: set.later,
        passed: set.passed,
        ..Carried::default()
    };
    match sent {
        Ok(Delivery::Taken) => {
            carried.scripts = set.scripts.len();
            carried.cards = set.scripts.iter().map(|script| script.card).collect();
            carried.cards.dedup();
        }
        Ok(Delivery::CarriesNone) => carried.not_carried = set.scripts.len(),
        Err(_) => {}
    }
    (carried, sent.map(drop))
}

fn script_set_of(signing: &Signing, terminal: TerminalName) -> Result<ScriptSet> {
    let issuer = signing.issuer()?.reference();
    Ok(script_set(&signing.store, issuer, terminal, date(today())?)?)
}

enum Delivery {
    Taken,
    /// An image of before this message was.
    CarriesNone,
}

fn deliver(link: &mut Line, signing: &Signing, terminal: TerminalName, set: &ScriptSet) -> Result<Delivery> {
    if !set.is_due {
        return Ok(Delivery::Taken);
    }
    let store = &signing.store;
    // Before they are sent: what comes back from the terminal after that may be about them.
    if !set.scripts.is_empty() {
        store.note_scripts_sent(terminal.as_str(), &set.scripts)?;
    }
    let delivery = match link.load_scripts(&set.bytes()) {
        Err(LinkError::Refused(Refusal::Malformed)) => Delivery::CarriesNone,
        loaded => {
            loaded.context("lệnh của nơi cấp cho thẻ / issuer scripts for cards")?;
            Delivery::Taken
        }
    };
    if set.scripts.is_empty() || matches!(delivery, Delivery::CarriesNone) {
        store.note_no_scripts_at(terminal.as_str())?;
    }
    Ok(delivery)
}

impl Carried {
    /// Lines of a report; none if there is nothing to tell.
    pub(super) fn text(&self, terminal: TerminalName) -> String {
        let mut text = String::new();
        if self.scripts > 0 {
            text += &format!("  lệnh hủy mang theo / scripts to carry    {}\n", self.scripts);
        }
        if self.later > 0 {
            let cards: Vec<_> = self.cards.iter().map(ToString::to_string).collect();
            text += &format!(
                "  lệnh chờ lần sau / scripts for later     {}: hết chỗ, do lệnh của các thẻ / no place is left, by those for cards {}\n",
                self.later,
                cards.join(", ")
            );
        }
        if self.not_carried > 0 {
            text += &format!(
                "  lệnh thiết bị không mang được / scripts that this terminal's image cannot carry {}: hủy tại bàn hoặc cho thiết bị khác mang / undo \
                 the payments at the desk, or let another terminal carry the scripts: ansinh card undo-payments\n",
                self.not_carried
            );
        }
        for (card, passed) in &self.passed {
            let (vietnamese, english) = advice(*passed);
            text += &format!(
                "  thẻ {card} không thực hiện lệnh hủy nữa, khoản chưa giao tiền vẫn còn: {vietnamese} / card {card} does not execute its scripts \
                 any more, and the payments stand: {english}:\n    ansinh card undo-payments {card} --at {terminal}\n"
            );
        }
        text
    }

    /// Members of a report for a program.
    pub(super) fn add_to(&self, json: &mut Value) {
        json["scripts_to_carry"] = self.scripts.into();
        json["scripts_for_later"] = self.later.into();
        json["scripts_not_carried"] = self.not_carried.into();
        json["cards_that_need_other_scripts"] =
            self.passed.iter().map(|(card, _)| card.to_string()).collect();
    }
}

/// Why a card executes its scripts no more, and what comes before they are signed anew.
fn advice(passed: Passed) -> (&'static str, String) {
    match passed {
        Passed::Counted => (
            "thẻ đã chi trả hoặc hủy việc khác; ký lại",
            "it has paid or undone something since; sign anew".to_owned(),
        ),
        Passed::Refused(status) => (
            "thẻ đã từ chối. Cho thẻ vào một thiết bị, đọc biên nhận, đồng bộ, rồi ký lại; hoặc hủy tại bàn",
            format!(
                "it has refused one ({status:04X}), and what it has done since is not known here. Let a clerk read its receipts at any terminal and \
                 synchronise that, then sign anew; or undo them at the desk"
            ),
        ),
        Passed::KeyOver => (
            "khóa đã ký hết hạn; ký lại",
            "the key that signed them is over; sign anew".to_owned(),
        ),
    }
}

//! Issuer scripts that a terminal carries to cards (DATA 12): a visit brings it those that it is to have.

use ansinh_payout::script_set;
use ansinh_reference::today;
use anyhow::{Context as _, Result};
use card_spec::values::{CardNumber, TerminalName};
use serde_json::Value;

use super::{Line, Signing};
use crate::commands::init::date;

/// What a terminal carries from now on.
#[derive(Default)]
pub(super) struct Carried {
    scripts: usize,
    later: usize,
    passed: Vec<CardNumber>,
}

/// Sends a terminal the scripts that it is to carry; do it after a synchronisation, which tells what is done. One that never had any is
/// sent none.
pub(super) fn send(link: &mut Line, signing: &Signing, terminal: TerminalName) -> Result<Carried> {
    let store = &signing.store;
    let set = script_set(store, signing.issuer()?.reference(), terminal, date(today())?)?;
    let carries_any = !set.scripts.is_empty();
    if set.is_due {
        if carries_any {
            store.note_scripts_at(terminal.as_str(), true)?;
        }
        link.load_scripts(&set.bytes())
            .context("lệnh của nơi cấp cho thẻ / issuer scripts for cards")?;
        if !carries_any {
            store.note_scripts_at(terminal.as_str(), false)?;
        }
    }
    Ok(Carried {
        scripts: set.scripts.len(),
        later: set.later,
        passed: set.passed,
    })
}

impl Carried {
    /// Lines of a report; none if there is nothing to tell.
    pub(super) fn text(&self, terminal: TerminalName) -> String {
        let mut text = String::new();
        if self.scripts > 0 {
            text += &format!("  lệnh hủy mang theo / scripts to carry    {}\n", self.scripts);
        }
        if self.later > 0 {
            text += &format!("  lệnh chờ lần sau / scripts for later     {}\n", self.later);
        }
        for card in &self.passed {
            text += &format!(
                "  thẻ {card} không thực hiện lệnh hủy nữa, khoản chưa giao tiền vẫn còn / card {card} does not execute its scripts any more: it \
                 has paid or undone something since. The payments stand; synchronise all terminals, then sign anew:\n    \
                 ansinh card undo-payments {card} --at {terminal}\n"
            );
        }
        text
    }

    /// Members of a report for a program.
    pub(super) fn add_to(&self, json: &mut Value) {
        json["scripts_to_carry"] = self.scripts.into();
        json["scripts_for_later"] = self.later.into();
        json["cards_that_need_other_scripts"] = self.passed.iter().map(ToString::to_string).collect();
    }
}

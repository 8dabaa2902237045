//! `ansinh terminal lost`: a terminal that will not come back, and what becomes of its lines.

use anyhow::{Context as _, Result};
use card_spec::values::TerminalName;
use clap::Args;
use serde_json::json;

use super::{Options, Refused};

#[derive(Args)]
#[command(after_help = "\
An approver or administrator declares it. A lost terminal gets no list and no certificate any more, so it pays until its certificates end at the latest. Lines on its lists go to the
next list of another terminal, for the same cards: what it paid unseen its cards refuse to pay again. Lines of cards that were replaced since
stay where they are, because no card can tell whether they were paid. What the terminal paid comes home through its cards (`ansinh card
show`), from a file (`terminal import`), or, if it is found, by `terminal sync`; then it can be provisioned anew under another name.

Example:
  ansinh terminal lost VNT0000001
  ansinh list make --period 202611 --terminal VNT0000002 --pay-point BD-26734")]
pub(crate) struct Lost {
    /// Name of the terminal
    terminal: TerminalName,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Lost {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let store = options.home().open_store()?;
        let actor = options.actor(&store)?;
        let name = self.terminal.as_str();
        store.terminal(name)?;
        let held = store.journal_head(name)?.map_or(0, |head| head.sequence);
        if !self.yes && !confirmed(self.terminal, held)? {
            return Err(Refused("không đổi gì / nothing was changed".to_owned()).into());
        }
        store.declare_lost(&actor, name)?;
        if options.json {
            println!(
                "{}",
                json!({ "terminal": name, "lost": true, "journal_up_to": held })
            );
        } else {
            println!(
                "Thiết bị {name}: đã báo mất / Terminal {name}: declared lost; its journal is here up to entry {held}"
            );
        }
        Ok(())
    }
}

fn confirmed(terminal: TerminalName, held: u32) -> Result<bool> {
    dialoguer::Confirm::new()
        .with_prompt(format!(
            "Báo mất thiết bị {terminal}, nhật ký đã có đến mục {held}? Không thể đổi lại. / Declare {terminal} lost, its journal is here up to entry {held}? This is for ever"
        ))
        .default(false)
        .interact()
        .context("no terminal to ask: use --yes")
}

//! `ansinh terminal load`: everything that a terminal needs to pay.

use ansinh_payout::{WholeBlockList, kept_lists, lists_to_load};
use ansinh_station::terminal_link::LinkError;
use ansinh_store::lists::ListSummary;
use ansinh_store::operators::Role;
use anyhow::{Context as _, Result, bail};
use card_spec::values::{Date, TerminalName};
use clap::Args;
use link::{Hello, Refusal};
use serde_json::json;

use super::certificates::{install_issuers, renew};
use super::fleet::{Ports, Progress, Told};
use super::scripts::{self, Carried};
use super::{Line, Options, Refused, Signing, known_terminal, operators, set_clock, sync};

const PAYMENT_LIST: &str = "danh sách chi trả / payment list";
const BLOCK_LIST: &str = "danh sách khóa / block list";

#[derive(Args)]
#[command(after_help = "\
First the journal is taken in, as by `terminal sync`: nothing is loaded if it does not verify. What is in force already is not
sent again, and a list that was cut off goes on where it stood, unless the terminal was switched off since. A terminal pays nothing
without a block list of the last 35 days, and with certificates of its own that are over: they last five weeks and are renewed
here and by `terminal sync`. Where operators were set (`terminal operators set`), it gets them.

Examples:
  ansinh terminal load --port /dev/ttyUSB0
  ansinh terminal load --all
  ansinh terminal load --all --watch")]
pub(crate) struct Load {
    #[command(flatten)]
    ports: Ports,
}

impl Load {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let signing = Signing::open(options)?;
        // Or what only an operator may sign would be missed at the end, after everything else.
        signing.actor.demand(Role::Operator)?;
        self.ports
            .visit(options, |line, progress| load(line, &signing, progress))
    }
}

fn load((mut link, hello): (Line, Hello), signing: &Signing, progress: &Progress) -> Result<Told> {
    let terminal = known_terminal(signing, &hello)?;
    if signing.store.is_terminal_lost(terminal.as_str())? {
        return Err(Refused(format!(
            "thiết bị {terminal} đã báo mất / {terminal} was declared lost, and others pay its lines: nothing was sent to it. Take its journal in \
             (ansinh terminal sync), then give it new keys (ansinh terminal provision --anew)"
        ))
        .into());
    }
    install_issuers(&mut link, signing)?;
    set_clock(&mut link, &signing.issuer()?, terminal)?;
    // A new list comes into force over payments that the ledger knows.
    let synchronised = sync::synchronise(&mut link, signing, terminal, &hello, progress)?;
    synchronised.demand_paid_once()?;
    let certified_until = renew(&mut link, signing, terminal)?;
    let block_list = load_block_list(&mut link, signing, &hello, progress)?;
    let lists = load_lists(&mut link, signing, (&hello, terminal), progress)?;
    operators::renew(&mut link, signing, terminal)?;
    // All that it needs to pay is there: a terminal of before that takes no scripts pays all the same.
    let (carried, sent) = scripts::send(&mut link, signing, terminal);
    signing
        .store
        .log_operation(&signing.actor, "terminal-loaded", terminal.as_str())?;
    let told = told(
        terminal,
        synchronised.taken.stored,
        certified_until,
        &lists,
        block_list,
        &carried,
    );
    Ok(Told {
        fault: synchronised.demand_known_scripts().and(sent).err(),
        ..told
    })
}

/// Brings the terminal to the newest block list: by what changed since the one that it holds, or with all entries.
fn load_block_list(
    link: &mut Line,
    signing: &Signing,
    hello: &Hello,
    progress: &Progress,
) -> Result<Option<u32>> {
    let Some(newest) = WholeBlockList::newest(&signing.store)? else {
        return Ok(None);
    };
    if newest.number() > hello.block_list_number {
        let sent = match WholeBlockList::numbered(&signing.store, hello.block_list_number)? {
            Some(held) => load_changes(link, &newest, &held, progress)?,
            None => false,
        };
        if !sent {
            let told = &mut progress.of_list(BLOCK_LIST);
            link.load_block_list(newest.number(), newest.header(), &newest.entries()?, told)
                .context(BLOCK_LIST)?;
        }
    }
    Ok(Some(newest.number()))
}

/// Says whether the terminal has the newest list now. One that takes no changes, holds another list under the number, or starts
/// anew in the middle of them each time, is to get all entries; one that serves a holder keeps what came and waits.
fn load_changes(
    link: &mut Line,
    newest: &WholeBlockList,
    held: &WholeBlockList,
    progress: &Progress,
) -> Result<bool> {
    let Some(changes) = newest.changes_since(held)? else {
        return Ok(false);
    };
    let told = &mut progress.of_list(BLOCK_LIST);
    match link.load_block_delta(newest.number(), newest.header(), held.hash(), &changes, told) {
        Err(LinkError::Refused(refusal)) if refusal != Refusal::Busy => Ok(false),
        Err(LinkError::Silent) => Ok(false),
        loaded => loaded.map(|()| true).context(BLOCK_LIST),
    }
}

/// Brings the terminal to the newest list made for it, and before it to those that this one keeps. Gives the lists that are in force then,
/// the newest last.
fn load_lists(
    link: &mut Line,
    signing: &Signing,
    (hello, terminal): (&Hello, TerminalName),
    progress: &Progress,
) -> Result<Vec<ListSummary>> {
    let mut lists = signing.store.list_summaries(Some(terminal.as_str()))?;
    for list in lists_to_load(&lists, hello.list_number)? {
        let paid = signing.store.unguarded_paid_lines(list.number)?;
        if paid > 0 {
            bail!(
                "{} có {paid} dòng đã chi trả sau khi lập, mà thẻ không chặn được khi chi tay; chưa nạp gì. Lập lại danh sách rồi nạp: ansinh list make … / \
                 {paid} of its lines were paid since it was made, and no card would keep them from being paid again by hand; it was not loaded. Make the \
                 list again, then load",
                list.list_id
            );
        }
        let told = &mut progress.of_list(PAYMENT_LIST);
        let lines = signing.store.list_lines(list.number)?;
        link.load_list(list.number, &list.header, &lines, told)
            .with_context(|| format!("{PAYMENT_LIST} {}", list.list_id))?;
    }
    let Some(newest) = lists.last() else {
        return Ok(lists);
    };
    let mut in_force = kept_lists(&newest.header)?;
    in_force.push(newest.number);
    lists.retain(|list| in_force.contains(&list.number));
    Ok(lists)
}

fn told(
    terminal: TerminalName,
    entries: u64,
    certified_until: Date,
    lists: &[ListSummary],
    block_list: Option<u32>,
    carried: &Carried,
) -> Told {
    let newest = lists.last();
    let names: Vec<_> = lists.iter().map(|list| list.list_id.as_str()).collect();
    let mut json = json!({
        "terminal": terminal.as_str(),
        "list": newest.map(|list| &list.list_id),
        "list_number": newest.map(|list| list.number),
        "lists": names,
        "block_list_number": block_list,
        "certified_until": certified_until.to_string(),
    });
    carried.add_to(&mut json);
    let list = match newest {
        Some(_) => format!("{PAYMENT_LIST} {}", names.join(", ")),
        None => "chưa có danh sách chi trả / no payment list yet: ansinh list make …".to_owned(),
    };
    let block_list = match block_list {
        Some(number) => format!("{BLOCK_LIST} {number}"),
        None => {
            "chưa có danh sách khóa, thiết bị sẽ không chi trả / no block list yet, so it will not pay: ansinh block publish".to_owned()
        }
    };
    let text = format!(
        "Thiết bị / Terminal {terminal}: đã đặt giờ / clock set
  mục nhật ký mới / new journal entries {entries}
  chứng thư đến / certificates until {certified_until}
{}  {list}
  {block_list}",
        carried.text(terminal)
    );
    Told {
        text,
        json,
        fault: None,
    }
}

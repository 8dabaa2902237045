//! `ansinh issue`: cards for everybody who waits.

mod there;

use std::io::{self, Write as _};
use std::time::Duration;

use ansinh_console::calls::issuing::{End, GiveUp};
use ansinh_issuance::Station;
use ansinh_keys::Role;
use ansinh_reference::today;
use ansinh_station::issue::pin::{PinCommand, PinPrompt};
use ansinh_station::issue::{
    Addressee, IssuingKeys, LetterPin, Letterhead, Office, PinSource, Plan, Report, Summary, issue,
};
use ansinh_station::reference::terms;
use ansinh_store::cards::CardState;
use anyhow::{Result, bail};
use card_spec::values::CardNumber;
use clap::{ArgGroup, Args};

use super::Options;

#[derive(Args)]
#[command(group = ArgGroup::new("where").required(true), after_help = "\
Each chosen reader works by itself: insert a blank card, take it out when the line says so, insert the next. A card that
was torn out, or left unfinished by a crash, is finished when it is inserted again, in any reader. Ends when nobody waits
any more, when --limit is reached, or when nothing happened for --wait seconds.

--pin-command is run by /bin/sh once for each card, with the card's number in ANSINH_CARD_NUMBER and the reader's name in
ANSINH_READER, and prints six digits and nothing else, within 60 seconds. A card taken up again asks again; the PIN given
last counts.

--pin-letter-command is run likewise and reads a letter with a PIN drawn for this card, a PDF of one page of A4 for window
envelopes (DIN 5008 form B), from its standard input. The PIN is set only if the command took the whole letter and succeeded
within 60 seconds. A card taken up again gets another PIN and another letter: the newest counts, the others are to be destroyed.

While `ansinh serve` runs, the cards are in its readers: PINs are asked for here (prompt or --pin-command), or it prints letters by
the command of its settings (--pin-letters). --end has it begin no card any more, whoever started it; breaking this command off
with Ctrl-C does not.

Examples:
  ansinh issue --all-readers
  ansinh issue --reader 'ACS ACR39U 00 00' --limit 1
  ansinh issue --all-readers --pin-command ./pin-pad --wait 30 --json
  ansinh issue --all-readers --pin-letter-command 'lp -d pin-letters -o media=A4' --pin-letter-contact 'UBND xã, 028 3829 1302'
  ansinh issue --all-readers --pin-letters
  ansinh issue --end
  ansinh issue --give-up 7900000000000014

Exit codes: 0 everybody has a card, or --limit is reached; 3 cards are unfinished or persons still wait (the lines say why).")]
pub(crate) struct Issue {
    /// PC/SC name of a reader to use; may be given several times
    #[arg(long, value_name = "NAME", group = "where")]
    reader: Vec<String>,
    /// Use every reader, those plugged in later included
    #[arg(long, group = "where")]
    all_readers: bool,
    /// Instead of issuing: give up an unfinished card whose chip is broken or lost. Its person waits for another; if the
    /// issuer had signed it, its number is blocked
    #[arg(long, value_name = "CARD", group = "where", conflicts_with_all = ["pin_command", "pin_letter_command", "pin_letters", "limit", "wait"])]
    give_up: Option<CardNumber>,
    /// Instead of issuing: have the service begin no card any more; those in work are finished
    #[arg(long, group = "where", conflicts_with_all = ["pin_command", "pin_letter_command", "pin_letters", "limit", "wait"])]
    end: bool,
    /// Program that prints the PIN of a card; default: a prompt
    #[arg(long, value_name = "CMD")]
    pin_command: Option<String>,
    /// Program that prints a letter with a PIN drawn by chance, one for each card
    #[arg(
        long,
        value_name = "CMD",
        requires = "pin_letter_contact",
        conflicts_with = "pin_command"
    )]
    pin_letter_command: Option<String>,
    /// Have the service print a letter with a PIN drawn by chance for each card, by the command of its settings
    #[arg(long, conflicts_with_all = ["pin_command", "pin_letter_command"])]
    pin_letters: bool,
    /// Whom holders call about their letters: office and telephone
    #[arg(long, value_name = "TEXT", requires = "pin_letter_command")]
    pin_letter_contact: Option<String>,
    /// Issue at most this many cards
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// End when no card came or went for this long
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
}

/// Not everything that was to be done is done; the lines before said what.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Incomplete(pub(crate) String);

impl Incomplete {
    /// The exit code.
    pub(crate) const EXIT_CODE: u8 = 3;
}

impl Issue {
    pub(crate) fn run(self, options: &Options) -> Result<()> {
        if let Some(number) = self.give_up {
            return give_up(options, &number);
        }
        if self.end {
            return end_run(options);
        }
        if let Some(client) = options.client()? {
            return end(options, &there::issue(self, &client, options)?);
        }
        if self.pin_letters {
            bail!(
                "không có dịch vụ nào đang chạy / no service runs that could print: give --pin-letter-command and --pin-letter-contact"
            );
        }
        let home = options.home();
        let settings = home.station()?;
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        let passphrase = options.passphrase()?;
        let reference = home.reference_data()?;
        let station = Station::new(
            &home.certificate(&settings.reference(Role::Root)?)?,
            &home.certificate(&settings.reference(Role::Issuer)?)?,
            terms(&settings, &reference, today())?,
        )?;
        let keys = IssuingKeys::open(&home, &store, &station, &passphrase)?;
        drop(passphrase);
        let report = Report::new(
            store.approved_persons()? + store.unfinished_cards()?,
            options.json,
        );
        let addressee = |number: &CardNumber| Addressee::of_card(&store, number, &reference);
        let pins: Box<dyn PinSource + '_> = match (self.pin_command, self.pin_letter_command) {
            (Some(command), _) => Box::new(PinCommand::new(command, PinCommand::TIME_LIMIT)),
            (None, Some(command)) => {
                let head = Letterhead::of_station(&settings, &self.pin_letter_contact.unwrap_or_default());
                Box::new(LetterPin::new(command, LetterPin::TIME_LIMIT, head, &addressee))
            }
            (None, None) => Box::new(PinPrompt::new(&report)),
        };
        let plan = Plan {
            readers: self.reader,
            limit: self.limit,
            wait: self.wait.map(Duration::from_secs),
        };
        let province = settings.province_number()?;
        let summary = issue(
            Office {
                store: &store,
                actor: &actor,
                keys: &keys,
                station: &station,
                province,
                pins: pins.as_ref(),
                report: &report,
            },
            &plan,
        )?;
        end(options, &summary)
    }
}

fn end(options: &Options, summary: &Summary) -> Result<()> {
    print(options, summary);
    if summary.is_complete() {
        return Ok(());
    }
    Err(Incomplete(missing(summary)).into())
}

/// Ends what the service issues, whoever started it.
fn end_run(options: &Options) -> Result<()> {
    let Some(client) = options.client()? else {
        bail!(
            "không có dịch vụ nào đang chạy / no service runs here: end `ansinh issue` where it runs, with Ctrl-C while no card is in \
             work; an unfinished card can be taken up again"
        );
    };
    let state = client.call(&End {})?;
    if options.json {
        println!("{}", serde_json::to_string(&state)?);
        return Ok(());
    }
    match state.operator {
        Some(operator) => println!(
            "Không làm thẻ mới, thẻ đang làm sẽ xong / No card is begun any more for {operator}; those in work are finished"
        ),
        None => println!("Không có ai đang phát hành / Nobody issues"),
    }
    Ok(())
}

fn give_up(options: &Options, number: &CardNumber) -> Result<()> {
    let given_up = options.call(GiveUp {
        card: number.to_string(),
    })?;
    if options.json {
        println!("{}", serde_json::to_string(&given_up)?);
        return Ok(());
    }
    println!(
        "Đã bỏ thẻ {number}, người hưởng chờ thẻ khác / Card {number} given up, its person waits for another"
    );
    if given_up.state == CardState::Blocked.name() {
        println!("Số thẻ đã bị khóa / Its number is blocked: send the next block list to the terminals");
    }
    Ok(())
}

fn print(options: &Options, summary: &Summary) {
    let Summary {
        issued,
        failed_attempts,
        spoilt,
        unfinished,
        waiting,
        ..
    } = *summary;
    let line = if options.json {
        let object = serde_json::json!({
            "summary": { "issued": issued, "failed_attempts": failed_attempts, "spoilt": spoilt,
                         "unfinished": unfinished, "waiting": waiting }
        });
        object.to_string()
    } else {
        format!("Đã phát hành / Issued: {issued}")
    };
    // The exit code tells the same to a reader who has gone.
    let _ = writeln!(io::stdout(), "{line}");
}

fn missing(summary: &Summary) -> String {
    let Summary {
        spoilt,
        unfinished,
        waiting,
        ..
    } = summary;
    format!(
        "chưa xong: {unfinished} thẻ dở dang, {waiting} người còn chờ, {spoilt} chip hỏng. Đưa lại thẻ dở dang, thêm thẻ \
         trắng rồi chạy lại / not complete: {unfinished} unfinished card(s), {waiting} waiting person(s), {spoilt} spoilt \
         chip(s). Insert the unfinished cards again, add blank cards, run again"
    )
}

//! `ansinh issue` while the service runs: the cards are in the service's readers, the person with the PIN is here.

use std::thread;

use ansinh_console::calls::issuing::{GivePin, Pins, Start, Tally};
use ansinh_console::client::Client;
use ansinh_console::events::Happening;
use ansinh_station::issue::pin::{PinCommand, PinPrompt};
use ansinh_station::issue::report::News;
use ansinh_station::issue::{PinSource, Report, Summary};
use anyhow::{Result, bail};
use card_spec::values::CardNumber;
use zeroize::Zeroizing;

use super::super::Options;
use super::Issue;

/// Has the service issue, shows what happens there, and gives the PINs that it asks for.
pub(super) fn issue(issue: Issue, client: &Client, options: &Options) -> Result<Summary> {
    if issue.pin_letter_command.is_some() {
        bail!(
            "dịch vụ đang chạy tự in thư PIN / the service prints PIN letters by the command of its own settings: give --pin-letters"
        );
    }
    let started = client.call(&Start {
        readers: issue.reader,
        limit: issue.limit,
        wait_seconds: issue.wait.map(|wait| u32::try_from(wait).unwrap_or(u32::MAX)),
        pins: if issue.pin_letters {
            Pins::Letters
        } else {
            Pins::Asked
        },
    })?;
    let report = Report::new(started.to_do, options.json);
    let command = issue
        .pin_command
        .map(|command| PinCommand::new(command, PinCommand::TIME_LIMIT));
    let prompt = PinPrompt::new(&report);
    let pins: &dyn PinSource = command.as_ref().map_or(&prompt, |command| command);
    let tally = follow(client, started.event, pins, &report);
    report.finish();
    let Tally {
        issued,
        failed_attempts,
        spoilt,
        unfinished,
        waiting,
        ..
    } = tally?;
    Ok(Summary {
        issued,
        failed_attempts,
        spoilt,
        unfinished,
        waiting,
        limited: issue.limit.is_some_and(|limit| issued >= limit),
    })
}

fn follow(client: &Client, after: u64, pins: &dyn PinSource, report: &Report) -> Result<Tally> {
    let events = client.events(after)?;
    thread::scope(|scope| {
        for happening in events {
            match happening {
                Happening::Issuing { news } => report.show(news),
                Happening::PinNeeded { card, reader } => {
                    // Cards in other readers go on while somebody chooses a PIN.
                    scope.spawn(move || {
                        if let Err(why) = give(client, pins, &card, &reader) {
                            report.show(News::Notice {
                                text: format!("{card}: {why:#}"),
                            });
                        }
                    });
                }
                Happening::IssuingEnded { tally } => return Ok(tally),
                Happening::IssuingFailed { detail } => bail!("{detail}"),
                Happening::Missed => report.show(News::Notice {
                    text: "Mất một số tin / Some lines were missed; the ledger has them all".to_owned(),
                }),
                _ => {}
            }
        }
        bail!(
            "dịch vụ đã dừng, thẻ dở dang làm tiếp được / the service has stopped; unfinished cards can be taken up again"
        )
    })
}

/// Gives a card its PIN. Without one, the service says so for the card when its minute is over.
fn give(client: &Client, pins: &dyn PinSource, card: &str, reader: &str) -> Result<()> {
    let number: CardNumber = card.parse()?;
    let pin = pins.pin(&number, reader)?;
    let digits = pin.digits().iter().map(|digit| char::from(*digit)).collect();
    client.call(&GivePin {
        card: card.to_owned(),
        pin: Zeroizing::new(digits),
    })?;
    Ok(())
}

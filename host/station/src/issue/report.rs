//! What the operator sees: bars on a terminal, plain lines elsewhere, JSON lines for a program, [`News`] for a daemon that
//! passes them on. Never a name, a PIN, a key.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ansinh_issuance::{Done, Failure, JournalStep, LedgerWrite, Plastic, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Outcome;

/// The operator's view of the readers.
pub struct Report {
    form: Form,
    /// Nobody reads standard output any more.
    closed: AtomicBool,
}

enum Form {
    /// A bar for each reader and one for all cards.
    Bars(Bars),
    /// A line for each card.
    Lines,
    /// A JSON object for each card.
    Json,
    /// Somebody who passes it on.
    Listener(Box<dyn Fn(News) + Send + Sync>),
}

/// The bars of a terminal. Whoever draws holds a lock that all readers need: nobody may wait for a person meanwhile.
struct Bars {
    all: MultiProgress,
    readers: Mutex<BTreeMap<String, ProgressBar>>,
    total: ProgressBar,
    /// While somebody types there are no bars, and this holds the lines that wait.
    held_back: Mutex<Option<Vec<String>>>,
}

/// What happens at the readers, as whoever watches from elsewhere hears it. Never a name, a PIN, a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum News {
    /// A reader waits for a card.
    Waiting {
        /// Its PC/SC name.
        reader: String,
    },
    /// A step is about to be taken.
    Step {
        /// The reader.
        reader: String,
        /// What is done, in both languages.
        text: String,
    },
    /// A card has come to its end.
    Ended {
        /// The reader.
        reader: String,
        /// What an operator reads, in both languages.
        line: String,
        /// The same for a program, as a line of `ansinh issue --json`.
        outcome: serde_json::Value,
        /// Whether the card is active now and was not before.
        issued: bool,
    },
    /// Something the operator should know, outside any card.
    Notice {
        /// In both languages.
        text: String,
    },
}

impl Report {
    /// Chooses by where the output goes.
    pub fn new(waiting: u64, json: bool) -> Self {
        let form = if json {
            Form::Json
        } else if io::stderr().is_terminal() {
            Form::Bars(Bars::new(waiting))
        } else {
            Form::Lines
        };
        Self::of(form)
    }

    /// Tells a listener instead of a terminal. It is called from the readers' threads and must not wait for anything.
    pub fn to(listener: impl Fn(News) + Send + Sync + 'static) -> Self {
        Self::of(Form::Listener(Box::new(listener)))
    }

    fn of(form: Form) -> Self {
        Self {
            form,
            closed: AtomicBool::new(false),
        }
    }

    /// No card is begun any more; those in work are finished.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether it was closed, or standard output was: nobody would see what becomes of another card.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// A step is about to be taken at a reader.
    pub(crate) fn step(&self, reader: &str, step: &Step) {
        if let (Form::Bars(_) | Form::Listener(_), Some(text)) = (&self.form, step_text(step)) {
            self.show(News::Step {
                reader: reader.to_owned(),
                text: text.to_owned(),
            });
        }
    }

    /// A card has come to its end.
    pub(crate) fn outcome(&self, reader: &str, outcome: &Outcome) {
        self.show(News::Ended {
            reader: reader.to_owned(),
            line: outcome_line(reader, outcome),
            outcome: outcome_json(reader, outcome),
            issued: matches!(outcome.end, Ok(Done::Issued(_) | Done::Confirmed(_))),
        });
    }

    /// A reader waits for a card.
    pub(crate) fn waiting(&self, reader: &str) {
        self.show(News::Waiting {
            reader: reader.to_owned(),
        });
    }

    /// Something the operator should know, outside any card.
    pub(crate) fn notice(&self, text: &str) {
        self.show(News::Notice {
            text: text.to_owned(),
        });
    }

    /// Shows what happened here, or at the readers of another process.
    pub fn show(&self, news: News) {
        match (&self.form, news) {
            (Form::Listener(listener), news) => listener(news),
            (Form::Bars(bars), news) => self.show_with_bars(bars, news),
            (Form::Lines, News::Ended { line, .. }) => self.write(&line),
            (Form::Json, News::Ended { outcome, .. }) => self.write(&outcome.to_string()),
            (Form::Lines | Form::Json, News::Notice { text }) => warn(&text),
            (Form::Lines | Form::Json, News::Waiting { .. } | News::Step { .. }) => {}
        }
    }

    fn show_with_bars(&self, bars: &Bars, news: News) {
        match news {
            News::Waiting { reader } => bars.show(&reader, "Đưa thẻ vào / Insert a card".to_owned()),
            News::Step { reader, text } => bars.show(&reader, text),
            News::Notice { text } => bars.all.suspend(|| warn(&text)),
            News::Ended {
                reader, line, issued, ..
            } => {
                if let Some(line) = bars.hold_back(line) {
                    bars.all.suspend(|| self.write(&line));
                }
                bars.show(&reader, "Lấy thẻ ra / Take the card out".to_owned());
                bars.total.inc(u64::from(issued));
            }
        }
    }

    fn write(&self, line: &str) {
        if writeln!(io::stdout(), "{line}").is_err() {
            self.close();
        }
    }

    /// Runs something for which somebody types at the terminal; the other readers go on meanwhile.
    pub(crate) fn while_typing<T>(&self, work: impl FnOnce() -> T) -> T {
        let Form::Bars(bars) = &self.form else {
            return work();
        };
        bars.hide();
        let typed = work();
        for line in bars.show_again() {
            bars.all.suspend(|| self.write(&line));
        }
        typed
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        if let Form::Bars(bars) = &self.form {
            // Fails only without a terminal, where there are no bars.
            let _ = bars.all.clear();
        }
    }
}

/// Without standard error there is nobody to tell.
fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

impl Bars {
    fn new(waiting: u64) -> Self {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(waiting).with_style(style("{wide_bar} {pos}/{len} {elapsed}")));
        Self {
            all,
            readers: Mutex::default(),
            total,
            held_back: Mutex::default(),
        }
    }

    /// Shows the text at the reader's bar; a reader gets one with its first card.
    fn show(&self, reader: &str, text: String) {
        let mut readers = lock(&self.readers);
        let bar = readers.entry(reader.to_owned()).or_insert_with(|| {
            let bar = ProgressBar::new_spinner()
                .with_style(style("{spinner} {prefix}: {msg}"))
                .with_prefix(reader.to_owned());
            self.all.insert_before(&self.total, bar)
        });
        bar.set_message(text);
        bar.tick();
    }

    /// Gives the terminal to somebody who types.
    fn hide(&self) {
        let _nobody_shows = lock(&self.readers);
        *lock(&self.held_back) = Some(Vec::new());
        // Fails only without a terminal, where there are no bars.
        let _ = self.all.clear();
        self.all.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Takes the terminal back, with the lines that waited.
    fn show_again(&self) -> Vec<String> {
        self.all.set_draw_target(ProgressDrawTarget::stderr());
        lock(&self.held_back).take().unwrap_or_default()
    }

    /// Keeps the line while somebody types, else gives it back.
    fn hold_back(&self, line: String) -> Option<String> {
        match lock(&self.held_back).as_mut() {
            Some(lines) => {
                lines.push(line);
                None
            }
            None => Some(line),
        }
    }
}

/// Texts and bars are as good after a panic of another thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn step_text(step: &Step) -> Option<&'static str> {
    Some(match step {
        Step::FindKeys(_) | Step::Claim { .. } => "Nhận dạng thẻ / Recognizing the card",
        Step::AskPin(_) => "Chờ mã PIN / Waiting for the PIN",
        Step::SignCso(..) => "Ký / Signing",
        Step::Write(_, writes) => match writes.last() {
            Some(LedgerWrite::Journal(step)) => journal_text(step),
            _ => return None,
        },
        _ => return None,
    })
}

fn journal_text(step: &JournalStep) -> &'static str {
    match step {
        JournalStep::ReplaceKeys => "Thay khóa / Replacing keys",
        JournalStep::ProveKeys => "Tạo khóa trên thẻ / Keys on the card",
        JournalStep::ReleaseCso { .. } => "Ký / Signing",
        JournalStep::LoadData => "Ghi dữ liệu / Loading data",
        JournalStep::SetPin => "Đặt mã PIN / Setting the PIN",
        JournalStep::Activate => "Kích hoạt / Activating",
    }
}

/// A good end in both languages.
fn done_text(done: Done) -> String {
    match done {
        Done::Issued(number) => format!("thẻ {number} đã phát hành / card {number} issued"),
        Done::Confirmed(number) => {
            format!(
                "thẻ {number} đã kích hoạt từ trước, nay ghi sổ / card {number} was active already, recorded now"
            )
        }
        Done::AlreadyIssued(number) => {
            format!(
                "thẻ {number} đã phát hành từ trước, không thay đổi / card {number} was issued before, not changed"
            )
        }
        Done::NobodyWaiting => {
            "không còn ai chờ thẻ, thẻ này còn trắng / nobody waits for a card, this one is still blank"
                .to_owned()
        }
    }
}

fn outcome_line(reader: &str, outcome: &Outcome) -> String {
    match (&outcome.end, outcome.number) {
        (Ok(done), _) => format!("{reader}: {}", done_text(*done)),
        (Err(failure), Some(number)) => format!("{reader}: {number}: {}\n  {failure}", failure.vietnamese()),
        (Err(failure), None) => format!("{reader}: {}\n  {failure}", failure.vietnamese()),
    }
}

fn outcome_json(reader: &str, outcome: &Outcome) -> serde_json::Value {
    let number = outcome.number.map(|number| number.to_string());
    let mut object = match &outcome.end {
        Ok(done) => {
            let (name, number) = match done {
                Done::Issued(number) => ("issued", Some(number)),
                Done::Confirmed(number) => ("confirmed", Some(number)),
                Done::AlreadyIssued(number) => ("already-issued", Some(number)),
                Done::NobodyWaiting => ("nobody-waiting", None),
            };
            json!({ "outcome": name, "card": number.map(ToString::to_string) })
        }
        Err(failure) => failure_json(failure, number),
    };
    object["reader"] = json!(reader);
    object["apdus"] = json!(outcome.statistics.commands);
    object["bytes"] = json!(outcome.statistics.bytes_sent + outcome.statistics.bytes_received);
    object["milliseconds"] = json!(u64::try_from(outcome.time.as_millis()).unwrap_or(u64::MAX));
    object
}

fn failure_json(failure: &Failure, number: Option<String>) -> serde_json::Value {
    let plastic = match failure.plastic() {
        Plastic::Untouched => "untouched",
        Plastic::Resumable => "resumable",
        Plastic::Spoilt => "spoilt",
    };
    json!({
        "outcome": "failed", "card": number, "failure": failure.code(), "plastic": plastic,
        "vi": failure.vietnamese(), "en": failure.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn other_readers_go_on_while_somebody_types() {
        let report = Report::of(Form::Bars(Bars::new(2)));
        let (went_on, other_reader) = mpsc::channel();
        thread::scope(|scope| {
            report.while_typing(|| {
                scope.spawn(|| {
                    report.step("reader 01", &Step::FindKeys([0; 10]));
                    report.waiting("reader 00");
                    report.notice("");
                    let _ = went_on.send(());
                });
                let waited = other_reader.recv_timeout(Duration::from_secs(20));
                assert_eq!(waited, Ok(()), "a reader waits for a person at the keyboard");
            });
        });
    }
}

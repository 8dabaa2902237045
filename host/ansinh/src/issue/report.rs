//! What the operator sees: bars on a terminal, plain lines elsewhere, JSON lines for a program. Never a name, a PIN, a key.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Mutex;

use ansinh_issuance::{Done, Failure, JournalStep, LedgerWrite, Plastic, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::Outcome;

/// The operator's view of the readers.
pub enum Report {
    /// A bar for each reader and one for all cards.
    Bars(Bars),
    /// A line for each card.
    Lines,
    /// A JSON object for each card.
    Json,
}

/// The bars of a terminal.
pub struct Bars {
    all: MultiProgress,
    readers: Mutex<BTreeMap<String, ProgressBar>>,
    total: ProgressBar,
}

impl Report {
    /// Chooses by where the output goes.
    pub fn new(waiting: u64, json: bool) -> Self {
        if json {
            Self::Json
        } else if std::io::stderr().is_terminal() {
            Self::Bars(Bars::new(waiting))
        } else {
            Self::Lines
        }
    }

    /// A step is about to be taken at a reader.
    pub(crate) fn step(&self, reader: &str, step: &Step) {
        if let (Self::Bars(bars), Some(text)) = (self, step_text(step)) {
            bars.show(reader, text);
        }
    }

    /// A card has come to its end.
    pub(crate) fn outcome(&self, reader: &str, outcome: &Outcome) {
        match self {
            Self::Json => println!("{}", outcome_json(reader, outcome)),
            Self::Lines => println!("{}", outcome_line(reader, outcome)),
            Self::Bars(bars) => {
                bars.all.suspend(|| println!("{}", outcome_line(reader, outcome)));
                bars.show(reader, "Lấy thẻ ra / Take the card out");
                if matches!(outcome.end, Ok(Done::Issued(_) | Done::Confirmed(_))) {
                    bars.total.inc(1);
                }
            }
        }
    }

    /// A reader waits for a card.
    pub(crate) fn waiting(&self, reader: &str) {
        if let Self::Bars(bars) = self {
            bars.show(reader, "Đưa thẻ vào / Insert a card");
        }
    }

    /// Something the operator should know, outside any card.
    pub(crate) fn notice(&self, text: &str) {
        self.suspended(|| eprintln!("{text}"));
    }

    /// Runs something that uses the terminal itself.
    pub(crate) fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Bars(bars) => bars.all.suspend(work),
            Self::Lines | Self::Json => work(),
        }
    }

    /// Takes the bars away.
    pub(crate) fn finish(&self) {
        if let Self::Bars(bars) = self {
            // Fails only without a terminal, where there are no bars.
            let _ = bars.all.clear();
        }
    }
}

impl Bars {
    fn new(waiting: u64) -> Self {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(waiting).with_style(style("{wide_bar} {pos}/{len} {elapsed}")));
        Self {
            all,
            readers: Mutex::default(),
            total,
        }
    }

    /// Shows the text at the reader's bar; a reader gets one with its first card.
    fn show(&self, reader: &str, text: &'static str) {
        let Ok(mut readers) = self.readers.lock() else {
            return;
        };
        let bar = readers.entry(reader.to_owned()).or_insert_with(|| {
            let bar = ProgressBar::new_spinner()
                .with_style(style("{spinner} {prefix}: {msg}"))
                .with_prefix(reader.to_owned());
            self.all.insert_before(&self.total, bar)
        });
        bar.set_message(text);
        bar.tick();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn step_text(step: &Step) -> Option<&'static str> {
    Some(match step {
        Step::FindKeys(_) | Step::Claim { .. } => "Nhận dạng thẻ / Recognizing the card",
        Step::AskPin(_) => "Chờ mã PIN / Waiting for the PIN",
        Step::SignCso(_) => "Ký / Signing",
        Step::Write(_, LedgerWrite::Journal(step)) => match step {
            JournalStep::ReplaceKeys => "Thay khóa / Replacing keys",
            JournalStep::ProveKeys => "Tạo khóa trên thẻ / Keys on the card",
            JournalStep::ReleaseCso { .. } => "Ký / Signing",
            JournalStep::LoadData => "Ghi dữ liệu / Loading data",
            JournalStep::SetPin => "Đặt mã PIN / Setting the PIN",
            JournalStep::Activate => "Kích hoạt / Activating",
        },
        _ => return None,
    })
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

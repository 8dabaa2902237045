//! QEMU killed at each journal write of one payment: the power of the terminal is cut before every write of its flash from
//! the second tap to the money handed over, inside of these writes, and before some of the writes from switching it on; and
//! at instructions evenly spread over that payment, whatever the terminal is doing there. Each time the same card comes back,
//! and in the end it was paid exactly once, the money was handed over exactly once, and the auditor has nothing to find.
//!
//! A cut is mostly waiting, for a reader that looks for a card and for a person; so several pay points, each with a station of
//! its own, share the work. The image is the one with P-256 by assembly: an instruction is less often one of the primitives.
//!
//! `ANSINH_ALL_CUTS=1` cuts before every single word of flash from the boot entry on. `ANSINH_INSTRUCTION_CUTS=500` cuts at so
//! many instructions. The cuts and what became of them are listed in `power-cuts.txt` in cargo's folder for tests,
//! `target/tmp`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use rig::{Counts, Image, Instructions, VirtualReader, firmware_image_with_assembly, inside_readers};
use serde_json::{Value, json};
use whole_job::issuing::Issued;
use whole_job::pay_point::screen;
use whole_job::programs::program;
use whole_job::scene::Scene;
use whole_job::station::pin_of;
use whole_job::witnesses;

/// Once for each write: journal record, its mark of completeness, seed page.
const WRITE: &str = "Flash as embedded_storage::nor_flash::NorFlash>::write";
/// Once for each word that is programmed or erased.
const WORD: &str = "Flash::store";
/// Words of the seed page, erased and written anew at each start: the rig's tests cut these.
const WORDS_OF_SEED_PAGE: u64 = 1042;
/// Every so many words of a payment a cut inside of a write: a prime, so that no place in an entry is preferred.
const STRIDE_OF_WORDS: usize = 29;
/// Every so many writes before the payment: boot, clock and shift.
const STRIDE_BEFORE: usize = 8;
/// Instructions of the payment at which the power is cut, if `ANSINH_INSTRUCTION_CUTS` does not say otherwise.
const INSTRUCTIONS: u64 = 100;
/// Pay points at work at the same time.
const PAY_POINTS: usize = 6;
const PEOPLE: usize = 3;
/// What changes: the station's folder, the cards' memories, the terminal's flash.
const PARTS: [&str; 3] = ["station", "blank-cards", "terminal.flash"];

/// How a terminal comes up after a power cut, and what it did with the card afterwards.
type Course = (&'static str, &'static str);

const NOTHING_OPEN: &str = "nothing open";
const NOT_PAID_BY_CARD: &str = "order open, the card has not paid it";
const PAID_BY_CARD: &str = "order open, the card has paid it";
const NOT_HANDED: &str = "paid, not handed over";
const PAID_NOW: &str = "paid now";
const ALREADY_PAID: &str = "already paid";

/// What a terminal has said survives any power cut.
fn keeps(promised: Option<&str>, (found, done): Course) -> bool {
    match promised {
        None => true,
        Some(screen::PAID) => [NOT_HANDED, NOTHING_OPEN].contains(&found) && done == ALREADY_PAID,
        Some(_) => found == NOTHING_OPEN && done == ALREADY_PAID,
    }
}

/// Where the power goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    /// Before a function is entered for the n-th time.
    Before(&'static str, u64),
    /// Before the n-th instruction since switching on.
    Instruction(u64),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(place, time) => write!(f, "{place} {time}"),
            Self::Instruction(number) => write!(f, "instruction {number}"),
        }
    }
}

struct Sweep {
    scene: Scene,
    image: Image,
    card: Issued,
}

impl Sweep {
    fn set_up(reader: &VirtualReader, image: &Path) -> Result<Self> {
        let reader = (reader.name.clone(), reader.port);
        let scene = Scene::set_up(&[reader], image.to_owned(), PEOPLE)?;
        let card = scene.card_with_one_line()?;
        copy_parts(scene.folder(), &scene.folder().join("snapshot"))?;
        Ok(Self {
            scene,
            image: Image::open(image)?,
            card,
        })
    }

    /// Plays until the power is cut, and sees it through. Nothing when the payment was over before.
    fn cut(&mut self, cut: &Cut) -> Result<Option<Course>> {
        self.restore()?;
        let mut instructions = Instructions::new()?;
        match cut {
            Cut::Before(place, time) => instructions.cut_power_at(&self.image, place, *time)?,
            Cut::Instruction(number) => instructions.cut_power_at_instruction(*number),
        }
        self.scene.pay_point.switch_on_with(instructions.arguments())?;
        let mut promised = None;
        let played = self.play(&mut promised);
        if played.is_ok() {
            self.scene.pay_point.cut_power()?;
            return Ok(None);
        }
        // A command to the terminal or a key may be what fails first; the screen tells for sure.
        let end = self.scene.pay_point.wait_for("\0");
        ensure!(
            end.is_err_and(|error| error.to_string().contains("QEMU ended")),
            "the terminal is on, and yet: {played:?}"
        );
        self.scene.pay_point.cut_power()?;
        self.scene.pay_point.switch_on()?;
        let found = self.come_up()?;
        let done = self.serve()?;
        ensure!(
            keeps(promised, (found, done)),
            "the screen said {promised:?}, and then: {found}; {done}"
        );
        self.scene.terminal("sync")?;
        self.scene.pay_point.cut_power()?;
        self.prove()?;
        Ok(Some((found, done)))
    }

    /// How often `place` was reached since switching on when the second tap begins, and when the money is handed over.
    fn times(&mut self, place: &str) -> Result<Range<u64>> {
        let mut instructions = Instructions::new()?;
        let group = instructions.count_inside(&self.image, place)?;
        let payment = self.payment(&instructions)?;
        Ok(payment.start.calls(group)..payment.end.calls(group))
    }

    /// What was counted since switching on when the second tap begins, and when the money is handed over.
    fn payment(&mut self, instructions: &Instructions) -> Result<Range<Counts>> {
        self.restore()?;
        self.scene.pay_point.switch_on_with(instructions.arguments())?;
        self.begin()?;
        self.identify()?;
        let start = instructions.read()?;
        self.pay(&mut None)?;
        let end = instructions.read()?;
        self.scene.pay_point.cut_power()?;
        Ok(start..end)
    }

    /// The cuts to make.
    fn plan(&mut self) -> Result<Vec<Cut>> {
        let words = self.times(WORD)?;
        let before_word = |time| Cut::Before(WORD, time);
        if std::env::var_os("ANSINH_ALL_CUTS").is_some() {
            return Ok((WORDS_OF_SEED_PAGE + 1..=words.end).map(before_word).collect());
        }
        let writes = self.times(WRITE)?;
        let some = (1..=writes.start).step_by(STRIDE_BEFORE);
        let all = some.chain(writes.start + 1..=writes.end);
        let inside = (words.start + 1..=words.end).step_by(STRIDE_OF_WORDS);
        let instructions = match std::env::var("ANSINH_INSTRUCTION_CUTS") {
            Ok(cuts) => cuts.parse().context("ANSINH_INSTRUCTION_CUTS")?,
            Err(_) => INSTRUCTIONS,
        };
        let payment = self.payment(&Instructions::new()?)?;
        let (start, end) = (payment.start.all(), payment.end.all());
        let spread = (0..instructions).map(|index| start + (end - start) * index / instructions);
        Ok(all
            .map(|time| Cut::Before(WRITE, time))
            .chain(inside.map(before_word))
            .chain(spread.map(Cut::Instruction))
            .collect())
    }

    fn restore(&self) -> Result<()> {
        copy_parts(&self.scene.folder().join("snapshot"), self.scene.folder())
    }

    /// A payment; `promised` is the last that the screen said of it.
    fn play(&mut self, promised: &mut Option<&'static str>) -> Result<()> {
        self.begin()?;
        self.identify()?;
        self.pay(promised)
    }

    /// The first tap, and the PIN.
    fn identify(&mut self) -> Result<()> {
        let pin = pin_of(&self.card.number);
        self.scene.pay_point.identify(&self.card, pin)?;
        Ok(())
    }

    /// The second tap, and the money handed over.
    fn pay(&mut self, promised: &mut Option<&'static str>) -> Result<()> {
        let pay_point = &mut self.scene.pay_point;
        pay_point.tap(&self.card)?;
        pay_point.wait_for(screen::PAID)?;
        *promised = Some(screen::PAID);
        pay_point.wait_for(screen::HAND_OVER)?;
        pay_point.lift();
        pay_point.press("\r")?;
        pay_point.wait_for(screen::HANDED)?;
        *promised = Some(screen::HANDED);
        pay_point.wait_for(screen::TAP).map(drop)
    }

    /// What happens at a pay point in the morning: the host tells the time, the clerk opens a shift.
    fn begin(&mut self) -> Result<()> {
        self.scene.pay_point.wait_for(screen::OPEN_SHIFT)?;
        self.scene.terminal("load")?;
        self.open_shift()
    }

    fn open_shift(&mut self) -> Result<()> {
        self.scene.pay_point.press("oLan\r")?;
        self.scene.pay_point.wait_for(screen::TAP).map(drop)
    }

    /// Settles what the power cut left open, until a shift can be opened.
    fn come_up(&mut self) -> Result<&'static str> {
        let pay_point = &mut self.scene.pay_point;
        let (mut shown, _) =
            pay_point.wait_for_one_of(&[screen::UNSETTLED, screen::HAND_OVER, screen::OPEN_SHIFT])?;
        let mut found = NOTHING_OPEN;
        if shown == screen::UNSETTLED {
            pay_point.tap(&self.card)?;
            (shown, _) = pay_point.wait_for_one_of(&[screen::HAND_OVER, screen::NOT_PAID])?;
            pay_point.lift();
            found = match shown {
                screen::NOT_PAID => NOT_PAID_BY_CARD,
                _ => PAID_BY_CARD,
            };
        } else if shown == screen::HAND_OVER {
            found = NOT_HANDED;
        }
        if shown == screen::HAND_OVER {
            pay_point.press("\r")?;
        }
        if shown != screen::OPEN_SHIFT {
            pay_point.wait_for(screen::OPEN_SHIFT)?;
        }
        Ok(found)
    }

    /// The card comes again: it gets what is due, or hears that it has got it.
    fn serve(&mut self) -> Result<&'static str> {
        self.scene.terminal("load")?;
        self.open_shift()?;
        let pay_point = &mut self.scene.pay_point;
        pay_point.tap(&self.card)?;
        let (shown, line) = pay_point.wait_for_one_of(&[screen::DUE, screen::NOT_PAID])?;
        if shown == screen::NOT_PAID {
            ensure!(line.contains("already paid"), "refused: {line}");
            pay_point.wait_for(screen::TAP)?;
            pay_point.lift();
            return Ok(ALREADY_PAID);
        }
        pay_point.wait_for(screen::PIN)?;
        pay_point.lift();
        pay_point.press(&format!("{}\r", pin_of(&self.card.number)))?;
        pay_point.wait_for(screen::TAP_AGAIN)?;
        pay_point.tap(&self.card)?;
        pay_point.wait_for(screen::HAND_OVER)?;
        pay_point.hand_over()?;
        Ok(PAID_NOW)
    }

    /// One payment, one hand-over, one receipt, no gap, no finding.
    fn prove(&self) -> Result<()> {
        let out = self.scene.folder().join("out");
        remove(&out)?;
        let out_text = out.to_string_lossy();
        self.scene.station.run(&["export", "--out", &out_text])?;
        let paid = "SELECT card, card_counter, reversed FROM payment";
        let rows = witnesses::sqlite(&out.join("store.sqlite"), paid)?;
        let number = &self.card.number;
        ensure!(
            rows == [json!({ "card": number, "card_counter": 1, "reversed": 0 })],
            "payments in the ledger: {rows:?}"
        );
        let output = Command::new(program("ansinh-audit")?)
            .args(["verify", &out_text, "--json", "--root"])
            .arg(out.join("root.pem"))
            .output()?;
        let report: Value = serde_json::from_slice(&output.stdout)?;
        ensure!(output.status.success(), "audit: {report}");
        ensure!(report["totals"]["payments"] == 1, "audit: {report}");
        ensure!(report["totals"]["handed"] == 1, "audit: {report}");
        ensure!(
            report["cards"] == json!([{ "card": number, "counter": 1, "missing": [] }]),
            "audit: {report}"
        );
        ensure!(
            report["terminals"][0]["open_intents"] == json!([]),
            "audit: {report}"
        );
        Ok(())
    }
}

fn copy_parts(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for part in PARTS {
        remove(&to.join(part))?;
        let copied = Command::new("cp")
            .arg("-a")
            .arg(from.join(part))
            .arg(to)
            .status()?;
        ensure!(copied.success(), "cp: {copied}");
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir_all(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// All cuts made, and the courses that followed.
#[derive(Default)]
struct Report(BTreeMap<Cut, Course>);

impl Report {
    /// How many cuts were made.
    fn made(&self) -> usize {
        self.0.len()
    }

    /// How often each course followed.
    fn courses(&self) -> BTreeMap<Course, usize> {
        let mut courses = BTreeMap::new();
        for course in self.0.values() {
            *courses.entry(*course).or_default() += 1;
        }
        courses
    }

    fn publish(&self) -> Result<()> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("power-cuts.txt");
        let mut text = format!("{} cuts\n{:#?}\n", self.made(), self.courses());
        for (cut, (found, done)) in &self.0 {
            writeln!(text, "{cut}: {found}; {done}")?;
        }
        print!("{text}");
        Ok(fs::write(path, text)?)
    }
}

/// What the pay points share: the cuts still to be made, and what became of the others.
#[derive(Default)]
struct Work {
    cuts: Vec<Cut>,
    report: Report,
}

/// Makes cuts until none is left.
fn make_cuts(sweep: &mut Sweep, work: &Mutex<Work>) -> Result<()> {
    let lock = || work.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Some(cut) = lock().cuts.pop() else {
            return Ok(());
        };
        let course = sweep
            .cut(&cut)
            .with_context(|| format!("cut before {cut}"))
            .inspect_err(|_| lock().cuts.clear())?;
        if let Some(course) = course {
            lock().report.0.insert(cut, course);
        }
    }
}

fn cut_everywhere(readers: &[VirtualReader]) -> Result<Report> {
    let image = firmware_image_with_assembly("qemu-mps2")?;
    let (first, others) = readers.split_first().context("no reader")?;
    let mut sweep = Sweep::set_up(first, &image)?;
    let cuts = sweep.plan()?;
    let planned = cuts.len();
    let work = Mutex::new(Work {
        cuts,
        ..Work::default()
    });
    thread::scope(|scope| {
        let at_work: Vec<_> = others
            .iter()
            .map(|reader| scope.spawn(|| make_cuts(&mut Sweep::set_up(reader, &image)?, &work)))
            .collect();
        make_cuts(&mut sweep, &work)?;
        at_work
            .into_iter()
            .try_for_each(|pay_point| match pay_point.join() {
                Ok(made) => made,
                Err(_) => bail!("a pay point's thread panicked"),
            })
    })?;
    let report = work.into_inner().unwrap_or_else(PoisonError::into_inner).report;
    let made = report.made();
    // No two runs wait equally long: the last of the cuts may come too late.
    ensure!(
        made * 10 >= planned * 9,
        "{made} of {planned} cuts came before the end"
    );
    Ok(report)
}

#[test]
fn a_power_cut_at_any_write_of_a_payment_loses_nothing_and_pays_once() {
    inside_readers(PAY_POINTS, |readers| {
        let report = cut_everywhere(readers).unwrap();
        report.publish().unwrap();
        let courses = report.courses();
        // Each kind of state was met, so that the cuts are where they should be.
        for course in [
            (NOTHING_OPEN, PAID_NOW),
            (NOT_PAID_BY_CARD, PAID_NOW),
            (PAID_BY_CARD, ALREADY_PAID),
            (NOT_HANDED, ALREADY_PAID),
        ] {
            assert!(
                courses.contains_key(&course),
                "no cut led to {course:?}: {courses:?}"
            );
        }
    });
}

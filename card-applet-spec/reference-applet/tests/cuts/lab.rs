//! Cuts the power at every write of a script and of the recovery from each cut, and looks at what is left.
//!
//! A write replaces one slot as a whole, so a run's start and its writes in order give the memory that each cut leaves: one
//! just before a write, or just after it. [`Lab::cuts_for_real`] shows that the applet leaves just these.

#![allow(unreachable_pub, reason = "a module of one test")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::AddAssign;
use std::rc::Rc;

use crate::bench::{Bench, Image};
use crate::common::terminal::Terminal;
use crate::common::{Cut, Failure, Outcome, cut_at};
use crate::meaning::{Examiner, Meaning, Questions};

/// A command with whatever the host does about it when it comes back after a cut.
pub struct Step {
    run: Action,
    /// A cut may cost a try of the PIN.
    costs_try: bool,
}

type Action = Box<dyn Fn(&mut Bench) -> Outcome<()>>;

pub fn step(run: impl Fn(&mut Bench) -> Outcome<()> + 'static) -> Step {
    Step {
        run: Box::new(run),
        costs_try: false,
    }
}

/// A step that compares a PIN.
pub fn pin_step(run: impl Fn(&mut Bench) -> Outcome<()> + 'static) -> Step {
    Step {
        costs_try: true,
        ..step(run)
    }
}

/// What a host does with a card, from the power on.
pub struct Script {
    pub name: &'static str,
    pub steps: Vec<Step>,
    /// Doing it again costs another try of the PIN.
    pub always_costs_try: bool,
    /// Completed in the session of a terminal that is open already; else in one of its own.
    pub in_open_session: bool,
}

/// A script carried out: the writes, and how many there were before and after each step.
struct Run {
    writes: Vec<(usize, Vec<u8>)>,
    bounds: Vec<usize>,
}

impl Run {
    fn of(script: &Script, bench: &mut Bench) -> Self {
        bench.card.memory_mut().log.clear();
        let mut bounds = vec![0];
        for (number, step) in script.steps.iter().enumerate() {
            let outcome = (step.run)(bench);
            assert_eq!(outcome, Ok(()), "{}, step {number}", script.name);
            bounds.push(bench.card.memory().log.len());
        }
        Self {
            writes: std::mem::take(&mut bench.card.memory_mut().log),
            bounds,
        }
    }

    /// The memories that a cut can leave: before the first write, and after each.
    fn images(&self, start: &Image) -> Vec<Image> {
        let mut slots = start.to_vec();
        let after = self.writes.iter().map(|(slot, content)| {
            slots[*slot].clone_from(content);
            Rc::new(slots.clone())
        });
        std::iter::once(start.clone()).chain(after).collect()
    }

    /// How many cuts leave this memory: after the write before it, before the one that comes next.
    fn weight(&self, number: usize) -> u64 {
        u64::from(number > 0) + u64::from(number < self.writes.len())
    }

    /// The step that a cut leaving this memory hits.
    fn step(&self, number: usize) -> usize {
        let begun = self.bounds.iter().rposition(|bound| *bound <= number);
        begun.unwrap().min(self.bounds.len() - 2)
    }
}

/// How often the power was cut in the runs of a script, and how many different memories that left.
#[derive(Clone, Copy, Default)]
pub struct Count {
    pub runs: u64,
    pub cuts: u64,
    pub memories: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.cuts += other.cuts;
        self.memories += other.memories;
    }
}

pub struct Lab {
    pub examiner: Examiner,
    pub counts: BTreeMap<&'static str, Count>,
    terminal: Rc<Terminal>,
    /// A card with an open session of the terminal.
    open: Option<Bench>,
    /// Of the first cuts of a long script, which are followed by a second one: every n-th.
    pub every: usize,
}

/// Scripts with more writes than this are long.
const LONG: usize = 12;

impl Lab {
    pub fn new(blank: &Image, terminal: &Rc<Terminal>) -> Self {
        Self {
            examiner: Examiner::new(blank),
            counts: BTreeMap::new(),
            terminal: terminal.clone(),
            open: None,
            every: 1,
        }
    }

    pub fn cuts(&self) -> u64 {
        self.counts.values().map(|count| count.cuts).sum()
    }

    /// From now on it is this terminal that talks to cards.
    pub fn use_terminal(&mut self, image: &Image, terminal: &Rc<Terminal>) {
        let mut bench = Bench::power_on(image, terminal);
        bench.till().unwrap();
        self.terminal = terminal.clone();
        self.examiner.open_till(&image_after(&bench), terminal);
        self.open = Some(bench);
    }

    /// The card with the open session, over this memory.
    pub fn in_open_session(&mut self, image: &Image) -> &mut Bench {
        let bench = self.open.as_mut().unwrap();
        bench.carry_to(image);
        bench
    }

    /// The memory after a script that nobody disturbs.
    pub fn undisturbed(&self, script: &Script, start: &Image) -> Image {
        let mut bench = Bench::power_on(start, &self.terminal);
        Run::of(script, &mut bench);
        image_after(&bench)
    }

    /// Every cut in a script from this memory, and every second cut in the recovery. The memory after an undisturbed run.
    pub fn cut(&mut self, script: &Script, start: &Image, questions: &Questions) -> Image {
        let first = Run::of(script, &mut Bench::power_on(start, &self.terminal));
        let images = first.images(start);
        assert!(images.len() > 1, "{} writes nothing", script.name);
        let known = self.counts.contains_key(script.name);
        let mut seen = Seen {
            script,
            questions,
            meanings: HashMap::new(),
            completed: HashSet::new(),
            end: self.examiner.ask(&images[images.len() - 1], questions),
        };
        seen.before_or_after(&mut self.examiner, &first, &images);
        assert!(
            script.always_costs_try || *seen.meaning(&mut self.examiner, start) != *seen.end,
            "{} does nothing",
            script.name
        );
        let every = if images.len() > LONG { self.every } else { 1 };
        let mut count = Count {
            runs: 1,
            ..Count::default()
        };
        for (number, image) in images.iter().enumerate() {
            count.cuts += first.weight(number);
            if number % every == 0 {
                count.cuts += first.weight(number) * self.recover(&mut seen, image);
            }
        }
        if !known {
            self.cuts_for_real(script, start, &images);
        }
        count.memories = seen.meanings.len() as u64;
        *self.counts.entry(script.name).or_default() += count;
        images[images.len() - 1].clone()
    }

    /// The host comes back with everything anew, and is cut off again at each write. How many cuts that were.
    fn recover(&mut self, seen: &mut Seen<'_>, image: &Image) -> u64 {
        let second = Run::of(seen.script, &mut Bench::power_on(image, &self.terminal));
        let images = second.images(image);
        seen.before_or_after(&mut self.examiner, &second, &images);
        seen.has_ended(&mut self.examiner, &images[images.len() - 1]);
        images.iter().enumerate().for_each(|(number, image)| {
            if second.weight(number) > 0 && seen.completed.insert(image.clone()) {
                self.complete(seen, image);
            }
        });
        2 * second.writes.len() as u64
    }

    /// The host comes back a second time, and nobody disturbs it.
    fn complete(&mut self, seen: &mut Seen<'_>, image: &Image) {
        let mut own;
        let bench = if seen.script.in_open_session {
            self.in_open_session(image)
        } else {
            own = Bench::power_on(image, &self.terminal);
            &mut own
        };
        Run::of(seen.script, bench);
        let after = image_after(bench);
        seen.has_ended(&mut self.examiner, &after);
    }

    /// The power goes for real, on both sides of each write.
    fn cuts_for_real(&self, script: &Script, start: &Image, images: &[Image]) {
        for write in 0..images.len() - 1 {
            for (side, image) in [(Cut::Before, &images[write]), (Cut::After, &images[write + 1])] {
                let mut bench = Bench::power_on(start, &self.terminal);
                cut_at(&mut bench.card, Some((write as u32, side)));
                let mut outcomes = script.steps.iter().map(|step| (step.run)(&mut bench));
                let outcome = outcomes.find(Outcome::is_err);
                assert_eq!(outcome, Some(Err(Failure::Gone)), "{}, {write}", script.name);
                let slots = &bench.card.memory().slots;
                assert!(slots == &**image, "{}, write {write}, {side:?}", script.name);
            }
        }
    }
}

fn image_after(bench: &Bench) -> Image {
    crate::bench::image_of(&bench.card)
}

/// What is known of the memories of a script: each is looked at once.
struct Seen<'s> {
    script: &'s Script,
    questions: &'s Questions,
    meanings: HashMap<Image, Rc<Meaning>>,
    completed: HashSet<Image>,
    /// The meaning after an undisturbed run.
    end: Rc<Meaning>,
}

impl Seen<'_> {
    fn meaning(&mut self, examiner: &mut Examiner, image: &Image) -> Rc<Meaning> {
        let questions = self.questions;
        let known = self.meanings.entry(image.clone());
        known.or_insert_with(|| examiner.ask(image, questions)).clone()
    }

    /// Each memory means what the one before the step did, or the one after it; a try may be gone, none is saved (SPEC 6.12,
    /// 9.1).
    fn before_or_after(&mut self, examiner: &mut Examiner, run: &Run, images: &[Image]) {
        for (number, image) in images.iter().enumerate() {
            let step = run.step(number);
            let found = self.meaning(examiner, image);
            let sides = [run.bounds[step], run.bounds[step + 1]];
            let [before, after] = sides.map(|bound| self.meaning(examiner, &images[bound]));
            let costs_try = self.script.steps[step].costs_try;
            let cheaper =
                |side: &Meaning| costs_try && found.is_but_for_tries(side) && found.tries < side.tries;
            assert!(
                found == before || found == after || cheaper(&before) || cheaper(&after),
                "{}, step {step}, {number} writes of {}: {found:#?} is neither {before:#?} nor {after:#?}",
                self.script.name,
                run.writes.len()
            );
        }
    }

    /// A recovered script has done what an undisturbed one does.
    fn has_ended(&mut self, examiner: &mut Examiner, image: &Image) {
        let found = self.meaning(examiner, image);
        let fewer =
            self.script.always_costs_try && found.is_but_for_tries(&self.end) && found.tries < self.end.tries;
        assert!(
            found == self.end || fewer,
            "{} ended in {found:#?}, not in {:#?}",
            self.script.name,
            self.end
        );
    }
}

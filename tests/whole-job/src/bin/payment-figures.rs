//! Figures of one payment for the README: APDUs, bytes, and the instructions that the terminal's firmware executes, by
//! primitive. Start it as `with-readers 1 -- payment-figures --image IMAGE`.
//!
//! The second tap is the payment: from the card's arrival in the field to "PAID" on the screen, with the search for the card,
//! the session, the holder's PIN, the order, its receipt, and the entries before and after it signed and in flash.
//! Counted is what the guest executes: a processor that waits for an interrupt executes nothing.

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use rig::{Counts, Image, Instructions};
use serde::Serialize;
use whole_job::issuing::Issued;
use whole_job::pay_point::{PayPoint, Traffic, screen};
use whole_job::readers;
use whole_job::scene::Scene;
use whole_job::station::pin_of;

/// The functions that `firmware/terminal/src/primitives.rs` keeps apart for this, and what they do.
const PRIMITIVES: [(&str, &str); 4] = [
    ("ansinh_mark_verify", "verify a signature (ECDSA P-256)"),
    ("ansinh_mark_sign", "sign (ECDSA P-256)"),
    ("ansinh_mark_agree", "agree on a secret (ECDH)"),
    ("ansinh_mark_generate", "make an ephemeral key pair"),
];

/// The first person has several lines, and pays them one after the other.
const PEOPLE: usize = 3;

/// Measure one payment: APDUs, bytes, instructions by primitive. Start it by `with-readers 1 --`.
#[derive(Parser)]
struct Arguments {
    /// The terminal's firmware image (ELF)
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Print the figures as JSON on standard output
    #[arg(long)]
    json: bool,
}

/// What one tap costs.
#[derive(Debug, Serialize)]
struct Tap {
    /// Which one.
    name: &'static str,
    /// Command APDUs.
    apdus: u64,
    /// Bytes of command APDUs.
    bytes_to_card: u64,
    /// Bytes of response APDUs.
    bytes_from_card: u64,
    /// Instructions in all.
    instructions: u64,
    /// Instructions inside of the primitives.
    primitives: Vec<Primitive>,
    /// Instructions outside of them: secure messaging, checks, journal, screen, card reader.
    rest: u64,
}

#[derive(Debug, Serialize)]
struct Primitive {
    name: &'static str,
    calls: u64,
    instructions: u64,
}

/// The plugin, and the groups in the order of [`PRIMITIVES`].
struct Meter {
    instructions: Instructions,
    groups: Vec<usize>,
}

impl Meter {
    fn new(image: &Image) -> Result<Self> {
        let mut instructions = Instructions::new()?;
        let groups = PRIMITIVES
            .iter()
            .map(|(function, _)| instructions.count_inside(image, function))
            .collect::<Result<_>>()?;
        Ok(Self { instructions, groups })
    }

    /// Holds the card into the field until the screen shows `text`; returns the cost, and the screen.
    fn tap(
        &self,
        name: &'static str,
        pay_point: &mut PayPoint,
        card: &Issued,
        text: &str,
    ) -> Result<(Tap, String)> {
        let (passed, executed) = (pay_point.traffic(), self.instructions.read()?);
        pay_point.tap(card)?;
        let shown = pay_point.wait_for(text)?;
        let executed = self.instructions.read()?.since(&executed);
        let tap = self.cost(name, pay_point.traffic(), passed, &executed);
        Ok((tap, shown))
    }

    fn cost(&self, name: &'static str, now: Traffic, then: Traffic, executed: &Counts) -> Tap {
        let primitives: Vec<Primitive> = PRIMITIVES
            .iter()
            .zip(&self.groups)
            .map(|((_, name), group)| Primitive {
                name,
                calls: executed.calls(*group),
                instructions: executed.inside(*group),
            })
            .collect();
        let inside: u64 = primitives.iter().map(|primitive| primitive.instructions).sum();
        Tap {
            name,
            apdus: now.commands - then.commands,
            bytes_to_card: now.to_card - then.to_card,
            bytes_from_card: now.from_card - then.from_card,
            instructions: executed.all(),
            primitives,
            rest: executed.all() - inside,
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut scene = Scene::set_up(&readers::provided()?, arguments.image.clone(), PEOPLE)?;
    let meter = Meter::new(&Image::open(&arguments.image)?)?;
    scene.pay_point.switch_on_with(meter.instructions.arguments())?;
    scene.terminal("load")?;
    scene.pay_point.open_shift("Lan")?;
    let card = &scene.card_with_one_line()?;
    let pay_point = &mut scene.pay_point;

    let (first, identified) = meter.tap("first tap: who is it, what is due", pay_point, card, screen::PIN)?;
    pay_point.lift();
    pay_point.press(&format!("{}\r", pin_of(&card.number)))?;
    let asked = pay_point.wait_for(screen::TAP_AGAIN)?;
    let (second, paid) = meter.tap("second tap: the payment", pay_point, card, screen::PAID)?;
    let mut handed = pay_point.wait_for(screen::HAND_OVER)?;
    pay_point.lift();
    pay_point.press("\r")?;
    handed += &pay_point.wait_for(screen::TAP)?;
    let stack = pay_point.stack_used(&Image::open(&arguments.image)?)?;
    eprintln!("The screen:\n{identified}{asked}{paid}{handed}\n");

    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&[first, second])?);
    } else {
        print!("{first}\n{second}");
        println!("\nstack since the start: {stack} bytes at most");
    }
    Ok(())
}

impl fmt::Display for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        writeln!(
            f,
            "  {} APDUs, {} bytes to the card, {} bytes from it",
            self.apdus, self.bytes_to_card, self.bytes_from_card
        )?;
        writeln!(f, "  {:<40}{:>6}{:>24}", "", "calls", "million instructions")?;
        let millions = |count: u64| count as f64 / 1e6;
        for Primitive {
            name,
            calls,
            instructions,
        } in &self.primitives
        {
            writeln!(f, "  {name:<40}{calls:>6}{:>24.2}", millions(*instructions))?;
        }
        writeln!(f, "  {:<46}{:>24.2}", "rest", millions(self.rest))?;
        writeln!(f, "  {:<46}{:>24.2}", "in all", millions(self.instructions))
    }
}

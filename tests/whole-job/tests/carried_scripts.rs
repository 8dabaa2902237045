//! Several payments of one tap whose money is not handed over, with every part real: the last is undone at the terminal, the others by
//! scripts that the same terminal carries to the card (DATA 12). Nobody travels to the station; the lines are paid again, and the verifiers
//! have nothing to find.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rig::{firmware_image, inside_readers};
use serde_json::{Value, json};
use whole_job::issuing::Issued;
use whole_job::pay_point::screen;
use whole_job::programs::program;
use whole_job::scene::{Scene, period};
use whole_job::station::pin_of;

const PEOPLE: usize = 2;

/// Somebody whom the list gives several lines, and how many.
fn with_several_lines(scene: &Scene) -> Result<(Issued, u64)> {
    let query = "SELECT card, count(*) AS n FROM list_line GROUP BY card HAVING count(*) > 1";
    let rows = scene.station.ledger(query)?;
    let row = rows.first().context("nobody has several lines")?;
    let mut cards = scene.cards.iter();
    let card = cards.find(|card| Some(card.number.as_str()) == row["card"].as_str());
    let lines = row["n"].as_u64().context("no count")?;
    Ok((card.context("another issuer's card")?.clone(), lines))
}

fn standing(scene: &Scene) -> Result<Value> {
    let query = "SELECT count(*) AS n FROM payment WHERE reversed = 0";
    Ok(scene.station.ledger(query)?[0]["n"].clone())
}

/// Nothing is found by either verifier.
fn verify(scene: &Scene, name: &str) -> Result<()> {
    let folder = scene.folder().join(name);
    scene
        .station
        .run(&["export", "--out", &folder.to_string_lossy()])?;
    let root = scene.station.folder().join("root.pem");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../independent-verifier/verify.py");
    let mut ours = Command::new(program("ansinh-audit")?);
    ours.arg("verify");
    let mut independent = Command::new("/usr/bin/python3");
    independent.arg("-B").arg(script);
    for verifier in [&mut ours, &mut independent] {
        let output = verifier.arg(&folder).arg("--root").arg(&root).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{said}");
    }
    Ok(())
}

/// All lines are paid in one tap, none is handed over, and the terminal undoes the last.
fn pay_and_undo_the_last(scene: &mut Scene, card: &Issued) -> Result<()> {
    let pin = pin_of(&card.number);
    let till = &mut scene.pay_point;
    till.identify(card, pin)?;
    till.tap(card)?;
    till.wait_for(screen::HAND_OVER)?;
    till.lift();
    till.press("c7")?;
    till.wait_for("keep the money")?;
    till.wait_for(screen::TAP)?;
    till.identify(card, pin)?;
    till.tap(card)?;
    till.wait_for("UNDONE; it can be paid again.")?;
    till.lift();
    till.wait_for(screen::TAP).map(drop)
}

fn rehearse(readers: &[(String, u16)]) -> Result<()> {
    let mut scene = Scene::set_up(readers, firmware_image("qemu-mps2")?, PEOPLE)?;
    let (card, lines) = with_several_lines(&scene)?;
    let others = lines - 1;
    scene.pay_point.switch_on()?;
    scene.terminal("sync")?;
    scene.pay_point.open_shift("lan")?;
    let query = "SELECT DISTINCT terminal FROM payment_list";
    let terminal = scene.station.ledger(query)?[0]["terminal"].clone();
    let terminal = terminal.as_str().context("no terminal")?;
    let carry = ["card", "undo-payments", &card.number, "--at", terminal];

    pay_and_undo_the_last(&mut scene, &card)?;
    let early = scene.station.refused(&carry)?;
    ensure!(early.contains("nothing was signed"), "{early}");
    let synced = scene.terminal("sync")?;
    ensure!(
        (&synced["reversed"], &synced["scripts_to_carry"]) == (&json!(1), &json!(0)),
        "{synced}"
    );
    ensure!(standing(&scene)? == others, "all but the last stand");
    let signed = scene.station.json(&carry)?;
    let counters: Vec<_> = (lines + 1..lines + 1 + others).map(Value::from).collect();
    let given = signed["scripts"].as_array().context("no scripts")?;
    let given: Vec<_> = given.iter().map(|script| script["counter"].clone()).collect();
    ensure!(given == counters, "{signed}");
    let synced = scene.terminal("sync")?;
    ensure!(synced["scripts_to_carry"] == others, "{synced}");
    ensure!(standing(&scene)? == others, "signed and sent is not undone");

    scene.pay_point.tap(&card)?;
    scene.pay_point.wait_for(UNDONE)?;
    scene.pay_point.wait_for(screen::PIN)?;
    scene.pay_point.lift();
    scene.pay_point.press("c")?;
    scene.pay_point.wait_for(screen::TAP)?;
    let synced = scene.terminal("sync")?;
    let told = ["reversed", "undone_by_scripts", "scripts_to_carry"].map(|name| synced[name].clone());
    ensure!(told == [json!(others), json!(others), json!(0)], "{synced}");
    ensure!(standing(&scene)? == 0, "none stands");
    verify(&scene, "undone")?;

    let period = period();
    let make = ["list", "make", "--period", &period, "--terminal", terminal];
    scene
        .station
        .run(&[&make[..], &["--pay-point", "BD-26734"]].concat())?;
    scene.terminal("load")?;
    scene.pay_point.pay(&card)?;
    let refused = scene.pay_point.refused(&card)?;
    ensure!(refused.contains("already paid"), "{refused}");
    let synced = scene.terminal("sync")?;
    ensure!(synced["payments"] == lines, "{synced}");
    ensure!(standing(&scene)? == lines, "all are paid again, once");
    verify(&scene, "paid")
}

/// What the clerk reads of a script that the card has executed.
const UNDONE: &str = "The issuer has UNDONE";

#[test]
fn what_was_not_handed_over_is_undone_by_scripts_that_the_terminal_carries() {
    inside_readers(1, |readers| {
        let reader = &readers[0];
        rehearse(&[(reader.name.clone(), reader.port)]).unwrap();
    });
}

//! Several payments of one tap whose money is not handed over: no terminal can undo them all (SPEC 9.8), so the issuer does, at the desk
//! (SPEC 13.7). The lines are paid again, and the verifiers have nothing to find.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rig::{firmware_image, inside_readers};
use serde_json::{Value, json};
use whole_job::issuing::{self, Issued};
use whole_job::pay_point::screen;
use whole_job::programs::program;
use whole_job::scene::{Scene, period};
use whole_job::station::pin_of;

const PEOPLE: usize = 2;

/// Somebody whom the list gives several lines, and how many.
fn with_several_lines(scene: &Scene) -> Result<(Issued, Value)> {
    let query = "SELECT card, count(*) AS n FROM list_line GROUP BY card HAVING count(*) > 1";
    let rows = scene.station.ledger(query)?;
    let number = rows.first().and_then(|row| row["card"].as_str());
    let card = scene
        .cards
        .iter()
        .find(|card| Some(card.number.as_str()) == number);
    Ok((
        card.context("nobody has several lines")?.clone(),
        rows[0]["n"].clone(),
    ))
}

fn count(scene: &Scene, query: &str) -> Result<Value> {
    Ok(scene.station.ledger(query)?[0]["n"].clone())
}

fn verify(scene: &Scene) -> Result<()> {
    let folder = scene.folder().join("audit");
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
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(())
}

fn rehearse(readers: &[(String, u16)]) -> Result<()> {
    let mut scene = Scene::set_up(readers, firmware_image("qemu-mps2")?, PEOPLE)?;
    let (card, lines) = with_several_lines(&scene)?;
    let undo = |scene: &Scene| issuing::at_the_desk(&scene.station, readers, &card, "undo-payments");
    scene.pay_point.switch_on()?;
    scene.terminal("sync")?;
    scene.pay_point.open_shift("lan")?;
    scene.pay_point.identify(&card, pin_of(&card.number))?;
    scene.pay_point.tap(&card)?;
    scene.pay_point.wait_for(screen::HAND_OVER)?;
    scene.pay_point.lift();
    // No journal has told of it yet.
    let early = undo(&scene).err().context("undone on nobody's word")?.to_string();
    ensure!(early.contains("nothing-to-undo"), "{early}");
    scene.pay_point.press("c7")?;
    scene.pay_point.wait_for("keep the money")?;
    scene.terminal("sync")?;

    let standing = "SELECT count(*) AS n FROM payment WHERE reversed = 0";
    ensure!(
        count(&scene, standing)? == lines,
        "all stand until the card has undone them"
    );
    let undone = undo(&scene)?;
    ensure!(
        (&undone["done"], &undone["undone"], &undone["left"])
            == (&json!("payments-undone"), &lines, &json!(0)),
        "{undone}"
    );
    ensure!(count(&scene, standing)? == 0, "none stands");
    ensure!(undo(&scene).is_err(), "nothing is left to undo");
    verify(&scene)?;

    let terminal = scene
        .station
        .ledger("SELECT DISTINCT terminal FROM payment_list")?;
    let terminal = terminal[0]["terminal"]
        .as_str()
        .context("no terminal")?
        .to_owned();
    let period = period();
    let make = [
        "list",
        "make",
        "--period",
        &period,
        "--terminal",
        &terminal,
        "--pay-point",
        "BD-26734",
    ];
    scene.station.run(&make)?;
    scene.terminal("load")?;
    // The card tells the terminal that there is nothing to undo there any more, and is paid at its next tap.
    scene.pay_point.identify(&card, pin_of(&card.number))?;
    scene.pay_point.tap(&card)?;
    scene.pay_point.wait_for("NOT UNDONE")?;
    scene.pay_point.lift();
    scene.pay_point.wait_for(screen::TAP)?;
    scene.pay_point.pay(&card)?;
    scene.terminal("sync")?;
    ensure!(count(&scene, standing)? == lines, "paid again");
    std::fs::remove_dir_all(scene.folder().join("audit"))?;
    verify(&scene)
}

#[test]
fn payments_of_one_tap_are_undone_at_the_desk_and_paid_again() {
    inside_readers(1, |readers| {
        let reader = &readers[0];
        rehearse(&[(reader.name.clone(), reader.port)]).unwrap();
    });
}

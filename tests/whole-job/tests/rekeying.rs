//! A new issuer key with cards in the field, rehearsed to the payment (host/CEREMONY.md, 5; DATA 8.5): a terminal that was
//! provisioned before it pays cards of both keys, and the auditor has nothing to find.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use rig::{firmware_image, inside_readers};
use virtual_card::blank;
use whole_job::issuing::{self, Issued};
use whole_job::programs::program;
use whole_job::scene::{Scene, period};

const PEOPLE: usize = 2;

/// One more person, whose card the new key signs; the terminal's next list has a line for it.
fn issue_one_more(scene: &Scene, readers: &[(String, u16)]) -> Result<Issued> {
    let (station, folder) = (&scene.station, scene.folder());
    let list = folder.join("longer-list.csv");
    let written = Command::new(program("beneficiary-list")?)
        .args(["--people", &(PEOPLE + 1).to_string(), "--period", &period()])
        .stdout(std::fs::File::create(&list)?)
        .status()?;
    ensure!(written.success(), "beneficiary-list: {written}");
    station.run(&["import", "--accept-warnings", &list.to_string_lossy()])?;
    station.approve_everybody()?;
    let (delivery, cards) = (folder.join("more.json"), folder.join("more-blank-cards"));
    blank::deliver("DEMO-2", &delivery, &cards, 1)?;
    station.run(&["delivery", "add", &delivery.to_string_lossy()])?;
    let memory = std::fs::read_dir(&cards)?
        .next()
        .context("no blank card")??
        .path();
    let issued = issuing::issue_all(station, readers, vec![memory])?;
    issued.into_iter().next().context("nobody was issued a card")
}

fn rehearse(readers: &[(String, u16)]) -> Result<()> {
    let mut scene = Scene::set_up(readers, firmware_image("qemu-mps2")?, PEOPLE)?;
    let [first, second] = [0, 1].map(|card| scene.cards[card].clone());
    let new = scene.station.change_issuer_key()?;
    let third = issue_one_more(&scene, readers)?;
    let station = &scene.station;
    station.run(&["block", "publish"])?;
    let terminal = station.ledger("SELECT DISTINCT terminal FROM payment_list")?;
    let terminal = terminal[0]["terminal"]
        .as_str()
        .context("no terminal")?
        .to_owned();

    // The list of before stays in force under its key; the clock is the new key's business.
    scene.pay_point.switch_on()?;
    scene.terminal("sync")?;
    scene.pay_point.open_shift("lan")?;
    scene.pay_point.pay(&first)?;
    let unlisted = scene.pay_point.refused(&third)?;
    ensure!(
        !unlisted.contains("hợp lệ"),
        "not on the list, but genuine: {unlisted}"
    );
    scene.terminal("sync")?;
    let make = ["list", "make", "--period", &period(), "--terminal", &terminal];
    scene
        .station
        .run(&[&make[..], &["--pay-point", "BD-26734"]].concat())?;
    scene.terminal("load")?;
    scene.pay_point.pay(&second)?;
    scene.pay_point.pay(&third)?;
    scene.terminal("sync")?;

    let query = "SELECT count(DISTINCT card) AS cards FROM payment";
    ensure!(scene.station.ledger(query)?[0]["cards"] == 3, "each was paid");
    let issuers = scene.station.folder().with_file_name("audit");
    scene
        .station
        .run(&["export", "--out", &issuers.to_string_lossy()])?;
    let audit = Command::new(program("ansinh-audit")?)
        .arg("verify")
        .arg(&issuers)
        .arg("--root")
        .arg(scene.station.folder().join("root.pem"))
        .output()?;
    let said = String::from_utf8_lossy(&audit.stdout);
    ensure!(audit.status.success() && said.contains(&new), "{said}");
    Ok(())
}

#[test]
fn a_terminal_pays_cards_of_both_keys() {
    inside_readers(1, |readers| {
        let reader = &readers[0];
        rehearse(&[(reader.name.clone(), reader.port)]).unwrap();
    });
}

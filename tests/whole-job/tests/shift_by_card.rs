//! A clerk who proves herself by her own card (DATA 11.4), with every part real: the station names it, the image in QEMU opens the
//! shift for it and its PIN only, and what is paid then is audited as hers.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rig::{firmware_image_with_assembly, inside_readers};
use whole_job::pay_point::screen;
use whole_job::scene::Scene;
use whole_job::station::pin_of;

const PEOPLE: usize = 3;

fn work_by_card(readers: &[(String, u16)]) -> Result<()> {
    let mut scene = Scene::set_up(readers, firmware_image_with_assembly("qemu-mps2")?, PEOPLE)?;
    let holder = scene.card_with_one_line()?;
    let mut others = scene.cards.iter().filter(|card| card.number != holder.number);
    let clerk = others.next().context("no card for the clerk")?.clone();
    let other = others.next().context("no other card")?.clone();
    let lists = scene
        .station
        .ledger("SELECT DISTINCT terminal FROM payment_list")?;
    let terminal = lists[0]["terminal"].as_str().context("no terminal")?;
    let set = [
        "terminal",
        "operators",
        "set",
        "--terminal",
        terminal,
        "--number",
        "7",
    ];
    let named = ["--name", "hoa", "--role", "clerk", "--card", &clerk.number];
    scene.station.run(&[&set[..], &named].concat())?;
    scene.pay_point.switch_on()?;
    scene.terminal("load")?;

    let till = &mut scene.pay_point;
    let pin = pin_of(&clerk.number);
    let claim = format!("ohoa\r{pin}\r");
    till.wait_for(screen::OPEN_SHIFT)?;
    till.press(&claim)?;
    till.wait_for("Tap the card of hoa")?;
    till.tap(&other)?;
    till.wait_for("NO SHIFT OPENED: this is not the card of hoa.")?;
    till.lift();
    till.wait_for("Wait 2 seconds")?;
    // The terminal's own clock runs on: nothing on the screen tells when it is over.
    std::thread::sleep(Duration::from_secs(3));
    till.press(&claim)?;
    till.wait_for("Tap the card of hoa")?;
    till.tap(&clerk)?;
    till.wait_for("Shift opened")?;
    till.wait_for(screen::TAP)?;
    till.lift();
    till.wait_until_missed()?;
    till.pay(&holder)?;

    scene.terminal("sync")?;
    let shifts = scene.station.json(&["terminal", "shifts", terminal])?;
    ensure!(
        shifts[0]["operator"] == "hoa" && shifts[0]["handed_over"]["number"] == 1,
        "{shifts}"
    );
    let totals = scene.audit("audit")?;
    ensure!(totals["handed"] == 1, "{totals}");
    Ok(())
}

#[test]
fn a_clerk_opens_the_shift_with_her_own_card() {
    inside_readers(1, |readers| {
        work_by_card(&[(readers[0].name.clone(), readers[0].port)]).unwrap();
    });
}

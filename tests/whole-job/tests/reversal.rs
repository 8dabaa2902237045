//! Money that a clerk could not hand over, with every part real: the card undoes its payment at the next two taps (SPEC 9.8),
//! ledger and auditor count it as not paid, and the same line is paid after all.

use anyhow::{Result, ensure};
use rig::{firmware_image_with_assembly, inside_readers};
use serde_json::json;
use whole_job::pay_point::screen;
use whole_job::scene::Scene;
use whole_job::station::pin_of;

/// A person whose list has one line needs company: everybody else has more.
const PEOPLE: usize = 3;

fn pay_undo_and_pay(readers: &[(String, u16)]) -> Result<()> {
    let mut scene = Scene::set_up(readers, firmware_image_with_assembly("qemu-mps2")?, PEOPLE)?;
    let card = scene.card_with_one_line()?;
    let pin = pin_of(&card.number);
    scene.pay_point.switch_on()?;
    scene.terminal("load")?;
    let till = &mut scene.pay_point;
    till.open_shift("lan")?;

    till.identify(&card, pin)?;
    till.tap(&card)?;
    till.wait_for(screen::HAND_OVER)?;
    till.lift();
    till.press("c")?;
    till.wait_for("7 = yes")?;
    till.press("7")?;
    till.wait_for("NOT HANDED OVER; keep the money")?;
    till.wait_for(screen::TAP)?;
    let asked = till.identify(&card, pin)?;
    ensure!(asked.contains("UNDO WHAT WAS NOT HANDED OVER"), "{asked}");
    till.tap(&card)?;
    till.wait_for("UNDONE; it can be paid again.")?;
    till.lift();
    till.wait_for(screen::TAP)?;

    let synced = scene.terminal("sync")?;
    ensure!(synced["reversed"] == 1, "{synced}");
    let query = "SELECT card, reversed FROM payment ORDER BY reversed";
    let undone = json!({ "card": card.number, "reversed": 1 });
    let rows = scene.station.ledger(query)?;
    ensure!(rows == [undone.clone()], "{rows:?}");
    let totals = scene.audit("undone")?;
    ensure!(totals["reversed"] == 1 && totals["handed"] == 0, "{totals}");

    scene.pay_point.pay(&card)?;
    let refused = scene.pay_point.refused(&card)?;
    ensure!(refused.contains("already paid"), "{refused}");
    scene.terminal("sync")?;
    let paid = json!({ "card": card.number, "reversed": 0 });
    let rows = scene.station.ledger(query)?;
    ensure!(rows == [paid, undone], "{rows:?}");
    let totals = scene.audit("paid")?;
    ensure!(totals["reversed"] == 1 && totals["handed"] == 1, "{totals}");
    Ok(())
}

#[test]
fn what_was_not_handed_over_is_undone_and_paid_once() {
    inside_readers(1, |readers| {
        pay_undo_and_pay(&[(readers[0].name.clone(), readers[0].port)]).unwrap();
    });
}

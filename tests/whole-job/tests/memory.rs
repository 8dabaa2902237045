//! The terminal's image within 64 KiB of RAM, stack included, on a working day: provisioned, loaded, paying, its power cut,
//! settling what was left open, synchronising. The stack is painted at reset; what is painted no more was used.
//!
//! How much it was is in `memory.txt` in cargo's folder for tests, `target/tmp`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use rig::{Image, firmware_image, firmware_image_with_assembly, inside_readers};
use whole_job::pay_point::screen;
use whole_job::scene::Scene;

/// A quarter of what the nRF52840 has.
const MEMORY: u32 = 64 << 10;

fn work_for_a_day(readers: &[(String, u16)], image: PathBuf) -> Result<String> {
    let loaded = Image::open(&image)?;
    let mut scene = Scene::with_new_terminal(readers, image, 2)?;
    let [first, second] = [0, 1].map(|card| scene.cards[card].clone());

    scene.prepare()?;
    let preparing = scene.pay_point.stack_used(&loaded)?;
    scene.pay_point.cut_power()?;

    scene.pay_point.switch_on()?;
    scene.terminal("load")?;
    scene.pay_point.open_shift("lan")?;
    scene.pay_point.pay(&first)?;
    let paying = scene.pay_point.stack_used(&loaded)?;
    scene.pay_point.pay_and_lose_power(&second)?;

    scene.pay_point.switch_on()?;
    scene.pay_point.wait_for(screen::UNSETTLED)?;
    scene.pay_point.tap(&second)?;
    scene.pay_point.wait_for(screen::HAND_OVER)?;
    scene.pay_point.lift();
    scene.pay_point.press("\r")?;
    scene.pay_point.wait_for(screen::OPEN_SHIFT)?;
    scene.terminal("sync")?;
    let settling = scene.pay_point.stack_used(&loaded)?;

    let variables = loaded.variables();
    let used = variables.end - variables.start + preparing.max(paying).max(settling);
    let figures = format!(
        "{used} bytes of RAM; stack: {preparing} to prepare, {paying} to pay, {settling} to settle\n"
    );
    ensure!(used <= MEMORY, "{figures}");
    Ok(figures)
}

#[test]
fn a_working_day_fits_in_64_kibibytes() {
    inside_readers(1, |readers| {
        let readers = [(readers[0].name.clone(), readers[0].port)];
        let images = [
            firmware_image_with_assembly("qemu-mps2"),
            firmware_image("qemu-mps2"),
        ];
        let figures = images.map(|image| work_for_a_day(&readers, image.unwrap()).unwrap());
        let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("memory.txt");
        fs::write(report, figures.concat()).unwrap();
    });
}

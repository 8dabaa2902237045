//! A journal comes home over a line as slow as a serial one, from the terminal's image in QEMU to the ledger: what of the bytes
//! that went over the line, in both directions, is journal.
//!
//! `SYNC_ENTRIES=2000` takes so many entries; they are clock settings, which are shorter than payments.

use std::path::Path;
use std::time::Instant;

use ansinh_keys::Role;
use ansinh_payout::{IssuerKey, time_statement, vietnam_time};
use ansinh_station::home::Home;
use ansinh_station::terminal_link::TerminalLink;
use anyhow::{Context, Result, ensure};
use card_spec::values::TerminalName;
use rig::{BYTES_A_SECOND, Cable, firmware_image_with_assembly, inside_readers};
use whole_job::scene::Scene;

const ENTRIES: u32 = 200;

/// The terminal's clock is set, and it says so in its journal, until this has so many entries that the ledger has not.
fn write_entries(scene: &Scene, entries: u32) -> Result<()> {
    let home = Home::new(scene.station.folder());
    let key = scene.station.signing_key(Role::Issuer)?;
    let certificate = home.certificate(&home.station()?.reference(Role::Issuer)?)?;
    let issuer = IssuerKey::new(&key, &certificate)?;
    let mut link = TerminalLink::open(&scene.pay_point.port().to_string_lossy())?;
    let hello = link.hello()?;
    let name = hello.name.and_then(TerminalName::from_bytes).context("no name")?;
    for _ in 0..entries {
        link.set_time(|nonce| -> Result<_> { Ok(time_statement(&issuer, name, nonce, vietnam_time()?)?) })?;
    }
    let hello = link.hello()?;
    ensure!(hello.journal_tail >= hello.acknowledged + entries, "{hello:?}");
    Ok(())
}

/// Entries of the ledger, and their bytes.
fn ledger(scene: &Scene) -> Result<(u64, u64)> {
    let query = "SELECT count(*) AS entries, sum(length(entry)) AS bytes FROM journal_entry";
    let rows = scene.station.ledger(query)?;
    let number = |name: &str| rows[0][name].as_u64().context("no number");
    Ok((number("entries")?, number("bytes")?))
}

fn synchronise(readers: &[(String, u16)]) -> Result<()> {
    let wanted = match std::env::var("SYNC_ENTRIES") {
        Ok(entries) => entries.parse().context("SYNC_ENTRIES")?,
        Err(_) => ENTRIES,
    };
    let mut scene = Scene::set_up(readers, firmware_image_with_assembly("qemu-mps2")?, 1)?;
    scene.pay_point.switch_on()?;
    write_entries(&scene, wanted)?;
    let before = ledger(&scene)?;
    let cable = Cable::connect(scene.pay_point.port(), Some(BYTES_A_SECOND), None)?;
    let started = Instant::now();
    let port = cable.port().to_string_lossy().into_owned();
    scene.station.json(&["terminal", "sync", "--port", &port])?;
    let took = started.elapsed();
    let after = ledger(&scene)?;
    let (entries, bytes, wire) = (after.0 - before.0, after.1 - before.1, cable.passed());
    let figures = format!(
        "{entries} entries: {bytes} of {wire} bytes on the line, {:.3}; {:.0} s at {BYTES_A_SECOND} bytes a second\n",
        bytes as f64 / wire as f64,
        took.as_secs_f64()
    );
    std::fs::write(
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("paced-sync.txt"),
        &figures,
    )?;
    ensure!(entries >= wanted.into(), "{figures}");
    ensure!(bytes * 10 >= wire * 9, "{figures}");
    Ok(())
}

#[test]
fn nine_tenths_of_what_goes_over_a_slow_line_are_entries() {
    inside_readers(1, |readers| {
        synchronise(&[(readers[0].name.clone(), readers[0].port)]).unwrap();
    });
}

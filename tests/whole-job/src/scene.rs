//! A small scene: a station, its cards, and a pay point that is ready for pay day but for the time.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use tempfile::TempDir;

use crate::issuing::{self, Issued};
use crate::pay_point::PayPoint;
use crate::programs::program;
use crate::station::Station;

/// Month that is paid: the present one in Vietnam (UTC+7), yyyymm.
#[must_use]
pub fn period() -> String {
    let vietnam = TimeZone::fixed(tz::offset(7));
    Timestamp::now().to_zoned(vietnam).strftime("%Y%m").to_string()
}

/// Everything in one folder, which is deleted with it.
pub struct Scene {
    /// The station.
    pub station: Station,
    /// The cards, in the order of their numbers.
    pub cards: Vec<Issued>,
    /// The pay point. Its power is off; its terminal has keys, list and block list.
    pub pay_point: PayPoint,
    folder: TempDir,
}

impl Scene {
    /// Imports a list of `people`, issues their cards on `readers` (name and port) and prepares a terminal that runs `image`.
    ///
    /// # Errors
    /// Whatever goes wrong in any of it.
    pub fn set_up(readers: &[(String, u16)], image: PathBuf, people: usize) -> Result<Self> {
        let mut scene = Self::with_new_terminal(readers, image, people)?;
        scene.prepare()?;
        scene.pay_point.cut_power()?;
        Ok(scene)
    }

    /// As [`Self::set_up`], but the terminal has yet to be prepared.
    ///
    /// # Errors
    /// Whatever goes wrong in any of it.
    pub fn with_new_terminal(readers: &[(String, u16)], image: PathBuf, people: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let work = folder.path();
        let station = Station::set_up(work.join("station"), "79")?;
        let list = work.join("list.csv");
        let written = Command::new(program("beneficiary-list")?)
            .args(["--people", &people.to_string(), "--period", &period()])
            .stdout(std::fs::File::create(&list)?)
            .status()?;
        ensure!(written.success(), "beneficiary-list: {written}");
        station.run(&["import", "--accept-warnings", &list.to_string_lossy()])?;
        station.approve_everybody()?;
        let blanks = issuing::deliver(&station, work, people)?;
        let mut cards = issuing::issue_all(&station, readers, blanks)?;
        cards.sort_by(|one, other| one.number.cmp(&other.number));
        let any = &cards.first().context("nobody on the list")?.memory;
        let pay_point = PayPoint::open(&image, &work.join("terminal.flash"), any)?;
        Ok(Self {
            station,
            cards,
            pay_point,
            folder,
        })
    }

    /// The folder of everything: `station`, `blank-cards` with the cards' memories, `terminal.flash`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A card to which the payment list has exactly one line.
    ///
    /// # Errors
    /// When there is none.
    pub fn card_with_one_line(&self) -> Result<Issued> {
        let query = "SELECT card FROM list_line GROUP BY card HAVING count(*) = 1 ORDER BY card LIMIT 1";
        let rows = self.station.ledger(query)?;
        let number = rows.first().and_then(|row| row["card"].as_str());
        let card = self
            .cards
            .iter()
            .find(|card| Some(card.number.as_str()) == number);
        Ok(card.context("nobody has exactly one line")?.clone())
    }

    /// An `ansinh terminal` command at the pay point's port. Returns its report.
    ///
    /// # Errors
    /// What the command said when it failed.
    pub fn terminal(&self, command: &str) -> Result<serde_json::Value> {
        let port = self.pay_point.port().to_string_lossy().into_owned();
        self.station.json(&["terminal", command, "--port", &port])
    }

    /// Switches the terminal on and gives it keys, list and block list.
    ///
    /// # Errors
    /// Whatever goes wrong in any of it.
    pub fn prepare(&mut self) -> Result<()> {
        self.pay_point.switch_on()?;
        let provisioned = self.terminal("provision")?;
        let terminal = provisioned["terminal"].as_str().context("no terminal name")?;
        let list = ["list", "make", "--period", &period(), "--terminal", terminal];
        self.station
            .run(&[&list[..], &["--pay-point", "BD-26734"]].concat())?;
        self.station.run(&["block", "publish"])?;
        self.terminal("load").map(drop)
    }

    /// Exports everything to a folder of this name and audits it with the root key alone: the auditor's totals.
    ///
    /// # Errors
    /// When the auditor finds anything, with the report.
    pub fn audit(&self, name: &str) -> Result<serde_json::Value> {
        let out = self.folder().join(name);
        let out_text = out.to_string_lossy();
        self.station.run(&["export", "--out", &out_text])?;
        let output = Command::new(program("ansinh-audit")?)
            .args(["verify", &out_text, "--json", "--root"])
            .arg(out.join("root.pem"))
            .output()?;
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        ensure!(output.status.success(), "audit: {report}");
        Ok(report["totals"].clone())
    }
}

//! `ansinh import`: takes in an approved list, wholly or not at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ansinh_console::call::admit_here;
use ansinh_console::calls::imports::{Change, Finding, Import as Call, Imported, Manner, take_in};
use ansinh_import::limits;
use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Options, refusal};

#[derive(Args)]
#[command(after_help = "\
The file is CSV in UTF-8, separated by ; or , or the first sheet of an XLSX workbook, with the columns of the national template
(so_dinh_danh, ho_ten, ngay_sinh, gioi_tinh, ma_xa, ma_che_do, so_tien_thang, tong_so_tien, ky_chi_tra, so_quyet_dinh,
phuong_thuc_chi_tra and the optional ones). Every error is listed with line, column, value and rule; with one error nothing is
imported (exit code 65). Warnings are for a person to look at: a list with warnings is imported only with --accept-warnings, and
the ledger keeps them with your name. The same file twice changes nothing.

A plain list adds persons, decisions and payment lines. If it says anything else about what the ledger holds, it is refused. A
delta list (--delta) may also change that: name, address, numbers, representatives, and the end of a decision (ngay_thoi_huong,
ly_do_thoi); so_tien_thang and tong_so_tien are 0 on a line that pays nothing. No list changes the amount of a line that is
there: give the difference as phu_cap.

Examples:
  ansinh import danh-sach-11-2026.xlsx --dry-run
  ansinh import danh-sach-11-2026.xlsx --accept-warnings
  ansinh import thay-doi-11-2026.csv --delta --dry-run
  ansinh import danh-sach-11-2026.csv --json | jq .errors")]
pub(crate) struct Import {
    /// The approved list (CSV or XLSX)
    file: PathBuf,
    /// The list may change what the ledger holds, and end decisions
    #[arg(long)]
    delta: bool,
    /// Check everything, also against the ledger, and import nothing
    #[arg(long)]
    dry_run: bool,
    /// You have looked at the warnings, which --dry-run lists, and take the list as it is
    #[arg(long)]
    accept_warnings: bool,
}

impl Import {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        // Without a station or a service there is nothing to look at.
        let client = options.client()?;
        let service = client.is_none().then(|| options.service()).transpose()?;
        let file = read(&self.file)?;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let manner = Manner {
            file_name: &name,
            delta: self.delta,
            dry_run: self.dry_run,
            accept_warnings: self.accept_warnings,
        };
        let mut bar = Bar::checking(options);
        let result = match (client, service) {
            (Some(client), _) => {
                bar.importing(options);
                client.call(&Call::of(&file, manner)).map_err(anyhow::Error::from)
            }
            (None, Some(service)) => {
                let actor = admit_here::<Call>(&service, &options.token()?)?;
                let mut progress = |part, whole| bar.checked(options, part, whole);
                take_in(&service, &actor, &file, manner, &mut progress).map_err(anyhow::Error::from)
            }
            (None, None) => return Ok(()),
        };
        bar.0.finish_and_clear();
        match result {
            Ok(imported) => report(options, self.dry_run, &imported),
            Err(error) => {
                show_findings(options, &error);
                Err(error)
            }
        }
    }
}

/// What the operator sees meanwhile: on standard error, and only if that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn checking(options: &Options) -> Self {
        if options.json {
            return Self(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("Kiểm tra / Checking {wide_bar} {percent} % {elapsed}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(1).with_style(style))
    }

    fn checked(&mut self, options: &Options, part: u64, whole: u64) {
        self.0.set_length(whole);
        self.0.set_position(part);
        if part >= whole {
            self.importing(options);
        }
    }

    fn importing(&mut self, options: &Options) {
        self.0.finish_and_clear();
        if options.json {
            return;
        }
        let text = "So với sổ cái, ghi / Comparing with the ledger, writing";
        self.0 = ProgressBar::new_spinner().with_message(text);
        self.0.enable_steady_tick(Duration::from_millis(200));
    }
}

/// Reads no more of a file than the check takes; wiped after use.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(limits::FILE + 1).read_to_end(&mut content))
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    Ok(content)
}

/// What was found in a list that was refused.
fn show_findings(options: &Options, error: &anyhow::Error) {
    let Some(findings) = refusal(error).and_then(|refusal| refusal.findings.as_deref()) else {
        return;
    };
    let left_out = findings.errors_left_out + findings.warnings_left_out;
    if options.json {
        let (errors, warnings) = (&findings.errors, &findings.warnings);
        println!(
            "{}",
            json!({ "imported": false, "errors": errors, "warnings": warnings, "left_out": left_out })
        );
        return;
    }
    print("LỖI / ERROR", &findings.errors);
    print("cảnh báo / warning", &findings.warnings);
    if left_out > 0 {
        println!("… và {left_out} dòng nữa / and {left_out} more");
    }
}

fn report(options: &Options, dry_run: bool, imported: &Imported) -> Result<()> {
    if options.json {
        let mut object = serde_json::to_value(imported)?;
        object["errors"] = json!([]);
        println!("{object}");
        return Ok(());
    }
    print("cảnh báo / warning", &imported.warnings);
    if imported.known_file {
        println!(
            "Tệp này đã nhập trước đây, không thay đổi gì / This file was imported before; nothing was changed"
        );
        return Ok(());
    }
    println!("Người mới / new persons               {}", imported.new_persons);
    println!(
        "Quyết định mới / new decisions        {}",
        imported.new_entitlements
    );
    println!(
        "Quyết định kết thúc / ended           {}",
        imported.ended_entitlements
    );
    println!(
        "Người nhận thay mới / new recipients  {}",
        imported.new_representatives
    );
    println!("Dòng chi trả mới / new lines          {}", imported.new_lines);
    println!("Dòng chuyển kỳ / carried lines        {}", imported.carried_lines);
    println!(
        "Tổng số tiền mới / new sum            {} VND",
        imported.new_amount_vnd
    );
    println!(
        "Thẻ cần cập nhật / cards to update    {}",
        imported.outdated_cards
    );
    for (column, lines) in by_column(&imported.changes) {
        println!("Thay đổi / changed {column}: {lines} dòng / line(s)");
    }
    if dry_run {
        println!("Chỉ kiểm tra, chưa nhập / Checked only; nothing was imported (--dry-run)");
    }
    Ok(())
}

fn by_column(changes: &[Change]) -> BTreeMap<&str, usize> {
    let mut columns = BTreeMap::new();
    for change in changes {
        *columns.entry(change.column.as_str()).or_default() += 1;
    }
    columns
}

fn print(kind: &str, findings: &[Finding]) {
    for Finding {
        line,
        column,
        cell,
        value,
        rule,
        ..
    } in findings
    {
        let cell = cell
            .as_ref()
            .map_or_else(String::new, |cell| format!(" ({cell})"));
        println!("{kind}: dòng/line {line}, {column}{cell} {value:?}: {rule}");
    }
}

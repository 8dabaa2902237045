//! `ansinh import`: takes in an approved list, wholly or not at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ansinh_import::{Checked, Finding, Terms, check_under, limits};
use ansinh_store::import::{Change, ImportCounts, ImportError, ImportMode, ListKind};
use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Options, Refused};

#[derive(Args)]
#[command(after_help = "\
The file is CSV in UTF-8, separated by ; or , or the first sheet of an XLSX workbook, with the columns of the national template
(so_dinh_danh, ho_ten, ngay_sinh, gioi_tinh, ma_xa, ma_che_do, so_tien_thang, tong_so_tien, ky_chi_tra, so_quyet_dinh,
phuong_thuc_chi_tra and the optional ones). Every error is listed with line, column, value and rule; with one error nothing is
imported (exit code 65). Warnings are for a person to look at: by importing you accept them, and the ledger keeps that you did.
The same file twice changes nothing.

A plain list adds persons, decisions and payment lines. If it says anything else about what the ledger holds, it is refused. A
delta list (--delta) may also change that: name, address, numbers, representatives, and the end of a decision (ngay_thoi_huong,
ly_do_thoi); so_tien_thang and tong_so_tien are 0 on a line that pays nothing. No list changes the amount of a line that is
there: give the difference as phu_cap.

Examples:
  ansinh import danh-sach-11-2026.xlsx --dry-run
  ansinh import danh-sach-11-2026.xlsx
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
}

impl Import {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        let station = home.station()?;
        let store = home.open_store()?;
        let actor = options.actor(&store)?;
        let reference = home.reference_data()?;
        let terms = Terms {
            reference: &reference,
            province: &station.province,
            kind: if self.delta {
                ListKind::Delta
            } else {
                ListKind::Plain
            },
        };
        let file = read(&self.file)?;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let bar = checking_bar(options);
        let checked = check_under(terms, &file, &name, &mut |part, whole| {
            bar.set_length(whole);
            bar.set_position(part);
        });
        bar.finish_and_clear();
        let checked = match checked {
            Ok(checked) => checked,
            Err(rejected) => return refuse(options, &rejected.errors, &rejected.warnings),
        };
        let mode = if self.dry_run {
            ImportMode::Rehearse
        } else {
            ImportMode::Commit
        };
        let bar = importing_bar(options);
        let result = store.import(&actor, &checked.list, mode);
        bar.finish_and_clear();
        match result {
            Ok(counts) => {
                report(options, mode, &counts, &checked);
                Ok(())
            }
            Err(ImportError::Contradictions(found)) => {
                let found: Vec<_> = found.iter().map(|one| checked.finding(one)).collect();
                refuse(options, &found, &checked.warnings)
            }
            Err(ImportError::Store(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
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

/// On standard error, and only if that is a terminal.
fn checking_bar(options: &Options) -> ProgressBar {
    if options.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("Kiểm tra / Checking {wide_bar} {percent} % {elapsed}");
    ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn importing_bar(options: &Options) -> ProgressBar {
    if options.json {
        return ProgressBar::hidden();
    }
    let bar =
        ProgressBar::new_spinner().with_message("So với sổ cái, ghi / Comparing with the ledger, writing");
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn refuse(options: &Options, errors: &[Finding], warnings: &[Finding]) -> Result<()> {
    if options.json {
        println!(
            "{}",
            json!({ "imported": false, "errors": errors, "warnings": warnings })
        );
    } else {
        print("LỖI / ERROR", errors);
        print("cảnh báo / warning", warnings);
    }
    Err(Refused(format!(
        "danh sách có {0} lỗi, không nhập dòng nào / the list has {0} error(s); nothing was imported",
        errors.len()
    ))
    .into())
}

fn report(options: &Options, mode: ImportMode, counts: &ImportCounts, checked: &Checked) {
    let imported = mode == ImportMode::Commit && !counts.known_file;
    if options.json {
        println!("{}", as_json(imported, counts, checked));
        return;
    }
    print("cảnh báo / warning", &checked.warnings);
    if counts.known_file {
        println!(
            "Tệp này đã nhập trước đây, không thay đổi gì / This file was imported before; nothing was changed"
        );
        return;
    }
    println!("Người mới / new persons               {}", counts.new_persons);
    println!(
        "Quyết định mới / new decisions        {}",
        counts.new_entitlements
    );
    println!(
        "Quyết định kết thúc / ended           {}",
        counts.ended_entitlements
    );
    println!(
        "Người nhận thay mới / new recipients  {}",
        counts.new_representatives
    );
    println!("Dòng chi trả mới / new lines          {}", counts.new_lines);
    println!("Dòng chuyển kỳ / carried lines        {}", counts.carried_lines);
    println!("Tổng số tiền mới / new sum            {} VND", counts.new_amount);
    println!("Thẻ cần cập nhật / cards to update    {}", counts.outdated_cards);
    for (column, lines) in by_column(&counts.changes) {
        println!("Thay đổi / changed {column}: {lines} dòng / line(s)");
    }
    if !imported {
        println!("Chỉ kiểm tra, chưa nhập / Checked only; nothing was imported (--dry-run)");
    }
}

fn as_json(imported: bool, counts: &ImportCounts, checked: &Checked) -> Value {
    let change = |change: &Change| json!({ "line": change.file_line, "column": change.column });
    json!({
        "imported": imported,
        "known_file": counts.known_file,
        "kind": checked.list.kind.name(),
        "new_persons": counts.new_persons,
        "new_entitlements": counts.new_entitlements,
        "ended_entitlements": counts.ended_entitlements,
        "new_representatives": counts.new_representatives,
        "new_lines": counts.new_lines,
        "carried_lines": counts.carried_lines,
        "new_amount_vnd": counts.new_amount,
        "outdated_cards": counts.outdated_cards,
        "changes": counts.changes.iter().map(change).collect::<Vec<_>>(),
        "errors": [],
        "warnings": checked.warnings,
    })
}

fn by_column(changes: &[Change]) -> BTreeMap<&'static str, usize> {
    let mut columns = BTreeMap::new();
    for change in changes {
        *columns.entry(change.column).or_default() += 1;
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

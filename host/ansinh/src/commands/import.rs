//! `ansinh import`: takes in an approved list, wholly or not at all.

use std::path::PathBuf;

use ansinh_import::Finding;
use ansinh_reference::Reference;
use ansinh_store::import::{Contradiction, ImportCounts, ImportError, ImportMode};
use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{Options, Refused, read_input};

#[derive(Args)]
#[command(after_help = "\
The file is CSV in UTF-8, separated by ; or , with the columns of the national template (so_dinh_danh, ho_ten, ngay_sinh,
gioi_tinh, ma_xa, ma_che_do, so_tien_thang, tong_so_tien, ky_chi_tra, so_quyet_dinh, phuong_thuc_chi_tra and the optional
ones). Every error is listed with line, column, value and rule; with one error nothing is imported (exit code 65). Warnings
are for a person to look at and do not stop the import. The same file twice changes nothing.

Examples:
  ansinh import danh-sach-11-2026.csv --dry-run
  ansinh import danh-sach-11-2026.csv
  ansinh import danh-sach-11-2026.csv --json | jq .errors")]
pub(crate) struct Import {
    /// The approved list (CSV)
    file: PathBuf,
    /// Check everything, also against the ledger, and import nothing
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(crate) fn run(&self, options: &Options) -> Result<()> {
        let home = options.home();
        let station = home.station()?;
        let store = home.open_store()?;
        let file = read_input(&self.file)?;
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let checked = match ansinh_import::check(&file, &name, &Reference::load()?, &station.province) {
            Ok(checked) => checked,
            Err(rejected) => return refuse(options, &rejected.errors, &rejected.warnings),
        };
        let mode = if self.dry_run {
            ImportMode::Rehearse
        } else {
            ImportMode::Commit
        };
        match store.import(&checked.list, mode) {
            Ok(counts) => {
                if mode == ImportMode::Commit && !counts.known_file {
                    store.log_operation(
                        &options.actor(&store)?,
                        "list-imported",
                        &hex::encode(checked.list.file_hash),
                    )?;
                }
                report(options, mode, &counts, &checked.warnings);
                Ok(())
            }
            Err(ImportError::Contradictions(found)) => refuse(
                options,
                &found.iter().map(finding).collect::<Vec<_>>(),
                &checked.warnings,
            ),
            Err(error) => Err(error.into()),
        }
    }
}

fn finding(contradiction: &Contradiction) -> Finding {
    Finding {
        line: contradiction.file_line,
        column: contradiction.column.to_owned(),
        value: String::new(),
        rule: contradiction.rule.to_owned(),
    }
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

fn report(options: &Options, mode: ImportMode, counts: &ImportCounts, warnings: &[Finding]) {
    let imported = mode == ImportMode::Commit && !counts.known_file;
    if options.json {
        let report = json!({
            "imported": imported,
            "known_file": counts.known_file,
            "new_persons": counts.new_persons,
            "new_entitlements": counts.new_entitlements,
            "new_lines": counts.new_lines,
            "carried_lines": counts.carried_lines,
            "new_amount_vnd": counts.new_amount,
            "errors": [],
            "warnings": warnings,
        });
        println!("{report}");
        return;
    }
    print("cảnh báo / warning", warnings);
    if counts.known_file {
        println!(
            "Tệp này đã nhập trước đây, không thay đổi gì / This file was imported before; nothing was changed"
        );
        return;
    }
    println!("Người mới / new persons          {}", counts.new_persons);
    println!("Quyết định mới / new decisions   {}", counts.new_entitlements);
    println!("Dòng chi trả mới / new lines     {}", counts.new_lines);
    println!("Dòng chuyển kỳ / carried lines   {}", counts.carried_lines);
    println!("Tổng số tiền mới / new sum       {} VND", counts.new_amount);
    if !imported {
        println!("Chỉ kiểm tra, chưa nhập / Checked only; nothing was imported (--dry-run)");
    }
}

fn print(kind: &str, findings: &[Finding]) {
    for Finding {
        line,
        column,
        value,
        rule,
    } in findings
    {
        println!("{kind}: dòng/line {line}, {column} {value:?}: {rule}");
    }
}

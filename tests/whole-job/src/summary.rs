//! The summary at the end of the demonstration: what a minister would want to know, and the same as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What was done, and what came of it.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Month that was paid, yyyymm.
    pub period: String,
    /// People on the list.
    pub people: usize,
    /// Cards issued.
    pub cards_issued: usize,
    /// Readers used at once.
    pub readers: usize,
    /// Lines paid.
    pub lines_paid: usize,
    /// Cards that drew money.
    pub cards_paid: usize,
    /// VND paid.
    pub total_vnd: u64,
    /// VND paid by programme.
    pub vnd_by_programme: BTreeMap<String, u64>,
    /// Refusals by reason (DATA 5.4).
    pub refused: BTreeMap<String, usize>,
    /// Payments that a power cut interrupted and the same card settled.
    pub settled_after_power_cut: usize,
    /// Journal entries that the host took in and acknowledged.
    pub journal_entries: usize,
    /// Findings of the audit.
    pub audit_findings: usize,
    /// What tools that are not ours verified.
    pub witnesses: Witnesses,
    /// The finding about a copy in which one byte was flipped.
    pub flipped_byte: FlippedByte,
    /// Seconds from the first command to the end.
    pub seconds: u64,
}

/// What openssl and cvc-print verified.
#[derive(Debug, Default, Serialize)]
pub struct Witnesses {
    /// Card security objects, by openssl.
    pub cards: usize,
    /// Receipts, by openssl.
    pub receipts: usize,
    /// Certificates, by cvc-print.
    pub certificates: usize,
}

/// The proof that the audit looks.
#[derive(Debug, Default, Serialize)]
pub struct FlippedByte {
    /// File with the flipped byte.
    pub file: String,
    /// Place of the byte.
    pub offset: usize,
    /// Findings of the audit.
    pub findings: usize,
    /// The first of them.
    pub first_finding: String,
}

/// VND with a full stop between thousands, as Vietnamese writes it.
#[must_use]
pub fn vnd(amount: u64) -> String {
    let digits = amount.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let month = format!(
            "{}/{}",
            self.period.get(4..).unwrap_or_default(),
            self.period.get(..4).unwrap_or_default()
        );
        writeln!(
            f,
            "KẾT QUẢ CHI TRẢ AN SINH XÃ HỘI, THÁNG {month} / SOCIAL SECURITY PAYMENT, MONTH {month}\n"
        )?;
        writeln!(
            f,
            "  Người trong danh sách / people on the list      {:>14}",
            self.people
        )?;
        writeln!(
            f,
            "  Thẻ đã phát hành / cards issued                 {:>14}",
            self.cards_issued
        )?;
        writeln!(
            f,
            "  Khoản đã trả / lines paid                       {:>14}",
            self.lines_paid
        )?;
        writeln!(
            f,
            "  Tổng số tiền (đồng) / total (VND)               {:>14}",
            vnd(self.total_vnd)
        )?;
        for (programme, amount) in &self.vnd_by_programme {
            writeln!(f, "    {programme:<46}{:>14}", vnd(*amount))?;
        }
        writeln!(f, "  Từ chối / refused")?;
        for (reason, count) in &self.refused {
            writeln!(f, "    {reason:<46}{count:>14}")?;
        }
        writeln!(f, "  Mất điện giữa chừng, đã giải quyết bằng chính thẻ đó")?;
        writeln!(
            f,
            "    / cut off by power loss, settled by same card {:>14}",
            self.settled_after_power_cut
        )?;
        writeln!(
            f,
            "  Kiểm toán: số phát hiện / audit findings        {:>14}",
            self.audit_findings
        )?;
        let Witnesses {
            cards,
            receipts,
            certificates,
        } = self.witnesses;
        writeln!(
            f,
            "  Công cụ độc lập xác nhận / verified by others' tools\n    openssl: {cards} cards, {receipts} receipts · cvc-print: {certificates} certificates"
        )?;
        let FlippedByte {
            file,
            offset,
            findings,
            first_finding,
        } = &self.flipped_byte;
        writeln!(
            f,
            "  Sửa một byte trong bản sao thì bị phát hiện / one byte flipped in a copy is found"
        )?;
        write!(
            f,
            "    {file}, byte {offset}: {findings} finding(s); the first: {first_finding}"
        )
    }
}

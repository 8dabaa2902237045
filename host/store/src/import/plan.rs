//! A list held against the ledger, in memory: what will be added, what changed, and where the two contradict each other.

use crate::StoreError;
use crate::import::known::{Decision, Known, Line, People, Tracked};
use crate::import::{
    ApprovedLine, ApprovedList, Change, Contradiction, Due, ImportCounts, ImportError, ListKind,
};
use crate::names::fold;
use crate::people::{Entitlement, PersonReference, Representative};

/// Regular sums end with their decision (DATA.md 1).
const REGULAR: u8 = 1;
/// Arrears: several decisions may give some for the same month.
const ARREARS: u8 = 2;

/// A card holds at most two representatives (SPEC.md 5.1, file 5).
const REPRESENTATIVES: usize = 2;

const BY_DELTA: &str =
    "differs from the ledger: correct the list, or, if this is new, import it as a delta list (--delta)";
const ANOTHER_PERSON: &str = "differs from the person registered under this số định danh, perhaps another person: correct the list, or have the register corrected";
const OTHER_AMOUNT: &str = "this line is in the ledger with another amount: give the difference as phu_cap (a supplement line) instead";
const OTHER_METHOD: &str = "this line is in the ledger with another payment method and could be paid both ways: it keeps the method of the first list";
const OTHER_DECISION: &str =
    "this person is due the same kind of sum of this programme and month under another decision already";
const ENDED: &str = "the ledger has this decision ended before the month that is to be paid: leave the line out, or give the new end in a delta list";
const UNKNOWN: &str =
    "nothing is due on this line, and the ledger does not know this person and decision: correct the numbers";
const FORMER: &str = "this số định danh was replaced, and its person is registered under another one: give the number that is valid now";
const THREE: &str = "a card holds at most two representatives, and the ledger has two whose authorization runs: end one of them first, in a delta list";

/// A payment line to be written.
pub(super) struct NewLine<'a> {
    pub(super) person: PersonReference,
    pub(super) entitlement: i64,
    pub(super) due: Due,
    pub(super) line: &'a ApprovedLine,
}

/// Goes through a list. `people` is what the ledger holds, and afterwards what it will hold.
pub(super) fn plan<'a>(
    list: &'a ApprovedList,
    people: &mut People,
) -> Result<(ImportCounts, Vec<NewLine<'a>>), ImportError> {
    let mut plan = Plan {
        kind: list.kind,
        counts: ImportCounts::default(),
        lines: Vec::new(),
        wrong: Vec::new(),
    };
    for line in &list.lines {
        plan.line(line, people)?;
    }
    if !plan.wrong.is_empty() {
        return Err(ImportError::Contradictions(plan.wrong));
    }
    Ok((plan.counts, plan.lines))
}

struct Plan<'a> {
    kind: ListKind,
    counts: ImportCounts,
    lines: Vec<NewLine<'a>>,
    wrong: Vec<Contradiction>,
}

impl<'a> Plan<'a> {
    fn line(&mut self, line: &'a ApprovedLine, people: &mut People) -> Result<(), StoreError> {
        let id = &line.person.personal_id;
        if people.former.contains(id) {
            self.contradicts(line, "so_dinh_danh", FORMER);
            return Ok(());
        }
        let known = match people.known.get_mut(id) {
            Some(known) => {
                self.person(line, known);
                known
            }
            // Nobody is registered to be paid nothing: it is a mistyped number.
            None if line.due.is_empty() => {
                self.contradicts(line, "so_dinh_danh", UNKNOWN);
                return Ok(());
            }
            None => {
                self.counts.new_persons += 1;
                people.add(&line.person)?
            }
        };
        self.representative(line, known);
        let Some(decision) = self.decision(line, known)? else {
            return Ok(());
        };
        for due in &line.due {
            self.due(line, *due, decision, known);
        }
        Ok(())
    }

    fn contradicts(&mut self, line: &ApprovedLine, column: &'static str, rule: &'static str) {
        self.wrong.push(Contradiction {
            file_line: line.file_line,
            column,
            rule,
        });
    }

    fn changes(&mut self, line: &ApprovedLine, column: &'static str) {
        self.counts.changes.push(Change {
            file_line: line.file_line,
            column,
        });
    }

    /// Takes another value, if the list may: only a delta list changes what the ledger holds.
    fn take<T>(&mut self, line: &ApprovedLine, column: &'static str, known: &mut T, given: T) {
        match self.kind {
            ListKind::Plain => self.contradicts(line, column, BY_DELTA),
            ListKind::Delta => {
                *known = given;
                self.changes(line, column);
            }
        }
    }

    /// As [`Plan::take`] for a field that may be empty, which says nothing.
    fn take_text(
        &mut self,
        line: &ApprovedLine,
        column: &'static str,
        known: &mut Option<String>,
        given: Option<&String>,
    ) {
        let Some(given) = given else { return };
        let same = known.as_ref().is_some_and(|known| fold(known) == fold(given));
        if !same {
            self.take(line, column, known, Some(given.clone()));
        }
    }

    fn person(&mut self, line: &ApprovedLine, known: &mut Known) {
        let (known, given) = (&mut known.person.now, &line.person);
        if known.birth_date != given.birth_date {
            self.contradicts(line, "ngay_sinh", ANOTHER_PERSON);
        }
        if known.sex != given.sex {
            self.contradicts(line, "gioi_tinh", ANOTHER_PERSON);
        }
        if fold(&known.full_name) != fold(&given.full_name) {
            self.take(line, "ho_ten", &mut known.full_name, given.full_name.clone());
        }
        if line.stated.province && known.province != given.province {
            self.take(line, "ma_tinh", &mut known.province, given.province.clone());
        }
        if known.commune != given.commune {
            self.take(line, "ma_xa", &mut known.commune, given.commune.clone());
        }
        self.take_text(
            line,
            "ma_diem_chi_tra",
            &mut known.pay_point,
            given.pay_point.as_ref(),
        );
        let social = given.social_insurance_number.as_ref();
        self.take_text(line, "ma_so_bhxh", &mut known.social_insurance_number, social);
        let health = given.health_insurance_code.as_ref();
        self.take_text(line, "ma_the_bhyt", &mut known.health_insurance_code, health);
    }

    fn representative(&mut self, line: &ApprovedLine, known: &mut Known) {
        let Some(given) = &line.representative else {
            return;
        };
        let is_given = |known: &Tracked<Representative>| known.now.personal_id == given.personal_id;
        if let Some(position) = known.representatives.iter().position(is_given) {
            if let Some(held) = known.representatives.get_mut(position) {
                self.known_representative(line, given, &mut held.now);
            }
        } else {
            known.representatives.push(Tracked::new(given.clone()));
            self.counts.new_representatives += 1;
        }
        let first_day = format!("{}01", line.period);
        let running = |known: &&Tracked<Representative>| known.now.valid_to >= first_day;
        if given.valid_to >= first_day
            && known.representatives.iter().filter(running).count() > REPRESENTATIVES
        {
            self.contradicts(line, "so_dinh_danh_nguoi_nhan_thay", THREE);
        }
    }

    fn known_representative(
        &mut self,
        line: &ApprovedLine,
        given: &Representative,
        known: &mut Representative,
    ) {
        if fold(&known.full_name) != fold(&given.full_name) {
            self.take(
                line,
                "nguoi_nhan_thay",
                &mut known.full_name,
                given.full_name.clone(),
            );
        }
        if known.relation != given.relation {
            self.take(line, "quan_he", &mut known.relation, given.relation.clone());
        }
        if known.valid_to != given.valid_to {
            self.take(
                line,
                "ngay_het_han_uy_quyen",
                &mut known.valid_to,
                given.valid_to.clone(),
            );
        }
        self.take_text(
            line,
            "so_giay_uy_quyen",
            &mut known.document,
            given.document.as_ref(),
        );
    }

    /// The line's decision, the next one of the person if it is new (DATA.md 1). `None` if it contradicts.
    fn decision(&mut self, line: &ApprovedLine, known: &mut Known) -> Result<Option<i64>, StoreError> {
        let given = &line.entitlement;
        if let Some(decision) = known.decision(&given.programme, &given.decision) {
            self.known_decision(line, &mut decision.now);
            return Ok(Some(decision.now.number));
        }
        if line.due.is_empty() {
            self.contradicts(line, "so_quyet_dinh", UNKNOWN);
            return Ok(None);
        }
        let last = known.decisions.iter().map(|decision| decision.now.number).max();
        let number = last.unwrap_or(0) + 1;
        u16::try_from(number).map_err(|_| StoreError::OutOfRange("the number of a person's decisions"))?;
        known.decisions.push(Tracked::new(Decision {
            number,
            entitlement: given.clone(),
            amount_month: (given.monthly_amount > 0).then(|| line.period.clone()),
            end_reason: line.stated.end_reason.clone(),
        }));
        self.counts.new_entitlements += 1;
        Ok(Some(number))
    }

    fn known_decision(&mut self, line: &ApprovedLine, known: &mut Decision) {
        let given = &line.entitlement;
        let held = &mut known.entitlement;
        self.take_text(line, "ma_doi_tuong", &mut held.sub_code, given.sub_code.as_ref());
        let date = given.decision_date.as_ref();
        self.take_text(line, "ngay_quyet_dinh", &mut held.decision_date, date);
        let agency = given.decided_by.as_ref();
        self.take_text(line, "co_quan_quyet_dinh", &mut held.decided_by, agency);
        if line.stated.month_from && held.month_from != given.month_from {
            self.take(
                line,
                "ngay_bat_dau",
                &mut held.month_from,
                given.month_from.clone(),
            );
        }
        self.end(line, held);
        self.take_text(
            line,
            "ly_do_thoi",
            &mut known.end_reason,
            line.stated.end_reason.as_ref(),
        );
        self.monthly_amount(line, known);
    }

    /// A new end in a delta list ends the decision or lets it go on; the end that was known all along has come with time.
    fn end(&mut self, line: &ApprovedLine, held: &mut Entitlement) {
        let given = &line.entitlement;
        let was_active = held.active;
        if given.month_to.is_some() {
            if held.month_to != given.month_to {
                self.take(
                    line,
                    "ngay_thoi_huong",
                    &mut held.month_to,
                    given.month_to.clone(),
                );
                if self.kind == ListKind::Delta {
                    held.active = given.active;
                }
            } else if !given.active && held.active {
                held.active = false;
                self.changes(line, "ngay_thoi_huong");
            }
        }
        if was_active && !held.active {
            self.counts.ended_entitlements += 1;
        }
        let ended = held.month_to.as_ref().is_some_and(|last| *last < line.period);
        if ended && line.due.iter().any(|due| due.line_type == REGULAR) {
            self.contradicts(line, "ngay_thoi_huong", ENDED);
        }
    }

    /// The sum of each month stands in its payment line; the decision keeps the newest one.
    fn monthly_amount(&mut self, line: &ApprovedLine, known: &mut Decision) {
        let given = line.entitlement.monthly_amount;
        let newest = known
            .amount_month
            .as_ref()
            .is_none_or(|month| *month <= line.period);
        if given == 0 || !newest {
            return;
        }
        known.amount_month = Some(line.period.clone());
        if known.entitlement.monthly_amount != given {
            known.entitlement.monthly_amount = given;
            self.changes(line, "so_tien_thang");
        }
    }

    /// Adds what is due. A line that is there already keeps its key, amount and method: a changed amount is a supplement line,
    /// never a new version, for the old one may be on a terminal or paid.
    fn due(&mut self, line: &'a ApprovedLine, due: Due, decision: i64, known: &mut Known) {
        let programme = &line.entitlement.programme;
        let alike = |held: &&Line| {
            held.programme == *programme && held.line_type == due.line_type && held.period == line.period
        };
        let mut alike = known.lines.iter().filter(alike);
        if let Some(held) = alike.clone().find(|held| held.entitlement == decision) {
            let (same_amount, same_method) = (held.amount == due.amount, held.method == line.method);
            if !same_amount {
                self.contradicts(line, column_of(due.line_type), OTHER_AMOUNT);
            }
            if !same_method {
                self.contradicts(line, "phuong_thuc_chi_tra", OTHER_METHOD);
            }
            if same_amount && same_method {
                self.counts.carried_lines += 1;
            }
            return;
        }
        if due.line_type != ARREARS && alike.next().is_some() {
            self.contradicts(line, column_of(due.line_type), OTHER_DECISION);
            return;
        }
        known.lines.push(Line {
            programme: programme.clone(),
            entitlement: decision,
            line_type: due.line_type,
            period: line.period.clone(),
            amount: due.amount,
            method: line.method,
        });
        self.counts.new_lines += 1;
        self.counts.new_amount = self.counts.new_amount.saturating_add(due.amount);
        self.lines.push(NewLine {
            person: known.reference,
            entitlement: decision,
            due,
            line,
        });
    }
}

/// The column of the import file that a line type comes from.
fn column_of(line_type: u8) -> &'static str {
    match line_type {
        1 => "so_tien_thang",
        2 => "truy_linh",
        3 => "mai_tang_phi",
        6 => "phu_cap",
        _ => "tong_so_tien",
    }
}

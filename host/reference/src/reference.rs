//! The lists of a package, asked by code and day.

use jiff::civil::Date;

use crate::error::{DataError, PackageError};
use crate::kinds::{
    Agency, Commune, PayPoint, Province, ProvinceSuccession, Rule, Standard, SubProgramme, Succession,
    is_agency_code,
};
use crate::list::{Code, Detail, List};
use crate::manifest::Manifest;
use crate::package::{Package, Verified};

/// Where the data in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The program itself.
    BuiltIn,
    /// A package that the station installed.
    Installed,
}

/// The lists that say a name and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeList {
    /// Banks by BIN (NAPAS). Not complete: a missing one proves nothing.
    Banks,
    /// Why a card is on the block list (DATA 4).
    BlockReasons,
    /// Subject groups of health insurance cards.
    HealthInsuranceGroups,
    /// How a holder was checked (DATA 1).
    HolderChecks,
    /// First three digits of a personal ID number. For warnings only: no list says what births after 1 July 2025 get.
    IdPrefixes,
    /// Line types (DATA 1).
    LineTypes,
    /// Payment methods.
    PaymentMethods,
    /// Coarse programmes, the only ones that may stand on a card.
    Programmes,
    /// Who received (DATA 1).
    Recipients,
    /// Why a terminal refused (DATA 5.4).
    RefusalReasons,
    /// Relations of a representative to the holder (DATA 1).
    Relations,
    /// Why an entitlement ended.
    StopReasons,
    /// Why a line was not paid.
    UnpaidReasons,
}

impl CodeList {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Banks,
        Self::BlockReasons,
        Self::HealthInsuranceGroups,
        Self::HolderChecks,
        Self::IdPrefixes,
        Self::LineTypes,
        Self::PaymentMethods,
        Self::Programmes,
        Self::Recipients,
        Self::RefusalReasons,
        Self::Relations,
        Self::StopReasons,
        Self::UnpaidReasons,
    ];

    /// Its file in a package.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Banks => "banks.csv",
            Self::BlockReasons => "block-reasons.csv",
            Self::HealthInsuranceGroups => "hi-groups.csv",
            Self::HolderChecks => "holder-checks.csv",
            Self::IdPrefixes => "id-prefixes.csv",
            Self::LineTypes => "line-types.csv",
            Self::PaymentMethods => "payment-methods.csv",
            Self::Programmes => "programmes.csv",
            Self::Recipients => "recipients.csv",
            Self::RefusalReasons => "refusal-reasons.csv",
            Self::Relations => "relations.csv",
            Self::StopReasons => "stop-reasons.csv",
            Self::UnpaidReasons => "unpaid-reasons.csv",
        }
    }

    /// Whether a text has the form of a code of this list.
    fn has_form(self, code: &str) -> bool {
        let digits = code.bytes().all(|byte| byte.is_ascii_digit());
        let capitals = code
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        match self {
            Self::Programmes => code.len() == 4 && capitals,
            Self::HealthInsuranceGroups => code.len() == 2 && capitals,
            Self::Banks => code.len() == 6 && digits,
            Self::IdPrefixes | Self::StopReasons | Self::UnpaidReasons => code.len() == 3 && digits,
            Self::Relations => code.len() == 2 && digits,
            // These are a byte on the card or in the journal.
            _ => digits && code.parse::<u8>().is_ok_and(|number| number.to_string() == code),
        }
    }
}

/// What is known of a commune code on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommuneLookup<'a> {
    /// It is in force.
    InForce(&'a Code<Commune>),
    /// No commune has it. [`Reference::commune_successors`] may know where an old one went.
    Unknown,
    /// It is not in the list, but the list is not complete for some province on this day: it cannot be checked, and nobody may
    /// be refused for it.
    CannotBeChecked,
}

/// All lists of a verified package.
#[derive(Debug, Clone)]
pub struct Reference {
    manifest: Manifest,
    origin: Origin,
    plain: Vec<List<()>>,
    provinces: List<Province>,
    province_successors: List<ProvinceSuccession>,
    communes: List<Commune>,
    commune_successors: List<Succession>,
    sub_programmes: List<SubProgramme>,
    standards: List<Standard>,
    rules: List<Rule>,
    agencies: List<Agency>,
    pay_points: List<PayPoint>,
}

impl Reference {
    /// The built-in package.
    ///
    /// # Errors
    /// If it is malformed; the tests exclude it.
    pub fn load() -> Result<Self, PackageError> {
        Self::built_from(&Package::built_in()?, Origin::BuiltIn)
    }

    /// The lists of a package that is not installed, to look at it.
    ///
    /// # Errors
    /// [`PackageError::Data`] with everything that is wrong; [`PackageError::Unsuitable`].
    pub fn from_package(package: &Verified) -> Result<Self, PackageError> {
        Self::built_from(package, Origin::Installed)
    }

    pub(crate) fn built_from(package: &Verified, origin: Origin) -> Result<Self, PackageError> {
        let mut reading = Reading {
            package,
            errors: Vec::new(),
            taken: Vec::new(),
        };
        let reference = Self {
            manifest: package.manifest().clone(),
            origin,
            plain: CodeList::ALL
                .iter()
                .map(|list| reading.list(list.file()))
                .collect::<Result<_, _>>()?,
            provinces: reading.list("provinces.csv")?,
            province_successors: reading.list("province-successors.csv")?,
            communes: reading.list("communes.csv")?,
            commune_successors: reading.list("commune-successors.csv")?,
            sub_programmes: reading.list("sub-programmes.csv")?,
            standards: reading.list("standards.csv")?,
            rules: reading.list("rules.csv")?,
            agencies: reading.list("agencies.csv")?,
            pay_points: reading.list("pay-points.csv")?,
        };
        reading.all_taken()?;
        let mut errors = reading.errors;
        reference.check_across(&mut errors);
        if errors.is_empty() {
            Ok(reference)
        } else {
            Err(PackageError::Data(errors))
        }
    }

    /// What the package says of itself: name, version, sources.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where the package comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What a code of a plain list means on a day.
    pub fn code(&self, list: CodeList, code: &str, day: Date) -> Option<&Code> {
        self.plain(list).on(code, day)
    }

    /// The codes of a plain list on a day, in order.
    pub fn codes(&self, list: CodeList, day: Date) -> impl Iterator<Item = &Code> {
        self.plain(list).all(day)
    }

    /// Whether a province code is in force on a day.
    pub fn is_province(&self, code: &str, day: Date) -> bool {
        self.province(code, day).is_some()
    }

    /// Whether a coarse programme code is in force on a day.
    pub fn is_programme(&self, code: &str, day: Date) -> bool {
        self.code(CodeList::Programmes, code, day).is_some()
    }

    /// Whether a payment method is in force on a day.
    pub fn is_payment_method(&self, code: &str, day: Date) -> bool {
        self.code(CodeList::PaymentMethods, code, day).is_some()
    }

    /// Whether a relation code is in force on a day.
    pub fn is_relation(&self, code: &str, day: Date) -> bool {
        self.code(CodeList::Relations, code, day).is_some()
    }

    /// Whether a personal ID number begins with the prefix of a province of birth registration. For a warning only, on any day:
    /// numbers keep their prefix, foreign countries have prefixes of their own, and what is given since 1 July 2025 is not known.
    pub fn has_known_prefix(&self, personal_id: &str) -> bool {
        personal_id
            .get(..3)
            .is_some_and(|prefix| !self.plain(CodeList::IdPrefixes).history(prefix).is_empty())
    }

    /// A province on a day.
    pub fn province(&self, code: &str, day: Date) -> Option<&Code<Province>> {
        self.provinces.on(code, day)
    }

    /// The provinces of a day, in order.
    pub fn provinces(&self, day: Date) -> impl Iterator<Item = &Code<Province>> {
        self.provinces.all(day)
    }

    /// Where a province of before 1 July 2025 went (Resolution 202/2025/QH15). The code and the name are the old ones.
    pub fn province_successors(&self, old: &str) -> impl Iterator<Item = &Succession> {
        self.province_successors
            .history(old)
            .iter()
            .map(|code| &code.detail.0)
    }

    /// A commune, ward or special zone on a day.
    pub fn commune(&self, code: &str, day: Date) -> CommuneLookup<'_> {
        if let Some(commune) = self.communes.on(code, day) {
            return CommuneLookup::InForce(commune);
        }
        // A code does not tell its province, so one incomplete province leaves every unknown code open.
        let mut provinces = self.provinces.all(day).peekable();
        if provinces.peek().is_some() && provinces.all(|province| province.detail.communes_complete) {
            CommuneLookup::Unknown
        } else {
            CommuneLookup::CannotBeChecked
        }
    }

    /// The communes of a province on a day, in order of code.
    pub fn communes(&self, province: &str, day: Date) -> impl Iterator<Item = &Code<Commune>> {
        self.communes
            .all(day)
            .filter(move |commune| commune.detail.province == province)
    }

    /// Where a commune of before 1 July 2025 went, with its old name. Several if it was divided or if the sources differ: a hint
    /// for a person, never applied by itself.
    pub fn commune_successors(&self, old: &str) -> &[Code<Succession>] {
        self.commune_successors.history(old)
    }

    /// A detailed group on a day.
    pub fn sub_programme(&self, code: &str, day: Date) -> Option<&Code<SubProgramme>> {
        self.sub_programmes.on(code, day)
    }

    /// The detailed groups of a programme on a day.
    pub fn sub_programmes(&self, programme: &str, day: Date) -> impl Iterator<Item = &Code<SubProgramme>> {
        self.sub_programmes
            .all(day)
            .filter(move |code| code.detail.programme == programme)
    }

    /// The monthly standard of a programme on a day: the province's own, else the country's. A floor: a province whose own one is
    /// not in the package may well pay more.
    pub fn standard(&self, programme: &str, day: Date, province: &str) -> Option<&Code<Standard>> {
        let of = |wanted: Option<&str>| {
            let mut standards = self.standards.history(programme).iter();
            standards.find(|code| code.in_force(day) && code.detail.province.as_deref() == wanted)
        };
        of(Some(province)).or_else(|| of(None))
    }

    /// Standard times coefficient of a detailed group, in VND; none if the group has none or the product is no whole number.
    pub fn monthly_amount(&self, sub_programme: &str, day: Date, province: &str) -> Option<u64> {
        let group = &self.sub_programme(sub_programme, day)?.detail;
        let standard = self.standard(&group.programme, day, province)?.detail.vnd;
        let product = standard.checked_mul(group.coefficient_hundredths?.into())?;
        product.is_multiple_of(100).then_some(product / 100)
    }

    /// A deadline, threshold, fee or period on a day: the one for programme and province, else for the programme, else for the
    /// province, else the general one.
    pub fn rule(&self, code: &str, day: Date, programme: &str, province: &str) -> Option<&Code<Rule>> {
        let of = |programme: Option<&str>, province: Option<&str>| {
            let mut rules = self.rules.history(code).iter();
            rules.find(|rule| {
                let detail = &rule.detail;
                rule.in_force(day)
                    && detail.programme.as_deref() == programme
                    && detail.province.as_deref() == province
            })
        };
        of(Some(programme), Some(province))
            .or_else(|| of(Some(programme), None))
            .or_else(|| of(None, Some(province)))
            .or_else(|| of(None, None))
    }

    /// An agency on a day. The list is not complete: see [`Reference::has_agency_form`].
    pub fn agency(&self, code: &str, day: Date) -> Option<&Code<Agency>> {
        self.agencies.on(code, day)
    }

    /// The agencies of a province on a day, by code. The list is not complete.
    pub fn agencies_of(&self, province: &str, day: Date) -> Vec<&Code<Agency>> {
        let in_force = self.agencies.iter().filter(|code| code.in_force(day));
        in_force
            .filter(|code| code.detail.province.as_deref() == Some(province))
            .collect()
    }

    /// The agency that this code names, or the nearest one above it: `H29.1` is below `H29`.
    pub fn agency_or_above(&self, code: &str, day: Date) -> Option<&Code<Agency>> {
        let mut code = code;
        loop {
            if let Some(found) = self.agency(code, day) {
                return Some(found);
            }
            (code, _) = code.rsplit_once('.')?;
        }
    }

    /// Whether a text has the form of an agency code (Decision 20/2020/QD-TTg): groups of A-Z and 0-9 separated by full stops, at
    /// most 35 characters.
    pub fn has_agency_form(code: &str) -> bool {
        is_agency_code(code)
    }

    /// A pay point on a day, if the package registers pay points.
    pub fn pay_point(&self, code: &str, day: Date) -> Option<&Code<PayPoint>> {
        self.pay_points.on(code, day)
    }

    fn plain(&self, list: CodeList) -> &List<()> {
        // `plain` has one list for each of `CodeList::ALL`, in the order of declaration.
        &self.plain[list as usize]
    }

    /// What one list says of another: nothing may point nowhere.
    fn check_across(&self, errors: &mut Vec<DataError>) {
        for list in CodeList::ALL {
            for code in self.plain(list).iter().filter(|code| !list.has_form(&code.code)) {
                errors.push(wrong(
                    list.file(),
                    code,
                    "code",
                    &code.code,
                    "has not the form of a code of this list",
                ));
            }
        }
        let is_commune = |code: &str, day| self.communes.on(code, day).is_some();
        for code in self.communes.iter() {
            let province = &code.detail.province;
            if !self.is_province(province, code.valid_from) {
                errors.push(wrong(
                    self.communes.file(),
                    code,
                    "province",
                    province,
                    NO_PROVINCE,
                ));
            }
        }
        for code in self.province_successors.iter() {
            let successor = &code.detail.0.successor;
            if !self.is_province(successor, code.valid_from) {
                errors.push(wrong(
                    self.province_successors.file(),
                    code,
                    "successor",
                    successor,
                    NO_PROVINCE,
                ));
            }
        }
        for code in self.commune_successors.iter() {
            let successor = &code.detail.successor;
            if !is_commune(successor, code.valid_from) {
                errors.push(wrong(
                    self.commune_successors.file(),
                    code,
                    "successor",
                    successor,
                    NO_COMMUNE,
                ));
            }
        }
        for code in self.sub_programmes.iter() {
            let programme = &code.detail.programme;
            if !self.is_programme(programme, code.valid_from) {
                errors.push(wrong(
                    self.sub_programmes.file(),
                    code,
                    "programme",
                    programme,
                    NO_PROGRAMME,
                ));
            }
        }
        for code in self.standards.iter() {
            if !self.is_programme(&code.code, code.valid_from) {
                errors.push(wrong(
                    self.standards.file(),
                    code,
                    "code",
                    &code.code,
                    NO_PROGRAMME,
                ));
            }
            self.check_province(
                self.standards.file(),
                code,
                code.detail.province.as_deref(),
                errors,
            );
        }
        for code in self.rules.iter() {
            if let Some(programme) = &code.detail.programme
                && !self.is_programme(programme, code.valid_from)
            {
                errors.push(wrong(
                    self.rules.file(),
                    code,
                    "programme",
                    programme,
                    NO_PROGRAMME,
                ));
            }
            self.check_province(self.rules.file(), code, code.detail.province.as_deref(), errors);
        }
        for code in self.agencies.iter() {
            self.check_province(
                self.agencies.file(),
                code,
                code.detail.province.as_deref(),
                errors,
            );
        }
        for code in self.pay_points.iter() {
            let commune = &code.detail.commune;
            if !is_commune(commune, code.valid_from) {
                errors.push(wrong(
                    self.pay_points.file(),
                    code,
                    "commune",
                    commune,
                    NO_COMMUNE,
                ));
            }
        }
    }

    fn check_province<D>(
        &self,
        file: &str,
        code: &Code<D>,
        province: Option<&str>,
        errors: &mut Vec<DataError>,
    ) {
        let unknown = province.filter(|province| !self.is_province(province, code.valid_from));
        errors.extend(unknown.map(|province| wrong(file, code, "province", province, NO_PROVINCE)));
    }
}

const NO_PROVINCE: &str = "is no province in force on the first day of this line";
const NO_COMMUNE: &str = "is no commune in force on the first day of this line";
const NO_PROGRAMME: &str = "is no programme in force on the first day of this line";

fn wrong<D>(file: &str, code: &Code<D>, column: &str, value: &str, rule: &str) -> DataError {
    DataError {
        file: file.to_owned(),
        line: code.line,
        column: column.to_owned(),
        value: value.to_owned(),
        rule: rule.to_owned(),
    }
}

/// A package while its lists are read.
struct Reading<'a> {
    package: &'a Verified,
    errors: Vec<DataError>,
    taken: Vec<&'static str>,
}

impl Reading<'_> {
    fn list<D: Detail>(&mut self, file: &'static str) -> Result<List<D>, PackageError> {
        let bytes = self.package.file(file);
        let bytes = bytes.ok_or_else(|| PackageError::Unsuitable(format!("{file} is not in the package")))?;
        self.taken.push(file);
        Ok(List::read(file, bytes, &mut self.errors))
    }

    /// A list that this program does not read would be in force on paper only.
    fn all_taken(&self) -> Result<(), PackageError> {
        let files = &self.package.manifest().files;
        match files
            .iter()
            .find(|file| !self.taken.contains(&file.name.as_str()))
        {
            Some(file) => Err(PackageError::Unsuitable(format!("{} is unknown", file.name))),
            None => Ok(()),
        }
    }
}

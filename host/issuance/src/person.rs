//! Data groups (SPEC 5) from a person's record.

use std::collections::BTreeMap;

use card_spec::crypto::{Digest, sha256};
use card_spec::cso::GroupDigests;
use card_spec::groups::{
    Holder, Issuance, LinkedNumbers, MAXIMUM_LENGTH, ProgrammeEntry, ProgrammeStatus, Programmes,
    Representative, Representatives, Salt, Sex,
};
use card_spec::tlv::{Error, Field, Reader, Writer};
use card_spec::values::{Ascii, BirthDate, Date, Digits, Period, Programme, Text};

use crate::{Failure, Terms};

/// What the ledger knows of a person that belongs on a card. Holds personal data: no `Debug`.
///
/// Texts are NFC; dates are `yyyymmdd`, in a birth date `00` for an unknown month or day; months are `yyyymm`.
pub struct PersonRecord {
    /// Full name.
    pub full_name: String,
    /// Birth date.
    pub birth_date: String,
    /// 1 male, 2 female, 3 undetermined.
    pub sex: u8,
    /// Personal identification number, 12 digits. It is the social security number too (Law on Social Insurance 2024).
    pub personal_id: String,
    /// Province, 2 digits.
    pub province: String,
    /// Commune, 5 digits.
    pub commune: String,
    /// The usual pay point.
    pub pay_point: Option<String>,
    /// Social insurance number.
    pub social_insurance_number: Option<String>,
    /// Health insurance card code.
    pub health_insurance_code: Option<String>,
    /// All decisions.
    pub entitlements: Vec<EntitlementRecord>,
    /// Who may draw for the person.
    pub representatives: Vec<RepresentativeRecord>,
}

/// One decision. The detailed code is not here: it never goes on a card (Decree 20/2021, Art. 8.1.b).
pub struct EntitlementRecord {
    /// Programme, 4 characters.
    pub programme: String,
    /// First month.
    pub month_from: String,
    /// Last month.
    pub month_to: Option<String>,
    /// Whether it is running.
    pub active: bool,
}

/// Somebody who may draw for the person.
pub struct RepresentativeRecord {
    /// Full name.
    pub full_name: String,
    /// Personal identification number.
    pub personal_id: String,
    /// Relation, 2 digits.
    pub relation: String,
    /// Number of the authorization document.
    pub document: Option<String>,
    /// Last day of the authorization.
    pub valid_to: String,
}

/// Tags of the groups in the order of STORE DATA (SPEC 6.6): no portrait, for no record has one.
const TAGS: [u16; 5] = [0xFF31, 0xFF33, 0xFF34, 0xFF35, 0xFF36];

/// The five groups, each a data object. Holds personal data: no `Debug`.
pub struct DataGroups {
    encoding: Vec<u8>,
    /// In the order of [`TAGS`].
    digests: [Digest; 5],
}

impl DataGroups {
    /// Builds the groups. Sudden relief is always among the programmes: nobody knows beforehand who will need it.
    ///
    /// # Errors
    /// [`Failure::PersonRecord`] names the field that does not fit a card, never its content.
    pub fn build(person: &PersonRecord, terms: &Terms, salts: &[Salt; 5]) -> Result<Self, Failure> {
        let [
            holder_salt,
            programmes_salt,
            linked_salt,
            representatives_salt,
            issuance_salt,
        ] = *salts;
        let mut objects = Vec::new();
        append(&mut objects, 0, &holder(person, holder_salt)?)?;
        append(
            &mut objects,
            1,
            &programmes(person, terms.today, programmes_salt)?,
        )?;
        append(&mut objects, 2, &linked_numbers(person, linked_salt)?)?;
        append(
            &mut objects,
            3,
            &representatives(person, terms.today, representatives_salt)?,
        )?;
        let issuance = Issuance {
            salt: issuance_salt,
            agency: ascii(&terms.agency, "agency")?,
            issued: terms.today,
            home_pay_point: optional(person.pay_point.as_deref(), "pay point")?,
        };
        append(&mut objects, 4, &issuance)?;
        Self::parse(&objects)
    }

    /// Takes groups that were built before, as the journal kept them.
    ///
    /// # Errors
    /// [`Failure::LedgerCso`] if they are not five groups in order, [`Failure::TooMuchData`] if a card takes one of them
    /// not for its length (SPEC 15).
    pub fn parse(encoding: &[u8]) -> Result<Self, Failure> {
        let mut reader = Reader::new(encoding);
        let mut digests = [[0; 32]; 5];
        for (digest, tag) in digests.iter_mut().zip(TAGS) {
            let group = reader.expect(tag).map_err(|_| Failure::LedgerCso)?.encoding();
            if group.len() > MAXIMUM_LENGTH {
                return Err(Failure::TooMuchData);
            }
            *digest = sha256(&[group]);
        }
        reader.finish().map_err(|_| Failure::LedgerCso)?;
        Ok(Self {
            encoding: encoding.to_vec(),
            digests,
        })
    }

    /// The groups' data objects, one after the other.
    pub fn encoding(&self) -> &[u8] {
        &self.encoding
    }

    /// What the CSO says of them and of the trust anchor (`FF38`) that is loaded with them.
    pub fn digests(&self, trust_anchor: &[u8]) -> GroupDigests {
        let [holder, programmes, linked_numbers, representatives, issuance] = self.digests;
        GroupDigests {
            trust_anchor: sha256(&[trust_anchor]),
            holder,
            portrait: None,
            programmes,
            linked_numbers,
            representatives,
            issuance,
        }
    }
}

/// Appends the group with the tag of this place.
fn append<'a>(objects: &mut Vec<u8>, place: usize, group: &impl Field<'a>) -> Result<(), Failure> {
    let tag = *TAGS.get(place).ok_or(Failure::Program("no such group"))?;
    let mut buffer = [0; 1024];
    let mut writer = Writer::new(&mut buffer);
    group
        .write(&mut writer, tag)
        .map_err(|_: Error| Failure::TooMuchData)?;
    objects.extend_from_slice(writer.finish());
    Ok(())
}

fn holder(person: &PersonRecord, salt: Salt) -> Result<Holder<'_>, Failure> {
    Ok(Holder {
        salt,
        name: text(&person.full_name, "full name")?,
        birth_date: birth_date(&person.birth_date).ok_or(Failure::PersonRecord("birth date"))?,
        sex: b'0'
            .checked_add(person.sex)
            .and_then(Sex::from_byte)
            .ok_or(Failure::PersonRecord("sex"))?,
        personal_id: ascii(&person.personal_id, "personal ID")?,
        social_security_number: ascii(&person.personal_id, "social security number")?,
        province: digits(&person.province, "province")?,
        commune: digits(&person.commune, "commune")?,
    })
}

/// One entry for each programme, whatever number of decisions it rests on: from the first month to the last, running if
/// one of them is.
fn programmes(person: &PersonRecord, today: Date, salt: Salt) -> Result<Programmes, Failure> {
    let mut entries = BTreeMap::from([(
        Programme::SUDDEN_RELIEF,
        entry(Programme::SUDDEN_RELIEF, today.period()),
    )]);
    for entitlement in &person.entitlements {
        let invalid = Failure::PersonRecord("programme");
        let programme = entitlement
            .programme
            .as_bytes()
            .try_into()
            .ok()
            .and_then(Programme::from_bytes);
        let programme = programme.ok_or(invalid)?;
        let from = month(&entitlement.month_from)?;
        let to = entitlement.month_to.as_deref().map(month).transpose()?;
        let status = if entitlement.active {
            ProgrammeStatus::Active
        } else {
            ProgrammeStatus::Ended
        };
        let found = ProgrammeEntry {
            programme,
            from,
            to,
            status,
        };
        entries
            .entry(programme)
            .and_modify(|known| *known = joined(known, &found))
            .or_insert(found);
    }
    let entries = entries.into_values().collect::<Vec<_>>();
    let entries =
        heapless::Vec::from_slice(&entries).map_err(|_| Failure::PersonRecord("number of programmes"))?;
    Ok(Programmes { salt, entries })
}

fn entry(programme: Programme, from: Period) -> ProgrammeEntry {
    ProgrammeEntry {
        programme,
        from,
        to: None,
        status: ProgrammeStatus::Active,
    }
}

fn joined(one: &ProgrammeEntry, other: &ProgrammeEntry) -> ProgrammeEntry {
    let running = [one.status, other.status].contains(&ProgrammeStatus::Active);
    ProgrammeEntry {
        programme: one.programme,
        from: one.from.min(other.from),
        to: one.to.zip(other.to).map(|(one, other)| one.max(other)),
        status: if running {
            ProgrammeStatus::Active
        } else {
            ProgrammeStatus::Ended
        },
    }
}

fn linked_numbers(person: &PersonRecord, salt: Salt) -> Result<LinkedNumbers<'_>, Failure> {
    Ok(LinkedNumbers {
        salt,
        social_insurance: optional(
            person.social_insurance_number.as_deref(),
            "social insurance number",
        )?,
        health_insurance: optional(person.health_insurance_code.as_deref(), "health insurance code")?,
        tax: None,
    })
}

/// The two whose authorization lasts longest, of those not yet expired.
fn representatives(person: &PersonRecord, today: Date, salt: Salt) -> Result<Representatives<'_>, Failure> {
    let mut entries = Vec::new();
    for record in &person.representatives {
        let expiry =
            date(&record.valid_to).ok_or(Failure::PersonRecord("end of a representative's authorization"))?;
        entries.push(Representative {
            name: text(&record.full_name, "a representative's name")?,
            personal_id: ascii(&record.personal_id, "a representative's personal ID")?,
            relation: digits(&record.relation, "a representative's relation")?,
            expiry,
            document: optional(record.document.as_deref(), "a representative's document")?,
        });
    }
    entries.retain(|entry| entry.expiry >= today);
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.expiry));
    Ok(Representatives {
        salt,
        entries: entries.into_iter().take(2).collect(),
    })
}

fn text<'a, const N: usize>(value: &'a str, field: &'static str) -> Result<Text<'a, N>, Failure> {
    Text::new(value).ok_or(Failure::PersonRecord(field))
}

fn ascii<'a, const N: usize>(value: &'a str, field: &'static str) -> Result<Ascii<'a, N>, Failure> {
    Ascii::new(value).ok_or(Failure::PersonRecord(field))
}

fn optional<'a, const N: usize>(
    value: Option<&'a str>,
    field: &'static str,
) -> Result<Option<Ascii<'a, N>>, Failure> {
    value
        .filter(|value| !value.is_empty())
        .map(|value| ascii(value, field))
        .transpose()
}

fn digits<const N: usize>(value: &str, field: &'static str) -> Result<Digits<N>, Failure> {
    let bytes = value.as_bytes().try_into().ok();
    bytes
        .and_then(Digits::from_bytes)
        .ok_or(Failure::PersonRecord(field))
}

/// `yyyymmdd` or `yyyymm` as numbers.
fn calendar(value: &str, length: usize) -> Option<(u16, u8, Option<u8>)> {
    if value.len() != length || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let day = value
        .get(6..)
        .filter(|day| !day.is_empty())
        .map(str::parse)
        .transpose()
        .ok()?;
    Some((value.get(..4)?.parse().ok()?, value.get(4..6)?.parse().ok()?, day))
}

fn birth_date(value: &str) -> Option<BirthDate> {
    let (year, month, day) = calendar(value, 8)?;
    BirthDate::new(year, month, day?)
}

fn date(value: &str) -> Option<Date> {
    let (year, month, day) = calendar(value, 8)?;
    Date::new(year, month, day?)
}

fn month(value: &str) -> Result<Period, Failure> {
    calendar(value, 6)
        .and_then(|(year, month, _)| Period::new(year, month))
        .ok_or(Failure::PersonRecord("month of an entitlement"))
}

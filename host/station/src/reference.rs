//! The reference data of a station: what is built in, or a newer package that its root or its issuer has signed; and the terms of
//! cards that they set.

use std::path::PathBuf;

use ansinh_issuance::Terms;
use ansinh_keys::Role;
use ansinh_reference::{Reference, Unit, public_key_from_pem};
use anyhow::{Context as _, Result, ensure};
use card_spec::crypto::PublicKey;
use card_spec::values::Amount;
use jiff::civil;

use crate::ceremony::authority::date;
use crate::home::{Home, Station};

impl Home {
    /// The folder of installed packages.
    pub fn reference_folder(&self) -> PathBuf {
        self.folder().join("reference")
    }

    /// The keys whose packages this station takes: its root's and its issuer's.
    ///
    /// # Errors
    /// If `root.pem` or `issuer.pem` is missing or no public key.
    pub fn reference_keys(&self) -> Result<Vec<PublicKey>> {
        let key = |role| {
            let path = self.public_key_file(role);
            let pem = std::fs::read_to_string(&path)
                .with_context(|| format!("{}: cannot be read; restore it from backup", path.display()))?;
            public_key_from_pem(&pem).with_context(|| path.display().to_string())
        };
        [Role::Root, Role::Issuer].into_iter().map(key).collect()
    }

    /// The reference data in force at this station.
    ///
    /// # Errors
    /// If the installed package is damaged: the station stops rather than go back to older amounts.
    pub fn reference_data(&self) -> Result<Reference> {
        let folder = self.reference_folder();
        Reference::load_or(&folder, &self.reference_keys()?).with_context(|| {
            format!(
                "{}: the reference data in force cannot be used. Install the signed package again after removing its folder there",
                folder.display()
            )
        })
    }
}

/// What the issuer allows on cards that are begun or updated on a day: the rules `card-validity` and `cap-…` of the reference data,
/// the province's own first, and [`Terms::standard`] where an older package has none.
///
/// # Errors
/// If the reference data contradict themselves: then no card is made on terms that nobody meant.
pub fn terms(station: &Station, reference: &Reference, day: civil::Date) -> Result<Terms> {
    let mut terms = Terms::standard(date(day)?, &station.agency);
    let rule = |code: &str, unit| -> Result<Option<u32>> {
        let Some(rule) = reference.rule(code, day, "", &station.province) else {
            return Ok(None);
        };
        ensure!(
            rule.detail.unit == unit,
            "reference data, rule {code}: not in the unit of such a rule. Have the package mended; no card is made"
        );
        Ok(Some(rule.detail.value))
    };
    if let Some(years) = rule("card-validity", Unit::Years)? {
        terms.years = years.try_into().context("reference data, rule card-validity")?;
    }
    let caps = &mut terms.caps;
    for (code, cap) in [
        ("cap-order", &mut caps.order),
        ("cap-month", &mut caps.month),
        ("cap-order-without-pin", &mut caps.order_without_pin),
    ] {
        if let Some(vnd) = rule(code, Unit::Vnd)? {
            *cap = Amount::new(vnd.into()).context("reference data: a cap is too high")?;
        }
    }
    ensure!(
        caps.order_without_pin.vnd() <= caps.order.vnd() && caps.order.vnd() <= caps.month.vnd(),
        "reference data: the caps of a card must not fall from cap-order-without-pin over cap-order to cap-month; no card is made"
    );
    Ok(terms)
}

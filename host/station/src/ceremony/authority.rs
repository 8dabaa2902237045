//! Certificates of root, issuers and terminal CA (SPEC 3.1 to 3.4).

use ansinh_keys::Role;
use anyhow::{Context as _, Result, anyhow, bail};
use card_spec::certificate::{
    Authorization, Certificate, CertificateKey, Certified, Flags, Reference, Role as HolderRole,
};
use card_spec::crypto::{PortableP256, PublicKey, Sign};
use card_spec::signed::{Signed, sign};
use card_spec::values::{Constant, Date};
use jiff::{ToSpan as _, civil};

/// Room for a certificate; the longest, a root's, has about 500 bytes.
const CERTIFICATE: usize = 1024;

/// Years of validity: an issuer outlives its last card, the root outlives everybody.
pub const fn years(role: Role) -> i64 {
    match role {
        Role::Root => 20,
        Role::Issuer => 15,
        Role::TerminalCa => 10,
    }
}

/// The role as certificates have it.
pub const fn holder_role(role: Role) -> HolderRole {
    match role {
        Role::Root => HolderRole::Root,
        Role::Issuer => HolderRole::Issuer,
        Role::TerminalCa => HolderRole::TerminalAuthority,
    }
}

/// The role whose names have this form (SPEC 3.2).
pub fn role_of(holder: &Reference) -> Option<Role> {
    let mnemonic = holder.mnemonic();
    match mnemonic {
        "ROOT" => Some(Role::Root),
        "TCA" => Some(Role::TerminalCa),
        _ => {
            let province = mnemonic.strip_prefix("ISS")?;
            let digits = province.len() == 2 && province.bytes().all(|byte| byte.is_ascii_digit());
            digits.then_some(Role::Issuer)
        }
    }
}

/// A day as the formats have it.
///
/// # Errors
/// Outside the years 2000 to 2099.
pub fn date(day: civil::Date) -> Result<Date> {
    Date::new(
        day.year().try_into()?,
        day.month().try_into()?,
        day.day().try_into()?,
    )
    .context("the computer's clock is outside the years 2000 to 2099")
}

/// Makes a root's certificate, signed with its own key, valid from today.
///
/// # Errors
/// If the name is not a root's, or if the key cannot sign.
pub fn root_certificate<S: Sign<Error: std::error::Error + Send + Sync + 'static>>(
    key: &S,
    holder: Reference,
    flags: Flags,
    today: civil::Date,
) -> Result<Vec<u8>> {
    let last = today.checked_add(years(Role::Root).years())?;
    let body = Certificate {
        profile: Constant,
        authority: holder,
        public_key: CertificateKey {
            key: key.public_key(),
            with_domain_parameters: true,
        },
        holder,
        authorization: Authorization {
            role: HolderRole::Root,
            flags,
        },
        effective: date(today)?,
        expiry: date(last)?,
    };
    let encoding = signed(&body, key)?;
    let parsed = Signed::<Certificate>::parse(&encoding).map_err(|error| anyhow!("certificate: {error}"))?;
    Certified::trust_root(&PortableP256, &parsed, &key.public_key())?;
    Ok(encoding)
}

/// A root that may certify: its key and its verified certificate.
pub struct RootAuthority<S> {
    signer: S,
    certified: Certified,
}

impl<S: Sign<Error: std::error::Error + Send + Sync + 'static>> RootAuthority<S> {
    /// Joins a root's key with its certificate; they must belong together.
    ///
    /// # Errors
    /// If the certificate is no root's or of another key.
    pub fn new(signer: S, certificate: &[u8]) -> Result<Self> {
        let parsed = Signed::<Certificate>::parse(certificate)
            .map_err(|error| anyhow!("the root's certificate: {error}"))?;
        let certified = Certified::trust_root(&PortableP256, &parsed, &signer.public_key())
            .context("the root's key and its certificate do not belong together")?;
        Ok(Self { signer, certified })
    }

    /// The root's verified certificate.
    pub fn certified(&self) -> &Certified {
        &self.certified
    }

    /// What a certificate of this holder would say: valid from today, no longer than the root.
    ///
    /// # Errors
    /// If the role is the root's, or if the root is not valid today.
    pub fn draft(
        &self,
        role: Role,
        holder: Reference,
        key: PublicKey,
        today: civil::Date,
    ) -> Result<Certificate> {
        if role == Role::Root {
            bail!("a root is not certified by another one: it hands on by a link certificate (SPEC 3.6)");
        }
        let effective = date(today)?;
        self.certified.valid_on(effective).context("the root")?;
        let last = date(today.checked_add(years(role).years())?)?;
        Ok(Certificate {
            profile: Constant,
            authority: self.certified.holder(),
            public_key: CertificateKey {
                key,
                with_domain_parameters: false,
            },
            holder,
            authorization: Authorization {
                role: holder_role(role),
                flags: self.certified.flags(),
            },
            effective,
            expiry: last.min(self.certified.expiry()),
        })
    }

    /// Signs a certificate and checks it as every card and terminal will.
    ///
    /// # Errors
    /// If the key cannot sign, or if the certificate would be refused by its readers.
    pub fn certify(&self, body: &Certificate) -> Result<Vec<u8>> {
        let encoding = signed(body, &self.signer)?;
        let parsed =
            Signed::<Certificate>::parse(&encoding).map_err(|error| anyhow!("certificate: {error}"))?;
        self.certified.certify(&PortableP256, &parsed)?;
        Ok(encoding)
    }
}

fn signed<S: Sign<Error: std::error::Error + Send + Sync + 'static>>(
    body: &Certificate,
    signer: &S,
) -> Result<Vec<u8>> {
    let mut buffer = [0; CERTIFICATE];
    match sign(body, signer, &mut buffer) {
        Ok(encoding) => Ok(encoding.to_vec()),
        Err(card_spec::signed::SignError::Key(error)) => Err(error.into()),
        Err(card_spec::signed::SignError::Encoding(error)) => {
            Err(anyhow!("a certificate cannot be encoded: {error}"))
        }
    }
}

//! Reference data: codes, rates and deadlines with the days on which they are in force.
//!
//! What can change by decree is data, never code. The data is a *package*: a folder with a manifest, CSV files and a signature
//! over the manifest, which names the SHA-256 of every file. One package is built into the program; a station can install a
//! newer one that its root or its issuer has signed. `DATA-SOURCES.md` says where the built-in data comes from and how a
//! ministry replaces it.
//!
//! The same digits name different places over time (80 was Long An and is Tây Ninh since 1 July 2025), so every question to
//! [`Reference`] takes the day.
//!
//! ```
//! use ansinh_reference::Reference;
//! use jiff::civil::date;
//!
//! let reference = Reference::load()?;
//! assert_eq!(reference.province("80", date(2025, 6, 30)).unwrap().name, "Long An");
//! assert_eq!(reference.province("80", date(2025, 7, 1)).unwrap().name, "Tây Ninh");
//! # Ok::<(), ansinh_reference::PackageError>(())
//! ```

mod built_in;
mod error;
mod install;
mod kinds;
mod list;
mod manifest;
mod package;
mod reference;
mod table;

pub use error::{DataError, PackageError};
pub use install::{Newer, Offer, offer};
pub use kinds::{
    Agency, Commune, Extent, PayPoint, Province, ProvinceKind, Rule, Standard, SubProgramme, Succession, Unit,
};
pub use list::Code;
pub use manifest::{Manifest, ManifestFile, Source, Status};
pub use package::{MANIFEST_FILE, Package, SIGNATURE_FILE, Verified, public_key_from_pem, sign};
pub use reference::{CodeList, CommuneLookup, Origin, Reference};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, offset};

/// Today in Vietnam (UTC+7, no daylight saving), whatever the computer's time zone.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::fixed(offset(7))).date()
}

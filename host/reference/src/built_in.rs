//! The package that ships with the program: the files under `data/`.

/// Its manifest.
pub(crate) const MANIFEST: &[u8] = include_bytes!("../data/manifest.json");

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../data/", $name)).as_slice())),*]
    };
}

/// Its files, by name.
pub(crate) const FILES: &[(&str, &[u8])] = files![
    "agencies.csv",
    "banks.csv",
    "block-reasons.csv",
    "commune-successors.csv",
    "communes.csv",
    "hi-groups.csv",
    "holder-checks.csv",
    "id-prefixes.csv",
    "line-types.csv",
    "pay-points.csv",
    "payment-methods.csv",
    "programmes.csv",
    "province-successors.csv",
    "provinces.csv",
    "recipients.csv",
    "refusal-reasons.csv",
    "relations.csv",
    "rules.csv",
    "standards.csv",
    "stop-reasons.csv",
    "sub-programmes.csv",
    "unpaid-reasons.csv",
];

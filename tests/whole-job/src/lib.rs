//! The whole job with every part real: cards issued through pcscd, paid at the firmware image in QEMU, audited from files.
//!
//! | module | stands for |
//! |---|---|
//! | [`programs`] | the programs under test |
//! | [`readers`] | the readers that the programs here find |
//! | [`station`] | an issuance station and its operator |
//! | [`issuing`] | the hands that put blank cards into readers |
//! | [`pay_point`] | a terminal, its clerk and the people who come |
//! | [`scene`] | a station, cards and a pay point before pay day |
//! | [`summary`] | what a minister would want to know |
//! | [`witnesses`] | tools that are not ours: openssl, cvc-print, sqlite3 |

pub mod issuing;
pub mod pay_point;
pub mod programs;
pub mod readers;
pub mod scene;
pub mod station;
pub mod summary;
pub mod witnesses;

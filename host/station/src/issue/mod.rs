//! `ansinh issue`: the personalization of [`ansinh_issuance`] between ledger, keys, PC/SC readers and operator.
//!
//! | module | job |
//! |---|---|
//! | [`ledger`] | does what the personalization asks of ledger and keys |
//! | [`desk`] | one card in one reader, from insertion to its end |
//! | [`pin`] | where the holder's PIN comes from: prompt or command |
//! | [`letter`] | or drawn, and printed as a letter to the holder |
//! | `command` | programs of the station's that handle a PIN |
//! | [`run`] | all readers at once, cards swapped by the operator |
//! | [`report`] | what the operator sees |

mod command;
pub mod desk;
pub mod ledger;
pub mod letter;
pub mod pin;
pub mod report;
pub mod run;

pub use desk::{Desk, Outcome};
pub use ledger::{IssuingKeys, Ledger};
pub use letter::{Addressee, LetterPin, Letterhead};
pub use pin::PinSource;
pub use report::Report;
pub use run::{Office, Plan, Summary, issue};

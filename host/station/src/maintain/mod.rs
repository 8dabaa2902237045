//! Issued cards in the reader: the maintenance of [`ansinh_issuance`] between ledger, keys, PC/SC reader and operator.
//!
//! | module | job |
//! |---|---|
//! | [`ledger`] | does what a maintenance asks of ledger and keys |
//! | [`desk`] | one card in one reader, from insertion to its end |
//! | [`run`] | the cards that come into the readers |
//! | [`report`] | what the operator sees |

pub mod desk;
pub mod ledger;
pub mod report;
pub mod run;

pub use desk::{Bench, Served};
pub use ledger::{Chosen, Ledger};
pub use run::{Office, Plan, Summary, due, tend};

//! The service of a station: every use case once, as a call, run over HTTP by a daemon or in the process of the command line.
//!
//! | module | job |
//! |---|---|
//! | [`call`] | what a call is; the check of who may make it |
//! | [`calls`] | all of them, and the table from which everything else follows |
//! | [`refusal`] | why a call was not done, in both languages |
//! | [`service`] | the opened station that calls work upon |
//! | [`issuing`], [`readers`] | what goes on in the background |
//! | [`events`], [`metrics`] | what is told of it, without personal data |
//! | [`http`], [`openapi`] | routes and document, made from the table |
//! | [`config`], [`daemon`] | settings, start and graceful stop |
//! | [`client`] | the same calls from outside |

pub mod call;
pub mod calls;
pub mod client;
pub mod config;
pub mod daemon;
pub mod events;
pub mod http;
pub mod issuing;
pub mod metrics;
pub mod openapi;
pub mod presence;
pub mod readers;
pub mod refusal;
pub mod service;

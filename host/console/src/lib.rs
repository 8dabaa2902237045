//! The service of a station.

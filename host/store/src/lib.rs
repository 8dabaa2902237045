//! The issuance and payment ledger in SQLite.

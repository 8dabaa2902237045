//! A copy of the ledger while others go on using it.

use std::path::Path;

use crate::{Store, StoreError};

impl Store {
    /// Writes a copy of the whole ledger, as of one moment, into a new file (SQLite's `VACUUM INTO`).
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is a file of that name; [`StoreError::Database`].
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let name = path.display().to_string();
        if path.exists() {
            return Err(StoreError::Exists { what: "file", name });
        }
        self.read(async |connection| {
            sqlx::query("VACUUM INTO $1")
                .bind(name)
                .execute(connection)
                .await?;
            Ok(())
        })
    }
}

//! Terminals: a name for ever bound to two keys, and how far its journal was acknowledged.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::issuer_log::{NewCertificate, insert_certificate};
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::store::{draw, is_duplicate, now, octets};
use crate::{Store, StoreError};

/// A registered terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Its name, `VNT` and 7 digits (SPEC.md 3.2).
    pub name: String,
    /// Key of its sessions with cards.
    pub agreement_key: [u8; 65],
    /// Key that signs its journal.
    pub journal_key: [u8; 65],
}

impl Store {
    /// Draws the next terminal name. A name is never given twice, because new keys mean a new name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn next_terminal_name(&self) -> Result<String, StoreError> {
        self.write(async |connection| {
            let number = draw(connection, "terminal").await?;
            if number > 9_999_999 {
                return Err(StoreError::OutOfRange("the next terminal number"));
            }
            Ok(format!("VNT{number:07}"))
        })
    }

    /// Registers a terminal with the keys it made and their certificates. The same once more changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name, a key or the reference of a certificate is taken.
    pub fn add_terminal(
        &self,
        actor: &Actor,
        terminal: &Terminal,
        certificates: &[NewCertificate<'_>],
    ) -> Result<(), StoreError> {
        self.write(async |connection| {
            if find(connection, &terminal.name).await?.as_ref() != Some(terminal) {
                insert_terminal(connection, terminal).await?;
                log(connection, actor, "terminal-registered", &terminal.name).await?;
            }
            for certificate in certificates {
                insert_certificate(connection, certificate).await?;
            }
            Ok(())
        })
    }

    /// Keeps further certificates of a terminal's keys.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an operator; [`StoreError::NotFound`] if there is no such terminal,
    /// [`StoreError::WrongState`] if it is lost, [`StoreError::Exists`] if the reference of a certificate is taken.
    pub fn renew_terminal(
        &self,
        actor: &Actor,
        name: &str,
        certificates: &[NewCertificate<'_>],
    ) -> Result<(), StoreError> {
        actor.demand(Role::Operator)?;
        self.write(async |connection| {
            demand_not_lost(connection, name).await?;
            for certificate in certificates {
                insert_certificate(connection, certificate).await?;
            }
            log(connection, actor, "terminal-renewed", name).await
        })
    }

    /// Declares a terminal lost or destroyed, for ever: it gets no list and no certificate any more, and other terminals may pay its
    /// lines to the same cards. Once more changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an approver or an administrator, because lines become due again;
    /// [`StoreError::NotFound`].
    pub fn declare_lost(&self, actor: &Actor, name: &str) -> Result<(), StoreError> {
        let is_administrator = actor.demand(Role::Administrator);
        is_administrator.or_else(|_| actor.demand(Role::Approver))?;
        self.write(async |connection| {
            demand(connection, name).await?;
            if is_lost(connection, name).await? {
                return Ok(());
            }
            sqlx::query("INSERT INTO lost_terminal (terminal, declared_at, declared_by) VALUES ($1, $2, $3)")
                .bind(name)
                .bind(now())
                .bind(actor.name())
                .execute(&mut *connection)
                .await?;
            log(connection, actor, "terminal-lost", name).await
        })
    }

    /// Whether a terminal was declared lost.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn is_terminal_lost(&self, name: &str) -> Result<bool, StoreError> {
        self.read(async |connection| is_lost(connection, name).await)
    }

    /// A terminal by name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn terminal(&self, name: &str) -> Result<Terminal, StoreError> {
        self.read(async |connection| demand(connection, name).await)
    }

    /// All terminals, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn terminals(&self) -> Result<Vec<Terminal>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM terminal ORDER BY name")
                .fetch_all(connection)
                .await?;
            rows.iter().map(terminal_from).collect()
        })
    }
}

/// The terminal, or [`StoreError::NotFound`].
pub(crate) async fn demand(connection: &mut AnyConnection, name: &str) -> Result<Terminal, StoreError> {
    let found = find(connection, name).await?;
    found.ok_or_else(|| StoreError::NotFound {
        what: "terminal",
        name: name.to_owned(),
    })
}

/// The terminal, which was not declared lost.
pub(crate) async fn demand_not_lost(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Terminal, StoreError> {
    let terminal = demand(connection, name).await?;
    if is_lost(connection, name).await? {
        return Err(StoreError::WrongState {
            what: "terminal",
            name: name.to_owned(),
            state: "declared lost".to_owned(),
            needed: "a terminal in use: synchronise it, then provision it anew",
        });
    }
    Ok(terminal)
}

async fn is_lost(connection: &mut AnyConnection, name: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM lost_terminal WHERE terminal = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

async fn insert_terminal(connection: &mut AnyConnection, terminal: &Terminal) -> Result<(), StoreError> {
    let exists = || StoreError::Exists {
        what: "terminal (or one with its keys)",
        name: terminal.name.clone(),
    };
    let sql =
        "INSERT INTO terminal (name, agreement_key, journal_key, registered_at) VALUES ($1, $2, $3, $4)";
    sqlx::query(sql)
        .bind(&terminal.name)
        .bind(terminal.agreement_key.to_vec())
        .bind(terminal.journal_key.to_vec())
        .bind(now())
        .execute(connection)
        .await
        .map_err(|error| {
            if is_duplicate(&error) {
                exists()
            } else {
                error.into()
            }
        })?;
    Ok(())
}

async fn find(connection: &mut AnyConnection, name: &str) -> Result<Option<Terminal>, StoreError> {
    let row = sqlx::query("SELECT * FROM terminal WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(terminal_from).transpose()
}

fn terminal_from(row: &AnyRow) -> Result<Terminal, StoreError> {
    Ok(Terminal {
        name: row.try_get("name")?,
        agreement_key: octets(row, "agreement_key")?,
        journal_key: octets(row, "journal_key")?,
    })
}

//! Where a ledger is: in a file of SQLite, or in a database of a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};

use sqlx::any::AnyConnectOptions;

use crate::StoreError;

/// Where a ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file of SQLite. One station needs nothing else.
    File(PathBuf),
    /// A database of PostgreSQL, which several stations can share.
    Server(DatabaseUrl),
}

/// The URL of a PostgreSQL database, such as `postgres://ansinh@db.example/ansinh?sslmode=verify-full` or, by a UNIX socket,
/// `postgres:///ansinh?host=/var/run/postgresql`. It holds no password: that comes from `PGPASSWORD`, or from the file that
/// `PGPASSFILE` names, or from `~/.pgpass`, as with PostgreSQL's own programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Checks a URL; nothing is connected yet.
    ///
    /// # Errors
    /// [`StoreError::DatabaseUrl`] if it is none of PostgreSQL, or holds a password.
    pub fn new(text: &str) -> Result<Self, StoreError> {
        let refused = |why| Err(StoreError::DatabaseUrl(why));
        let Ok(options) = text.parse::<AnyConnectOptions>() else {
            return refused("it is no URL");
        };
        let url = options.database_url;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return refused("it does not begin with postgres://");
        }
        if url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password") {
            return refused("it holds a password, which everybody who sees the settings would read");
        }
        Ok(Self(text.to_owned()))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Location {
    /// Where sqlx connects to; `mode` is SQLite's.
    pub(crate) fn connect_options(&self, mode: &str) -> Result<AnyConnectOptions, StoreError> {
        let url = match self {
            Self::File(path) => file_url(path, mode)?,
            Self::Server(url) => url.0.clone(),
        };
        Ok(url.parse()?)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Server(url) => formatter.write_str(&url.0),
        }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Self> for Location {
    fn from(location: &Self) -> Self {
        location.clone()
    }
}

/// A path in any characters, as a URL of SQLite. A relative one would stand where a URL has its host.
fn file_url(path: &Path, mode: &str) -> Result<String, StoreError> {
    let path = std::path::absolute(path).map_err(sqlx::Error::from)?;
    let path = path.display().to_string();
    let path = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Ok(format!("sqlite://{path}?mode={mode}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_postgresql_without_a_password_names_a_database() {
        for text in [
            "postgres://ansinh@db.example/ansinh?sslmode=verify-full",
            "postgresql:///ansinh?host=/var/run/postgresql&user=ansinh",
        ] {
            assert_eq!(DatabaseUrl::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        for text in [
            "postgres://ansinh:secret@db/ansinh",
            "postgres:///ansinh?host=/tmp&password=secret",
            "postgres://:secret@db/ansinh",
        ] {
            let refused = DatabaseUrl::new(text).unwrap_err();
            let told = format!("{refused} {refused:?}");
            assert!(told.contains("password") && !told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn what_is_no_url_of_postgresql_is_refused() {
        for text in [
            "",
            "ansinh",
            "/var/lib/ansinh",
            "mysql://db/ansinh",
            "sqlite:///tmp/x",
        ] {
            let refused = DatabaseUrl::new(text);
            assert!(matches!(refused, Err(StoreError::DatabaseUrl(_))), "{text}");
        }
    }
}

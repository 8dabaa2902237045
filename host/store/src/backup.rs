//! A copy of the ledger while others go on using it, and a ledger from a copy.
//!
//! A copy is one file of SQLite whichever engine the ledger is in: an auditor or an office without a server reads it, and by it a
//! ledger moves from one engine to the other. The schema is the same on both, so rows are copied as they are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};

use crate::engine::Engine;
use crate::operations::OperationsHead;
use crate::{Location, Store, StoreError};

impl Store {
    /// Writes a copy of the whole ledger, as of one moment, into a new file. A file of this name is complete, whatever happens
    /// meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is a file of that name; [`StoreError::File`], [`StoreError::Database`].
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        demand_free(path)?;
        let draft = Draft::beside(path)?;
        match self.engine {
            Engine::Sqlite => self.vacuum_into(&draft.path)?,
            Engine::Postgres => {
                let copy = Self::create(&draft.path)?;
                self.read(async |source| copy_rows_to(source, &copy).await)?;
            }
        }
        draft.keep_as(path)
    }

    /// Makes a ledger from a copy, at a place where there is none.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::NoStore`] if there is no copy; [`StoreError::File`], [`StoreError::Database`].
    pub fn restore(copy: &Path, location: impl Into<Location>) -> Result<Self, StoreError> {
        let location = location.into();
        if !copy.is_file() {
            return Err(StoreError::NoStore {
                path: copy.display().to_string(),
            });
        }
        match &location {
            Location::File(path) => {
                demand_free(path)?;
                let draft = Draft::beside(path)?;
                fs::copy(copy, &draft.path).map_err(|error| StoreError::file(&draft.path, &error))?;
                draft.keep_as(path)?;
                Self::open(&location)
            }
            Location::Server(_) => {
                // Opened, a copy of an older version would be changed.
                let draft = Draft::beside(copy)?;
                fs::copy(copy, &draft.path).map_err(|error| StoreError::file(&draft.path, &error))?;
                let source = Self::open(&draft.path)?;
                let restored = Self::create(&location)?;
                source.read(async |source| copy_rows_to(source, &restored).await)?;
                // Its connection belongs to the runtime of the source, which ends here.
                drop(restored);
                Self::open(&location)
            }
        }
    }

    /// Looks for damage: the file's own structure and references (SQLite; PostgreSQL has `pg_amcheck` for that), and the chain
    /// of the operations log, whose head it gives.
    ///
    /// # Errors
    /// [`StoreError::Malformed`], [`StoreError::BrokenLog`].
    pub fn check(&self) -> Result<OperationsHead, StoreError> {
        if self.engine == Engine::Sqlite {
            self.read(check_file)?;
        }
        self.verify_operations()
    }

    fn vacuum_into(&self, path: &Path) -> Result<(), StoreError> {
        self.read(async |connection| {
            sqlx::query("VACUUM INTO $1")
                .bind(path.display().to_string())
                .execute(connection)
                .await?;
            Ok(())
        })
    }
}

/// Copies every row, as of one moment of the source. One of the two is SQLite, which knows tables and columns in an order in which
/// references are met.
async fn copy_rows_to(source: &mut AnyConnection, target: &Store) -> Result<(), StoreError> {
    let begin = if target.engine == Engine::Sqlite {
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    } else {
        "BEGIN"
    };
    let mut source = source.begin_with(begin).await?;
    let mut connection = target.connections.acquire().await?;
    let mut connection = connection.begin_with(target.engine.begin_write()).await?;
    let tables = if target.engine == Engine::Sqlite {
        tables(&mut connection).await?
    } else {
        tables(&mut source).await?
    };
    for table in &tables {
        table.copy(&mut source, &mut connection).await?;
    }
    let committed = connection.commit().await;
    committed.map_err(|error| StoreError::PerhapsDone(error.into()))?;
    Ok(())
}

struct Table {
    name: String,
    /// Name and type, `BIGINT`, `TEXT` or `BYTEA`.
    columns: Vec<(String, String)>,
}

async fn tables(sqlite: &mut AnyConnection) -> Result<Vec<Table>, StoreError> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
               AND name NOT LIKE '!_sqlx%' ESCAPE '!' ORDER BY rowid";
    let mut tables = Vec::new();
    for row in sqlx::query(sql).fetch_all(&mut *sqlite).await? {
        let name: String = row.try_get("name")?;
        let rows = sqlx::query("SELECT name, type FROM pragma_table_info($1) ORDER BY cid")
            .bind(&name)
            .fetch_all(&mut *sqlite)
            .await?;
        let column = |row: &AnyRow| Ok((row.try_get("name")?, row.try_get("type")?));
        let columns = rows.iter().map(column).collect::<Result<_, sqlx::Error>>()?;
        tables.push(Table { name, columns });
    }
    Ok(tables)
}

impl Table {
    async fn copy(&self, source: &mut AnyConnection, target: &mut AnyConnection) -> Result<(), StoreError> {
        let names: Vec<_> = self
            .columns
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let places: Vec<_> = (1..=names.len()).map(|place| format!("${place}")).collect();
        let (table, names, places) = (&self.name, names.join(", "), places.join(", "));
        let select = AssertSqlSafe(format!("SELECT {names} FROM \"{table}\""));
        let insert = format!("INSERT INTO \"{table}\" ({names}) VALUES ({places})");
        let mut rows = sqlx::query(select).fetch(source);
        while let Some(row) = rows.try_next().await? {
            let mut query = sqlx::query(AssertSqlSafe(insert.clone()));
            for (place, (_, kind)) in self.columns.iter().enumerate() {
                query = match kind.as_str() {
                    "BIGINT" => query.bind(row.try_get::<Option<i64>, _>(place)?),
                    "TEXT" => query.bind(row.try_get::<Option<String>, _>(place)?),
                    "BYTEA" => query.bind(row.try_get::<Option<Vec<u8>>, _>(place)?),
                    _ => return Err(StoreError::Malformed("schema")),
                };
            }
            query.execute(&mut *target).await?;
        }
        Ok(())
    }
}

async fn check_file(connection: &mut AnyConnection) -> Result<(), StoreError> {
    let found = sqlx::query("PRAGMA integrity_check")
        .fetch_all(&mut *connection)
        .await?;
    let is_ok = |row: &AnyRow| row.try_get::<String, _>(0).is_ok_and(|text| text == "ok");
    if found.len() != 1 || !found.iter().all(is_ok) {
        return Err(StoreError::Malformed("page"));
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check")
        .fetch_optional(connection)
        .await?;
    dangling.map_or(Ok(()), |_| Err(StoreError::Malformed("reference")))
}

fn demand_free(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Err(StoreError::Exists {
            what: "file",
            name: path.display().to_string(),
        });
    }
    Ok(())
}

/// A file that is not complete yet, under a name of its own in the same folder. What is not kept is removed.
struct Draft {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Draft {
    fn beside(path: &Path) -> Result<Self, StoreError> {
        let folder = folder_of(path);
        let draft = tempfile::Builder::new()
            .prefix(".ansinh-copy-")
            .tempdir_in(folder);
        let draft = draft.map_err(|error| StoreError::file(folder, &error))?;
        Ok(Self {
            path: draft.path().join("store.sqlite"),
            folder: draft,
        })
    }

    /// Gives it its name once it is on disk: SQLite does not wait for that (sqlite.org/lang_vacuum.html, "VACUUM INTO").
    fn keep_as(self, path: &Path) -> Result<(), StoreError> {
        let kept = File::open(&self.path)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::hard_link(&self.path, path))
            .and_then(|()| File::open(folder_of(path))?.sync_all());
        drop(self.folder);
        kept.map_err(|error| StoreError::file(path, &error))
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

//! Named operators: who they are, what they may do, and the token by which each proves it.
//!
//! There are no shared logins: what an operation's line says is only worth something if one person stands behind each name.
//! A token is 32 random octets, shown once and kept as its SHA-256 only; it cannot be guessed, so it needs no slow hash.

use std::fmt;
use std::str::FromStr;

use card_spec::crypto::sha256;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use zeroize::Zeroizing;

use crate::operations::log;
use crate::store::{is_duplicate, now, number};
use crate::{Store, StoreError};

/// What an operator may do. One person may have several roles; no role lets anybody approve what they drafted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// Imports lists, drafts batches, issues and hands over cards, serves terminals.
    Operator = 1,
    /// Approves what another one drafted.
    Approver = 2,
    /// Reads everything, changes nothing.
    Auditor = 4,
    /// Operators, deliveries, keys, reference data.
    Administrator = 8,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Operator, Self::Approver, Self::Auditor, Self::Administrator];

    /// The name of the role: `operator`, `approver`, `auditor`, `administrator`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }
}

impl FromStr for Role {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| StoreError::NotFound {
            what: "role",
            name: text.to_owned(),
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// Whether the role is among them.
    pub fn has(self, role: Role) -> bool {
        self.0 & role as u8 != 0
    }

    /// The roles one by one.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |set, role| set | role as u8))
    }
}

/// Somebody who has shown a valid token. There is no other way to make one: whoever holds an [`Actor`] knows who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    name: String,
    roles: Roles,
}

impl Actor {
    /// The operator's name, as the operations log has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the operator may do.
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// Refuses whoever lacks a role.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`].
    pub fn demand(&self, role: Role) -> Result<(), StoreError> {
        if self.roles.has(role) {
            return Ok(());
        }
        Err(StoreError::NotAllowed {
            operator: self.name.clone(),
            needed: role.name(),
        })
    }
}

/// The secret by which an operator is known: 64 hexadecimal digits. Cannot be printed by accident.
///
/// ```compile_fail
/// fn print(token: ansinh_store::operators::Token) { println!("{token:?}"); }
/// ```
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes a token as typed or read from a file; white space around it does not belong to it.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.trim().to_owned()))
    }

    /// The text, for the one time that it is shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn draw() -> Result<Self, StoreError> {
        let mut octets = Zeroizing::new([0; 32]);
        getrandom::fill(octets.as_mut_slice()).map_err(|_| StoreError::Random)?;
        Ok(Self(Zeroizing::new(hex::encode(octets.as_slice()))))
    }

    fn hash(&self) -> Vec<u8> {
        sha256(&[self.0.as_bytes()]).to_vec()
    }
}

/// An operator as the ledger lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name.
    pub name: String,
    /// What they may do.
    pub roles: Roles,
    /// Whether their token is accepted.
    pub active: bool,
    /// Since when, RFC 3339 in UTC.
    pub added_at: String,
}

/// Longest name of an operator (DOMAIN: operatorId, AN20).
const LONGEST_NAME: usize = 20;

impl Store {
    /// Makes the first operator of a new ledger, who may do everything that one person may.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is an operator already; [`StoreError::BadName`].
    pub fn add_first_operator(&self, name: &str) -> Result<Token, StoreError> {
        let token = Token::draw()?;
        self.write(async |connection| {
            let row = sqlx::query("SELECT count(*) AS total FROM operator")
                .fetch_one(&mut *connection)
                .await?;
            if number::<u64>(&row, "total")? != 0 {
                return Err(StoreError::Exists {
                    what: "the first operator,",
                    name: name.to_owned(),
                });
            }
            let actor = Actor {
                name: name.to_owned(),
                roles: Role::ALL.into_iter().collect(),
            };
            insert(connection, name, actor.roles, &token).await?;
            log(connection, &actor, "operator-added", name).await
        })?;
        Ok(token)
    }

    /// Adds an operator.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an administrator; [`StoreError::Exists`] for a name ever used before, because
    /// the operations log knows people by it; [`StoreError::BadName`].
    pub fn add_operator(&self, actor: &Actor, name: &str, roles: Roles) -> Result<Token, StoreError> {
        actor.demand(Role::Administrator)?;
        let token = Token::draw()?;
        self.write(async |connection| {
            insert(connection, name, roles, &token).await?;
            let roles = roles.iter().map(Role::name).collect::<Vec<_>>().join("+");
            log(connection, actor, "operator-added", &format!("{name} {roles}")).await
        })?;
        Ok(token)
    }

    /// Gives an operator a new token; the old one is worth nothing from here on. Takes a suspended operator back.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] unless it is an administrator or the operator; [`StoreError::NotFound`].
    pub fn renew_token(&self, actor: &Actor, name: &str) -> Result<Token, StoreError> {
        if actor.name != name {
            actor.demand(Role::Administrator)?;
        }
        let token = Token::draw()?;
        self.write(async |connection| {
            let sql = "UPDATE operator SET token_hash = $2, active = 1 WHERE name = $1";
            let query = sqlx::query(sql).bind(name).bind(token.hash());
            demand_one(query.execute(&mut *connection).await?.rows_affected(), name)?;
            log(connection, actor, "operator-token-renewed", name).await
        })?;
        Ok(token)
    }

    /// Refuses an operator's token from here on.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an administrator, or for the last one; [`StoreError::NotFound`].
    pub fn suspend_operator(&self, actor: &Actor, name: &str) -> Result<(), StoreError> {
        actor.demand(Role::Administrator)?;
        self.write(async |connection| {
            let query = sqlx::query("UPDATE operator SET active = 0 WHERE name = $1").bind(name);
            demand_one(query.execute(&mut *connection).await?.rows_affected(), name)?;
            let left = active_operators(connection).await?;
            if !left
                .iter()
                .any(|operator| operator.roles.has(Role::Administrator))
            {
                return Err(StoreError::WrongState {
                    what: "operator",
                    name: name.to_owned(),
                    state: "the last administrator".to_owned(),
                    needed: "another administrator",
                });
            }
            log(connection, actor, "operator-suspended", name).await
        })
    }

    /// Who this token belongs to.
    ///
    /// # Errors
    /// [`StoreError::UnknownToken`] for a token that nobody active has.
    pub fn authenticate(&self, token: &Token) -> Result<Actor, StoreError> {
        self.read(async |connection| {
            let row = sqlx::query("SELECT * FROM operator WHERE token_hash = $1 AND active = 1")
                .bind(token.hash())
                .fetch_optional(connection)
                .await?
                .ok_or(StoreError::UnknownToken)?;
            let operator = operator_from(&row)?;
            Ok(Actor {
                name: operator.name,
                roles: operator.roles,
            })
        })
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM operator ORDER BY name")
                .fetch_all(connection)
                .await?;
            rows.iter().map(operator_from).collect()
        })
    }
}

async fn active_operators(connection: &mut AnyConnection) -> Result<Vec<Operator>, StoreError> {
    let rows = sqlx::query("SELECT * FROM operator WHERE active = 1")
        .fetch_all(connection)
        .await?;
    rows.iter().map(operator_from).collect()
}

async fn insert(
    connection: &mut AnyConnection,
    name: &str,
    roles: Roles,
    token: &Token,
) -> Result<(), StoreError> {
    let fits = (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && name != SYSTEM;
    if !fits {
        return Err(StoreError::BadName(name.to_owned()));
    }
    sqlx::query(
        "INSERT INTO operator (name, roles, token_hash, active, added_at) VALUES ($1, $2, $3, 1, $4)",
    )
    .bind(name)
    .bind(i64::from(roles.0))
    .bind(token.hash())
    .bind(now())
    .execute(connection)
    .await
    .map_err(|error| {
        if is_duplicate(&error) {
            StoreError::Exists {
                what: "operator",
                name: name.to_owned(),
            }
        } else {
            error.into()
        }
    })?;
    Ok(())
}

/// The name under which the ledger itself writes what evidence made it do.
pub(crate) const SYSTEM: &str = "ansinh";

/// The ledger itself, for what follows from evidence and not from anybody's act.
pub(crate) fn system() -> Actor {
    Actor {
        name: SYSTEM.to_owned(),
        roles: Roles::default(),
    }
}

fn demand_one(rows: u64, name: &str) -> Result<(), StoreError> {
    if rows == 1 {
        return Ok(());
    }
    Err(StoreError::NotFound {
        what: "operator",
        name: name.to_owned(),
    })
}

fn operator_from(row: &AnyRow) -> Result<Operator, StoreError> {
    Ok(Operator {
        name: row.try_get("name")?,
        roles: Roles(number(row, "roles")?),
        active: row.try_get::<i64, _>("active")? == 1,
        added_at: row.try_get("added_at")?,
    })
}

//! Who may work at which terminal, and the signed lists that tell it so (DATA.md 11).

use std::path::Path;

use card_spec::operators::{MAXIMUM_OPERATOR_NUMBER, MAXIMUM_OPERATORS, PinVerifier, Proof, Roles};
use card_spec::values::CardNumber;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::cards::{CardState, card, wrong_state};
use crate::lists::next_number;
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::store::{is_duplicate, now, number, octets};
use crate::{Store, StoreError, terminals};

/// An operator of one terminal.
#[derive(Clone, PartialEq, Eq)]
pub struct TerminalOperator {
    /// What is typed where there are digits only, 1 to 9999.
    pub number: u16,
    /// The name that orders and journal entries state: 1 to 11 letters, digits, dots, hyphens, not digits alone:
    /// also a second operator's name fits an order (SPEC.md 9.2).
    pub name: String,
    /// What the operator may do there.
    pub roles: Roles,
    /// How the operator proves to be the one: what the PIN is compared with, or a card.
    pub proof: Proof,
}

/// A stored list of operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorList {
    /// Its number.
    pub number: u32,
    /// The signed object.
    pub object: Vec<u8>,
}

/// Longest name of a second operator (SPEC.md 9.2, `8C`): each may be one.
const LONGEST_NAME: usize = 11;

impl Store {
    /// Lets somebody work at a terminal from its next list on, or gives an operator another name, proof or roles.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an administrator; [`StoreError::NotFound`] without the terminal;
    /// [`StoreError::OutOfRange`] for the number or the name, or for one operator too many; [`StoreError::Exists`] if another one
    /// there has the name or the card; for a card that this ledger does not know, or that is not active, those of [`Store::card`]
    /// and [`StoreError::WrongState`].
    pub fn set_terminal_operator(
        &self,
        actor: &Actor,
        terminal: &str,
        operator: &TerminalOperator,
    ) -> Result<(), StoreError> {
        actor.demand(Role::Administrator)?;
        check(operator)?;
        self.write(async |connection| {
            terminals::demand(connection, terminal).await?;
            delete(connection, terminal, operator.number).await?;
            if let Proof::Card(number) = operator.proof {
                demand_own_card(connection, terminal, &number).await?;
            }
            insert(connection, terminal, operator).await?;
            if read(connection, terminal).await?.len() > MAXIMUM_OPERATORS {
                return Err(StoreError::OutOfRange(
                    "the number of operators of one terminal (eight at most)",
                ));
            }
            let subject = format!("{terminal} {} {}", operator.number, operator.name);
            log(connection, actor, "terminal-operator-set", &subject).await
        })
    }

    /// Lets an operator work at a terminal no more, from its next list on.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an administrator; [`StoreError::NotFound`]; [`StoreError::WrongState`] for the last
    /// one once a list was signed: none names nobody, so the terminal would go on with the one it has.
    pub fn remove_terminal_operator(
        &self,
        actor: &Actor,
        terminal: &str,
        number: u16,
    ) -> Result<(), StoreError> {
        actor.demand(Role::Administrator)?;
        self.write(async |connection| {
            if delete(connection, terminal, number).await? == 0 {
                return Err(StoreError::NotFound {
                    what: "terminal operator",
                    name: format!("{terminal} {number}"),
                });
            }
            let nobody_is_left = read(connection, terminal).await?.is_empty();
            if nobody_is_left && newest(connection, terminal).await?.is_some() {
                return Err(StoreError::WrongState {
                    what: "terminal operator",
                    name: format!("{terminal} {number}"),
                    state: "the last one there".to_owned(),
                    needed: "another one beside: set them first",
                });
            }
            let subject = format!("{terminal} {number}");
            log(connection, actor, "terminal-operator-removed", &subject).await
        })
    }

    /// Who may work at a terminal, by number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn terminal_operators(&self, terminal: &str) -> Result<Vec<TerminalOperator>, StoreError> {
        self.read(async |connection| read(connection, terminal).await)
    }

    /// The list for a terminal: the newest one if `is_current` says that it still tells of these operators, else the one that `make`
    /// signs under the next number.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] for anybody but an operator; whatever `make` answers; [`StoreError::NotFound`] without the terminal,
    /// [`StoreError::WrongState`] if it is lost; [`StoreError::Database`].
    pub fn operator_list<E: From<StoreError>>(
        &self,
        actor: &Actor,
        terminal: &str,
        is_current: impl FnOnce(&OperatorList, &[TerminalOperator]) -> bool,
        make: impl FnOnce(u32, &[TerminalOperator]) -> Result<Vec<u8>, E>,
    ) -> Result<OperatorList, E> {
        actor.demand(Role::Operator)?;
        self.write(async |connection| {
            terminals::demand_not_lost(connection, terminal).await?;
            let operators = read(connection, terminal).await?;
            if let Some(newest) = newest(connection, terminal).await?
                && is_current(&newest, &operators)
            {
                return Ok(newest);
            }
            let list_number = next_number(connection, "terminal-operator-list").await?;
            let object = make(list_number, &operators)?;
            let sql = "INSERT INTO terminal_operator_list (number, terminal, object, signed_at) VALUES ($1, $2, $3, $4)";
            sqlx::query(sql)
                .bind(i64::from(list_number))
                .bind(terminal)
                .bind(&object)
                .bind(now())
                .execute(&mut *connection)
                .await
                .map_err(StoreError::from)?;
            let subject = format!("{terminal} {list_number}");
            log(connection, actor, "terminal-operators-signed", &subject).await?;
            Ok(OperatorList {
                number: list_number,
                object,
            })
        })
    }

    /// Opens a copy that auditors are to have, and forgets in it what PINs can be searched with (DATA.md 11.3): salts, verifiers, and
    /// the lists that hold both. The file itself may still hold octets of them; one that [`Store::copy_to`] makes of it holds none.
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`StoreError::Database`].
    pub fn open_copy_without_pins(copy: &Path) -> Result<Self, StoreError> {
        let store = Self::open(copy)?;
        store.write(async |connection| {
            sqlx::query("UPDATE terminal_operator SET salt = $1, derived = $2 WHERE salt IS NOT NULL")
                .bind(vec![0; 16])
                .bind(vec![0; 32])
                .execute(&mut *connection)
                .await?;
            sqlx::query("UPDATE terminal_operator_list SET object = $1")
                .bind(Vec::new())
                .execute(connection)
                .await?;
            Ok::<_, StoreError>(())
        })?;
        Ok(store)
    }
}

fn check(operator: &TerminalOperator) -> Result<(), StoreError> {
    if !(1..=MAXIMUM_OPERATOR_NUMBER).contains(&operator.number) {
        return Err(StoreError::OutOfRange("the operator's number (1 to 9999)"));
    }
    let name = &operator.name;
    let fits = (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    // A number is typed for whoever has it.
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    if !fits || is_number {
        return Err(StoreError::OutOfRange(
            "the operator's name (1 to 11 letters, digits, dots, hyphens, not digits alone)",
        ));
    }
    Ok(())
}

/// A card in use that this ledger's issuer has signed, and that no other operator has there: with one card for two its holder would
/// vouch for herself.
async fn demand_own_card(
    connection: &mut AnyConnection,
    terminal: &str,
    number: &CardNumber,
) -> Result<(), StoreError> {
    let found = card(connection, number).await?;
    if found.state != CardState::Active {
        return Err(wrong_state(&found, "an active card"));
    }
    let others = read(connection, terminal).await?;
    if others
        .iter()
        .any(|other| matches!(other.proof, Proof::Card(card) if card == *number))
    {
        return Err(StoreError::Exists {
            what: "terminal operator with card",
            name: format!("{terminal} {number}"),
        });
    }
    Ok(())
}

async fn delete(connection: &mut AnyConnection, terminal: &str, number: u16) -> Result<u64, StoreError> {
    let sql = "DELETE FROM terminal_operator WHERE terminal = $1 AND number = $2";
    let query = sqlx::query(sql).bind(terminal).bind(i64::from(number));
    Ok(query.execute(connection).await?.rows_affected())
}

async fn insert(
    connection: &mut AnyConnection,
    terminal: &str,
    operator: &TerminalOperator,
) -> Result<(), StoreError> {
    let (pin, card) = match operator.proof {
        Proof::Pin(pin) => (Some(pin), None),
        Proof::Card(card) => (None, Some(card)),
    };
    let sql = "INSERT INTO terminal_operator (terminal, number, name, folded, roles, salt, derived, card)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(sql)
        .bind(terminal)
        .bind(i64::from(operator.number))
        .bind(&operator.name)
        .bind(operator.name.to_ascii_lowercase())
        .bind(i64::from(operator.roles.to_byte()))
        .bind(pin.map(|pin| pin.salt.to_vec()))
        .bind(pin.map(|pin| pin.derived.to_vec()))
        .bind(card.map(|card| card.to_string()))
        .execute(connection)
        .await
        .map_err(|error| {
            if is_duplicate(&error) {
                StoreError::Exists {
                    what: "terminal operator",
                    name: format!("{terminal} {}", operator.name),
                }
            } else {
                error.into()
            }
        })?;
    Ok(())
}

async fn read(connection: &mut AnyConnection, terminal: &str) -> Result<Vec<TerminalOperator>, StoreError> {
    let rows = sqlx::query("SELECT * FROM terminal_operator WHERE terminal = $1 ORDER BY number")
        .bind(terminal)
        .fetch_all(connection)
        .await?;
    rows.iter().map(operator_from).collect()
}

async fn newest(connection: &mut AnyConnection, terminal: &str) -> Result<Option<OperatorList>, StoreError> {
    let sql = "SELECT * FROM terminal_operator_list WHERE terminal = $1 ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(sql).bind(terminal).fetch_optional(connection).await?;
    row.map(|row| {
        Ok(OperatorList {
            number: number(&row, "number")?,
            object: row.try_get("object")?,
        })
    })
    .transpose()
}

fn operator_from(row: &AnyRow) -> Result<TerminalOperator, StoreError> {
    Ok(TerminalOperator {
        number: number(row, "number")?,
        name: row.try_get("name")?,
        roles: Roles::from_byte(number(row, "roles")?).ok_or(StoreError::Malformed("terminal operator"))?,
        proof: proof_from(row)?,
    })
}

fn proof_from(row: &AnyRow) -> Result<Proof, StoreError> {
    let card: Option<String> = row.try_get("card")?;
    let Some(card) = card else {
        return Ok(Proof::Pin(PinVerifier {
            salt: octets(row, "salt")?,
            derived: octets(row, "derived")?,
        }));
    };
    let number = card.parse();
    number
        .map(Proof::Card)
        .map_err(|_| StoreError::Malformed("card of a terminal operator"))
}

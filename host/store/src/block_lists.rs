//! Block lists (DATA.md 4), each signed within the transaction that stores it, in full or as what changed since the one before.

use card_spec::values::CardNumber;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::cards::blocked_cards;
use crate::issuer_log::{Issuer, Position, SignedObject, append};
use crate::lists::next_number;
use crate::operations::log;
use crate::operators::Actor;
use crate::store::{number, signed};
use crate::{Store, StoreError};

/// A stored block list, as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockList {
    /// Its number.
    pub number: u32,
    /// The signed header.
    pub header: Vec<u8>,
    /// Number of the list before it, if only what changed since was published.
    pub base: Option<u32>,
    /// Its entries, or the changes to its base, concatenated in order.
    pub content: Vec<u8>,
}

/// What the next block list is made from, all of one moment.
#[derive(Debug)]
pub struct BlockListDraft<'d> {
    /// Its number.
    pub number: u32,
    /// Its place in the issuer's sequence.
    pub position: Position,
    /// All blocked cards, ascending, with reason codes.
    pub blocked: &'d [(CardNumber, u8)],
    /// The newest list that was published in full and all after it; empty before the first.
    pub chain: &'d [BlockList],
}

/// A block list as its maker hands it to the store.
#[derive(Debug, Clone)]
pub struct NewBlockList {
    /// The signed header.
    pub header: SignedObject,
    /// Is the content only what changed since the newest list?
    pub is_delta: bool,
    /// Entries or changes.
    pub content: Vec<u8>,
}

impl Store {
    /// Lets `make` build and sign the next block list, and stores it.
    ///
    /// # Errors
    /// Whatever `make` answers; [`StoreError::Malformed`] for a delta without a list before it; [`StoreError::Database`].
    pub fn add_block_list<E: From<StoreError>>(
        &self,
        actor: &Actor,
        issuer: Issuer<'_>,
        make: impl FnOnce(BlockListDraft<'_>) -> Result<NewBlockList, E>,
    ) -> Result<BlockList, E> {
        self.write(async |connection| {
            let blocked = blocked_cards(connection).await?;
            let chain = chain(connection, u32::MAX).await?;
            let list_number = next_number(connection, "block-list").await?;
            let mut made = None;
            let (position, header) = append(connection, issuer, "block-list", |position| {
                let list = make(BlockListDraft {
                    number: list_number,
                    position,
                    blocked: &blocked,
                    chain: &chain,
                })?;
                let header = list.header.clone();
                made = Some(list);
                Ok::<_, E>(header)
            })
            .await?;
            let newest = chain.last().map(|list| list.number);
            let list = match made {
                Some(list) if !list.is_delta || newest.is_some() => BlockList {
                    number: list_number,
                    header: header.object,
                    base: newest.filter(|_| list.is_delta),
                    content: list.content,
                },
                _ => return Err(StoreError::Malformed("block list").into()),
            };
            insert(connection, issuer, position, &list).await?;
            log(connection, actor, "block-list-made", &list_number.to_string()).await?;
            Ok(list)
        })
    }

    /// All block lists as they were published, by number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn block_lists(&self) -> Result<Vec<BlockList>, StoreError> {
        self.read(async |connection| select(connection, 0, u32::MAX).await)
    }

    /// What makes up the newest block list whose number is `at_most`: the list in full that it goes back to, and what changed since,
    /// by number. Empty if there is none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn block_list_chain(&self, at_most: u32) -> Result<Vec<BlockList>, StoreError> {
        self.read(async |connection| chain(connection, at_most).await)
    }
}

/// Each delta's base is the list before it, so the last full list and all after it make up the newest.
async fn chain(connection: &mut AnyConnection, at_most: u32) -> Result<Vec<BlockList>, StoreError> {
    let sql = "SELECT coalesce(max(number), 0) AS number FROM block_list WHERE base IS NULL AND number <= $1";
    let row = sqlx::query(sql)
        .bind(i64::from(at_most))
        .fetch_one(&mut *connection)
        .await?;
    select(connection, number(&row, "number")?, at_most).await
}

async fn select(connection: &mut AnyConnection, first: u32, last: u32) -> Result<Vec<BlockList>, StoreError> {
    let sql = "SELECT block_list.number, block_list.base, block_list.cards, issuer_log.object FROM block_list JOIN issuer_log
               ON issuer_log.issuer = block_list.issuer AND issuer_log.sequence = block_list.sequence
               WHERE block_list.number BETWEEN $1 AND $2 ORDER BY block_list.number";
    let rows = sqlx::query(sql)
        .bind(i64::from(first))
        .bind(i64::from(last))
        .fetch_all(connection)
        .await?;
    rows.iter().map(block_list).collect()
}

fn block_list(row: &AnyRow) -> Result<BlockList, StoreError> {
    let base: Option<i64> = row.try_get("base")?;
    Ok(BlockList {
        number: number(row, "number")?,
        header: row.try_get("object")?,
        base: base.map(|_| number(row, "base")).transpose()?,
        content: row.try_get("cards")?,
    })
}

async fn insert(
    connection: &mut AnyConnection,
    issuer: Issuer<'_>,
    position: Position,
    list: &BlockList,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO block_list (number, issuer, sequence, base, cards) VALUES ($1, $2, $3, $4, $5)")
        .bind(i64::from(list.number))
        .bind(issuer.reference)
        .bind(signed(position.sequence, "the issuer's sequence number")?)
        .bind(list.base.map(i64::from))
        .bind(list.content.clone())
        .execute(connection)
        .await?;
    Ok(())
}

//! Every object an issuer's key signed, in the order of its sequence numbers, each naming the one before (SPEC.md 4.3).
//!
//! The signature is made inside the transaction that stores it: if the transaction does not commit, the signature never
//! leaves the process, and no sequence number is used twice or left out.

use sqlx::{AnyConnection, Row as _};

use crate::store::{now, number, octets, signed};
use crate::{Store, StoreError};

/// Whose sequence an object joins.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    /// Holder reference (CHR) of the issuer's certificate.
    pub reference: &'a str,
    /// SHA-256 of the issuer's certificate body, where the sequence starts.
    pub certificate_hash: [u8; 32],
}

/// The place in the sequence that the object to be signed must state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Sequence number, first 1 (tag `8A`).
    pub sequence: u64,
    /// Hash of the body before (tag `8B`).
    pub previous_hash: [u8; 32],
}

/// A signed object, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedObject {
    /// SHA-256 of the signed body.
    pub body_hash: [u8; 32],
    /// The whole object `FF20`.
    pub object: Vec<u8>,
}

/// A certificate to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewCertificate<'a> {
    /// Its holder reference (CHR).
    pub holder: &'a str,
    /// Reference of who signed it (CAR).
    pub authority: &'a str,
    /// The whole certificate `7F21`.
    pub object: &'a [u8],
}

/// An object as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place.
    pub position: Position,
    /// `cso`, `payment-list` or `block-list`.
    pub kind: String,
    /// The object.
    pub signed: SignedObject,
}

impl Store {
    /// The log of an issuer, in order.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Malformed`].
    pub fn issuer_log(&self, issuer: &str) -> Result<Vec<LogEntry>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT * FROM issuer_log WHERE issuer = $1 ORDER BY sequence")
                .bind(issuer)
                .fetch_all(connection)
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(LogEntry {
                        position: Position {
                            sequence: number(row, "sequence")?,
                            previous_hash: octets(row, "previous_hash")?,
                        },
                        kind: row.try_get("kind")?,
                        signed: SignedObject {
                            body_hash: octets(row, "body_hash")?,
                            object: row.try_get("object")?,
                        },
                    })
                })
                .collect()
        })
    }

    /// Stores a certificate under its holder reference. The same one twice changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if another certificate has this reference.
    pub fn add_certificate(&self, holder: &str, authority: &str, object: &[u8]) -> Result<(), StoreError> {
        let certificate = NewCertificate {
            holder,
            authority,
            object,
        };
        self.write(async |connection| insert_certificate(connection, &certificate).await)
    }

    /// A certificate by its holder reference.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn certificate(&self, holder: &str) -> Result<Vec<u8>, StoreError> {
        self.read(async |connection| {
            let row = sqlx::query("SELECT object FROM certificate WHERE holder = $1")
                .bind(holder)
                .fetch_optional(connection)
                .await?
                .ok_or_else(|| StoreError::NotFound {
                    what: "certificate",
                    name: holder.to_owned(),
                })?;
            Ok(row.try_get("object")?)
        })
    }

    /// The certificate with the highest number of a holder (its reference without the five digits of the number).
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub fn newest_certificate(&self, holder: &str) -> Result<Vec<u8>, StoreError> {
        self.read(async |connection| {
            let sql =
                "SELECT object FROM certificate WHERE holder BETWEEN $1 AND $2 ORDER BY holder DESC LIMIT 1";
            let row = sqlx::query(sql)
                .bind(format!("{holder}00000"))
                .bind(format!("{holder}99999"))
                .fetch_optional(connection)
                .await?
                .ok_or_else(|| StoreError::NotFound {
                    what: "certificate",
                    name: holder.to_owned(),
                })?;
            Ok(row.try_get("object")?)
        })
    }

    /// All certificates, by holder reference.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn certificates(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT holder, object FROM certificate ORDER BY holder")
                .fetch_all(connection)
                .await?;
            rows.iter()
                .map(|row| Ok((row.try_get("holder")?, row.try_get("object")?)))
                .collect()
        })
    }
}

pub(crate) async fn insert_certificate(
    connection: &mut AnyConnection,
    certificate: &NewCertificate<'_>,
) -> Result<(), StoreError> {
    let known = sqlx::query("SELECT object FROM certificate WHERE holder = $1")
        .bind(certificate.holder)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = known {
        let same = row.try_get::<Vec<u8>, _>("object")? == certificate.object;
        let exists = StoreError::Exists {
            what: "certificate",
            name: certificate.holder.to_owned(),
        };
        return if same { Ok(()) } else { Err(exists) };
    }
    sqlx::query("INSERT INTO certificate (holder, authority, object, stored_at) VALUES ($1, $2, $3, $4)")
        .bind(certificate.holder)
        .bind(certificate.authority)
        .bind(certificate.object)
        .bind(now())
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets `sign` make the next object of an issuer's sequence and stores it, within the transaction of the act it belongs to.
pub(crate) async fn append<E: From<StoreError>>(
    connection: &mut AnyConnection,
    issuer: Issuer<'_>,
    kind: &str,
    sign: impl FnOnce(Position) -> Result<SignedObject, E>,
) -> Result<(Position, SignedObject), E> {
    let position = next_position(connection, issuer).await?;
    let signed_object = sign(position)?;
    store(connection, issuer, kind, position, &signed_object).await?;
    Ok((position, signed_object))
}

async fn next_position(connection: &mut AnyConnection, issuer: Issuer<'_>) -> Result<Position, StoreError> {
    let sql = "SELECT sequence, body_hash FROM issuer_log WHERE issuer = $1 ORDER BY sequence DESC LIMIT 1";
    let Some(last) = sqlx::query(sql)
        .bind(issuer.reference)
        .fetch_optional(connection)
        .await?
    else {
        return Ok(Position {
            sequence: 1,
            previous_hash: issuer.certificate_hash,
        });
    };
    let sequence = number::<u64>(&last, "sequence")?
        .checked_add(1)
        .ok_or(StoreError::OutOfRange("the issuer's sequence number"))?;
    Ok(Position {
        sequence,
        previous_hash: octets(&last, "body_hash")?,
    })
}

async fn store(
    connection: &mut AnyConnection,
    issuer: Issuer<'_>,
    kind: &str,
    position: Position,
    signed_object: &SignedObject,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO issuer_log (issuer, sequence, kind, body_hash, previous_hash, object, signed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(issuer.reference)
    .bind(signed(position.sequence, "the issuer's sequence number")?)
    .bind(kind)
    .bind(signed_object.body_hash.to_vec())
    .bind(position.previous_hash.to_vec())
    .bind(signed_object.object.clone())
    .bind(now())
    .execute(connection)
    .await?;
    Ok(())
}

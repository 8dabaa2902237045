//! Deliveries of blank cards: their chips by serial, and the check values of their transport keys (the keys are in a sealed file).

use sqlx::Row as _;

use crate::operations::log;
use crate::operators::Actor;
use crate::store::{is_duplicate, now, number, octets};
use crate::{Store, StoreError};

/// A chip's serial, 10 bytes (SPEC.md 6.2).
pub type ChipSerial = [u8; 10];

/// One delivery of blank cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The vendor's name for it.
    pub name: String,
    /// Version of the transport keys on its chips.
    pub key_version: u8,
    /// Check values of the transport master keys, ENC ‖ MAC ‖ DEK.
    pub check_values: [u8; 9],
}

impl Store {
    /// Registers a delivery with all its chips. Call it after the transport keys were sealed: a delivery without its keys is
    /// of no use, keys without a delivery do no harm.
    ///
    /// # Errors
    /// [`StoreError::Exists`] for a known delivery or a chip that is registered already.
    pub fn add_delivery(
        &self,
        actor: &Actor,
        delivery: &Delivery,
        chips: &[ChipSerial],
    ) -> Result<(), StoreError> {
        self.write(async |connection| {
            sqlx::query("INSERT INTO delivery (name, key_version, check_values, registered_at) VALUES ($1, $2, $3, $4)")
                .bind(&delivery.name)
                .bind(i64::from(delivery.key_version))
                .bind(delivery.check_values.to_vec())
                .bind(now())
                .execute(&mut *connection)
                .await
                .map_err(|error| exists(error, "delivery", &delivery.name))?;
            for chip in chips {
                let serial = serial_text(chip);
                sqlx::query("INSERT INTO blank (chip_serial, delivery, state) VALUES ($1, $2, 'blank')")
                    .bind(&serial)
                    .bind(&delivery.name)
                    .execute(&mut *connection)
                    .await
                    .map_err(|error| exists(error, "chip", &serial))?;
            }
            let subject = format!("{} chips {}", delivery.name, chips.len());
            log(connection, actor, "delivery-registered", &subject).await
        })
    }

    /// The delivery that a chip came with, whatever has become of the chip.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a chip of no delivery: it must not be personalized.
    pub fn delivery_of(&self, chip: &ChipSerial) -> Result<Delivery, StoreError> {
        let sql = "SELECT delivery.name, delivery.key_version, delivery.check_values
                   FROM blank JOIN delivery ON delivery.name = blank.delivery WHERE blank.chip_serial = $1";
        let serial = serial_text(chip);
        self.read(async |connection| {
            let row = sqlx::query(sql)
                .bind(&serial)
                .fetch_optional(connection)
                .await?
                .ok_or_else(|| StoreError::NotFound {
                    what: "chip",
                    name: serial.clone(),
                })?;
            Ok(Delivery {
                name: row.try_get("name")?,
                key_version: number(&row, "key_version")?,
                check_values: octets(&row, "check_values")?,
            })
        })
    }

    /// The names of all deliveries.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn delivery_names(&self) -> Result<Vec<String>, StoreError> {
        self.read(async |connection| {
            let rows = sqlx::query("SELECT name FROM delivery ORDER BY name")
                .fetch_all(connection)
                .await?;
            rows.iter().map(|row| Ok(row.try_get("name")?)).collect()
        })
    }

    /// How many chips are still blank.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn blank_cards(&self) -> Result<u64, StoreError> {
        self.read(async |connection| {
            let row = sqlx::query("SELECT count(*) AS total FROM blank WHERE state = 'blank'")
                .fetch_one(connection)
                .await?;
            number(&row, "total")
        })
    }
}

/// A chip serial as the ledger writes it: 20 upper-case hexadecimal digits.
pub(crate) fn serial_text(serial: &ChipSerial) -> String {
    hex::encode_upper(serial)
}

fn exists(error: sqlx::Error, what: &'static str, name: &str) -> StoreError {
    if is_duplicate(&error) {
        StoreError::Exists {
            what,
            name: name.to_owned(),
        }
    } else {
        error.into()
    }
}

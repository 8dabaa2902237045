//! The stock of blank cards: every blank of every delivery is accounted for.

use sqlx::Row as _;

use crate::deliveries::{ChipSerial, serial_text};
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::store::{now, number};
use crate::{Store, StoreError};

/// Why a blank leaves the stock without becoming a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOff {
    /// Bent, scratched, does not answer.
    Spoilt,
    /// Went back to its vendor.
    Returned,
    /// Was in the delivery note, not in the box, or was lost since. If it turns up it must not be used.
    Missing,
}

impl WriteOff {
    /// The name in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spoilt => "spoilt",
            Self::Returned => "returned",
            Self::Missing => "missing",
        }
    }
}

/// Where the blanks of one delivery are. The parts add up to what was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// The delivery.
    pub delivery: String,
    /// Blanks received.
    pub received: u64,
    /// Still blank and usable.
    pub blank: u64,
    /// Bound to a person, card not finished.
    pub in_work: u64,
    /// Became cards, those blocked since included.
    pub issued: u64,
    /// Spoilt while a card was made of them.
    pub spoilt_in_issuance: u64,
    /// Written off while blank.
    pub written_off: u64,
}

impl Stock {
    /// Blanks that none of the counts explains: a store that was changed from outside. Never other than 0 otherwise.
    pub fn unaccounted(&self) -> i128 {
        let parts = [
            self.blank,
            self.in_work,
            self.issued,
            self.spoilt_in_issuance,
            self.written_off,
        ];
        i128::from(self.received) - parts.into_iter().map(i128::from).sum::<i128>()
    }
}

impl Store {
    /// Takes a blank out of the stock. Its chip is never personalized.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`]; [`StoreError::NotFound`] for a chip of no delivery; [`StoreError::WrongState`] for one that is no
    /// blank: an unfinished card is given up instead.
    pub fn write_off_blank(
        &self,
        actor: &Actor,
        chip: &ChipSerial,
        reason: WriteOff,
    ) -> Result<(), StoreError> {
        actor.demand(Role::Operator)?;
        let serial = serial_text(chip);
        self.write(async |connection| {
            crate::personalization::demand_blank(connection, &serial).await?;
            crate::personalization::set_blank_state(connection, &serial, "spoilt").await?;
            sqlx::query(
                "INSERT INTO blank_written_off (chip_serial, reason, operator, at) VALUES ($1, $2, $3, $4)",
            )
            .bind(&serial)
            .bind(reason.name())
            .bind(actor.name())
            .bind(now())
            .execute(&mut *connection)
            .await?;
            log(
                connection,
                actor,
                "blank-written-off",
                &format!("{serial} {}", reason.name()),
            )
            .await
        })
    }

    /// Where the blanks of each delivery are.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn stock(&self) -> Result<Vec<Stock>, StoreError> {
        const SQL: &str = "
            SELECT blank.delivery, count(*) AS received,
                count(CASE WHEN blank.state = 'blank' THEN 1 END) AS blank,
                count(CASE WHEN blank.state = 'assigned'
                    AND card.state IN ('planned', 'keys-replaced', 'keys-generated', 'cso-released') THEN 1 END) AS in_work,
                count(CASE WHEN blank.state = 'assigned' AND card.state IN ('active', 'blocked') THEN 1 END) AS issued,
                count(CASE WHEN blank.state = 'spoilt' AND card.number IS NOT NULL THEN 1 END) AS spoilt_in_issuance,
                count(CASE WHEN blank.state = 'spoilt' AND blank_written_off.reason IS NOT NULL THEN 1 END) AS written_off
            FROM blank LEFT JOIN card ON card.chip_serial = blank.chip_serial
            LEFT JOIN blank_written_off ON blank_written_off.chip_serial = blank.chip_serial
            GROUP BY blank.delivery ORDER BY blank.delivery";
        self.read(async |connection| {
            let rows = sqlx::query(SQL).fetch_all(connection).await?;
            rows.iter()
                .map(|row| {
                    Ok(Stock {
                        delivery: row.try_get("delivery")?,
                        received: number(row, "received")?,
                        blank: number(row, "blank")?,
                        in_work: number(row, "in_work")?,
                        issued: number(row, "issued")?,
                        spoilt_in_issuance: number(row, "spoilt_in_issuance")?,
                        written_off: number(row, "written_off")?,
                    })
                })
                .collect()
        })
    }
}

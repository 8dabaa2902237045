//! Where issued cards are: in the station's safe, on their way, with their holders. Issued is not handed over.

use card_spec::values::CardNumber;
use sqlx::{AnyConnection, Row as _};

use crate::cards::{CardState, card, card_number, wrong_state};
use crate::operations::log;
use crate::operators::{Actor, Role};
use crate::store::now;
use crate::{Store, StoreError};

/// What happened to an issued card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// It left the station for a pay point or the mail.
    Dispatched,
    /// Its holder has it.
    ToHolder,
    /// A representative of the holder has it.
    ToRepresentative,
    /// It came back: nobody to take it.
    Undelivered,
}

impl Handover {
    const NAMES: [(Self, &'static str); 4] = [
        (Self::Dispatched, "dispatched"),
        (Self::ToHolder, "handed-to-holder"),
        (Self::ToRepresentative, "handed-to-representative"),
        (Self::Undelivered, "undelivered"),
    ];

    /// The name in the ledger.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(event, _)| *event == self)
            .map_or("", |(_, name)| name)
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found
            .map(|(event, _)| *event)
            .ok_or(StoreError::Malformed("handover"))
    }

    /// Whether this can follow what was last recorded (`None`: the card lies at the station).
    fn may_follow(self, last: Option<Self>) -> bool {
        match self {
            Self::Dispatched => matches!(last, None | Some(Self::Undelivered)),
            Self::ToHolder | Self::ToRepresentative => {
                matches!(last, None | Some(Self::Dispatched | Self::Undelivered))
            }
            Self::Undelivered => last == Some(Self::Dispatched),
        }
    }
}

/// A card that is active and not with its holder or a representative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotHandedOver {
    /// The card.
    pub card: CardNumber,
    /// The last that happened to it; `None`: it never left the station.
    pub last: Option<Handover>,
    /// Where it was sent.
    pub place: Option<String>,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

impl Store {
    /// Records what happened to an issued card; `place` is where it was sent.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`]; [`StoreError::WrongState`] for a card that is not active, or if this cannot follow what was
    /// recorded last: a card is handed over once.
    pub fn record_handover(
        &self,
        actor: &Actor,
        number: &CardNumber,
        event: Handover,
        place: Option<&str>,
    ) -> Result<(), StoreError> {
        actor.demand(Role::Operator)?;
        self.write(async |connection| {
            let card = card(connection, number).await?;
            if card.state != CardState::Active {
                return Err(wrong_state(&card, "an active card"));
            }
            let last = last(connection, number).await?;
            if !event.may_follow(last) {
                return Err(StoreError::WrongState {
                    what: "card",
                    name: number.to_string(),
                    state: last.map_or("at the station", Handover::name).to_owned(),
                    needed: "one that was not handed over yet, and sent before it can come back",
                });
            }
            insert(connection, actor, number, event, place).await?;
            log(
                connection,
                actor,
                "card-handover",
                &format!("{number} {}", event.name()),
            )
            .await
        })
    }

    /// The active cards that nobody has been given yet, by number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn not_handed_over(&self) -> Result<Vec<NotHandedOver>, StoreError> {
        let sql = "
            SELECT card.number, card.planned_at, handover.event, handover.place, handover.at
            FROM card LEFT JOIN handover ON handover.card = card.number AND handover.position =
                (SELECT max(newest.position) FROM handover AS newest WHERE newest.card = card.number)
            WHERE card.state = 'active'
            AND (handover.event IS NULL OR handover.event NOT IN ('handed-to-holder', 'handed-to-representative'))
            ORDER BY card.number";
        self.read(async |connection| {
            let rows = sqlx::query(sql).fetch_all(connection).await?;
            rows.iter()
                .map(|row| {
                    let event: Option<String> = row.try_get("event")?;
                    let at: Option<String> = row.try_get("at")?;
                    Ok(NotHandedOver {
                        card: card_number(row, "number")?,
                        last: event.as_deref().map(Handover::parse).transpose()?,
                        place: row.try_get("place")?,
                        since: match at {
                            Some(at) => at,
                            None => row.try_get("planned_at")?,
                        },
                    })
                })
                .collect()
        })
    }
}

async fn last(connection: &mut AnyConnection, number: &CardNumber) -> Result<Option<Handover>, StoreError> {
    let row = sqlx::query("SELECT event FROM handover WHERE card = $1 ORDER BY position DESC LIMIT 1")
        .bind(number.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| Handover::parse(row.try_get("event")?)).transpose()
}

async fn insert(
    connection: &mut AnyConnection,
    actor: &Actor,
    number: &CardNumber,
    event: Handover,
    place: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO handover (card, position, event, place, operator, at)
         SELECT $1, coalesce(max(position), 0) + 1, $2, $3, $4, $5 FROM handover WHERE card = $1",
    )
    .bind(number.to_string())
    .bind(event.name())
    .bind(place)
    .bind(actor.name())
    .bind(now())
    .execute(connection)
    .await?;
    Ok(())
}

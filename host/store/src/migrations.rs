//! The schema, version by version. SQL that both engines take is one file in `migrations/`; what they write differently is a
//! file each in `migrations/sqlite/` and `migrations/postgres/`.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::engine::Engine;

/// All versions for an engine. A version that was released is never changed.
pub(crate) fn migrations(engine: Engine) -> Migrator {
    let each = |sqlite, postgres| match engine {
        Engine::Sqlite => sqlite,
        Engine::Postgres => postgres,
    };
    Migrator::with_migrations(vec![
        version(1, "ledger", include_str!("../migrations/0001_ledger.sql")),
        version(3, "import", include_str!("../migrations/0003_import.sql")),
        version(
            4,
            "maintenance",
            include_str!("../migrations/0004_maintenance.sql"),
        ),
        version(5, "life", include_str!("../migrations/0005_life.sql")),
        version(7, "claiming", include_str!("../migrations/0007_claiming.sql")),
        version(
            9,
            "append only",
            each(
                include_str!("../migrations/sqlite/0009_append_only.sql"),
                include_str!("../migrations/postgres/0009_append_only.sql"),
            ),
        ),
        version(
            10,
            "block list delta",
            include_str!("../migrations/0010_block_list_delta.sql"),
        ),
        version(
            11,
            "parked intents",
            include_str!("../migrations/0011_parked_intents.sql"),
        ),
        version(
            12,
            "terminal operators",
            include_str!("../migrations/0012_terminal_operators.sql"),
        ),
        version(
            13,
            "lost terminals",
            include_str!("../migrations/0013_lost_terminals.sql"),
        ),
        version(14, "reversals", include_str!("../migrations/0014_reversals.sql")),
        version(
            15,
            "lists beside",
            include_str!("../migrations/0015_lists_beside.sql"),
        ),
        version(17, "by hand", include_str!("../migrations/0017_by_hand.sql")),
        version(
            18,
            "undone by issuer",
            include_str!("../migrations/0018_undone_by_issuer.sql"),
        ),
        version(
            19,
            "second payments",
            include_str!("../migrations/0019_second_payments.sql"),
        ),
        version(
            20,
            "operator cards",
            include_str!("../migrations/0020_operator_cards.sql"),
        ),
        version(
            21,
            "told payments",
            include_str!("../migrations/0021_told_payments.sql"),
        ),
        version(
            22,
            "carried scripts",
            include_str!("../migrations/0022_carried_scripts.sql"),
        ),
        version(
            23,
            "undone by issuer for each card",
            include_str!("../migrations/0023_undone_by_issuer_for_each_card.sql"),
        ),
        version(
            24,
            "sent scripts",
            include_str!("../migrations/0024_sent_scripts.sql"),
        ),
    ])
}

fn version(number: i64, name: &'static str, sql: &'static str) -> Migration {
    Migration::new(
        number,
        name.into(),
        MigrationType::Simple,
        sql.into_sql_str(),
        false,
    )
}

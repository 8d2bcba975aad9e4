//! What a database server allows, asked once.

use signet_tuf::Gun;
use sqlx::Row as _;
use sqlx::mysql::MySqlPool;

use crate::StoreError;

/// What the server allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    /// Whether the column of GUNs holds characters beyond U+FFFF, which Go's does not.
    holds_all_characters: bool,
    /// Begins a transaction that stores documents.
    pub(super) begin: &'static str,
    /// Most bytes of a statement.
    pub(super) max_statement: usize,
}

/// Without locks on the gaps between rows, which publishers of different repositories would wait for.
const BEGIN: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION";
/// With such locks: what a deletion needs, so that nothing slips in behind it.
pub(super) const BEGIN_REPEATABLE: &str =
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION";
/// What a statement has beside its values.
const OVERHEAD: usize = 16 * 1024;

impl Server {
    /// Asks the server of these connections.
    pub(super) async fn ask(pool: &MySqlPool) -> Result<Self, StoreError> {
        let row = sqlx::query(
            "SELECT CAST(@@max_allowed_packet AS SIGNED) AS packet, \
            @@log_bin AND @@binlog_format = 'STATEMENT' AS by_statement, \
            (SELECT CHARACTER_SET_NAME = 'utf8mb4' FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() \
            AND TABLE_NAME = 'tuf_files' AND COLUMN_NAME = 'gun') AS wide",
        )
        .fetch_one(pool)
        .await?;
        let packet: i64 = row.try_get("packet")?;
        // A log of statements cannot tell what such a transaction saw: the server refuses it.
        let by_statement = row.try_get::<i64, _>("by_statement")? != 0;
        Ok(Self {
            holds_all_characters: row.try_get::<Option<i64>, _>("wide")? == Some(1),
            begin: if by_statement {
                BEGIN_REPEATABLE
            } else {
                BEGIN
            },
            max_statement: usize::try_from(packet)
                .unwrap_or(usize::MAX)
                .saturating_sub(OVERHEAD),
        })
    }

    /// Whether the tables can have a GUN. In a comparison it would be an error.
    pub(super) fn can_hold(&self, gun: &Gun) -> bool {
        self.holds_all_characters || gun.as_str().chars().all(|c| c <= '\u{ffff}')
    }
}

//! How the tables come to be (specification, `server.md` section 9.2).
//!
//! MySQL commits after every statement that changes a table. What is to be done is therefore found by looking at the tables, and every
//! step leaves them so that the next look finds what remains.

use signet_sql::mysql::unlimited;
use sqlx::mysql::{MySqlConnection, MySqlPool};
use sqlx::{AssertSqlSafe, Row as _};

use super::MySqlStore;
use crate::migrate::{MigrateError, MigrateOptions, Step};

/// The number of Go's last migration.
const LAST: i64 = 5;
/// The columns of Go's first migration.
const COLUMNS: [&str; 8] = [
    "id",
    "created_at",
    "updated_at",
    "deleted_at",
    "gun",
    "role",
    "version",
    "data",
];
/// Where names are.
const NAMES: [(&str, &[&str]); 2] = [("tuf_files", &["gun", "role"]), ("changefeed", &["gun"])];
/// Collations that compare bytes, the best first: the last one ignores blanks at the end.
const BINARY: [&str; 3] = ["_nopad_bin", "_0900_bin", "_bin"];

const CREATE_TUF_FILES: &str = "CREATE TABLE IF NOT EXISTS tuf_files ( \
    id int(11) NOT NULL AUTO_INCREMENT, \
    created_at timestamp NULL DEFAULT NULL, \
    updated_at timestamp NULL DEFAULT NULL, \
    deleted_at timestamp NULL DEFAULT NULL, \
    gun varchar(255) NOT NULL, \
    role varchar(255) NOT NULL, \
    version int(11) NOT NULL, \
    data longblob NOT NULL, \
    sha256 char(64) DEFAULT NULL, \
    PRIMARY KEY (id), \
    UNIQUE KEY gun (gun, role, version), \
    KEY sha256 (sha256) \
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE=utf8_general_ci";
const ADD_CHECKSUMS: &str =
    "ALTER TABLE tuf_files ADD COLUMN sha256 char(64) DEFAULT NULL, ADD INDEX sha256 (sha256)";
const FILL_CHECKSUMS: &str =
    "UPDATE tuf_files SET sha256 = SHA2(data, 256) WHERE sha256 IS NULL LIMIT 200";
const CREATE_CATEGORIES: &str = "CREATE TABLE IF NOT EXISTS change_category ( \
    category varchar(20) NOT NULL, PRIMARY KEY (category) \
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE=utf8_general_ci";
const FILL_CATEGORIES: &str = "INSERT IGNORE INTO change_category VALUES ('update'), ('deletion')";
/// Made and filled under another name: a changefeed that is there is complete.
const CREATE_CHANGEFEED: [&str; 4] = [
    "DROP TABLE IF EXISTS changefeed_unfinished",
    "CREATE TABLE changefeed_unfinished ( \
    id int(11) NOT NULL AUTO_INCREMENT, \
    created_at timestamp NULL DEFAULT CURRENT_TIMESTAMP, \
    gun varchar(255) NOT NULL, \
    version int(11) NOT NULL, \
    sha256 char(64) DEFAULT NULL, \
    category varchar(20) NOT NULL DEFAULT 'update', \
    PRIMARY KEY (id), \
    KEY category (category), \
    KEY idx_changefeed_gun (gun), \
    CONSTRAINT changefeed_ibfk_1 FOREIGN KEY (category) REFERENCES change_category (category) \
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8 COLLATE=utf8_general_ci",
    "INSERT INTO changefeed_unfinished (created_at, gun, version, sha256) \
    SELECT created_at, gun, version, sha256 FROM tuf_files WHERE role = 'timestamp' ORDER BY created_at, id",
    "RENAME TABLE changefeed_unfinished TO changefeed",
];
const CREATE_VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_migrations ( \
    version bigint(20) NOT NULL, dirty tinyint(1) NOT NULL, PRIMARY KEY (version))";

/// What there is.
#[derive(Debug, Default)]
struct Found {
    tables: Vec<String>,
    /// The columns of `tuf_files`; none when there is no table.
    columns: Vec<String>,
    lacks_checksums: bool,
    has_categories: bool,
    versions: Versions,
}

/// What `schema_migrations` says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Versions {
    #[default]
    Missing,
    /// One row, of today's tool.
    Number { number: i64, dirty: bool },
    /// A row for every migration, of the tool before that.
    List { last: i64 },
}

impl MySqlStore {
    /// Makes the tables in an empty database, or upgrades those of an earlier Go server, and tells what was done: nothing when they are
    /// as they should be. It may be interrupted and run again. A dry run changes nothing.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn migrate(
        pool: &MySqlPool,
        options: MigrateOptions,
    ) -> Result<Vec<Step>, MigrateError> {
        // Closed at the end, which releases the lock and forgets the settings.
        let mut connection = pool.acquire().await?.detach();
        unlimited(&mut connection).await?;
        let lock = "SELECT COALESCE(GET_LOCK(CONCAT('notary-server.', LEFT(SHA2(DATABASE(), 256), 40)), 2), 0) AS done";
        let done: i64 = sqlx::query(lock)
            .fetch_one(&mut connection)
            .await?
            .try_get("done")?;
        if done != 1 {
            return Err(MigrateError::Busy);
        }
        let found = Found::look(&mut connection).await?;
        let mut steps = found.plan()?;
        if options.binary_names {
            steps.append(&mut compare_by_bytes(&mut connection).await?);
        }
        if !options.dry_run {
            for step in &steps {
                run(&mut connection, step, found.versions).await?;
            }
        }
        Ok(steps)
    }
}

async fn texts(
    connection: &mut MySqlConnection,
    statement: &'static str,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(statement).fetch_all(connection).await?;
    // Names in the system's tables may be of binary types.
    rows.iter()
        .map(|row| Ok(String::from_utf8_lossy(&row.try_get::<Vec<u8>, _>(0)?).into_owned()))
        .collect()
}

impl Found {
    async fn look(connection: &mut MySqlConnection) -> Result<Self, MigrateError> {
        let tables = texts(
            connection,
            "SELECT CAST(TABLE_NAME AS BINARY) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
        )
        .await?;
        let mut found = Self {
            tables,
            ..Self::default()
        };
        if found.has_table("tuf_files") {
            found.columns = texts(
                connection,
                "SELECT CAST(COLUMN_NAME AS BINARY) FROM information_schema.COLUMNS \
                WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'tuf_files'",
            )
            .await?;
        }
        if found.has_checksums() {
            let lacking = "SELECT 1 FROM tuf_files WHERE sha256 IS NULL LIMIT 1";
            found.lacks_checksums = sqlx::query(lacking)
                .fetch_optional(&mut *connection)
                .await?
                .is_some();
        }
        if found.has_table("change_category") {
            let rows = "SELECT CAST(category AS BINARY) FROM change_category \
                WHERE category IN ('update', 'deletion')";
            found.has_categories = texts(connection, rows).await?.len() == 2;
        }
        if found.has_table("schema_migrations") {
            found.versions = Versions::look(connection).await?;
        }
        Ok(found)
    }

    fn has_table(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table == name)
    }

    fn has_checksums(&self) -> bool {
        self.columns.iter().any(|column| column == "sha256")
    }

    /// What is to be done so that there is what the last migration makes.
    fn plan(&self) -> Result<Vec<Step>, MigrateError> {
        match self.versions {
            Versions::Number {
                number,
                dirty: true,
            } => return Err(MigrateError::Dirty(number)),
            Versions::Number { number: found, .. } | Versions::List { last: found }
                if found > LAST =>
            {
                return Err(MigrateError::Newer { found, known: LAST });
            }
            _ => {}
        }
        let mut steps = Vec::new();
        let is_new = self.columns.is_empty();
        if is_new {
            steps.push(Step::CreateTable("tuf_files"));
        } else {
            let has = |name: &&str| self.columns.iter().any(|column| column == name);
            if let Some(missing) = COLUMNS.into_iter().find(|column| !has(column)) {
                return Err(MigrateError::Foreign(missing));
            }
            if !self.has_checksums() {
                steps.push(Step::AddChecksums);
            }
            if self.lacks_checksums || !self.has_checksums() {
                steps.push(Step::FillChecksums);
            }
        }
        if self.has_table("timestamp_keys") {
            steps.push(Step::DropTable("timestamp_keys"));
        }
        if !self.has_categories {
            steps.push(Step::CreateTable("change_category"));
        }
        if !self.has_table("changefeed") {
            steps.push(Step::CreateTable("changefeed"));
        }
        let is_noted = match self.versions {
            Versions::Number { number, .. } => number == LAST,
            Versions::List { last } => last == LAST,
            // Whoever made the tables keeps no number.
            Versions::Missing => !is_new,
        };
        if !is_noted {
            steps.push(Step::RecordVersion(LAST));
        }
        Ok(steps)
    }
}

impl Versions {
    async fn look(connection: &mut MySqlConnection) -> Result<Self, MigrateError> {
        let columns = texts(
            connection,
            "SELECT CAST(COLUMN_NAME AS BINARY) FROM information_schema.COLUMNS \
            WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'schema_migrations'",
        )
        .await?;
        if columns.iter().any(|column| column == "dirty") {
            let newest = "SELECT CAST(version AS SIGNED) AS version, CAST(dirty AS SIGNED) AS dirty \
                FROM schema_migrations ORDER BY version DESC LIMIT 1";
            let row = sqlx::query(newest).fetch_optional(connection).await?;
            // Without a row nothing was done yet.
            let Some(row) = row else {
                return Ok(Self::Number {
                    number: 0,
                    dirty: false,
                });
            };
            return Ok(Self::Number {
                number: row.try_get("version")?,
                dirty: row.try_get::<i64, _>("dirty")? != 0,
            });
        }
        let newest =
            "SELECT CAST(COALESCE(MAX(version), 0) AS SIGNED) AS version FROM schema_migrations";
        let row = sqlx::query(newest).fetch_one(connection).await?;
        Ok(Self::List {
            last: row.try_get("version")?,
        })
    }
}

/// The tables whose names are not compared by bytes, those that are to be made included.
async fn compare_by_bytes(connection: &mut MySqlConnection) -> Result<Vec<Step>, MigrateError> {
    let mut steps = Vec::new();
    for (table, columns) in NAMES {
        let rows = sqlx::query(
            "SELECT CAST(CHARACTER_SET_NAME AS BINARY) AS charset, CAST(COLLATION_NAME AS BINARY) AS collation \
            FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? \
            AND COLUMN_NAME IN ('gun', ?)",
        )
        .bind(table)
        .bind(columns.last().copied().unwrap_or_default())
        .fetch_all(&mut *connection)
        .await?;
        let text = |row: &sqlx::mysql::MySqlRow, name: &str| {
            let bytes: Option<Vec<u8>> = row.try_get(name)?;
            let bytes = bytes.unwrap_or_default();
            Ok::<_, sqlx::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let charset = match rows.first() {
            Some(row) => text(row, "charset")?,
            // As it will be made.
            None => new_charset(connection).await?,
        };
        let Some(collation) = binary_collation(connection, &charset).await? else {
            continue;
        };
        let mut is_done = !rows.is_empty();
        for row in &rows {
            is_done &= text(row, "collation")? == collation;
        }
        if !is_done {
            steps.push(Step::CompareByBytes { table, collation });
        }
    }
    Ok(steps)
}

/// What the server calls the character set `utf8`.
async fn new_charset(connection: &mut MySqlConnection) -> Result<String, MigrateError> {
    let names = "SELECT CAST(CHARACTER_SET_NAME AS BINARY) FROM information_schema.CHARACTER_SETS \
        WHERE CHARACTER_SET_NAME IN ('utf8', 'utf8mb3') ORDER BY CHARACTER_SET_NAME DESC";
    let names = texts(connection, names).await?;
    Ok(names
        .into_iter()
        .next()
        .unwrap_or_else(|| "utf8".to_owned()))
}

/// The best collation of the server for this character set that compares bytes.
async fn binary_collation(
    connection: &mut MySqlConnection,
    charset: &str,
) -> Result<Option<String>, MigrateError> {
    for suffix in BINARY {
        let name = format!("{charset}{suffix}");
        let found =
            sqlx::query("SELECT 1 FROM information_schema.COLLATIONS WHERE COLLATION_NAME = ?")
                .bind(&name)
                .fetch_optional(&mut *connection)
                .await?;
        if found.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

async fn run(
    connection: &mut MySqlConnection,
    step: &Step,
    versions: Versions,
) -> Result<(), MigrateError> {
    let mut execute = async |statement: &'static str| {
        let done = sqlx::query(statement).execute(&mut *connection).await?;
        Ok::<_, sqlx::Error>(done.rows_affected())
    };
    match step {
        Step::CreateTable("tuf_files") => drop(execute(CREATE_TUF_FILES).await?),
        Step::CreateTable("change_category") => {
            execute(CREATE_CATEGORIES).await?;
            execute(FILL_CATEGORIES).await?;
        }
        Step::CreateTable(_) => {
            for statement in CREATE_CHANGEFEED {
                execute(statement).await?;
            }
        }
        Step::AddChecksums => drop(execute(ADD_CHECKSUMS).await?),
        Step::FillChecksums => while execute(FILL_CHECKSUMS).await? > 0 {},
        Step::DropTable(_) => drop(execute("DROP TABLE timestamp_keys").await?),
        Step::CompareByBytes { table, collation } => {
            let columns = NAMES.iter().find(|(name, _)| name == table);
            let (_, columns) = columns.copied().unwrap_or_default();
            change_collation(connection, table, columns, collation).await?;
        }
        Step::RecordVersion(version) => {
            let missing = match versions {
                Versions::List { last } => last + 1..=*version,
                Versions::Missing | Versions::Number { .. } => {
                    execute(CREATE_VERSIONS).await?;
                    execute("DELETE FROM schema_migrations").await?;
                    *version..=*version
                }
            };
            let insert = if matches!(versions, Versions::List { .. }) {
                "INSERT INTO schema_migrations (version) VALUES (?)"
            } else {
                "INSERT INTO schema_migrations (version, dirty) VALUES (?, 0)"
            };
            for number in missing {
                sqlx::query(insert)
                    .bind(number)
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    Ok(())
}

/// Changes how columns are compared, and nothing else about them.
async fn change_collation(
    connection: &mut MySqlConnection,
    table: &str,
    columns: &[&str],
    collation: &str,
) -> Result<(), MigrateError> {
    let mut changes = Vec::new();
    for column in columns {
        let length: u64 = sqlx::query(
            "SELECT CAST(CHARACTER_MAXIMUM_LENGTH AS UNSIGNED) AS length FROM information_schema.COLUMNS \
            WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND COLUMN_NAME = ?",
        )
        .bind(table)
        .bind(column)
        .fetch_one(&mut *connection)
        .await?
        .try_get("length")?;
        let charset = collation.split('_').next().unwrap_or_default();
        changes.push(format!(
            "MODIFY {column} varchar({length}) CHARACTER SET {charset} COLLATE {collation} NOT NULL"
        ));
    }
    // Names of ours, a number, and a collation that the server has.
    let statement = format!("ALTER TABLE {table} {}", changes.join(", "));
    sqlx::query(AssertSqlSafe(statement))
        .execute(connection)
        .await?;
    Ok(())
}

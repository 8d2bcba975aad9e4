//! A key database of each kind, with rows that Go wrote.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use secrecy::SecretString;
use serde::Deserialize;
use signet_keys::database::{KeyDatabase, Options, migrate};
use signet_sql::{Database, PoolLimits, mysql, postgres};
use signet_testkit::peer::{Database as _, MariaDb, PostgreSql};
use signet_tuf::KeyId;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Engine {
    MariaDb,
    PostgreSql,
    Sqlite,
}

#[derive(Deserialize)]
pub(crate) struct Sample {
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) key_id: String,
    pub(crate) encryption_alg: String,
    pub(crate) keywrap_alg: String,
    pub(crate) algorithm: String,
    pub(crate) passphrase_alias: String,
    pub(crate) public_hex: String,
    pub(crate) private: String,
    pub(crate) gun: String,
    pub(crate) role: String,
    pub(crate) last_used: Option<String>,
    pub(crate) _expected: Expected,
}

impl Sample {
    pub(crate) fn id(&self) -> KeyId {
        self.key_id.parse().unwrap()
    }

    /// To the second.
    pub(crate) fn last_used(&self) -> Option<String> {
        Some(self.last_used.as_ref()?.get(..19)?.replace('T', " "))
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        HEXLOWER.decode(self.public_hex.as_bytes()).unwrap()
    }
}

#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) passphrase: String,
    pub(crate) plaintext_hex: String,
}

/// Rows that Go wrote on PostgreSQL and MariaDB.
pub(crate) fn samples() -> Vec<Sample> {
    ["postgres", "mysql"]
        .into_iter()
        .flat_map(|name| {
            let path = format!("tests/data/db/private_keys.{name}.json");
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            serde_json::from_slice::<Vec<Sample>>(&std::fs::read(path).unwrap()).unwrap()
        })
        .collect()
}

/// Passphrases that a test may change.
pub(crate) type Passphrases = Arc<Mutex<HashMap<String, String>>>;

/// What the database is in; it goes with this value.
pub(crate) enum Peer {
    MariaDb(MariaDb),
    PostgreSql(PostgreSql),
    Sqlite { _folder: tempfile::TempDir },
}

pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) keys: KeyDatabase,
    pub(crate) passphrases: Passphrases,
    pub(crate) peer: Peer,
}

/// An empty database.
pub(crate) async fn empty(engine: Engine) -> (Database, Peer) {
    let limits = PoolLimits {
        acquire: Duration::from_secs(5),
        ..PoolLimits::default()
    };
    match engine {
        Engine::Sqlite => {
            let dir = tempfile::tempdir().unwrap();
            let file = SqliteConnectOptions::new()
                .filename(dir.path().join("keys.db"))
                .create_if_missing(true);
            let pool = SqlitePoolOptions::new().connect_with(file).await.unwrap();
            (Database::Sqlite(pool), Peer::Sqlite { _folder: dir })
        }
        Engine::PostgreSql => {
            let peer = PostgreSql::shared().unwrap();
            let pool = postgres::connect(&peer.url(), limits).await.unwrap();
            (Database::Postgres(pool), Peer::PostgreSql(peer))
        }
        Engine::MariaDb => {
            let peer = MariaDb::shared().unwrap();
            let pool = mysql::connect(&peer.url(), limits).await.unwrap();
            (Database::MySql(pool), Peer::MariaDb(peer))
        }
    }
}

impl World {
    pub(crate) async fn on(engine: Engine) -> Self {
        let (database, peer) = empty(engine).await;
        migrate(&database, false).await.unwrap();
        let known = [("timestamp_1".to_owned(), "testpassword".to_owned())];
        let passphrases: Passphrases = Arc::new(Mutex::new(HashMap::from(known)));
        Self {
            keys: open(&database, &passphrases).await,
            database,
            passphrases,
            peer,
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self.database {
            Database::MySql(_) => Engine::MariaDb,
            Database::Postgres(_) => Engine::PostgreSql,
            Database::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// Another instance on the same database, as another process would be.
    pub(crate) async fn open(&self) -> KeyDatabase {
        open(&self.database, &self.passphrases).await
    }

    /// A literal of bytes.
    pub(crate) fn blob(&self, bytes: &[u8]) -> String {
        let hex = HEXLOWER.encode(bytes);
        match self.engine() {
            Engine::PostgreSql => format!("'\\x{hex}'"),
            _ => format!("X'{hex}'"),
        }
    }

    pub(crate) async fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.database {
            Database::MySql(pool) => drop(sqlx::raw_sql(sql).execute(pool).await.unwrap()),
            Database::Postgres(pool) => drop(sqlx::raw_sql(sql).execute(pool).await.unwrap()),
            Database::Sqlite(pool) => drop(sqlx::raw_sql(sql).execute(pool).await.unwrap()),
        }
    }

    /// The first value that an expression over the table has, as text.
    pub(crate) async fn text(&self, expression: &str, rest: &str) -> Option<String> {
        let kind = match self.engine() {
            Engine::MariaDb => "char",
            _ => "text",
        };
        let sql = format!("SELECT CAST({expression} AS {kind}) FROM private_keys {rest}");
        let sql = AssertSqlSafe(sql);
        let value = match &self.database {
            Database::MySql(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
            Database::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
            Database::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        };
        value.unwrap()
    }

    pub(crate) async fn insert(&self, row: &Sample) {
        let last_used = match &row.last_used {
            Some(time) => format!("'{time}'"),
            None => "NULL".to_owned(),
        };
        let sql = format!(
            "INSERT INTO private_keys (created_at, updated_at, key_id, encryption_alg, keywrap_alg, algorithm,
             passphrase_alias, public, private, gun, role, last_used)
             VALUES ('{}', '{}', '{}', '{}', '{}', '{}', '{}', {}, {}, '{}', '{}', {last_used})",
            row.created_at,
            row.updated_at,
            row.key_id,
            row.encryption_alg,
            row.keywrap_alg,
            row.algorithm,
            row.passphrase_alias,
            self.blob(&row.public()),
            self.blob(row.private.as_bytes()),
            row.gun,
            row.role,
        );
        self.run(&sql).await;
    }

    /// To the second.
    pub(crate) async fn last_used(&self, id: &KeyId) -> Option<String> {
        let this = format!("WHERE key_id = '{id}'");
        let used = self.text("last_used", &this).await;
        Some(used?.get(..19)?.replace('T', " "))
    }

    pub(crate) async fn count(&self) -> u64 {
        self.text("count(*)", "").await.unwrap().parse().unwrap()
    }
}

pub(crate) async fn open(database: &Database, passphrases: &Passphrases) -> KeyDatabase {
    let passphrases = Arc::clone(passphrases);
    let source = move |alias: &str| {
        let passphrases = passphrases.lock().unwrap();
        let passphrase = passphrases.get(alias)?;
        Some(SecretString::from(passphrase.as_str()))
    };
    let options = Options::new("timestamp_1");
    KeyDatabase::open(database.clone(), options, Arc::new(source))
        .await
        .unwrap()
}

//! Key databases as the two services find them on PostgreSQL and MariaDB.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde_json::Value;
use signet_testkit::peer::{Database, MariaDb, PostgreSql};

/// Each of these on each kind of database.
macro_rules! on_every_database {
    ($($path:path as $case:ident),* $(,)?) => {
        mod postgresql {
            $(#[tokio::test] async fn $case() { $path(signet_testkit::peer::PostgreSql::shared().unwrap()).await; })*
        }
        mod mariadb {
            $(#[tokio::test] async fn $case() { $path(signet_testkit::peer::MariaDb::shared().unwrap()).await; })*
        }
    };
}
pub(crate) use on_every_database;

/// A database that is looked into from outside.
pub(crate) trait Keys: Database {
    /// What a statement answers: a line for every row.
    fn ask(&self, sql: &str) -> String;

    /// Loads a recorded dump.
    fn load_dump(&self, dump: &Path);

    /// A literal of bytes.
    fn blob(&self, bytes: &[u8]) -> String;

    /// Makes the empty table, as Go's migrations do.
    fn make_table(&self) {
        let name = format!("../server/tests/data/db/{}-signer.sql", self.backend());
        self.load_dump(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        self.ask("DELETE FROM private_keys");
    }

    /// Adds a recorded row.
    fn insert(&self, row: &Row) {
        let text = |name: &str| match row.0[name].as_str() {
            Some(value) => format!("'{value}'"),
            None => "NULL".to_owned(),
        };
        let names = [
            "created_at",
            "updated_at",
            "key_id",
            "encryption_alg",
            "keywrap_alg",
            "algorithm",
            "passphrase_alias",
            "gun",
            "role",
            "last_used",
        ];
        let values = names.map(text).join(", ");
        let names = names.join(", ");
        let public = self.blob(&row.public());
        let private = self.blob(row.0["private"].as_str().unwrap().as_bytes());
        self.ask(&format!(
            "INSERT INTO private_keys ({names}, public, private) VALUES ({values}, {public}, {private})"
        ));
    }

    /// How many rows a condition is true of.
    fn count(&self, condition: &str) -> u64 {
        let sql = format!("SELECT count(*) FROM private_keys WHERE {condition}");
        self.ask(&sql).trim().parse().unwrap()
    }
}

impl Keys for MariaDb {
    fn ask(&self, sql: &str) -> String {
        self.query(sql).unwrap()
    }

    fn load_dump(&self, dump: &Path) {
        self.load(dump).unwrap();
    }

    fn blob(&self, bytes: &[u8]) -> String {
        format!("X'{}'", HEXLOWER.encode(bytes))
    }
}

impl Keys for PostgreSql {
    fn ask(&self, sql: &str) -> String {
        self.query(sql).unwrap()
    }

    fn load_dump(&self, dump: &Path) {
        self.load(dump).unwrap();
    }

    fn blob(&self, bytes: &[u8]) -> String {
        format!("'\\x{}'", HEXLOWER.encode(bytes))
    }
}

/// A row that Go's service wrote, with the passphrase `testpassword` for the alias `timestamp_1`.
#[derive(Clone, Debug)]
pub(crate) struct Row(Value);

impl Row {
    pub(crate) fn id(&self) -> &str {
        self.0["key_id"].as_str().unwrap()
    }

    pub(crate) fn role(&self) -> &str {
        self.0["role"].as_str().unwrap()
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        let hex = self.0["public_hex"].as_str().unwrap();
        HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.0["last_used"].is_null()
    }

    /// The same with another text in a column.
    pub(crate) fn with(mut self, column: &str, text: &str) -> Self {
        self.0[column] = text.into();
        self
    }
}

/// The rows that Go's service wrote on PostgreSQL and MariaDB: ECDSA and Ed25519, pending and active, with few and with many iterations.
pub(crate) fn recorded_rows() -> Vec<Row> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../keys/tests/data/db");
    let mut rows = Vec::new();
    for name in ["private_keys.postgres.json", "private_keys.mysql.json"] {
        let text = std::fs::read(folder.join(name)).unwrap();
        let values: Vec<Value> = serde_json::from_slice(&text).unwrap();
        rows.extend(values.into_iter().map(Row));
    }
    assert_eq!(rows.len(), 6);
    rows
}

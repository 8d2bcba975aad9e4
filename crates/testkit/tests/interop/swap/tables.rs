//! A database with what Go made in it.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use signet_testkit::peer::{Database, MariaDb, PostgreSql};

/// A recording of Go's programs on databases.
pub(crate) fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../server/tests/data/db")
        .join(name)
}

/// A database of either kind, to be looked into from outside.
pub(crate) trait Tables: Database + Debug {
    /// Makes the empty tables of a trust server, as Go's migrations do.
    fn make(&self);

    /// Loads the dump of this kind of database whose name ends so.
    fn load(&self, dump: &str);

    /// The values of the first column.
    fn ask(&self, sql: &str) -> Vec<String>;

    /// Makes the empty table of a key service, as Go's migrations do.
    fn make_key_table(&self) {
        self.load("signer.sql");
        self.ask("DELETE FROM private_keys");
    }
}

impl Tables for MariaDb {
    fn make(&self) {
        self.make_tables().unwrap();
    }

    fn load(&self, dump: &str) {
        Self::load(self, &recorded(&format!("mysql-{dump}"))).unwrap();
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        lines(&self.query(sql).unwrap())
    }
}

impl Tables for PostgreSql {
    fn make(&self) {
        self.make_tables().unwrap();
    }

    fn load(&self, dump: &str) {
        Self::load(self, &recorded(&format!("postgres-{dump}"))).unwrap();
    }

    fn ask(&self, sql: &str) -> Vec<String> {
        lines(&self.query(sql).unwrap())
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

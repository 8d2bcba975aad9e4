//! Databases that the services keep their documents and keys in.

use std::fmt::Debug;

use serde_json::{Value, json};

mod janitor;
mod mariadb;
mod postgresql;

pub use mariadb::MariaDb;
pub use postgresql::PostgreSql;

/// A database that is a service of its own.
pub trait Database: Debug {
    /// What configuration files call its kind.
    fn backend(&self) -> &'static str;

    /// Its data source name, as Go's driver for it wants it.
    fn url(&self) -> String;

    /// The section `storage` of a service that uses it.
    fn storage(&self) -> Value {
        json!({"backend": self.backend(), "db_url": self.url()})
    }
}

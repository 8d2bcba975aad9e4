//! MariaDB.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::Database;
use crate::file;
use crate::process::{self, COMMAND_LIMIT, Group, Service};
use crate::program::{MARIADB, MARIADB_DUMP, MARIADB_INSTALL_DB, MARIADBD};

/// The tables that Go's migrations make.
const TABLES: &str = "
CREATE TABLE `change_category` (`category` varchar(20) NOT NULL, PRIMARY KEY (`category`));
INSERT INTO `change_category` VALUES ('update'), ('deletion');
CREATE TABLE `changefeed` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `created_at` timestamp DEFAULT CURRENT_TIMESTAMP,
  `gun` varchar(255) NOT NULL,
  `version` int(11) NOT NULL,
  `sha256` CHAR(64) DEFAULT NULL,
  `category` VARCHAR(20) NOT NULL DEFAULT 'update',
  PRIMARY KEY (`id`),
  FOREIGN KEY (`category`) REFERENCES `change_category` (`category`),
  INDEX `idx_changefeed_gun` (`gun`)
);
CREATE TABLE `tuf_files` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `created_at` timestamp NULL DEFAULT NULL,
  `updated_at` timestamp NULL DEFAULT NULL,
  `deleted_at` timestamp NULL DEFAULT NULL,
  `gun` varchar(255) NOT NULL,
  `role` varchar(255) NOT NULL,
  `version` int(11) NOT NULL,
  `data` longblob NOT NULL,
  `sha256` CHAR(64) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `gun` (`gun`,`role`,`version`),
  INDEX `sha256` (`sha256`)
);
";
/// The database's name.
const NAME: &str = "notaryserver";

/// A MariaDB with the empty tables of a trust server, in a folder and on a port of its own.
#[derive(Debug)]
pub struct MariaDb {
    _service: Service,
    address: SocketAddr,
    folder: TempDir,
}

impl MariaDb {
    /// Starts one.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let mut install = Command::new(MARIADB_INSTALL_DB.find()?);
        install
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .args(as_user())
            .arg(option("datadir", &data));
        process::run(&mut install, "", COMMAND_LIMIT)?.success()?;
        let program = MARIADBD.find()?;
        let (service, address) = crate::peer::start_on_free_port(
            "mariadbd",
            &folder.path().join("mariadb.log"),
            Group::Own,
            |address| {
                let mut command = Command::new(&program);
                command
                    .args(["--no-defaults", "--innodb-flush-log-at-trx-commit=0"])
                    .args(as_user())
                    .arg(option("datadir", &data))
                    .arg(option("socket", &folder.path().join("socket")))
                    .arg(format!("--bind-address={}", address.ip()))
                    .arg(format!("--port={}", address.port()));
                Ok(command)
            },
        )?;
        let database = Self {
            _service: service,
            address,
            folder,
        };
        let mut client = Command::new(MARIADB.find()?);
        client.args(database.login());
        let script = format!("CREATE DATABASE {NAME}; USE {NAME};{TABLES}");
        process::run(&mut client, &script, COMMAND_LIMIT)?.success()?;
        Ok(database)
    }

    /// Writes a dump of everything, as an administrator makes backups.
    ///
    /// # Errors
    /// When the program for it is not installed or fails.
    pub fn dump(&self, to: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(MARIADB_DUMP.find()?);
        command.args(self.login()).args(["--hex-blob", NAME]);
        let text = process::run(&mut command, "", COMMAND_LIMIT)?.success()?;
        file::write(to, text)
    }

    fn login(&self) -> Vec<String> {
        let socket = option("socket", &self.folder.path().join("socket"));
        vec!["--no-defaults".to_owned(), "--user=root".to_owned(), socket]
    }
}

impl Database for MariaDb {
    fn backend(&self) -> &'static str {
        "mysql"
    }

    fn url(&self) -> String {
        format!("root@tcp({})/{NAME}?parseTime=True", self.address)
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// It runs as whoever starts it, and wants to be told so by root.
fn as_user() -> Option<&'static str> {
    rustix::process::geteuid()
        .is_root()
        .then_some("--user=root")
}

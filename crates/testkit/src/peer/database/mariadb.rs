//! MariaDB.
//!
//! Its sessions are in a time zone far from UTC, so that a time that is not read as Go reads it is noticed.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use rustix::process::Signal;
use tempfile::TempDir;

use super::Database;
use super::janitor::Janitor;
use crate::certificate::{Authority, Identity};
use crate::file;
use crate::process::{self, COMMAND_LIMIT, Group, START_LIMIT, Service};
use crate::program::{MARIADB, MARIADB_DUMP, MARIADB_INSTALL_DB, MARIADBD};

/// A dump of a database that Go's migrations made.
const GO_DUMP: &str = include_str!("../../../../server/tests/data/db/mysql-server.sql");
/// Who owns the databases, and who may only read and write rows.
const OWNER: &str = "notary";
const LIMITED: &str = "server";
/// With characters that separate the parts of a data source name.
const PASSWORD: &str = "p@ss/w:rd(1)";

/// A database in a MariaDB of its own or of this process.
#[derive(Debug)]
pub struct MariaDb {
    server: Option<Server>,
    place: Place,
    name: String,
}

/// A running MariaDB.
#[derive(Debug)]
struct Server {
    service: Service,
    place: Place,
    options: Vec<String>,
    tls: Option<Tls>,
    folder: TempDir,
}

/// Where a MariaDB is.
#[derive(Clone, Debug)]
struct Place {
    address: SocketAddr,
    folder: PathBuf,
}

/// Who vouches for it, and who its clients are.
#[derive(Debug)]
struct Tls {
    authority: Authority,
    client: Identity,
}

/// What all tests of a process share, until the process ends.
struct Shared {
    server: Server,
    _janitor: Janitor,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);
static NUMBER: AtomicU32 = AtomicU32::new(1);

impl MariaDb {
    /// An empty database in a server of its own, which can be killed.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// The same with options of `mariadbd`.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start.
    pub fn start_with(options: &[&str]) -> anyhow::Result<Self> {
        Self::of_its_own(options, None)
    }

    /// The same behind TLS, with a certificate for `localhost` and `127.0.0.1`.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start.
    pub fn start_tls() -> anyhow::Result<Self> {
        let authority = Authority::new("database test CA")?;
        let client = authority.issue()?;
        Self::of_its_own(&[], Some(Tls { authority, client }))
    }

    fn of_its_own(options: &[&str], tls: Option<Tls>) -> anyhow::Result<Self> {
        let server = Server::start(options, tls)?;
        let mut database = server.place.create("notaryserver")?;
        database.server = Some(server);
        Ok(database)
    }

    /// An empty database in the server that all tests of this process share. It is dropped with this value.
    ///
    /// # Errors
    /// When MariaDB is not installed or does not start.
    pub fn shared() -> anyhow::Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.is_none() {
            let server = Server::start(&[], None)?;
            let folder = server.folder.path();
            let _janitor = Janitor::watch(&server.service, &folder.join("pid"), folder, "KILL")?;
            *shared = Some(Shared { server, _janitor });
        }
        let shared = shared.as_ref().context("no shared MariaDB")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        shared.server.place.create(&format!("test{number}"))
    }

    /// Another empty database in the same server, which must outlive it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn another(&self, name: &str) -> anyhow::Result<Self> {
        self.place.create(name)
    }

    /// Makes the empty tables of a trust server, as Go's migrations do.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn make_tables(&self) -> anyhow::Result<()> {
        self.query(&go_tables()).map(drop)
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.place.socket()
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The user who owns the database, and the password.
    #[must_use]
    pub const fn login(&self) -> (&'static str, &'static str) {
        (OWNER, PASSWORD)
    }

    /// The data source name of a user who may do what a server needs at least: read and write rows.
    #[must_use]
    pub fn limited_url(&self) -> String {
        self.url_of(LIMITED)
    }

    fn url_of(&self, user: &str) -> String {
        let (address, name) = (self.place.address, &self.name);
        let tls = self.server.as_ref().and_then(|server| server.tls.as_ref());
        let tls = if tls.is_some() {
            "&tls=skip-verify"
        } else {
            ""
        };
        format!("{user}:{PASSWORD}@tcp({address})/{name}?parseTime=True{tls}")
    }

    /// The certificate authority that its clients must trust, PEM; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<String> {
        Some(self.server.as_ref()?.tls.as_ref()?.authority.pem())
    }

    /// A client's certificate; `None` without TLS.
    #[must_use]
    pub fn client(&self) -> Option<&Identity> {
        Some(&self.server.as_ref()?.tls.as_ref()?.client)
    }

    /// What SQL statements answer: a line for every row, tabulators between the columns.
    ///
    /// # Errors
    /// When one fails.
    pub fn query(&self, sql: &str) -> anyhow::Result<String> {
        self.place.query(&self.name, sql)
    }

    /// Loads a dump.
    ///
    /// # Errors
    /// When it cannot be read or a statement fails.
    pub fn load(&self, dump: &Path) -> anyhow::Result<()> {
        let text = fs::read_to_string(dump).with_context(|| format!("read {}", dump.display()))?;
        self.query(&text).map(drop)
    }

    /// Writes a dump of everything, as an administrator makes backups.
    ///
    /// # Errors
    /// When the program for it is not installed or fails.
    pub fn dump(&self, to: &Path) -> anyhow::Result<()> {
        let text = self.dump_text(&["--hex-blob"])?;
        file::write(to, text)
    }

    /// The statements that make its tables, without what is in them.
    ///
    /// # Errors
    /// When the program for it is not installed or fails.
    pub fn schema(&self) -> anyhow::Result<String> {
        let text = self.dump_text(&["--no-data", "--skip-comments", "--compact"])?;
        let lines = text.lines().map(without_counter).collect::<Vec<_>>();
        Ok(lines.join("\n") + "\n")
    }

    fn dump_text(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(MARIADB_DUMP.find()?);
        command
            .args(self.place.administrator())
            .args(arguments)
            .arg(&self.name);
        process::run(&mut command, "", COMMAND_LIMIT)?.success()
    }

    /// Sends it a signal. Only for a server of its own.
    ///
    /// # Errors
    /// When others share the server, or it is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let server = self.server.as_ref().context("others use this server")?;
        server.service.signal(signal)
    }

    /// Kills it, as a crash of its process would. Only for a server of its own.
    ///
    /// # Errors
    /// When others share the server.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let server = self.server.as_mut().context("others use this server")?;
        server.service.kill();
        Ok(())
    }

    /// Starts it again on the same folder and port.
    ///
    /// # Errors
    /// When others share the server, or it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let server = self.server.as_mut().context("others use this server")?;
        server.service.kill();
        let path = server.folder.path();
        let mut command = command(path, server.place.address, &server.options)?;
        let log = path.join("mariadb.log");
        server.service = Service::spawn("mariadbd", &mut command, &log, Group::Own)?;
        server.wait_ready()
    }
}

impl Database for MariaDb {
    fn backend(&self) -> &'static str {
        "mysql"
    }

    fn url(&self) -> String {
        self.url_of(OWNER)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        if self.server.is_none() {
            // What cannot be dropped goes with the server.
            let _ = self
                .place
                .query("mysql", &format!("DROP DATABASE {}", self.name));
        }
    }
}

impl Server {
    fn start(options: &[&str], tls: Option<Tls>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let mut install = Command::new(MARIADB_INSTALL_DB.find()?);
        install
            .args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ])
            .args(as_user())
            // Several make temporary tables of the same name at a time.
            .env("TMPDIR", path)
            .arg(option("datadir", &path.join("data")));
        process::run(&mut install, "", COMMAND_LIMIT)?.success()?;
        let mut options: Vec<String> = options.iter().map(ToString::to_string).collect();
        if let Some(tls) = &tls {
            let identity = tls.authority.issue()?;
            for (name, content) in [
                ("ssl-cert", identity.certificate_pem),
                ("ssl-key", identity.key_pem),
                ("ssl-ca", tls.authority.pem()),
            ] {
                let file = path.join(name);
                file::write(&file, content)?;
                options.push(option(name, &file));
            }
            options.push("--require-secure-transport=ON".to_owned());
        }
        let (service, address) = crate::peer::start_on_free_port(
            "mariadbd",
            &path.join("mariadb.log"),
            Group::Own,
            |address| command(path, address, &options),
        )?;
        let place = Place {
            address,
            folder: path.to_owned(),
        };
        let mut server = Self {
            service,
            place,
            options,
            tls,
            folder,
        };
        server.wait_ready()?;
        let users = [OWNER, LIMITED]
            .map(|user| format!("CREATE USER {user} IDENTIFIED BY '{PASSWORD}';"))
            .concat();
        server.place.query("mysql", &users)?;
        Ok(server)
    }

    /// Also when it recovers from a crash, until it answers.
    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let place = self.place.clone();
        self.service
            .wait_ready(START_LIMIT, || place.query("mysql", "SELECT 1").is_ok())
    }
}

impl Place {
    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn administrator(&self) -> Vec<String> {
        let socket = option("socket", &self.socket());
        vec!["--no-defaults".to_owned(), "--user=root".to_owned(), socket]
    }

    fn create(&self, name: &str) -> anyhow::Result<MariaDb> {
        let sql = format!(
            "CREATE DATABASE {name}; GRANT ALL ON {name}.* TO {OWNER}; \
            GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {LIMITED}"
        );
        self.query("mysql", &sql)?;
        Ok(MariaDb {
            server: None,
            place: self.clone(),
            name: name.to_owned(),
        })
    }

    fn query(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut command = Command::new(MARIADB.find()?);
        command
            .args(self.administrator())
            .args(["--default-character-set=utf8mb4", "--batch"])
            .args(["--skip-column-names", database]);
        let finished = process::run(&mut command, sql, COMMAND_LIMIT)?;
        Ok(finished.success()?.trim_end_matches('\n').to_owned())
    }
}

fn command(folder: &Path, address: SocketAddr, options: &[String]) -> anyhow::Result<Command> {
    let mut command = Command::new(MARIADBD.find()?);
    command
        .arg("--no-defaults")
        .args(as_user())
        .arg(option("tmpdir", folder))
        .arg(option("datadir", &folder.join("data")))
        .arg(option("socket", &folder.join("socket")))
        .arg(option("pid-file", &folder.join("pid")))
        .arg(format!("--bind-address={}", address.ip()))
        .arg(format!("--port={}", address.port()))
        .args([
            // What is committed survives a crash of the process, and crashes of the machine are not tested.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-buffer-pool-size=64M",
            "--max-connections=300",
            "--default-time-zone=+05:45",
        ])
        .args(options);
    Ok(command)
}

/// The statements of Go's dump that make tables, and the rows that are part of the schema.
fn go_tables() -> String {
    GO_DUMP
        .split_inclusive(";\n")
        .filter(|statement| {
            statement.starts_with("CREATE TABLE")
                || statement.starts_with("INSERT INTO `change_category`")
        })
        .map(without_counter)
        .collect()
}

/// A statement without the number that the next row gets.
fn without_counter(line: &str) -> String {
    match line.split_once(" AUTO_INCREMENT=") {
        None => line.to_owned(),
        Some((before, after)) => {
            before.to_owned() + after.trim_start_matches(|c: char| c.is_ascii_digit())
        }
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

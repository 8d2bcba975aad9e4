//! PostgreSQL.
//!
//! Its databases sort names as people do and not by bytes, so that a query that relies on byte order by accident is noticed.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Database;
use super::janitor::Janitor;
use crate::certificate::{Authority, Identity};
use crate::file;
use crate::process::{self, COMMAND_LIMIT, Group, START_LIMIT, Service};
use crate::program::{PG_DUMP, POSTGRES, POSTGRES_INITDB, PSQL};

/// Who owns the databases.
const OWNER: &str = "notary";
/// Characters that a URL must escape, as generated passwords have them.
const PASSWORD: &str = "p@ss:w/rd %41";
const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%20%2541";
/// Who brings a certificate in place of a password.
const CERTIFIED: &str = "certified";

/// Passwords over the network, certificates for one user, and administrators through the socket.
const ACCESS: &str = "\
local all all trust
hostssl all certified 127.0.0.1/32 trust clientcert=verify-ca
host all notary 127.0.0.1/32 scram-sha-256
";

/// The tables that Go's migrations make, 0001_initial and 0002_changefeed.
const GO_TABLES: &str = "
CREATE TABLE tuf_files (
  id serial PRIMARY KEY,
  created_at timestamp NULL DEFAULT NULL,
  updated_at timestamp NULL DEFAULT NULL,
  deleted_at timestamp NULL DEFAULT NULL,
  gun varchar(255) NOT NULL,
  role varchar(255) NOT NULL,
  version integer NOT NULL,
  data bytea NOT NULL,
  sha256 char(64) DEFAULT NULL,
  UNIQUE (gun, role, version)
);
CREATE INDEX tuf_files_sha256_idx ON tuf_files (sha256);
CREATE TABLE change_category (category varchar(20) PRIMARY KEY);
INSERT INTO change_category VALUES ('update'), ('deletion');
CREATE TABLE changefeed (
  id serial PRIMARY KEY,
  created_at timestamp DEFAULT CURRENT_TIMESTAMP,
  gun varchar(255) NOT NULL,
  version integer NOT NULL,
  sha256 char(64) DEFAULT NULL,
  category varchar(20) NOT NULL DEFAULT 'update' REFERENCES change_category
);
CREATE INDEX idx_changefeed_gun ON changefeed (gun);
";

/// A database in a PostgreSQL of its own or of this process.
#[derive(Debug)]
pub struct PostgreSql {
    cluster: Option<Cluster>,
    place: Place,
    name: String,
}

/// Where a server is.
#[derive(Clone, Debug)]
struct Place {
    address: SocketAddr,
    folder: PathBuf,
}

/// A running PostgreSQL.
#[derive(Debug)]
struct Cluster {
    service: Service,
    address: SocketAddr,
    tls: Option<Tls>,
    folder: TempDir,
}

/// Who vouches for it, and who its clients are.
#[derive(Debug)]
struct Tls {
    authority: Authority,
    client: Identity,
}

/// What all tests of a process share, until the process ends.
struct Shared {
    cluster: Cluster,
    _janitor: Janitor,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);
static NUMBER: AtomicU32 = AtomicU32::new(1);

impl PostgreSql {
    /// An empty database in a server of its own, which can be killed.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::of_its_own(None)
    }

    /// The same behind TLS, with a certificate for `localhost` and `127.0.0.1`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start_tls() -> anyhow::Result<Self> {
        let authority = Authority::new("database test CA")?;
        let client = authority.issue()?;
        Self::of_its_own(Some(Tls { authority, client }))
    }

    fn of_its_own(tls: Option<Tls>) -> anyhow::Result<Self> {
        let cluster = Cluster::start(tls)?;
        let mut database = cluster.create("notaryserver")?;
        database.cluster = Some(cluster);
        Ok(database)
    }

    /// An empty database in the server that all tests of this process share. It is dropped with this value.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn shared() -> anyhow::Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.is_none() {
            let cluster = Cluster::start(None)?;
            let folder = cluster.folder.path();
            let mark = folder.join("data/postmaster.pid");
            let _janitor = Janitor::watch(&cluster.service, &mark, folder, "QUIT")?;
            *shared = Some(Shared { cluster, _janitor });
        }
        let shared = shared.as_ref().context("no shared PostgreSQL")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        shared.cluster.create(&format!("test{number}"))
    }

    /// Another empty database in the same server, which must outlive it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn another(&self, name: &str) -> anyhow::Result<Self> {
        self.place.create(name)
    }

    /// The process of the server, where nobody shares it.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.cluster.as_ref().map(|cluster| cluster.service.id())
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// The directory with its socket, for data source names without an address.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        &self.place.folder
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

    /// The certificate authority that its clients must trust, PEM; `None` without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<String> {
        Some(self.cluster.as_ref()?.tls.as_ref()?.authority.pem())
    }

    /// The user who shows a certificate, and the certificate; `None` without TLS.
    #[must_use]
    pub fn certified(&self) -> Option<(&'static str, &Identity)> {
        Some((CERTIFIED, &self.cluster.as_ref()?.tls.as_ref()?.client))
    }

    /// What SQL statements answer: a line for every row, `|` between the columns.
    ///
    /// # Errors
    /// When one fails; none had an effect then.
    pub fn query(&self, sql: &str) -> anyhow::Result<String> {
        self.place.query(&self.name, OWNER, sql)
    }

    /// Makes the tables of a trust server as Go's migrations leave them.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn make_tables(&self) -> anyhow::Result<()> {
        self.query(GO_TABLES).map(drop)
    }

    /// Loads a dump.
    ///
    /// # Errors
    /// When it cannot be read or a statement fails; nothing is loaded then.
    pub fn load(&self, dump: &Path) -> anyhow::Result<()> {
        let text = fs::read_to_string(dump).with_context(|| format!("read {}", dump.display()))?;
        self.query(&text).map(drop)
    }

    /// Writes a dump of everything, as an administrator makes backups.
    ///
    /// # Errors
    /// When the program for it is not installed or fails.
    pub fn dump(&self, to: &Path) -> anyhow::Result<()> {
        let text = self.dump_text(&["--inserts"])?;
        file::write(to, text)
    }

    /// The statements that make its tables, without what is in them.
    ///
    /// # Errors
    /// When the program for it is not installed or fails.
    pub fn schema(&self) -> anyhow::Result<String> {
        let text = self.dump_text(&["--schema-only"])?;
        // Lines for the shell, which have something random in them.
        let lines = text.lines().filter(|line| !line.starts_with('\\'));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    fn dump_text(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(PG_DUMP.find()?);
        command
            .args(["--no-password", "--username=postgres", "--host"])
            .arg(&self.place.folder)
            .arg(format!("--port={}", self.place.address.port()))
            .args(["--no-owner", "--no-privileges"])
            .args(arguments)
            .arg(&self.name);
        process::run(&mut command, "", COMMAND_LIMIT)?.success()
    }

    /// Kills it with all its processes, as a crash of the machine's memory would. Only for a server of its own.
    ///
    /// # Errors
    /// When others share the server.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let cluster = self.cluster.as_mut().context("others use this server")?;
        cluster.kill();
        Ok(())
    }

    /// Starts it again on the same folder and port.
    ///
    /// # Errors
    /// When others share the server, or it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let cluster = self.cluster.as_mut().context("others use this server")?;
        cluster.kill();
        cluster.service = cluster.spawn()?;
        cluster.wait_ready()
    }
}

impl Database for PostgreSql {
    fn backend(&self) -> &'static str {
        "postgres"
    }

    fn url(&self) -> String {
        let tls = self
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.tls.as_ref());
        let mode = match tls {
            Some(_) => "require",
            None => "disable",
        };
        let (address, name) = (self.place.address, &self.name);
        format!("postgres://{OWNER}:{PASSWORD_IN_URL}@{address}/{name}?sslmode={mode}")
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        if self.cluster.is_none() {
            let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            // What cannot be dropped goes with the server.
            let _ = self.place.query("postgres", "postgres", &sql);
        }
    }
}

impl Cluster {
    fn start(tls: Option<Tls>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        if let Some((user, group)) = other_user()? {
            chown(path, Some(user), Some(group))?;
        }
        let mut initdb = as_user(&POSTGRES_INITDB.find()?)?;
        initdb
            .args(["--no-sync", "--username=postgres", "--encoding=UTF8"])
            .args(["--auth=trust", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en-US"])
            .arg("--pgdata")
            .arg(path.join("data"));
        process::run(&mut initdb, "", COMMAND_LIMIT)?.success()?;
        let owned = |name: &str, content: &str| {
            let file = path.join(name);
            file::write(&file, content)?;
            match other_user()? {
                Some((user, group)) => anyhow::Ok(chown(&file, Some(user), Some(group))?),
                None => Ok(()),
            }
        };
        owned("data/pg_hba.conf", ACCESS)?;
        if let Some(tls) = &tls {
            let identity = tls.authority.issue()?;
            owned("server.crt", &identity.certificate_pem)?;
            owned("server.key", &identity.key_pem)?;
            owned("ca.crt", &tls.authority.pem())?;
        } else {
            // Without TLS no line may speak of it.
            let lines = ACCESS.lines().filter(|line| !line.starts_with("hostssl"));
            owned("data/pg_hba.conf", &lines.collect::<Vec<_>>().join("\n"))?;
        }
        let (service, address) = crate::peer::start_on_free_port(
            "postgres",
            &path.join("postgres.log"),
            Group::Own,
            |address| command(path, address, tls.is_some()),
        )?;
        let mut cluster = Self {
            service,
            address,
            tls,
            folder,
        };
        cluster.wait_ready()?;
        let roles = format!(
            "CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE {CERTIFIED} LOGIN IN ROLE {OWNER};"
        );
        cluster.place().query("postgres", "postgres", &roles)?;
        Ok(cluster)
    }

    fn create(&self, name: &str) -> anyhow::Result<PostgreSql> {
        self.place().create(name)
    }

    fn place(&self) -> Place {
        Place {
            address: self.address,
            folder: self.folder.path().to_owned(),
        }
    }

    fn spawn(&self) -> anyhow::Result<Service> {
        let path = self.folder.path();
        let log = path.join("postgres.log");
        let mut command = command(path, self.address, self.tls.is_some())?;
        Service::spawn("postgres", &mut command, &log, Group::Own)
    }

    /// Also when it recovers from a crash, until it answers.
    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let place = self.place();
        self.service.wait_ready(START_LIMIT, || {
            place.query("postgres", "postgres", "SELECT 1").is_ok()
        })
    }

    fn kill(&mut self) {
        let id = self.service.id();
        // One that stands still starts nobody who would not be seen.
        let _ = self.service.signal(Signal::STOP);
        wait_for(|| state(id).is_none_or(|state| state == 'T'));
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        self.service.kill();
        // Each has a session of its own, and a part in the memory that the next server must not find in use.
        let children = children.unwrap_or_default();
        let children = || children.split_whitespace().flat_map(str::parse::<u32>);
        for child in children() {
            if let Some(child) = i32::try_from(child).ok().and_then(Pid::from_raw) {
                let _ = kill_process(child, Signal::KILL);
            }
        }
        wait_for(|| children().all(|child| state(child).is_none_or(|state| state == 'Z')));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // At once, but with all its processes and its shared memory.
        let _ = self.service.stop_by(Signal::QUIT, Duration::from_secs(10));
    }
}

/// The state of a process as `/proc` has it.
fn state(id: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.chars().next()
}

/// Looks for at most some seconds whether something is so.
fn wait_for(is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn command(folder: &Path, address: SocketAddr, tls: bool) -> anyhow::Result<Command> {
    let mut command = as_user(&POSTGRES.find()?)?;
    command.arg("-D").arg(folder.join("data"));
    let path = |name: &str| folder.join(name).display().to_string();
    let mut settings = vec![
        ("listen_addresses", address.ip().to_string()),
        ("port", address.port().to_string()),
        ("unix_socket_directories", path("")),
        ("max_connections", "200".to_owned()),
        // Crashes of processes lose nothing without it, and crashes of the machine are not tested.
        ("fsync", "off".to_owned()),
        ("shared_buffers", "32MB".to_owned()),
        // Far from UTC.
        ("timezone", "Asia/Kathmandu".to_owned()),
    ];
    if tls {
        settings.push(("ssl", "on".to_owned()));
        settings.push(("ssl_cert_file", path("server.crt")));
        settings.push(("ssl_key_file", path("server.key")));
        settings.push(("ssl_ca_file", path("ca.crt")));
    }
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    Ok(command)
}

impl Place {
    fn create(&self, name: &str) -> anyhow::Result<PostgreSql> {
        let sql = format!("CREATE DATABASE {name} OWNER {OWNER}");
        self.query("postgres", "postgres", &sql)?;
        Ok(PostgreSql {
            cluster: None,
            place: self.clone(),
            name: name.to_owned(),
        })
    }

    fn query(&self, database: &str, user: &str, sql: &str) -> anyhow::Result<String> {
        let mut command = Command::new(PSQL.find()?);
        command
            .args(["--no-psqlrc", "--no-password", "--quiet", "--no-align"])
            .args(["--tuples-only", "--set=ON_ERROR_STOP=1", "--username", user])
            .arg("--host")
            .arg(&self.folder)
            .arg(format!("--port={}", self.address.port()))
            .args(["--dbname", database, "--file=-"]);
        // Databases are made and dropped outside of transactions.
        if database != "postgres" {
            command.arg("--single-transaction");
        }
        let finished = process::run(&mut command, sql, COMMAND_LIMIT)?;
        Ok(finished.success()?.trim_end_matches('\n').to_owned())
    }
}

/// Whom PostgreSQL runs as when the tests are root's, which it refuses: user and group.
fn other_user() -> anyhow::Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let mut fields = users.lines().map(|line| line.split(':'));
    let mut fields = fields
        .find_map(|mut fields| (fields.next() == Some("postgres")).then_some(fields))
        .context("no user postgres, which the package postgresql makes")?;
    let mut number = || fields.next().and_then(|field| field.parse().ok());
    let _password = number();
    let user = number().context("user postgres has no number")?;
    Ok(Some((
        user,
        number().context("user postgres has no group")?,
    )))
}

fn as_user(program: &Path) -> anyhow::Result<Command> {
    let Some((user, group)) = other_user()? else {
        return Ok(Command::new(program));
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={group}"))
        .args(["--clear-groups", "--"])
        .arg(program)
        // Where a home directory was root's.
        .current_dir("/");
    Ok(command)
}

//! Servers on one database, and how each part of it is hit.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use signet_testkit::file;
use signet_testkit::http::Client;
use signet_testkit::peer::{
    Database, MariaDb, PostgreSql, Signer, SignerOptions, Storage, TrustOptions, TrustServer,
};
use signet_testkit::process::{COMMAND_LIMIT, run};
use signet_testkit::program::{SQLITE3, ours};
use tempfile::TempDir;

/// Sessions that each server may have.
pub(crate) const POOL: usize = 8;
const PASSPHRASE: &str = "held by all replicas";
/// How long a server may take to finish what it has begun.
const FAREWELL: Duration = Duration::from_secs(40);

/// Where the servers keep documents.
pub(crate) enum Store {
    PostgreSql(PostgreSql),
    MariaDb(MariaDb),
    Sqlite(TempDir),
}

/// Where their keys are.
#[derive(Clone, Copy)]
pub(crate) enum Keys {
    /// With the documents.
    Local,
    /// In a key service, with a database of its own beside that of the documents.
    Remote,
}

/// What is hit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    /// A server's process ends at once.
    Kill(usize),
    /// A server is asked to end.
    Stop(usize),
    /// The processes of the database end at once.
    Database,
    /// The key service's process ends at once.
    Signer,
}

/// Looks at the database from outside, also while it is hit.
pub(crate) enum Watch {
    PostgreSql(PostgreSql),
    MariaDb(MariaDb),
}

/// Servers of one database.
pub(crate) struct Scene {
    pub(crate) replicas: Vec<TrustServer>,
    options: TrustOptions,
    variables: Vec<(&'static str, String)>,
    signer: Option<Signer>,
    _keys: Option<Box<dyn Database>>,
    pub(crate) store: Store,
    watches: usize,
}

impl Store {
    pub(crate) fn postgresql() -> Self {
        Self::PostgreSql(PostgreSql::start().unwrap())
    }

    pub(crate) fn mariadb() -> Self {
        Self::MariaDb(MariaDb::start().unwrap())
    }

    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    fn service(&self) -> Option<&dyn Database> {
        match self {
            Self::PostgreSql(database) => Some(database),
            Self::MariaDb(database) => Some(database),
            Self::Sqlite(_) => None,
        }
    }

    /// Another database of the same service.
    fn another(&self, name: &str) -> Option<Box<dyn Database>> {
        match self {
            Self::PostgreSql(database) => Some(Box::new(database.another(name).unwrap())),
            Self::MariaDb(database) => Some(Box::new(database.another(name).unwrap())),
            Self::Sqlite(_) => None,
        }
    }

    /// Rows of these columns.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let (text, separator) = match self {
            Self::PostgreSql(database) => (database.query(sql).unwrap(), '|'),
            Self::MariaDb(database) => (database.query(sql).unwrap(), '\t'),
            Self::Sqlite(folder) => {
                let mut command = Command::new(SQLITE3.find().unwrap());
                command.arg("-batch").arg(folder.path().join("trust.db"));
                let finished = run(&mut command, sql, COMMAND_LIMIT).unwrap();
                (finished.success().unwrap(), '|')
            }
        };
        let row = |line: &str| line.split(separator).map(str::to_owned).collect();
        text.lines().map(row).collect()
    }

    /// The expression of a column's bytes as lower-case hexadecimal digits.
    pub(crate) fn hexadecimal(&self, column: &str) -> String {
        match self {
            Self::PostgreSql(_) => format!("encode({column}, 'hex')"),
            Self::MariaDb(_) | Self::Sqlite(_) => format!("lower(hex({column}))"),
        }
    }
}

impl Watch {
    /// How many sessions servers have; nothing while the database is away.
    pub(crate) fn sessions(&self) -> Option<usize> {
        let answer = match self {
            Self::PostgreSql(database) => database
                .query("SELECT count(*) FROM pg_stat_activity WHERE datname = 'notaryserver'"),
            Self::MariaDb(database) => database.query(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'notaryserver'",
            ),
        };
        answer.ok()?.trim().parse().ok()
    }
}

impl Scene {
    /// Two servers on a database, or one on SQLite.
    pub(crate) fn on(store: Store, keys: Keys) -> Self {
        let mut variables = vec![
            ("NOTARY_SERVER_LOCAL_PASSPHRASE", PASSPHRASE.to_owned()),
            ("NOTARY_SERVER_STORAGE_MAX_CONNECTIONS", POOL.to_string()),
            // Slow machines are not what is tested.
            ("NOTARY_SERVER_STORAGE_ACQUIRE_TIMEOUT", "20".to_owned()),
        ];
        let mut options = TrustOptions::default();
        if let Some(database) = store.service() {
            migrate(database);
            options = options.database(database);
        }
        let mut replicas = 2;
        if let Store::Sqlite(folder) = &store {
            let file = folder.path().join("trust.db").display().to_string();
            variables.push(("NOTARY_SERVER_STORAGE_DB_URL", file));
            options = options.storage(Storage::Sqlite);
            replicas = 1;
        }
        for (name, value) in &variables {
            options = options.variable(name, value);
        }
        let (mut signer, mut beside) = (None, None);
        if let Keys::Remote = keys {
            let database = store.another("notarysigner").unwrap();
            let service = key_service(&*database);
            options = options.signer(&service);
            (signer, beside) = (Some(service), Some(database));
        }
        let start = || TrustServer::ours_with(&options.clone().plain()).unwrap();
        Self {
            replicas: (0..replicas).map(|_| start()).collect(),
            options,
            variables,
            signer,
            _keys: beside,
            store,
            watches: 0,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match &self.store {
            Store::PostgreSql(_) => "PostgreSQL",
            Store::MariaDb(_) => "MariaDB",
            Store::Sqlite(_) => "SQLite",
        }
    }

    pub(crate) fn clients(&self) -> Vec<Client> {
        let clients = self.replicas.iter().map(TrustServer::client);
        clients.collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn watch(&mut self) -> Option<Watch> {
        self.watches += 1;
        let name = format!("watch{}", self.watches);
        match &self.store {
            Store::PostgreSql(database) => {
                Some(Watch::PostgreSql(database.another(&name).unwrap()))
            }
            Store::MariaDb(database) => Some(Watch::MariaDb(database.another(&name).unwrap())),
            Store::Sqlite(_) => None,
        }
    }

    /// All that can be hit, in turn.
    pub(crate) fn blows(&self) -> Vec<Blow> {
        let last = self.replicas.len() - 1;
        let mut blows = vec![Blow::Kill(0), Blow::Stop(last)];
        if self.store.service().is_some() {
            blows.push(Blow::Database);
        }
        if self.signer.is_some() {
            blows.push(Blow::Signer);
        }
        blows.push(Blow::Kill(last));
        blows
    }

    /// Hits something, and brings it back after a while.
    pub(crate) fn strike(&mut self, blow: Blow, down: Duration) -> anyhow::Result<()> {
        match blow {
            Blow::Kill(replica) => {
                self.replicas[replica].service().kill();
                thread::sleep(down);
                self.replicas[replica].crash_and_restart()
            }
            Blow::Stop(replica) => {
                let status = self.replicas[replica].service().stop(FAREWELL)?;
                ensure!(status.success(), "a server ended with {status}");
                thread::sleep(down);
                self.replicas[replica].crash_and_restart()
            }
            Blow::Database => match &mut self.store {
                Store::PostgreSql(database) => {
                    database.kill()?;
                    thread::sleep(down);
                    database.restart()
                }
                Store::MariaDb(database) => {
                    database.kill()?;
                    thread::sleep(down);
                    database.restart()
                }
                Store::Sqlite(_) => Ok(()),
            },
            Blow::Signer => {
                let signer = self.signer.as_mut().context("no key service")?;
                signer.service().kill();
                thread::sleep(down);
                signer.restart()
            }
        }
    }

    /// Ends all servers, which must end well, and starts one for clients, over TLS. It finds nothing wrong with what is stored.
    pub(crate) fn close(&mut self) -> TrustServer {
        for mut server in self.replicas.drain(..) {
            let status = server.service().stop(FAREWELL).unwrap();
            assert!(status.success(), "{status}");
        }
        let server = TrustServer::ours_with(&self.options).unwrap();
        let mut command = Command::new(ours("notary-server").unwrap());
        command
            .args(["check", "-format", "json", "-config"])
            .arg(server.folder().join("server.json"))
            .current_dir(server.folder())
            .envs(self.variables.clone());
        let finished = run(&mut command, "", COMMAND_LIMIT).unwrap();
        println!("{}: {}", self.name(), finished.success().unwrap().trim());
        server
    }
}

/// Makes the tables.
fn migrate(database: &dyn Database) {
    let (trust, passphrase) = (
        json!({"type": "local"}),
        ("NOTARY_SERVER_LOCAL_PASSPHRASE", PASSPHRASE),
    );
    let config = json!({"storage": database.storage(), "trust_service": trust});
    make_ready("notary-server", "migrate", &config, passphrase);
}

/// A key service on this database.
fn key_service(database: &dyn Database) -> Signer {
    let mut config = json!({"storage": database.storage()});
    config["storage"]["default_alias"] = json!("timestamp_1");
    let passphrase = ("NOTARY_SIGNER_TIMESTAMP_1", PASSPHRASE);
    make_ready("notary-signer", "migrate", &config, passphrase);
    let options = SignerOptions::default().database(database);
    Signer::ours_with(&options.variable(passphrase.0, passphrase.1)).unwrap()
}

fn make_ready(program: &str, task: &str, config: &Value, (name, value): (&str, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    file::write(&path, config.to_string()).unwrap();
    let mut command = Command::new(ours(program).unwrap());
    command.arg(task).arg("-config").arg(path).env(name, value);
    let finished = run(&mut command, "", COMMAND_LIMIT).unwrap();
    finished.success().unwrap();
}

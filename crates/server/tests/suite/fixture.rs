//! A service with its store, its clock, and a client that calls it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use signet_server::store::{MemoryStore, MetadataStore, MigrateOptions, MySqlStore, SqliteStore};
use signet_server::trust::{MemoryTrust, TrustService};
use signet_server::{App, Settings};
use signet_sql::PoolLimits;
use signet_storage::PostgresStore;
use signet_testkit::peer::{Database, MariaDb, PostgreSql};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;

/// When the tests begin.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

pub(crate) const BOUNDARY: &str = "f20ae3554132f191d9363b308f438c12b19c78dced245a53d76f7d1f7952";

/// The stores that every test of the service runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Memory,
    Sqlite,
    Postgres,
    MySql,
}

impl Backend {
    /// Every one.
    pub(crate) const ALL: [Self; 4] = [Self::Memory, Self::Sqlite, Self::Postgres, Self::MySql];
}

pub(crate) struct Server {
    pub(crate) app: Arc<App>,
    pub(crate) store: Arc<dyn MetadataStore>,
    pub(crate) trust: Arc<dyn TrustService>,
    clock: Arc<Mutex<OffsetDateTime>>,
    settings: Settings,
    /// Deleted when the server is dropped.
    _folder: TempDir,
    /// Where the store is on a database service.
    pub(crate) database: Option<Box<dyn Database + Send + Sync>>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as a reader sees it who takes gzip, as Go's clients do.
    pub(crate) fn decoded(&self) -> Bytes {
        if self.header("content-encoding") != Some("gzip") {
            return self.body.clone();
        }
        let mut out = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&self.body[..]);
        std::io::Read::read_to_end(&mut decoder, &mut out).unwrap();
        out.into()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    /// The error code of a refusal.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn detail(&self) -> Value {
        self.json()["errors"][0]["detail"].clone()
    }

    /// Name and message of a refused update.
    pub(crate) fn reason(&self) -> (String, String) {
        let detail = self.detail();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&detail["Name"]), text(&detail["Error"]["Msg"]))
    }

    #[track_caller]
    pub(crate) fn assert_ok(&self) -> &Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, name: &str, message: &str) {
        assert_eq!(self.status, 400, "{}", self.text());
        assert_eq!(self.reason(), (name.to_owned(), message.to_owned()));
        assert!(self.body.len() < 1024, "clients read 1024 bytes");
    }

    #[track_caller]
    pub(crate) fn assert_conflict(&self) {
        assert_eq!((self.status.as_u16(), &*self.code()), (400, "VERSION"));
        assert_eq!(self.detail(), serde_json::json!({}));
    }
}

impl Server {
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, Settings::default()).await
    }

    pub(crate) async fn with(backend: Backend, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut database: Option<Box<dyn Database + Send + Sync>> = None;
        let store: Arc<dyn MetadataStore> = match backend {
            Backend::Memory => Arc::new(MemoryStore::new()),
            Backend::Sqlite => Arc::new(open(&folder.path().join("server.db")).await),
            Backend::Postgres => {
                let service = PostgreSql::shared().unwrap();
                let store = open_postgres(&service).await;
                database = Some(Box::new(service));
                Arc::new(store)
            }
            Backend::MySql => {
                let service = MariaDb::shared().unwrap();
                let store = open_mysql(&service).await;
                database = Some(Box::new(service));
                Arc::new(store)
            }
        };
        let mut server = Self::on(store, Arc::new(MemoryTrust::new()), settings, folder);
        server.database = database;
        server
    }

    /// One for each kind of store.
    pub(crate) async fn on_every_store() -> Vec<Self> {
        let mut servers = Vec::new();
        for backend in Backend::ALL {
            servers.push(Self::new(backend).await);
        }
        servers
    }

    pub(crate) fn on(
        store: Arc<dyn MetadataStore>,
        trust: Arc<dyn TrustService>,
        settings: Settings,
        folder: TempDir,
    ) -> Self {
        let clock = Arc::new(Mutex::new(NOW));
        let app = app(&store, &trust, &settings, &clock);
        Self {
            app,
            store,
            trust,
            clock,
            settings,
            _folder: folder,
            database: None,
        }
    }

    /// The same store and keys behind a service that has nothing in memory yet.
    pub(crate) fn restart(&mut self) {
        self.app = app(&self.store, &self.trust, &self.settings, &self.clock);
    }

    pub(crate) fn set_time(&self, now: OffsetDateTime) {
        *self.clock.lock().unwrap() = now;
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.app.handle(request).await;
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .body(Full::default());
        self.send(request.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).await
    }

    /// A file below the GUN's metadata path.
    pub(crate) async fn file(&self, gun: &str, name: &str) -> Answer {
        self.get(&format!("/v2/{gun}/_trust/tuf/{name}")).await
    }

    /// The `signed` part of a current document.
    pub(crate) async fn signed(&self, gun: &str, role: &str) -> Value {
        let answer = self.file(gun, &format!("{role}.json")).await;
        answer.assert_ok();
        answer.json()["signed"].clone()
    }

    pub(crate) async fn post(&self, gun: &str, parts: &[(&str, &[u8])]) -> Answer {
        self.post_body(gun, multipart(parts)).await
    }

    pub(crate) async fn post_body(&self, gun: &str, body: Vec<u8>) -> Answer {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/v2/{gun}/_trust/tuf/"))
            .header("content-type", kind)
            .body(Full::from(body));
        self.send(request.unwrap()).await
    }

    /// IDs, versions and categories of the whole changefeed.
    pub(crate) async fn feed(&self, gun: &str) -> Vec<(String, i64, String)> {
        let answer = self
            .get(&format!("/v2/{gun}/_trust/changefeed?records=1000"))
            .await;
        let records = answer.json()["records"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        records
            .iter()
            .map(|r| {
                (
                    text(&r["ID"]),
                    r["Version"].as_i64().unwrap(),
                    text(&r["Category"]),
                )
            })
            .collect()
    }
}

fn app(
    store: &Arc<dyn MetadataStore>,
    trust: &Arc<dyn TrustService>,
    settings: &Settings,
    clock: &Arc<Mutex<OffsetDateTime>>,
) -> Arc<App> {
    let clock = Arc::clone(clock);
    App::new(
        Arc::clone(store),
        Arc::clone(trust),
        settings.clone(),
        Arc::new(move || *clock.lock().unwrap()),
    )
}

pub(crate) async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path.to_str().unwrap()).await.unwrap()
}

fn limits() -> PoolLimits {
    PoolLimits {
        connections: 8,
        ..PoolLimits::default()
    }
}

/// A store on a database in which nothing needs to be yet.
pub(crate) async fn open_postgres(database: &PostgreSql) -> PostgresStore {
    let pool = signet_sql::postgres::connect(&database.url(), limits())
        .await
        .unwrap();
    signet_storage::postgres::migrate(&pool).await.unwrap();
    PostgresStore::open(pool).await.unwrap()
}

/// The same, with the least privileges that a server needs.
pub(crate) async fn open_mysql(database: &MariaDb) -> MySqlStore {
    let owner = signet_sql::mysql::connect(&database.url(), limits())
        .await
        .unwrap();
    let made = MySqlStore::migrate(&owner, MigrateOptions::default()).await;
    assert!(!made.unwrap().is_empty());
    owner.close().await;
    let pool = signet_sql::mysql::connect(&database.limited_url(), limits())
        .await
        .unwrap();
    MySqlStore::open(pool).await.unwrap()
}

/// A multipart body as Go's client writes it.
pub(crate) fn multipart(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, data) in parts {
        body.extend_from_slice(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(data);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(data(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A raw HTTP request as a request, without the headers of its connection.
pub(crate) fn parse_request(raw: &[u8]) -> Request<Full<Bytes>> {
    let (head, body) = split_message(raw);
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let mut request = Request::builder()
        .method(first.next().unwrap())
        .uri(first.next().unwrap());
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(Full::from(body.to_vec())).unwrap()
}

/// Status and body of a raw HTTP answer.
pub(crate) fn parse_answer(raw: &[u8]) -> (u16, Vec<u8>) {
    let (head, body) = split_message(raw);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    (
        status,
        if is_chunked {
            unchunk(body)
        } else {
            body.to_vec()
        },
    )
}

fn split_message(raw: &[u8]) -> (&str, &[u8]) {
    let at = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    (std::str::from_utf8(&raw[..at]).unwrap(), &raw[at + 4..])
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = body.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
}

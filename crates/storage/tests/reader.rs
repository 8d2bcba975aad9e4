//! Databases and dumps that Go's server wrote, read without being their server.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail loudly, and write files of their own"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use signet_storage::{
    Commit, DatabaseReader, Engine, MetadataStore as _, NewDocument, ReadError, Revision,
    SqliteStore, StoredRow,
};
use signet_tuf::crypto::sha256;
use signet_tuf::{Gun, RoleName};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tempfile::TempDir;
use time::macros::datetime;

const GUN: &str = "registry.example.com/demo/app";

/// What a Go server left, as the programs of its database dump it.
fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../server/tests/data/db")
        .join(name)
}

struct Read {
    engine: Engine,
    guns: Vec<String>,
    rows: Vec<StoredRow>,
    changes: usize,
}

async fn read(path: &Path) -> Result<Read, ReadError> {
    let scratch = tempfile::tempdir().unwrap();
    let mut reader = DatabaseReader::open(path, scratch.path()).await?;
    let guns = reader.guns(b"", 100).await?.into_iter();
    let guns = guns.map(|gun| String::from_utf8(gun).unwrap()).collect();
    let rows = reader.documents(GUN, 1 << 20, 1000, 1 << 30).await?;
    let rows = rows.unwrap();
    let changes = reader.changes(GUN, 1000).await?.len();
    let engine = reader.engine();
    reader.finish().await?;
    assert_eq!(
        fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "nothing stays"
    );
    Ok(Read {
        engine,
        guns,
        rows,
        changes,
    })
}

/// The checksums that the dump's own rows have.
fn checksums(dump: &str) -> BTreeSet<String> {
    dump.lines()
        .filter(|line| {
            line.starts_with("INSERT INTO")
                && line.contains("tuf_files")
                && !line.contains("sqlite_sequence")
        })
        .map(|line| {
            let mut texts = line.split('\'');
            let digest =
                |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
            texts.find(digest).unwrap().to_owned()
        })
        .collect()
}

fn digests(rows: &[StoredRow]) -> BTreeSet<String> {
    let data = rows.iter().map(|row| row.data.as_ref().unwrap());
    data.map(|data| data_encoding::HEXLOWER.encode(&sha256(data)))
        .collect()
}

#[tokio::test]
async fn dumps_of_every_database_are_read() {
    for (name, engine, documents) in [
        ("sqlite-server.sql", Engine::Sqlite, 10),
        ("mysql-server.sql", Engine::Mysql, 13),
        ("postgres-server.sql", Engine::Postgresql, 13),
    ] {
        let path = recorded(name);
        let found = read(&path).await.unwrap();
        assert_eq!(
            (found.engine, found.rows.len()),
            (engine, documents),
            "{name}"
        );
        assert_eq!(found.guns, [GUN]);
        let dump = fs::read_to_string(&path).unwrap();
        assert_eq!(digests(&found.rows), checksums(&dump), "{name}");
        assert_eq!(found.changes, if engine == Engine::Sqlite { 3 } else { 4 });
        let first = &found.rows[0];
        assert_eq!((first.role.as_str(), first.version), ("root", 1));
        let day = first.stored_at.unwrap().date();
        assert_eq!(day, time::macros::date!(2026 - 11 - 22), "{name}");
    }
}

fn written(folder: &TempDir, name: &str, text: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// `pg_dump` without `--inserts` writes rows as lines, and `mysqldump` without `--hex-blob` bytes as text, many rows a statement.
#[tokio::test]
async fn the_other_forms_of_the_same_rows_are_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let dump = fs::read_to_string(recorded("postgres-server.sql")).unwrap();
    let mut copy = String::new();
    let mut is_open = false;
    for line in dump.lines() {
        let row = line.strip_prefix("INSERT INTO public.tuf_files (");
        match row.and_then(|row| row.split_once(") VALUES (")) {
            Some((columns, values)) => {
                if !is_open {
                    copy.push_str(&format!("COPY public.tuf_files ({columns}) FROM stdin;\n"));
                }
                let values = values.strip_suffix(");").unwrap();
                let fields = values.split(", ").map(|value| match value {
                    "NULL" => "\\N".to_owned(),
                    text => text.trim_matches('\'').replace('\\', "\\\\"),
                });
                copy.push_str(&fields.collect::<Vec<_>>().join("\t"));
                copy.push('\n');
                is_open = true;
            }
            None => {
                if is_open {
                    copy.push_str("\\.\n\n");
                    is_open = false;
                }
                copy.push_str(line);
                copy.push('\n');
            }
        }
    }
    assert!(copy.contains("COPY public.tuf_files"));
    let found = read(&written(&folder, "copy.sql", copy.as_bytes()))
        .await
        .unwrap();
    assert_eq!(digests(&found.rows), checksums(&dump));

    let dump = fs::read_to_string(recorded("mysql-server.sql")).unwrap();
    let mut text: Vec<u8> = Vec::new();
    let mut rows = 0;
    for line in dump.lines() {
        let Some(values) = line.strip_prefix("INSERT INTO `tuf_files` VALUES ") else {
            text.extend(line.bytes().chain([b'\n']));
            continue;
        };
        let (before, rest) = values.split_once("0x").unwrap();
        let (hex, after) = rest.split_once(',').unwrap();
        let bytes = data_encoding::HEXUPPER.decode(hex.as_bytes()).unwrap();
        let escaped = String::from_utf8(bytes)
            .unwrap()
            .replace('\\', "\\\\")
            .replace('\'', "\\'")
            .replace('"', "\\\"");
        if rows == 0 {
            text.extend(b"INSERT INTO `tuf_files` VALUES ");
        } else {
            text.push(b',');
        }
        let row = format!(
            "{before}_binary '{escaped}',{}",
            after.strip_suffix(';').unwrap()
        );
        text.extend(row.bytes());
        rows += 1;
        if rows == 13 {
            text.extend(b";\n");
        }
    }
    let found = read(&written(&folder, "text.sql", &text)).await.unwrap();
    assert_eq!(digests(&found.rows), checksums(&dump));
}

#[tokio::test]
async fn what_is_no_dump_is_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let table = "CREATE TABLE `tuf_files` (`id` int, `created_at` int, `deleted_at` int, `gun` text, `role` text, `version` int, `data` blob);\n";
    for (text, reason) in [
        ("hello".to_owned(), "neither a SQLite database nor a dump"),
        (String::new(), "neither a SQLite database nor a dump"),
        ("PGDMP\u{1}".to_owned(), "pg_restore"),
        ("-- MySQL dump\n".to_owned(), "no table tuf_files"),
        (
            "-- MySQL dump\nINSERT INTO `tuf_files` VALUES (1);".to_owned(),
            "line 2: the table's columns are not known",
        ),
        (
            format!("{table}INSERT INTO `tuf_files` VALUES (1,2);"),
            "not as many values",
        ),
        (
            format!("{table}INSERT INTO `tuf_files` VALUES (1,2,3,4,'a',5,now());"),
            "line 2: a value is written",
        ),
        (
            format!("{table}INSERT INTO `tuf_files` VALUES (1,'"),
            "line 2: a text has no end",
        ),
        (format!("{table}/* "), "a comment has no end"),
        (
            format!("{table}INSERT INTO `tuf_files` VALUES (1,NULL,NULL,'a',NULL,5,0x00);"),
            "a value is missing",
        ),
    ] {
        let path = written(&folder, "dump.sql", text.as_bytes());
        let error = read(&path).await.err().unwrap();
        let mut told = error.to_string();
        if let Some(source) = std::error::Error::source(&error) {
            told.push_str(&source.to_string());
        }
        assert!(told.contains(reason), "{told}");
    }
}

/// A database as Go's server makes it.
async fn database(folder: &Path) -> PathBuf {
    let path = folder.join("server.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .disable_statement_logging();
    let mut connection = options.connect().await.unwrap();
    let dump = fs::read_to_string(recorded("sqlite-server.sql")).unwrap();
    connection.execute(sqlx::AssertSqlSafe(dump)).await.unwrap();
    connection.close().await.unwrap();
    path
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[tokio::test]
async fn a_file_that_nobody_uses_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path()).await;
    let before = fs::read(&path).unwrap();
    for mode in [0o500, 0o700] {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let found = read(&path).await.unwrap();
        assert_eq!((found.engine, found.rows.len()), (Engine::Sqlite, 10));
        assert_eq!(names(folder.path()), ["server.db".to_owned()].into());
    }
    // Once our server had it, its journal is a write-ahead log; that makes no difference afterwards.
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    store.close().await;
    drop(store);
    let there = names(folder.path());
    assert_eq!(read(&path).await.unwrap().rows.len(), 10);
    assert_eq!(names(folder.path()), there);
    assert_ne!(before, [0; 0]);
}

/// What is written while somebody reads.
async fn publish(store: &SqliteStore, version: i64) {
    let gun: Gun = GUN.parse().unwrap();
    let text = format!("timestamp {version}");
    let newest = store
        .newest(&gun, &RoleName::timestamp())
        .await
        .unwrap()
        .unwrap();
    let timestamp = NewDocument {
        role: RoleName::timestamp(),
        version,
        sha256: sha256(text.as_bytes()),
        data: Bytes::from(text),
    };
    let commit = Commit {
        gun: &gun,
        base: Some(Revision {
            version: newest.version,
            sha256: newest.sha256,
        }),
        documents: &[],
        timestamp: &timestamp,
        now: datetime!(2026-11-23 12:00 UTC),
    };
    store.commit(&commit).await.unwrap();
}

#[tokio::test]
async fn a_running_server_goes_on_and_one_state_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path()).await;
    let store = SqliteStore::open(path.to_str().unwrap()).await.unwrap();
    publish(&store, 4).await;
    let there = names(folder.path());
    let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
    assert_eq!(reader.guns(b"", 9).await.unwrap(), [GUN.as_bytes()]);
    // Neither is the server held up, nor does the reader see what comes now.
    publish(&store, 5).await;
    let rows = reader.documents(GUN, 1 << 20, 1000, 1 << 30).await;
    assert_eq!(rows.unwrap().unwrap().len(), 11);
    reader.finish().await.unwrap();
    assert_eq!(names(folder.path()), there);
    assert_eq!(read(&path).await.unwrap().rows.len(), 12);
    // The lock is still the server's.
    assert!(SqliteStore::open(path.to_str().unwrap()).await.is_err());
    publish(&store, 6).await;

    // A copy of what a killed server leaves: the newest rows are in the log only.
    let dead = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = format!("server.db{suffix}");
        fs::copy(folder.path().join(&name), dead.path().join(&name)).unwrap();
    }
    let there = names(dead.path());
    let found = read(&dead.path().join("server.db")).await.unwrap();
    assert_eq!(found.rows.len(), 13);
    assert_eq!(names(dead.path()), there);
}

/// Names that no server writes neither come again and again nor end the rest.
#[tokio::test]
async fn odd_names_do_not_keep_the_others_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path()).await;
    let options = SqliteConnectOptions::new().filename(&path);
    let mut other = options.connect().await.unwrap();
    for name in ["x'7a7a'", "CAST(x'7aff' AS TEXT)"] {
        let row = format!(
            "INSERT INTO tuf_files (created_at, gun, role, version, data) VALUES ('2026-11-22 19:00:00', {name}, 'root', 1, x'7b7d')"
        );
        other.execute(sqlx::AssertSqlSafe(row)).await.unwrap();
    }
    other.close().await.unwrap();
    let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
    let first = reader.guns(b"", 1).await.unwrap();
    assert_eq!(first, [GUN.as_bytes()]);
    let second = reader.guns(&first[0], 1).await.unwrap();
    assert_eq!(second, [b"z\xff"]);
    assert!(reader.guns(&second[0], 1).await.unwrap().is_empty());
    reader.finish().await.unwrap();
}

/// The work that a database of this size may cost is enough for every repository in it.
#[tokio::test]
async fn many_repositories_are_read_by_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path()).await;
    let options = SqliteConnectOptions::new().filename(&path);
    let mut other = options.connect().await.unwrap();
    let many = "INSERT INTO tuf_files (gun, role, version, data) \
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 4000) \
        SELECT 'many/' || n, 'root', 1, x'7b7d' FROM numbers";
    other.execute(many).await.unwrap();
    other.close().await.unwrap();
    let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
    let mut names: Vec<Vec<u8>> = Vec::new();
    loop {
        let after = names.last().cloned().unwrap_or_default();
        match reader.guns(&after, 200).await.unwrap() {
            page if page.is_empty() => break,
            page => names.extend(page),
        }
    }
    assert!(names.is_sorted() && names.len() == 4001, "{}", names.len());
    for name in names {
        let name = String::from_utf8(name).unwrap();
        let rows = reader.documents(&name, 100_000, 100, 1_000_000).await;
        assert!(!rows.unwrap().unwrap().is_empty(), "{name}");
    }
    reader.finish().await.unwrap();
}

/// Publishers choose names; what they write does not say which database a dump is of.
#[tokio::test]
async fn the_engine_is_told_by_the_beginning_alone() {
    let text = fs::read_to_string(recorded("mysql-server.sql")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.sql");
    let row = "INSERT INTO `changefeed` VALUES (999,'2026-11-22 19:00:00','x/pg_catalog.y PostgreSQL database dump',1,'','update');";
    let at = text.find("INSERT INTO `tuf_files`").unwrap();
    let (before, after) = text.split_at(at);
    fs::write(&path, format!("{before}{row}\n{after}")).unwrap();
    assert_eq!(read(&path).await.unwrap().engine, Engine::Mysql);
    fs::write(&path, format!("-- PostgreSQL database dump\n{text}")).unwrap();
    assert!(read(&path).await.is_err());
}

#[tokio::test]
async fn what_would_not_be_one_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path()).await;
    let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
    reader.guns(b"", 9).await.unwrap();
    let mut other = SqliteConnectOptions::new()
        .filename(&path)
        .connect()
        .await
        .unwrap();
    other
        .execute("UPDATE tuf_files SET version = 9 WHERE id = 1")
        .await
        .unwrap();
    other.close().await.unwrap();
    let error = reader.finish().await.unwrap_err();
    assert!(matches!(error, ReadError::Changed { .. }), "{error}");

    fs::write(folder.path().join("server.db-journal"), b"hot").unwrap();
    let error = read(&path).await.err().unwrap();
    assert!(matches!(error, ReadError::Unfinished { .. }), "{error}");

    let empty = folder.path().join("other.db");
    let options = SqliteConnectOptions::new()
        .filename(&empty)
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute("CREATE TABLE x (y)").await.unwrap();
    connection.close().await.unwrap();
    let error = read(&empty).await.err().unwrap();
    assert!(
        matches!(
            error,
            ReadError::NoTable {
                table: "tuf_files",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn deleted_rows_are_invisible_and_bounds_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path()).await;
    let mut other = SqliteConnectOptions::new()
        .filename(&path)
        .connect()
        .await
        .unwrap();
    other
        .execute("UPDATE tuf_files SET deleted_at = '2026-11-22 00:00:00+00:00' WHERE id = 1")
        .await
        .unwrap();
    other.close().await.unwrap();
    assert_eq!(read(&path).await.unwrap().rows.len(), 9);
    let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
    for (max_rows, max_bytes) in [(8, 1 << 30), (99, 2000)] {
        let rows = reader.documents(GUN, 1 << 20, max_rows, max_bytes).await;
        assert!(rows.unwrap().is_none());
    }
    let rows = reader.documents(GUN, 10, 99, 1 << 30).await.unwrap();
    assert!(rows.unwrap().iter().all(|row| row.data.is_none()));
    reader.finish().await.unwrap();
}

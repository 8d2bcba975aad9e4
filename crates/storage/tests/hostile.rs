//! SQLite files whose makers want to cost memory or time, or to have code run.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail loudly, and write files of their own"
)]

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use signet_storage::{DatabaseReader, ReadError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

const GUN: &str = "registry.example.com/demo/app";
/// The tables as Go's server makes them.
const FILES: &str = r#"CREATE TABLE "tuf_files" ("id" integer primary key autoincrement,"created_at" datetime,"updated_at" datetime,"deleted_at" datetime,"gun" varchar(255) NOT NULL,"role" varchar(255) NOT NULL,"version" integer NOT NULL,"sha256" varchar(64),"data" longblob NOT NULL );"#;
const CHANGES: &str = r#"CREATE TABLE "changefeed" ("id" integer primary key autoincrement not null,"created_at" datetime,"gun" varchar(255) NOT NULL,"version" integer NOT NULL,"sha256" varchar(64),"category" varchar(20) NOT NULL );"#;

async fn database(folder: &Path, statements: &[&str]) -> PathBuf {
    let path = folder.join("server.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .disable_statement_logging();
    let mut connection = options.connect().await.unwrap();
    for statement in statements {
        let statement = sqlx::AssertSqlSafe((*statement).to_owned());
        connection.execute(statement).await.unwrap();
    }
    connection.close().await.unwrap();
    path
}

/// What the shell of SQLite writes of it.
fn dump(database: &Path) -> PathBuf {
    let output = std::process::Command::new("sqlite3")
        .args([database.to_str().unwrap(), ".dump"])
        .output()
        .expect("sqlite3 is needed: apt-get install sqlite3");
    assert!(output.status.success());
    let path = database.with_extension("sql");
    fs::write(&path, output.stdout).unwrap();
    path
}

fn told(error: &ReadError) -> String {
    let source = error.source().map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

#[tokio::test]
async fn only_ordinary_tables_are_read() {
    let view = "CREATE VIEW tuf_files AS SELECT 1 AS id, '' AS created_at, NULL AS deleted_at, 'a/b' AS gun, 'root' AS role, \
        1 AS version, randomblob(100000000) AS data;";
    let lie = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET type = 'table', rootpage = 2 WHERE name = 'tuf_files'; PRAGMA writable_schema = OFF;";
    let virtual_table = "CREATE VIRTUAL TABLE tuf_files USING fts5(id, created_at, deleted_at, gun, role, version, data);";
    let generated = FILES.replace(
        r#""data" longblob NOT NULL"#,
        r#""data" longblob GENERATED ALWAYS AS (zeroblob(100000000)) STORED"#,
    );
    let computed = generated.replace("STORED", "VIRTUAL");
    // Every row that is shorter than the table would have it, and none would cost the file a byte.
    let default = FILES.replace(
        r#""data" longblob NOT NULL"#,
        r#""data" longblob NOT NULL DEFAULT x'7b7d'"#,
    );
    let no_key = FILES.replace("primary key autoincrement", "");
    let no_data = FILES.replace("\"data\"", "\"other\"");
    for (name, statements, reason) in [
        ("a view", vec![view, CHANGES], "CREATE VIEW"),
        // This one SQLite finds itself.
        (
            "a view that says to be a table",
            vec![view, CHANGES, lie],
            "malformed database schema",
        ),
        (
            "a virtual table",
            vec![virtual_table, CHANGES],
            "CREATE VIRTUAL TABLE",
        ),
        (
            "another virtual table",
            vec![
                FILES,
                CHANGES,
                "CREATE VIRTUAL TABLE words USING fts5(word);",
            ],
            "CREATE VIRTUAL TABLE",
        ),
        (
            "a trigger",
            vec![
                FILES,
                CHANGES,
                "CREATE TRIGGER t AFTER INSERT ON tuf_files BEGIN SELECT randomblob(100000000); END;",
            ],
            "CREATE TRIGGER",
        ),
        (
            "a stored generated column",
            vec![&generated, CHANGES],
            "column data of tuf_files",
        ),
        (
            "a computed column",
            vec![&computed, CHANGES],
            "column data of tuf_files",
        ),
        (
            "a column with a default",
            vec![&default, CHANGES],
            "column data of tuf_files",
        ),
        ("no key", vec![&no_key, CHANGES], "column id of tuf_files"),
        ("no documents", vec![&no_data, CHANGES], "no column data"),
        ("no table", vec![FILES], "no table changefeed"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = database(folder.path(), &statements).await;
        let opened = DatabaseReader::open(&path, folder.path()).await;
        let error = opened.err().unwrap_or_else(|| panic!("{name} is opened"));
        assert!(told(&error).contains(reason), "{name}: {}", told(&error));
    }
}

/// Who keeps such things in a database beside the server's can still give a dump, of which nothing is run.
#[tokio::test]
async fn a_dump_helps_where_there_is_more_than_tables() {
    let folder = tempfile::tempdir().unwrap();
    let row = format!(
        "INSERT INTO tuf_files (gun, role, version, data) VALUES ('{GUN}', 'root', 1, x'7b7d');"
    );
    let view = "CREATE VIEW names AS SELECT gun FROM tuf_files;";
    let path = database(folder.path(), &[FILES, CHANGES, &row, view]).await;
    let error = DatabaseReader::open(&path, folder.path())
        .await
        .unwrap_err();
    assert!(
        told(&error).contains("sqlite3 FILE .dump"),
        "{}",
        told(&error)
    );
    let text = dump(&path);
    let mut reader = DatabaseReader::open(&text, folder.path()).await.unwrap();
    assert_eq!(reader.guns(b"", 9).await.unwrap(), [GUN.as_bytes()]);
}

/// The shell writes what has an end of a line as a call of a function; which one depends on its version.
#[tokio::test]
async fn names_with_line_ends_do_not_end_a_dump() {
    let folder = tempfile::tempdir().unwrap();
    let row = |gun: &str, role: &str| {
        format!(
            "INSERT INTO tuf_files (gun, role, version, data) VALUES ({gun}, {role}, 1, x'7b7d');"
        )
    };
    let rows = [
        row("'a' || char(10) || 'b'", "'root'"),
        row("'c' || char(13, 10) || '\\n\\012'", "'root'"),
        row(&format!("'{GUN}'"), "'ro' || char(10) || 'ot'"),
        row(&format!("'{GUN}'"), "'root'"),
        "INSERT INTO changefeed (gun, version, category) VALUES ('x' || char(10), 1, 'update');"
            .to_owned(),
    ];
    let mut statements = vec![FILES, CHANGES];
    statements.extend(rows.iter().map(String::as_str));
    let path = database(folder.path(), &statements).await;
    let old = fs::read_to_string(dump(&path)).unwrap();
    // What sqlite3 3.50 and later write of the same rows: the library that is built in has the function that they use.
    let mut library = SqliteConnectOptions::new()
        .in_memory(true)
        .connect()
        .await
        .unwrap();
    let written: String =
        sqlx::query_scalar(r"SELECT format('%#Q', 'c' || char(13, 10) || '\n\012')")
            .fetch_one(&mut library)
            .await
            .unwrap();
    assert_eq!(written, r"unistr('c\u000d\u000a\\n\\012')");
    let new = format!(
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n{FILES}\n{CHANGES}\n\
         INSERT INTO tuf_files VALUES(1,NULL,NULL,NULL,unistr('a\\u000ab'),'root',1,NULL,X'7b7d');\n\
         INSERT INTO tuf_files VALUES(2,NULL,NULL,NULL,unistr('c\\u000d\\u000a\\\\n\\\\012'),'root',1,NULL,X'7b7d');\n\
         INSERT INTO tuf_files VALUES(3,NULL,NULL,NULL,'{GUN}',unistr('ro\\u000aot'),1,NULL,X'7b7d');\n\
         INSERT INTO tuf_files VALUES(4,NULL,NULL,NULL,'{GUN}','root',1,NULL,X'7b7d');\n\
         INSERT INTO changefeed VALUES(1,NULL,unistr('x\\u000a'),1,NULL,'update');\nCOMMIT;\n"
    );
    for text in [old, new] {
        let dump = folder.path().join("dump.sql");
        fs::write(&dump, &text).unwrap();
        let reader = DatabaseReader::open(&dump, folder.path()).await;
        let mut reader = reader.unwrap_or_else(|error| panic!("{}: {text}", told(&error)));
        let guns = reader.guns(b"", 9).await.unwrap();
        assert_eq!(
            guns,
            [&b"a\nb"[..], b"c\r\n\\n\\012", GUN.as_bytes()],
            "{text}"
        );
        let rows = reader.documents(GUN, 99, 99, 99).await.unwrap().unwrap();
        let roles: Vec<_> = rows.iter().map(|row| row.role.as_str()).collect();
        assert_eq!(roles, ["ro\not", "root"]);
        assert_eq!(reader.changes("x\n", 9).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn calls_that_no_shell_writes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump.sql");
    let deep = format!(
        "{}'a'{}",
        "replace(".repeat(20),
        ",'n',char(10))".repeat(20)
    );
    for value in [
        deep.as_str(),
        "replace('a','b',char(10)",
        "replace('a','',char(10))",
        "replace('a','b',char(7))",
        "replace('a','b','c')",
        "replace(1,'b',char(10))",
        "unistr('\\u00')",
        "unistr('\\ud800')",
        "unistr('\\')",
        "unistr(1)",
        "randomblob(100000000)",
    ] {
        let row = format!(
            "INSERT INTO tuf_files VALUES(1,NULL,NULL,NULL,{value},'root',1,NULL,X'7b7d');"
        );
        fs::write(
            &dump,
            format!("PRAGMA foreign_keys=OFF;\n{FILES}\n{CHANGES}\n{row}"),
        )
        .unwrap();
        let error = DatabaseReader::open(&dump, folder.path())
            .await
            .unwrap_err();
        let told = error.to_string();
        assert!(
            told.contains("a value is written in a way"),
            "{value}: {told}"
        );
    }
}

#[tokio::test]
async fn values_are_measured_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = "CAST(zeroblob(3000000) AS TEXT)";
    let row = |gun: &str, role: &str, version: &str, created: &str, data: &str| {
        format!(
            "INSERT INTO tuf_files (gun, role, version, created_at, data) VALUES ({gun}, {role}, {version}, {created}, {data});"
        )
    };
    let gun = format!("'{GUN}'");
    let rows = [
        row(&gun, "'root'", "1", "'2026-11-22 19:00:00'", "x'7b7d'"),
        row(&gun, long, "2", "NULL", "x'7b7d'"),
        row(&gun, "'root'", long, "NULL", "x'7b7d'"),
        row(&gun, "'root'", "4", long, "x'7b7d'"),
        row(&gun, "'root'", "5", "NULL", "zeroblob(2000)"),
        row(long, "'root'", "1", "NULL", "x'7b7d'"),
        row("x'0102'", "'root'", "1", "NULL", "x'7b7d'"),
        format!(
            "INSERT INTO changefeed (gun, version, sha256, category) VALUES ({gun}, 1, '', 'update'), ({gun}, 2, {long}, {long});"
        ),
    ];
    let mut statements = vec![FILES, CHANGES];
    statements.extend(rows.iter().map(String::as_str));
    let path = database(folder.path(), &statements).await;
    let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
    assert_eq!(reader.guns(b"", 9).await.unwrap(), [GUN.as_bytes()]);
    // Both are told, because nothing else would name them.
    assert_eq!(reader.nameless().await.unwrap(), 2);
    let rows = reader
        .documents(GUN, 1000, 99, 4000)
        .await
        .unwrap()
        .unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.role.as_str(), row.version, row.data.is_some()))
        .collect();
    assert_eq!(
        rows,
        [
            ("root", 1, true),
            ("", 2, true),
            ("root", 0, true),
            ("root", 4, true),
            ("root", 5, false),
        ]
    );
    assert!(
        reader
            .documents(GUN, 1000, 4, 4000)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        reader
            .documents(GUN, 3000, 99, 1000)
            .await
            .unwrap()
            .is_none()
    );
    let changes = reader.changes(GUN, 9).await.unwrap();
    let changes: Vec<_> = changes
        .iter()
        .map(|change| (change.sha256.as_str(), change.category.as_str()))
        .collect();
    assert_eq!(changes, [("", "update"), ("", "")]);
    reader.finish().await.unwrap();
}

/// Puts a tree of pages above the rows of tuf_files, in which every page leads to the next one hundred times: a file of a few pages that has
/// the rows a hundred times for every level.
async fn multiply(path: &Path, levels: usize) {
    let root = {
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .connect()
            .await
            .unwrap();
        let root: i64 =
            sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'tuf_files'")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        connection.close().await.unwrap();
        usize::try_from(root).unwrap()
    };
    let mut bytes = fs::read(path).unwrap();
    let at = |page: usize| (page - 1) * 4096;
    let leaf = bytes[at(root)..at(root + 1)].to_vec();
    let mut count = bytes.len() / 4096;
    bytes.extend(leaf);
    count += 1;
    for _ in 0..levels {
        // An interior page of a table: type 5, cells of a child and a key of one byte.
        let child = u32::try_from(count).unwrap().to_be_bytes();
        let mut page = vec![0; 4096];
        page[0] = 5;
        page[3..5].copy_from_slice(&100_u16.to_be_bytes());
        let content = 4096 - 100 * 5;
        page[5..7].copy_from_slice(&u16::try_from(content).unwrap().to_be_bytes());
        page[8..12].copy_from_slice(&child);
        for cell in 0..100 {
            let place = content + cell * 5;
            let pointer = u16::try_from(place).unwrap().to_be_bytes();
            page[12 + cell * 2..14 + cell * 2].copy_from_slice(&pointer);
            page[place..place + 4].copy_from_slice(&child);
            page[place + 4] = 1;
        }
        bytes.extend(page);
        count += 1;
    }
    let top = bytes[at(count)..].to_vec();
    bytes[at(root)..at(root + 1)].copy_from_slice(&top);
    bytes[28..32].copy_from_slice(&u32::try_from(count).unwrap().to_be_bytes());
    fs::write(path, &bytes).unwrap();
}

const PAGES: &str = "PRAGMA page_size = 4096;";

#[tokio::test]
async fn a_file_with_more_rows_than_bytes_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let row = "INSERT INTO tuf_files (gun, role, version, deleted_at, data) VALUES ('a/b', 'root', 1, 'x', x'7b7d');";
    let path = database(folder.path(), &[PAGES, FILES, row, CHANGES]).await;
    multiply(&path, 10).await;
    let reading = async {
        let mut reader = DatabaseReader::open(&path, folder.path()).await?;
        reader.guns(b"", 9).await
    };
    let read = tokio::time::timeout(Duration::from_secs(60), reading).await;
    let error = read.expect("it is given up").unwrap_err();
    assert!(told(&error).contains("more work than"), "{}", told(&error));
}

#[tokio::test]
async fn documents_are_together_no_longer_than_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let row = format!(
        "INSERT INTO tuf_files (gun, role, version, data) VALUES ('{GUN}', 'root', 1, zeroblob(100000));"
    );
    let path = database(folder.path(), &[PAGES, FILES, &row, CHANGES]).await;
    let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
    let rows = reader.documents(GUN, 1 << 20, 1000, 1 << 30).await.unwrap();
    assert_eq!(rows.unwrap().len(), 1);
    reader.finish().await.unwrap();

    multiply(&path, 1).await;
    let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
    let rows = reader.documents(GUN, 1 << 20, 1000, 1 << 30).await;
    let error = rows.unwrap_err();
    assert!(told(&error).contains("more work than"), "{}", told(&error));
}

/// Without an index every repository is looked for in all rows: the work for all of them together has a bound, too.
#[tokio::test]
async fn work_is_bounded_over_all_repositories() {
    const REPOSITORIES: usize = 3000;
    let folder = tempfile::tempdir().unwrap();
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {REPOSITORIES}) \
         INSERT INTO tuf_files (gun, role, version, data) SELECT 'a/' || i, 'root', 1, x'7b7d' FROM n;"
    );
    let path = database(folder.path(), &[FILES, CHANGES, &rows]).await;
    let read = async || {
        let mut reader = DatabaseReader::open(&path, folder.path()).await?;
        for number in 1..=REPOSITORIES {
            let gun = format!("a/{number}");
            assert!(reader.documents(&gun, 99, 99, 99).await?.is_some());
            reader.changes(&gun, 99).await?;
        }
        reader.finish().await
    };
    let error = read().await.unwrap_err();
    assert!(told(&error).contains("more work than"), "{}", told(&error));
    assert!(
        told(&error).contains("sqlite3 FILE .dump"),
        "{}",
        told(&error)
    );
    // As Go's server makes it.
    let index = "CREATE UNIQUE INDEX idx_gun ON \"tuf_files\"(gun, \"role\", version);";
    database(folder.path(), &[index]).await;
    read().await.unwrap();
}

/// A row that is no text ends neither the reading of a file nor that of its dump.
#[tokio::test]
async fn what_is_not_utf_8_names_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let row = |gun: &str, role: &str| {
        format!(
            "INSERT INTO tuf_files (gun, role, version, data) VALUES ({gun}, {role}, 1, x'7b7d');"
        )
    };
    let gun = format!("'{GUN}'");
    let rows = [
        row("CAST(x'7aff' AS TEXT)", "'root'"),
        row(&gun, "CAST(x'ff' AS TEXT)"),
        row(&gun, "'root'"),
        format!(
            "INSERT INTO changefeed (gun, version, created_at, sha256, category) VALUES ({gun}, 1, \
             CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT), CAST(x'ff' AS TEXT));"
        ),
    ];
    let mut statements = vec![FILES, CHANGES];
    statements.extend(rows.iter().map(String::as_str));
    let path = database(folder.path(), &statements).await;
    let text = dump(&path);
    for (path, other) in [(path, &b"z\xff"[..]), (text, "z\u{fffd}".as_bytes())] {
        let mut reader = DatabaseReader::open(&path, folder.path()).await.unwrap();
        let guns = reader.guns(b"", 9).await.unwrap();
        assert_eq!(guns, [GUN.as_bytes(), other]);
        let rows = reader.documents(GUN, 99, 99, 99).await.unwrap().unwrap();
        let roles: Vec<_> = rows.iter().map(|row| row.role.as_str()).collect();
        assert_eq!(roles, ["\u{fffd}", "root"]);
        let changes = reader.changes(GUN, 9).await.unwrap();
        assert_eq!(changes[0].category, "\u{fffd}");
        reader.finish().await.unwrap();
    }
}

/// A process that was killed while it used a copy leaves it; the next one takes it away, but nothing of one that is still at work.
#[tokio::test]
async fn copies_that_were_left_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path(), &[FILES, CHANGES]).await;
    let text = dump(&path);
    let scratch = tempfile::tempdir().unwrap();
    let left = scratch.path().join(".notary-database-killed");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("copy.db"), b"much").unwrap();
    let other = scratch.path().join(".notary-databases");
    fs::create_dir(&other).unwrap();
    let link = scratch.path().join(".notary-database-link");
    std::os::unix::fs::symlink(&other, &link).unwrap();
    fs::write(other.join("kept"), b"").unwrap();
    let count = || fs::read_dir(scratch.path()).unwrap().count();
    let first = DatabaseReader::open(&text, scratch.path()).await.unwrap();
    assert!(!left.exists());
    assert_eq!(count(), 3);
    let second = DatabaseReader::open(&text, scratch.path()).await.unwrap();
    assert_eq!(count(), 4);
    first.finish().await.unwrap();
    second.finish().await.unwrap();
    assert_eq!(count(), 2);
    assert!(other.join("kept").exists() && link.exists());
}

/// Who names a pipe is told so: nobody may ever write into it.
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let (answer, answered) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let opened = runtime
            .unwrap()
            .block_on(async { DatabaseReader::open(&path, Path::new("/nonexistent")).await });
        answer.send(told(&opened.unwrap_err()))
    });
    let told = answered.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(told.contains("not a plain file"), "{told}");
}

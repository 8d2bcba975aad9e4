//! `notary-server check`: whether what the configured database has is what was published.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use signet_keys::database::Walk;
use signet_server::check::{Checked, StoredFault, check};
use signet_server::store::SqliteStore;
use signet_service::config::Configuration;
use signet_service::process::print;
use signet_sql::{Database, sqlite};
use time::OffsetDateTime;

use super::config::{self, Storage};
use super::databases::{connect, on_standard_error, pool_limits};
use super::failure::Failure;
use super::flags::CheckFormat;
use super::keys;

/// Checks everything, and tells of faults as they are found. Gives the exit status: 1 when there is a fault.
pub(super) async fn run(
    configuration: &Configuration,
    format: CheckFormat,
    now: OffsetDateTime,
) -> Result<u8, Failure> {
    let has_own_keys = config::has_own_keys(configuration)?;
    let database = open(configuration).await?;
    let mut progress = Progress::new();
    let checked = check(&database, now, &mut |faults, checked| {
        progress.clear();
        for fault in faults {
            print(&line(fault, format));
        }
        progress.tell(checked);
    })
    .await;
    progress.clear();
    let checked = checked.map_err(|error| Failure::Check(error.into()))?;
    let keys = if has_own_keys {
        let file = file(configuration)?;
        keys::verify(
            database.clone(),
            file.as_deref(),
            configuration.environment(),
        )
        .await?
    } else {
        None
    };
    database.close().await;
    print(&summary(checked, keys.as_ref(), format));
    if has_own_keys && keys.is_none() && format == CheckFormat::Text {
        print("signing keys: not checked, there are none or their passphrase is not given\n");
    }
    let failed = checked.faults > 0 || keys.is_some_and(|keys| keys.failed > 0);
    Ok(u8::from(failed))
}

async fn open(configuration: &Configuration) -> Result<Database, Failure> {
    let backend = configuration.text("storage.backend");
    let limits = pool_limits(configuration)?;
    let fail = |source| Failure::Storage { backend, source };
    match &config::storage(configuration)? {
        Storage::Memory => Err(Failure::NothingToCheck),
        // A server may have the file at the same time: nothing is written.
        Storage::Sqlite(location) => match SqliteStore::read_only(location).await {
            Ok(pool) => Ok(Database::Sqlite(pool)),
            Err(error) => Err(fail(error.into())),
        },
        Storage::Shared { engine, source } => connect(*engine, source, limits, &on_standard_error)
            .await
            .map_err(|error| fail(error.into())),
    }
}

/// The SQLite file, links resolved: the passphrase of its keys may be beside it.
fn file(configuration: &Configuration) -> Result<Option<PathBuf>, Failure> {
    let Storage::Sqlite(location) = config::storage(configuration)? else {
        return Ok(None);
    };
    let path = sqlite::parse_location(&location).ok();
    Ok(path.and_then(|path| path.canonicalize().ok()))
}

fn line(fault: &StoredFault, format: CheckFormat) -> String {
    if format == CheckFormat::Json {
        return format!("{}\n", json!({ "fault": fault }));
    }
    let mut line = fault.gun.escape_debug().to_string();
    if let Some(role) = &fault.role {
        line.push_str(&format!(" {}", role.escape_debug()));
    }
    if let Some(version) = fault.version {
        line.push_str(&format!(" version {version}"));
    }
    format!("{line}: {}\n", fault.reason.escape_debug())
}

fn summary(checked: Checked, keys: Option<&Walk>, format: CheckFormat) -> String {
    if format == CheckFormat::Json {
        let keys = keys.map(|walk| {
            let failures = walk.failures.iter();
            let failures = failures
                .map(|(id, error)| json!({ "key": id.to_string(), "reason": error.to_string() }));
            json!({ "keys": walk.keys, "faults": walk.failed, "first": failures.collect::<Vec<_>>() })
        });
        return format!("{}\n", json!({ "checked": checked, "keys": keys }));
    }
    let mut text = String::new();
    for (_, error) in keys.iter().flat_map(|walk| &walk.failures) {
        text.push_str(&format!("{error}\n"));
    }
    let found = |faults: u64| match faults {
        0 => "no faults".to_owned(),
        1 => "1 fault".to_owned(),
        faults => format!("{faults} faults"),
    };
    text.push_str(&format!(
        "{} documents of {} repositories: {}\n",
        checked.documents,
        checked.repositories,
        found(checked.faults)
    ));
    if let Some(keys) = keys {
        text.push_str(&format!(
            "{} signing keys: {}\n",
            keys.keys,
            found(keys.failed)
        ));
    }
    text
}

/// How far it is, on a terminal.
struct Progress {
    is_terminal: bool,
    last: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
            last: None,
            is_shown: false,
        }
    }

    fn tell(&mut self, checked: Checked) {
        let now = Instant::now();
        let is_due = self.last.is_none_or(|last| now - last >= EVERY);
        if self.is_terminal && is_due {
            self.last = Some(now);
            self.is_shown = true;
            let text = format!(
                "\r{} repositories, {} documents",
                checked.repositories, checked.documents
            );
            let _ = io::stderr().write_all(text.as_bytes());
        }
    }

    fn clear(&mut self) {
        if self.is_shown {
            self.is_shown = false;
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

const EVERY: Duration = Duration::from_millis(500);

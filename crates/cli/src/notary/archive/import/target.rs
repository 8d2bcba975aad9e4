//! Where repositories are imported into.

use std::path::Path;
use std::sync::Arc;

use signet_archive::{ArchivedRepository, LeftOut, admit};
use signet_client::remote::RemoteError;
use signet_client::{Access, Remote};
use signet_storage::{
    Import, Imported, ImportedDocument, MetadataStore as _, NewDocument, OpenError, Revision,
    SqliteStore,
};
use time::OffsetDateTime;

use super::outcome::Outcome;
use super::shown;
use crate::notary::login::NamedBy;
use crate::notary::{Context, Server};
use crate::texts::{notary as texts, os_error};
use crate::ui::report::{Failure, with_sources};

/// A database of a server that is not running, or a running server.
pub(super) enum Target {
    Database {
        store: Box<SqliteStore>,
        now: OffsetDateTime,
        dry_run: bool,
    },
    Server {
        remote: Arc<Remote>,
        given: String,
        /// What helps when it wants another login.
        login_hint: String,
        dry_run: bool,
    },
}

/// The first bytes of a SQLite file.
const SQLITE: &[u8] = b"SQLite format 3\0";

impl Target {
    pub(super) async fn open(
        into: &str,
        create: bool,
        dry_run: bool,
        named_by: NamedBy,
        context: &Context,
    ) -> Result<Self, Failure> {
        let scheme = into.split_once("://").map(|(scheme, _)| scheme);
        match scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "https") => {
                let server = Server::parse(into)?;
                let login_hint = texts::login_for_hint(&server.login_name());
                let remote = context.remote_for(&server, Access::All, named_by)?;
                return Ok(Self::Server {
                    remote,
                    given: server.given,
                    login_hint,
                    dry_run,
                });
            }
            Some("file" | "sqlite" | "sqlite3") | None => {}
            Some(other) => return Err(Failure::new(texts::import_unknown_storage(other))),
        }
        let path = ["sqlite3:", "sqlite:"]
            .iter()
            .find_map(|form| into.strip_prefix(form))
            .map_or(into, |path| path.strip_prefix("//").unwrap_or(path));
        if !path.starts_with("file:") {
            look(Path::new(path), create)?;
        }
        let store = SqliteStore::open(path).await.map_err(|error| {
            let text = with_sources(&error);
            match error {
                OpenError::InUse { .. } => Failure::new(texts::import_in_use(path)),
                _ => Failure::new(text),
            }
        })?;
        Ok(Self::Database {
            store: Box::new(store),
            now: context.now(),
            dry_run,
        })
    }

    /// Imports a repository that was judged fit.
    ///
    /// # Errors
    /// When the target cannot be used at all; what is wrong with the repository is an outcome.
    pub(super) async fn import(
        &mut self,
        repository: &ArchivedRepository,
    ) -> Result<Outcome, Failure> {
        match self {
            Self::Database {
                store,
                now,
                dry_run,
            } => into_database(store, repository, *now, *dry_run).await,
            Self::Server {
                remote,
                given,
                login_hint,
                dry_run,
            } => into_server(remote, (given, login_hint), repository, *dry_run).await,
        }
    }

    pub(super) async fn close(self) {
        if let Self::Database { store, .. } = self {
            store.close().await;
        }
    }
}

/// A path that is mistyped must not become a new database, and a file of another kind must not get tables.
fn look(path: &Path, create: bool) -> Result<(), Failure> {
    use std::io::Read as _;
    let shown = path.display().to_string();
    let mut file = match signet_storage::open_plain(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::new(texts::import_no_database(&shown)));
        }
        Err(error) => return Err(Failure::new(texts::cannot_read(&shown, &os_error(&error)))),
    };
    let mut begin = [0; SQLITE.len()];
    let is_sqlite = file.read_exact(&mut begin).is_ok() && begin == SQLITE;
    let is_empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    if !is_sqlite && !is_empty {
        return Err(Failure::new(texts::import_not_sqlite(&shown)));
    }
    Ok(())
}

async fn into_database(
    store: &SqliteStore,
    repository: &ArchivedRepository,
    now: OffsetDateTime,
    dry_run: bool,
) -> Result<Outcome, Failure> {
    let admitted = match admit(repository) {
        Ok(admitted) => admitted,
        Err(error) => return Ok(Outcome::Refused(with_sources(&error))),
    };
    let documents: Vec<ImportedDocument> = admitted
        .documents
        .into_iter()
        .map(|admitted| ImportedDocument {
            document: NewDocument {
                role: admitted.role,
                version: admitted.version,
                sha256: admitted.sha256.0,
                data: admitted.bytes,
            },
            stored_at: admitted.published.time().min(now),
        })
        .collect();
    let (version, sha256) = admitted.timestamp;
    let import = Import {
        gun: &repository.record.gun,
        documents: &documents,
        timestamp: Revision {
            version,
            sha256: sha256.0,
        },
        now,
        dry_run,
    };
    let stored = store
        .import(&import)
        .await
        .map_err(|error| Failure::new(with_sources(&error)))?;
    let left_out = admitted.left_out;
    Ok(match stored {
        Imported::Added { documents, before } => Outcome::Imported {
            added: count(documents),
            before: count(before),
            timestamp: version,
            first_root: None,
            left_out_count: count(left_out.len()),
            left_out,
        },
        Imported::AlreadyThere => Outcome::AlreadyThere,
        Imported::Differs { role, version } => {
            Outcome::Refused(texts::import_differs(role.as_str(), version))
        }
        Imported::Ahead { role, version } => {
            Outcome::Refused(texts::import_ahead(role.as_str(), version))
        }
    })
}

fn count(documents: usize) -> u64 {
    u64::try_from(documents).unwrap_or(u64::MAX)
}

async fn into_server(
    remote: &Remote,
    (given, login_hint): (&str, &str),
    repository: &ArchivedRepository,
    dry_run: bool,
) -> Result<Outcome, Failure> {
    let error = match remote.import(repository, dry_run).await {
        Ok(answer) => {
            let Some(before) = answer.before else {
                return Ok(Outcome::AlreadyThere);
            };
            let left_out = answer
                .examples
                .into_iter()
                .filter_map(|(role, version, reason)| {
                    let role = role.parse().ok()?;
                    Some(LeftOut {
                        role,
                        version,
                        reason,
                    })
                });
            return Ok(Outcome::Imported {
                added: answer.added,
                before,
                timestamp: answer.timestamp,
                first_root: None,
                left_out: left_out.collect(),
                left_out_count: answer.left_out,
            });
        }
        Err(error) => error,
    };
    match error {
        // What is wrong with this repository; the next one may do.
        RemoteError::Refused {
            validation: Some(validation),
            ..
        } => Ok(Outcome::Refused(validation.message)),
        _ if error.is_version_conflict() => Ok(Outcome::Refused(texts::IMPORT_CONFLICT.to_owned())),
        RemoteError::Refused { ref refusal, .. } if refusal.status == 400 => {
            Ok(Outcome::Refused(refusal.to_string()))
        }
        _ if error.is_refused_login() => {
            let gun = shown(repository.record.gun.as_str());
            let text = texts::import_unauthorized(given, &gun);
            Err(Failure::new(text).hint(login_hint))
        }
        RemoteError::Absent { .. } => Err(Failure::new(texts::import_foreign_server(given))),
        _ => Err(Failure::new(texts::import_server_failed(
            given,
            &with_sources(&error),
        ))),
    }
}

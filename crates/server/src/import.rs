//! Taking over a repository with its history, as an archive has it.
//!
//! What may be stored is what [`signet_archive::admit`] admits: the chain of roots, the current state and every earlier document that
//! they vouch for. In one point that is less than an upload needs: snapshot and timestamp may be signed by keys that this server does not
//! hold. They are served as they are until `notary takeover` has given the repository keys of this server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use signet_archive::{
    AdmissionError, Admitted, ArchivedRepository, LeftOut, Record, Sha256, admit,
};
use signet_tuf::{Gun, RoleName, Version};

use crate::app::App;
use crate::audit;
use crate::store::{Import, Imported, ImportedDocument, NewDocument, Revision, StoreError};

/// A repository that was sent to be taken over: its record and its documents.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) record: Bytes,
    pub(crate) objects: Vec<Bytes>,
}

/// What became of an import.
#[derive(Debug)]
pub(crate) struct ImportOutcome {
    pub(crate) stored: Imported,
    pub(crate) timestamp: Version,
    pub(crate) left_out: Vec<LeftOut>,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("the record cannot be read: {0}")]
    Record(String),
    #[error("the documents are not those of the record: {0}")]
    Objects(&'static str),
    #[error("the record is about {0}")]
    OtherRepository(Gun),
    #[error("{0}")]
    Refused(#[from] AdmissionError),
    #[error(
        "this server has another {role} version {version}: the two histories are not one, and nothing was changed"
    )]
    Differs { role: RoleName, version: Version },
    #[error(
        "this server has {role} version {version}, which the archive does not have: it has gone on since, and nothing was changed"
    )]
    Ahead { role: RoleName, version: Version },
    #[error("checking it was not finished")]
    Panicked,
    #[error("it was not stored")]
    Store(#[from] StoreError),
}

impl App {
    /// Checks a delivered repository and stores it. Not to be abandoned half-way.
    pub(crate) async fn import(
        self: &Arc<Self>,
        gun: &Gun,
        delivery: Delivery,
        dry_run: bool,
    ) -> Result<ImportOutcome, ImportError> {
        let name = gun.clone();
        // One at a time: an import may take a processor for seconds, and nobody waits at a terminal for two.
        let turn = self.import_turn().await;
        // Big histories take seconds: away from the threads that serve requests.
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let repository = unpack(&name, delivery)?;
            admit(&repository).map_err(ImportError::from)
        });
        let admitted = checked.await.map_err(|_| ImportError::Panicked)??;
        let _inside = self.library().gates().enter(gun).await;
        let now = self.now();
        let (documents, timestamp) = rows(&admitted, now);
        let import = Import {
            gun,
            documents: &documents,
            timestamp,
            now,
            dry_run,
        };
        let stored = match self.library().import(&import).await? {
            Imported::Differs { role, version } => {
                return Err(ImportError::Differs { role, version });
            }
            Imported::Ahead { role, version } => return Err(ImportError::Ahead { role, version }),
            stored => stored,
        };
        let version = timestamp.version;
        if let Imported::Added { documents, .. } = &stored
            && !dry_run
        {
            audit::note_timestamp(timestamp);
            tracing::info!(
                %gun,
                version,
                "imported {documents} documents of {gun} up to timestamp version {version}"
            );
        }
        Ok(ImportOutcome {
            stored,
            timestamp: version,
            left_out: admitted.left_out,
        })
    }
}

/// Puts record and documents together. Every document must be one that the record names, and each that it names must be there.
fn unpack(gun: &Gun, delivery: Delivery) -> Result<ArchivedRepository, ImportError> {
    let record: Record = serde_json::from_slice(&delivery.record)
        .map_err(|error| ImportError::Record(error.to_string()))?;
    if record.gun != *gun {
        return Err(ImportError::OtherRepository(record.gun));
    }
    let objects: BTreeMap<Sha256, Bytes> = delivery
        .objects
        .into_iter()
        .map(|bytes| (Sha256::of(&bytes), bytes))
        .collect();
    let named: BTreeSet<&Sha256> = record.documents.iter().map(|d| &d.sha256).collect();
    if objects.keys().any(|sha256| !named.contains(sha256)) {
        return Err(ImportError::Objects("there is one that it does not name"));
    }
    let is_whole = record.documents.iter().all(|document| {
        let found = objects.get(&document.sha256);
        found.is_some_and(|bytes| u64::try_from(bytes.len()).is_ok_and(|n| n == document.length))
    });
    if !is_whole {
        return Err(ImportError::Objects("one that it names is missing"));
    }
    Ok(ArchivedRepository { record, objects })
}

/// The rows of admitted documents. What a record says about moments is its own word; none of them is later than now.
fn rows(admitted: &Admitted, now: time::OffsetDateTime) -> (Vec<ImportedDocument>, Revision) {
    let documents = admitted.documents.iter().map(|admitted| ImportedDocument {
        document: NewDocument {
            role: admitted.role.clone(),
            version: admitted.version,
            sha256: admitted.sha256.0,
            data: admitted.bytes.clone(),
        },
        stored_at: admitted.published.time().min(now),
    });
    let (version, Sha256(sha256)) = admitted.timestamp;
    (documents.collect(), Revision { version, sha256 })
}

//! Whether everything that a database has of its repositories is what was published: every checksum, every signature, every root
//! that follows from the one before.
//!
//! One repository is in memory at a time. Servers may write meanwhile: a repository with faults is read again before they are told.

use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::Serialize;
use signet_archive::{AdmissionError, Currency, Held, Moment, Sha256, Source, admit, assemble};
use signet_sql::Database;
use signet_storage::{HistoricRow, HistoryReader};
use signet_tuf::{Gun, RoleName};
use time::OffsetDateTime;

/// Something that is not as a server stores it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct StoredFault {
    /// The repository.
    pub gun: String,
    /// Whose document it is about, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Which version of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// What is wrong.
    pub reason: String,
}

/// How much was checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Checked {
    /// Repositories.
    pub repositories: u64,
    /// Their documents, earlier ones too.
    pub documents: u64,
    /// What is wrong with them.
    pub faults: u64,
}

/// Checks all repositories of a database, in the order of their names. `tell` is told of every repository: its faults, and how
/// much has been checked with it.
///
/// # Errors
/// What the database says.
pub async fn check(
    database: &Database,
    now: OffsetDateTime,
    tell: &mut (dyn FnMut(&[StoredFault], Checked) + Send),
) -> Result<Checked, sqlx::Error> {
    let reader = HistoryReader::new(database.clone());
    let mut checked = Checked::default();
    let mut after = Vec::new();
    loop {
        let guns = reader.guns(&after).await?;
        let Some(last) = guns.last().cloned() else {
            return Ok(checked);
        };
        for gun in guns {
            let (documents, faults) = repository(&reader, &gun, now).await?;
            checked.repositories += 1;
            checked.documents += documents;
            checked.faults += faults.len() as u64;
            tell(&faults, checked);
        }
        after = last;
    }
}

/// A repository, once more where there is something wrong: it may have been published or deleted while it was read.
async fn repository(
    reader: &HistoryReader,
    gun: &[u8],
    now: OffsetDateTime,
) -> Result<(u64, Vec<StoredFault>), sqlx::Error> {
    let mut tried = 0;
    loop {
        let (documents, faults) = once(reader, gun, now).await?;
        tried += 1;
        if faults.is_empty() || tried == TRIES {
            return Ok((documents, faults));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(
    reader: &HistoryReader,
    name: &[u8],
    now: OffsetDateTime,
) -> Result<(u64, Vec<StoredFault>), sqlx::Error> {
    let text = String::from_utf8_lossy(name).into_owned();
    let fault = |role: Option<&str>, version, reason: &str| StoredFault {
        gun: text.clone(),
        role: role.map(str::to_owned),
        version,
        reason: reason.to_owned(),
    };
    let Ok(gun) = text.parse::<Gun>() else {
        return Ok((
            0,
            vec![fault(None, None, "no repository can have this name")],
        ));
    };
    let (mut faults, mut held, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let (mut after, mut bytes, mut documents) = (i64::MIN, 0_usize, 0_u64);
    loop {
        let portion = reader.rows(name, after).await?;
        let Some(last) = portion.last() else { break };
        after = last.id;
        for row in portion {
            documents += 1;
            bytes = bytes.saturating_add(row.data.len());
            if bytes > MAX_BYTES {
                let reason = "its history is larger than this check holds in memory: only a part of it was checked";
                faults.push(fault(None, None, reason));
                return Ok((documents, faults));
            }
            match examine(&row) {
                Ok((role, sha256)) => {
                    held.push(Held {
                        role: role.clone(),
                        bytes: row.data.clone(),
                        published: None,
                    });
                    rows.push((role, row.version, sha256));
                }
                Err(reason) => faults.push(fault(Some(&row.role), Some(row.version), reason)),
            }
        }
    }
    if held.is_empty() {
        return Ok((documents, faults));
    }
    let name_of_gun = gun.clone();
    let judged = tokio::task::spawn_blocking(move || judge(&name_of_gun, now, held, &rows)).await;
    let Ok(judged) = judged else {
        faults.push(fault(None, None, "checking it was not finished"));
        return Ok((documents, faults));
    };
    for (role, version, reason) in judged.faults {
        let role = role.as_ref().map(RoleName::as_str);
        faults.push(fault(role, version, &reason));
    }
    if let Some((version, sha256)) = judged.timestamp
        && !reader
            .has_change(name, version, &HEXLOWER.encode(&sha256.0))
            .await?
    {
        let reason = "the changefeed does not tell of the current timestamp";
        faults.push(fault(Some("timestamp"), Some(version), reason));
    }
    Ok((documents, faults))
}

/// A row by itself.
fn examine(row: &HistoricRow) -> Result<(RoleName, Sha256), &'static str> {
    let role: RoleName = row.role.parse().map_err(|_| "there is no such role")?;
    let sha256 = Sha256::of(&row.data);
    let says = row.sha256.as_deref().unwrap_or_default().trim_end();
    // Rows of the first Go servers have none.
    if !says.is_empty() && says != HEXLOWER.encode(&sha256.0) {
        return Err("its bytes are not those of its checksum");
    }
    Ok((role, sha256))
}

#[derive(Default)]
struct Judged {
    faults: Vec<(Option<RoleName>, Option<i64>, String)>,
    timestamp: Option<(i64, Sha256)>,
}

/// The documents together: what the update rules make of them.
fn judge(
    gun: &Gun,
    now: OffsetDateTime,
    held: Vec<Held>,
    rows: &[(RoleName, i64, Sha256)],
) -> Judged {
    let repository = assemble(
        gun,
        Source::Database {
            engine: String::new(),
        },
        Moment::of(now),
        held,
        Currency::Newest,
        Vec::new(),
    );
    let mut judged = Judged::default();
    let says: std::collections::BTreeSet<_> = repository
        .record
        .documents
        .iter()
        .map(|document| (&document.role, document.version, document.sha256))
        .collect();
    for (role, version, sha256) in rows {
        if !says.contains(&(role, *version, *sha256)) {
            let reason = "it says another version than its row, or cannot be read".to_owned();
            judged
                .faults
                .push((Some(role.clone()), Some(*version), reason));
        }
    }
    match admit(&repository) {
        Ok(admitted) => {
            judged.timestamp = Some(admitted.timestamp);
            let left_out = admitted.left_out.into_iter();
            judged
                .faults
                .extend(left_out.map(|left| (Some(left.role), Some(left.version), left.reason)));
        }
        Err(error) => {
            let (role, version) = match &error {
                AdmissionError::Missing { role } => (Some(role.clone()), None),
                AdmissionError::Rule { role, version, .. }
                | AdmissionError::Form { role, version, .. } => {
                    (Some(role.clone()), Some(*version))
                }
                AdmissionError::Jump { role, to, .. } => (Some(role.clone()), Some(*to)),
                _ => (None, None),
            };
            judged.faults.push((role, version, error.to_string()));
        }
    }
    judged
}

const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);
/// Most bytes of one repository's history that are held at a time.
const MAX_BYTES: usize = 1 << 30;

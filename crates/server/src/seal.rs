//! Snapshots and timestamps that the server signs (specification, `server.md` section 8.5).

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use signet_tuf::expiry::{SNAPSHOT_LIFETIME, TIMESTAMP_LIFETIME};
use signet_tuf::metadata::Metadata;
use signet_tuf::{
    BaseRole, Expiry, FileMeta, Gun, HashAlgorithm, PublicKey, Root, Signature, Snapshot,
    Timestamp, Version, canonical, envelope,
};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use crate::store::{NewDocument, Sha256};
use crate::trust::{TrustError, TrustService};

/// Most keys of a role that the server signs: each may cost a question to the signer while others wait to publish.
pub(crate) const MAX_KEYS: usize = 16;
/// Longest time that all questions to the signer for one update, renewal or key may take together.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The keys that a root lists for a role that the server signs: each once, and of a root that was stored before there was a bound no
/// more than [`MAX_KEYS`].
pub(crate) fn server_keys(root: &Root, role: BaseRole) -> Vec<PublicKey> {
    let mut seen = BTreeSet::new();
    let keys = root.role_keys(role);
    let once = keys.keys().filter(|key| seen.insert(key.id().clone()));
    once.take(MAX_KEYS).cloned().collect()
}

/// The signer has not answered in time.
pub(crate) fn late() -> TrustError {
    let late = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    TrustError::Unavailable(late.into())
}

/// Why the server cannot sign a role.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// It holds too few of the role's keys.
    #[error("the server holds {held} of the {needed} keys that {role} needs")]
    KeysMissing {
        role: BaseRole,
        held: usize,
        needed: i64,
    },
    /// The document cannot be written.
    #[error("the document cannot be written")]
    Encoding(#[source] serde_json::Error),
    /// The keys are out of reach.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// A document that the server has signed.
#[derive(Debug)]
pub(crate) struct Sealed<T> {
    pub(crate) body: T,
    pub(crate) document: NewDocument,
    /// Length and digests of its bytes.
    pub(crate) meta: FileMeta,
}

/// Signs the roles of one repository with the keys that its root lists, within [`PATIENCE`].
#[derive(Debug)]
pub(crate) struct RoleSigner<'a> {
    trust: &'a dyn TrustService,
    gun: &'a Gun,
    root: &'a Root,
    deadline: Instant,
}

impl<'a> RoleSigner<'a> {
    pub(crate) fn new(trust: &'a dyn TrustService, gun: &'a Gun, root: &'a Root) -> Self {
        Self {
            trust,
            gun,
            root,
            deadline: Instant::now() + PATIENCE,
        }
    }
}

/// Signs a snapshot that says `body`, as version `version`.
pub(crate) async fn snapshot(
    signer: &RoleSigner<'_>,
    mut body: Snapshot,
    version: Version,
    now: OffsetDateTime,
) -> Result<Sealed<Snapshot>, SealError> {
    body.set_version(version);
    body.set_expires(Expiry::at(now + SNAPSHOT_LIFETIME));
    seal(signer, body).await
}

/// Signs a timestamp for the snapshot with these digests, as version `version`.
pub(crate) async fn timestamp(
    signer: &RoleSigner<'_>,
    snapshot: FileMeta,
    version: Version,
    now: OffsetDateTime,
) -> Result<Sealed<Timestamp>, SealError> {
    let mut body = Timestamp::new(snapshot, Expiry::at(now + TIMESTAMP_LIFETIME));
    body.set_version(version);
    seal(signer, body).await
}

/// Signs with every key of the role that is held. Fewer than the threshold would make a document that no client
/// accepts, so they are refused.
async fn seal<T: Metadata>(signer: &RoleSigner<'_>, body: T) -> Result<Sealed<T>, SealError> {
    let message = canonical::to_vec(&body).map_err(SealError::Encoding)?;
    let keys = signer.root.role_keys(T::BASE);
    let mut seen = BTreeSet::new();
    let mut signatures = Vec::new();
    for key in server_keys(signer.root, T::BASE) {
        // A key listed under an ID that is not its own never counts for clients.
        if !keys.contains(key.id()) || !seen.insert(key.canonical_id().clone()) {
            continue;
        }
        let Some(method) = key.kind().signature_method() else {
            continue;
        };
        let signing = signer.trust.sign(signer.gun, key.id(), &message);
        match timeout_at(signer.deadline, signing)
            .await
            .unwrap_or_else(|_| Err(late()))
        {
            Ok(sig) => signatures.push(Signature {
                key_id: key.id().clone(),
                method: method.to_owned(),
                sig,
            }),
            // Someone else holds it.
            Err(TrustError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let needed = keys.threshold();
    if signatures.is_empty() || i64::try_from(signatures.len()).unwrap_or(i64::MAX) < needed {
        return Err(SealError::KeysMissing {
            role: T::BASE,
            held: signatures.len(),
            needed,
        });
    }
    let data = envelope::encode(&message, &signatures);
    let meta = FileMeta::of(&data);
    Ok(Sealed {
        document: NewDocument {
            role: T::BASE.into(),
            version: body.version(),
            sha256: sha256_of(&meta),
            data,
        },
        meta,
        body,
    })
}

/// The SHA-256 digest in `meta`, which [`FileMeta::of`] has put there.
pub(crate) fn sha256_of(meta: &FileMeta) -> Sha256 {
    meta.hashes
        .digest(HashAlgorithm::Sha256)
        .and_then(|digest| digest.try_into().ok())
        .unwrap_or_default()
}

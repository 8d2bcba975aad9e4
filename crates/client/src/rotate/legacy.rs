//! Signatures for clients that know an old root only, and cannot walk from it to the newest one.

use signet_tuf::rules::{self, CertificateTime};
use signet_tuf::update::MAX_ROOT_CHAIN;
use signet_tuf::{MetadataPath, PublicKey, Received, RoleName, Root};

use crate::remote::RemoteError;
use crate::{Error, Repository};

/// Largest root that is looked at.
const MAX_ROOT_BYTES: u64 = 8 << 20;

/// How many earlier roots' keys sign a new root too, where they are at hand.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Legacy {
    /// None but the present root's.
    #[default]
    None,
    /// Those of so many versions before the present one.
    Versions(u32),
    /// All.
    All,
}

impl Repository {
    /// The root keys of earlier roots that this repository's own keys signed and that are at hand. A version that the server does not have is
    /// passed over, as in Go.
    pub(super) async fn earlier_root_keys(
        &self,
        root: &Root,
        legacy: Legacy,
    ) -> Result<Vec<PublicKey>, Error> {
        let depth = match legacy {
            Legacy::None => 0,
            Legacy::Versions(count) => i64::from(count),
            Legacy::All => i64::MAX,
        }
        .min(MAX_ROOT_CHAIN);
        let oldest = root.version.saturating_sub(depth).max(1);
        let mut found: Vec<PublicKey> = Vec::new();
        let mut version = root.version;
        while version > oldest {
            version -= 1;
            for key in self.root_keys_of(version).await? {
                if !self.is_own_root_key(&key)? || found.iter().any(|other| other.id() == key.id())
                {
                    continue;
                }
                found.push(key);
            }
        }
        Ok(found)
    }

    async fn root_keys_of(&self, version: i64) -> Result<Vec<PublicKey>, Error> {
        let path = MetadataPath::Version(RoleName::root(), version);
        let document = self.remote.document(&self.gun, &path, MAX_ROOT_BYTES).await;
        let bytes = match document {
            Ok(bytes) => bytes,
            Err(RemoteError::Absent { .. } | RemoteError::Refused { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        // What is no root of this repository signed by its own keys names no keys of it.
        let verified = Received::<Root>::parse(&RoleName::root(), bytes)
            .ok()
            .filter(|received| received.unverified().version == version)
            .and_then(|received| {
                let time = CertificateTime::Ignored;
                rules::verify_root(received, &self.gun, time, None, None).ok()
            });
        let Some(verified) = verified else {
            tracing::debug!(gun = %self.gun, version, "an earlier root of {} cannot be verified", self.gun);
            return Ok(Vec::new());
        };
        let keys = rules::root_role_keys(verified.body(), &self.gun, CertificateTime::Ignored);
        Ok(keys.keys().cloned().collect())
    }

    /// Whether the key is a root key of this person: what a server shows must not choose among the others.
    fn is_own_root_key(&self, key: &PublicKey) -> Result<bool, Error> {
        let info = self.keys.info(key.canonical_id())?;
        Ok(info.is_some_and(|info| info.role == "root"))
    }
}

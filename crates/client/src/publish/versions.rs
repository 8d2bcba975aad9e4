//! Delegations that were deleted and are created again continue from the versions that the server still has
//! (specification, `tuf.md` section 14.5).

use signet_tuf::rules::MAX_VERSION_JUMP;
use signet_tuf::{MetadataPath, Received, RoleName, Targets, Version};

use crate::remote::RemoteError;
use crate::{Error, Repository};

impl Repository {
    /// The highest versions that the server has of documents that should have begun at 1: delegations that were deleted
    /// and are created again continue from there (`tuf.md` section 14.5).
    pub(super) async fn highest_versions(
        &self,
        roles: &[RoleName],
    ) -> Result<Vec<(RoleName, Version)>, Error> {
        let mut found = Vec::new();
        for role in roles {
            let mut highest = self
                .version_at(&MetadataPath::Current(role.clone()), role)
                .await?;
            if highest.is_none() {
                highest = self.search_version(role).await?;
            }
            found.extend(highest.map(|version| (role.clone(), version)));
        }
        Ok(found)
    }

    /// Finds the end of a row of versions that starts at 1, where the server does not show a current one because no
    /// snapshot names it.
    async fn search_version(&self, role: &RoleName) -> Result<Option<Version>, Error> {
        let at = |version| MetadataPath::Version(role.clone(), version);
        // `low` is there, `high` is not: doubled first, then halved, so no server makes this long.
        let (mut low, mut high) = (0, 1);
        while high <= MAX_VERSION_JUMP && self.version_at(&at(high), role).await?.is_some() {
            (low, high) = (high, high * 2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.version_at(&at(middle), role).await?.is_some() {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok((low > 0).then_some(low))
    }

    /// The version of a document at the server; `None` when it has none or one that nobody would follow. The document is
    /// not trusted: a wrong number costs the server's own repository some numbers, and no more than
    /// [`MAX_VERSION_JUMP`] of them.
    async fn version_at(
        &self,
        path: &MetadataPath,
        role: &RoleName,
    ) -> Result<Option<Version>, Error> {
        let document = self
            .remote
            .document(&self.gun, path, MAX_DOCUMENT_BYTES)
            .await;
        let bytes = match document {
            Ok(bytes) => bytes,
            // Go answers 500 for a delegation that it does not know.
            Err(
                RemoteError::Absent { .. }
                | RemoteError::BadResponse { .. }
                | RemoteError::Refused { .. },
            ) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Received::<Targets>::parse(role, bytes)
            .ok()
            .map(|received| received.unverified().version)
            .filter(|version| (1..=MAX_VERSION_JUMP).contains(version)))
    }
}

/// Largest document whose version is looked at.
const MAX_DOCUMENT_BYTES: u64 = 100 << 20;

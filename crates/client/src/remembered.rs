//! What a trust folder has of a repository, for people to look at.

use std::collections::BTreeMap;

use serde::Deserialize;
use signet_tuf::{RoleName, Version};

use crate::{Error, Repository};

#[derive(Deserialize)]
struct Document {
    signed: Signed,
}

#[derive(Deserialize)]
struct Signed {
    version: Version,
}

impl Repository {
    /// The version of every document that is remembered, as it says itself; `None` for one that cannot be read. For people: nothing of it is
    /// verified.
    ///
    /// # Errors
    /// [`Error::File`] when the folder cannot be read.
    pub fn remembered_versions(&self) -> Result<BTreeMap<RoleName, Option<Version>>, Error> {
        let cached = self.cache.load()?;
        let base = [
            (RoleName::root(), cached.root),
            (RoleName::timestamp(), cached.timestamp),
            (RoleName::snapshot(), cached.snapshot),
        ];
        let base = base
            .into_iter()
            .filter_map(|(role, bytes)| Some((role, bytes?)));
        let version = |bytes: &[u8]| {
            let document: Option<Document> = serde_json::from_slice(bytes).ok();
            document.map(|document| document.signed.version)
        };
        Ok(base
            .chain(cached.targets)
            .map(|(role, bytes)| (role, version(&bytes)))
            .collect())
    }
}

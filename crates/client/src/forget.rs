//! The end of what a client remembers of a repository.

use std::fs;
use std::io::ErrorKind;

use signet_tuf::update::{Floors, Mode};

use crate::layout::{FileError, LockError};
use crate::{Error, Repository};

impl Repository {
    /// Forgets all that is remembered of the repository: its documents, the changes staged on disk, rotations that did not come
    /// to their end, and the version floors. The next root is a
    /// first one again. Private keys stay, and so does what is remembered of other repositories whose names begin with this one's.
    ///
    /// Whoever is interrupted calls it again. The floors go last, so that no half of it admits what all of it would have refused.
    ///
    /// # Errors
    /// [`Error`] when something is still there.
    pub async fn forget(&mut self) -> Result<(), Error> {
        let lock = match self.lock(Mode::Write).await {
            Ok(lock) => lock,
            // Where nothing can be written there may still be something to remove.
            Err(Error::Lock(LockError::File(error))) => {
                tracing::debug!(gun = %self.gun, error = %error.text(), "forgetting without a lock");
                None
            }
            Err(error) => return Err(error),
        };
        self.trusted = None;
        self.unpublished = None;
        if let Some(changelist) = self.changelist() {
            changelist.clear()?;
        }
        self.cache.clear()?;
        match &self.layout {
            Some(layout) => {
                for path in [layout.rotations(), layout.floors()] {
                    match fs::remove_file(&path) {
                        Err(error) if error.kind() != ErrorKind::NotFound => {
                            return Err(FileError::at("remove", &path)(error).into());
                        }
                        _ => {}
                    }
                }
                layout.remove_empty_folders();
            }
            None => self.cache.store_floors(&Floors::default())?,
        }
        drop(lock);
        Ok(())
    }
}

//! Serving trust archives: what a trust service had, under the addresses that it had it at.
//!
//! [`Archives`] is a service of its own beside [`crate::App`]. It has no store and no keys, so nothing that it does can change anything:
//! documents leave as they were captured, expired ones too, and every change is refused with a text that says why.
//!
//! * `shelf` has the open files, and in memory what was read from them.
//! * `unite` makes one repository of several captures of it, or says that they contradict each other.
//! * `survey` reads everything once in the background, so that what is damaged, contradictory or expired is known before somebody asks.

mod feed;
mod shelf;
mod survey;
mod unite;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use signet_archive::{ArchiveError, Moment};
use time::OffsetDateTime;

use crate::http::Headers;
use crate::settings::{Clock, Settings};

pub(crate) use feed::{Lookup, of_record};
use shelf::Shelf;
pub(crate) use shelf::{Held, LoadError};
pub use survey::Survey;

/// Everything that answers requests where archives are served. One value serves all connections; [`Archives::handle`] is the way in.
pub struct Archives {
    files: Vec<PathBuf>,
    shelf: RwLock<Arc<Shelf>>,
    settings: Settings,
    headers: Headers,
    clock: Clock,
}

impl fmt::Debug for Archives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archives")
            .field("files", &self.files)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// An archive that is not served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the archive {}", file.display())]
pub struct OpenError {
    /// Its file.
    pub file: PathBuf,
    /// What is wrong with it.
    #[source]
    pub source: ArchiveError,
}

/// What an archive says of itself.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Its file.
    pub file: PathBuf,
    /// How many repositories it has.
    pub repositories: usize,
    /// When the first of them was captured; `None` in an empty archive.
    pub oldest: Option<Moment>,
    /// When the last of them was captured.
    pub newest: Option<Moment>,
    /// The IDs of the keys that have signed it. Whose they are, it cannot say.
    pub signers: Vec<String>,
}

impl Archives {
    /// Opens archives: their frames and indexes are checked, which reads as much of them. What is in a repository is checked whenever it is
    /// read. Blocks.
    ///
    /// # Errors
    /// [`OpenError`] for the first that cannot be used.
    pub fn open(
        files: Vec<PathBuf>,
        settings: Settings,
        clock: Clock,
    ) -> Result<Arc<Self>, OpenError> {
        let shelf = Shelf::open(&files, settings.limits.cache_bytes)?;
        Ok(Arc::new(Self {
            files,
            shelf: RwLock::new(Arc::new(shelf)),
            headers: Headers::new(settings.max_age),
            settings,
            clock,
        }))
    }

    /// Opens the files again and serves what they are now: all of them or, if one cannot be used, all as before. Blocks.
    ///
    /// # Errors
    /// [`OpenError`] for the first that cannot be used.
    pub fn reopen(&self) -> Result<(), OpenError> {
        let shelf = Shelf::open(&self.files, self.settings.limits.cache_bytes)?;
        *self.shelf.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shelf);
        Ok(())
    }

    /// Reads and judges every repository, and logs what a reader of the archives should know. Blocks for as long as that takes, and gives up
    /// when the archives are opened again.
    #[must_use]
    pub fn survey(&self) -> Option<Arc<Survey>> {
        let shelf = Arc::downgrade(&self.shelf());
        let survey = survey::take(&shelf)?;
        let shelf = shelf.upgrade()?;
        Some(Arc::clone(shelf.surveyed(survey)))
    }

    /// What the survey found; `None` while it is going on.
    #[must_use]
    pub fn surveyed(&self) -> Option<Arc<Survey>> {
        self.shelf().survey().cloned()
    }

    /// What the archives say of themselves, in the order in which they were named.
    #[must_use]
    pub fn volumes(&self) -> Arc<[Volume]> {
        self.shelf().described()
    }

    /// How many repositories there are, of all archives together.
    #[must_use]
    pub fn repositories(&self) -> usize {
        self.shelf().repositories()
    }

    /// What the operator has set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn headers(&self) -> &Headers {
        &self.headers
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }
}

//! The archive while it is made: the folder beside the file, and the file in the end.

use std::collections::BTreeSet;
use std::path::PathBuf;

use signet_archive::{ArchivedRepository, Moment, Section, State, Work, WorkError};
use signet_tuf::Gun;

use super::archivist::ArchivistKey;
use super::options::Options;
use crate::notary::Context;
use crate::texts::{notary as texts, os_error};
use crate::ui::report::Failure;

/// What the header of an archive says of its maker.
const PROGRAM: &str = concat!("signet/", env!("CARGO_PKG_VERSION"));

/// An archive that is being made.
pub(super) struct Making {
    work: Work,
    /// Repositories of an earlier run that were not fetched then.
    unfetched: BTreeSet<Gun>,
    output: PathBuf,
    folder: PathBuf,
    archivist: Option<ArchivistKey>,
}

impl Making {
    /// Goes on with the folder beside the output, or begins it. `description` says from what and how the archive is made.
    ///
    /// # Errors
    /// When the folder belongs to an archive of another description, or another command works in it; and when the archivist's key cannot be
    /// used: whoever is asked for a passphrase is there now.
    pub(super) fn begin(
        options: &Options<'_>,
        description: &str,
        context: &Context,
    ) -> Result<Self, Failure> {
        let archivist = options
            .sign_key
            .map(|key| ArchivistKey::load(key, context))
            .transpose()?;
        let mut folder = options.output.as_os_str().to_owned();
        folder.push(".partial");
        let folder = PathBuf::from(folder);
        if options.restart {
            Work::restart(&folder).map_err(|error| failure(&error))?;
        }
        let created = Moment::of(options.moments.now());
        let work =
            Work::open(&folder, PROGRAM, description, created).map_err(|error| match error {
                WorkError::Other(_) => failure(&error).and(texts::ARCHIVE_RESTART),
                _ => failure(&error),
            })?;
        let unfetched = work
            .finished()
            .filter(|entry| matches!(entry.state, State::Refused | State::Unreachable))
            .filter_map(|entry| entry.gun.parse().ok())
            .collect();
        Ok(Self {
            work,
            unfetched,
            output: options.output.clone(),
            folder,
            archivist,
        })
    }

    /// Whether a repository is finished.
    pub(super) fn has(&self, gun: &Gun) -> bool {
        self.work.has(gun) && !self.unfetched.contains(gun)
    }

    /// How many are finished.
    pub(super) fn len(&self) -> usize {
        self.work.len().saturating_sub(self.unfetched.len())
    }

    /// The names of those that are finished.
    pub(super) fn names(&self) -> BTreeSet<Gun> {
        let names = self.work.finished();
        names.filter_map(|entry| entry.gun.parse().ok()).collect()
    }

    /// The folder, as it is shown.
    pub(super) fn folder(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }

    /// Keeps a repository.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&mut self, section: Section) -> Result<(), Failure> {
        self.unfetched.remove(&section.record().gun);
        self.work.keep(section).map_err(|error| failure(&error))
    }

    /// Judges a repository and keeps it.
    ///
    /// # Errors
    /// When it is larger than an archive takes, or cannot be written.
    pub(super) fn finish(&mut self, repository: &ArchivedRepository) -> Result<(), Failure> {
        self.unfetched.remove(&repository.record.gun);
        self.work
            .finish(repository)
            .map_err(|error| failure(&error))
    }

    /// Leaves the folder to the next run, unless there is nothing in it.
    pub(super) fn leave(self) {
        if self.work.is_empty()
            && let Err(error) = self.work.discard()
        {
            tracing::debug!("{error}");
        }
    }

    /// Makes the file of exactly these repositories.
    ///
    /// # Errors
    /// When it cannot be written or signed; the folder stays.
    pub(super) fn pack(mut self, wanted: &BTreeSet<Gun>) -> Result<(), Failure> {
        let archivist = self.archivist.as_ref();
        self.work
            .retain(wanted)
            .and_then(|()| {
                let archivist = archivist.map(|key| key as &dyn signet_archive::Archivist);
                self.work.pack(&self.output, archivist)
            })
            .map_err(|error| failure(&error))
    }
}

fn failure(error: &WorkError) -> Failure {
    Failure::new(match error {
        WorkError::File { path, source } => texts::archive_file(path, &os_error(source)),
        WorkError::Signature(reason) => texts::archive_not_signed(reason),
        _ => error.to_string(),
    })
}

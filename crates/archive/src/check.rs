//! Checking a whole file.

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use signet_tuf::TrustPinning;
use signet_tuf::crypto::Sha256Stream;

use crate::archive::{
    Archive, ArchiveError, Checked, Entry, check_versions, damaged, read_seal, shown,
};
use crate::{Sha256, judge};

/// Most threads that judge repositories.
const THREADS: usize = 8;
/// Bytes of repositories that are held at once, unless a single one is larger.
const MEMORY: u64 = 256 << 20;

/// Lets repositories in while there is room for them.
struct Room {
    taken: Mutex<u64>,
    freed: Condvar,
}

impl Room {
    /// Room until what comes back is dropped, also by a panic.
    fn enter(&self, size: u64) -> Place<'_> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken > 0 && taken.saturating_add(size) > MEMORY {
            taken = self
                .freed
                .wait(taken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *taken = taken.saturating_add(size);
        Place { room: self, size }
    }
}

/// Room that somebody takes.
struct Place<'a> {
    room: &'a Room,
    size: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let taken = self.room.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        *taken = taken.saturating_sub(self.size);
        self.room.freed.notify_all();
    }
}

impl Archive {
    /// Checks the whole file: every byte of it is as it was written, and every verdict is what its documents give at the moment of capture.
    /// `progress` is told how many repositories are done.
    ///
    /// # Errors
    /// [`ArchiveError`] with the first thing that is wrong.
    pub fn check(&self, progress: &mut dyn FnMut(u64)) -> Result<Checked, ArchiveError> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let room = Room {
            taken: Mutex::new(0),
            freed: Condvar::new(),
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            let (results, done) = mpsc::channel();
            let bytes = scope.spawn(|| {
                let result = self.check_bytes(&stop);
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                result
            });
            for _ in 0..threads.clamp(1, THREADS) {
                let results = results.clone();
                let (next, stop, room) = (&next, &stop, &room);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(entry) = self.entries().get(at) else {
                            break;
                        };
                        let place = room.enter(entry.size);
                        let result = self.check_entry(entry);
                        drop(place);
                        if results.send((at, result)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(results);
            let mut checked = Checked {
                repositories: 0,
                documents: 0,
                bytes: 0,
            };
            let mut first: Option<(usize, ArchiveError)> = None;
            for (at, result) in done {
                match result {
                    Ok((documents, bytes)) => {
                        checked.repositories += 1;
                        checked.documents = checked.documents.saturating_add(documents);
                        checked.bytes = checked.bytes.saturating_add(bytes);
                        progress(checked.repositories);
                    }
                    Err(error) => {
                        stop.store(true, Ordering::Relaxed);
                        if first.as_ref().is_none_or(|(other, _)| at < *other) {
                            first = Some((at, error));
                        }
                    }
                }
            }
            if let Some((_, error)) = first {
                return Err(error);
            }
            bytes
                .join()
                .unwrap_or_else(|_| Err(damaged("the archive", "it could not be read")))?;
            Ok(checked)
        })
    }

    /// Every byte before the seal, and the seal itself, as they were when the archive was opened.
    fn check_bytes(&self, stop: &AtomicBool) -> Result<(), ArchiveError> {
        let mut digest = Sha256Stream::new();
        let mut buffer = vec![0; 1 << 18];
        let mut at = 0;
        while at < self.seal.length {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let left = usize::try_from(self.seal.length - at).unwrap_or(usize::MAX);
            let wanted = buffer.len().min(left);
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            self.file.read_exact_at(piece, at)?;
            digest.update(piece);
            at = at.saturating_add(wanted as u64);
        }
        if Sha256(digest.finish()) != self.seal.sha256 || read_seal(&self.file)? != self.seal {
            let reason = "its bytes are not those that were sealed";
            return Err(damaged("the archive", reason));
        }
        Ok(())
    }

    /// One repository: its bytes with the versions in its record, its verdict.
    fn check_entry(&self, entry: &Entry) -> Result<(u64, u64), ArchiveError> {
        let repository = self.read_as_listed(entry)?;
        let record = &repository.record;
        let at = record.captured.time();
        let judgement = judge(&repository, at, &TrustPinning::default());
        check_versions(entry, &repository, Some(&judgement))?;
        let found = judgement.verdict;
        if !found.agrees(&record.verdict) {
            let reason = format!(
                "its verdict does not hold: the archive says {}, its documents say {}",
                record.verdict.state, found.state
            );
            return Err(damaged(shown(&entry.gun), reason));
        }
        let bytes = record.documents.iter().map(|document| document.length);
        Ok((
            record.documents.len() as u64,
            bytes.fold(0, u64::saturating_add),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_the_room_free() {
        let room = Room {
            taken: Mutex::new(0),
            freed: Condvar::new(),
        };
        let ended = thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let _place = room.enter(MEMORY);
                panic!("while it judges");
            });
            worker.join()
        });
        assert!(ended.is_err());
        let taken = *room.taken.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(taken, 0);
    }
}

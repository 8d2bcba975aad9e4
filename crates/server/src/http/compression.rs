//! Documents in gzip, made once and kept.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use moka::sync::Cache;
use tokio::sync::Semaphore;

use crate::store::{Document, Sha256};

/// What is smaller fits into one packet either way.
const MIN_BYTES: usize = 1024;
/// Most documents that are compressed at a time; who asks meanwhile gets them as they are.
const TURNS: usize = 2;
/// Size from which compressing is done away from the threads that serve requests: about half a millisecond.
const BIG: usize = 16 * 1024;

/// Compressed forms by the checksum of the document. They are looked up for documents that were found already, so that whom
/// they belong to does not matter here.
pub(crate) struct Compressor {
    kept: Cache<Sha256, Bytes>,
    turns: Arc<Semaphore>,
    /// What is bigger could not be kept, and is never compressed.
    max_bytes: usize,
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// Keeps at most `cache_bytes`.
    pub(crate) fn new(cache_bytes: u64) -> Self {
        Self {
            kept: Cache::builder()
                .max_capacity(cache_bytes)
                .weigher(|_, bytes: &Bytes| u32::try_from(128 + bytes.len()).unwrap_or(u32::MAX))
                .build(),
            turns: Arc::new(Semaphore::new(TURNS)),
            max_bytes: usize::try_from(cache_bytes / 4).unwrap_or(usize::MAX),
        }
    }

    /// The document in gzip; `None` when it is better sent as it is.
    pub(super) async fn gzip(&self, document: &Document) -> Option<Bytes> {
        let length = document.data.len();
        if !(MIN_BYTES..=self.max_bytes).contains(&length) {
            return None;
        }
        if let Some(kept) = self.kept.get(&document.sha256) {
            return useful(kept);
        }
        let _turn = self.turns.try_acquire().ok()?;
        let data = document.data.clone();
        let compressed = if length < BIG {
            compress(&data)
        } else {
            tokio::task::spawn_blocking(move || compress(&data))
                .await
                .ok()?
        };
        self.kept.insert(document.sha256, compressed.clone());
        useful(compressed)
    }
}

/// What did not get smaller is kept as nothing.
fn useful(compressed: Bytes) -> Option<Bytes> {
    (!compressed.is_empty()).then_some(compressed)
}

fn compress(data: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(data.len() / 2), Compression::default());
    // Writing to memory cannot fail.
    let written = encoder.write_all(data).and_then(|()| encoder.finish());
    let smaller = written.ok().filter(|bytes| bytes.len() < data.len());
    smaller.map(Bytes::from).unwrap_or_default()
}

//! How large an archive may be. Whoever writes one stays within these, and whoever reads one refuses what goes beyond, before memory or time
//! is spent on it.

use signet_tuf::update::{MAX_DOCUMENT_BYTES as TUF_DOCUMENT, MAX_UPDATE_BYTES};

/// Most repositories in a file.
pub const MAX_REPOSITORIES: u64 = 1 << 20;
/// Largest `archive.json`.
pub const MAX_HEADER_BYTES: u64 = 1 << 20;
/// Most signatures of archivists.
pub const MAX_SIGNATURES: usize = 16;
/// Most sources in a header.
pub const MAX_SOURCES: usize = 1024;
/// Longest line of the index.
pub const MAX_INDEX_LINE_BYTES: u64 = 4096;
/// Largest index.
pub const MAX_INDEX_BYTES: u64 = 1 << 29;
/// Largest record of a repository.
pub const MAX_RECORD_BYTES: u64 = 32 << 20;
/// Most documents of a repository.
pub const MAX_DOCUMENTS: usize = 1 << 16;
/// Largest document.
pub const MAX_DOCUMENT_BYTES: u64 = TUF_DOCUMENT;
/// Most bytes of documents of one repository.
pub const MAX_REPOSITORY_BYTES: u64 = MAX_UPDATE_BYTES;
/// How many times larger than its compressed form a part of the file may be, once it is larger than [`RATIO_FROM`]. What compresses better
/// is written uncompressed.
pub const MAX_RATIO: u64 = 100;
/// Size up to which the ratio does not matter.
pub const RATIO_FROM: u64 = 1 << 20;
/// Most documents that the examination of a repository's earlier states reads.
pub const MAX_HISTORY_DOCUMENTS: u64 = 1 << 18;
/// Most bytes that the same reads.
pub const MAX_HISTORY_BYTES: u64 = 2 * MAX_REPOSITORY_BYTES;
/// Most bytes that are hashed to check the signatures of a repository's chain of roots, and as many for its earlier states. Each signature by
/// a known key hashes its whole message; [`SIGNATURE_COST`] comes on top.
pub const MAX_SIGNED_BYTES: u64 = 16 << 30;
/// What checking a signature costs beside hashing, as bytes that could be hashed in the same time.
pub const SIGNATURE_COST: u64 = 1 << 16;

/// The largest content that `compressed` bytes may stand for.
pub(crate) const fn largest_content(compressed: u64) -> u64 {
    let by_ratio = compressed.saturating_mul(MAX_RATIO);
    if by_ratio > RATIO_FROM {
        by_ratio
    } else {
        RATIO_FROM
    }
}

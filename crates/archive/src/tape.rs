//! The stream of plain files inside: ustar, with every field but name and size fixed.
//!
//! There is exactly one header for a name and a size, so reading one is building it and comparing: other kinds of members, extensions, links,
//! odd modes and other spellings of a number do not exist.

use tar::{EntryType, Header};

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;
const BLOCK_LONG: u64 = BLOCK as u64;
/// Bytes of a record: the whole stream is a multiple of it.
pub(crate) const RECORD: u64 = 10240;
/// Zero bytes that end the stream, before it is filled up to a record.
pub(crate) const END: u64 = 2 * BLOCK_LONG;

/// The one header of a file. `folder` and `name` are of this crate's making and fit their fields.
pub(crate) fn header(folder: &str, name: &str, size: u64) -> [u8; BLOCK] {
    let mut header = Header::new_ustar();
    put(&mut header.as_old_mut().name, name);
    if let Some(ustar) = header.as_ustar_mut() {
        put(&mut ustar.prefix, folder);
    }
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    *header.as_bytes()
}

fn put(field: &mut [u8], text: &str) {
    field.fill(0);
    for (to, from) in field.iter_mut().zip(text.bytes()) {
        *to = from;
    }
}

/// The size in `block`, when it is the header of this file.
pub(crate) fn size_in(block: &[u8; BLOCK], folder: &str, name: &str) -> Option<u64> {
    let size = Header::from_byte_slice(block).entry_size().ok()?;
    (size < 1 << 33 && header(folder, name, size) == *block).then_some(size)
}

/// Zero bytes after a file of this size.
pub(crate) const fn padding(size: u64) -> u64 {
    (BLOCK_LONG - size % BLOCK_LONG) % BLOCK_LONG
}

/// What a file of this size takes, header and padding included.
pub(crate) const fn footprint(size: u64) -> u64 {
    size.saturating_add(padding(size))
        .saturating_add(BLOCK_LONG)
}

/// Zero bytes that end a stream which is `size` bytes long so far.
pub(crate) const fn ending(size: u64) -> u64 {
    let least = size.saturating_add(END);
    END + (RECORD - least % RECORD) % RECORD
}

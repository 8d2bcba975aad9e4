//! The seal: the last bytes of the file, which tie all before them.
//!
//! It is a gzip member without content, so that gzip and tar read over it; what it says stands in the extra field of its header. It has one
//! form only, so every bit of it counts.

use crate::Sha256;

/// Bytes of a seal.
pub(crate) const LENGTH: usize = 74;
const START: [u8; 16] = [
    0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, // a gzip header with an extra field
    52, 0, // its length
    b'S', b'g', 48, 0, // the one subfield in it
];
const END: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What a seal says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seal {
    /// Digest of all bytes before it.
    pub(crate) sha256: Sha256,
    /// How many they are.
    pub(crate) length: u64,
    /// How many of them the first member takes.
    pub(crate) head: u64,
}

impl Seal {
    pub(crate) fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let parts: [&[u8]; 5] = [
            &START,
            &self.sha256.0,
            &self.length.to_le_bytes(),
            &self.head.to_le_bytes(),
            &END,
        ];
        for (to, from) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; LENGTH]) -> Option<Self> {
        let rest = bytes.strip_prefix(&START)?;
        let (sha256, rest) = rest.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (head, rest) = rest.split_first_chunk::<8>()?;
        (rest == END).then(|| Self {
            sha256: Sha256(*sha256),
            length: u64::from_le_bytes(*length),
            head: u64::from_le_bytes(*head),
        })
    }
}

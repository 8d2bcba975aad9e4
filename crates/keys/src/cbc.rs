//! Block ciphers in CBC mode, without a say on padding: Go reads PKCS#8 whatever its padding is.

use cbc::cipher::{
    Block, BlockCipherDecrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, KeyIvInit,
};
use zeroize::Zeroizing;

/// A block cipher that key files may be encrypted with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    /// Legacy PEM only.
    Des,
    TripleDes,
}

impl Cipher {
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Des => 8,
        }
    }

    pub(crate) const fn block_len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::Des | Self::TripleDes => 8,
        }
    }
}

/// Decrypts whole blocks; `None` when key, IV or text have the wrong length.
pub(crate) fn decrypt(
    cipher: Cipher,
    key: &[u8],
    iv: &[u8],
    text: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    match cipher {
        Cipher::Aes128 => decrypt_with::<aes::Aes128>(key, iv, text),
        Cipher::Aes192 => decrypt_with::<aes::Aes192>(key, iv, text),
        Cipher::Aes256 => decrypt_with::<aes::Aes256>(key, iv, text),
        Cipher::Des => decrypt_with::<des::Des>(key, iv, text),
        Cipher::TripleDes => decrypt_with::<des::TdesEde3>(key, iv, text),
    }
}

fn decrypt_with<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    iv: &[u8],
    text: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = C::new_from_slice(key).ok()?;
    let mut mode = cbc::Decryptor::<C>::inner_iv_slice_init(cipher, iv).ok()?;
    let mut out = Zeroizing::new(text.to_vec());
    let (blocks, rest) = Block::<C>::slice_as_chunks_mut(&mut out);
    if blocks.is_empty() || !rest.is_empty() {
        return None;
    }
    mode.decrypt_blocks(blocks);
    Some(out)
}

/// Encrypts with AES-256 and PKCS#7 padding.
pub(crate) fn encrypt_aes256(key: &[u8; 32], iv: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    let padding = 16 - plain.len() % 16;
    let mut out = Vec::with_capacity(plain.len() + padding);
    out.extend_from_slice(plain);
    // 1 to 16, so it fits.
    out.resize(plain.len() + padding, u8::try_from(padding).unwrap_or(16));
    let mut mode = cbc::Encryptor::<aes::Aes256>::new(key.into(), iv.into());
    let (blocks, _) = Block::<aes::Aes256>::slice_as_chunks_mut(&mut out);
    mode.encrypt_blocks(blocks);
    out
}

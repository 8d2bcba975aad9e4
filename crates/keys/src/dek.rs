//! Legacy encryption inside PEM (`Proc-Type` and `DEK-Info` headers), as OpenSSL and notary before 0.6 wrote it. Read
//! only (specification, signer-and-keys section 5.4).

use data_encoding::HEXLOWER_PERMISSIVE;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::cbc::{Cipher, decrypt};
use crate::tally;

/// How a block is encrypted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DekInfo {
    cipher: Cipher,
    iv: Vec<u8>,
}

impl DekInfo {
    /// Reads the header's value; the error names what is not supported.
    pub(crate) fn parse(header: &str) -> Result<Self, String> {
        let (name, iv) = header.split_once(',').unwrap_or((header, ""));
        let cipher = match name.trim() {
            "AES-128-CBC" => Cipher::Aes128,
            "AES-192-CBC" => Cipher::Aes192,
            "AES-256-CBC" => Cipher::Aes256,
            "DES-CBC" => Cipher::Des,
            "DES-EDE3-CBC" => Cipher::TripleDes,
            other => return Err(other.chars().take(64).collect()),
        };
        let iv = HEXLOWER_PERMISSIVE
            .decode(iv.trim().as_bytes())
            .ok()
            .filter(|iv| iv.len() == cipher.block_len())
            .ok_or_else(|| format!("{} with a malformed IV", name.trim()))?;
        Ok(Self { cipher, iv })
    }

    /// Decrypts and removes the padding; `None` when the passphrase is wrong or the bytes are damaged.
    pub(crate) fn decrypt(&self, passphrase: &[u8], contents: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        tally::derived();
        let key = self.derive(passphrase)?;
        let mut plain = decrypt(self.cipher, &key, &self.iv, contents)?;
        let padding = usize::from(*plain.last()?);
        let end = plain.len().checked_sub(padding)?;
        let well_padded = (1..=self.cipher.block_len()).contains(&padding)
            && plain.get(end..)?.iter().all(|b| usize::from(*b) == padding);
        plain.truncate(end);
        well_padded.then_some(plain)
    }

    /// OpenSSL's `EVP_BytesToKey` with MD5, one round, the salt being the start of the IV.
    fn derive(&self, passphrase: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let salt = self.iv.get(..8)?;
        let mut key = Zeroizing::new(Vec::with_capacity(48));
        let mut block = Zeroizing::new([0; 16]);
        while key.len() < self.cipher.key_len() {
            let mut hash = Md5::new();
            if !key.is_empty() {
                hash.update(&block[..]);
            }
            hash.update(passphrase);
            hash.update(salt);
            block.copy_from_slice(&hash.finalize());
            key.extend_from_slice(&block[..]);
        }
        key.truncate(self.cipher.key_len());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_it_does_not_read() {
        assert_eq!(
            DekInfo::parse("CAMELLIA-256-CBC,6BB77B51AA29915E218EF194DB3F4433"),
            Err("CAMELLIA-256-CBC".into())
        );
        for header in [
            "AES-256-CBC",
            "AES-256-CBC,",
            "AES-256-CBC,00",
            "AES-256-CBC,zz",
            "DES-EDE3-CBC,00112233445566778899aabbccddeeff",
        ] {
            assert!(
                DekInfo::parse(header)
                    .unwrap_err()
                    .ends_with("malformed IV")
            );
        }
        assert!(DekInfo::parse("DES-EDE3-CBC,00112233445566Aa").is_ok());
    }

    #[test]
    fn a09_broken_ciphertexts_are_errors() {
        let info = DekInfo::parse("AES-128-CBC,00112233445566778899aabbccddeeff").unwrap();
        for len in [0, 1, 15, 17, 31] {
            assert!(info.decrypt(b"x", &vec![0; len]).is_none());
        }
    }
}

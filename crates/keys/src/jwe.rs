//! The wrap of private keys in database rows: JWE compact with `PBES2-HS256+A128KW` and `A256GCM` (specification,
//! signer-and-keys section 4.3).

use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_128, AesKek, KeyWrap};
use aws_lc_rs::pbkdf2;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::tally;

/// Key management algorithm, also what the column `keywrap_alg` says.
pub const KEYWRAP_ALG: &str = "PBES2-HS256+A128KW";
/// Content encryption, also what the column `encryption_alg` says.
pub const ENCRYPTION_ALG: &str = "A256GCM";
/// Iterations of key derivation that Go writes.
pub const DEFAULT_ITERATIONS: NonZeroU32 = NonZeroU32::new(8192).unwrap();
/// Most iterations that a token may ask for, unless told otherwise.
pub const MAX_ITERATIONS: u32 = 1_000_000;
/// Longest token in bytes; that of an RSA key with 8192 bits has 6400.
pub const MAX_LEN: usize = 65_536;

/// Why a token is not opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// More iterations than allowed, or none.
    #[error(
        "it asks for {iterations} iterations of key derivation (p2c), and 1 to {max} are allowed"
    )]
    Iterations {
        /// What the token asks for.
        iterations: u64,
        /// What is allowed.
        max: u32,
    },
    /// Not a token of five parts with a readable header.
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    /// A token that is to be understood in some other way.
    #[error("unsupported {0} in the token's header")]
    Unsupported(&'static str),
    /// The passphrase is wrong, or the token was altered.
    #[error("wrong passphrase or altered token")]
    Wrong,
}

/// The system gave no randomness.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("encrypting failed: no randomness")]
pub struct SealError;

#[derive(Deserialize)]
struct Header<'a> {
    alg: &'a str,
    enc: &'a str,
    p2c: u64,
    p2s: &'a str,
    #[serde(default)]
    zip: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

/// Encrypts private bytes for a passphrase.
///
/// # Errors
/// [`SealError`].
pub fn seal(plain: &[u8], passphrase: &[u8], iterations: NonZeroU32) -> Result<String, SealError> {
    let mut salt = [0; 12];
    let mut iv = [0; NONCE_LEN];
    let mut content_key = Zeroizing::new([0; 32]);
    for bytes in [&mut salt[..], &mut iv[..], &mut content_key[..]] {
        aws_lc_rs::rand::fill(bytes).map_err(|_| SealError)?;
    }
    // compat: exactly these members in this order, as Go's JOSE library writes them.
    let header = BASE64URL_NOPAD.encode(
        format!(
            r#"{{"alg":"{KEYWRAP_ALG}","enc":"{ENCRYPTION_ALG}","p2c":{iterations},"p2s":"{}"}}"#,
            BASE64URL_NOPAD.encode(&salt)
        )
        .as_bytes(),
    );
    let mut wrapped = [0; 40];
    kek(passphrase, &salt, iterations)
        .and_then(|kek| kek.wrap(&content_key[..], &mut wrapped).map(|_| ()).ok())
        .ok_or(SealError)?;
    let mut text = Zeroizing::new(Vec::with_capacity(plain.len()));
    text.extend_from_slice(plain);
    let tag = content_cipher(&content_key)
        .and_then(|cipher| {
            cipher
                .seal_in_place_separate_tag(
                    Nonce::assume_unique_for_key(iv),
                    Aad::from(header.as_bytes()),
                    text.as_mut_slice(),
                )
                .ok()
        })
        .ok_or(SealError)?;
    let parts: Vec<String> = [&wrapped[..], &iv, text.as_slice(), tag.as_ref()]
        .into_iter()
        .map(|part| BASE64URL_NOPAD.encode(part))
        .collect();
    Ok(format!("{header}.{}", parts.join(".")))
}

/// Decrypts a token. All parameters come from its header.
///
/// # Errors
/// [`OpenError`]; anything but [`OpenError::Wrong`] holds whatever the passphrase.
pub fn open(
    token: &[u8],
    passphrase: &[u8],
    max_iterations: u32,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if token.len() > MAX_LEN {
        return Err(OpenError::Malformed("it is too long"));
    }
    let mut parts = token.split(|byte| *byte == b'.');
    let mut part = || {
        parts
            .next()
            .ok_or(OpenError::Malformed("it has less than five parts"))
    };
    let (encoded, wrapped, iv, text, tag) = (part()?, part()?, part()?, part()?, part()?);
    if parts.next().is_some() {
        return Err(OpenError::Malformed("it has more than five parts"));
    }
    let decode = |part: &[u8]| {
        BASE64URL_NOPAD
            .decode(part)
            .map_err(|_| OpenError::Malformed("a part is not base64url"))
    };
    let header = decode(encoded)?;
    let header: Header<'_> = serde_json::from_slice(&header)
        .map_err(|_| OpenError::Malformed("the header is not what it should be"))?;
    if header.alg != KEYWRAP_ALG {
        return Err(OpenError::Unsupported("alg"));
    }
    if header.enc != ENCRYPTION_ALG {
        return Err(OpenError::Unsupported("enc"));
    }
    if header.zip.is_some() {
        return Err(OpenError::Unsupported("zip"));
    }
    if header.crit.is_some() {
        return Err(OpenError::Unsupported("crit"));
    }
    let iterations = u32::try_from(header.p2c)
        .ok()
        .filter(|count| *count <= max_iterations)
        .and_then(NonZeroU32::new)
        .ok_or(OpenError::Iterations {
            iterations: header.p2c,
            max: max_iterations,
        })?;
    let salt = decode(header.p2s.as_bytes())?;
    let wrapped = decode(wrapped)?;
    let iv: [u8; NONCE_LEN] = decode(iv)?
        .try_into()
        .map_err(|_| OpenError::Malformed("the IV has the wrong length"))?;
    let mut text = Zeroizing::new(decode(text)?);
    let tag = decode(tag)?;
    if wrapped.len() != 40 || tag.len() != AES_256_GCM.tag_len() {
        return Err(OpenError::Malformed("key or tag have the wrong length"));
    }

    let mut content_key = Zeroizing::new([0; 32]);
    kek(passphrase, &salt, iterations)
        .and_then(|kek| kek.unwrap(&wrapped, &mut content_key[..]).map(|_| ()).ok())
        .ok_or(OpenError::Wrong)?;
    let len = text.len();
    text.extend_from_slice(&tag);
    content_cipher(&content_key)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(iv);
            cipher
                .open_in_place(nonce, Aad::from(encoded), &mut text[..])
                .map(|_| ())
                .ok()
        })
        .ok_or(OpenError::Wrong)?;
    text.truncate(len);
    Ok(text)
}

fn kek(passphrase: &[u8], p2s: &[u8], iterations: NonZeroU32) -> Option<AesKek> {
    tally::derived();
    let salt = [KEYWRAP_ALG.as_bytes(), &[0], p2s].concat();
    let mut key = Zeroizing::new([0; 16]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        passphrase,
        &mut key[..],
    );
    AesKek::new(&AES_128, &key[..]).ok()
}

fn content_cipher(key: &[u8; 32]) -> Option<LessSafeKey> {
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_header(header: &str) -> String {
        let token = seal(b"plain", b"x", DEFAULT_ITERATIONS).unwrap();
        let rest = token.split_once('.').unwrap().1.to_owned();
        format!("{}.{rest}", BASE64URL_NOPAD.encode(header.as_bytes()))
    }

    #[test]
    fn tokens_have_gos_form() {
        // Specification, signer-and-keys section 4.3: 365 characters for a P-256 key, 331 for Ed25519.
        for (plain, length) in [(121, 365), (96, 331)] {
            let token = seal(&vec![7; plain], b"x", DEFAULT_ITERATIONS).unwrap();
            assert_eq!(token.len(), length);
            let header = token.split('.').next().unwrap();
            let header = String::from_utf8(BASE64URL_NOPAD.decode(header.as_bytes()).unwrap());
            let header = header.unwrap();
            assert!(
                header.starts_with(
                    r#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":8192,"p2s":""#
                )
            );
            assert_eq!(
                *open(token.as_bytes(), b"x", MAX_ITERATIONS).unwrap(),
                vec![7; plain]
            );
            assert_eq!(
                open(token.as_bytes(), b"y", MAX_ITERATIONS),
                Err(OpenError::Wrong)
            );
        }
    }

    #[test]
    fn any_altered_part_is_noticed() {
        let token = seal(b"a private key", b"x", NonZeroU32::MIN).unwrap();
        for index in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
            assert!(open(&altered, b"x", 100).is_err(), "{index}");
        }
    }

    #[test]
    fn a17_iterations_are_bounded() {
        for (p2c, max) in [(0, 100), (101, 100), (u64::from(u32::MAX) + 1, u32::MAX)] {
            let token = with_header(&format!(
                r#"{{"alg":"{KEYWRAP_ALG}","enc":"{ENCRYPTION_ALG}","p2c":{p2c},"p2s":"AAAA"}}"#
            ));
            assert_eq!(
                open(token.as_bytes(), b"x", max),
                Err(OpenError::Iterations {
                    iterations: p2c,
                    max
                })
            );
        }
        assert!(open(&vec![b'A'; MAX_LEN + 1], b"x", 1).is_err());
        let token = with_header(&format!(
            r#"{{"alg":"{KEYWRAP_ALG}","enc":"{ENCRYPTION_ALG}","p2c":1000001,"p2s":"AAAA"}}"#
        ));
        let refused = open(token.as_bytes(), b"x", MAX_ITERATIONS).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it asks for 1000001 iterations of key derivation (p2c), and 1 to 1000000 are allowed"
        );
    }

    #[test]
    fn a09_strange_tokens_are_errors() {
        let member = r#""alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1,"p2s":"AAAA""#;
        for (header, expected) in [
            (
                format!(r#"{{{member},"zip":"DEF"}}"#),
                OpenError::Unsupported("zip"),
            ),
            (
                format!(r#"{{{member},"crit":[]}}"#),
                OpenError::Unsupported("crit"),
            ),
            (
                member.replace("HS256", "HS512"),
                OpenError::Malformed("the header is not what it should be"),
            ),
            (
                format!("{{{}}}", member.replace("HS256", "HS512")),
                OpenError::Unsupported("alg"),
            ),
            (
                format!("{{{}}}", member.replace("A256GCM", "A128GCM")),
                OpenError::Unsupported("enc"),
            ),
            (
                format!(r#"{{{member},"p2c":1}}"#),
                OpenError::Malformed("the header is not what it should be"),
            ),
            (
                "null".into(),
                OpenError::Malformed("the header is not what it should be"),
            ),
            (
                "[".repeat(30_000),
                OpenError::Malformed("the header is not what it should be"),
            ),
        ] {
            assert_eq!(
                open(with_header(&header).as_bytes(), b"x", 100),
                Err(expected)
            );
        }
        for token in ["", ".", "....", ".....", "a.b.c.d", "\u{e9}...."] {
            assert!(matches!(
                open(token.as_bytes(), b"x", 100),
                Err(OpenError::Malformed(_))
            ));
        }
    }
}

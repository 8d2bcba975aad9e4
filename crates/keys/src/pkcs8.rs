//! PKCS#8: private keys and their encryption (specification, signer-and-keys section 5.3).
//!
//! Reading is as lenient as Go where Go's own files need it, and knows more encryptions than Go does. Writing gives
//! what Go can read: PBES2 with PBKDF2-HMAC-SHA-1 and AES-256-CBC.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use signet_tuf::KeyKind;

use crate::asn1::{self, Reader};
use crate::cbc::{self, Cipher};
use crate::private::{self, EC_PUBLIC_KEY, InvalidPrivateKey, PrivateKey, RSA_ENCRYPTION};
use crate::signer::Signer;
use crate::tally;

/// Most iterations of PBKDF2 that a key file may ask for.
pub(crate) const MAX_ITERATIONS: u32 = 10_000_000;

/// Most memory that a key file may ask scrypt to use, in bytes.
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
/// Most work that a key file may ask of scrypt: N·r·p.
const MAX_SCRYPT_WORK: u64 = 1 << 23;

/// Why bytes are no private key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Rejected {
    /// Not the structure at all; after decryption that means a wrong passphrase.
    Garbage,
    /// The structure, around a key that is not usable.
    Key(InvalidPrivateKey),
}

/// Reads `PrivateKeyInfo`. Version, attributes and whatever follows are not looked at; RSA may lack its NULL.
pub(crate) fn parse(der: &[u8]) -> Result<PrivateKey, Rejected> {
    let (algorithm, parameters, content) = fields(der).ok_or(Rejected::Garbage)?;
    match algorithm {
        EC_PUBLIC_KEY => {
            let curve = parameters
                .clone()
                .read(asn1::OID)
                .ok_or(Rejected::Key(InvalidPrivateKey::Malformed(KeyKind::Ecdsa)))?;
            PrivateKey::from_sec1(content, Some(curve))
        }
        RSA_ENCRYPTION => PrivateKey::from_pkcs1(content),
        NOTARY_ED25519 => PrivateKey::from_raw_ed25519(content),
        RFC8410_ED25519 => Reader::new(content)
            .read(asn1::OCTET_STRING)
            .ok_or(InvalidPrivateKey::Malformed(KeyKind::Ed25519))
            .and_then(PrivateKey::from_seed),
        other => Err(InvalidPrivateKey::Algorithm(asn1::dotted(other))),
    }
    .map_err(Rejected::Key)
}

fn fields(der: &[u8]) -> Option<(&[u8], Reader<'_>, &[u8])> {
    let mut info = Reader::new(der).nested(asn1::SEQUENCE)?;
    info.number().filter(|version| *version <= 1)?;
    let mut algorithm = info.nested(asn1::SEQUENCE)?;
    Some((
        algorithm.read(asn1::OID)?,
        algorithm,
        info.read(asn1::OCTET_STRING)?,
    ))
}

/// Writes `PrivateKeyInfo`: version 0, RSA with NULL, Ed25519 in notary's encoding.
pub(crate) fn encode(key: &PrivateKey) -> Zeroizing<Vec<u8>> {
    let oid = |oid: &[u8]| asn1::write(asn1::OID, &[oid]);
    let algorithm = match (key.curve(), key.public().kind()) {
        (Some(curve), _) => asn1::write(
            asn1::SEQUENCE,
            &[&oid(EC_PUBLIC_KEY), &oid(private::curve_oid(curve))],
        ),
        (None, KeyKind::Ed25519) => asn1::write(asn1::SEQUENCE, &[&oid(NOTARY_ED25519)]),
        (None, _) => private::rsa_algorithm(),
    };
    asn1::write(
        asn1::SEQUENCE,
        &[
            &asn1::write_number(0),
            &algorithm,
            &asn1::write(asn1::OCTET_STRING, &[key.private_bytes()]),
        ],
    )
}

/// `EncryptedPrivateKeyInfo`, ready to be decrypted.
pub(crate) struct Encrypted<'a> {
    kdf: Kdf<'a>,
    cipher: Cipher,
    iv: &'a [u8],
    text: &'a [u8],
}

enum Kdf<'a> {
    Pbkdf2 {
        algorithm: pbkdf2::Algorithm,
        salt: &'a [u8],
        iterations: NonZeroU32,
    },
    Scrypt {
        params: scrypt::Params,
        salt: &'a [u8],
    },
}

/// Why an encrypted key cannot be opened with any passphrase.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unreadable {
    /// Not the structure.
    Malformed(&'static str),
    /// An encryption that is not known, by name or object identifier.
    Unsupported(String),
}

impl<'a> Encrypted<'a> {
    /// Reads the structure and refuses, before any passphrase is asked for, what could never be decrypted.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Unreadable> {
        const MALFORMED: Unreadable = Unreadable::Malformed("not an encrypted PKCS#8 key");
        let mut info = Reader::new(der).nested(asn1::SEQUENCE).ok_or(MALFORMED)?;
        let mut scheme = info.nested(asn1::SEQUENCE).ok_or(MALFORMED)?;
        let text = info.read(asn1::OCTET_STRING).ok_or(MALFORMED)?;
        let scheme_oid = scheme.read(asn1::OID).ok_or(MALFORMED)?;
        if scheme_oid != PBES2 {
            return Err(Unreadable::Unsupported(asn1::dotted(scheme_oid)));
        }
        let mut parameters = scheme.nested(asn1::SEQUENCE).ok_or(MALFORMED)?;
        let mut kdf = parameters.nested(asn1::SEQUENCE).ok_or(MALFORMED)?;
        let mut encryption = parameters.nested(asn1::SEQUENCE).ok_or(MALFORMED)?;

        let cipher_oid = encryption.read(asn1::OID).ok_or(MALFORMED)?;
        let cipher = match cipher_oid {
            AES_128_CBC => Cipher::Aes128,
            AES_192_CBC => Cipher::Aes192,
            AES_256_CBC => Cipher::Aes256,
            DES_EDE3_CBC => Cipher::TripleDes,
            other => return Err(Unreadable::Unsupported(asn1::dotted(other))),
        };
        let iv = encryption.read(asn1::OCTET_STRING).ok_or(MALFORMED)?;
        if iv.len() != cipher.block_len() {
            return Err(Unreadable::Malformed("the IV has the wrong length"));
        }
        if text.is_empty() || text.len() % cipher.block_len() != 0 {
            return Err(Unreadable::Malformed("the ciphertext is truncated"));
        }
        let kdf_oid = kdf.read(asn1::OID).ok_or(MALFORMED)?;
        let kdf_parameters = kdf.nested(asn1::SEQUENCE).ok_or(MALFORMED)?;
        let kdf = match kdf_oid {
            PBKDF2 => Kdf::pbkdf2(kdf_parameters)?,
            SCRYPT => Kdf::scrypt(kdf_parameters)?,
            other => return Err(Unreadable::Unsupported(asn1::dotted(other))),
        };
        Ok(Self {
            kdf,
            cipher,
            iv,
            text,
        })
    }

    /// Decrypts. There is no check on the result: that it parses is the proof, as in Go, which ignores the padding.
    pub(crate) fn decrypt(&self, passphrase: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        tally::derived();
        let mut key = Zeroizing::new(vec![0; self.cipher.key_len()]);
        match &self.kdf {
            Kdf::Pbkdf2 {
                algorithm,
                salt,
                iterations,
            } => pbkdf2::derive(*algorithm, *iterations, salt, passphrase, &mut key),
            Kdf::Scrypt { params, salt } => {
                scrypt::scrypt(passphrase, salt, params, &mut key).ok()?;
            }
        }
        cbc::decrypt(self.cipher, &key, self.iv, self.text)
    }
}

impl<'a> Kdf<'a> {
    fn pbkdf2(mut parameters: Reader<'a>) -> Result<Self, Unreadable> {
        const MALFORMED: Unreadable = Unreadable::Malformed("malformed PBKDF2 parameters");
        let salt = parameters.read(asn1::OCTET_STRING).ok_or(MALFORMED)?;
        let iterations = parameters
            .number()
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| *count <= MAX_ITERATIONS)
            .and_then(NonZeroU32::new)
            .ok_or(Unreadable::Malformed(
                "the iteration count is zero or too large",
            ))?;
        if parameters.peek() == Some(asn1::INTEGER) {
            // The key length, which the cipher says as well.
            parameters.number().ok_or(MALFORMED)?;
        }
        let algorithm = match parameters.nested(asn1::SEQUENCE) {
            None => pbkdf2::PBKDF2_HMAC_SHA1,
            Some(mut prf) => match prf.read(asn1::OID).ok_or(MALFORMED)? {
                HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
                HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
                HMAC_SHA384 => pbkdf2::PBKDF2_HMAC_SHA384,
                HMAC_SHA512 => pbkdf2::PBKDF2_HMAC_SHA512,
                other => return Err(Unreadable::Unsupported(asn1::dotted(other))),
            },
        };
        Ok(Self::Pbkdf2 {
            algorithm,
            salt,
            iterations,
        })
    }

    fn scrypt(mut parameters: Reader<'a>) -> Result<Self, Unreadable> {
        const MALFORMED: Unreadable = Unreadable::Malformed("malformed scrypt parameters");
        const TOO_MUCH: Unreadable = Unreadable::Malformed("the scrypt cost is too large");
        let salt = parameters.read(asn1::OCTET_STRING).ok_or(MALFORMED)?;
        let mut number = || parameters.number().ok_or(MALFORMED);
        let (n, r, p) = (number()?, number()?, number()?);
        if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
            return Err(MALFORMED);
        }
        let block = n.checked_mul(r).ok_or(TOO_MUCH)?;
        let work = block.checked_mul(p).ok_or(TOO_MUCH)?;
        if block > MAX_SCRYPT_BYTES / 128 || work > MAX_SCRYPT_WORK {
            return Err(TOO_MUCH);
        }
        let narrow = |n: u64| u32::try_from(n).map_err(|_| TOO_MUCH);
        let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| TOO_MUCH)?;
        Ok(Self::Scrypt {
            params: scrypt::Params::new(log_n, narrow(r)?, narrow(p)?).map_err(|_| MALFORMED)?,
            salt,
        })
    }
}

/// Encrypts a key for a passphrase; `None` when the system gives no randomness.
pub(crate) fn encrypt(
    key: &PrivateKey,
    passphrase: &[u8],
    iterations: NonZeroU32,
) -> Option<Zeroizing<Vec<u8>>> {
    tally::derived();
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    aws_lc_rs::rand::fill(&mut iv).ok()?;
    let mut derived = Zeroizing::new([0; 32]);
    // compat: Go ignores the prf field and always uses SHA-1; so none is written.
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA1,
        iterations,
        &salt,
        passphrase,
        &mut derived[..],
    );
    let text = cbc::encrypt_aes256(&derived, &iv, &encode(key));

    let kdf = asn1::write(
        asn1::SEQUENCE,
        &[
            &asn1::write(asn1::OID, &[PBKDF2]),
            &asn1::write(
                asn1::SEQUENCE,
                &[
                    &asn1::write(asn1::OCTET_STRING, &[&salt]),
                    &asn1::write_number(iterations.get().into()),
                ],
            ),
        ],
    );
    let encryption = asn1::write(
        asn1::SEQUENCE,
        &[
            &asn1::write(asn1::OID, &[AES_256_CBC]),
            &asn1::write(asn1::OCTET_STRING, &[&iv]),
        ],
    );
    let scheme = asn1::write(
        asn1::SEQUENCE,
        &[
            &asn1::write(asn1::OID, &[PBES2]),
            &asn1::write(asn1::SEQUENCE, &[&kdf, &encryption]),
        ],
    );
    Some(asn1::write(
        asn1::SEQUENCE,
        &[&scheme, &asn1::write(asn1::OCTET_STRING, &[&text])],
    ))
}

/// 1.3.6.1.4.1.11591.15.1, with 96 raw bytes: notary's own.
const NOTARY_ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
/// 1.3.101.112.
const RFC8410_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.113549.1.5.13.
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
/// 1.2.840.113549.1.5.12.
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
/// 1.3.6.1.4.1.11591.4.11.
const SCRYPT: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];
/// 1.2.840.113549.2.7.
const HMAC_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x07];
/// 1.2.840.113549.2.9.
const HMAC_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09];
/// 1.2.840.113549.2.10.
const HMAC_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x0a];
/// 1.2.840.113549.2.11.
const HMAC_SHA512: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x0b];
/// 2.16.840.1.101.3.4.1.2.
const AES_128_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02];
/// 2.16.840.1.101.3.4.1.22.
const AES_192_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x16];
/// 2.16.840.1.101.3.4.1.42.
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
/// 1.2.840.113549.3.7.
const DES_EDE3_CBC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07];

//! What a public key is, and whether it can be relied on.

use signet_tuf::certificate::{Certificate, CertificateError, parse_pem_certificates};
use signet_tuf::crypto::{self, Curve, SpkiKind};
use signet_tuf::{KeyKind, PublicKey};

/// Whether a key can be relied on; the worst last.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Strength {
    /// Yes.
    Good,
    /// RSA below 3072 bits.
    Short,
    /// Of no type that verification knows.
    Unknown,
    /// In a certificate that is signed over SHA-1.
    Sha1,
    /// RSA below 2048 bits, or ECDSA on P-224: nobody accepts it.
    Refused,
}

/// The certificate that carries the key: the first of its bundle.
pub(super) fn certificate(key: &PublicKey) -> Option<Certificate> {
    if !key.kind().is_certificate() {
        return None;
    }
    parse_pem_certificates(key.public_bytes())?
        .into_iter()
        .next()
}

fn spki(key: &PublicKey) -> Option<SpkiKind> {
    match key.kind() {
        KeyKind::EcdsaX509 | KeyKind::RsaX509 => crypto::inspect_spki(certificate(key)?.spki()),
        KeyKind::Ecdsa | KeyKind::Rsa => crypto::inspect_spki(key.public_bytes()),
        KeyKind::Ed25519 | KeyKind::Other(_) => None,
    }
}

/// The kind as people say it; the type as written where the bytes are not what it says.
pub(super) fn kind(key: &PublicKey) -> String {
    match (key.kind(), spki(key)) {
        (_, Some(SpkiKind::Ecdsa(curve))) => match curve {
            Curve::P224 => "ECDSA P-224",
            Curve::P256 => "ECDSA P-256",
            Curve::P384 => "ECDSA P-384",
            Curve::P521 => "ECDSA P-521",
        }
        .to_owned(),
        (_, Some(SpkiKind::Rsa(bits))) => format!("RSA {bits}"),
        (KeyKind::Ed25519, _) => "Ed25519".to_owned(),
        (other, None) => other.to_string(),
    }
}

pub(super) fn strength(key: &PublicKey) -> Strength {
    let own = match (key.kind(), spki(key)) {
        (KeyKind::Ed25519, _) if key.public_bytes().len() == 32 => Strength::Good,
        (_, Some(SpkiKind::Ecdsa(Curve::P224))) => Strength::Refused,
        (_, Some(SpkiKind::Rsa(bits))) if bits < 2048 => Strength::Refused,
        (_, Some(SpkiKind::Rsa(bits))) if bits < 3072 => Strength::Short,
        (_, Some(_)) => Strength::Good,
        (_, None) => Strength::Unknown,
    };
    let by_certificate = match certificate(key).map(|certificate| certificate.validate(None)) {
        Some(Err(CertificateError::Sha1(_))) => Strength::Sha1,
        _ => Strength::Good,
    };
    own.max(by_certificate)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    /// A key that OpenSSL made.
    fn file(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/inventory");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    fn bare(kind: KeyKind, name: &str) -> PublicKey {
        let pem = String::from_utf8(file(name)).unwrap();
        let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        PublicKey::new(kind, BASE64.decode(text.as_bytes()).unwrap())
    }

    #[test]
    fn keys_are_named_and_judged_by_their_bytes() {
        for (key, name, judged) in [
            (
                bare(KeyKind::Rsa, "r1024.pub"),
                "RSA 1024",
                Strength::Refused,
            ),
            (bare(KeyKind::Rsa, "r2048.pub"), "RSA 2048", Strength::Short),
            (bare(KeyKind::Rsa, "r4096.pub"), "RSA 4096", Strength::Good),
            (
                bare(KeyKind::Ecdsa, "p224.pub"),
                "ECDSA P-224",
                Strength::Refused,
            ),
            (
                bare(KeyKind::Ecdsa, "p256.pub"),
                "ECDSA P-256",
                Strength::Good,
            ),
            (
                PublicKey::new(KeyKind::RsaX509, file("sha1.crt")),
                "RSA 2048",
                Strength::Sha1,
            ),
            (
                PublicKey::new(KeyKind::Ed25519, [7; 32]),
                "Ed25519",
                Strength::Good,
            ),
            (
                PublicKey::new(KeyKind::Ed25519, [7; 31]),
                "Ed25519",
                Strength::Unknown,
            ),
            (
                PublicKey::new(KeyKind::Ecdsa, [7; 31]),
                "ecdsa",
                Strength::Unknown,
            ),
            (
                PublicKey::new(KeyKind::from("<b>"), [7; 31]),
                "<b>",
                Strength::Unknown,
            ),
        ] {
            assert_eq!(kind(&key), name);
            assert_eq!(strength(&key), judged, "{name}");
        }
    }
}

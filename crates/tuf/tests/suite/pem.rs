//! Public keys in PEM files.

use data_encoding::{BASE64, HEXLOWER};
use signet_tuf::certificate::{any_public_key_from_pem, public_key_from_pem};
use signet_tuf::key::InvalidPublicKey;
use signet_tuf::{KeyKind, PublicKey};
use time::OffsetDateTime;

/// The key of RFC 8410, section 10.1, and its 32 bytes.
const RFC8410: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
const RAW: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";

fn pem(body: &str) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

fn any(text: &str) -> Result<PublicKey, InvalidPublicKey> {
    any_public_key_from_pem(text.as_bytes(), OffsetDateTime::UNIX_EPOCH)
}

#[test]
fn an_ed25519_key_is_read_where_it_may_sign_and_docker_refuses_it_for_signers() {
    let key = any(&pem(RFC8410)).unwrap();
    assert_eq!(*key.kind(), KeyKind::Ed25519);
    assert_eq!(HEXLOWER.encode(key.public_bytes()), RAW);
    let for_signers = public_key_from_pem(pem(RFC8410).as_bytes(), OffsetDateTime::UNIX_EPOCH);
    assert_eq!(for_signers.unwrap_err(), InvalidPublicKey::UnknownFormat);
}

#[test]
fn one_key_has_one_encoding() {
    let der = BASE64.decode(RFC8410.as_bytes()).unwrap();
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut der = der.clone();
        change(&mut der);
        any(&pem(&BASE64.encode(&der)))
    };
    for (name, change) in [
        // X25519 keys have the same form.
        (
            "another algorithm",
            (|der| der[8] = 0x6e) as fn(&mut Vec<u8>),
        ),
        ("parameters", |der| {
            der[1] += 2;
            der[3] += 2;
            der.splice(9..9, [0x05, 0x00]);
        }),
        ("unused bits", |der| der[11] = 1),
        ("one byte less", |der| {
            der[1] -= 1;
            der[10] -= 1;
            der.pop();
        }),
        ("something behind it", |der| der.push(0)),
    ] {
        assert_eq!(
            changed(change).unwrap_err(),
            InvalidPublicKey::UnknownFormat,
            "{name}"
        );
    }
    // Every other key is read as for signers.
    assert_eq!(any("none").unwrap_err(), InvalidPublicKey::NotPem);
}

//! `archive.json`: the header with the signatures of those who made the archive.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use signet_tuf::{KeyKind, PublicKey, crypto};

use crate::archive::Header;
use crate::bounds::MAX_SIGNATURES;
use crate::{Archivist, strict};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    signatures: Vec<Signature>,
    signed: Header,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    key: PublicKey,
    keyid: String,
    method: String,
    sig: String,
}

/// The only method of a key's kind; `None` for kinds that sign no archive. Certificates are none of them: a name in one proves nothing here.
fn method(key: &PublicKey) -> Option<&'static str> {
    match key.kind() {
        KeyKind::Ecdsa => Some("ecdsa"),
        KeyKind::Ed25519 => Some("eddsa"),
        KeyKind::Rsa => Some("rsapss"),
        KeyKind::EcdsaX509 | KeyKind::RsaX509 | KeyKind::Other(_) => None,
    }
}

/// The text of `archive.json`, its end of line included.
pub(crate) fn write(header: Header, archivist: Option<&dyn Archivist>) -> Result<Vec<u8>, String> {
    let mut signatures = Vec::new();
    if let Some(archivist) = archivist {
        let key = archivist.key();
        let method = method(key)
            .ok_or_else(|| format!("archives are not signed with keys of type {}", key.kind()))?;
        let message = strict::write(&header)?;
        let sig = archivist.sign(&message)?;
        if !crypto::verify(key, method, &sig, &message) {
            return Err("the signature that was made does not verify".to_owned());
        }
        signatures.push(Signature {
            key: key.clone(),
            keyid: key.id().to_string(),
            method: method.to_owned(),
            sig: BASE64.encode(&sig),
        });
    }
    let mut text = strict::write(&Envelope {
        signatures,
        signed: header,
    })?;
    text.push(b'\n');
    Ok(text)
}

/// The header, with the keys that signed it. One signature that does not hold makes all of it worthless.
pub(crate) fn read(text: &[u8]) -> Result<(Header, Vec<PublicKey>), String> {
    let text = text
        .strip_suffix(b"\n")
        .ok_or_else(|| "it does not end its line".to_owned())?;
    let envelope: Envelope = strict::read(text).map_err(|error| newer(text).unwrap_or(error))?;
    let Envelope { signatures, signed } = envelope;
    if signed.kind != Header::KIND {
        return Err("it is no header of an archive".to_owned());
    }
    if signed.format != Header::FORMAT {
        return Err(format!("format {} is not known here", signed.format));
    }
    if signatures.len() > MAX_SIGNATURES {
        return Err(format!("it carries more than {MAX_SIGNATURES} signatures"));
    }
    let message = strict::write(&signed)?;
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for signature in signatures {
        let id = signature.key.id().to_string();
        let sig = BASE64.decode(signature.sig.as_bytes()).ok();
        let holds = signature.keyid == id
            && method(&signature.key) == Some(&signature.method)
            && sig.is_some_and(|sig| {
                crypto::verify(&signature.key, &signature.method, &sig, &message)
            });
        if !holds {
            return Err(format!("the signature of key {id} does not hold"));
        }
        if !seen.insert(signature.key.canonical_id().clone()) {
            return Err(format!("key {id} signed it twice"));
        }
        keys.push(signature.key);
    }
    Ok((signed, keys))
}

/// What to say where the header is that of another format.
fn newer(text: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(text).ok()?;
    let format = value.get("signed")?.get("format")?.as_u64()?;
    (format != u64::from(Header::FORMAT)).then(|| {
        format!("format {format} is not known here; a newer version of this program may know it")
    })
}

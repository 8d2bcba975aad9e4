//! The certificates that the system trusts.

use std::env;
use std::path::{Path, PathBuf};

/// Where distributions keep them.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The file of certificates that programs of this system trust, `SSL_CERT_FILE` first as in Go.
pub(crate) fn system() -> Option<PathBuf> {
    let chosen = env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty());
    chosen.map(PathBuf::from).or_else(|| {
        BUNDLES
            .iter()
            .map(Path::new)
            .find(|file| file.exists())
            .map(Path::to_owned)
    })
}

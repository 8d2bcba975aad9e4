//! Docker's contexts: `contexts/meta/<id>/meta.json` and `contexts/tls/<id>/docker/` in the configuration folder. The ID is the
//! SHA-256 of the context's name, so that no name leads out of the folder.

use std::path::Path;

use data_encoding::HEXLOWER;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{CA, CERTIFICATE, Endpoint, EndpointTls, KEY};
use crate::files::{self, GoIoError};

/// Largest file of a context that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;
/// Where a context without an address leads.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// Why a context cannot be used. The texts are docker's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// There is no such context.
    #[error("context {name:?}: context not found: {source}")]
    NotFound {
        /// Its name.
        name: String,
        /// What the system says.
        source: GoIoError,
    },
    /// Its description cannot be read.
    #[error("context {name:?}: {source}")]
    Unreadable {
        /// Its name.
        name: String,
        /// What the system says.
        source: GoIoError,
    },
    /// Its description is not what docker writes.
    #[error("context {name:?}: parsing {path}: {source}")]
    Malformed {
        /// Its name.
        name: String,
        /// The file.
        path: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It describes something else than a docker daemon.
    #[error("cannot find docker endpoint in context")]
    NoDocker,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    #[serde(default)]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<Docker>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    #[serde(default)]
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

pub(super) fn load(config_dir: &Path, name: &str) -> Result<Endpoint, ContextError> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    let id = HEXLOWER.encode(hash.as_ref());
    let contexts = config_dir.join("contexts");
    let path = contexts.join("meta").join(&id).join("meta.json");
    let meta = read_bounded(&path).map_err(|source| {
        let name = name.to_owned();
        if source.is_not_found() {
            ContextError::NotFound { name, source }
        } else {
            ContextError::Unreadable { name, source }
        }
    })?;
    let meta: Meta = serde_json::from_slice(&meta).map_err(|source| ContextError::Malformed {
        name: name.to_owned(),
        path: path.display().to_string(),
        source,
    })?;
    let docker = meta.endpoints.docker.ok_or(ContextError::NoDocker)?;

    let folder = contexts.join("tls").join(&id).join("docker");
    let read = |file: &str| match read_bounded(&folder.join(file)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(source) => Err(ContextError::Unreadable {
            name: name.to_owned(),
            source,
        }),
    };
    let plain = |mut bytes: Zeroizing<Vec<u8>>| std::mem::take(&mut *bytes);
    let tls = EndpointTls {
        ca: read(CA)?.map(plain),
        certificate: read(CERTIFICATE)?.map(plain),
        key: read(KEY)?,
        skip_verification: docker.skip_tls_verify,
    };
    let has_tls = tls != EndpointTls::default();
    Ok(Endpoint {
        host: if docker.host.is_empty() {
            DEFAULT_HOST.to_owned()
        } else {
            docker.host
        },
        tls: has_tls.then_some(tls),
    })
}

/// Reads a file that may hold a private key.
pub(super) fn read_bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, GoIoError> {
    let read = files::read_bounded(&files::open(path)?, path, MAX_BYTES)?;
    read.ok_or_else(|| {
        let text = format!("larger than {MAX_BYTES} bytes");
        let error = std::io::Error::new(std::io::ErrorKind::FileTooLarge, text);
        GoIoError::new("read", path, error)
    })
}

//! The hostile server of a recorded case.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Case, File, shown};
use crate::http;
use crate::listener::Listener;
use crate::port;

/// Answers as a case has it, over plain HTTP. Of an unreachable server there is only the address.
#[derive(Debug)]
pub struct Server {
    address: Address,
    received: Arc<Mutex<Vec<String>>>,
    _listener: Option<Listener>,
}

/// Where a client is told to look for the server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Address {
    /// `host:port`.
    pub host: String,
    /// The whole of it.
    pub url: String,
}

impl Server {
    /// Starts the server of `case`, which knows the repository `gun`.
    ///
    /// # Errors
    /// When there is no port for it.
    pub fn start(case: &Arc<Case>, gun: &str) -> anyhow::Result<Self> {
        let received = Arc::<Mutex<Vec<String>>>::default();
        let listener = match case.files() {
            None => None,
            Some(_) => {
                let (case, log) = (Arc::clone(case), Arc::clone(&received));
                let prefix = format!("/v2/{gun}/_trust/tuf/");
                Some(Listener::start(move |client| {
                    serve(client, &case, &prefix, &log)
                })?)
            }
        };
        let port = match &listener {
            Some(listener) => listener.port(),
            None => port::free()?.port(),
        };
        let host = format!("127.0.0.1:{port}");
        // Below this path nothing is found, `/v2/` neither.
        let path = if case.v2_status.is_some() {
            "/nowhere"
        } else {
            ""
        };
        Ok(Self {
            address: Address {
                url: format!("http://{host}{path}"),
                host,
            },
            received,
            _listener: listener,
        })
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// What was asked for since the last call, as the recording writes it.
    #[must_use]
    pub fn take_received(&self) -> Vec<String> {
        std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(
    mut client: TcpStream,
    case: &Case,
    prefix: &str,
    log: &Mutex<Vec<String>>,
) -> anyhow::Result<()> {
    let request = http::read_request(&mut client)?;
    let name = request
        .path
        .strip_prefix(prefix)
        .and_then(|file| file.strip_suffix(".json"));
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(name.map_or_else(|| request.path.clone(), shown));
    let message = match name.map(|name| case.answer(name)) {
        None if request.path == "/v2/" => http::message(200, &[], b"{}"),
        None | Some(None) => http::message(404, &[], b""),
        Some(Some(file)) if file.drop_connection => return Ok(()),
        Some(Some(file)) => message(file)?,
    };
    Ok(client.write_all(&message)?)
}

fn message(file: &File) -> anyhow::Result<Vec<u8>> {
    if let Some(status) = file.status {
        return Ok(http::message(status, &[], b""));
    }
    let bytes = file.bytes()?.unwrap_or_default();
    let length = match file.content_length_header {
        _ if file.chunked => "Transfer-Encoding: chunked".to_owned(),
        Some(announced) => format!("Content-Length: {announced}"),
        None => format!("Content-Length: {}", bytes.len()),
    };
    let head = format!("HTTP/1.1 200 Recorded\r\nConnection: close\r\n{length}\r\n\r\n");
    let mut message = head.into_bytes();
    if file.chunked {
        message.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
        message.extend_from_slice(&bytes);
        message.extend_from_slice(b"\r\n0\r\n\r\n");
    } else {
        message.extend_from_slice(&bytes);
    }
    Ok(message)
}

//! A small blocking HTTP/1.1 client for tests: one connection per request, over TCP or TLS, with hard limits.
//!
//! It exists so that the tests look at a server with other eyes than the client library under test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use data_encoding::BASE64;

const TIME_LIMIT: Duration = Duration::from_secs(30);
const MAX_RESPONSE_BYTES: u64 = 64 << 20;
#[cfg(feature = "tls")]
const MAX_REQUEST_BYTES: usize = 128 << 20;

/// An answer of a server.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields as received, in order.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Where requests go, and how.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    host: String,
    authorization: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<std::sync::Arc<rustls::ClientConfig>>,
}

impl Client {
    /// A client that speaks plain HTTP to `address` and calls it `localhost`.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            host: format!("localhost:{}", address.port()),
            authorization: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// A client that speaks TLS to `address`, calls it `localhost` and trusts `ca_pem`.
    ///
    /// # Errors
    /// When `ca_pem` is no certificate.
    #[cfg(feature = "tls")]
    pub fn tls(address: SocketAddr, ca_pem: &str) -> anyhow::Result<Self> {
        let mut client = Self::plain(address);
        client.tls = Some(crate::certificate::client_config(ca_pem)?);
        Ok(client)
    }

    /// Sends these credentials with every request (RFC 7617).
    #[must_use]
    pub fn with_basic(mut self, user: &str, password: &str) -> Self {
        let credentials = BASE64.encode(format!("{user}:{password}").as_bytes());
        self.authorization = Some(format!("Basic {credentials}"));
        self
    }

    /// Sends this token with every request (RFC 6750).
    #[must_use]
    pub fn with_bearer(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    /// GETs a path.
    ///
    /// # Errors
    /// When there is no complete answer. Every status is an answer.
    pub fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.request("GET", path, &[], &[])
    }

    /// Sends one request and reads the answer.
    ///
    /// # Errors
    /// When there is no complete answer. Every status is an answer.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Response> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.host,
            body.len()
        );
        if let Some(authorization) = &self.authorization {
            head.push_str(&format!("Authorization: {authorization}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut message = head.into_bytes();
        message.extend_from_slice(body);

        let raw = self
            .exchange(&message)
            .with_context(|| format!("{method} {path} at {}", self.address))?;
        parse_response(&raw, method).with_context(|| format!("answer to {method} {path}"))
    }

    fn exchange(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, TIME_LIMIT)?;
        stream.set_read_timeout(Some(TIME_LIMIT))?;
        stream.set_write_timeout(Some(TIME_LIMIT))?;
        stream.set_nodelay(true)?;
        #[cfg(feature = "tls")]
        if let Some(config) = &self.tls {
            let name = rustls::pki_types::ServerName::try_from("localhost")?;
            let connection = rustls::ClientConnection::new(std::sync::Arc::clone(config), name)?;
            return send_and_read(&mut rustls::StreamOwned::new(connection, stream), message);
        }
        send_and_read(&mut stream, message)
    }
}

fn send_and_read(stream: &mut (impl Read + Write), message: &[u8]) -> anyhow::Result<Vec<u8>> {
    stream.write_all(message)?;
    stream.flush()?;
    let mut raw = Vec::new();
    let mut stream = stream.take(MAX_RESPONSE_BYTES);
    let mut part = vec![0; 1 << 16];
    loop {
        match stream.read(&mut part) {
            Ok(0) => return Ok(raw),
            Ok(length) => raw.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // A peer that closes without TLS's farewell: whether the answer is complete, its length tells.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(raw),
            Err(error) => return Err(error.into()),
        }
        // Some servers keep the connection although they were asked to close it.
        if is_whole(&raw) {
            return Ok(raw);
        }
    }
}

/// Whether a body of announced length has arrived.
fn is_whole(raw: &[u8]) -> bool {
    let Some((head, rest)) = split_head(raw) else {
        return false;
    };
    let headers = parse_headers(head.lines().skip(1));
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    length.is_some_and(|length| length > 0 && rest.len() >= length)
}

/// Splits raw bytes, read to the end of the connection, into a response.
pub(crate) fn parse_response(raw: &[u8], method: &str) -> anyhow::Result<Response> {
    let (head, rest) = split_head(raw).context("no end of the header")?;
    let mut lines = head.lines();
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("no status in `{status_line}`"))?;
    let headers = parse_headers(lines);
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    if method == "HEAD" || status == 204 || status == 304 {
        return Ok(response);
    }
    response.body = if response
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        decode_chunks(rest)?
    } else if let Some(length) = response.header("content-length") {
        let length: usize = length.trim().parse().context("Content-Length")?;
        rest.get(..length)
            .with_context(|| format!("{} bytes of {length} arrived", rest.len()))?
            .to_vec()
    } else {
        rest.to_vec()
    };
    Ok(response)
}

/// The text before the first empty line, and the bytes after it.
pub(crate) fn split_head(raw: &[u8]) -> Option<(&str, &[u8])> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = raw.split_at(end);
    Some((std::str::from_utf8(head).ok()?, rest.get(4..)?))
}

pub(crate) fn parse_headers<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

pub(crate) fn decode_chunks(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .context("no end of a chunk's length")?;
        let (line, after) = rest.split_at(end);
        let digits = std::str::from_utf8(line)?
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let length = usize::from_str_radix(digits, 16).context("length of a chunk")?;
        if length == 0 {
            return Ok(body);
        }
        let Some((chunk, next)) = after
            .get(2..)
            .and_then(|data| data.split_at_checked(length))
        else {
            bail!("a chunk is cut short");
        };
        body.extend_from_slice(chunk);
        rest = next.get(2..).context("no end of a chunk")?;
    }
}

/// An answer with its length, after which the connection ends.
#[cfg(feature = "tls")]
pub(crate) fn message(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {status} Answer\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// A request that a server of the kit has received.
#[cfg(feature = "tls")]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Reads one request to its end.
#[cfg(feature = "tls")]
pub(crate) fn read_request(client: &mut (impl Read + Write)) -> anyhow::Result<Request> {
    let mut raw = Vec::new();
    let mut buffer = [0; 1 << 14];
    loop {
        if let Some(request) = parse_request(&raw)? {
            return Ok(request);
        }
        anyhow::ensure!(raw.len() < MAX_REQUEST_BYTES, "request too long");
        let count = client.read(&mut buffer)?;
        anyhow::ensure!(count > 0, "the client left in the middle of a request");
        raw.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

/// The request once all of it is there.
#[cfg(feature = "tls")]
fn parse_request(raw: &[u8]) -> anyhow::Result<Option<Request>> {
    let Some((head, rest)) = split_head(raw) else {
        return Ok(None);
    };
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (
        words.next().unwrap_or_default().to_owned(),
        words.next().context("no path")?.to_owned(),
    );
    let headers = parse_headers(lines);
    let field = |name: &str| {
        headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let body = if field("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        if !rest.ends_with(b"0\r\n\r\n") {
            return Ok(None);
        }
        decode_chunks(rest)?
    } else {
        let length: usize = field("content-length").unwrap_or("0").parse()?;
        match rest.get(..length) {
            Some(body) => body.to_vec(),
            None => return Ok(None),
        }
    };
    Ok(Some(Request {
        method,
        path,
        headers,
        body,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_shorter_than_announced_is_an_error() {
        let raw = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc";
        assert!(parse_response(raw, "GET").is_err());
    }

    #[test]
    fn chunks_are_joined() {
        let raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(parse_response(raw, "GET").unwrap().body, b"abcde");
    }
}

//! Looking at a trust server step by step, for people who want to know why it cannot be used. Nothing that is learnt
//! here is believed by anything else.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use url::Url;
use x509_cert::der::Decode as _;

use crate::Challenge;
use crate::http::{self, HttpError, TlsOptions};

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// Most bytes that are read of an answer.
const MAX_BODY_BYTES: usize = 4 << 10;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The server's certificate.
    #[error("{message}")]
    Certificate {
        /// What is wrong with it.
        fault: CertificateFault,
        /// The library's text.
        message: String,
    },
    /// The TLS options are unusable.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Nobody answers, or something else than HTTP over TLS.
    #[error("{0}")]
    Network(String),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TimeOut(Duration),
    /// TLS failed before or after the certificate.
    #[error("{0}")]
    Tls(String),
}

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateFault {
    /// Its validity is over.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// Nobody who is trusted has issued it.
    UnknownIssuer,
    /// It is for another name.
    WrongName,
    /// Something else.
    Other,
}

/// What a server answered to `GET /v2/`.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// What the server wants to see, where the status is 401.
    pub challenges: Vec<Challenge>,
    /// The `Date` header: the server's clock.
    pub date: Option<OffsetDateTime>,
    /// The `Content-Type` header.
    pub content_type: String,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// Until when the server's certificate is valid, where it could be read.
    pub certificate_until: Option<OffsetDateTime>,
}

/// The addresses of a server's name.
///
/// # Errors
/// [`ProbeError::Network`], [`ProbeError::TimeOut`].
pub async fn addresses(server: &Url, limit: Duration) -> Result<Vec<SocketAddr>, ProbeError> {
    let host = server.host_str().unwrap_or_default();
    // An IPv6 address stands in brackets in a URL only.
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let port = server.port_or_known_default().unwrap_or(443);
    let found = within(limit, tokio::net::lookup_host((host, port))).await?;
    let found: Vec<SocketAddr> = found
        .map_err(|error| ProbeError::Network(error.to_string()))?
        .take(MAX_ADDRESSES)
        .collect();
    if found.is_empty() {
        return Err(ProbeError::Network("the name has no address".to_owned()));
    }
    Ok(found)
}

/// Connects to one of the addresses, the first that answers.
///
/// # Errors
/// [`ProbeError::Network`], [`ProbeError::TimeOut`].
pub async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<SocketAddr, ProbeError> {
    let connecting = async {
        let mut last = None;
        for address in addresses {
            match tokio::net::TcpStream::connect(address).await {
                Ok(_) => return Ok(*address),
                Err(error) => last = Some(format!("{address}: {error}")),
            }
        }
        Err(ProbeError::Network(last.unwrap_or_default()))
    };
    within(limit, connecting).await?
}

/// Asks for `/v2/`, as every command does first, without a login.
///
/// # Errors
/// [`ProbeError`].
pub async fn ask(
    server: &Url,
    tls: &TlsOptions,
    user_agent: &str,
    limit: Duration,
) -> Result<Answered, ProbeError> {
    let client = http::builder(server, tls, user_agent)?
        .tls_info(true)
        .build()
        .map_err(HttpError::Client)?;
    let mut url = server.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["v2", ""]);
    }
    within(limit, async {
        let response = client.get(url).send().await.map_err(fault_of)?;
        answered(response).await
    })
    .await?
}

async fn answered(mut response: reqwest::Response) -> Result<Answered, ProbeError> {
    let text = |name| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let status = response.status().as_u16();
    let mut answered = Answered {
        status,
        challenges: if status == 401 {
            Challenge::all(response.headers())
        } else {
            Vec::new()
        },
        date: OffsetDateTime::parse(&text(DATE), &Rfc2822).ok(),
        content_type: text(CONTENT_TYPE),
        body: Vec::new(),
        certificate_until: response
            .extensions()
            .get::<reqwest::tls::TlsInfo>()
            .and_then(|info| info.peer_certificate())
            .and_then(valid_until),
    };
    while answered.body.len() < MAX_BODY_BYTES
        && let Some(chunk) = response.chunk().await.map_err(fault_of)?
    {
        let room = MAX_BODY_BYTES - answered.body.len();
        answered.body.extend(chunk.iter().take(room));
    }
    Ok(answered)
}

fn valid_until(der: &[u8]) -> Option<OffsetDateTime> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let until = certificate.tbs_certificate().validity().not_after;
    let seconds = i64::try_from(until.to_unix_duration().as_secs()).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

async fn within<T>(limit: Duration, step: impl Future<Output = T>) -> Result<T, ProbeError> {
    tokio::time::timeout(limit, step)
        .await
        .map_err(|_| ProbeError::TimeOut(limit))
}

/// What the library's error comes down to.
fn fault_of(error: reqwest::Error) -> ProbeError {
    use rustls::{CertificateError, Error as Tls};
    let error = error.without_url();
    let mut last = error.to_string();
    let mut found: Option<Tls> = None;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = next {
        last = cause.to_string();
        let inner = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        let tls = cause
            .downcast_ref::<Tls>()
            .or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if let Some(tls) = tls {
            found = Some(tls.clone());
        }
        next = cause
            .source()
            .or_else(|| inner.map(|inner| inner as &(dyn std::error::Error + 'static)));
    }
    match found {
        Some(Tls::InvalidCertificate(why)) => ProbeError::Certificate {
            fault: match why {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    CertificateFault::Expired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    CertificateFault::NotYetValid
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => CertificateFault::WrongName,
                CertificateError::UnknownIssuer => CertificateFault::UnknownIssuer,
                _ => CertificateFault::Other,
            },
            message: Tls::InvalidCertificate(why).to_string(),
        },
        Some(tls) => ProbeError::Tls(tls.to_string()),
        None => ProbeError::Network(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of RFC 9110, section 5.6.7.
    #[test]
    fn a_servers_clock_is_read() {
        let read = OffsetDateTime::parse("Sun, 06 Nov 1994 08:49:37 GMT", &Rfc2822).unwrap();
        assert_eq!(read, time::macros::datetime!(1994-11-06 08:49:37 UTC));
    }

    #[tokio::test]
    async fn who_does_not_answer_is_found_out_in_time() {
        // A listener that accepts nothing: the connection stands, and nothing comes.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://127.0.0.1:{}", silent.local_addr().unwrap().port());
        let url: Url = url.parse().unwrap();
        let limit = Duration::from_millis(300);
        let found = addresses(&url, limit).await.unwrap();
        connect(&found, limit).await.unwrap();
        let error = ask(&url, &TlsOptions::default(), "test/1", limit)
            .await
            .unwrap_err();
        assert!(matches!(error, ProbeError::TimeOut(_)), "{error:?}");
        drop(silent);
        let error = connect(&found, limit).await.unwrap_err();
        assert!(matches!(error, ProbeError::Network(_)), "{error:?}");
    }
}

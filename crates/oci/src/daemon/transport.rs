//! From an address to an HTTP client: sockets, pipes, TCP with and without TLS, and programs that lead to the daemon.

use reqwest::{Certificate, Client, ClientBuilder, Identity, Url};
use url::Host;
use zeroize::Zeroizing;

use super::bridge::{self, Bridge};
use super::error::DaemonError;
use super::{DaemonOptions, Limits};
use crate::docker_context::{Endpoint, EndpointTls};

/// A client for one daemon.
pub(super) struct Transport {
    pub(super) client: Client,
    /// Where the paths of the API begin; ends in a slash.
    pub(super) base: Url,
    /// The address in messages.
    pub(super) host: String,
    /// The program that the connections lead through.
    pub(super) bridge: Option<Bridge>,
}

impl Transport {
    pub(super) fn new(endpoint: &Endpoint, options: &DaemonOptions) -> Result<Self, DaemonError> {
        // For the one process: the HTTP library asks for it even where no TLS is spoken. A second time changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let host = endpoint.host.as_str();
        if let Some(command) = &options.dial {
            let bridge = Bridge::start(command.clone())?;
            return Self::over_bridge(bridge, options);
        }
        match host.split_once("://") {
            Some(("ssh", _)) => {
                let command =
                    bridge::ssh_command(host).map_err(|reason| endpoint_error(&reason))?;
                Self::over_bridge(Bridge::start(command)?, options)
            }
            Some(("unix", path)) if !path.is_empty() => {
                let builder = unix_socket(builder(options), path)?;
                Self::local(builder, endpoint, options)
            }
            Some(("npipe", path)) if !path.is_empty() => {
                let builder = named_pipe(builder(options), path)?;
                Self::local(builder, endpoint, options)
            }
            // compat: whatever else a context says is taken for TCP.
            Some((scheme, address)) if !address.is_empty() && scheme != "fd" => {
                Self::tcp(address, endpoint, options)
            }
            _ => Err(endpoint_error(&format!(
                "unable to parse docker host `{host}`"
            ))),
        }
    }

    fn local(
        builder: ClientBuilder,
        endpoint: &Endpoint,
        options: &DaemonOptions,
    ) -> Result<Self, DaemonError> {
        // compat: TLS is not spoken over sockets, whatever the flags say.
        Self::finish(
            builder,
            &format!("http://{LOCAL_NAME}/"),
            &endpoint.host,
            None,
            &options.limits,
        )
    }

    fn over_bridge(bridge: Bridge, options: &DaemonOptions) -> Result<Self, DaemonError> {
        let builder = unix_socket(builder(options), &bridge.socket())?;
        let base = format!("http://{BRIDGED_NAME}/");
        Self::finish(
            builder,
            &base,
            &format!("http://{BRIDGED_NAME}"),
            Some(bridge),
            &options.limits,
        )
    }

    fn tcp(
        address: &str,
        endpoint: &Endpoint,
        options: &DaemonOptions,
    ) -> Result<Self, DaemonError> {
        let scheme = scheme(endpoint);
        let base = format!("{scheme}://{}/", address.trim_end_matches('/'));
        let mut builder = with_tls(builder(options), endpoint.tls.as_ref())?;
        if Url::parse(&base).is_ok_and(|url| is_loopback(&url)) {
            builder = builder.no_proxy();
        }
        Self::finish(builder, &base, &endpoint.host, None, &options.limits)
    }

    fn finish(
        builder: ClientBuilder,
        base: &str,
        host: &str,
        bridge: Option<Bridge>,
        limits: &Limits,
    ) -> Result<Self, DaemonError> {
        let base = Url::parse(base).map_err(|error| DaemonError::Connection {
            reason: format!("{host}: {error}"),
        })?;
        let client = builder
            .connect_timeout(limits.connect_time)
            .read_timeout(limits.idle_time)
            .build()
            .map_err(|error| endpoint_error(&error.to_string()))?;
        Ok(Self {
            client,
            base,
            host: host.to_owned(),
            bridge,
        })
    }
}

/// compat: the name that docker gives to servers without one.
const LOCAL_NAME: &str = "api.moby.localhost";
/// The same for connections through a program.
const BRIDGED_NAME: &str = "docker.example.com";

fn builder(options: &DaemonOptions) -> ClientBuilder {
    Client::builder()
        .user_agent(&options.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .http1_only()
}

fn scheme(endpoint: &Endpoint) -> &'static str {
    if endpoint.tls.is_some() {
        "https"
    } else {
        "http"
    }
}

fn with_tls(
    mut builder: ClientBuilder,
    tls: Option<&EndpointTls>,
) -> Result<ClientBuilder, DaemonError> {
    let Some(tls) = tls else {
        return Ok(builder);
    };
    if let Some(ca) = &tls.ca {
        let roots = Certificate::from_pem_bundle(ca)
            .ok()
            .filter(|roots| !roots.is_empty())
            .ok_or_else(|| {
                endpoint_error("failed to retrieve context tls info: ca.pem seems invalid")
            })?;
        builder = builder.tls_certs_only(roots);
    }
    if let Some(key) = &tls.key {
        let text = std::str::from_utf8(key).unwrap_or_default();
        if !text.contains("-----BEGIN ") {
            return Err(endpoint_error("no valid private key found"));
        }
        if text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(endpoint_error(
                "private key is encrypted - support for encrypted private keys has been removed, see https://docs.docker.com/go/deprecated/",
            ));
        }
        let mut both = Zeroizing::new(tls.certificate.clone().unwrap_or_default());
        both.push(b'\n');
        both.extend_from_slice(key);
        let identity = Identity::from_pem(&both).map_err(|error| {
            endpoint_error(&format!("failed to retrieve context tls info: {error}"))
        })?;
        builder = builder.identity(identity);
    }
    Ok(builder.tls_danger_accept_invalid_certs(tls.skip_verification))
}

#[cfg(unix)]
fn unix_socket(builder: ClientBuilder, path: &str) -> Result<ClientBuilder, DaemonError> {
    // What the system's address has room for, with its end.
    const MAX_PATH_BYTES: usize = 108;
    if path.len() >= MAX_PATH_BYTES {
        return Err(endpoint_error(&format!(
            "unix socket path {path:?} is too long"
        )));
    }
    Ok(builder.unix_socket(path).no_proxy())
}

#[cfg(not(unix))]
fn unix_socket(_: ClientBuilder, _: &str) -> Result<ClientBuilder, DaemonError> {
    Err(endpoint_error("protocol not available"))
}

#[cfg(windows)]
fn named_pipe(builder: ClientBuilder, path: &str) -> Result<ClientBuilder, DaemonError> {
    Ok(builder
        .windows_named_pipe(path.replace('/', "\\"))
        .no_proxy())
}

#[cfg(not(windows))]
fn named_pipe(_: ClientBuilder, _: &str) -> Result<ClientBuilder, DaemonError> {
    Err(endpoint_error("protocol not available"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn endpoint_error(reason: &str) -> DaemonError {
    DaemonError::Endpoint {
        reason: reason.to_owned(),
    }
}

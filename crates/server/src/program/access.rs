//! What log lines say about the request that they belong to, and the line that ends each (specification, `server.md`
//! section 10).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, HeaderName, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use serde_json::Value;
use signet_server::http::{Caller, Origin};
use signet_service::process::GO_VERSION;
use signet_service::serve::PeerCertificate;
use signet_service::telemetry::LogFields;

/// A request, as far as log lines name it. Cheap to make: nothing is copied, and nothing written until a line is.
#[derive(Debug)]
pub(crate) struct Described {
    method: Method,
    uri: Uri,
    headers: [Option<HeaderValue>; HEADER_COUNT],
    peer: SocketAddr,
    caller: Caller,
}

impl Described {
    pub(crate) fn of<B>(request: &Request<B>, peer: SocketAddr) -> Arc<Self> {
        let headers = request.headers();
        Arc::new(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: HEADERS.map(|name| headers.get(name).cloned()),
            peer,
            caller: Caller::at(Origin {
                peer: Some(peer),
                forwarded: headers.get(FORWARDED_FOR).cloned(),
                request_id: headers.get(REQUEST_ID).cloned(),
                certificate: request
                    .extensions()
                    .get::<PeerCertificate>()
                    .map(PeerCertificate::subject),
            }),
        })
    }

    /// Where the service says who asks.
    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        let place = HEADERS.iter().position(|one| one == name)?;
        self.headers.get(place)?.as_ref()?.to_str().ok()
    }

    /// Who asks: what a proxy says, if that is an address, else the other end of the connection. For logs only: anybody can
    /// write such a header.
    fn remote_address(&self) -> String {
        let forwarded = self
            .header(&FORWARDED_FOR)
            .and_then(|list| list.split(',').next());
        let told = [forwarded, self.header(&REAL_IP)];
        let told = told
            .into_iter()
            .flatten()
            .map(str::trim)
            .find(|text| text.parse::<IpAddr>().is_ok());
        told.map_or_else(|| self.peer.to_string(), str::to_owned)
    }

    /// What a proxy says and is no address.
    fn junk_address(&self) -> Option<&str> {
        let forwarded = self
            .header(&FORWARDED_FOR)
            .and_then(|list| list.split(',').next());
        let told = [forwarded, self.header(&REAL_IP)];
        told.into_iter()
            .flatten()
            .map(str::trim)
            .find(|text| text.parse::<IpAddr>().is_err())
    }
}

impl LogFields for Described {
    fn fields(&self, add: &mut dyn FnMut(&'static str, Value)) {
        if let Some(name) = self.caller.name() {
            add("auth.user.name", Value::from(name));
        }
        add("go.version", Value::from(GO_VERSION));
        add("http.request.id", Value::from(self.caller.request_id()));
        add("http.request.method", Value::from(self.method.as_str()));
        let authority = self.uri.authority().map(|authority| authority.as_str());
        if let Some(host) = self.header(&HOST).or(authority) {
            add("http.request.host", Value::from(host));
        }
        let target = self
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        add("http.request.uri", Value::from(target));
        add(
            "http.request.remoteaddr",
            Value::from(self.remote_address()),
        );
        for (name, header) in [
            ("http.request.useragent", USER_AGENT),
            ("http.request.referer", REFERER),
            ("http.request.contenttype", CONTENT_TYPE),
        ] {
            if let Some(value) = self.header(&header) {
                add(name, Value::from(value));
            }
        }
    }
}

/// The line that ends a request. It is written where the fields of the request are added.
pub(crate) fn completed<B>(
    request: &Described,
    response: &Response<B>,
    bytes: u64,
    duration: Duration,
) {
    // By default neither line is shown, and then nothing is put together for them.
    if !tracing::enabled!(tracing::Level::WARN) {
        return;
    }
    if let Some(junk) = request.junk_address() {
        tracing::warn!("invalid remote IP address: {junk:?}");
    }
    let content_type = content_type(response.headers());
    tracing::info!(
        http.response.contenttype = content_type,
        http.response.duration = go_duration(duration),
        http.response.status = response.status().as_u16(),
        http.response.written = bytes,
        "response completed"
    );
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

/// A duration as Go writes it: `508.252µs`, `1.575423ms`, `2.5s`, `1m0.5s`.
fn go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let scaled = |nanos: u128, unit: u128, digits: usize| {
        let text = format!("{}.{:0digits$}", nanos / unit, nanos % unit);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let seconds = |nanos| scaled(nanos, NANOS_PER_SECOND, 9);
    let minutes = nanos / NANOS_PER_MINUTE;
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", scaled(nanos, 1_000, 3)),
        1_000_000..NANOS_PER_SECOND => format!("{}ms", scaled(nanos, 1_000_000, 6)),
        NANOS_PER_SECOND..NANOS_PER_MINUTE => format!("{}s", seconds(nanos)),
        _ if minutes < 60 => format!("{minutes}m{}s", seconds(nanos % NANOS_PER_MINUTE)),
        _ => format!(
            "{}h{}m{}s",
            minutes / 60,
            minutes % 60,
            seconds(nanos % NANOS_PER_MINUTE)
        ),
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;
const NANOS_PER_MINUTE: u128 = 60 * NANOS_PER_SECOND;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const HEADER_COUNT: usize = 6;
const HEADERS: [HeaderName; HEADER_COUNT] = [
    HOST,
    USER_AGENT,
    REFERER,
    CONTENT_TYPE,
    FORWARDED_FOR,
    REAL_IP,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn fields(request: http::request::Builder) -> BTreeMap<&'static str, Value> {
        let mut fields = BTreeMap::new();
        let described = Described::of(
            &request.body(()).unwrap(),
            "127.0.0.1:45102".parse().unwrap(),
        );
        described.fields(&mut |name, value| {
            fields.insert(name, value);
        });
        fields
    }

    #[test]
    fn lines_name_the_request_as_in_go() {
        let request = Request::get("/v2/a/_trust/tuf/root.json?x=1")
            .header("host", "127.0.0.1:5556")
            .header("user-agent", "curl/7.88.1");
        let fields = fields(request);
        assert_eq!(fields["http.request.host"], "127.0.0.1:5556");
        assert_eq!(fields["http.request.method"], "GET");
        assert_eq!(fields["http.request.remoteaddr"], "127.0.0.1:45102");
        assert_eq!(fields["http.request.uri"], "/v2/a/_trust/tuf/root.json?x=1");
        assert_eq!(fields["http.request.useragent"], "curl/7.88.1");
        assert!(!fields.contains_key("http.request.referer"));
    }

    #[test]
    fn proxies_are_believed_in_logs_when_they_name_an_address() {
        let told = |name, value| {
            fields(Request::get("/").header(name, value))["http.request.remoteaddr"].clone()
        };
        assert_eq!(told("x-forwarded-for", "10.1.2.3, 10.0.0.1"), "10.1.2.3");
        assert_eq!(told("x-real-ip", "::1"), "::1");
        assert_eq!(told("x-forwarded-for", "junk"), "127.0.0.1:45102");
    }

    // Printed by Go's time package.
    #[test]
    fn durations_are_written_as_in_go() {
        for (nanos, text) in [
            (0, "0s"),
            (42, "42ns"),
            (508_252, "508.252µs"),
            (1_000, "1µs"),
            (1_575_423, "1.575423ms"),
            (2_500_000_000, "2.5s"),
            (60_000_000_000, "1m0s"),
            (60_500_000_000, "1m0.5s"),
            (60_000_500_000, "1m0.0005s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), text);
        }
    }
}

//! The series that the Go server exposes at `/metrics` (specification, `server.md` section 7.9).

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method, Request, StatusCode, Version, header};
use hyper::body::Body;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{MetricFamily, MetricType};
use prometheus::{Encoder as _, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};
use signet_server::http::Operation;
use signet_service::metrics::{Summaries, label};

/// Counts and measures the requests of this process.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    /// The counters that nearly every request goes to, so that it finds its own without looking at labels.
    usual: [IntCounter; Operation::ALL.len()],
    measures: Measures,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// One request and its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) operation: Operation,
    pub(crate) started: Instant,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
}

impl Metrics {
    /// Everything at zero; all series are there from the start.
    ///
    /// # Errors
    /// [`prometheus::Error`] when the names contradict each other, which a test excludes.
    pub(crate) fn new(now: Instant) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let options = Opts::new(
            "notary_server_http_requests_total",
            "Total number of HTTP requests made.",
        );
        let requests = IntCounterVec::new(options, &["code", "method", "operation"])?;
        let usual = Operation::ALL.map(|operation| {
            counter(
                &requests,
                operation,
                usual_method(operation),
                StatusCode::OK,
            )
        });
        let measures = Measures(Arc::new(Operation::ALL.map(|_| Summaries::new(now))));
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(measures.clone()))?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self {
            registry,
            requests,
            usual,
            measures,
        })
    }

    /// Adds series of what is served.
    ///
    /// # Errors
    /// [`prometheus::Error`] when the names contradict those that are there.
    pub(crate) fn add(&self, series: Box<dyn Collector>) -> prometheus::Result<()> {
        self.registry.register(series)
    }

    /// Records a request that was answered at `now`.
    pub(crate) fn record(
        &self,
        measured: &Measured,
        method: &Method,
        status: StatusCode,
        now: Instant,
    ) {
        let Measured {
            operation,
            started,
            request_bytes,
            response_bytes,
        } = *measured;
        let index = index(operation);
        match self.usual.get(index) {
            Some(usual) if status == StatusCode::OK && method == usual_method(operation) => {
                usual.inc();
            }
            _ => counter(&self.requests, operation, method, status).inc(),
        }
        if let Some(summaries) = self.measures.0.get(index) {
            let micros = now.saturating_duration_since(started).as_secs_f64() * 1e6;
            summaries.record(
                now,
                [micros, as_float(request_bytes), as_float(response_bytes)],
            );
        }
    }

    /// All series in Prometheus' text format.
    ///
    /// # Errors
    /// [`prometheus::Error`] when one cannot be written.
    pub(crate) fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The size of a request as Go's Prometheus library estimates it: its line, its header fields, its host and its body.
pub(crate) fn request_size<B: Body>(request: &Request<B>) -> u64 {
    let uri = request.uri();
    let target = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    let protocol = if request.version() == Version::HTTP_2 {
        "HTTP/2.0"
    } else {
        "HTTP/1.1"
    };
    let head =
        target + request.method().as_str().len() + protocol.len() + header_size(request.headers());
    head as u64 + request.body().size_hint().exact().unwrap_or(0)
}

fn header_size(headers: &HeaderMap) -> usize {
    // Go keeps the host apart from the header fields and counts it without its name.
    let name_size = |name: &header::HeaderName| {
        if name == header::HOST {
            0
        } else {
            name.as_str().len()
        }
    };
    headers
        .iter()
        .map(|(name, value)| name_size(name) + value.len())
        .sum()
}

fn counter(
    counters: &IntCounterVec,
    operation: Operation,
    method: &Method,
    status: StatusCode,
) -> IntCounter {
    let method = match *method {
        Method::GET => "get",
        Method::POST => "post",
        Method::DELETE => "delete",
        Method::HEAD => "head",
        // Nothing else is an operation.
        _ => "other",
    };
    counters.with_label_values(&[status.as_str(), method, operation.as_str()])
}

const fn usual_method(operation: Operation) -> &'static Method {
    match operation {
        Operation::Import | Operation::RotateKey | Operation::UpdateTuf => &Method::POST,
        Operation::DeleteTuf => &Method::DELETE,
        Operation::Changefeed
        | Operation::GetKey
        | Operation::GetRole
        | Operation::GetRoleByHash
        | Operation::GetRoleByVersion => &Method::GET,
    }
}

fn index(operation: Operation) -> usize {
    Operation::ALL
        .iter()
        .position(|one| *one == operation)
        .unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^53")]
const fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

/// Duration, request size and response size of each operation.
#[derive(Clone)]
struct Measures(Arc<[Summaries<3>; Operation::ALL.len()]>);

const FAMILIES: [(&str, &str); 3] = [
    (
        "notary_server_http_request_duration_microseconds",
        "The HTTP request latencies in microseconds.",
    ),
    (
        "notary_server_http_request_size_bytes",
        "The HTTP request sizes in bytes.",
    ),
    (
        "notary_server_http_response_size_bytes",
        "The HTTP response sizes in bytes.",
    ),
];

impl Collector for Measures {
    fn desc(&self) -> Vec<&Desc> {
        // Unchecked, as the library calls it: the names are constants.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = Instant::now();
        let shown = self.0.each_ref().map(|summaries| summaries.snapshot(now));
        let family = |(place, (name, help)): (usize, &(&str, &str))| {
            let metrics = Operation::ALL
                .iter()
                .zip(&shown)
                .filter_map(|(operation, snapshots)| {
                    Some(
                        snapshots
                            .get(place)?
                            .metric(vec![label("operation", operation.as_str())]),
                    )
                });
            let mut family = MetricFamily::default();
            family.set_name((*name).to_owned());
            family.set_help((*help).to_owned());
            family.set_field_type(MetricType::SUMMARY);
            family.set_metric(metrics.collect());
            family
        };
        FAMILIES.iter().enumerate().map(family).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::Empty;

    use super::*;

    #[test]
    fn all_series_are_there_from_the_start_for_all_operations() {
        let text =
            String::from_utf8(Metrics::new(Instant::now()).unwrap().text().unwrap()).unwrap();
        for operation in Operation::ALL.map(Operation::as_str) {
            for (family, _) in FAMILIES {
                // As notary-server 0.7.0 prints them when idle.
                assert!(
                    text.contains(&format!(
                        "\n{family}{{operation=\"{operation}\",quantile=\"0.5\"}} NaN\n"
                    )),
                    "{text}"
                );
                assert!(
                    text.contains(&format!("\n{family}_sum{{operation=\"{operation}\"}} 0\n")),
                    "{text}"
                );
                assert!(
                    text.contains(&format!(
                        "\n{family}_count{{operation=\"{operation}\"}} 0\n"
                    )),
                    "{text}"
                );
            }
            assert!(
                text.contains(&format!(",operation=\"{operation}\"}} 0\n")),
                "{text}"
            );
        }
        for family in [
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_resident_memory_bytes",
        ] {
            assert!(text.contains(family), "{family}");
        }
    }

    #[test]
    fn a_request_is_counted_and_measured() {
        let now = Instant::now();
        let metrics = Metrics::new(now).unwrap();
        let measured = Measured {
            operation: Operation::GetRole,
            started: now,
            request_bytes: 81,
            response_bytes: 116,
        };
        let later = now + Duration::from_micros(1500);
        metrics.record(&measured, &Method::GET, StatusCode::NOT_FOUND, later);
        metrics.record(&measured, &Method::GET, StatusCode::OK, later);
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for line in [
            "notary_server_http_requests_total{code=\"404\",method=\"get\",operation=\"GetRole\"} 1",
            "notary_server_http_requests_total{code=\"200\",method=\"get\",operation=\"GetRole\"} 1",
            "notary_server_http_request_duration_microseconds_sum{operation=\"GetRole\"} 3000",
            "notary_server_http_request_size_bytes_sum{operation=\"GetRole\"} 162",
            "notary_server_http_response_size_bytes_count{operation=\"GetRole\"} 2",
        ] {
            assert!(
                text.contains(&format!("{line}\n")),
                "{line} is not in\n{text}"
            );
        }
    }

    // notary-server 0.7.0 counted 81 bytes for this request of curl 7.88.1.
    #[test]
    fn request_sizes_are_estimated_as_in_go() {
        let request = Request::get("/v2/a/_trust/tuf/root.json")
            .header("host", "127.0.0.1:5556")
            .header("user-agent", "curl/7.88.1")
            .header("accept", "*/*")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        assert_eq!(request_size(&request), 81);
    }
}

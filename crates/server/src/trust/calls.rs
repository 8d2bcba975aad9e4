//! How calls to a key service end, and how long they take.

use std::fmt;
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec};
use tonic::Code;

/// The calls to a key service, by method and outcome, as series for Prometheus. Clones count the same calls.
#[derive(Clone)]
pub struct Calls(HistogramVec);

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// What is called.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Check,
    CreateKey,
    DeleteKey,
    GetKeyInfo,
    Sign,
}

impl Method {
    const ALL: [Self; 5] = [
        Self::Check,
        Self::CreateKey,
        Self::DeleteKey,
        Self::GetKeyInfo,
        Self::Sign,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Check => "Check",
            Self::CreateKey => "CreateKey",
            Self::DeleteKey => "DeleteKey",
            Self::GetKeyInfo => "GetKeyInfo",
            Self::Sign => "Sign",
        }
    }
}

impl Calls {
    /// No calls yet; the series of those that succeed are there from the start.
    ///
    /// # Errors
    /// [`prometheus::Error`] when the name of the series is none, which a test excludes.
    pub fn new() -> prometheus::Result<Self> {
        let options = HistogramOpts::new(
            "notary_server_signer_call_duration_seconds",
            "Calls to the key service with their repetitions, by method and outcome.",
        );
        let calls = HistogramVec::new(options.buckets(BUCKETS.to_vec()), &["method", "outcome"])?;
        for method in Method::ALL {
            let _ = calls.with_label_values(&[method.name(), outcome(Code::Ok)]);
        }
        Ok(Self(calls))
    }

    pub(super) fn record(&self, method: Method, code: Code, duration: Duration) {
        let labels = [method.name(), outcome(code)];
        let call = self.0.with_label_values(&labels);
        call.observe(duration.as_secs_f64());
    }
}

impl Collector for Calls {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0.collect()
    }
}

/// The codes of gRPC as Go's library prints them.
const fn outcome(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// From a signature on the same machine to the time after which nobody waits.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0,
];

//! How calls to a key service end, and how long they take.

use std::fmt;
use std::time::Instant;

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

    /// A call that begins now.
    pub(super) fn begin(&self, method: Method) -> Call<'_> {
        Call {
            calls: self,
            method,
            started: Instant::now(),
            code: Code::Cancelled,
        }
    }
}

/// A call that goes on. It is recorded when it is dropped, also by those who do not wait for its end.
#[derive(Debug)]
pub(super) struct Call<'a> {
    calls: &'a Calls,
    method: Method,
    started: Instant,
    code: Code,
}

impl Call<'_> {
    /// It has ended with this code.
    pub(super) fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let labels = [self.method.name(), outcome(self.code)];
        let series = self.calls.0.with_label_values(&labels);
        series.observe(self.started.elapsed().as_secs_f64());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_nobody_waits_for_are_counted_too() {
        let calls = Calls::new().unwrap();
        calls.begin(Method::Sign).end(Code::Ok);
        calls.begin(Method::Sign).end(Code::NotFound);
        drop(calls.begin(Method::Sign));
        for outcome in ["OK", "NotFound", "Canceled"] {
            let series = calls.0.with_label_values(&["Sign", outcome]);
            assert_eq!(series.get_sample_count(), 1, "{outcome}");
        }
    }
}

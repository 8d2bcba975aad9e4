//! The series at `/metrics` that are this server's own.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use signet_server::Authenticator;
use signet_server::Settings;
use signet_service::metrics::label;
use signet_service::tls::Tls;

use super::survey::LastSurvey;

/// What is shown.
pub(super) struct Figures {
    settings: Settings,
    tls: Option<Arc<Tls>>,
    survey: LastSurvey,
    described: Desc,
}

impl Figures {
    /// The series of a service.
    ///
    /// # Errors
    /// [`prometheus::Error`] when the name of a series is none, which a test excludes.
    pub(super) fn new(
        settings: Settings,
        tls: Option<Arc<Tls>>,
        survey: LastSurvey,
    ) -> prometheus::Result<Self> {
        let described = Desc::new(
            BUILD.to_owned(),
            BUILD.to_owned(),
            Vec::new(),
            HashMap::new(),
        )?;
        Ok(Self {
            settings,
            tls,
            survey,
            described,
        })
    }
}

const BUILD: &str = "notary_server_build_info";

impl Collector for Figures {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.described]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counters = &self.settings.counters;
        let version = label("version", env!("CARGO_PKG_VERSION"));
        let mut families = vec![gauges(
            BUILD,
            "Which program this is.",
            [(
                vec![
                    version,
                    label("commit", signet_service::process::GIT_COMMIT),
                ],
                1,
            )],
        )];
        if self.settings.auth.is_some() {
            families.push(counted(
                "notary_server_refused_logins_total",
                "Logins that were not taken, or did not allow what they were used for.",
                [
                    ("wrong", counters.logins_wrong.get()),
                    ("insufficient", counters.logins_insufficient.get()),
                    ("throttled", counters.logins_throttled.get()),
                ]
                .map(|(reason, number)| (vec![label("reason", reason)], number)),
            ));
        }
        if let Some(Authenticator::Htpasswd(auth)) = self.settings.auth.as_deref() {
            let figures = auth.cache();
            families.push(counted(
                "notary_server_password_checks_total",
                "Logins with a password, by whether it had to be checked.",
                [("remembered", figures.hits), ("checked", figures.misses)]
                    .map(|(how, number)| (vec![label("how", how)], number)),
            ));
        }
        for (name, help, number) in [
            (
                "notary_server_audit_failures_total",
                "Lines of the audit log that could not be written.",
                counters.audit_failures.get(),
            ),
            (
                "notary_server_update_conflicts_total",
                "Updates that were refused because another one came first.",
                counters.conflicts.get(),
            ),
            (
                "notary_server_renewals_total",
                "Timestamps that were signed again before or after their end.",
                counters.renewals.get(),
            ),
            (
                "notary_server_renewal_failures_total",
                "Timestamps that could not be signed again.",
                counters.renewal_failures.get(),
            ),
        ] {
            families.push(counted(name, help, [(Vec::new(), number)]));
        }
        if let Some(end) = self.tls.as_ref().and_then(|tls| tls.not_after()) {
            families.push(gauges(
                "notary_server_tls_certificate_expiry_timestamp_seconds",
                "When the certificate of this server ends.",
                [(Vec::new(), end)],
            ));
        }
        if let Some(survey) = self.survey.get() {
            let states = [
                ("all", survey.repositories),
                ("expired", survey.expired),
                ("overdue", survey.overdue),
                ("root_ending", survey.roots_ending),
                ("unreadable", survey.unreadable),
            ];
            families.push(gauges(
                "notary_server_repositories",
                "Repositories when all were last looked at, by state.",
                states.map(|(state, number)| (vec![label("state", state)], number)),
            ));
        }
        families
    }
}

/// Numbers as the text format has them.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and seconds stay far below 2^53"
)]
const fn float(number: u64) -> f64 {
    number as f64
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

pub(super) fn counted(
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<LabelPair>, u64)>,
) -> MetricFamily {
    let metric = |(labels, number)| {
        let mut counter = Counter::default();
        counter.set_value(float(number));
        let mut metric = Metric::from_label(labels);
        metric.set_counter(counter);
        metric
    };
    let metrics = values.into_iter().map(metric).collect();
    family(name, help, MetricType::COUNTER, metrics)
}

pub(super) fn gauges(
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<LabelPair>, u64)>,
) -> MetricFamily {
    let metric = |(labels, number)| {
        let mut gauge = Gauge::default();
        gauge.set_value(float(number));
        let mut metric = Metric::from_label(labels);
        metric.set_gauge(gauge);
        metric
    };
    let metrics = values.into_iter().map(metric).collect();
    family(name, help, MetricType::GAUGE, metrics)
}

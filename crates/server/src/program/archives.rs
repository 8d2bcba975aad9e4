//! Serving archives: opening them, opening them again, and saying what they amount to.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, Metric, MetricFamily, MetricType};
use serde_json::{Value, json};
use signet_server::archives::{OpenError, Survey, Volume};
use signet_server::{Archives, Clock, Settings};
use signet_service::config::Configuration;
use signet_service::process::chain;
use time::{Duration, OffsetDateTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinSet, spawn_blocking};

use super::failure::Failure;
use super::flags::Flags;

/// Refuses what makes no sense with archives, and says what of the configuration is of no use.
pub(super) fn check(flags: &Flags, configuration: &Configuration) -> Result<(), Failure> {
    if flags.switches.bootstrap {
        return Err(Failure::NothingToBootstrapInArchives);
    }
    let configured = |key: &str| !configuration.text(key).is_empty();
    if flags.config.is_some() && (configured("storage.backend") || configured("trust_service.type"))
    {
        tracing::info!(
            "archives are served: the sections storage and trust_service of the configuration are not used"
        );
    }
    Ok(())
}

/// Opens the archives and logs what they say of themselves.
pub(super) async fn open(
    files: Vec<PathBuf>,
    settings: Settings,
    clock: Clock,
) -> Result<Arc<Archives>, Failure> {
    let archives = spawn_blocking(move || Archives::open(files, settings, clock)).await;
    let archives = archives.map_err(|_| Failure::Interrupted)??;
    introduce(&archives);
    Ok(archives)
}

/// Reads everything once in the background; SIGHUP opens the files again. `tell` gets the summary for a person to read.
pub(super) fn watch(
    archives: &Arc<Archives>,
    tell: Option<fn(&str)>,
    clock: Clock,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::Signals)?;
    let archives = Arc::clone(archives);
    tasks.spawn(async move {
        loop {
            let work = Arc::clone(&archives);
            let surveying = spawn_blocking(move || work.survey());
            let now = clock();
            tokio::select! {
                found = surveying => {
                    match found {
                        Ok(Some(survey)) => conclude(&archives, &survey, now, tell),
                        // Opened again meanwhile.
                        Ok(None) => {}
                        Err(error) => tracing::error!("the archives could not be read to their end: {error}"),
                    }
                    hang_up.recv().await;
                }
                _ = hang_up.recv() => {}
            }
            reopen(&archives).await;
        }
    });
    Ok(())
}

/// Logs what the archives amount to.
fn conclude(archives: &Archives, survey: &Survey, now: OffsetDateTime, tell: Option<fn(&str)>) {
    let text = summary(archives.repositories(), survey, now);
    let refused = survey.contradictions + survey.damaged + survey.unnamed;
    if refused > 0 || survey.expired(now) > 0 {
        tracing::warn!("{text}");
    } else {
        tracing::info!("{text}");
    }
    if let Some(tell) = tell {
        tell(&format!("{text}\n"));
    }
}

/// Opens the files again, until it is known whether they can be used.
async fn reopen(archives: &Arc<Archives>) {
    let work = Arc::clone(archives);
    let done: Result<Result<(), OpenError>, _> = spawn_blocking(move || work.reopen()).await;
    match done {
        Ok(Ok(())) => {
            tracing::info!("opened the archives again");
            introduce(archives);
        }
        Ok(Err(error)) => {
            tracing::error!("what was served before is served on: {}", chain(&error));
        }
        Err(error) => tracing::error!("what was served before is served on: {error}"),
    }
}

fn introduce(archives: &Archives) {
    for volume in &*archives.volumes() {
        let Volume {
            file,
            repositories,
            oldest,
            newest,
            signers,
        } = volume;
        let captured = match (oldest, newest) {
            (Some(oldest), Some(newest)) if oldest == newest => format!(", captured on {oldest}"),
            (Some(oldest), Some(newest)) => format!(", captured from {oldest} to {newest}"),
            _ => String::new(),
        };
        let signed = match signers.as_slice() {
            [] => "not signed by an archivist".to_owned(),
            keys => format!("signed by {}", keys.join(", ")),
        };
        tracing::info!(
            "serving the archive {}: {repositories} repositories{captured}; {signed}",
            file.display()
        );
    }
}

/// What the archives amount to, in a line.
fn summary(repositories: usize, survey: &Survey, now: OffsetDateTime) -> String {
    let states = survey.states.iter();
    let mut parts: Vec<String> = states
        .map(|(state, number)| format!("{number} {state}"))
        .collect();
    for (number, what) in [
        (survey.contradictions, "contradictory and refused"),
        (survey.damaged, "damaged"),
        (survey.unnamed, "with an impossible name"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let mut text = format!("{repositories} repositories in archives");
    if !parts.is_empty() {
        text.push_str(&format!(", as of their capture: {}", parts.join(", ")));
    }
    let soon = survey.expiring(now, now + SOON);
    text.push_str(&format!(". Expired by now: {}", survey.expired(now)));
    if let Some(next) = survey.next_end(now) {
        text.push_str(&format!(
            "; the next expires on {next}, {soon} within {} days",
            SOON.whole_days()
        ));
    }
    text
}

/// What the health report says of archives.
pub(super) fn report(archives: &Archives) -> Value {
    let volumes = archives.volumes();
    let oldest = volumes.iter().filter_map(|volume| volume.oldest).min();
    let survey = archives.surveyed();
    json!({"archives": {
        "files": volumes.len(),
        "repositories": archives.repositories(),
        "oldest_capture": oldest,
        "surveyed": survey.is_some(),
        "contradictory": survey.as_ref().map(|survey| survey.contradictions),
        "damaged": survey.as_ref().map(|survey| survey.damaged),
    }})
}

/// The series about archives. Those that need everything to have been read are absent until then.
pub(super) struct Gauges {
    archives: Weak<Archives>,
    clock: Clock,
    /// That of the first series: the registry tells collectors apart by what they describe.
    described: Desc,
}

impl Gauges {
    /// The series of these archives.
    ///
    /// # Errors
    /// [`prometheus::Error`] when the name of a series is none, which a test excludes.
    pub(super) fn new(archives: &Arc<Archives>, clock: Clock) -> prometheus::Result<Self> {
        let (name, help) = ARCHIVES;
        Ok(Self {
            archives: Arc::downgrade(archives),
            clock,
            described: Desc::new(name.to_owned(), help.to_owned(), Vec::new(), HashMap::new())?,
        })
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.described]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(archives) = self.archives.upgrade() else {
            return Vec::new();
        };
        let (volumes, now) = (archives.volumes(), (self.clock)());
        let mut families = vec![
            gauge(ARCHIVES.0, ARCHIVES.1, volumes.len()),
            gauge(
                "notary_server_archive_repositories",
                "Repositories in archives.",
                archives.repositories(),
            ),
        ];
        let mut add = |name, help, value: Option<i64>| {
            if let Some(value) = value {
                families.push(gauge(
                    name,
                    help,
                    usize::try_from(value).unwrap_or_default(),
                ));
            }
        };
        let seconds = |moment: signet_archive::Moment| moment.time().unix_timestamp();
        let oldest = volumes.iter().filter_map(|volume| volume.oldest).min();
        add(
            "notary_server_archive_oldest_capture_timestamp_seconds",
            "When the oldest capture was made.",
            oldest.map(seconds),
        );
        if let Some(survey) = archives.surveyed() {
            let count = |number: u64| i64::try_from(number).ok();
            add(
                "notary_server_archive_contradictory_repositories",
                "Repositories that are refused because archives contradict each other.",
                count(survey.contradictions),
            );
            add(
                "notary_server_archive_damaged_repositories",
                "Repositories that cannot be read.",
                count(survey.damaged),
            );
            add(
                "notary_server_archive_expired_repositories",
                "Repositories whose metadata have expired by now.",
                i64::try_from(survey.expired(now)).ok(),
            );
            add(
                "notary_server_archive_next_expiry_timestamp_seconds",
                "When the next repository expires.",
                survey.next_end(now).map(seconds),
            );
        }
        families
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers stay far below 2^53")]
fn gauge(name: &str, help: &str, value: usize) -> MetricFamily {
    let mut metric = Metric::default();
    let mut gauge = Gauge::default();
    gauge.set_value(value as f64);
    metric.set_gauge(gauge);
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(MetricType::GAUGE);
    family.set_metric(vec![metric]);
    family
}

const ARCHIVES: (&str, &str) = ("notary_server_archives", "Archives that are served.");
/// What is soon, in the summary.
const SOON: Duration = Duration::days(30);

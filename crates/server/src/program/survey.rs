//! The survey of all repositories in the background, and its last result.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Value, json};
use signet_server::App;
use signet_server::survey::Survey;
use signet_service::config::Configuration;
use signet_service::process::chain;
use signet_service::settings::{LimitError, YEAR};
use tokio::task::JoinSet;

use super::config::ConfigError;

/// How often everything is looked at.
const PERIOD: u64 = 6 * 60 * 60;
/// The pause after each repository: at most fifty a second.
const PAUSE: Duration = Duration::from_millis(20);
/// After the start, other things come first.
const DELAY: Duration = Duration::from_secs(30);

/// The last result. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastSurvey(Arc<RwLock<Option<Survey>>>);

impl LastSurvey {
    pub(super) fn get(&self) -> Option<Survey> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, survey: Survey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(survey);
    }

    /// What reports say of it; null before the first is complete.
    pub(super) fn report(&self) -> Value {
        self.get().map_or(Value::Null, |survey| {
            json!({
                "repositories": survey.repositories,
                "expired": survey.expired,
                "overdue": survey.overdue,
                "roots_ending": survey.roots_ending,
                "unreadable": survey.unreadable,
            })
        })
    }

    /// Whether somebody should look at it.
    pub(super) fn is_alarming(&self) -> bool {
        self.get()
            .is_some_and(|survey| survey.expired + survey.overdue + survey.unreadable > 0)
    }
}

/// How often everything is looked at; `None` for never.
pub(super) fn period(configuration: &Configuration) -> Result<Option<Duration>, ConfigError> {
    let seconds = configuration
        .number("limits.survey_period")
        .map_err(LimitError::from)?;
    let seconds = seconds.unwrap_or(PERIOD);
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.min(YEAR))))
}

/// Looks at everything from time to time.
pub(super) fn watch(
    app: &Arc<App>,
    period: Option<Duration>,
    last: &LastSurvey,
    tasks: &mut JoinSet<()>,
) {
    let Some(period) = period else { return };
    let (app, last) = (Arc::clone(app), last.clone());
    tasks.spawn(async move {
        // Servers that were started together do not stay together: each is as slow as its answers.
        tokio::time::sleep(DELAY.min(period)).await;
        loop {
            match app.survey(PAUSE).await {
                Ok(survey) => {
                    if survey.expired + survey.overdue + survey.unreadable > 0 {
                        tracing::warn!("looked at all repositories: {survey:?}");
                    } else {
                        tracing::info!("looked at all repositories: {survey:?}");
                    }
                    last.set(survey);
                }
                Err(error) => {
                    tracing::error!("cannot look at all repositories: {}", chain(&error));
                }
            }
            tokio::time::sleep(period).await;
        }
    });
}

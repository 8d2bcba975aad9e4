//! What `auth.type: htpasswd` means, and reading its file again when it changes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use signet_server::Authenticator;
use signet_server::htpasswd::{Htpasswd, Right, Rule, Rules, Who};
use signet_service::config::Configuration;
use signet_service::listen::Address;
use signet_service::process::chain;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinSet, spawn_blocking};

use super::config::ConfigError;
use super::failure::Failure;

/// Most rules.
const MAX_RULES: usize = 10_000;
/// How often the file is looked at.
const PERIOD: Duration = Duration::from_secs(2);

/// Reads the file and the rules.
pub(super) fn open(configuration: &Configuration) -> Result<Htpasswd, String> {
    let path = configuration
        .path("auth.options.path")
        .ok_or("htpasswd auth requires a valid option string: \"path\"")?;
    let realm = configuration.text("auth.options.realm");
    let realm = if realm.is_empty() {
        REALM.to_owned()
    } else {
        realm
    };
    let rules = rules(configuration)?;
    Htpasswd::open(realm, path, rules).map_err(|error| chain(&error))
}

/// What clients show when there is no `realm`.
const REALM: &str = "notary-server";

fn rules(configuration: &Configuration) -> Result<Rules, String> {
    let said = configuration
        .json("auth.options.rules")
        .map_err(|error| error.to_string())?;
    let list = match said {
        Some(Value::Array(list)) if list.len() <= MAX_RULES => list,
        Some(Value::Array(_)) => {
            return Err(format!(
                "auth.options.rules has more than {MAX_RULES} rules"
            ));
        }
        Some(_) => return Err("auth.options.rules must be a list".to_owned()),
        None => {
            return Err(
                "htpasswd auth requires auth.options.rules: without a rule nobody may do anything"
                    .to_owned(),
            );
        }
    };
    let mut rules = Vec::new();
    for (number, rule) in (1..).zip(&list) {
        let fault = |text: String| format!("auth.options.rules: rule {number}: {text}");
        let members = rule
            .as_object()
            .ok_or_else(|| fault("it is no object".to_owned()))?;
        rules.extend(read_rule(members).map_err(fault)?);
    }
    Ok(rules.into_iter().collect())
}

fn read_rule(members: &Map<String, Value>) -> Result<Vec<Rule>, String> {
    for name in members.keys() {
        if !["user", "prefix", "rights"].contains(&name.as_str()) {
            return Err(format!(
                "it has {name:?}; a rule has \"user\", \"prefix\" and \"rights\""
            ));
        }
    }
    let users = texts(members, "user")?;
    let rights = texts(members, "rights")?;
    let prefix = members
        .get("prefix")
        .and_then(Value::as_str)
        .ok_or("\"prefix\" must be a text; \"\" stands for all repositories")?;
    let mut rules = Vec::new();
    for user in users {
        for right in &rights {
            let right = Right::named(right).ok_or_else(|| {
                format!("the right {right:?} is not one of \"pull\", \"push\" and \"admin\"")
            })?;
            let rule = Rule::new(Who::named(user), prefix, right);
            rules.push(rule.map_err(|error| error.to_string())?);
        }
    }
    Ok(rules)
}

/// A text or a list of texts, with at least one.
fn texts<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Vec<&'a str>, String> {
    let texts = match members.get(name) {
        Some(Value::String(text)) => Some(vec![text.as_str()]),
        Some(Value::Array(list)) if !list.is_empty() => list.iter().map(Value::as_str).collect(),
        _ => None,
    };
    texts.ok_or_else(|| format!("{name:?} must be a text or a list of texts"))
}

/// Refuses to take passwords where others can read them.
pub(super) fn check_transport(
    auth: Option<&Authenticator>,
    configuration: &Configuration,
    address: &Address,
    has_tls: bool,
) -> Result<(), ConfigError> {
    let Some(Authenticator::Htpasswd(_)) = auth else {
        return Ok(());
    };
    let allowed = configuration
        .boolean("auth.options.allow_plain")
        .map_err(|error| ConfigError::Auth(error.to_string()))?;
    if has_tls || address.is_loopback() || allowed == Some(true) {
        return Ok(());
    }
    Err(ConfigError::Auth(format!(
        "htpasswd auth without TLS at {address}: everybody on the way could read the passwords. Give server.tls_cert_file and \
         server.tls_key_file; behind a proxy that has TLS set auth.options.allow_plain to true"
    )))
}

/// Reads the file again whenever it has changed, and on SIGHUP.
pub(super) fn watch(
    auth: Option<&Arc<Authenticator>>,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let Some(auth) = auth.filter(|auth| matches!(&***auth, Authenticator::Htpasswd(_))) else {
        return Ok(());
    };
    let auth = Arc::clone(auth);
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::Signals)?;
    tasks.spawn(async move {
        let mut last_fault = None;
        loop {
            let asked = tokio::select! {
                _ = hang_up.recv() => true,
                () = tokio::time::sleep(PERIOD) => false,
            };
            let work = Arc::clone(&auth);
            let outcome = spawn_blocking(move || match &*work {
                Authenticator::Htpasswd(auth) => auth.reload().map_err(|error| chain(&error)),
                Authenticator::Token(_) => Ok(false),
            });
            match outcome.await.unwrap_or(Ok(false)) {
                Ok(true) => {
                    last_fault = None;
                    tracing::info!("read the htpasswd file again");
                }
                Ok(false) => last_fault = None,
                // Once, and whenever somebody asks for it.
                Err(fault) if asked || last_fault.as_ref() != Some(&fault) => {
                    tracing::error!("the users stay as they are: {fault}");
                    last_fault = Some(fault);
                }
                Err(_) => {}
            }
        }
    });
    Ok(())
}

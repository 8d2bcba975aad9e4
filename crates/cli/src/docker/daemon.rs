//! The way to the docker daemon: which one is meant, and what is said when it cannot be had.

use std::collections::BTreeMap;
use std::ffi::OsString;

use signet_oci::daemon::{DaemonError, DaemonOptions, ErrorKind, Limits};
use signet_oci::docker_context::{Endpoint, EndpointOptions, TlsChoice};
use signet_oci::{Daemon, DockerConfig};

use super::context::Context;
use super::trust;
use crate::env;
use crate::texts::docker as texts;
use crate::ui::progress::DaemonProgress;
use crate::ui::report::Failure;

impl Context {
    /// Connects to the docker daemon that flags, environment and docker's contexts name.
    ///
    /// # Errors
    /// In docker's words: when they contradict each other, or when nobody answers.
    pub(super) async fn daemon(&self) -> Result<Daemon, Failure> {
        let config_dir = self.config_dir()?;
        // What is wrong with the file is said where its credentials are looked up.
        let (config, _) = DockerConfig::load(&config_dir);
        let globals = &self.globals;
        let variables = &self.env.daemon;
        let endpoint = Endpoint::resolve(&EndpointOptions {
            config_dir,
            hosts: globals.hosts.clone(),
            context: globals.context.clone(),
            host_variable: variables.host.clone(),
            context_variable: variables.context.clone(),
            current_context: config.current_context().map(str::to_owned),
            tls: TlsChoice {
                tls: globals.tls,
                verify: globals.tls_verify,
                ca: globals.tls_ca.clone(),
                certificate: globals.tls_certificate.clone(),
                key: globals.tls_key.clone(),
                tls_variable: variables.tls,
                verify_variable: variables.tls_verify,
                cert_path: variables.cert_path.clone(),
            },
        })
        .map_err(|error| Failure::new(error.to_string()))?;
        let options = DaemonOptions {
            user_agent: trust::user_agent(),
            headers: match &variables.custom_headers {
                Some(headers) => custom_headers(headers)
                    .map_err(|problem| Failure::new(texts::custom_headers(&problem)))?,
                None => config.http_headers().clone(),
            },
            api_version: variables.api_version.clone(),
            dial: self.dial_command(),
            limits: Limits::default(),
        };
        Daemon::connect(&endpoint, &options)
            .await
            .map_err(|error| daemon_failure(&error))
    }

    /// Shows what a daemon does, as docker shows it.
    pub(super) fn daemon_progress(&self) -> DaemonProgress {
        DaemonProgress::new(self.printer.clone(), self.clock)
    }

    /// `docker <global flags> system dial-stdio`, if docker has started us and the person wants it so.
    fn dial_command(&self) -> Option<Vec<OsString>> {
        let docker = env::plugin_command().filter(|_| self.env.daemon.dial_stdio)?;
        let mut command = vec![docker];
        command.extend(self.globals.words.iter().map(OsString::from));
        command.extend(["system".into(), "dial-stdio".into()]);
        Some(command)
    }
}

/// A daemon's failure, in docker's words.
pub(super) fn daemon_failure(error: &DaemonError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        DaemonError::Unreachable { reason, .. } => failure.hint(reason.clone()),
        _ if error.kind() == ErrorKind::Network => failure.hint(texts::DAEMON_HINT),
        _ => failure,
    }
}

/// `DOCKER_CUSTOM_HEADERS`: one line of comma-separated `name=value`, each in quotes or not.
fn custom_headers(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut headers = BTreeMap::new();
    for pair in csv_fields(text).ok_or(texts::MALFORMED_CUSTOM_HEADERS)? {
        let (name, value) = match pair.split_once('=') {
            Some((name, _)) if name.trim().is_empty() => {
                return Err(texts::custom_header_without_name(&pair));
            }
            Some((name, value)) => (name.trim(), value),
            None if pair.trim().is_empty() => return Err(texts::custom_header_without_name(&pair)),
            None => return Err(texts::custom_header_without_value(&pair)),
        };
        headers.insert(name.to_owned(), value.to_owned());
    }
    Ok(headers)
}

/// The fields of one line of comma-separated values (RFC 4180).
fn csv_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut letters = line.chars().peekable();
    loop {
        let mut field = String::new();
        if letters.next_if_eq(&'"').is_some() {
            loop {
                match letters.next()? {
                    '"' if letters.next_if_eq(&'"').is_some() => field.push('"'),
                    '"' => break,
                    letter => field.push(letter),
                }
            }
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != ',') {
                if letter == '"' {
                    return None;
                }
                field.push(letter);
            }
        }
        fields.push(field);
        match letters.next() {
            None => return Some(fields),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers of docker 28.2.
    #[test]
    fn custom_headers_are_read_as_by_docker() {
        let headers = custom_headers("\"a=b,c\",d=, e = f").unwrap();
        let expected = [("a", "b,c"), ("d", ""), ("e", " f")];
        assert!(
            headers
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .eq(expected)
        );
        for (text, problem) in [
            (
                "a",
                "failed to set custom headers from DOCKER_CUSTOM_HEADERS environment variable: missing \"=\" in key=value pair: 'a'",
            ),
            (
                "a=b,c",
                "failed to set custom headers from DOCKER_CUSTOM_HEADERS environment variable: missing \"=\" in key=value pair: 'c'",
            ),
            (
                "=b",
                "failed to set custom headers from DOCKER_CUSTOM_HEADERS environment variable: value contains a key=value pair with an empty key: '=b'",
            ),
            (
                "a=\"b",
                "failed to parse custom headers from DOCKER_CUSTOM_HEADERS environment variable: value must be formatted as comma-separated key=value pairs",
            ),
            (
                "\"a=b",
                "failed to parse custom headers from DOCKER_CUSTOM_HEADERS environment variable: value must be formatted as comma-separated key=value pairs",
            ),
        ] {
            assert_eq!(custom_headers(text).unwrap_err(), problem, "{text}");
        }
    }
}

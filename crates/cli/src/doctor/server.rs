//! A trust server, step by step: its name, its port, TLS, its clock, its answer.

use signet_client::http::{TlsOptions, Verification};
use signet_client::probe::{self, Answered, CertificateFault, ProbeError};
use time::OffsetDateTime;
use url::Url;

use super::{Report, STEP};
use crate::network;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// Clocks that differ by more mislead about what has expired.
const CLOCK_WARNING_SECONDS: u64 = 60;
const CLOCK_PROBLEM_SECONDS: u64 = 24 * 3600;

/// How long before its end something is worth a warning.
const NEAR: time::Duration = time::Duration::days(30);

/// What ends before this deserves a warning.
pub(crate) fn warn_before(now: OffsetDateTime) -> OffsetDateTime {
    now.checked_add(NEAR).unwrap_or(now)
}

/// A day for people.
pub(crate) fn day(moment: OffsetDateTime) -> String {
    moment.date().to_string()
}

/// A server, and how it is spoken to.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint<'a> {
    pub(crate) url: &'a Url,
    /// Host and port as people write them.
    pub(crate) authority: &'a str,
    pub(crate) tls: &'a TlsOptions,
    /// What the server sees in its log.
    pub(crate) agent: &'a str,
}

/// The name has an address, and somebody listens there.
pub(crate) async fn connection<C>(url: &Url, report: &mut Report<'_, C>) -> Result<bool, Failure> {
    let host = url.host_str().unwrap_or_default();
    let addresses = match probe::addresses(url, STEP).await {
        Ok(addresses) => addresses,
        Err(error) => {
            let text = texts::doctor_no_address(host, &error.to_string());
            report.problem("name", text, report.words.check_name)?;
            return Ok(false);
        }
    };
    match probe::connect(&addresses, STEP).await {
        Ok(address) => {
            report.ok("connection", texts::doctor_connected(host, &address))?;
            Ok(true)
        }
        Err(error) => {
            let text = texts::doctor_no_connection(host, &error.to_string());
            report.problem("connection", text, texts::DOCTOR_CHECK_PORT)?;
            Ok(false)
        }
    }
}

/// TLS, first as strictly as for any server, then as the commands do it.
pub(crate) async fn ask<C>(
    at: &Endpoint<'_>,
    now: OffsetDateTime,
    report: &mut Report<'_, C>,
) -> Result<Option<Answered>, Failure> {
    let Endpoint {
        url,
        authority,
        tls,
        agent,
    } = *at;
    let mut strict = tls.clone();
    if strict.verification == Verification::SkipForLoopback {
        strict.verification = Verification::System;
    }
    let error = match probe::ask(url, &strict, agent, STEP).await {
        Ok(answered) => {
            if url.scheme() == "https" {
                certificate(&answered, now, report)?;
            }
            return Ok(Some(answered));
        }
        Err(error) => error,
    };
    if let ProbeError::Certificate { message, .. } = &error
        && tls.verification == Verification::SkipForLoopback
        && let Ok(answered) = probe::ask(url, tls, agent, STEP).await
    {
        report.warning(
            "tls",
            texts::doctor_unverified(message),
            texts::DOCTOR_ONLY_ON_LOOPBACK,
        )?;
        return Ok(Some(answered));
    }
    let advice = match &error {
        ProbeError::Certificate { fault, .. } => match fault {
            CertificateFault::Expired => texts::DOCTOR_RENEW_CERTIFICATE.to_owned(),
            CertificateFault::NotYetValid => texts::DOCTOR_CHECK_CLOCK.to_owned(),
            CertificateFault::WrongName => texts::DOCTOR_CERTIFICATE_NAME.to_owned(),
            _ => (report.words.trust_issuer)(authority),
        },
        ProbeError::TimeOut(_) => texts::DOCTOR_SILENT.to_owned(),
        _ => report.words.not_tls.to_owned(),
    };
    let problem = network::problem(&error.to_string());
    report.problem("tls", texts::doctor_tls_failed(&problem), advice)?;
    Ok(None)
}

fn certificate<C>(
    answered: &Answered,
    now: OffsetDateTime,
    report: &mut Report<'_, C>,
) -> Result<(), Failure> {
    match answered.certificate_until {
        Some(until) if until < warn_before(now) => report.warning(
            "tls",
            texts::doctor_certificate_until(&day(until)),
            texts::DOCTOR_RENEW_CERTIFICATE,
        ),
        Some(until) => report.ok("tls", texts::doctor_certificate_until(&day(until))),
        None => report.ok("tls", texts::DOCTOR_TLS),
    }
}

/// Whether this machine and the server agree on the time.
pub(crate) fn clock<C>(
    answered: &Answered,
    now: OffsetDateTime,
    report: &mut Report<'_, C>,
) -> Result<(), Failure> {
    let Some(theirs) = answered.date else {
        return report.skipped("clock", texts::DOCTOR_NO_DATE);
    };
    let seconds = (now - theirs).whole_seconds().unsigned_abs();
    if seconds <= CLOCK_WARNING_SECONDS {
        return report.ok("clock", texts::DOCTOR_CLOCK);
    }
    let text = texts::doctor_clock(seconds, now < theirs);
    if seconds < CLOCK_PROBLEM_SECONDS {
        report.warning("clock", text, texts::DOCTOR_CHECK_CLOCK)
    } else {
        report.problem("clock", text, texts::DOCTOR_CHECK_CLOCK)
    }
}

/// Whether what answers is a trust server.
pub(crate) fn answer<C>(answered: &Answered, report: &mut Report<'_, C>) -> Result<bool, Failure> {
    let is_page = answered.content_type.contains("html")
        || answered.body.trim_ascii_start().starts_with(b"<");
    match answered.status {
        200 | 401 if !is_page => {
            report.ok("server-answer", texts::doctor_answers(answered.status))?;
            Ok(true)
        }
        status @ 500..=599 => {
            let text = texts::doctor_server_fails(status);
            report.problem("server-answer", text, texts::DOCTOR_ASK_OPERATOR)?;
            Ok(false)
        }
        status => {
            let text = texts::doctor_not_a_trust_server(status, is_page);
            report.problem("server-answer", text, report.words.which_server)?;
            // Docker does not mind what the probe says, and some servers have no answer to it.
            Ok(!is_page)
        }
    }
}

//! `doctor [REPOSITORY]`: looks at everything that signing and verifying need, in the order in which it is needed, and says what to do.

mod docker;
mod machine;
mod repository;
mod server;

use super::context::Context;
use super::trust::Image;
use crate::cobra::parse::Matches;
use crate::doctor::{ALL, STEP, Words, keys};
use crate::texts::docker as texts;
use crate::ui::report::Failure;

type Report<'a> = crate::doctor::Report<'a, Context>;

static WORDS: Words = Words {
    check_name: texts::DOCTOR_CHECK_NAME,
    which_server: texts::DOCTOR_WHICH_SERVER,
    not_tls: texts::DOCTOR_NOT_TLS,
    trust_issuer: texts::doctor_trust_issuer,
    encrypt_key: texts::doctor_encrypt_key,
    restore_key: texts::DOCTOR_RESTORE_KEY,
};

pub(super) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let json = match matches.text("format") {
        "" => false,
        "json" => true,
        other => return Err(Failure::new(texts::unknown_format(other))),
    };
    let mut report = Report::new(context, &context.printer, &WORDS, json);
    let typed = matches.args.first().map(String::as_str);
    let busy = context.printer.busy(texts::DOCTOR_BUSY);
    let in_time = context.block_on(async {
        match tokio::time::timeout(ALL, examine(typed, &mut report)).await {
            Ok(outcome) => outcome.map(|()| true),
            Err(_) => Ok(false),
        }
    })?;
    drop(busy);
    report.finish(in_time)
}

async fn examine(typed: Option<&str>, report: &mut Report<'_>) -> Result<(), Failure> {
    report.heading(texts::DOCTOR_MACHINE)?;
    machine::examine(report)?;
    let trust_dir = report.context.trust_dir();
    if let Ok(trust_dir) = trust_dir {
        keys::examine(&trust_dir, report)?;
    }
    let policy_is_usable = machine::policy(report)?;
    docker::examine(report).await?;
    docker::daemon(report).await?;

    let image = match typed {
        Some(typed) if policy_is_usable => match Image::find(report.context, typed) {
            Ok(image) => Some(image),
            Err(failure) => {
                report.heading(texts::DOCTOR_SERVER)?;
                return report.failure("server", &failure, texts::DOCTOR_NO_SERVER);
            }
        },
        _ => None,
    };
    let Some(reached) = server::examine(image.as_ref(), report).await? else {
        return Ok(());
    };
    if let Some(image) = &image {
        server::login(image, &reached, report).await?;
        report.heading(&texts::doctor_repository(image.gun.as_str()))?;
        repository::examine(image, report).await?;
    }
    Ok(())
}

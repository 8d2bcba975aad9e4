//! `notary doctor [GUN]`: looks at everything that reading and signing need, in the order in which it is needed, and says what to do.

mod machine;
mod mend;
mod repository;
mod server;
mod staged;

use super::Context;
use super::format::Format;
use super::repository::gun;
use crate::cobra::parse::Matches;
use crate::doctor::{ALL, Words};
use crate::texts::notary as texts;
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
    let gun = matches.args.first().map(|name| gun(name)).transpose()?;
    let json = Format::of(matches)? == Format::Json;
    context.ask_nobody();
    let mut report = Report::new(context, &context.printer, &WORDS, json);
    let busy = context.printer.busy(texts::DOCTOR_BUSY);
    let in_time = context.block_on(async {
        match tokio::time::timeout(ALL, examine(gun.as_ref(), &mut report)).await {
            Ok(outcome) => outcome.map(|()| true),
            Err(_) => Ok(false),
        }
    })?;
    drop(busy);
    report.finish(in_time)
}

async fn examine(gun: Option<&signet_tuf::Gun>, report: &mut Report<'_>) -> Result<(), Failure> {
    let Some(trust_dir) = machine::examine(report)? else {
        return Ok(());
    };
    let answered = server::examine(gun, report).await?;
    match gun {
        Some(gun) => repository::examine(gun, &trust_dir, answered.is_some(), report).await,
        None => Ok(()),
    }
}

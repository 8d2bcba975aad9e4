//! Pulling by digest: the daemon pulls, we watch that it comes to an end, look whether it has what was signed, and set the tag.

mod pace;

use std::io;
use std::time::{Duration, Instant};

use signet_oci::daemon::{Daemon, ErrorKind, Message, Progress};

use super::context::Context;
use super::daemon::daemon_failure;
use super::resolve::Resolved;
use super::trust::Image;
use crate::texts::docker as texts;
use crate::ui::report::Failure;
use pace::{Pace, Stalled};

/// How long a pull may go without getting on. A slow disk may have to unpack a large layer without a word.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether the daemon has the image of that digest.
pub(super) async fn is_there(daemon: &Daemon, resolved: &Resolved) -> Result<bool, Failure> {
    match daemon.image(&resolved.pinned()).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Absent => Ok(false),
        Err(error) => Err(daemon_failure(&error)),
    }
}

/// Lets the daemon pull the image by its digest, and gives it its tag once the daemon has exactly that digest.
///
/// # Errors
/// When the pull fails, or does not get on. Nothing is tagged then.
pub(super) async fn fetch(
    daemon: &Daemon,
    image: &Image,
    resolved: &Resolved,
    platform: Option<&str>,
    progress: &mut dyn Progress,
    context: &Context,
) -> Result<(), Failure> {
    let pinned = resolved.pinned();
    let digest = resolved.digest.to_string();
    pull(daemon, image, &digest, platform, progress, context).await?;
    expect_digest(daemon, &pinned).await?;
    context
        .printer
        .err(&texts::tagging(&pinned, &resolved.name, &resolved.tag));
    daemon
        .tag(&pinned, &resolved.name, &resolved.tag)
        .await
        .map_err(|error| daemon_failure(&error))
}

/// What the daemon says that it has is compared, too: a digest in a name is no proof that it was looked at.
///
/// # Errors
/// When the daemon fails, or has something else under the name.
pub(super) async fn expect_digest(daemon: &Daemon, pinned: &str) -> Result<(), Failure> {
    let local = daemon
        .image(pinned)
        .await
        .map_err(|error| daemon_failure(&error))?;
    if !local.repo_digests.iter().any(|digest| digest == pinned) {
        return Err(Failure::new(texts::not_what_was_signed(pinned)));
    }
    Ok(())
}

/// Lets the daemon pull what `digest` names, and gives up when that does not get on. The daemon gives up, too, once nobody listens.
///
/// # Errors
/// When the daemon fails, or is given up.
pub(super) async fn pull(
    daemon: &Daemon,
    image: &Image,
    digest: &str,
    platform: Option<&str>,
    progress: &mut dyn Progress,
    context: &Context,
) -> Result<(), Failure> {
    let name = image.reference.familiar_name();
    let pinned = format!("{name}@{digest}");
    let pace = Pace::new(patience(context)?, Instant::now());
    let mut watched = Watched {
        shown: progress,
        pace: &pace,
    };
    let login = image.daemon_login().await;
    let pulling = daemon.pull(&name, digest, platform, Some(login), &mut watched);
    tokio::pin!(pulling);
    loop {
        let next = pace
            .judge(Instant::now())
            .map_err(|stalled| given_up(&pinned, stalled))?;
        tokio::select! {
            done = &mut pulling => return done.map_err(|error| daemon_failure(&error)),
            () = tokio::time::sleep_until(next.into()) => {}
        }
    }
}

/// Whoever pulls without a platform gets that of `DOCKER_DEFAULT_PLATFORM`, else the daemon's own.
pub(super) fn platform<'a>(given: &'a str, context: &'a Context) -> Option<&'a str> {
    match given {
        "" => context.env.default_platform.as_deref(),
        given => Some(given),
    }
}

fn patience(context: &Context) -> Result<Duration, Failure> {
    match context.env.pull_patience.as_deref() {
        None => Ok(PATIENCE),
        Some(text) => match text.parse() {
            Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
            _ => Err(Failure::new(texts::patience_is_no_number(text))),
        },
    }
}

fn given_up(pinned: &str, stalled: Stalled) -> Failure {
    Failure::new(match stalled {
        Stalled::NoProgress(limit) => texts::pull_stalled(pinned, limit.as_secs()),
        Stalled::TooLong(limit) => texts::pull_too_slow(pinned, limit.as_secs()),
        Stalled::Endless => texts::pull_endless(pinned),
    })
}

/// Shows what the daemon says, and takes note of it.
struct Watched<'a> {
    shown: &'a mut dyn Progress,
    pace: &'a Pace,
}

impl Progress for Watched<'_> {
    fn show(&mut self, message: &Message) -> io::Result<()> {
        self.pace.note(message, Instant::now());
        self.shown.show(message)
    }
}

//! Making an archive.

use std::time::Duration;

use crate::texts::{quote, visible};

/// Nowhere to write to.
pub const ARCHIVE_NO_OUTPUT: &str =
    "Must specify the file to write with --output (-o), for example trust.tar.gz";

/// Nothing to take.
pub const ARCHIVE_NO_NAMES: &str =
    "Must specify repositories: their names, --from-file LIST or --changefeed";

/// Several sources at once.
pub const ARCHIVE_ONE_SOURCE: &str =
    "--changefeed, --from-trust-dir and --from-database do not go together";

/// A folder or database without repositories.
pub const ARCHIVE_SOURCE_EMPTY: &str =
    "there is nothing to archive: no repository with trust data was found";

/// The trust folder cannot be used.
#[must_use]
pub fn archive_no_trust_folder(folder: &str, problem: &str) -> String {
    format!(
        "{} is no trust folder of docker or notary: {}",
        visible(folder),
        visible(problem)
    )
}

/// Names beside the changefeed.
pub const ARCHIVE_TWO_SOURCES: &str =
    "--changefeed takes all repositories; names and --from-file do not go with it";

/// What to do about a folder that belongs to another archive.
pub const ARCHIVE_RESTART: &str =
    "with --restart the folder is emptied and this archive is begun instead";

/// The greeting of a server takes its time.
pub const ARCHIVE_GREETS: &str = "Reaching the trust server";

/// The file is put together.
pub const ARCHIVE_PACKS: &str = "Writing the archive";

/// What to do when the server does not show its list of changes.
pub const ARCHIVE_CATALOG: &str = "only users with the right registry:catalog:* are shown the changefeed; without it, name the repositories or use --from-file";

/// What to do when TLS fails.
pub const ARCHIVE_TLS: &str =
    "if the server has a certificate of an authority of your own, name that with --tlscacert";

/// A number of jobs that is none.
#[must_use]
pub fn archive_jobs(most: i64) -> String {
    format!("--jobs must be between 1 and {most}")
}

/// A variable that is no moment.
#[must_use]
pub fn source_date_epoch(given: &str) -> String {
    format!(
        "SOURCE_DATE_EPOCH is {}, which is not a number of seconds since 1970",
        quote(given)
    )
}

/// More names than an archive takes.
#[must_use]
pub fn too_many_repositories(most: u64) -> String {
    format!("there are more than {most} repositories; make several archives")
}

/// A name that no repository can have.
#[must_use]
pub fn name_skipped(name: &str, reason: &str, place: Option<(&str, usize)>) -> String {
    let name: String = name.chars().take(300).collect();
    let place = place.map_or_else(String::new, |(path, line)| {
        format!("{}:{line}: ", visible(path))
    });
    format!(
        "{place}skipped {}, which is no name of a repository: {reason}\n",
        quote(&name)
    )
}

/// Documents that are of no repository.
#[must_use]
pub fn documents_nameless(count: u64) -> String {
    format!(
        "skipped {count} {} of the database: what stands for the name of the repository is no text, or much too long\n",
        if count == 1 { "document" } else { "documents" }
    )
}

/// A list that cannot be read.
#[must_use]
pub fn list_unreadable(path: &str, reason: &str) -> String {
    format!("cannot read the list of names {path}: {reason}")
}

/// A list that is too large.
#[must_use]
pub fn list_too_large(path: &str, most: u64) -> String {
    format!("the list of names {path} is larger than {most} bytes")
}

/// A list that is not text.
#[must_use]
pub fn list_not_text(path: &str) -> String {
    format!("the list of names {path} is not UTF-8 text")
}

/// An archivist's key that cannot be used.
#[must_use]
pub fn archivist_key(given: &str, reason: &str) -> String {
    format!("cannot use the archivist's key {given}: {reason}")
}

/// A file of the archive that cannot be read or written.
#[must_use]
pub fn archive_file(path: &str, reason: &str) -> String {
    format!("{path}: {reason}")
}

/// A signature that could not be made.
#[must_use]
pub fn archive_not_signed(reason: &str) -> String {
    format!("the archive could not be signed: {reason}")
}

/// How far it is: what one takes, and how many are left.
#[must_use]
pub fn archive_progress(done: usize, total: usize, left: Option<(Duration, usize)>) -> String {
    let mut text = format!("Taking repositories: {done} of {total}");
    if let Some((each, left)) = left {
        let millis = each.as_millis().max(1);
        if millis <= 1000 {
            text.push_str(&format!(", {}/s", 1000 / millis));
        } else {
            text.push_str(&format!(", {}/min", (60_000 / millis).max(1)));
        }
        let left = each.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
        text.push_str(&format!(", {} left", time(left)));
    }
    text
}

/// The server wants a pause.
#[must_use]
pub fn archive_waits(done: usize, total: usize, left: Duration) -> String {
    format!(
        "Taking repositories: {done} of {total}; the server wants to be left alone for {}",
        time(left)
    )
}

/// Reading the changefeed.
#[must_use]
pub fn archive_reads_feed(changes: u64, names: usize) -> String {
    format!("Reading the changefeed: {changes} changes of {names} repositories")
}

fn time(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m"),
    }
}

/// The person does not wait for the end.
#[must_use]
pub fn archive_interrupted(done: usize, total: usize, folder: &str) -> String {
    format!("interrupted; {}\n", archive_kept(done, total, folder))
}

/// What is left of a run that did not come to its end.
#[must_use]
pub fn archive_kept(done: usize, total: usize, folder: &str) -> String {
    format!(
        "{done} of {total} repositories are kept in {}; the same command goes on from there",
        visible(folder)
    )
}

/// What to do when some could not be fetched.
pub const ARCHIVE_PARTIAL: &str = "with --partial the archive is made all the same, and says of these that they could not be fetched";

/// Repositories that could not be fetched.
#[must_use]
pub fn archive_not_fetched(count: usize, total: usize) -> String {
    format!("{count} of {total} repositories could not be fetched")
}

/// One of them.
#[must_use]
pub fn archive_problem(gun: &str, reason: &str) -> String {
    format!("{}: {}\n", visible(gun), visible(reason))
}

/// Something was left out.
#[must_use]
pub fn archive_left_out(gun: &str, what: &str) -> String {
    format!(
        "{}: not everything was taken: {}\n",
        visible(gun),
        visible(what)
    )
}

/// Nothing of what was asked for is there.
#[must_use]
pub fn archive_nothing(server: &str, absent: usize, refused: usize) -> String {
    match (absent, refused) {
        (0, 0) => format!("{server} names no repository"),
        (_, 0) => format!("{server} has no trust data for any of the {absent} repositories"),
        (0, _) => format!("{server} refuses all of the {refused} repositories"),
        _ => format!(
            "{server} refuses {refused} of the repositories and has no trust data for the other {absent}"
        ),
    }
}

/// The archive is there, and something is missing in it.
#[must_use]
pub fn archive_incomplete(problems: &[String]) -> String {
    format!("not everything is in the archive: {}", problems.join(", "))
}

/// A number of what is missing.
#[must_use]
pub fn archive_lacks(count: usize, what: &str) -> String {
    format!("{count} {what}")
}

/// The file that was made.
#[must_use]
pub fn archive_made(path: &str, repositories: usize, bytes: u64) -> String {
    let noun = if repositories == 1 {
        "repository"
    } else {
        "repositories"
    };
    format!("{}: {repositories} {noun}, {bytes} bytes\n", visible(path))
}

/// How many are in a state.
#[must_use]
pub fn archive_state(state: &str, count: usize) -> String {
    format!("  {state:<12}{count:>8}\n")
}

/// One that is not simply trusted.
#[must_use]
pub fn archive_verdict(state: &str, gun: &str, reason: Option<&str>) -> String {
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", visible(reason)));
    format!("{state:<12} {}{reason}\n", visible(gun))
}

/// The others are not named.
#[must_use]
pub fn archive_more(count: usize) -> String {
    format!("and {count} more; notary archive list shows them all\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_a_rate_and_the_time_that_is_left() {
        let progress =
            |each, left| archive_progress(10, 50, Some((Duration::from_millis(each), left)));
        assert_eq!(
            archive_progress(0, 50, None),
            "Taking repositories: 0 of 50"
        );
        assert_eq!(
            progress(20, 40),
            "Taking repositories: 10 of 50, 50/s, 1s left"
        );
        assert_eq!(
            progress(3000, 40),
            "Taking repositories: 10 of 50, 20/min, 2m0s left"
        );
        assert_eq!(
            progress(100_000, 40),
            "Taking repositories: 10 of 50, 1/min, 1h6m left"
        );
    }
}

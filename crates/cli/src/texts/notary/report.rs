//! What `notary report` says.

use std::path::Path;

use signet_archive::ArchiveError;

use crate::texts::{quote, visible};

/// While repositories are looked at.
pub const REPORT_BUSY: &str = "looking at repositories";

/// `--rows` with a form that has no choice of rows.
pub const ROWS_WITHOUT_CSV: &str = "--rows is for --format csv; the other forms have everything";

/// More than one source.
pub const REPORT_ONE_SOURCE: &str = "a report is of one source: a server, --trust-dir, or --archive (which may be given several times)";

/// A server and no repository.
pub const REPORT_NAME_REPOSITORIES: &str =
    "name the repositories to look at: a trust server has no list of them that may be asked for";

/// A form that there is not.
#[must_use]
pub fn unknown_report_format(given: &str) -> String {
    format!(
        "unknown format {}: 'text', 'json', 'csv' and 'html' are known",
        quote(given)
    )
}

/// Rows that there are not.
#[must_use]
pub fn unknown_rows(given: &str, known: &str) -> String {
    format!("unknown rows {}: '{known}' are known", quote(given))
}

/// A severity that there is not.
#[must_use]
pub fn unknown_severity(given: &str) -> String {
    format!(
        "--fail-on takes 'warning' or 'error', and not {}",
        quote(given)
    )
}

/// The trust folder is not there.
#[must_use]
pub fn no_trust_folder(path: &Path) -> String {
    format!("there is no trust folder {}", path.display())
}

/// A repository that the archive lacks.
#[must_use]
pub fn not_in_archive(gun: &str, path: &Path) -> String {
    format!("{} is not in the archive {}", visible(gun), path.display())
}

/// An archive that cannot be read.
#[must_use]
pub fn report_archive(path: &Path, error: &ArchiveError) -> String {
    format!("archive {}: {error}", path.display())
}

/// The file could not be written.
#[must_use]
pub fn report_not_written(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// The file is written.
#[must_use]
pub fn report_written(path: &Path, repositories: u64) -> String {
    let what = match repositories {
        1 => "1 repository".to_owned(),
        number => format!("{number} repositories"),
    };
    format!("{what} reported in {}\n", visible(&path.to_string_lossy()))
}

/// `--fail-on` was reached.
#[must_use]
pub fn report_findings(errors: u64, warnings: u64) -> String {
    format!("the report has {errors} errors and {warnings} warnings")
}

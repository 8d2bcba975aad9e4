//! The trust folder: there, and closed to others.

use std::fs;
use std::path::Path;

use super::Report;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// Looks at who may look into the trust folder, and who may change it.
pub(crate) fn examine<C>(trust_dir: &Path, report: &mut Report<'_, C>) -> Result<(), Failure> {
    match fs::metadata(trust_dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report.ok("trust-folder", texts::doctor_no_trust_folder(trust_dir))
        }
        Err(error) => report.problem(
            "trust-folder",
            texts::doctor_unreadable(trust_dir, &error),
            texts::DOCTOR_MEND_MODE,
        ),
        Ok(metadata) if !metadata.is_dir() => report.problem(
            "trust-folder",
            texts::doctor_not_a_folder(trust_dir),
            texts::DOCTOR_MOVE_AWAY,
        ),
        Ok(metadata) => match open_to_others(&metadata) {
            _ if is_of_another(&metadata) => report.warning(
                "trust-folder",
                texts::doctor_of_another(trust_dir),
                texts::DOCTOR_MEND_MODE,
            ),
            Some(mode) if mode & 0o022 != 0 => report.problem(
                "trust-folder",
                texts::doctor_writable(trust_dir, mode),
                texts::doctor_chmod("go-w", trust_dir),
            ),
            Some(mode) if mode & 0o055 != 0 => report.warning(
                "trust-folder",
                texts::doctor_readable(trust_dir, mode),
                texts::doctor_chmod("go-rwx", trust_dir),
            ),
            _ => report.ok("trust-folder", texts::doctor_trust_folder(trust_dir)),
        },
    }
}

/// The permission bits, when others than the owner have any.
#[cfg(unix)]
pub(crate) fn open_to_others(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Whether it belongs to somebody else than the user; the administrator may use everybody's.
#[cfg(unix)]
fn is_of_another(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid();
    !user.is_root() && metadata.uid() != user.as_raw()
}

#[cfg(not(unix))]
fn is_of_another(_: &fs::Metadata) -> bool {
    false
}

#[cfg(not(unix))]
pub(crate) fn open_to_others(_: &fs::Metadata) -> Option<u32> {
    None
}

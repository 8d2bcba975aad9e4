//! What `doctor` says: what it found, and what to do about it.

use std::path::Path;

/// First heading.
pub const DOCTOR_MACHINE: &str = "This machine";
/// Second heading.
pub const DOCTOR_SERVER: &str = "Trust server";

/// Third heading.
#[must_use]
pub fn doctor_repository(gun: &str) -> String {
    format!("Repository {gun}")
}

/// Last line.
#[must_use]
pub fn doctor_summary(problems: usize, warnings: usize) -> String {
    let count = |n: usize, what: &str| match n {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    format!(
        "{}, {}",
        count(problems, "problem"),
        count(warnings, "warning")
    )
}

/// Everything together has a time limit, too.
#[must_use]
pub fn doctor_too_long(seconds: u64) -> String {
    format!("not everything could be looked at within {seconds} s")
}

// This machine.

/// There is no configuration folder.
pub const DOCTOR_SET_HOME: &str = "set HOME, or DOCKER_CONFIG to the folder";
/// What to do about a broken `config.json`.
pub const DOCTOR_MEND_CONFIG: &str = "docker goes on without the file, so every registry sees an anonymous user; mend it, or docker login again";
/// What to do about a file that cannot be read.
pub const DOCTOR_MEND_MODE: &str = "check who owns it and its mode";
/// What to do about a file in the place of a folder.
pub const DOCTOR_MOVE_AWAY: &str = "move it away; the folder is made when it is needed";
/// What to do about a policy.
pub const DOCTOR_MEND_POLICY: &str = "every command that reads trust data stops until the policy is understood; docs/policy.md describes it";
/// There is no policy.
pub const DOCTOR_NO_POLICY: &str = "no policy: a repository's root is trusted on first use";
/// Key folders of docker up to 1.11.
pub const DOCTOR_OLD_KEY_FOLDERS: &str =
    "the keys are in folders of docker before 1.12; they have not been looked at";
/// What to do about them.
pub const DOCTOR_MIGRATE_KEYS: &str = "any command that signs moves them to where they belong";
/// What to do about a file among the keys that is none.
pub const DOCTOR_NO_KEY_FILE: &str =
    "it is not used; move it out of the folder if it does not belong there";
/// What to do about a key that cannot be used.
pub const DOCTOR_RESTORE_KEY: &str =
    "restore the file from a backup, or have another key added by the repository's administrator";

/// `config.json`, read or absent.
#[must_use]
pub fn doctor_config(file: &Path, there: bool) -> String {
    if there {
        format!("{} can be read", file.display())
    } else {
        format!("there is no {}: no logins are known", file.display())
    }
}

/// The trust folder is missing, which it is before the first command.
#[must_use]
pub fn doctor_no_trust_folder(path: &Path) -> String {
    format!(
        "there is no {} yet: no keys, nothing remembered",
        path.display()
    )
}

/// The trust folder is there and closed to others.
#[must_use]
pub fn doctor_trust_folder(path: &Path) -> String {
    format!("{} is closed to others", path.display())
}

/// Something cannot be read.
#[must_use]
pub fn doctor_unreadable(path: &Path, error: &std::io::Error) -> String {
    format!(
        "{} cannot be read: {}",
        path.display(),
        super::super::os_error(error)
    )
}

/// A file where a folder belongs.
#[must_use]
pub fn doctor_not_a_folder(path: &Path) -> String {
    format!("{} is no folder", path.display())
}

/// The trust folder is somebody else's, as after a command with sudo.
#[must_use]
pub fn doctor_of_another(path: &Path) -> String {
    format!("{} belongs to another user", path.display())
}

/// Others can change the trust folder.
#[must_use]
pub fn doctor_writable(path: &Path, mode: u32) -> String {
    format!(
        "others can change {} (mode {mode:03o}): they could put roots and a policy of their own there",
        path.display()
    )
}

/// Others can look into the trust folder.
#[must_use]
pub fn doctor_readable(path: &Path, mode: u32) -> String {
    format!("others can look into {} (mode {mode:03o})", path.display())
}

/// How a mode is changed.
#[must_use]
pub fn doctor_chmod(what: &str, path: &Path) -> String {
    format!("chmod {what} {}", path.display())
}

/// A policy is in force.
#[must_use]
pub fn doctor_policy(path: &Path) -> String {
    format!("the policy {} is in force", path.display())
}

/// How a key is called.
#[must_use]
pub fn doctor_key(id: &str, role: &str) -> String {
    if role.is_empty() {
        format!("key {id}")
    } else {
        format!("key {id} ({role})")
    }
}

/// An encrypted key that others can read.
#[must_use]
pub fn doctor_readable_key(key: &str, mode: u32) -> String {
    format!("others can read {key} (mode {mode:03o}); it is encrypted")
}

/// A key that is neither encrypted nor closed to others.
#[must_use]
pub fn doctor_open_key_for_all(key: &str, mode: u32) -> String {
    format!("others can read {key} (mode {mode:03o}), which is not encrypted")
}

/// A key that is not encrypted.
#[must_use]
pub fn doctor_open_key(key: &str) -> String {
    format!("{key} is not encrypted")
}

/// What to do about a key that is not encrypted.
#[must_use]
pub fn doctor_encrypt_key(_: &str) -> String {
    "whoever gets the file can sign: move it away and bring it back with key load, which encrypts it".to_owned()
}

/// A key that cannot be used.
#[must_use]
pub fn doctor_bad_key(key: &str, problem: &str) -> String {
    format!("{key} cannot be used: {problem}")
}

/// How many keys there are.
#[must_use]
pub fn doctor_keys(count: usize, encrypted: usize) -> String {
    match count {
        0 => "no private keys: enough for verifying".to_owned(),
        1 => format!("1 private key, {encrypted} encrypted"),
        _ => format!("{count} private keys, {encrypted} encrypted"),
    }
}

// The docker client.

/// No docker, or none that tells its version.
pub const DOCTOR_NO_DOCKER: &str =
    "there is no docker client in PATH; this program does not need one";
/// How `docker trust` becomes this program.
pub const DOCTOR_INSTALL_PLUGIN: &str =
    "link this program as ~/.docker/cli-plugins/docker-trust, or use it directly";
/// What to do about another plugin of that name.
pub const DOCTOR_REPLACE_PLUGIN: &str = "remove the other one, or link this program in its place";

/// A client with a `trust` of its own.
#[must_use]
pub fn doctor_docker_with_trust(version: &str) -> String {
    format!(
        "docker {version} has a trust command of its own, which no plugin replaces: use this program directly"
    )
}

/// A client without, and no plugin.
#[must_use]
pub fn doctor_docker_without_trust(version: &str) -> String {
    format!("docker {version} has no trust command, and no plugin brings it")
}

/// The plugin is this program.
#[must_use]
pub fn doctor_plugin(version: &str, path: &Path) -> String {
    format!(
        "docker {version} runs this program through {}",
        path.display()
    )
}

/// The plugin is another program.
#[must_use]
pub fn doctor_other_plugin(version: &str, path: &Path) -> String {
    format!(
        "docker {version} runs {}, which is another program than this one",
        path.display()
    )
}

/// What goes without a daemon.
pub const DOCTOR_DAEMON: &str = "verify, inspect and sign --remote need none; for the others start it, or name another with -H, DOCKER_HOST or a context";

/// A daemon answers.
#[must_use]
pub fn doctor_daemon(host: &str) -> String {
    format!("the docker daemon at {host} answers")
}

/// None does.
#[must_use]
pub fn doctor_no_daemon(problem: &str) -> String {
    format!("no docker daemon: {problem}")
}

//! Programs that believe it is another time.
//!
//! The library is loaded straight into the program. Debian's command for it would stand between the test and the program, and refuses to
//! start where a killed process of the same number has left its semaphore.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::bail;

/// Where the loader finds the library: it puts the machine's folder in the place of `$LIB`.
const LIBRARY: &str = "/usr/$LIB/faketime/libfaketime.so.1";
/// Where killed processes leave what the library shares between processes.
const SHARED: &str = "/dev/shm";

/// Starts `command` at another time: `+30d` from now, or `@2027-01-01 00:00:00` (UTC). To be called after the command has got its
/// environment. Waiting goes by another clock, which is left alone.
///
/// # Errors
/// When the library is not installed.
pub fn at(command: &mut Command, moment: &str) -> anyhow::Result<()> {
    command.envs(variables(moment)?);
    Ok(())
}

/// The same as variables, for commands that are made elsewhere.
///
/// # Errors
/// When the library is not installed.
pub fn variables(moment: &str) -> anyhow::Result<[(&'static str, String); 4]> {
    if !is_installed() {
        bail!("libfaketime is not installed; apt-get install faketime");
    }
    remove_leftovers();
    Ok([
        ("LD_PRELOAD", LIBRARY.to_owned()),
        ("FAKETIME", moment.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("TZ", "UTC".to_owned()),
    ])
}

fn is_installed() -> bool {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut places = folders
        .map(|entry| entry.path())
        .chain([Path::new("/usr/lib64").to_owned()]);
    places.any(|folder| folder.join("faketime/libfaketime.so.1").exists())
}

/// Removes what processes left that are gone, so that a new one of the same number does not meet it.
fn remove_leftovers() {
    for entry in fs::read_dir(SHARED).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let number = name
            .strip_prefix("sem.faketime_sem_")
            .or_else(|| name.strip_prefix("faketime_shm_"));
        let Some(number) = number.and_then(|digits| digits.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new(&format!("/proc/{number}")).exists() {
            // Another test may be faster.
            let _gone = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::at;

    #[test]
    fn a_program_believes_in_another_time() {
        let mut date = Command::new("date");
        date.arg("+%Y-%m-%d");
        at(&mut date, "@2031-02-03 04:05:06").unwrap();
        let told = date.output().unwrap();
        assert_eq!(String::from_utf8(told.stdout).unwrap(), "2031-02-03\n");
    }
}

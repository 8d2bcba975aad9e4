//! Names for completion: repositories that the trust folder has seen. Nothing here is trusted or asks a server, and the work is bounded.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use signet_tuf::Gun;

use crate::cobra::complete::Known;
use crate::env::Environment;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many folders are looked into.
const MOST_FOLDERS: usize = 5000;
/// How many parts a repository's name may have.
const DEEPEST: usize = 12;
/// How many candidates are offered.
const MOST_NAMES: usize = 1000;

/// The repositories of the usual trust folder.
pub(super) struct TrustFolder {
    root: Option<PathBuf>,
    until: Instant,
}

impl TrustFolder {
    pub(super) fn new(env: &Environment) -> Self {
        Self {
            root: env.home.as_ref().map(|home| home.join(".notary/tuf")),
            until: Instant::now() + PATIENCE,
        }
    }
}

impl Known for TrustFolder {
    fn repositories(&self, prefix: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders: Vec<_> = self
            .root
            .iter()
            .map(|root| (root.clone(), String::new()))
            .collect();
        let mut left = MOST_FOLDERS;
        while let Some((folder, name)) = folders.pop() {
            if left == 0 || Instant::now() >= self.until {
                break;
            }
            left -= 1;
            if name.starts_with(prefix)
                && is_plain(&name)
                && name.parse::<Gun>().is_ok()
                && folder.join("metadata/root.json").is_file()
            {
                found.push(name.clone());
            }
            if name.split('/').count() > DEEPEST {
                continue;
            }
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            // Links are not followed: they could lead in circles.
            for entry in entries.flatten().take(MOST_FOLDERS) {
                if entry.file_type().is_ok_and(|kind| kind.is_dir())
                    && let Ok(part) = entry.file_name().into_string()
                {
                    let below = if name.is_empty() {
                        part
                    } else {
                        format!("{name}/{part}")
                    };
                    folders.push((entry.path(), below));
                }
            }
        }
        found.sort();
        found.truncate(MOST_NAMES);
        found
    }

    fn repositories_of(&self, _signer: &str, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn images(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }

    fn signers(&self, _prefix: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Whatever a shell could take for more than a word is left out.
fn is_plain(name: &str) -> bool {
    !name.starts_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte))
}

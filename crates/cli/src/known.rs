//! The names of repositories that a trust folder has, for completion. Nothing here is trusted, and the work is bounded, because a person waits
//! for it at a prompt. Anything that cannot be read is as if it were not there.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many folders are looked into.
const MOST_FOLDERS: usize = 5000;
/// How many parts a repository's name may have.
const DEEPEST: usize = 12;
/// How many candidates are offered.
pub(crate) const MOST_NAMES: usize = 1000;

/// The folders of repositories below one folder.
pub(crate) struct Folders {
    root: Option<PathBuf>,
    until: Instant,
}

impl Folders {
    /// Those below `root`, if there is one. Touches no disk; the time runs from now on.
    pub(crate) fn below(root: Option<PathBuf>) -> Self {
        Self {
            root,
            until: Instant::now() + PATIENCE,
        }
    }

    /// Whether the person has waited long enough.
    pub(crate) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// The name and the folder of every repository, in no order. A name is what the path says, and plain.
    pub(crate) fn repositories(&self) -> Vec<(String, PathBuf)> {
        let mut found = Vec::new();
        let mut folders: Vec<_> = self
            .root
            .iter()
            .map(|root| (root.clone(), String::new()))
            .collect();
        let mut left = MOST_FOLDERS;
        while let Some((folder, name)) = folders.pop() {
            if left == 0 || self.is_late() {
                break;
            }
            left -= 1;
            if is_plain(&name) && folder.join("metadata/root.json").is_file() {
                found.push((name.clone(), folder.clone()));
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
        found
    }
}

/// Whether a shell takes the name for one word and nothing else.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte))
}

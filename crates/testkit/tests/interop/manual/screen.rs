//! What stands on a terminal, without what differs from run to run: key IDs, digests, paths, ports, times, the order of redrawn lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Names for key IDs and digests, the same for every length in which one is shown.
#[derive(Debug, Default)]
pub(super) struct Names {
    keys: BTreeMap<String, String>,
    others: Vec<String>,
}

impl Names {
    /// Names the keys in a user's key files after their roles. Which of a role's keys is asked for first depends on their digits.
    pub(super) fn read_keys(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
            let role = header("role: ").unwrap_or_default();
            let gun = header("gun: ").and_then(|gun| gun.rsplit('/').next());
            let name = gun.map_or_else(|| role.to_owned(), |gun| format!("{role} of {gun}"));
            let id = path.file_stem().unwrap().to_str().unwrap();
            self.keys.insert(id.to_owned(), name);
        }
    }

    /// The name of an ID: its key's role, or its number in the order of first appearance.
    fn name(&mut self, hex: &str) -> String {
        if let Some((_, role)) = self.keys.iter().find(|(id, _)| id.starts_with(hex)) {
            return format!("<{role}>");
        }
        let known = self
            .others
            .iter()
            .position(|known| known.starts_with(hex) || hex.starts_with(known.as_str()));
        let number = known.unwrap_or_else(|| {
            self.others.push(hex.to_owned());
            self.others.len() - 1
        });
        if self.others[number].len() < hex.len() {
            self.others[number] = hex.to_owned();
        }
        format!("<{number}>")
    }

    /// A screen that can be compared with another run's. `places` are texts of this run and what stands for them.
    pub(super) fn steady(&mut self, screen: &str, places: &[(String, &str)]) -> String {
        let mut text = screen.to_owned();
        for (place, name) in places {
            text = text.replace(place, name);
        }
        let mut lines = Vec::new();
        let stands = text.lines().map(without_sign_of_life);
        for line in stands.filter(|line| !is_progress(line)) {
            let line = without_times(&without_colors(line));
            lines.push(self.without_ids(&line));
        }
        lines.join("\n")
    }

    fn without_ids(&mut self, line: &str) -> String {
        let mut steady = String::new();
        let mut names = Vec::new();
        let mut rest = line;
        while !rest.is_empty() {
            let word = rest
                .find(|letter: char| !letter.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            let (head, after) = rest.split_at(word);
            let is_id = [7, 12, 64].contains(&head.len())
                && head
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            if is_id {
                names.push(self.name(head));
                steady.push('\0');
            } else {
                steady.push_str(head);
            }
            let next = after.chars().next();
            steady.extend(next);
            rest = next.map_or("", |letter| &after[letter.len_utf8()..]);
        }
        // Several IDs of a line stand in the order of their digits, which is another in every run.
        names.sort();
        names
            .into_iter()
            .fold(steady, |line, name| line.replacen('\0', &name, 1))
    }
}

/// What was written over the line that says what takes its time, which ours draw after a second and take away again.
fn without_sign_of_life(line: &str) -> &str {
    line.rsplit("\r\u{1b}[K").next().unwrap_or(line)
}

/// Lines about layers, which are drawn again and again while the daemon works.
fn is_progress(line: &str) -> bool {
    let drawn = ["A", "B", "K"].iter().any(|end| {
        line.split("\u{1b}[").skip(1).any(|code| {
            code.trim_start_matches(|letter: char| letter.is_ascii_digit())
                .starts_with(end)
        })
    });
    let layer = [
        ": Preparing",
        ": Waiting",
        ": Pushing",
        ": Pushed",
        ": Layer already exists",
        ": Mounted from",
    ];
    drawn || layer.iter().any(|state| line.contains(state))
}

/// Times of log lines.
fn without_times(line: &str) -> String {
    match line
        .strip_prefix("time=\"")
        .and_then(|rest| rest.split_once('"'))
    {
        Some((_, rest)) => format!("time=\"…\"{rest}"),
        None => line.to_owned(),
    }
}

fn without_colors(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

/// The same with every log line only once, where docker repeats one for every time that it asks the server, and notary for every step.
pub(super) fn once(screen: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in screen.split('\n') {
        let is_log = line.starts_with("time=") || line.starts_with("WARN[");
        let repeated = is_log && lines.last() == Some(&line);
        if !repeated {
            lines.push(line);
        }
    }
    lines.join("\n")
}

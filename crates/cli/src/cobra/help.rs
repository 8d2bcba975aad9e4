//! Help pages, laid out as docker's template and pflag's wrapping do.

use super::{Command, Flag, FlagKind};

/// The help page of a command, for a terminal of `width` columns.
#[must_use]
pub fn page(command: &Command, path: &str, width: usize) -> String {
    let mut page = String::new();
    if command.children.is_empty() {
        page.push_str(&super::parse::usage_line(command, path));
    } else {
        page.push_str(&format!("Usage:  {path} COMMAND"));
    }
    page.push_str(&format!("\n\n{}\n", command.short));

    if !command.examples.is_empty() {
        let program = path.strip_suffix(command.name).unwrap_or(path).trim_end();
        page.push_str("\nExamples:\n");
        for line in command.examples.lines() {
            let line = format!("  {}", line.replace("{}", program));
            page.push_str(line.trim_end());
            page.push('\n');
        }
    }

    let shown = || command.children.iter().filter(|child| !child.hidden);
    let groups: Vec<_> = shown().filter(|child| !child.children.is_empty()).collect();
    let leaves: Vec<_> = shown().filter(|child| child.children.is_empty()).collect();
    for (title, commands) in [("Management Commands", groups), ("Commands", leaves)] {
        if !commands.is_empty() {
            page.push_str(&format!("\n{title}:\n"));
            for child in commands {
                // cobra pads the names of all commands to eleven columns at least.
                page.push_str(&format!("  {:<11} {}\n", child.name, child.short));
            }
        }
    }
    if command.flags.iter().any(|flag| !flag.hidden) {
        page.push_str("\nOptions:\n");
        page.push_str(&flag_usages(command.flags, width.saturating_sub(1)));
    }
    if !command.children.is_empty() {
        page.push_str(&format!(
            "\nRun '{path} COMMAND --help' for more information on a command.\n"
        ));
    }
    page
}

/// pflag's `FlagUsagesWrapped`.
fn flag_usages(flags: &[Flag], columns: usize) -> String {
    let rows: Vec<_> = flags.iter().filter(|flag| !flag.hidden).map(row).collect();
    table(&rows, columns)
}

/// Two columns, the second wrapped.
pub(super) fn table(rows: &[(String, String)], columns: usize) -> String {
    let widest = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    let mut usages = String::new();
    for (left, right) in rows {
        usages.push_str(&format!(
            "{left:<widest$}   {}\n",
            wrap(widest + 3, columns, right)
        ));
    }
    usages
}

/// A flag and what it does.
pub(super) fn row(flag: &Flag) -> (String, String) {
    let mut left = match flag.shorthand {
        Some(letter) => format!("  -{letter}, --{}", flag.name),
        None => format!("      --{}", flag.name),
    };
    let mut right = flag.usage.to_owned();
    match flag.kind {
        FlagKind::Bool => {}
        FlagKind::Int { default } => {
            left.push_str(" int");
            if default != 0 {
                right.push_str(&format!(" (default {default})"));
            }
        }
        FlagKind::Ints => left.push_str(" ints"),
        FlagKind::List => left.push_str(" list"),
        FlagKind::Strings => left.push_str(" strings"),
        FlagKind::Text { default } => {
            left.push_str(" string");
            if !default.is_empty() {
                right.push_str(&format!(" (default {})", crate::texts::quote(default)));
            }
        }
    }
    (left, right)
}

/// pflag's `wrap`: breaks `text` for `columns` columns, later lines indented by `indent`.
fn wrap(indent: usize, columns: usize, text: &str) -> String {
    const LEAST: usize = 24;
    const SLOP: usize = 5;
    let mut wrapped = String::new();
    let mut indent = indent;
    let mut room = columns.saturating_sub(indent);
    if room < LEAST {
        indent = 16;
        room = columns.saturating_sub(indent);
        if room < LEAST {
            return text.to_owned();
        }
        wrapped.push_str(&format!("\n{:indent$}", ""));
    }
    let room = room - SLOP;
    let (line, mut rest) = wrap_line(room, SLOP, text);
    wrapped.push_str(line);
    while !rest.is_empty() {
        let (line, after) = wrap_line(room, SLOP, rest);
        wrapped.push_str(&format!("\n{:indent$}{line}", ""));
        rest = after;
    }
    wrapped
}

/// Cuts one line off: up to `room` bytes, or everything when it fits with `slop` more.
fn wrap_line(room: usize, slop: usize, text: &str) -> (&str, &str) {
    if room + slop > text.len() {
        return (text, "");
    }
    match text
        .get(..room)
        .and_then(|start| start.rfind([' ', '\t', '\n']))
    {
        None | Some(0) => (text, ""),
        Some(cut) => (
            text.get(..cut).unwrap_or(text),
            text.get(cut + 1..).unwrap_or(""),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What docker 28.2.2 printed on terminals of these widths.
    #[test]
    fn options_wrap_as_on_dockers_terminal() {
        let text = "Directory to generate key in, defaults to current directory";
        let flags = [Flag {
            name: "dir",
            shorthand: None,
            kind: FlagKind::Text { default: "" },
            usage: text,
            completes: crate::cobra::Completes::Folders,
            hidden: false,
        }];
        for (width, lines) in [
            (20, vec![text]),
            (40, vec![text]),
            (
                46,
                vec![
                    "Directory to",
                    "generate key in,",
                    "defaults to",
                    "current directory",
                ],
            ),
            (
                50,
                vec![
                    "Directory to generate",
                    "key in, defaults to",
                    "current directory",
                ],
            ),
            (
                60,
                vec![
                    "Directory to generate key in,",
                    "defaults to current directory",
                ],
            ),
            (
                70,
                vec![
                    "Directory to generate key in, defaults to",
                    "current directory",
                ],
            ),
            (
                81,
                vec![
                    "Directory to generate key in, defaults to current",
                    "directory",
                ],
            ),
            (120, vec![text]),
        ] {
            let expected = format!(
                "      --dir string   {}\n",
                lines.join("\n                     ")
            );
            assert_eq!(flag_usages(&flags, width - 1), expected, "{width} columns");
        }
        // Too little room beside the flag: the text begins below it.
        let flags = [Flag {
            name: "force",
            shorthand: Some('f'),
            kind: FlagKind::Bool,
            usage: "Do not prompt for confirmation before removing the most recent signer",
            ..flags[0]
        }];
        assert_eq!(
            flag_usages(&flags, 45),
            "  -f, --force   Do not prompt for\n                confirmation before\n                removing the most\n                recent signer\n"
        );
    }
}

//! `cargo xtask order`: which functions everyday commands run, written down for the linker to put them side by side (`crates/cli/often.ld`).
//!
//! `signet-bench order` has valgrind record the instructions that the released programs execute against Go's server; the linker's map says to which sections they belong.
//! Sections are written without the hashes in their names, so that the file holds for other versions of the dependencies and of the compiler. A
//! section that is no more is nothing to the linker, and a new one lies where it always lay: the file may be old, and is only less good.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use signet_testkit::file;
use signet_testkit::program::{NOTARY, NOTARY_SERVER, VALGRIND};

use crate::bench::BUILD;
use crate::{cargo, packages};

/// As the build script of the programs knows it.
const MAPS: &str = "SIGNET_LINK_MAPS";
const PROGRAMS: [&str; 2] = ["docker-trust", "notary"];

const HEADER: &str = "\
/* The functions of everyday commands, side by side in memory. Written by `cargo xtask order`, read by build.rs. */
SECTIONS
{
  .text.often :
  {
";
const FOOTER: &str = "  }
}
INSERT BEFORE .text;
";

/// Builds the programs for release, records them, and writes the file.
///
/// # Errors
/// When a peer or valgrind is missing and cannot be installed, or a command fails.
pub(crate) fn run() -> anyhow::Result<()> {
    packages::install(&[NOTARY, NOTARY_SERVER, VALGRIND])?;
    let release = cargo::target_directory()?.join("release");
    let folder = release.join("order");
    let records = folder.join("records");
    if records.exists() {
        fs::remove_dir_all(&records)?;
    }
    fs::create_dir_all(&records)?;
    cargo::run(cargo::cargo(&BUILD)?.env(MAPS, &folder))?;
    cargo::run(
        Command::new(release.join("signet-bench"))
            .arg("order")
            .arg(&records),
    )?;

    let mut wanted = Patterns::default();
    for program in PROGRAMS {
        let map = fs::read_to_string(folder.join(format!("{program}.map")))?;
        // valgrind takes code for the program's own by its section `.text` alone.
        ensure!(
            !map.contains(" .text.often"),
            "{program} is in the order of the file already"
        );
        let sections = sections(&map);
        ensure!(
            !sections.is_empty(),
            "the map of {program} has no sections: is the linker rustc's own?"
        );
        let executed = executed(&records, program)?;
        ensure!(!executed.is_empty(), "nothing of {program} was recorded");
        wanted.add(&sections, &executed);
    }
    let order = cargo::workspace()?.join("crates/cli/often.ld");
    file::write(&order, wanted.script()?)?;
    println!("{} patterns in {}", wanted.0.len(), order.display());
    Ok(())
}

/// The addresses of a program's instructions in all records.
fn executed(records: &Path, program: &str) -> anyhow::Result<BTreeSet<u64>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(records)? {
        all.extend(addresses(&fs::read_to_string(entry?.path())?, program));
    }
    Ok(all)
}

/// A section of code that the linker took.
#[derive(Debug, Eq, PartialEq)]
struct Section<'a> {
    start: u64,
    size: u64,
    /// The file, for a member of an archive with the archive's name before it.
    file: &'a str,
    name: &'a str,
}

/// The sections of code in a map as lld writes it, by address.
fn sections(map: &str) -> Vec<Section<'_>> {
    let mut all: Vec<_> = map.lines().filter_map(section).collect();
    all.sort_by_key(|section| section.start);
    all
}

fn section(line: &str) -> Option<Section<'_>> {
    let mut rest = line.trim();
    let mut numbers = ["", "", "", ""];
    for number in &mut numbers {
        let (word, after) = rest.split_once(' ')?;
        *number = word;
        rest = after.trim_start();
    }
    let (file, name) = rest.strip_suffix(')')?.rsplit_once(":(")?;
    let [start, _, size, _] = numbers;
    let size = u64::from_str_radix(size, 16).ok()?;
    (size > 0 && name.starts_with(".text")).then_some(Section {
        start: u64::from_str_radix(start, 16).ok()?,
        size,
        file,
        name,
    })
}

/// The addresses of a program's instructions in what callgrind wrote.
fn addresses(record: &str, program: &str) -> BTreeSet<u64> {
    let (mut found, mut ours) = (BTreeSet::new(), false);
    for line in record.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            ours = Path::new(object).ends_with(program);
        } else if let (true, Some(number)) = (ours, line.strip_prefix("0x")) {
            let word = number.split(' ').next().unwrap_or_default();
            found.extend(u64::from_str_radix(word, 16));
        }
    }
    found
}

/// Patterns of files and of sections in them, with the bytes of sections that run and of those that do not.
#[derive(Debug, Default)]
struct Patterns(BTreeMap<(String, String), [u64; 2]>);

impl Patterns {
    fn add(&mut self, sections: &[Section<'_>], executed: &BTreeSet<u64>) {
        let mut of_program: BTreeMap<(String, String), [u64; 2]> = BTreeMap::new();
        for section in sections {
            let Some(file) = file_pattern(section.file) else {
                continue;
            };
            let end = section.start + section.size;
            let runs = executed.range(section.start..end).next().is_some();
            let [hot, cold] = of_program
                .entry((file, name_pattern(section.name)))
                .or_default();
            *(if runs { hot } else { cold }) += section.size;
        }
        for (pattern, [hot, cold]) in of_program {
            if hot > 0 {
                let sums = self.0.entry(pattern).or_default();
                sums[0] += hot;
                sums[1] += cold;
            }
        }
    }

    /// The linker script. Patterns that bring much along that does not run are last.
    fn script(&self) -> anyhow::Result<String> {
        let mut script = HEADER.to_owned();
        for wasteful in [false, true] {
            let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for ((file, name), [hot, cold]) in &self.0 {
                if (*cold > hot + 1024) == wasteful {
                    files.entry(file).or_default().push(name);
                }
            }
            for (file, names) in files {
                writeln!(
                    script,
                    "    {file}(\n      {}\n    )",
                    names.join("\n      ")
                )?;
            }
        }
        script.push_str(FOOTER);
        Ok(script)
    }
}

/// A file without what differs from one build to the next. The linker's own sections have none.
fn file_pattern(file: &str) -> Option<String> {
    if let Some((archive, member)) = file.strip_suffix(')').and_then(|file| file.split_once('(')) {
        let (_, archive) = archive.rsplit_once('/')?;
        let (library, _) = archive.split_once('-')?;
        // Build scripts number their objects.
        let member = match member.split_once('-') {
            Some((number, name)) if is_hash(number) => format!("*-{name}"),
            _ => member.to_owned(),
        };
        return Some(format!("*{library}-*:{member}"));
    }
    let (_, object) = file.rsplit_once('/')?;
    // program-hash.crate-hash.…
    let crate_name = object
        .split('.')
        .nth(1)
        .and_then(|word| word.rsplit_once('-'))
        .and_then(|(name, hash)| is_hash(hash).then_some(name));
    match crate_name {
        Some(name) => Some(format!("*.{name}-*")),
        None => object.ends_with(".rcgu.o").then(|| "*.rcgu.o".to_owned()),
    }
}

fn is_hash(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A section's name without hashes, in either of the two ways in which rustc writes names.
fn name_pattern(name: &str) -> String {
    let base = name.split_once(".llvm.").map_or(name, |(base, _)| base);
    if let Some((path, hash)) = base
        .strip_suffix('E')
        .and_then(|path| path.rsplit_once("17h"))
        && is_hash(hash)
    {
        return format!("{path}17h*");
    }
    // `Cs`, a crate's number, and `_`.
    let mut pieces = base.split("Cs");
    let mut pattern = pieces.next().unwrap_or_default().to_owned();
    let is_new = base.contains("._R");
    for piece in pieces {
        pattern.push_str("Cs");
        match piece.split_once('_') {
            Some((number, rest))
                if is_new && number.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
            {
                pattern.push_str("*_");
                pattern.push_str(rest);
            }
            _ => pattern.push_str(piece),
        }
    }
    if base != name {
        pattern.push('*');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As lld writes it.
    const MAP: &str = "\
             VMA              LMA     Size Align Out     In      Symbol
          3573c0           3573c0       22     1                 _start
          3574b0           3574b0       4d    16         /t/deps/notary-1e14487d4647a176.3fchseznp7lmyys1oxrotq7e4.rcgu.o:(.text._RNvCsfLfy6EI15iL_7___rustc12___rust_alloc)
          357500           357500       9d    16         /t/deps/notary-1e14487d4647a176.tokio-1b69149ea65780cc.tokio.2dfbae69dfa2c9fd-cgu.0.rcgu.o.rcgu.o:(.text._ZN5tokio4park17he881e84c2d6a016fE)
          357500           357500       9d     1                 tokio::park
          3575a0           3575a0       10    16         /t/deps/notary-1e14487d4647a176.tokio-1b69149ea65780cc.tokio.2dfbae69dfa2c9fd-cgu.0.rcgu.o.rcgu.o:(.text._ZN5tokio4park17hc4f7a4eb8bc03e1aE.llvm.15431369587067822964)
          3575b0           3575b0       10    16         /t/deps/libaws_lc_sys-67332b99629e5b8e.rlib(8017ddc1302f104c-sha256-x86_64.o):(.text)
         10a7900          10a7900       10    16         /t/deps/notary-1e14487d4647a176.tokio-1b69149ea65780cc.tokio.2dfbae69dfa2c9fd-cgu.0.rcgu.o.rcgu.o:(.data.rel.ro)
";

    #[test]
    fn what_runs_is_named_without_hashes() {
        let sections = sections(MAP);
        assert_eq!(sections.len(), 4);
        let record = "ob=/usr/lib/libc.so.6\nfn=read\n0x3574b0 12 1\nob=/r/notary\nfn=a\n0x357501 0 3\n0x3575bf 0 1\n";
        let executed = addresses(record, "notary");
        assert_eq!(Vec::from_iter(&executed), [&0x35_7501, &0x35_75bf]);
        let mut patterns = Patterns::default();
        patterns.add(&sections, &executed);
        let script = patterns.script().unwrap();
        assert_eq!(
            script,
            format!(
                "{HEADER}    *.tokio-*(\n      .text._ZN5tokio4park17h*\n    )\n    *libaws_lc_sys-*:*-sha256-x86_64.o(\n      .text\n    )\n{FOOTER}"
            )
        );
    }

    #[test]
    fn hashes_are_left_out_of_names() {
        for (name, pattern) in [
            (
                ".text._RNvCsfLfy6EI15iL_7___rustc12___rust_alloc",
                ".text._RNvCs*_7___rustc12___rust_alloc",
            ),
            (
                ".text.unlikely._RNvMs4_NtCslNYArtu3iFV_5alloc7raw_vec.llvm.3643936799275306673",
                ".text.unlikely._RNvMs4_NtCs*_5alloc7raw_vec*",
            ),
            (".text.sqlite3Select", ".text.sqlite3Select"),
            (".text.yy_reduce.constprop.0", ".text.yy_reduce.constprop.0"),
        ] {
            assert_eq!(name_pattern(name), pattern);
        }
    }
}

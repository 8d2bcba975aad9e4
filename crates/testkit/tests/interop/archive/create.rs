//! Making archives, interrupting that, and finding what was changed in one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use signet_testkit::file;
use signet_testkit::fleet::Fleet;

use super::population::{Archived, check_verdict, run};

const SIZE: usize = 200;

/// The first criterion.
#[test]
fn an_interrupted_archive_of_a_population_is_the_same_and_right() {
    let population = Archived::new(Fleet::mixed(SIZE).unwrap());
    let whole = fs::read(population.created("whole.tar.gz", &[])).unwrap();

    // Killed half-way: when half of the repositories are there.
    let partial = population.user.path("resumed.tar.gz.partial");
    let mut child = population.create("resumed.tar.gz", &[]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while finished(&partial) < SIZE / 2 {
        assert!(Instant::now() < deadline, "{} finished", finished(&partial));
        assert!(child.try_wait().unwrap().is_none(), "too fast to be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = finished(&partial);
    assert!((SIZE / 2..SIZE).contains(&kept), "{kept}");
    assert!(!population.user.path("resumed.tar.gz").exists());
    let resumed = fs::read(population.created("resumed.tar.gz", &[])).unwrap();
    assert!(
        whole == resumed,
        "an uninterrupted archive has {} bytes, a resumed one {}",
        whole.len(),
        resumed.len()
    );
    assert!(!partial.exists());

    population.verified("resumed.tar.gz").success().unwrap();
    let unpacked = population.unpacked("whole.tar.gz");
    assert_eq!(unpacked.len(), SIZE);
    for member in population.fleet.members() {
        let (entry, record) = &unpacked[&member.gun];
        check_verdict(member, record);
        assert_eq!(entry["state"], record["verdict"]["state"]);
    }
    flipped_bits_are_found(&population, "whole.tar.gz", 24);
}

/// Sections that a later run need not fetch again.
fn finished(partial: &Path) -> usize {
    let names = fs::read_dir(partial.join("sections"));
    names.map_or(0, |names| {
        let names = names.filter_map(Result::ok);
        let names = names.filter(|name| !name.file_name().to_string_lossy().ends_with(".tmp"));
        names.count()
    })
}

/// In a small archive, whose parts all come under the knife.
#[test]
fn a_flipped_bit_anywhere_is_found_without_a_network() {
    let population = Archived::new(Fleet::small().unwrap());
    population.created("small.tar.gz", &["--history"]);
    population.verified("small.tar.gz").success().unwrap();
    flipped_bits_are_found(&population, "small.tar.gz", 150);
}

/// Flips one bit in as many places: around every gzip member's beginning and end, in the seal, and evenly over the file.
fn flipped_bits_are_found(population: &Archived, file: &str, places: usize) {
    let bytes = fs::read(population.user.path(file)).unwrap();
    let members: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window.starts_with(&[0x1f, 0x8b, 8]) && [0, 4].contains(&window[3]))
        .map(|(at, _)| at)
        .collect();
    assert!(members.len() > 4, "{members:?}");
    let mut at: BTreeSet<usize> = BTreeSet::new();
    // The header of the first member, and of one in the middle with what ends the one before it; the members at the end.
    let middle = members[members.len() / 2];
    let last = &members[members.len() - 2..];
    for begin in [0, middle, last[0], last[1]] {
        at.extend((begin.saturating_sub(8)..begin + 10).step_by(if places > 100 { 1 } else { 6 }));
    }
    at.extend([bytes.len() - 1, bytes.len() - 10, bytes.len() - 40]);
    let left = places.saturating_sub(at.len());
    at.extend((1..=left).map(|step| step * bytes.len() / (left + 1)));
    for (turn, place) in at.into_iter().enumerate() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (turn % 8);
        file::write(&population.user.path("flipped.tar.gz"), &changed).unwrap();
        let verified = population.verified("flipped.tar.gz");
        assert_eq!(
            verified.code,
            Some(1),
            "bit {} of byte {place} of {}: {verified}",
            turn % 8,
            bytes.len()
        );
        assert!(
            !(verified.stdout + &verified.stderr).contains("panicked"),
            "byte {place}"
        );
    }
    // The same for a file that ends early or goes on.
    for changed in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()] {
        file::write(&population.user.path("flipped.tar.gz"), changed).unwrap();
        assert_eq!(population.verified("flipped.tar.gz").code, Some(1));
    }
}

/// gzip and tar are content with an archive, too.
#[test]
fn gzip_and_tar_read_an_archive() {
    let population = Archived::new(Fleet::small().unwrap());
    population.created("small.tar.gz", &[]);
    for words in [["gzip", "-t"], ["tar", "-tzf"]] {
        let mut command = std::process::Command::new(words[0]);
        command.args([words[1], "small.tar.gz"]);
        population.user.dress(&mut command);
        let finished = run(&mut command);
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{finished}"
        );
    }
}

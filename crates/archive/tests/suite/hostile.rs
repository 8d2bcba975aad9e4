//! Archives that are damaged, or made to harm. The museum of `security.md` as far as it is about a file.

use std::time::{Duration, Instant};

use signet_archive::{Archive, ArchivedRepository, Sha256};

use crate::forge::{Forged, LEVEL, Piece, SEAL, gzip, members, refusal, seal, stream, verdict_on};
use crate::support::{demo, empty, folder, pack, rsa};

/// The bytes of an archive of `repositories`.
pub(crate) fn archive(repositories: &[ArchivedRepository]) -> Vec<u8> {
    let folder = folder();
    std::fs::read(pack(folder.path(), repositories)).unwrap()
}

pub(crate) fn forged() -> Forged {
    Forged::of(&archive(&[empty("docker.io/library/a"), rsa()]))
}

/// A small archive, with one document.
fn small() -> Vec<u8> {
    let mut repository = empty("a");
    crate::support::put(&mut repository, "root", "{}".into(), true);
    archive(&[repository])
}

#[test]
fn the_forge_makes_the_same_bytes() {
    let original = archive(&[demo(), empty("a"), rsa()]);
    assert_eq!(Forged::of(&original).build(), original);
    verdict_on(&original).unwrap();
}

#[test]
fn every_flipped_bit_is_found() {
    let original = small();
    verdict_on(&original).unwrap();
    let bits = original.len() * 8;
    let flip_from = &|first: usize| {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bit in (first..bits).step_by(4) {
            let mut bytes = original.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(file.path(), &bytes).unwrap();
            let found = Archive::open(file.path()).and_then(|archive| archive.check(&mut |_| ()));
            assert!(found.is_err(), "bit {bit} of {bits} is not found");
        }
    };
    std::thread::scope(|scope| {
        for first in 0..4 {
            scope.spawn(move || flip_from(first));
        }
    });
}

#[test]
fn flipped_bits_of_a_large_archive_are_found() {
    let original = archive(&[demo(), rsa()]);
    let mut bit = 0;
    while bit < original.len() * 8 {
        let mut bytes = original.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(verdict_on(&bytes).is_err(), "bit {bit}");
        // Any step that is prime to eight meets all bits of a byte.
        bit += 1013;
    }
}

#[test]
fn every_truncation_is_found() {
    let original = small();
    for length in 0..original.len() {
        let reason = refusal(&original[..length]);
        assert!(reason.contains("the seal"), "{length}: {reason}");
    }
}

#[test]
fn nothing_may_follow_or_go_before() {
    let original = small();
    for more in [&b"\0"[..], &gzip(b"", LEVEL), &original] {
        let behind = [&original, more].concat();
        let reason = refusal(&behind);
        assert!(reason.contains("the seal"), "{reason}");
        let before = [more, &original].concat();
        assert!(refusal(&before).contains("another length"));
    }
}

#[test]
fn seals_with_other_lengths_are_refused() {
    let original = small();
    let content = &original[..original.len() - SEAL];
    for head in [0, 1, content.len() as u64, u64::MAX, u64::MAX - 1, 1 << 63] {
        let mut bytes = content.to_vec();
        seal(&mut bytes, head);
        refusal(&bytes);
    }
    for length in [
        0,
        u64::MAX,
        content.len() as u64 - 1,
        content.len() as u64 + 74,
    ] {
        let mut bytes = original.clone();
        let at = bytes.len() - 26;
        bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
        assert!(refusal(&bytes).contains("another length"));
    }
}

#[test]
fn sizes_are_exact_also_where_their_sum_is() {
    let original = Forged::of(&archive(&[empty("a"), empty("b")]));
    let with = |change: &dyn Fn(&mut Forged)| {
        let mut forged = original.clone();
        forged.honest = false;
        change(&mut forged);
        let index = forged.entries.iter();
        let index: Vec<String> = index
            .map(|entry| serde_json::to_string(entry).unwrap() + "\n")
            .collect();
        forged.header.index = Sha256::of(index.concat().as_bytes());
        refusal(&forged.build())
    };
    for (more, less) in [(0, 1), (1, 0)] {
        let reason = with(&|forged| {
            forged.entries[more].size += 512;
            forged.entries[less].size -= 512;
        });
        assert!(reason.starts_with("a: "), "{reason}");
    }
    let reason = with(&|forged| forged.entries[0].size += 10240);
    assert!(reason.contains("smaller than the index says"), "{reason}");
    let reason = with(&|forged| forged.header.repositories = 3);
    assert!(
        reason.contains("not the one that the header names"),
        "{reason}"
    );
    // A whole record of the stream that the index does not count.
    let reason = with(&|forged| {
        let more = Piece::new("x", &[0; 10240 - 512]);
        forged.sections[0].push(more);
        let part = gzip(&stream(&forged.sections[0]), LEVEL);
        forged.entries[0].length = part.len() as u64;
    });
    assert!(reason.contains("more in it than is listed"), "{reason}");
}

#[test]
fn the_ending_is_empty_and_of_the_right_length() {
    let original = forged();
    let parts = original.parts();
    let content: usize = parts.iter().map(|part| members(part)[0].len()).sum();
    let zeros = (content + 1024).next_multiple_of(10240) - content;
    let with = |ending: Vec<u8>| {
        let mut forged = original.clone();
        forged.ending = Some(ending);
        forged.build()
    };
    verdict_on(&with(gzip(&vec![0; zeros], LEVEL))).unwrap();
    for length in [0, 512, 1024, zeros - 512, zeros + 512, zeros + 10240] {
        let reason = refusal(&with(gzip(&vec![0; length], LEVEL)));
        assert!(
            reason.contains("the ending") || reason.contains("begins here"),
            "{reason}"
        );
    }
    let mut hidden = vec![0; zeros];
    hidden[zeros - 1] = 1;
    assert!(refusal(&with(gzip(&hidden, LEVEL))).contains("hidden"));
    // One more file behind the end, which tar would not show.
    let more = [
        gzip(&vec![0; zeros], LEVEL),
        gzip(&stream(&[Piece::new("x", b"")]), LEVEL),
    ];
    assert!(refusal(&with(more.concat())).contains("something follows it"));
    refusal(&with(Vec::new()));
}

#[test]
fn a17_what_inflates_without_end_is_refused_at_once() {
    let begun = Instant::now();
    let zeros = vec![0_u8; 16 << 20];
    // A record, a document, the index and the end of the stream, each far larger than its compressed form.
    let mut bomb = forged();
    bomb.sections[0][0].set(&zeros[..]);
    assert!(refusal(&bomb.build()).contains("docker.io/library/a"));
    let mut bomb = forged();
    bomb.sections[0].push(Piece::new("x", &zeros));
    assert!(refusal(&bomb.build()).contains("compressed more"));
    let mut bomb = forged();
    bomb.index_text = Some(zeros.clone());
    assert!(refusal(&bomb.build()).contains("index.jsonl"));
    let mut bomb = forged();
    bomb.header_text = Some(zeros.clone());
    refusal(&bomb.build());
    let mut bomb = forged();
    bomb.ending = Some(gzip(&zeros, LEVEL));
    assert!(refusal(&bomb.build()).contains("the ending"));
    // Sizes that are only announced cost nothing.
    for size in [1 << 30, 1 << 40, u64::MAX] {
        let mut bomb = forged();
        bomb.honest = false;
        bomb.entries[0].size = size;
        let index: Vec<String> = bomb
            .entries
            .iter()
            .map(|entry| serde_json::to_string(entry).unwrap() + "\n")
            .collect();
        bomb.header.index = Sha256::of(index.concat().as_bytes());
        refusal(&bomb.build());
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_lying_verdict_is_found() {
    let original = forged();
    let record = original.sections[1][0].text();
    for (from, to) in [
        ("\"tags\":2", "\"tags\":3"),
        ("\"proven\":4", "\"proven\":5"),
        ("\"first\":1", "\"first\":2"),
        ("\"valid_until\":\"2026", "\"valid_until\":\"2036"),
        ("\"version\":2", "\"version\":1"),
    ] {
        assert!(record.contains(from), "{from}");
        let mut forged = original.clone();
        // The last of them: that of the verdict, or of one document.
        let at = record.rfind(from).unwrap();
        let changed = format!("{}{to}{}", &record[..at], &record[at + from.len()..]);
        forged.sections[1][0].set(changed);
        let reason = refusal(&forged.build());
        let found = ["verdict does not hold", "another version", "not in order"];
        assert!(found.iter().any(|text| reason.contains(text)), "{reason}");
    }
}

#[test]
fn a_lying_version_is_found() {
    // Nothing else depends on what the record says of the current timestamp's version.
    let mut forged = forged();
    let record = forged.sections[1][0].text();
    let (from, to) = (
        "\"role\":\"timestamp\",\"version\":5",
        "\"role\":\"timestamp\",\"version\":9",
    );
    assert!(record.contains(from));
    forged.sections[1][0].set(record.replacen(from, to, 1));
    let bytes = forged.build();
    assert!(refusal(&bytes).contains("another version"));
    // Whoever reads without checking the whole file finds it, too.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let open = Archive::open(file.path()).unwrap();
    let error = open.read(&open.entries()[1]).unwrap_err();
    assert!(error.to_string().contains("another version"), "{error}");
}

#[test]
fn a18_a_file_that_changes_while_it_is_open_is_noticed() {
    use std::os::unix::fs::FileExt;
    let bytes = archive(&[empty("a"), rsa()]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let open = Archive::open(file.path()).unwrap();
    let entry = &open.entries()[1];
    open.read(entry).unwrap();
    // The seal, one byte of the part, the end of the file.
    let at = bytes.len() as u64 - 40;
    file.as_file().write_all_at(b"xx", at).unwrap();
    assert!(open.check(&mut |_| ()).is_err());
    std::fs::write(file.path(), &bytes).unwrap();
    open.check(&mut |_| ()).unwrap();
    let middle = bytes.len() as u64 / 2;
    file.as_file().write_all_at(b"xxxx", middle).unwrap();
    assert!(open.read(entry).is_err());
    std::fs::write(file.path(), &bytes).unwrap();
    file.as_file().set_len(middle).unwrap();
    assert!(open.read(entry).is_err());
    // A line that is not of this archive gives nothing.
    std::fs::write(file.path(), &bytes).unwrap();
    let mut other = entry.clone();
    other.record = Sha256::of(b"");
    assert!(open.read(&other).is_err());
}

#[test]
fn what_is_no_archive_is_refused_with_a_reason() {
    for bytes in [&b""[..], b"x", &[0; 74], &[0; 10_000], &gzip(b"x", LEVEL)] {
        assert!(refusal(bytes).contains("no archive"));
    }
    let folder = folder();
    assert!(Archive::open(folder.path()).is_err());
    assert!(Archive::open(&folder.path().join("missing")).is_err());
    // A plain tar.gz of somebody else, sealed by somebody who knows how.
    let mut other = gzip(&stream(&[Piece::new("a", b"x")]), LEVEL);
    let head = other.len() as u64;
    seal(&mut other, head);
    assert!(refusal(&other).contains("archive.json is not where it belongs"));
}

#[test]
fn members_have_plain_headers() {
    let parts = forged().parts();
    let rebuild = |part: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut parts = parts.clone();
        let before = parts[part].len();
        change(&mut parts[part]);
        assert_eq!(parts[part].len(), before);
        let content: usize = parts.iter().map(|part| part.len()).sum();
        assert!(content > 0);
        let head = parts[0].len() as u64;
        let mut file = parts.concat();
        let original = forged().build();
        file.extend_from_slice(&original[file.len()..original.len() - SEAL]);
        seal(&mut file, head);
        file
    };
    for part in 0..3 {
        // Flags, a moment, a system; the ninth byte is free within gzip's values.
        for (at, value) in [
            (2, 0),
            (3, 1),
            (3, 2),
            (3, 8),
            (4, 1),
            (7, 1),
            (8, 1),
            (9, 3),
        ] {
            refusal(&rebuild(part, &|bytes| bytes[at] = value));
        }
        // The check sum and the size at the end.
        for back in 1..=8 {
            refusal(&rebuild(part, &|bytes| {
                let at = bytes.len() - back;
                bytes[at] ^= 1;
            }));
        }
    }
}

//! What is written differently from how an archive is written is refused, also where it would mean the same.

use signet_archive::Sha256;

use crate::forge::{Forged, Piece, members, refusal};
use crate::hostile::{archive, forged};
use crate::support::empty;

#[test]
fn only_plain_files_in_their_place_exist() {
    use tar::EntryType;
    type Change = Box<dyn Fn(&mut Piece)>;
    let kind =
        |kind: EntryType| -> Change { Box::new(move |piece| piece.header.set_entry_type(kind)) };
    let renamed = |name: &'static str| -> Change {
        Box::new(move |piece| {
            let ustar = piece.header.as_ustar_mut().unwrap();
            ustar.prefix.fill(0);
            ustar.name.fill(0);
            ustar.name[..name.len()].copy_from_slice(name.as_bytes());
        })
    };
    let changes: Vec<Change> = vec![
        kind(EntryType::Symlink),
        kind(EntryType::Link),
        kind(EntryType::Directory),
        kind(EntryType::Char),
        kind(EntryType::Fifo),
        kind(EntryType::GNUSparse),
        kind(EntryType::GNULongName),
        kind(EntryType::GNULongLink),
        kind(EntryType::XHeader),
        kind(EntryType::XGlobalHeader),
        kind(EntryType::Continuous),
        Box::new(|piece| piece.header.as_old_mut().linkflag = [0]),
        renamed("../../etc/passwd"),
        renamed("/etc/passwd"),
        renamed("guns"),
        renamed("record.json"),
        Box::new(|piece| piece.header.set_mode(0o4755)),
        Box::new(|piece| piece.header.set_uid(1)),
        Box::new(|piece| piece.header.set_gid(1)),
        Box::new(|piece| piece.header.set_mtime(1)),
        Box::new(|piece| piece.header.set_username("root").unwrap()),
        Box::new(|piece| piece.header.set_groupname("root").unwrap()),
        Box::new(|piece| piece.header.set_device_major(1).unwrap()),
        Box::new(|piece| piece.header.set_link_name("x").unwrap()),
        // The size in base 256, and with spaces.
        Box::new(|piece| {
            let size = piece.content.len() as u64;
            let field = &mut piece.header.as_old_mut().size;
            field.fill(0);
            field[0] = 0x80;
            field[4..].copy_from_slice(&size.to_be_bytes());
        }),
        Box::new(|piece| {
            let size = format!("{:>11o} ", piece.content.len());
            piece
                .header
                .as_old_mut()
                .size
                .copy_from_slice(size.as_bytes());
        }),
        Box::new(|piece| piece.header.as_ustar_mut().unwrap().pad[0] = 1),
        Box::new(|piece| piece.header.as_ustar_mut().unwrap().version = *b" \0"),
    ];
    let original = forged();
    for (number, change) in changes.iter().enumerate() {
        for at in 0..2 {
            let mut forged = original.clone();
            let piece = &mut forged.sections[1][at];
            change(piece);
            piece.header.set_cksum();
            let reason = refusal(&forged.build());
            assert!(
                reason.contains("where it belongs"),
                "{number}/{at}: {reason}"
            );
        }
    }
    // A size that is another than what follows.
    for size in [0, 1, 1 << 32, (1 << 33) - 1] {
        for at in 0..2 {
            let mut forged = original.clone();
            forged.sections[1][at].header.set_size(size);
            forged.sections[1][at].header.set_cksum();
            refusal(&forged.build());
        }
    }
    // A checksum that is not the header's.
    let mut forged = original.clone();
    forged.sections[1][0].header.as_old_mut().cksum[0] ^= 1;
    assert!(refusal(&forged.build()).contains("where it belongs"));
    // Padding that is not empty.
    let mut sections = original;
    sections.level = 0;
    let mut file = sections.build();
    let text = b"\"verdict\":";
    let at = file.windows(text.len()).position(|w| w == text).unwrap();
    let end = at + file[at..].iter().position(|byte| *byte == 0).unwrap();
    file[end] = b'x';
    refusal(&file);
}

#[test]
fn nothing_unlisted_and_nothing_twice() {
    let original = forged();
    let with = |change: &dyn Fn(&mut Vec<Piece>)| {
        let mut forged = original.clone();
        change(&mut forged.sections[1]);
        refusal(&forged.build())
    };
    // Twice, left out, in another order, one more.
    for change in [
        &(|section: &mut Vec<Piece>| section.insert(1, section[1].clone()))
            as &dyn Fn(&mut Vec<Piece>),
        &|section| section.push(section[1].clone()),
        &|section| section.insert(0, section[0].clone()),
        &|section| drop(section.remove(1)),
        &|section| drop(section.remove(0)),
        &|section| section.swap(1, 2),
        &|section| section.swap(0, 1),
        &|section| section.push(Piece::new("guns/x", b"")),
        &|section| section.clear(),
    ] {
        with(change);
    }
    // A document with other bytes, as long as the listed one or not.
    with(&|section| section[1].content[0] ^= 1);
    with(&|section| {
        let longer = [&section[1].content[..], b" "].concat();
        section[1].set(longer);
    });
}

#[test]
fn the_index_is_in_order_and_says_what_is_there() {
    let original = Forged::of(&archive(&[empty("a"), empty("b"), empty("c")]));
    let with = |change: &dyn Fn(&mut Forged)| {
        let mut forged = original.clone();
        change(&mut forged);
        refusal(&forged.build())
    };
    let swapped = with(&|forged| {
        forged.entries.swap(0, 1);
        forged.sections.swap(0, 1);
    });
    assert!(swapped.contains("not in order"), "{swapped}");
    let twice = with(&|forged| {
        forged.entries.insert(1, forged.entries[0].clone());
        forged.sections.insert(1, forged.sections[0].clone());
    });
    assert!(twice.contains("not in order"), "{twice}");
    // Another repository's part under a name, with every digest computed anew.
    let other = with(&|forged| forged.sections.swap(0, 1));
    assert!(other.contains("where it belongs"), "{other}");
    let renamed = with(&|forged| {
        let mut record = forged.sections[1][0].clone();
        record.header = forged.sections[0][0].header.clone();
        record.resize();
        forged.sections[0][0] = record;
    });
    assert!(renamed.contains("not what the index says"), "{renamed}");
    for name in [
        "",
        "../a",
        "a//b",
        "/a",
        "a/..",
        "A\u{1b}[2J",
        "a\\b",
        "a*",
        &"x".repeat(256),
    ] {
        let reason = with(&|forged| forged.entries[0].gun = name.to_owned());
        assert!(reason.contains("invalid repository name"), "{reason}");
        assert!(!reason.contains('\u{1b}'));
    }
    with(&|forged| drop(forged.sections.pop()));
    with(&|forged| drop(forged.entries.pop()));
    let count = with(&|forged| {
        let index = forged.entries.iter();
        let index: Vec<String> = index
            .map(|e| serde_json::to_string(e).unwrap() + "\n")
            .collect();
        forged.header.index = Sha256::of(index.concat().as_bytes());
        forged.honest = false;
        forged.header.repositories = 2;
    });
    assert!(
        count.contains("more repositories than announced"),
        "{count}"
    );
    let count = with(&|forged| {
        forged.honest = false;
        forged.header.repositories = u64::MAX;
    });
    assert!(count.contains("too many repositories"), "{count}");
    // What a line says of the record is true.
    with(&|forged| forged.entries[0].state = signet_archive::State::Trusted);
    with(&|forged| forged.entries[0].captured = crate::support::moment("2020-01-01T00:00:00Z"));
    with(&|forged| forged.header.sources.clear());
    for change in [
        &(|forged: &mut Forged| forged.entries[0].length = u64::MAX) as &dyn Fn(&mut Forged),
        &|forged| forged.entries[1].length = 0,
        &|forged| forged.entries[2].length -= 1,
        &|forged| forged.entries[0].size += 1,
        &|forged| forged.entries[0].size -= 512,
    ] {
        let mut forged = original.clone();
        forged.honest = false;
        change(&mut forged);
        let index = forged.entries.iter();
        let index: Vec<String> = index
            .map(|e| serde_json::to_string(e).unwrap() + "\n")
            .collect();
        forged.header.index = Sha256::of(index.concat().as_bytes());
        refusal(&forged.build());
    }
}

#[test]
fn a24_texts_have_one_form() {
    let original = forged();
    let record = original.sections[1][0].text();
    let digest = &record[record.find("\"sha256\":\"").unwrap() + 10..][..64];
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{{\"gun\":{deep},");
    for (from, to) in [
        ("{\"gun\":", " {\"gun\":"),
        ("{\"gun\":", "{\"gun\":\"x\",\"gun\":"),
        ("{\"gun\":", "{\"extra\":1,\"gun\":"),
        ("{\"gun\":", "{\"verdict\":null,\"gun\":"),
        ("{\"gun\":", &nested),
        ("\"role\":\"root\"", "\"role\":null"),
        ("\"role\":\"root\"", "\"role\":\"ROOT\""),
        ("\"role\":\"root\"", "\"role\":\"\\u0072oot\""),
        ("\"version\":1,", "\"version\":1.0,"),
        ("\"version\":1,", "\"version\":-1,"),
        ("\"version\":1,", "\"version\":99999999999999999999,"),
        ("\"version\":1,", "\"version\":1,\"published\":null,"),
        ("\"requests\":[]", "\"requests\":null"),
        ("\"requests\":[]", "\"changes\":[],\"requests\":[]"),
        (
            "\"requests\":[]",
            "\"requests\":[{\"path\":\"root\",\"at\":\"2026-11-22T19:44:21Z\",\"result\":\"absent\",\"status\":1}]",
        ),
        ("19:44:21Z", "19:44:21.0Z"),
        ("19:44:21Z", "19:44:21+00:00"),
        ("2026-11-22", "10000-11-22"),
        (digest, &digest.to_uppercase()),
        (digest, &digest[..62]),
        (digest, &format!("sha256:{digest}")),
        (digest, &format!("../{}", &digest[3..])),
    ] {
        assert!(record.contains(from), "{from}");
        let mut forged = original.clone();
        forged.sections[1][0].set(record.replacen(from, to, 1));
        let reason = refusal(&forged.build());
        assert!(
            reason.starts_with("registry.example.com/signet/rsa: "),
            "{reason}"
        );
        assert!(reason.len() < 1000);
    }
    let text = members(&original.build())[0][512..].to_vec();
    let text = String::from_utf8(text).unwrap();
    let header = text.split_once('\n').unwrap().0;
    for (from, to) in [
        ("{\"signatures\"", "{ \"signatures\""),
        ("{\"signatures\":[]", "{\"signatures\":[],\"signatures\":[]"),
        ("{\"signatures\":[]", "{\"signatures\":null"),
        ("\"format\":1", "\"format\":2"),
        ("\"format\":1", "\"format\":1,\"format\":1"),
        ("signet-archive", "Targets"),
        ("\"created\"", "\"extra\":0,\"created\""),
    ] {
        assert!(header.contains(from), "{from}");
        let mut forged = original.clone();
        forged.header_text = Some((header.replacen(from, to, 1) + "\n").into());
        let reason = refusal(&forged.build());
        assert!(reason.starts_with("archive.json: "), "{reason}");
    }
    let mut forged = original;
    forged.header_text = Some(header.into());
    assert!(refusal(&forged.build()).contains("does not end its line"));
}

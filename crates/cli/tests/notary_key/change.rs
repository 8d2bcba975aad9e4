//! `key remove` and `key passwd`, and what a terminal shows.

use std::fs;

use signet_testkit::terminal::Terminal;

use crate::home::{BOTH, DELEGATION, Home, Program, after_usage, same};

const UNKNOWN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Case 75, and the same of `passwd`.
#[test]
fn unknown_keys_are_refused_in_gos_words() {
    let home = Home::new();
    let said = same(&home, &["key", "remove", "abc"]);
    assert_eq!(said.out, "\n* fatal: invalid key ID provided: abc\n");
    for id in [UNKNOWN, &"z".repeat(64), &"../".repeat(22)[..64]] {
        let said = same(&home, &["key", "remove", id]);
        assert_eq!(
            said.out,
            format!("\n\n\n* fatal: No key with ID {id} found\n")
        );
        same(&home, &["key", "passwd", id]);
    }
    same(&home, &["key", "passwd", "abc"]);
    for (command, words) in [
        ("remove", "must specify the key ID of the key to remove"),
        (
            "passwd",
            "must specify the key ID of the key to change the passphrase of",
        ),
    ] {
        for program in BOTH {
            let said = home.run(program, &["key", command]);
            assert_eq!(
                (said.code, after_usage(&said)),
                (Some(1), &*format!("* fatal: {words}\n"))
            );
        }
    }
}

/// Case 76, and section 6.3: which words are a yes.
#[test]
fn a_key_is_removed_after_a_yes_only() {
    let home = Home::new();
    let id = home.generate(Program::Go, &["-r", "jeff"]);
    let file = home.key(&id);
    for (answer, is_yes) in [
        ("y", true),
        ("yes\n", true),
        ("  YeS  \n", true),
        ("n\n", false),
        ("", false),
        ("\n", false),
        ("yep\n", false),
        ("yes please\n", false),
    ] {
        let [go, ours] = BOTH.map(|program| {
            home.write(&format!(".notary/private/{id}.key"), &file);
            let said = home.answer(program, &["key", "remove", &id], answer);
            (said, home.keys().is_empty())
        });
        assert_eq!(ours, go, "{answer:?}");
        assert_eq!((ours.0.code, ours.1), (Some(0), is_yes), "{answer:?}");
        assert_eq!(ours.0.out.contains("\nAborting action.\n"), !is_yes);
    }
}

/// Case 59.
#[test]
fn a_new_passphrase_is_asked_for_as_go_asks() {
    for program in BOTH {
        let home = Home::without_passphrases();
        let mut terminal = Terminal::spawn(&home.command(program, &["key", "generate"])).unwrap();
        terminal
            .expect(
                "You are about to create a new root signing key passphrase. This passphrase\r\n",
            )
            .unwrap();
        terminal.expect("key. You can find the key in your config directory.\r\nEnter passphrase for new root key with ID ").unwrap();
        let id = terminal.expect(": ").unwrap();
        assert_eq!(id.len(), 7);
        terminal.enter_secret("short").unwrap();
        terminal.expect("\r\nPassphrase is too short. Please use a password manager to generate and store a good random passphrase.\r\n").unwrap();
        for second in ["long-passphrase-2", "long-passphrase-1"] {
            terminal
                .expect(&format!("Enter passphrase for new root key with ID {id}: "))
                .unwrap();
            terminal.enter_secret("long-passphrase-1").unwrap();
            terminal
                .expect(&format!(
                    "Repeat passphrase for new root key with ID {id}: "
                ))
                .unwrap();
            terminal.enter_secret(second).unwrap();
            if second.ends_with('2') {
                terminal
                    .expect("Passphrases do not match. Please retry.\r\n")
                    .unwrap();
            }
        }
        terminal
            .expect(&format!("Generated new ecdsa root key with keyID: {id}"))
            .unwrap();
        let (status, text) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(!text.contains("long-passphrase"), "{text}");
        assert_eq!(text.matches("You are about").count(), 1, "{text}");
    }
}

/// Types a passphrase change of ours: the present passphrase where no variable has it, then the new one twice.
fn change(home: &Home, id: &str, present: Option<&str>, new: &str) -> (Option<i32>, String) {
    let mut terminal =
        Terminal::spawn(&home.command(Program::Ours, &["key", "passwd", id])).unwrap();
    let short = &id[..7];
    if let Some(present) = present {
        terminal
            .expect(&format!("Enter passphrase for jeff key with ID {short}: "))
            .unwrap();
        terminal.enter_secret(present).unwrap();
    }
    for question in ["Enter", "Repeat"] {
        terminal
            .expect(&format!(
                "{question} passphrase for new jeff key with ID {short}: "
            ))
            .unwrap();
        terminal.enter_secret(new).unwrap();
    }
    let (status, text) = terminal.finish().unwrap();
    (status.code(), text)
}

/// Q28: the variable holds the present passphrase; the new one is typed. Other headers of the file stay.
#[test]
fn a_new_passphrase_is_typed_and_holds_for_both_programs() {
    let home = Home::new();
    let id = home.generate(Program::Go, &["-r", "jeff"]);
    let marked = home
        .key(&id)
        .replace("role: jeff", "note: mine\nrole: jeff");
    home.write(&format!(".notary/private/{id}.key"), &marked);
    let (code, text) = change(&home, &id, None, "another-passphrase");
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.ends_with(&format!(
            "\n\nSuccessfully updated passphrase for key ID: {id}\n"
        )),
        "{text}"
    );
    assert!(home.key(&id).contains("\nnote: mine\nrole: jeff\n\n"));
    assert_eq!(home.keys(), [format!("{id}.key")]);

    // Neither opens it with the old one, which case 61 wants without a question.
    let said = same(&home, &["key", "passwd", &id]);
    assert_eq!(
        said.out,
        format!("\n* fatal: could not retrieve local key for key ID provided: {id}\n")
    );
    let mut go = home.command(Program::Go, &["key", "passwd", &id]);
    go.env("NOTARY_DELEGATION_PASSPHRASE", "another-passphrase");
    assert!(go.output().unwrap().status.success());

    // And back, without variables.
    let other = Home::without_passphrases();
    other.write(&format!(".notary/private/{id}.key"), home.key(&id));
    let (code, text) = change(&other, &id, Some("another-passphrase"), DELEGATION);
    assert_eq!(code, Some(0), "{text}");
    home.write(&format!(".notary/private/{id}.key"), other.key(&id));
    home.good(Program::Go, &["key", "passwd", &id]);
}

/// Whatever stops a change, the key is as it was.
#[test]
fn a_change_that_does_not_come_about_leaves_the_key() {
    let home = Home::new();
    let id = home.generate(Program::Ours, &["-r", "jeff"]);
    let before = home.key(&id);
    let said = home.run(Program::Ours, &["key", "passwd", &id]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (
            Some(1),
            "\n* fatal: maximum number of passphrase attempts exceeded\n"
        )
    );
    let mut terminal =
        Terminal::spawn(&home.command(Program::Ours, &["key", "passwd", &id])).unwrap();
    terminal
        .expect("Enter passphrase for new jeff key with ID ")
        .unwrap();
    terminal.enter_secret("another-passphrase").unwrap();
    terminal
        .expect("Repeat passphrase for new jeff key with ID ")
        .unwrap();
    terminal.press("\u{3}").unwrap();
    assert_ne!(terminal.finish().unwrap().0.code(), Some(0));
    assert_eq!(home.key(&id), before);
    assert_eq!(home.keys(), [format!("{id}.key")]);
}

/// Case 60, where it concerns keys: four entries, three notices.
#[test]
fn a_wrong_passphrase_is_asked_for_four_times() {
    for program in BOTH {
        let home = Home::without_passphrases();
        let id = {
            let maker = Home::new();
            let id = maker.generate(Program::Go, &["-r", "jeff"]);
            home.write(&format!(".notary/private/{id}.key"), maker.key(&id));
            id
        };
        let mut terminal =
            Terminal::spawn(&home.command(program, &["key", "passwd", &id])).unwrap();
        for attempt in 0..4 {
            if attempt > 0 {
                terminal
                    .expect("Passphrase incorrect. Please retry.\r\n")
                    .unwrap();
            }
            terminal
                .expect(&format!(
                    "Enter passphrase for jeff key with ID {}: ",
                    &id[..7]
                ))
                .unwrap();
            terminal.enter_secret("not the passphrase").unwrap();
        }
        let (status, text) = terminal.finish().unwrap();
        assert_eq!(status.code(), Some(1));
        assert!(
            text.contains(&format!(
                "\n* fatal: could not retrieve local key for key ID provided: {id}\n"
            )),
            "{text}"
        );
    }
}

/// Case 81 and Q18: keys of old layouts, recorded; what cannot be read stays.
#[test]
fn old_layouts_are_migrated_and_nothing_is_lost() {
    let recorded =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../keys/tests/data/legacy");
    for layout in ["v01", "v03"] {
        let [go, ours] = BOTH.map(|program| {
            let home = Home::new();
            copy(
                &recorded.join(layout).join("private"),
                &home,
                ".notary/private",
            );
            let list = home.good(program, &["key", "list"]);
            assert!(!home.path(".notary/private/root_keys").exists());
            let files: Vec<String> = home
                .keys()
                .iter()
                .map(|file| home.read(&format!(".notary/private/{file}")))
                .collect();
            (
                list.replace(&home.path("").display().to_string(), ""),
                files,
            )
        });
        assert_eq!(ours, go, "{layout}");
        assert!(go.1.len() >= 3);
    }
    let home = Home::new();
    let lost = ".notary/private/root_keys/broken_root.key";
    home.write(lost, "broken");
    let said = home.run(Program::Ours, &["key", "list"]);
    assert_eq!((said.code, home.read(lost).as_str()), (Some(0), "broken"));
    assert!(said.err.contains("broken_root.key: "), "{}", said.err);
    home.run(Program::Go, &["key", "list"]);
    assert!(!home.path(lost).exists());
}

fn copy(from: &std::path::Path, home: &Home, to: &str) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{to}/{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            copy(&entry.path(), home, &name);
        } else {
            home.write(&name, fs::read(entry.path()).unwrap());
        }
    }
}

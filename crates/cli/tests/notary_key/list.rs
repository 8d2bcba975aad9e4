//! `key list`.

use std::fs;

use crate::home::{BOTH, Home, Program, after_usage, same};

const GUN: &str = "registry.example.com/a-long/name-of-a/repository";

/// Case 1.
#[test]
fn without_keys_it_says_so() {
    let home = Home::new();
    let said = same(&home, &["key", "list"]);
    assert_eq!(said.out, "\nNo signing keys found.\n\n");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let json = home.good(Program::Ours, &["key", "list", "--format", "json"]);
    assert_eq!(json, "");
}

/// Section 9: order, widths, cut names; keys of both programs.
#[test]
fn the_table_is_gos() {
    let home = Home::new();
    for words in [&[][..], &["-r", "jeff"], &["-r", "alice"], &["-r", ""]] {
        for program in BOTH {
            home.generate(program, words);
        }
    }
    for (gun, role) in [
        (GUN, "targets"),
        ("b.example/x", "snapshot"),
        (GUN, "snapshot"),
    ] {
        home.generate(Program::Ours, &["-r", role, "--gun", gun]);
    }
    let said = same(&home, &["key", "list"]);
    assert_eq!(said.out.lines().count(), 15, "{}", said.out);
    assert!(
        said.out.contains("    ...g/name-of-a/repository    "),
        "{}",
        said.out
    );

    // A folder whose name is cut, or has more bytes than letters.
    let long = "a folder with a long name and ünïcode";
    fs::rename(home.path(".notary"), home.path(long)).unwrap();
    same(&home, &["key", "list", "-d", long]);

    let json = home.good(
        Program::Ours,
        &["key", "list", "-d", long, "--format", "json"],
    );
    assert_eq!(json.lines().count(), 11);
    let last = json.lines().last().unwrap();
    assert!(last.starts_with("{\"role\":\"targets\",\"gun\":\"registry.example.com/a-long/name-of-a/repository\",\"id\":\""), "{last}");
    assert!(last.ends_with("/private\"}"), "{last}");
    let first = json.lines().next().unwrap();
    assert!(
        first.starts_with("{\"role\":\"root\",\"gun\":null,\"id\":\""),
        "{first}"
    );
}

#[test]
fn more_words_are_refused_without_any() {
    let home = Home::new();
    for program in BOTH {
        let said = home.run(program, &["key", "list", "x"]);
        assert_eq!((said.code, after_usage(&said)), (Some(1), "* fatal: \n"));
    }
    let said = home.run(Program::Ours, &["key", "list", "--format", "xml"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.starts_with("\n* fatal: "), "{}", said.out);
}

/// Case 92 (Q12): Go crashes.
#[test]
fn a_file_in_the_place_of_the_key_folder_is_a_clean_error() {
    let home = Home::new();
    home.write(".notary/private", "not a folder");
    assert_eq!(home.run(Program::Go, &["key", "list"]).code, Some(2));
    let trust_dir = home.path(".notary");
    for words in [&["key", "list"][..], &["key", "generate"]] {
        let said = home.run(Program::Ours, words);
        assert_eq!(
            (said.code, said.out, said.err.as_str()),
            (
                Some(1),
                format!(
                    "\n* fatal: Failed to create private key store in directory: {}\n",
                    trust_dir.display()
                ),
                ""
            )
        );
    }
    assert_eq!(home.read(".notary/private"), "not a folder");
}

/// Case 94.
#[test]
fn no_variable_moves_the_trust_folder() {
    let home = Home::new();
    let elsewhere = home.path("elsewhere");
    for program in BOTH {
        let mut command = home.command(program, &["key", "list"]);
        command.env("NOTARY_TRUST_DIR", &elsewhere);
        let output = command.output().unwrap();
        assert_eq!(output.stdout, b"\nNo signing keys found.\n\n");
        assert!(!elsewhere.exists());
    }
}

/// What a header of somebody's file says must not move the cursor.
#[test]
fn roles_reach_the_terminal_in_a_harmless_form() {
    let home = Home::new();
    let id = home.generate(Program::Ours, &["-r", "jeff"]);
    let file = home.key(&id).replace("role: jeff", "role: je\u{1b}[2Jff");
    home.write(&format!(".notary/private/{id}.key"), file);
    let out = home.good(Program::Ours, &["key", "list"]);
    assert!(out.contains(&id) && !out.contains('\u{1b}'), "{out:?}");
}

/// A word that is no command of the group: its page, and no error.
#[test]
fn case_3_the_group_shows_its_page() {
    let home = Home::new();
    for words in [&["key"][..], &["key", "bogus"], &["key", "--help"]] {
        for program in BOTH {
            let said = home.run(program, words);
            assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
            assert!(
                said.out
                    .contains("\nUsage:\n  notary key [command]\n\nAvailable Commands:\n"),
                "{}",
                said.out
            );
        }
    }
}

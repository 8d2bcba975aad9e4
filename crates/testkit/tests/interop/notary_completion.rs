//! Completion of what the trust folder knows, after Go's client has filled it.

use std::collections::BTreeSet;
use std::fs;

use signet_testkit::peer::TrustServer;
use signet_testkit::user::{Tool, User};

const GUN: &str = "example.com/app";

/// What is offered for the last word, and cobra's number of what the shell does besides.
fn offered(user: &User, words: &[&str]) -> (BTreeSet<String>, String) {
    let words = [&["__completeNoDesc"], words].concat();
    let answer = user.expect(Tool::OurNotary, &words).unwrap();
    let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
    let directive = lines.pop().unwrap();
    (lines.into_iter().collect(), directive)
}

fn set<T: AsRef<str>>(names: &[T]) -> BTreeSet<String> {
    names.iter().map(|name| name.as_ref().to_owned()).collect()
}

#[test]
fn roles_and_keys_are_offered() {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    owner.expect(Tool::Notary, &["init", GUN, "-p"]).unwrap();
    let mut ids = Vec::new();
    for name in ["jeff", "ben"] {
        owner.ec_key("prime256v1", &format!("{name}.key")).unwrap();
        let file = owner
            .certificate(name)
            .map(|_| format!("{name}.crt"))
            .unwrap();
        let role = format!("targets/{name}");
        let add = ["delegation", "add", GUN, &role, &file, "--all-paths", "-p"];
        let said = owner.expect(Tool::Notary, &add).unwrap();
        let (_, rest) = said.split_once("with keys [").unwrap();
        ids.push(rest.split_once(']').unwrap().0.to_owned());
    }
    owner.expect(Tool::Notary, &["list", GUN]).unwrap();
    let private = fs::read_dir(owner.trust_dir().join("private")).unwrap();
    let private: Vec<String> = private
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|name| name.trim_end_matches(".key").to_owned())
        .collect();
    assert_eq!(private.len(), 3);

    let nothing_else = ":4".to_owned();
    let is = |words: &[&str], names: BTreeSet<String>| {
        let found = offered(&owner, words);
        assert_eq!(found, (names, nothing_else.clone()), "{words:?}");
    };
    for words in [
        &["key", "remove", ""][..],
        &["key", "passwd", ""],
        &["key", "export", "--key", ""],
    ] {
        is(words, set(&private));
    }
    let (first, others) = private.split_first().unwrap();
    is(&["key", "remove", &first[..20]], set(&[first]));
    // Of a list the last one is completed.
    let begun = format!("{},{}", others[0], &first[..20]);
    let whole = format!("{},{first}", others[0]);
    is(&["key", "export", "--key", &begun], set(&[whole]));

    let roles = ["targets", "targets/ben", "targets/jeff"];
    is(&["witness", GUN, ""], set(&roles));
    is(&["witness", GUN, "targets", "targets/b"], set(&roles[1..2]));
    is(&["list", GUN, "-r", ""], set(&roles));
    is(&["list", GUN, "--roles=targets/j"], set(&roles[2..]));
    is(&["remove", GUN, "v1", "-r", "targets/"], set(&roles[1..]));
    is(&["delegation", "remove", GUN, ""], set(&roles[1..]));
    is(&["delegation", "add", GUN, "targets/b"], set(&roles[1..2]));
    is(&["delegation", "remove", GUN, roles[1], ""], set(&ids[1..]));
    is(&["delegation", "purge", GUN, "--key", ""], set(&ids));
    is(
        &["delegation", "purge", "example.com/none", "--key", ""],
        set(&[""; 0]),
    );
    is(&["key", "rotate", GUN, "t"], set(&["targets", "timestamp"]));
    // Certificates follow a delegation, which is a file's name for the shell.
    let files = (set(&[""; 0]), ":0".to_owned());
    assert_eq!(
        offered(&owner, &["delegation", "add", GUN, "targets/x", ""]),
        files
    );
    for words in [&["init", "--rootkey", ""][..], &["add", GUN, "v1", ""]] {
        assert_eq!(offered(&owner, words), files, "{words:?}");
    }

    // The folder that the line names.
    let stranger = User::new(&server.url(), &server.ca_pem()).unwrap();
    let none = (set(&[""; 0]), nothing_else.clone());
    assert_eq!(offered(&stranger, &["key", "remove", ""]), none);
    let folder = owner.trust_dir();
    let named = ["-d", folder.to_str().unwrap(), "key", "remove", ""];
    assert_eq!(offered(&stranger, &named).0, set(&private));
}

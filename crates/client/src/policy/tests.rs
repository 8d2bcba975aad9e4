//! Policy files: what is understood, what is refused, what two of them add up to.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use signet_archive::Source;
use signet_tuf::FirstUse;

use super::*;

fn write(path: &Path, text: impl AsRef<[u8]>) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_ref())
}

fn gun(text: &str) -> Gun {
    text.parse().unwrap()
}

fn parse(text: &str) -> Result<PolicyFile, String> {
    PolicyFile::parse(Path::new("p.json"), text.as_bytes()).map_err(|error| error.to_string())
}

fn rule(members: &str) -> Result<Rule, String> {
    let file = parse(&format!(r#"{{"version":1,"rules":{{"*":{members}}}}}"#))?;
    Ok(file.rule_for(&gun("r.example.com/x")).unwrap().1.clone())
}

const ID: &str = "52a48331a13b1d3a0fd2e2c7b9c5b2d4e7f60718293a4b5c6d7e8f9012345678";

#[test]
fn everything_that_can_be_demanded_is_understood() {
    let all = rule(&format!(
        r#"{{"server":"https://notary.example.com/sub","root_certificates":["{ID}"],"first_use":false,
             "signers":{{"all_of":["ci"],"at_least":2,"of":["alice","bob","carol"]}},"cached_data":false}}"#
    ))
    .unwrap();
    assert_eq!(
        all.server.unwrap().as_str(),
        "https://notary.example.com/sub"
    );
    assert_eq!(
        all.root,
        Some(RootPins::Certificates(vec![ID.parse().unwrap()]))
    );
    assert_eq!(all.first_use, Some(FirstUse::Deny));
    let signers = all.signers.unwrap();
    assert_eq!(signers.all_of, [SignerName::parse("ci").unwrap()]);
    assert_eq!(signers.any.unwrap().at_least, 2);
    assert_eq!(all.cached_data, Some(CachedData::Refuse));
    assert_eq!(rule("{}").unwrap(), Rule::default());
    assert_eq!(
        rule(r#"{"archives_from":["https://n.example.com","database","trust-folder"]}"#)
            .unwrap()
            .archives_from
            .unwrap(),
        [
            ArchiveSource::Server("https://n.example.com".parse().unwrap()),
            ArchiveSource::Database,
            ArchiveSource::TrustFolder,
        ]
    );
    assert_eq!(
        rule(r#"{"root_ca":"ca.pem"}"#).unwrap().root,
        Some(RootPins::Ca("ca.pem".into()))
    );
}

/// Each with the place and what is wrong there: a demand that is misspelt must not be passed over.
#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    for (text, said) in [
        ("", "p.json:1:0: EOF while parsing a value"),
        ("[1,{}]", "invalid type: sequence, expected an object"),
        ("{}", "missing field `version`"),
        (r#"{"version":1}"#, "missing field `rules`"),
        (r#"{"version":2,"rules":{}}"#, "version 2 is not known here"),
        (r#"{"version":"1","rules":{}}"#, "invalid type: string"),
        (
            "{\"version\":1,\n\"rulez\":{}}",
            "p.json:2:7: unknown field `rulez`",
        ),
        (
            r#"{"version":1,"version":1,"rules":{}}"#,
            "duplicate field `version`",
        ),
        (
            r#"{"version":1,"rules":{},"rules":{}}"#,
            "duplicate field `rules`",
        ),
        ("{\"version\":1, // why\n\"rules\":{}}", "p.json:1:15: "),
        (r#"{"version":1,"rules":{}} x"#, "trailing characters"),
        (r#"{"version":1,"rules":{},}"#, "trailing comma"),
        ("\u{feff}{\"version\":1,\"rules\":{}}", "p.json:1:1: "),
        (
            r#"{"version":1,"rules":[]}"#,
            "an object with a rule for each prefix",
        ),
        (r#"{"version":1,"rules":{"*":null}}"#, "invalid type: null"),
        (
            r#"{"version":1,"rules":{"alpine":{}}}"#,
            "prefix \"alpine\": the first part must be a registry",
        ),
        (
            r#"{"version":1,"rules":{"r.io/x:1":{}}}"#,
            "prefix \"r.io/x:1\"",
        ),
        (
            r#"{"version":1,"rules":{"r.io":{},"R.io:443":{}}}"#,
            "prefix \"R.io:443\": there is a rule for these repositories already",
        ),
        (
            r#"{"version":1,"rules":{"docker.io/a":{},"docker.io/library/a":{}}}"#,
            "there is a rule for these repositories already",
        ),
    ] {
        let told = parse(text).unwrap_err();
        assert!(
            told.starts_with("p.json:") && told.contains(said),
            "{text:?}: {told}"
        );
    }
    let error =
        parse("{\"version\":1,\"rules\":{\n\"r.io\":{\n\"first_use\":\"no\"}}}").unwrap_err();
    assert_eq!(
        error,
        "p.json:3:16: rule \"r.io\": invalid type: string \"no\", expected a boolean"
    );
}

#[test]
fn what_demands_nothing_or_two_things_is_refused() {
    for (members, said) in [
        (r#"{"signer":{}}"#, "unknown field `signer`"),
        (r#"{"first_use":null}"#, "invalid type: null"),
        (
            r#"{"first_use":false,"first_use":true}"#,
            "duplicate field `first_use`",
        ),
        (r#"{"server":"http://h"}"#, "server must be https"),
        (r#"{"server":"https://u:p@h"}"#, "server must be https"),
        (r#"{"server":"h"}"#, "server must be https"),
        (r#"{"server":null}"#, "invalid type: null"),
        (r#"{"archives_from":[]}"#, "between 1 and 64"),
        (r#"{"archives_from":["dump"]}"#, "archives are from"),
        (r#"{"archives_from":["https://u@h"]}"#, "archives are from"),
        (
            r#"{"archives_from":["database","database"]}"#,
            "listed twice",
        ),
        (r#"{"root_certificates":[]}"#, "between 1 and 64"),
        (
            r#"{"root_certificates":["52A4"]}"#,
            "64 lower-case hex digits",
        ),
        (r#"{"root_certificates":"x"}"#, "invalid type: string"),
        (r#"{"root_ca":""}"#, "root_ca must name a file"),
        (
            r#"{"signers":{}}"#,
            "signers must say all_of, or at_least and of",
        ),
        (r#"{"signers":{"all_of":[]}}"#, "between 1 and 64"),
        (r#"{"signers":{"all_of":["a","a"]}}"#, "listed twice"),
        (
            r#"{"signers":{"all_of":["releases"]}}"#,
            "not a signer's name",
        ),
        (r#"{"signers":{"at_least":1}}"#, "go together"),
        (r#"{"signers":{"of":["a"]}}"#, "go together"),
        (
            r#"{"signers":{"at_least":0,"of":["a"]}}"#,
            "between 1 and the 1 signers",
        ),
        (
            r#"{"signers":{"at_least":3,"of":["a","b"]}}"#,
            "between 1 and the 2 signers",
        ),
        (
            r#"{"signers":{"at_least":-1,"of":["a"]}}"#,
            "invalid value: integer",
        ),
        (
            r#"{"signers":{"at_least":1.5,"of":["a"]}}"#,
            "invalid type: floating",
        ),
        (r#"{"signers":["a"]}"#, "invalid type: sequence"),
        (r#"["https://h"]"#, "invalid type: sequence"),
    ] {
        let told = rule(members).unwrap_err();
        assert!(told.contains(said), "{members}: {told}");
    }
    let both = format!(r#"{{"root_certificates":["{ID}"],"root_ca":"x"}}"#);
    assert!(rule(&both).unwrap_err().contains("exclude each other"));
    let twice = format!(r#"{{"root_certificates":["{ID}","{ID}"]}}"#);
    assert!(rule(&twice).unwrap_err().contains("listed twice"));
    let open = format!(r#"{{"root_certificates":["{ID}"],"first_use":true}}"#);
    assert!(
        rule(&open)
            .unwrap_err()
            .contains("first_use cannot be true")
    );
}

#[test]
fn deep_and_large_files_are_refused() {
    let deep = format!(
        r#"{{"version":1,"rules":{{"*":{{"signers":{}"#,
        "[".repeat(100_000)
    );
    assert!(parse(&deep).is_err());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.json");
    let text = format!(r#"{{"version":1,"rules":{{}}}}{}"#, " ".repeat(1 << 20));
    write(&path, text).unwrap();
    let error = PolicyFile::load(&path).unwrap_err();
    assert!(matches!(error.fault, Fault::TooLarge), "{error}");
    let rules: Vec<String> = (0..4097).map(|i| format!(r#""r{i}.io":{{}}"#)).collect();
    let many = format!(r#"{{"version":1,"rules":{{{}}}}}"#, rules.join(","));
    assert!(parse(&many).unwrap_err().contains("more than 4096 rules"));
}

#[test]
fn the_longest_prefix_decides_alone() {
    let file = parse(
        r#"{"version":1,"rules":{
            "*":{"first_use":false,"cached_data":false},
            "r.io":{"signers":{"all_of":["a"]}},
            "r.io/admin":{"server":"https://s"}}}"#,
    )
    .unwrap();
    let scope = |name: &str| file.rule_for(&gun(name)).unwrap().0.to_string();
    assert_eq!(scope("x.io/a"), "*");
    assert_eq!(scope("r.io/a"), "r.io");
    assert_eq!(scope("r.io/administrator"), "r.io");
    assert_eq!(scope("R.io/admin/b"), "r.io/admin");
    let (_, rule) = file.rule_for(&gun("r.io/admin")).unwrap();
    assert_eq!((rule.first_use, rule.signers.as_ref()), (None, None));
    let none = parse(r#"{"version":1,"rules":{"r.io":{}}}"#).unwrap();
    assert!(none.rule_for(&gun("x.io/a")).is_none());
}

#[test]
fn only_a_file_that_its_owner_alone_can_change_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.json");
    assert!(PolicyFile::load(&path).unwrap().is_none());
    assert!(
        Policy::load(Some(&path), Some(&UserPolicy::Usual(path.clone())))
            .unwrap()
            .files()
            .is_empty()
    );
    let error = Policy::load(None, Some(&UserPolicy::Named(path.clone()))).unwrap_err();
    assert!(
        error.to_string().ends_with("p.json: there is no such file"),
        "{error}"
    );

    write(&path, r#"{"version":1,"rules":{}}"#).unwrap();
    for (mode, ok) in [(0o644, true), (0o600, true), (0o664, false), (0o602, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = PolicyFile::load(&path);
        assert_eq!(loaded.is_ok(), ok, "{mode:o}");
        if let Err(error) = loaded {
            assert!(
                error.to_string().contains("others than its owner"),
                "{error}"
            );
        }
    }
    let dangling = folder.path().join("link");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    assert!(
        PolicyFile::load(&dangling).is_err(),
        "a link to nowhere is no absence"
    );
    let error = PolicyFile::load(folder.path()).unwrap_err();
    assert!(matches!(error.fault, Fault::NotAFile), "{error}");
}

fn two(machine: &str, user: &str) -> Result<Demands, Conflict> {
    let file = |name: &str, members: &str| {
        let text = format!(r#"{{"version":1,"rules":{{"*":{members}}}}}"#);
        PolicyFile::parse(Path::new(name), text.as_bytes()).unwrap()
    };
    let policy = Policy {
        files: vec![file("machine.json", machine), file("user.json", user)],
    };
    policy.demands(&gun("r.io/x"))
}

#[test]
fn the_users_policy_adds_to_the_machines_and_takes_nothing_away() {
    let name = gun("r.io/x");
    let demands = two(
        r#"{"first_use":false,"cached_data":false,"signers":{"all_of":["a"]}}"#,
        r#"{"first_use":true,"cached_data":true,"signers":{"all_of":["b"]}}"#,
    )
    .unwrap();
    assert_eq!(
        demands.first_use_denied(&name).unwrap().file,
        Path::new("machine.json")
    );
    assert_eq!(demands.fresh.unwrap().file, Path::new("machine.json"));
    assert_eq!(demands.signers.len(), 2);

    // A pin is an answer to a refused first use, and every pin must hold.
    let pin = format!(r#"{{"root_certificates":["{ID}"]}}"#);
    let demands = two(r#"{"first_use":false}"#, &pin).unwrap();
    assert!(demands.first_use_denied(&name).is_none() && demands.pins_root(&name));
    assert_eq!(demands.pinnings(&name).len(), 1);
    assert_eq!(two(&pin, &pin).unwrap().pinnings(&name).len(), 2);
    // Not even a longer name of the same beginning is pinned by it.
    assert!(
        !demands
            .pinnings(&name)
            .first()
            .unwrap()
            .pins(&gun("r.io/xy"))
    );

    let same = r#"{"server":"https://s"}"#;
    assert_eq!(
        two(same, same).unwrap().server.unwrap().value.as_str(),
        "https://s/"
    );
    let error = two(same, r#"{"server":"https://t"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the policies disagree about the trust server of r.io/x: machine.json says https://s/, user.json says https://t/"
    );
}

#[test]
fn an_archive_is_from_a_source_that_each_policy_takes() {
    let server = |address: &str| Source::Server {
        address: address.to_owned(),
    };
    let database = Source::Database {
        engine: "mysql".to_owned(),
    };
    let takes = |machine: &str, user: &str, source: &Source| {
        two(machine, user).unwrap().archive_denied(source).is_none()
    };
    let (s, from) = (
        r#"{"server":"https://s"}"#,
        r#"{"archives_from":["https://t/x","database"]}"#,
    );
    let both = r#"{"server":"https://s","archives_from":["https://t/x","database"]}"#;
    for (machine, user, taken) in [
        (
            "{}",
            "{}",
            &["https://s", "https://t/x", "no address", "db", "folder"][..],
        ),
        (s, "{}", &["https://s"]),
        ("{}", from, &["https://t/x", "db"]),
        (both, "{}", &["https://s", "https://t/x", "db"]),
        (both, s, &["https://s"]),
        (s, from, &[]),
    ] {
        let sources = [
            ("https://s", server("https://s")),
            ("https://s", server("https://s:443/")),
            ("http", server("http://s")),
            ("port", server("https://s:4443")),
            ("path", server("https://s/x")),
            ("prefix", server("https://s.example.com")),
            ("https://t/x", server("https://t/x/")),
            ("no address", server("s")),
            ("opaque", server("data:s")),
            ("db", database.clone()),
            ("folder", Source::TrustFolder),
        ];
        for (name, source) in &sources {
            let expected = taken.contains(name) || machine == user;
            assert_eq!(
                takes(machine, user, source),
                expected,
                "{machine} {user} {source:?}"
            );
        }
    }
    let denied = two(s, from).unwrap();
    let denied = denied.archive_denied(&database).unwrap();
    assert_eq!(denied.file, Path::new("machine.json"));
}

#[test]
fn a_bundle_is_looked_for_beside_the_file_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.json");
    write(
        &path,
        r#"{"version":1,"rules":{"r.io":{"root_ca":"ca.pem"}}}"#,
    )
    .unwrap();
    let policy = Policy::load(None, Some(&UserPolicy::Named(path))).unwrap();
    let error = policy.demands(&gun("r.io/x")).unwrap_err();
    assert!(matches!(error, Conflict::Ca { .. }), "{error}");
    // Whoever needs it not is not kept from working.
    assert!(policy.demands(&gun("other.io/x")).unwrap().root.is_empty());
    write(&folder.path().join("ca.pem"), "pem").unwrap();
    let pinnings = policy
        .demands(&gun("r.io/x"))
        .unwrap()
        .pinnings(&gun("r.io/x"));
    let pinning = pinnings.first().unwrap();
    assert_eq!(pinning.ca["r.io/x"].as_deref(), Some(b"pem".as_slice()));
}

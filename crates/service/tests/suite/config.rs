//! Configuration files and their environment overlay. What is expected was seen with notary-server 0.7.0, unless a test says
//! that it is an improvement (specification, `server.md` section 1.2).

use std::path::Path;

use signet_service::config::{Configuration, Environment, MAX_FILE_BYTES};
use signet_service::files::write_private;

fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    write_private(&path, text.as_bytes()).unwrap();
    path
}

fn load(path: &Path, variables: &[(&str, &str)]) -> Configuration {
    Configuration::load(path, "NOTARY_SERVER", variables.iter().copied().collect()).unwrap()
}

fn fault(path: &Path) -> String {
    Configuration::load(path, "NOTARY_SERVER", Environment::default())
        .unwrap_err()
        .to_string()
}

fn json(text: &str, variables: &[(&str, &str)]) -> Configuration {
    let folder = tempfile::tempdir().unwrap();
    load(&write(folder.path(), "c.json", text), variables)
}

const JSON: &str = r#"{"Server":{"HTTP_Addr":":4443"},"trust_service":{"port":7899},"repositories":{"gun_prefixes":["a/","b/"]}}"#;
const TOML: &str = "[Server]\nHTTP_Addr = ':4443'\n[trust_service]\nport = 7899\n[repositories]\ngun_prefixes = ['a/', 'b/']\n";
const YAML: &str = "Server:\n  HTTP_Addr: ':4443'\ntrust_service:\n  port: 7899\nrepositories:\n  gun_prefixes: [a/, b/]\n";

#[test]
fn the_extension_decides_the_format_and_case_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("c.json", JSON),
        ("d.toml", TOML),
        ("e.yaml", YAML),
        ("f.yml", YAML),
        ("g.JSON", JSON),
    ] {
        let configuration = load(&write(folder.path(), name, text), &[]);
        assert_eq!(configuration.text("server.http_addr"), ":4443", "{name}");
        assert_eq!(configuration.text("trust_service.port"), "7899", "{name}");
        assert_eq!(
            configuration.list("repositories.gun_prefixes"),
            ["a/", "b/"],
            "{name}"
        );
        assert!(configuration.is_section("server"), "{name}");
    }
}

// An improvement: the Go server would read t.json as YAML here.
#[test]
fn exactly_the_named_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "t.json", r#"{"logging":{"level":"json"}}"#);
    let yaml = write(folder.path(), "t.yml", "logging: {level: yaml}");
    assert_eq!(load(&yaml, &[]).text("logging.level"), "yaml");
    assert_eq!(
        load(&folder.path().join("t"), &[]).text("logging.level"),
        "json"
    );
}

#[test]
fn texts_and_numbers_stand_for_one_another() {
    let configuration = json(
        r#"{"a":{"number":600,"float":600.0,"half":3.5,"text":"600","yes":true,"none":null,"list":[1,"b"]}}"#,
        &[],
    );
    for (key, text) in [
        ("number", "600"),
        ("float", "600"),
        ("half", "3.5"),
        ("text", "600"),
        ("yes", "true"),
        ("none", ""),
        ("list", ""),
        ("missing", ""),
    ] {
        assert_eq!(configuration.text(&format!("a.{key}")), text, "{key}");
    }
    assert_eq!(configuration.number("a.text").unwrap(), Some(600));
    assert_eq!(configuration.number("a.missing").unwrap(), None);
    assert_eq!(
        configuration.number("a.half").unwrap_err().to_string(),
        "a.half must be a whole number, and is \"3.5\""
    );
    assert_eq!(configuration.list("a.list"), ["1", "b"]);
}

#[test]
fn variables_are_above_the_file_and_empty_ones_are_not_there() {
    let variables = [
        ("NOTARY_SERVER_STORAGE_DB_URL", "variable"),
        ("NOTARY_SERVER_SERVER_HTTP_ADDR", ""),
        (
            "NOTARY_SERVER_REPOSITORIES_GUN_PREFIXES",
            "docker.io/ quay.io/",
        ),
        ("NOTARY_SERVER_LOGGING_LEVEL", "debug"),
        ("UNRELATED", "x"),
    ];
    let configuration = json(
        r#"{"storage":{"db_url":"file"},"server":{"http_addr":":1"}}"#,
        &variables,
    );
    assert_eq!(configuration.text("storage.db_url"), "variable");
    assert_eq!(configuration.text("server.http_addr"), ":1");
    assert_eq!(
        configuration.text("logging.level"),
        "debug",
        "the key need not be in the file"
    );
    assert_eq!(
        configuration.list("repositories.gun_prefixes"),
        ["docker.io/", "quay.io/"]
    );
}

// An improvement where the variable is an object; otherwise it hides the section, as in Go.
#[test]
fn what_hides_a_section_or_speaks_of_it_is_found() {
    let file = r#"{"Auth":{"Token":{"realm":"r"}},"auth.type":"x","server":{}}"#;
    let variables = [
        ("NOTARY_SERVER_AUTH", "token"),
        ("NOTARY_SERVER_AUTH_TYPE", "token"),
        ("NOTARY_SERVER_AUTHOR", "x"),
        ("NOTARY_SERVER_SERVER", r#"{"http_addr":":1"}"#),
        ("NOTARY_SERVER_STORAGE", "[]"),
    ];
    let configuration = json(file, &variables);
    assert_eq!(
        configuration.said_about("auth"),
        [
            "auth.token.realm",
            "auth.type",
            "NOTARY_SERVER_AUTH",
            "NOTARY_SERVER_AUTH_TYPE"
        ]
    );
    assert_eq!(json(file, &[]).said_about("server"), ["server"]);
    assert!(json(file, &[]).said_about("storage").is_empty());
    let known = [
        "auth.options.realm",
        "auth.type",
        "server.http_addr",
        "storage.backend",
    ];
    assert_eq!(
        configuration.broken_sections(&known),
        ["NOTARY_SERVER_AUTH", "NOTARY_SERVER_STORAGE"]
    );
}

#[test]
fn a_variable_for_a_section_stands_in_its_place() {
    let file = r#"{"storage":{"backend":"mysql","db_url":"file"}}"#;
    let object = json(
        file,
        &[("NOTARY_SERVER_STORAGE", r#"{"Backend":"memory"}"#)],
    );
    assert_eq!(
        (
            object.text("storage.backend").as_str(),
            object.text("storage.db_url").as_str()
        ),
        ("memory", "")
    );
    let junk = json(file, &[("NOTARY_SERVER_STORAGE", "junk")]);
    assert_eq!(junk.text("storage.backend"), "");
    let both = json(
        file,
        &[
            ("NOTARY_SERVER_STORAGE", "junk"),
            ("NOTARY_SERVER_STORAGE_BACKEND", "sqlite3"),
        ],
    );
    assert_eq!(both.text("storage.backend"), "sqlite3");
}

#[test]
fn files_are_relative_to_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"a":"./x.pem","b":"../y.pem","c":"/z.pem","d":""}"#;
    let configuration = load(&write(folder.path(), "c.json", text), &[]);
    assert_eq!(configuration.path("a"), Some(folder.path().join("x.pem")));
    assert_eq!(
        configuration.path("b"),
        Some(folder.path().parent().unwrap().join("y.pem"))
    );
    assert_eq!(configuration.path("c"), Some("/z.pem".into()));
    assert_eq!(configuration.path("d"), None);
}

#[test]
fn keys_that_mean_nothing_are_found() {
    let configuration = json(
        r#"{"server":{"http_addr":"","extra":1},"escrow":{"backend":"memory"},"auth":{"options":{"x":{"y":1}}},"logging":"x"}"#,
        &[],
    );
    let known = ["server.http_addr", "auth.options.*", "logging.level"];
    assert_eq!(
        configuration.unknown_keys(&known),
        ["escrow", "logging", "server.extra"]
    );
}

#[test]
fn faults_are_named_as_in_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nope.json");
    let shown = folder.path().display();
    assert_eq!(
        fault(&path),
        format!(
            "Could not read config at :{shown}/nope.json, viper error: Config File \"nope\" Not Found in \"[{shown}]\""
        )
    );
    assert_eq!(
        fault(folder.path().join("dir.json/none.json").as_path())
            .split(", viper")
            .next(),
        Some(format!("Could not read config at :{shown}/dir.json/none.json").as_str())
    );
    for (name, text) in [
        ("a.json", "{"),
        ("b.json", "[]"),
        ("c.json", ""),
        ("d.toml", "server = \n"),
        ("e.yaml", "server:\n  http_addr: [\n"),
        ("f.yaml", "- a"),
    ] {
        let message = fault(&write(folder.path(), name, text));
        assert!(
            message.contains(", viper error: While parsing config: "),
            "{message}"
        );
        assert!(!message.contains('\n'), "one line: {message:?}");
    }
    let message = fault(&write(folder.path(), "c.ini", "x"));
    assert!(
        message.ends_with("viper error: Unsupported Config Type \"ini\""),
        "{message}"
    );
}

#[test]
fn a17_a_huge_or_deep_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let huge = " ".repeat(usize::try_from(MAX_FILE_BYTES).unwrap() + 1);
    assert!(fault(&write(folder.path(), "huge.json", &huge)).contains("larger than"));
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(50_000), close.repeat(50_000));
    fault(&write(folder.path(), "deep.json", &deep("{\"a\":", "}")));
    fault(&write(folder.path(), "deep.yaml", &deep("[", "]")));
    fault(&write(
        folder.path(),
        "deep.toml",
        &format!("a = {}", deep("[", "]")),
    ));
    // Aliases that multiply.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            [alias.as_str(); 10].join(", ")
        ));
    }
    fault(&write(folder.path(), "bomb.yaml", &bomb));
}

#[test]
fn a07_faults_quote_nothing_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.json", r#"{"storage":{"password":"hush"#),
        ("b.toml", "[storage]\npassword = 'hush\n"),
        ("c.yaml", "storage:\n  password: 'hush\n"),
        ("d.yaml", "storage: [password: hush\n"),
    ] {
        let message = fault(&write(folder.path(), name, text));
        assert!(!message.contains("hush"), "{message}");
    }
}

#[test]
fn no_values_are_shown_in_debug_output() {
    let configuration = json(
        r#"{"storage":{"db_url":"server:hush@tcp(db)/x"}}"#,
        &[("NOTARY_SERVER_STORAGE_PASSWORD", "hush")],
    );
    assert!(!format!("{configuration:?} {:?}", configuration.environment()).contains("hush"));
}

#[test]
fn texts_and_booleans_can_be_asked_for_exactly() {
    let file = r#"{"a":{"text":"x","number":5,"yes":true,"quoted":"true","null":null}}"#;
    let variables = [
        ("NOTARY_SERVER_A_SET", "false"),
        ("NOTARY_SERVER_A_ODD", "yes"),
    ];
    let configuration = json(file, &variables);
    let text = |name: &str| configuration.string(&format!("a.{name}"));
    assert_eq!(text("text").as_deref(), Some("x"));
    assert_eq!(text("set").as_deref(), Some("false"));
    for none in ["number", "yes", "null", "missing"] {
        assert_eq!(text(none), None, "{none}");
    }
    let boolean = |name: &str| configuration.boolean(&format!("a.{name}")).ok();
    assert_eq!(boolean("yes"), Some(Some(true)));
    assert_eq!(boolean("set"), Some(Some(false)));
    assert_eq!(boolean("missing"), Some(None));
    for fault in ["text", "number", "quoted", "null", "odd"] {
        assert_eq!(boolean(fault), None, "{fault}");
    }
}

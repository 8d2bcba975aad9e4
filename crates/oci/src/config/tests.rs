//! Expected texts were read off docker 28.2.2 (`docker --config DIR trust inspect x`).

use secrecy::ExposeSecret as _;

use super::*;

fn load(text: &str) -> (DockerConfig, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    std::io::Write::write_all(
        &mut File::create(dir.path().join(FILE_NAME)).unwrap(),
        text.as_bytes(),
    )
    .unwrap();
    let (config, warning) = DockerConfig::load(dir.path());
    let prefix = format!(
        "Error parsing config file ({}/config.json): ",
        dir.path().display()
    );
    let warning = warning.map(|w| w.to_string().strip_prefix(&prefix).unwrap().to_owned());
    (config, warning)
}

#[test]
fn warns_in_dockers_words_and_goes_on_empty() {
    let cannot = "json: cannot unmarshal";
    for (text, expected) in [
        ("{", "unexpected EOF".to_owned()),
        (
            "{bad",
            "invalid character 'b' looking for beginning of object key string".to_owned(),
        ),
        (
            "[]",
            format!("{cannot} array into Go value of type configfile.ConfigFile"),
        ),
        (
            r#""x""#,
            format!("{cannot} string into Go value of type configfile.ConfigFile"),
        ),
        (
            "12",
            format!("{cannot} number into Go value of type configfile.ConfigFile"),
        ),
        (
            "true",
            format!("{cannot} bool into Go value of type configfile.ConfigFile"),
        ),
        (
            r#"{"auths":[]}"#,
            format!(
                "{cannot} array into Go struct field ConfigFile.auths of type map[string]types.AuthConfig"
            ),
        ),
        (
            r#"{"auths":{"h":"x"}}"#,
            format!(
                "{cannot} string into Go struct field ConfigFile.auths of type types.AuthConfig"
            ),
        ),
        (
            r#"{"auths":{"h":{"auth":1}}}"#,
            format!("{cannot} number into Go struct field AuthConfig.auths.auth of type string"),
        ),
        (
            r#"{"auths":{"h":{"username":1}}}"#,
            format!(
                "{cannot} number into Go struct field AuthConfig.auths.username of type string"
            ),
        ),
        (
            r#"{"auths":{"h":{"identitytoken":{}}}}"#,
            format!(
                "{cannot} object into Go struct field AuthConfig.auths.identitytoken of type string"
            ),
        ),
        (
            r#"{"credsStore":1}"#,
            format!("{cannot} number into Go struct field ConfigFile.credsStore of type string"),
        ),
        (
            r#"{"credsStore":true}"#,
            format!("{cannot} bool into Go struct field ConfigFile.credsStore of type string"),
        ),
        (
            r#"{"credHelpers":[]}"#,
            format!(
                "{cannot} array into Go struct field ConfigFile.credHelpers of type map[string]string"
            ),
        ),
        (
            r#"{"credHelpers":{"a":1}}"#,
            format!("{cannot} number into Go struct field ConfigFile.credHelpers of type string"),
        ),
        (
            r#"{"HttpHeaders":{"a":1}}"#,
            format!("{cannot} number into Go struct field ConfigFile.HttpHeaders of type string"),
        ),
        (
            r#"{"auths":{"h":{"auth":"*"}}}"#,
            "illegal base64 data at input byte 0".to_owned(),
        ),
        (
            r#"{"auths":{"h":{"auth":"YWxpY2U"}}}"#,
            "illegal base64 data at input byte 4".to_owned(),
        ),
        (
            r#"{"auths":{"h":{"auth":"YWxpY2U="}}}"#,
            "Invalid auth configuration file".to_owned(),
        ),
        (
            r#"{"auths":{"h":{"auth":"OnA="}}}"#,
            "Invalid auth configuration file".to_owned(),
        ),
        (
            r#"{"auths":{"h":{"auth":"YWxpY2U6cA=="}},"auths":[]}"#,
            format!(
                "{cannot} array into Go struct field ConfigFile.auths of type map[string]types.AuthConfig"
            ),
        ),
    ] {
        let (config, warning) = load(text);
        assert_eq!(warning.as_deref(), Some(&*expected), "{text}");
        assert!(!config.contains_auth(), "{text}");
    }
}

#[test]
fn takes_silently_what_docker_takes_silently() {
    for text in [
        "",
        " ",
        "{}",
        "null",
        r#"{"a":1}}"#,
        r#"{"auths":null}"#,
        r#"{"credsStore":null,"credHelpers":null}"#,
        r#"{"credsStore":""}"#,
        r#"{"detachKeys":"x","plugins":{"a":{"b":"c"}},"auths":{}}"#,
    ] {
        let (config, warning) = load(text);
        assert_eq!(warning, None, "{text}");
        assert!(!config.contains_auth(), "{text}");
    }
    for text in [
        r#"{"auths":{"h":null}}"#,
        r#"{"auths":{"h":{"auth":""}}}"#,
        r#"{"auths":{"h":{"auth":"YWxpY2U6cA=="}}} trailing"#,
        r#"{"auths":{"h":{"auth":"YWxpY2U6\ncA=="}}}"#,
        r#"{"auths":{"h":{"email":1,"registrytoken":[]}}}"#,
    ] {
        let (config, warning) = load(text);
        assert_eq!(warning, None, "{text}");
        assert!(config.auths.contains_key("h"), "{text}");
    }
}

#[test]
fn auth_overrides_username_and_password() {
    let (config, _) = load(
        r#"{"auths":{"h":{"auth":"YWxpY2U6czNjcmV0Ong=","username":"bob","password":"other","identitytoken":"tok"}}}"#,
    );
    let stored = &config.auths["h"];
    assert_eq!(stored.username.as_deref(), Some("alice"));
    assert_eq!(
        stored.password.as_ref().unwrap().expose_secret(),
        "s3cret:x"
    );
    assert_eq!(
        stored.identity_token.as_ref().unwrap().expose_secret(),
        "tok"
    );

    let (config, _) = load(r#"{"auths":{"h":{"username":"bob","password":"other"}}}"#);
    assert_eq!(config.auths["h"].username.as_deref(), Some("bob"));
}

#[test]
fn a7_no_secret_in_debug_output() {
    let (config, _) =
        load(r#"{"auths":{"h":{"auth":"YWxpY2U6czNjcmV0","identitytoken":"t0ken"}}}"#);
    let debug = format!("{config:?}");
    assert!(debug.contains("alice"));
    assert!(
        !debug.contains("s3cret") && !debug.contains("t0ken"),
        "{debug}"
    );
}

#[test]
fn a_missing_file_is_no_warning_and_other_failures_are() {
    let dir = tempfile::tempdir().unwrap();
    let (config, warning) = DockerConfig::load(dir.path());
    assert!(warning.is_none());
    assert_eq!(config.dir(), dir.path());
    assert!(DockerConfig::load(&dir.path().join("none")).1.is_none());

    let path = dir.path().join(FILE_NAME);
    let shown = path.display();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(
        DockerConfig::load(dir.path()).1.unwrap().to_string(),
        format!("Error parsing config file ({shown}): read {shown}: is a directory")
    );
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink(FILE_NAME, &path).unwrap();
    assert_eq!(
        DockerConfig::load(dir.path()).1.unwrap().to_string(),
        format!("Error loading config file: open {shown}: too many levels of symbolic links")
    );
    let not_a_dir = dir.path().join("file");
    File::create(&not_a_dir).unwrap();
    assert_eq!(
        DockerConfig::load(&not_a_dir).1.unwrap().to_string(),
        format!(
            "Error loading config file: open {}/config.json: not a directory",
            not_a_dir.display()
        )
    );
}

#[test]
fn a17_an_endless_file_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join(FILE_NAME)).unwrap();
    file.set_len(MAX_CONFIG_BYTES + 1).unwrap();
    let (_, warning) = DockerConfig::load(dir.path());
    assert!(
        warning
            .unwrap()
            .to_string()
            .ends_with("larger than 10485760 bytes")
    );

    std::fs::remove_file(dir.path().join(FILE_NAME)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join(FILE_NAME)).unwrap();
    let (_, warning) = DockerConfig::load(dir.path());
    assert!(
        warning
            .unwrap()
            .to_string()
            .ends_with("larger than 10485760 bytes")
    );
}

#[test]
fn the_variable_is_stricter_than_the_file() {
    let parse = |text: &str| parse_auth_config(&SecretString::from(text));
    let auths = parse(r#" {"auths":{"h":{"auth":"YWxpY2U6cA=="}}} "#).unwrap();
    assert_eq!(auths["h"].username.as_deref(), Some("alice"));
    assert!(parse("").unwrap().is_empty());
    for (text, expected) in [
        (
            r#"{"auths":{"h":{"auth":"YWxpY2U6cA==","username":"x"}}}"#,
            r#"json: unknown field "username""#,
        ),
        (
            r#"{"credsStore":"x"}"#,
            r#"json: unknown field "credsStore""#,
        ),
        (
            r#"{"auths":{"h":{}}}"#,
            "DOCKER_AUTH_CONFIG environment variable is missing key `auth` for h",
        ),
        (
            r#"{"auths":{"h":{"auth":"*"}}}"#,
            "illegal base64 data at input byte 0",
        ),
        (
            r#"{"auths":{"h":{"auth":"something"}}}{}"#,
            "DOCKER_AUTH_CONFIG does not support more than one JSON object",
        ),
        ("{", "unexpected EOF"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}

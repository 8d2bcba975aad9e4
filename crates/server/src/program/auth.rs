//! What the section `auth` of the configuration means (specification, `server.md` section 1.2). The texts are those of the Go
//! server, or of the registry's token authentication where only that has the option.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use signet_server::Authenticator;
use signet_server::token::{Realm, TokenAuth, TrustedKeys};
use signet_service::config::Configuration;
use signet_service::files::reason;

use super::config::ConfigError;
use super::htpasswd;

/// Largest file of certificates or keys, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The authentication that is asked for; none only when none is asked for.
pub(crate) fn auth(
    configuration: &Configuration,
) -> Result<Option<Arc<Authenticator>>, ConfigError> {
    let said = configuration.said_about("auth");
    if said.is_empty() {
        return Ok(None);
    }
    match configuration.string("auth.type").as_deref() {
        Some("token") => token(configuration)
            .map(|auth| Some(Arc::new(auth.into())))
            .map_err(ConfigError::Auth),
        Some("htpasswd") => htpasswd::open(configuration)
            .map(|auth| Some(Arc::new(auth.into())))
            .map_err(ConfigError::Auth),
        Some("") if said == ["auth.type"] => Ok(None),
        Some(other) if !other.is_empty() => Err(ConfigError::Auth(format!(
            "unknown auth.type {other:?}: it must be \"token\" or \"htpasswd\"; remove it to serve without authentication"
        ))),
        // Whoever writes anything about authentication wants some, also where the registry's way of writing it means nothing here.
        _ => Err(ConfigError::Auth(format!(
            "authentication is configured ({}), but auth.type is neither \"token\" nor \"htpasswd\"; remove what is configured to serve without authentication",
            said.join(", ")
        ))),
    }
}

fn token(configuration: &Configuration) -> Result<TokenAuth, String> {
    let option = |name: &str| {
        let value = configuration.string(&format!("auth.options.{name}"));
        value.filter(|text| !text.is_empty())
    };
    let known = ["realm", "issuer", "service", "rootcertbundle", "jwks"];
    // Variables may give the options without a section for them.
    if !configuration.is_section("auth.options") && known.iter().all(|name| option(name).is_none())
    {
        return Err("auth.options must be a map[string]interface{}".to_owned());
    }
    let required = |name: &str| {
        option(name).ok_or_else(|| format!("token auth requires a valid option string: {name:?}"))
    };
    let (realm, issuer, service) = (
        required("realm")?,
        required("issuer")?,
        required("service")?,
    );
    let jwks = option("jwks");
    let bundle = match &jwks {
        Some(_) => option("rootcertbundle"),
        None => Some(required("rootcertbundle")?),
    };
    let redirect = configuration
        .boolean("auth.options.autoredirect")
        .map_err(|_| "token auth requires a valid option bool: autoredirect".to_owned())?;
    let keys = keys(bundle.as_deref(), jwks.as_deref())?;
    let realm = if redirect == Some(true) {
        Realm::RequestedHost
    } else {
        Realm::Url(realm)
    };
    Ok(TokenAuth::new(realm, service, issuer, keys))
}

fn keys(bundle: Option<&str>, jwks: Option<&str>) -> Result<TrustedKeys, String> {
    let mut keys = TrustedKeys::default();
    if let Some(path) = bundle {
        let pem = read(
            path,
            "token auth root certificate bundle file",
            "token auth root certificate bundle file",
        )?;
        keys.add_certificates(&pem)
            .map_err(|error| error.to_string())?;
    }
    if let Some(path) = jwks {
        let json = read(path, "jwks file", "token jwks file")?;
        let passed_over = keys.add_key_set(&json).map_err(|error| error.to_string())?;
        if passed_over > 0 {
            tracing::warn!(
                "{passed_over} keys of {path:?} are of a type or use that signs no token"
            );
        }
    }
    if keys.is_empty() {
        // The certificates are all that the Go server takes.
        let what = if jwks.is_some() {
            "key"
        } else {
            "root certificate"
        };
        return Err(format!(
            "token auth requires at least one token signing {what}"
        ));
    }
    Ok(keys)
}

/// A file that the operator named, relative to the working directory as in Go.
fn read(path: &str, when_opened: &str, when_read: &str) -> Result<Vec<u8>, String> {
    let opened = |error: &io::Error| {
        format!(
            "unable to open {when_opened} {path:?}: open {path}: {}",
            reason(error)
        )
    };
    let unreadable = |why: &str| format!("unable to read {when_read} {path:?}: read {path}: {why}");
    let file = File::open(path).map_err(|error| opened(&error))?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(|error| unreadable(&reason(&error)))?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(unreadable("more than 1 MiB"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use signet_service::config::Environment;

    use super::super::config::ENVIRONMENT_PREFIX;
    use super::*;

    fn outcome(
        auth: &str,
        variables: &[(&str, &str)],
    ) -> Result<Option<Arc<Authenticator>>, String> {
        let keys = serde_json::from_str(&format!(r#"{{"auth":{auth}}}"#)).unwrap();
        let environment: Environment = variables.iter().copied().collect();
        let configuration = Configuration::built_in(keys, ENVIRONMENT_PREFIX, environment);
        super::auth(&configuration).map_err(|error| error.to_string())
    }

    fn fault(auth: &str) -> String {
        outcome(auth, &[]).map_or_else(|fault| fault, |_| "no fault".to_owned())
    }

    fn data(name: &str) -> String {
        format!("{}/tests/data/auth/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    const NAMES: &str = r#""realm":"r","issuer":"i","service":"s""#;

    // Printed by notary-server 0.7.0 for the same configurations, unless marked as ours.
    #[test]
    fn each_fault_of_token_authentication_has_the_message_of_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            signet_service::files::write_private(&path, content.as_bytes()).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let with_bundle = |path: &str| {
            format!(r#"{{"type":"token","options":{{{NAMES},"rootcertbundle":"{path}"}}}}"#)
        };
        let with_jwks =
            |path: &str| format!(r#"{{"type":"token","options":{{{NAMES},"jwks":"{path}"}}}}"#);
        let bundle = data("bundle.pem");
        let with_redirect = |value: &str| {
            format!(
                r#"{{"type":"token","options":{{{NAMES},"rootcertbundle":"{bundle}","autoredirect":{value}}}}}"#
            )
        };
        let garbage = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let not_a_map = "auth.options must be a map[string]interface{}";
        let ed25519 = data("ed25519.pem");
        let p224 = data("p224.pem");
        let weak = data("rsa1024.pem");
        for (auth, message) in [
            (r#"{"type":"token"}"#.to_owned(), not_a_map),
            (r#"{"type":"token","options":[]}"#.to_owned(), not_a_map),
            (r#"{"type":"token","options":"x"}"#.to_owned(), not_a_map),
            (
                r#"{"type":"token","options":{"issuer":"i","service":"s"}}"#.to_owned(),
                "token auth requires a valid option string: \"realm\"",
            ),
            (
                r#"{"type":"token","options":{"realm":5,"issuer":"i","service":"s"}}"#.to_owned(),
                "token auth requires a valid option string: \"realm\"",
            ),
            (
                r#"{"type":"token","options":{"realm":"x"}}"#.to_owned(),
                "token auth requires a valid option string: \"issuer\"",
            ),
            (
                r#"{"type":"token","options":{"realm":"x","issuer":"y"}}"#.to_owned(),
                "token auth requires a valid option string: \"service\"",
            ),
            (
                format!(r#"{{"type":"token","options":{{{NAMES}}}}}"#),
                "token auth requires a valid option string: \"rootcertbundle\"",
            ),
            (
                format!(r#"{{"type":"token","options":{{{NAMES},"autoredirect":"true"}}}}"#),
                "token auth requires a valid option string: \"rootcertbundle\"",
            ),
            (
                with_redirect(r#""true""#),
                "token auth requires a valid option bool: autoredirect",
            ),
            (
                with_redirect("null"),
                "token auth requires a valid option bool: autoredirect",
            ),
            (
                with_bundle("/nope"),
                "unable to open token auth root certificate bundle file \"/nope\": open /nope: no such file or directory",
            ),
            (
                with_bundle("/tmp"),
                "unable to read token auth root certificate bundle file \"/tmp\": read /tmp: is a directory",
            ),
            (
                with_bundle(&file("empty", "")),
                "token auth requires at least one token signing root certificate",
            ),
            (
                with_bundle(&file("garbage", garbage)),
                "unable to parse token auth root certificate: x509: malformed certificate",
            ),
            (
                with_bundle(&p224),
                "unable to get public key from token auth root certificate: unsupported elliptic curve",
            ),
            // Ours: Go names its own type.
            (
                with_bundle(&ed25519),
                "unable to get public key from token auth root certificate: public key type is not supported: it must be RSA or ECDSA",
            ),
            // Ours: Go takes it.
            (
                with_bundle(&weak),
                "unable to get public key from token auth root certificate: a key of 1024 bits: RSA keys need 2048 to 8192",
            ),
            // The registry's.
            (
                with_jwks("/nope"),
                "unable to open jwks file \"/nope\": open /nope: no such file or directory",
            ),
            (
                with_jwks(&file("none", r#"{"keys":[]}"#)),
                "token auth requires at least one token signing key",
            ),
            // Ours.
            (
                with_jwks(&file(
                    "secret",
                    r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#,
                )),
                "failed to parse jwks: key 1: is a private or symmetric key; give public ones",
            ),
            (
                with_jwks(&file(
                    "broken",
                    r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#,
                )),
                "failed to parse jwks: key 1: its parts are no key",
            ),
            (with_bundle(&bundle), "no fault"),
            (with_redirect("false"), "no fault"),
        ] {
            assert_eq!(fault(&auth), message, "{auth}");
        }
    }

    // The Go server would start without authentication for all of these (defect D13).
    #[test]
    fn a06_authentication_that_is_asked_for_and_not_there_refuses_to_start() {
        let bundle = data("bundle.pem");
        let options = format!(r#","options":{{{NAMES},"rootcertbundle":"{bundle}"}}"#);
        for kind in ["Htpasswd", "none", "Token", "false"] {
            let message = fault(&format!(r#"{{"type":"{kind}"{options}}}"#));
            assert!(
                message.contains(&format!("auth.type {kind:?}")),
                "{message}"
            );
        }
        assert!(
            outcome(&format!(r#"{{"type":"token"{options}}}"#), &[])
                .unwrap()
                .is_some()
        );
        assert!(outcome(r#"{"type":""}"#, &[]).unwrap().is_none());
    }

    /// Each of these began to serve everybody, most of them in Go, too.
    #[test]
    fn a06_whatever_is_said_about_authentication_needs_a_type() {
        let bundle = data("bundle.pem");
        let options = format!(r#"{{{NAMES},"rootcertbundle":"{bundle}"}}"#);
        for auth in [
            r#"{"type":["token"]}"#.to_owned(),
            r#"{"type":null}"#.to_owned(),
            r#"{"type":true}"#.to_owned(),
            r#"{"type":{"token":{}}}"#.to_owned(),
            format!(r#"{{"type":"","options":{options}}}"#),
            format!(r#"{{"options":{options}}}"#),
            // The registry's own form.
            format!(r#"{{"token":{options}}}"#),
            r#""token""#.to_owned(),
            r#"["token"]"#.to_owned(),
            "{}".to_owned(),
            "null".to_owned(),
        ] {
            let message = fault(&auth);
            assert!(message.contains("auth.type"), "{auth}: {message}");
        }
        let good = format!(r#"{{"type":"token","options":{options}}}"#);
        for (name, value) in [
            ("NOTARY_SERVER_AUTH", "token"),
            ("NOTARY_SERVER_AUTH", r#"{"type":["token"]}"#),
            ("NOTARY_SERVER_AUTH", "{}"),
        ] {
            let message = outcome(&good, &[(name, value)]).err().unwrap_or_default();
            assert!(message.contains("auth.type"), "{name}={value}: {message}");
        }
    }

    #[test]
    fn variables_can_give_everything() {
        let bundle = data("bundle.pem");
        let variables = [
            ("NOTARY_SERVER_AUTH_TYPE", "token"),
            (
                "NOTARY_SERVER_AUTH_OPTIONS_REALM",
                "https://t.example/token",
            ),
            ("NOTARY_SERVER_AUTH_OPTIONS_ISSUER", "i"),
            ("NOTARY_SERVER_AUTH_OPTIONS_SERVICE", "s"),
            ("NOTARY_SERVER_AUTH_OPTIONS_ROOTCERTBUNDLE", &bundle),
        ];
        let realm = |auth: Option<Arc<Authenticator>>| match auth.as_deref() {
            Some(Authenticator::Token(auth)) => auth.realm.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            realm(outcome("{}", &variables).unwrap()),
            Realm::Url("https://t.example/token".to_owned())
        );
        let redirected: Vec<_> = variables
            .into_iter()
            .chain([("NOTARY_SERVER_AUTH_OPTIONS_AUTOREDIRECT", "true")])
            .collect();
        assert_eq!(
            realm(outcome("{}", &redirected).unwrap()),
            Realm::RequestedHost
        );
    }
}

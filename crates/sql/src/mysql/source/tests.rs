use super::*;

const PASSWORD: &str = "p@ss/w:rd(1)";

fn parse(text: &str) -> Source {
    Source::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn reads_every_form_of_address() {
    for (text, host, port, socket) in [
        (
            "server@tcp(mysql:3306)/n?parseTime=True",
            "mysql",
            3306,
            None,
        ),
        ("u:p@tcp(db.example.com)/n", "db.example.com", 3306, None),
        ("u@tcp/n", "127.0.0.1", 3306, None),
        ("/n", "127.0.0.1", 3306, None),
        ("u@/n", "127.0.0.1", 3306, None),
        ("u@tcp([::1]:3307)/n", "::1", 3307, None),
        ("u@tcp([fe80::1])/n", "fe80::1", 3306, None),
        (
            "u@unix(/run/my sql.sock)/n",
            "localhost",
            3306,
            Some("/run/my sql.sock"),
        ),
        ("u@unix/n", "localhost", 3306, Some("/tmp/mysql.sock")),
    ] {
        let options = parse(text).options;
        let found = options.get_socket().and_then(|path| path.to_str());
        assert_eq!(
            (options.get_host(), options.get_port(), found),
            (host, port, socket),
            "{text}"
        );
        assert_eq!(options.get_database(), Some("n"), "{text}");
    }
}

#[test]
fn a_password_may_have_what_separates_and_is_never_shown() {
    let text = format!("user:{PASSWORD}@tcp(h:1)/n?tls=skip-verify");
    let source = parse(&text);
    assert_eq!(source.options.get_username(), "user");
    assert!(format!("{:?}", source.options).contains(&format!("{PASSWORD:?}")));
    assert!(!format!("{source:?}").contains("p@ss"));
    for broken in [
        format!("user:{PASSWORD}@tcp(h:1)"),
        format!("user:{PASSWORD}@tcp(h:x)/n"),
        format!("user:{PASSWORD}@tcp(h:1/n"),
        format!("user:{PASSWORD}@udp(h:1)/n"),
        format!("user:{PASSWORD}@tcp(h)/n?tls=custom"),
        format!("user:{PASSWORD}@tcp(h)/n?parseTime=yes"),
        format!("user:{PASSWORD}@tcp(h)/n?timeout=5"),
        format!("user:{PASSWORD}@tcp(h)/n?loc=Europe%2FBerlin"),
        format!("user:{PASSWORD}@tcp(h)/n?x=%zz"),
        "user:p@ss/w:rd?a%b=c".to_owned(),
    ] {
        let error = Source::parse(&broken).unwrap_err();
        assert!(error.to_string().starts_with(UNREADABLE), "{error}");
        assert!(!format!("{error} {error:?}").contains("ss/w"), "{error}");
    }
}

#[test]
fn tls_is_as_go_reads_it_with_files_of_ours() {
    let mode = |parameters: &str| {
        let source = parse(&format!("u@tcp(h)/n?{parameters}"));
        (
            format!("{:?}", source.options.get_ssl_mode()),
            source.warnings().to_vec(),
        )
    };
    for (parameters, expected, warnings) in [
        ("", "Disabled", [].as_slice()),
        ("tls=false", "Disabled", &[]),
        ("tls=true", "VerifyIdentity", &[]),
        ("tls=skip-verify", "Required", &[UNVERIFIED]),
        ("tls=Preferred", "Preferred", &[MAYBE_PLAIN]),
        ("tls-ca=/x.pem", "VerifyIdentity", &[]),
        ("tls-cert=/c&tls-key=/k", "VerifyIdentity", &[]),
        (
            "tls=skip-verify&tls-cert=/c&tls-key=/k",
            "Required",
            &[UNVERIFIED],
        ),
    ] {
        assert_eq!(
            mode(parameters),
            (expected.to_owned(), warnings.to_vec()),
            "{parameters}"
        );
    }
    for refused in [
        "tls=false&tls-ca=/x",
        "tls=preferred&tls-ca=/x",
        "tls=true&tls-cert=/c",
        "tls=0&tls-key=/k",
    ] {
        assert!(
            Source::parse(&format!("u@tcp(h)/n?{refused}")).is_err(),
            "{refused}"
        );
    }
}

#[test]
fn what_go_does_not_know_is_a_variable_and_nothing_else() {
    let source = parse(
        "u@/n?time_zone=%27%2B01%3A00%27&sql_mode=ANSI&charset=utf8mb4,utf8&wait_timeout=60&timeout=3s&readTimeout=1m&ignored&interpolateParams=true&maxAllowedPacket=0&loc=UTC",
    );
    let variables: Vec<_> = source
        .variables
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(
        variables,
        ["time_zone='+01:00'", "sql_mode=ANSI", "wait_timeout=60"]
    );
    assert_eq!(source.connect_limit, Some(Duration::from_secs(3)));
    assert_eq!(source.statement_limit, Some(Duration::from_secs(60)));
    for refused in [
        "a=1;DROP TABLE x",
        "a=1,b=2",
        "a=%27x%27%27",
        "a='x\\'",
        "a=",
        "a=(SELECT 1)",
        "a=1--",
        "a b=1",
        "=1",
        "1a=1",
        "a;b=1",
        "a='x'+OR+'y'",
    ] {
        assert!(
            Source::parse(&format!("u@/n?{refused}")).is_err(),
            "{refused}"
        );
    }
}

//! Data source names against a real server.

use signet_sql::{ConnectError, PoolLimits, mysql};
use signet_testkit::peer::MariaDb;

async fn session(source: &str) -> Result<(String, String), ConnectError> {
    let limits = PoolLimits {
        connections: 1,
        ..PoolLimits::default()
    };
    let pool = mysql::connect(source, limits).await?;
    let asked = "SELECT CONCAT_WS(' ', @@time_zone, @@innodb_lock_wait_timeout, @@max_statement_time, \
        @@sql_mode LIKE '%STRICT_ALL_TABLES%'), COALESCE(VARIABLE_VALUE, '') \
        FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'";
    Ok(sqlx::query_as(asked).fetch_one(&pool).await?)
}

#[tokio::test]
async fn sessions_are_as_go_leaves_them_but_for_limits() {
    let database = MariaDb::shared().unwrap();
    let (user, password) = database.login();
    let (socket, port) = (database.socket(), database.address().port());
    let at = |net: &str, parameters: &str| {
        format!("{user}:{password}@{net}/{}?{parameters}", database.name())
    };
    let plain = ("+05:45 3 60.000000 1".to_owned(), String::new());
    let unix = format!("unix({})", socket.display());
    let tcp = format!("tcp(localhost:{port})");
    for source in [
        at(&unix, ""),
        at(&tcp, "parseTime=True&interpolateParams=true&charset=utf8"),
    ] {
        assert_eq!(session(&source).await.unwrap(), plain);
    }
    let changed = at(
        &tcp,
        "time_zone=%27-03%3A00%27&innodb_lock_wait_timeout=9&readTimeout=2s",
    );
    let (found, _) = session(&changed).await.unwrap();
    assert_eq!(found, "-03:00 9 2.000000 1");
    for refused in [
        at(&tcp, "no_such_variable=1"),
        format!("{user}:{password}x@{tcp}/{}", database.name()),
    ] {
        let error = session(&refused).await.unwrap_err();
        assert!(matches!(error, ConnectError::Database(_)), "{error:?}");
        assert!(
            !format!("{error} {error:?}").contains(password),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn tls_is_verified_unless_it_is_told_not_to_be() {
    let database = MariaDb::start_tls().unwrap();
    let (user, password) = database.login();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        signet_testkit::file::write(&file, text).unwrap();
        file.display().to_string()
    };
    let ca = write("ca", &database.ca_pem().unwrap());
    let client = database.client().unwrap();
    let (cert, key) = (
        write("cert", &client.certificate_pem),
        write("key", &client.key_pem),
    );
    let at = |host: &str, parameters: &str| {
        let (port, name) = (database.address().port(), database.name());
        format!("{user}:{password}@tcp({host}:{port})/{name}?{parameters}")
    };
    for source in [
        at("localhost", &format!("tls=true&tls-ca={ca}")),
        at(
            "127.0.0.1",
            &format!("tls-ca={ca}&tls-cert={cert}&tls-key={key}"),
        ),
        at("127.0.0.1", "tls=skip-verify"),
        at("127.0.0.1", "tls=preferred"),
    ] {
        let (_, cipher) = session(&source).await.unwrap();
        assert_ne!(cipher, "", "{source}");
    }
    for source in [
        at("localhost", "tls=true"),
        at("127.0.0.2", &format!("tls-ca={ca}")),
        at("localhost", ""),
        at("localhost", "tls=false"),
    ] {
        assert!(session(&source).await.is_err(), "{source}");
    }
}

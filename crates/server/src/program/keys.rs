//! The server's signing keys in its database, opened with the operator's passphrase or the one beside the database.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use signet_keys::KeyDatabase;
use signet_keys::database::{Algorithm, DatabaseError, Options, Walk};
use signet_server::Clock;
use signet_server::store::SqliteStore;
use signet_server::trust::DatabaseTrust;
use signet_service::config::Environment;
use signet_sql::Database;

use super::passphrase::{self, PassphraseError};

/// Why the signing keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("the signing keys in the database")]
    Database(#[from] DatabaseError),
    #[error(
        "the signing keys in the database need a passphrase, which all servers on it share: give it in \
         NOTARY_SERVER_LOCAL_PASSPHRASE_FILE or NOTARY_SERVER_LOCAL_PASSPHRASE"
    )]
    NoPassphrase,
    #[error(
        "the database has no table for the server's signing keys: run 'notary-server migrate -config ...' once, or use a \
         notary-signer (trust_service.type remote)"
    )]
    NoTable,
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
}

/// Opens the keys in the store's database. A passphrase that does not open the newest key is noticed here, and not at the
/// next publish.
pub(crate) async fn open(
    store: &SqliteStore,
    environment: &Environment,
    clock: Clock,
) -> Result<DatabaseTrust, KeysError> {
    let database = Database::Sqlite(store.pool().clone());
    let has_keys = KeyDatabase::newest(&database, ALIAS).await?.is_some();
    let passphrase = match passphrase::given(environment)? {
        Some(given) => given,
        None => passphrase::kept(store.path(), has_keys)?,
    };
    open_with(database, passphrase, clock).await
}

/// Opens the keys in a database that servers share, and with it the passphrase.
pub(crate) async fn open_shared(
    database: Database,
    environment: &Environment,
    clock: Clock,
) -> Result<DatabaseTrust, KeysError> {
    let passphrase = passphrase::given(environment)?.ok_or(KeysError::NoPassphrase)?;
    if !KeyDatabase::is_there(&database).await? {
        return Err(KeysError::NoTable);
    }
    open_with(database, passphrase, clock).await
}

/// Decrypts every key, where there are keys and the passphrase is given or kept beside the file.
pub(crate) async fn verify(
    database: Database,
    file: Option<&Path>,
    environment: &Environment,
) -> Result<Option<Walk>, KeysError> {
    let passphrase = match (passphrase::given(environment)?, file) {
        (Some(given), _) => given,
        (None, Some(file)) if passphrase::beside(file).exists() => passphrase::kept(file, true)?,
        (None, _) => return Ok(None),
    };
    if !KeyDatabase::is_there(&database).await? {
        return Ok(None);
    }
    let passphrases = Arc::new(move |alias: &str| (alias == ALIAS).then(|| passphrase.clone()));
    let keys = KeyDatabase::of_table(database, Options::new(ALIAS), passphrases);
    Ok(Some(keys.verify(&mut |_| {}).await?))
}

async fn open_with(
    database: Database,
    passphrase: SecretString,
    clock: Clock,
) -> Result<DatabaseTrust, KeysError> {
    let passphrases = Arc::new(move |alias: &str| (alias == ALIAS).then(|| passphrase.clone()));
    let newest = KeyDatabase::newest(&database, ALIAS).await?;
    let keys = KeyDatabase::open(database, Options::new(ALIAS), passphrases).await?;
    if let Some(newest) = newest {
        keys.load(&newest, clock()).await?;
    }
    // The kind of key that the Go server's local service makes.
    Ok(DatabaseTrust::new(keys, Algorithm::Ed25519, clock))
}

/// The alias that rows name for the server's passphrase.
const ALIAS: &str = "local";

#[cfg(test)]
mod tests {
    use signet_server::http::ManagedRole;
    use signet_server::trust::TrustService as _;
    use signet_tuf::Gun;
    use time::macros::datetime;

    use super::*;

    fn clock() -> Clock {
        Arc::new(|| datetime!(2026-11-22 12:00 UTC))
    }

    #[tokio::test]
    async fn keys_outlive_the_process_and_another_passphrase_is_noticed_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("trust.db").to_str().unwrap().to_owned();
        let gun: Gun = "localhost:5000/x".parse().unwrap();
        let store = SqliteStore::open(&location).await.unwrap();
        let nothing = Environment::default();
        let trust = open(&store, &nothing, clock()).await.unwrap();
        let key = trust
            .create_key(&gun, ManagedRole::Timestamp)
            .await
            .unwrap();
        store.close().await;
        drop((trust, store));

        let store = SqliteStore::open(&location).await.unwrap();
        let other: Environment = [("NOTARY_SERVER_LOCAL_PASSPHRASE", "another")]
            .into_iter()
            .collect();
        assert!(matches!(
            open(&store, &other, clock()).await,
            Err(KeysError::Database(_))
        ));
        let trust = open(&store, &nothing, clock()).await.unwrap();
        assert_eq!(
            trust
                .create_key(&gun, ManagedRole::Timestamp)
                .await
                .unwrap(),
            key,
            "it is still pending"
        );
        std::fs::remove_file(folder.path().join("trust.db.passphrase")).unwrap();
        assert!(matches!(
            open(&store, &nothing, clock()).await,
            Err(KeysError::Passphrase(PassphraseError::Lost(_)))
        ));
    }

    #[tokio::test]
    async fn a07_the_database_does_not_have_the_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("trust.db").to_str().unwrap().to_owned();
        let store = SqliteStore::open(&location).await.unwrap();
        let trust = open(&store, &Environment::default(), clock())
            .await
            .unwrap();
        trust
            .create_key(&"a".parse().unwrap(), ManagedRole::Timestamp)
            .await
            .unwrap();
        store.close().await;
        let passphrase =
            std::fs::read_to_string(folder.path().join("trust.db.passphrase")).unwrap();
        let database = std::fs::read(&location).unwrap();
        let needle = passphrase.trim().as_bytes();
        assert!(
            !database
                .windows(needle.len())
                .any(|window| window == needle)
        );
    }
}

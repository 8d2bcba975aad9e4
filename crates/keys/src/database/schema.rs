//! How the table `private_keys` comes to be (specification, signer-and-keys sections 4.1 and 4.2).

use sqlx::sqlite::SqlitePool;

/// No Go program writes such a file; the table is what Go's mapping would make.
const SQLITE: &str = "
CREATE TABLE IF NOT EXISTS private_keys (
    id integer PRIMARY KEY AUTOINCREMENT,
    created_at datetime,
    updated_at datetime,
    deleted_at datetime,
    key_id varchar(255) NOT NULL UNIQUE,
    encryption_alg varchar(255) NOT NULL,
    keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL,
    passphrase_alias varchar(50) NOT NULL,
    public blob NOT NULL,
    private blob NOT NULL,
    gun varchar(255) NOT NULL,
    role varchar(255) NOT NULL,
    last_used datetime
);
CREATE INDEX IF NOT EXISTS private_keys_owner ON private_keys (gun, role);
";

/// Makes the table where it is missing.
pub(super) async fn make_in_sqlite(pool: &SqlitePool) -> sqlx::Result<()> {
    sqlx::raw_sql(SQLITE).execute(pool).await?;
    Ok(())
}

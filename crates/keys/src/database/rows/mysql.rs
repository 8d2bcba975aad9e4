//! The statements for MySQL and MariaDB.
//!
//! The collation of Go's table takes names for equal that differ in case, accents or trailing blanks; names are
//! therefore also compared as bytes.

use super::Statements;

/// A moment, as the column holds it. The session is in the server's zone, as Go's are, and the text is UTC all the same: where the zone
/// skips an hour in spring, that hour is no time of the column's. What is written in it gets the end of it, and all else what the text
/// says. What no column of the type can hold is an error.
macro_rules! moment {
    () => {
        "COALESCE(FROM_UNIXTIME(UNIX_TIMESTAMP(?)), 'no timestamp')"
    };
}

pub(in super::super) const STATEMENTS: Statements = Statements {
    zone: "",
    has_table: "
SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'private_keys'",
    check: "SELECT id FROM private_keys LIMIT 1",
    load: "
SELECT CAST(id AS SIGNED) AS id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, CAST(last_used AS CHAR) AS last_used
FROM private_keys WHERE deleted_at IS NULL AND key_id = ?",
    live: "SELECT key_id FROM private_keys WHERE deleted_at IS NULL AND key_id = ?",
    pending: "
SELECT CAST(id AS SIGNED) AS id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, CAST(last_used AS CHAR) AS last_used
FROM private_keys
WHERE deleted_at IS NULL AND CAST(role AS BINARY) = CAST(? AS BINARY) AND CAST(gun AS BINARY) = CAST(? AS BINARY)
    AND CAST(algorithm AS BINARY) = CAST(? AS BINARY) AND last_used IS NULL
ORDER BY CAST(key_id AS BINARY), id LIMIT 100",
    insert: concat!(
        "
INSERT INTO private_keys (created_at, updated_at, key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias,
    public, private, gun, role)
VALUES (",
        moment!(),
        ", ",
        moment!(),
        ", ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    mark: concat!(
        "UPDATE private_keys SET last_used = ",
        moment!(),
        ", updated_at = ",
        moment!(),
        " WHERE deleted_at IS NULL AND key_id = ?"
    ),
    delete: concat!(
        "UPDATE private_keys SET deleted_at = ",
        moment!(),
        " WHERE deleted_at IS NULL AND key_id = ?"
    ),
    newest: "
SELECT key_id FROM private_keys WHERE deleted_at IS NULL AND CAST(passphrase_alias AS BINARY) = CAST(? AS BINARY)
ORDER BY id DESC LIMIT 1",
    aliases: "
SELECT passphrase_alias FROM private_keys WHERE deleted_at IS NULL
GROUP BY CAST(passphrase_alias AS BINARY), passphrase_alias ORDER BY 1 LIMIT 1000",
    walk: "
SELECT CAST(id AS SIGNED) AS id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, CAST(last_used AS CHAR) AS last_used
FROM private_keys WHERE deleted_at IS NULL AND id > ? ORDER BY id LIMIT ?",
    reencrypt: concat!(
        "UPDATE private_keys SET private = ?, passphrase_alias = ?, updated_at = ",
        moment!(),
        " WHERE id = ? AND private = ? AND deleted_at IS NULL"
    ),
};

/// One for all databases of a server, hence the name of ours in it. Held by the session, which ends with the work: two processes cannot both see that there is no pending key. Where the
/// server has no such locks, or another holds it for too long, two keys may be made, of which the lower ID is used.
pub(in super::super) const LOCK: &str =
    "SELECT CAST(GET_LOCK(SHA2(CONCAT(DATABASE(), ?), 256), 5) AS SIGNED)";

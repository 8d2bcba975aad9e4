//! The statements for PostgreSQL. The times have no zone and are UTC.

use super::Statements;

pub(in super::super) const STATEMENTS: Statements = Statements {
    zone: "",
    has_table: "SELECT count(to_regclass('private_keys'))",
    check: "SELECT id FROM private_keys LIMIT 1",
    load: "
SELECT id::bigint AS id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, to_char(last_used, 'YYYY-MM-DD HH24:MI:SS') AS last_used
FROM private_keys WHERE deleted_at IS NULL AND key_id = $1",
    live: "SELECT key_id FROM private_keys WHERE deleted_at IS NULL AND key_id = $1",
    pending: "
SELECT id::bigint AS id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, to_char(last_used, 'YYYY-MM-DD HH24:MI:SS') AS last_used
FROM private_keys
WHERE deleted_at IS NULL AND role = $1 AND gun = $2 AND algorithm = $3 AND last_used IS NULL
ORDER BY key_id COLLATE \"C\", id LIMIT 100",
    insert: "
INSERT INTO private_keys (created_at, updated_at, key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias,
    public, private, gun, role)
VALUES (CAST($1 AS timestamp), CAST($2 AS timestamp), $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    mark: "
UPDATE private_keys SET last_used = CAST($1 AS timestamp), updated_at = CAST($2 AS timestamp)
WHERE deleted_at IS NULL AND key_id = $3",
    delete: "
UPDATE private_keys SET deleted_at = CAST($1 AS timestamp) WHERE deleted_at IS NULL AND key_id = $2",
    newest: "
SELECT key_id FROM private_keys WHERE deleted_at IS NULL AND passphrase_alias = $1 ORDER BY id DESC LIMIT 1",
    aliases: "SELECT DISTINCT passphrase_alias FROM private_keys WHERE deleted_at IS NULL ORDER BY 1 LIMIT 1000",
    walk: "
SELECT id::bigint AS id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, to_char(last_used, 'YYYY-MM-DD HH24:MI:SS') AS last_used
FROM private_keys WHERE deleted_at IS NULL AND id > $1 ORDER BY id LIMIT $2",
    reencrypt: "
UPDATE private_keys SET private = $1, passphrase_alias = $2, updated_at = CAST($3 AS timestamp)
WHERE id = $4 AND private = $5 AND deleted_at IS NULL",
};

/// Held until the transaction ends: two processes cannot both see that there is no pending key.
pub(in super::super) const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

//! The statements for SQLite. Times are text; the mapping of Go reads them.

use super::Statements;

pub(in super::super) const STATEMENTS: Statements = Statements {
    zone: "+00:00",
    has_table: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'private_keys'",
    check: "SELECT id FROM private_keys LIMIT 1",
    load: "
SELECT id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, CAST(last_used AS TEXT) AS last_used
FROM private_keys WHERE deleted_at IS NULL AND key_id = ?",
    live: "SELECT key_id FROM private_keys WHERE deleted_at IS NULL AND key_id = ?",
    pending: "
SELECT id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, CAST(last_used AS TEXT) AS last_used
FROM private_keys
WHERE deleted_at IS NULL AND role = ? AND gun = ? AND algorithm = ? AND last_used IS NULL
ORDER BY key_id, id LIMIT 100",
    insert: "
INSERT INTO private_keys (created_at, updated_at, key_id, encryption_alg, keywrap_alg, algorithm, passphrase_alias,
    public, private, gun, role)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    mark: "UPDATE private_keys SET last_used = ?, updated_at = ? WHERE deleted_at IS NULL AND key_id = ?",
    delete: "UPDATE private_keys SET deleted_at = ? WHERE deleted_at IS NULL AND key_id = ?",
    newest: "
SELECT key_id FROM private_keys WHERE deleted_at IS NULL AND passphrase_alias = ? ORDER BY id DESC LIMIT 1",
    aliases: "SELECT DISTINCT passphrase_alias FROM private_keys WHERE deleted_at IS NULL ORDER BY 1 LIMIT 1000",
    walk: "
SELECT id, key_id, algorithm, passphrase_alias, substr(public, 1, 65537) AS public,
    substr(private, 1, 65537) AS private, gun, role, CAST(last_used AS TEXT) AS last_used
FROM private_keys WHERE deleted_at IS NULL AND id > ? ORDER BY id LIMIT ?",
    reencrypt: "
UPDATE private_keys SET private = ?, passphrase_alias = ?, updated_at = ?
WHERE id = ? AND private = ? AND deleted_at IS NULL",
};

/// Takes the write lock at once: two processes cannot both see that there is no pending key.
pub(in super::super) const BEGIN: &str = "BEGIN IMMEDIATE";

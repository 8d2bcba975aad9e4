//! Single rows that one make of service wrote and the other reads and signs with: acceptance cases 32, 33, 36 and 37 of signer-and-keys.

use signet_testkit::peer::{Make, Signer, SignerOptions};

use crate::rows::{Keys, on_every_database, recorded_rows};
use crate::support::{Caller, Made};

on_every_database!(
    crate::exchange::case_32_recorded_rows_serve_ours_as_they_serve_go
        as case_32_recorded_rows_serve_ours_as_they_serve_go,
    crate::exchange::case_33_rows_of_either_serve_the_other
        as case_33_rows_of_either_serve_the_other,
    crate::exchange::rows_of_ours_are_filled_as_those_of_go
        as rows_of_ours_are_filled_as_those_of_go,
    crate::exchange::case_36_the_algorithm_columns_do_not_matter
        as case_36_the_algorithm_columns_do_not_matter,
    crate::exchange::case_37_names_that_differ_in_case_have_keys_of_their_own
        as case_37_names_that_differ_in_case_have_keys_of_their_own,
    crate::exchange::an_alias_names_the_same_variable_as_in_go
        as an_alias_names_the_same_variable_as_in_go,
);

/// Ours and Go's at work on the same table of Go's.
struct Both {
    _signers: [Signer; 2],
    ours: Caller,
    go: Caller,
}

impl Both {
    fn on(database: &impl Keys) -> Self {
        database.make_table();
        let options = SignerOptions::default().database(database);
        let signers = [
            Signer::ours_with(&options).unwrap(),
            Signer::go_with(&options).unwrap(),
        ];
        let [ours, go] = [Caller::of(&signers[0]), Caller::of(&signers[1])];
        Self {
            _signers: signers,
            ours,
            go,
        }
    }
}

async fn case_32_recorded_rows_serve_ours_as_they_serve_go(database: impl Keys) {
    let both = Both::on(&database);
    for row in &recorded_rows() {
        database.insert(row);
        let pending = format!("key_id = '{}' AND last_used IS NULL", row.id());
        let info = both.ours.info(row.id()).await.unwrap();
        assert_eq!(info.public_key, row.public());
        assert_eq!(both.go.info(row.id()).await.unwrap(), info);
        let (key, role) = Made::of(info);
        assert_eq!((key.id(), role.as_str()), (row.id(), row.role()));
        assert_eq!(database.count(&pending), u64::from(row.is_pending()));
        assert!(both.ours.signs_with(&key).await.unwrap());
        assert_eq!(database.count(&pending), 0);
        assert!(both.go.signs_with(&key).await.unwrap());
    }
}

async fn case_33_rows_of_either_serve_the_other(database: impl Keys) {
    let both = Both::on(&database);
    for algorithm in ["ecdsa", "ed25519"] {
        for (maker, user, name) in [
            (&both.ours, &both.go, "docker.io/made/by-ours"),
            (&both.go, &both.ours, "docker.io/made/by-go"),
        ] {
            let create = |caller: &Caller| {
                let caller = caller.clone();
                async move { caller.create(algorithm, name, "snapshot").await.unwrap() }
            };
            let made = create(maker).await;
            let (known, role) = Made::of(user.info(made.id()).await.unwrap());
            assert_eq!((&known, role.as_str()), (&made, "snapshot"));
            // It is pending for both, and with the first signature for neither.
            assert_eq!(create(user).await, made);
            assert!(user.signs_with(&made).await.unwrap());
            let next = create(maker).await;
            assert_ne!(next, made);
            assert_eq!(create(user).await, next);
            assert!(maker.signs_with(&made).await.unwrap());
            assert!(user.signs_with(&next).await.unwrap());
            // What the one deletes, the other does not give any more.
            let third = create(maker).await;
            user.delete(third.id()).await.unwrap();
            assert_ne!(create(maker).await, third);
        }
    }
}

async fn rows_of_ours_are_filled_as_those_of_go(database: impl Keys) {
    let both = Both::on(&database);
    for algorithm in ["ecdsa", "ed25519"] {
        let mut seen = Vec::new();
        for caller in [&both.ours, &both.go] {
            let gun = "docker.io/Signet/Sample";
            let key = caller.create(algorithm, gun, "timestamp").await.unwrap();
            let columns = |condition: &str| {
                let row = format!("key_id = '{}'", key.id());
                let private = match database.backend() {
                    "postgres" => "convert_from(private, 'UTF8')",
                    _ => "CONVERT(private USING ascii)",
                };
                let sql = format!(
                    "SELECT CONCAT_WS(' ', encryption_alg, keywrap_alg, algorithm, passphrase_alias, gun, role, length(public), \
                     length(private), deleted_at IS NULL, last_used IS NULL, {condition}), {private} \
                     FROM private_keys WHERE {row}"
                );
                let line = database.ask(&sql);
                let (columns, token) = line.trim().split_once(['|', '\t']).unwrap();
                (columns.to_owned(), header(token))
            };
            let made = columns("created_at = updated_at");
            assert!(caller.signs_with(&key).await.unwrap());
            seen.push((
                made,
                columns("updated_at >= created_at AND last_used >= created_at"),
            ));
            // The other one makes a key of its own.
            assert_eq!(database.count("last_used IS NULL"), 0);
        }
        assert_eq!(seen[0], seen[1], "{algorithm}");
    }
    // Both mean the same hour.
    let recent = "created_at > (SELECT max(created_at) FROM private_keys) - INTERVAL '10' MINUTE \
        AND last_used > (SELECT max(created_at) FROM private_keys) - INTERVAL '10' MINUTE";
    assert_eq!(database.count(recent), 4);
}

/// The first part of an encrypted key, without what is different in each.
fn header(token: &str) -> String {
    let (first, _) = token.split_once('.').unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(first.as_bytes());
    let text = String::from_utf8(bytes.unwrap()).unwrap();
    let (before, salt) = text.split_once(r#""p2s":""#).unwrap();
    format!("{before}{}", salt.len())
}

async fn case_36_the_algorithm_columns_do_not_matter(database: impl Keys) {
    let both = Both::on(&database);
    let row = recorded_rows().remove(0);
    let row = row.with("encryption_alg", "x").with("keywrap_alg", "");
    database.insert(&row);
    let key = Made::of(both.ours.info(row.id()).await.unwrap()).0;
    assert!(both.ours.signs_with(&key).await.unwrap());
    assert!(both.go.signs_with(&key).await.unwrap());
}

async fn case_37_names_that_differ_in_case_have_keys_of_their_own(database: impl Keys) {
    let both = Both::on(&database);
    let create = |gun: &'static str| both.ours.create("ecdsa", gun, "timestamp");
    let pending = create("Docker.io/Case/A").await.unwrap();
    // On Go's table in MariaDB Go's own takes the one for the other.
    let of_go = both
        .go
        .create("ecdsa", "docker.io/case/a", "timestamp")
        .await;
    let mixed_up = of_go.unwrap() == pending;
    assert_eq!(mixed_up, database.backend() == "mysql");
    for gun in [
        "docker.io/case/a",
        "Docker.io/Case/A ",
        "Docker.io/C\u{e1}se/A",
    ] {
        let other = create(gun).await.unwrap();
        assert_ne!(other, pending, "{gun}");
        assert!(both.ours.signs_with(&other).await.unwrap());
    }
    assert_eq!(create("Docker.io/Case/A").await.unwrap(), pending);
}

async fn an_alias_names_the_same_variable_as_in_go(database: impl Keys) {
    database.make_table();
    let options = SignerOptions::default()
        .database(&database)
        .variable("NOTARY_SIGNER_TIMESTAMP_1", "")
        .variable("NOTARY_SIGNER_STORAGE_DEFAULT_ALIAS", "my-alias.x")
        // To the last byte: nothing is trimmed.
        .variable("NOTARY_SIGNER_MY-ALIAS_X", " a passphrase\t");
    let signers = [Make::Ours, Make::Go].map(|make| Signer::start_with(make, &options).unwrap());
    let [ours, go] = [Caller::of(&signers[0]), Caller::of(&signers[1])];
    for (maker, user, role) in [(&ours, &go, "timestamp"), (&go, &ours, "snapshot")] {
        let made = maker.create("ecdsa", "docker.io/a/b", role).await.unwrap();
        assert!(user.signs_with(&made).await.unwrap(), "{role}");
    }
    assert_eq!(database.count("passphrase_alias = 'my-alias.x'"), 2);
}

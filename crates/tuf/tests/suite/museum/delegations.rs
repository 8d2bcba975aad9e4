//! The tree of delegations.

use std::time::Instant;

use serde_json::json;

use crate::forge::{Forge, targets_document};

use super::{accepted, names, reader, refused, run};

/// Name, paths and targets of a delegation.
pub(super) type Listed<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, i64)]);

/// A repository with these delegations. Each has a key of its own.
pub(super) fn tree(delegations: &[Listed<'_>]) -> Forge {
    let mut forge = Forge::empty();
    forge.forge("targets", targets_document(&[]));
    for (name, paths, targets) in delegations {
        let key = forge.key();
        forge.signers.insert((*name).to_owned(), vec![key.clone()]);
        forge.forge(name, targets_document(targets));
        let parent = name.rsplit_once('/').unwrap().0;
        forge.change(parent, |signed| {
            signed["delegations"]["keys"][key.id().as_str()] = serde_json::to_value(&key).unwrap();
            let roles = signed["delegations"]["roles"].as_array_mut().unwrap();
            roles.push(json!({"keyids": [key.id()], "name": name, "paths": paths, "threshold": 1}));
        });
    }
    forge.seal();
    forge
}

#[test]
fn a12_names_are_looked_up_breadth_first_in_listed_order_within_paths() {
    let forge = tree(&[
        ("targets/a", &["x", "y", "z"], &[("x", 1)]),
        ("targets/b", &[""], &[("x", 2), ("y", 2), ("q", 2)]),
        ("targets/a/c", &[""], &[("y", 3), ("z", 3), ("q", 3)]),
        ("targets/a/d", &["y", "z"], &[("z", 4), ("y", 4)]),
        ("targets/e", &[], &[("free", 5)]),
    ]);
    let run = run(&forge, &mut forge.client());
    // Downloads go depth first, in listed order.
    let downloads: Vec<&str> = run.requests[4..]
        .iter()
        .map(|request| request.strip_suffix(".<sha256>").unwrap())
        .collect();
    assert_eq!(
        downloads,
        [
            "targets/a",
            "targets/a/c",
            "targets/a/d",
            "targets/b",
            "targets/e"
        ]
    );
    let repository = run.result.unwrap();
    let found = |name: &str| {
        repository
            .lookup(name, &[])
            .map(|found| found.role.to_string())
    };
    assert_eq!(found("x").as_deref(), Some("targets/a"));
    // `targets/b` before what lies below `targets/a`.
    assert_eq!(found("y").as_deref(), Some("targets/b"));
    // `targets/a/c` lists "" below "x", "y", "z": nothing is left of it.
    assert_eq!(found("z").as_deref(), Some("targets/a/d"));
    assert_eq!(found("q").as_deref(), Some("targets/b"));
    assert_eq!(found("free"), None);
    let all: Vec<String> = repository
        .all_occurrences(None)
        .iter()
        .map(|found| format!("{}@{}", found.name, found.role))
        .collect();
    assert_eq!(
        all,
        [
            "x@targets/a",
            "q@targets/b",
            "x@targets/b",
            "y@targets/b",
            "y@targets/a/d",
            "z@targets/a/d"
        ]
    );
}

#[test]
fn a13_delegations_cannot_form_cycles_and_deep_ones_are_walked_without_recursion() {
    for name in [
        "targets",
        "targets/a",
        "targets/a/a/a",
        "root",
        "targets/",
        "targets/a/../a",
        "targets//a",
    ] {
        let mut forge = tree(&[("targets/a", &[""], &[])]);
        forge.change("targets/a", |signed| {
            signed["delegations"]["roles"] =
                json!([{"keyids": [], "name": name, "paths": [""], "threshold": 1}]);
        });
        forge.seal();
        refused(
            &forge,
            &mut forge.client(),
            &format!("delegation role {name} invalid"),
        );
    }
    // The deepest legal name: 255 bytes.
    let mut chain = Vec::new();
    let mut name = "targets".to_owned();
    while name.len() + 2 <= 255 {
        name.push_str("/a");
        chain.push(name.clone());
    }
    assert_eq!(name.len(), 255);
    let delegations: Vec<Listed<'_>> = chain
        .iter()
        .map(|name| {
            (
                name.as_str(),
                &[""][..],
                if name.len() == 255 {
                    &[("deep", 1)][..]
                } else {
                    &[]
                },
            )
        })
        .collect();
    let forge = tree(&delegations);
    let repository = accepted(&forge, &mut forge.client());
    assert_eq!(repository.lookup("deep", &[]).unwrap().role.as_str(), name);
}

#[test]
fn a13_a_child_listed_twice_at_every_level_costs_no_more() {
    let chain: Vec<String> = (1..60)
        .map(|depth| format!("targets{}", "/a".repeat(depth)))
        .collect();
    let delegations: Vec<Listed<'_>> = chain
        .iter()
        .map(|name| (name.as_str(), &[""][..], &[][..]))
        .collect();
    let mut forge = tree(&delegations);
    for name in chain.iter().take(58).map(String::as_str).chain(["targets"]) {
        forge.change(name, |signed| {
            let roles = signed["delegations"]["roles"].as_array_mut().unwrap();
            roles.push(roles[0].clone());
        });
    }
    forge.seal();
    // Whether that is an error or not: 2^59 visits would not end.
    let started = Instant::now();
    drop(run(&forge, &mut forge.client()));
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn a14_no_role_can_be_reached_over_two_parents() {
    let mut forge = tree(&[
        ("targets/a", &[""], &[]),
        ("targets/b", &[""], &[]),
        ("targets/b/c", &[""], &[("x", 1)]),
    ]);
    let entry = forge.signed["targets/b"]["delegations"].clone();
    forge.change("targets/a", |signed| signed["delegations"] = entry);
    forge.seal();
    refused(
        &forge,
        &mut forge.client(),
        "delegation role targets/b/c invalid",
    );
    // A cached document of one parent's child is not believed with the keys of another time.
    let mut forge = tree(&[
        ("targets/a", &[""], &[]),
        ("targets/a/c", &[""], &[("x", 1)]),
    ]);
    let mut client = reader(&forge);
    let key = forge.key();
    forge.change("targets/a", |signed| {
        signed["delegations"]["keys"] = json!({key.id().as_str(): key});
        signed["delegations"]["roles"][0]["keyids"] = json!([key.id()]);
        signed["version"] = 2.into();
    });
    forge.seal();
    let run = run(&forge, &mut client);
    assert_eq!(run.warnings.len(), 1);
    assert_eq!(names(&run.result.unwrap()), Vec::<String>::new());
}

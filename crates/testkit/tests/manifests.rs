//! Who may depend on whom, and which outside crate has which home: the table in `ARCHITECTURE.md`, kept by reading cargo's metadata.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Our crates and those of ours that each may use. Nothing points up; whoever is missing here fails the test.
const OURS: &[(&str, &[&str])] = &[
    ("signet-tuf", &[]),
    ("signet-sql", &[]),
    ("signet-rpc", &[]),
    ("signet-keys", &["signet-tuf", "signet-sql"]),
    (
        "signet-client",
        &["signet-tuf", "signet-keys", "signet-archive"],
    ),
    ("signet-oci", &[]),
    ("signet-service", &["signet-tuf"]),
    ("signet-archive", &["signet-tuf"]),
    ("signet-storage", &["signet-tuf", "signet-sql"]),
    (
        "signet-server",
        &[
            "signet-tuf",
            "signet-keys",
            "signet-rpc",
            "signet-service",
            "signet-sql",
            "signet-storage",
            "signet-archive",
        ],
    ),
    (
        "signet-signer",
        &[
            "signet-tuf",
            "signet-keys",
            "signet-rpc",
            "signet-service",
            "signet-sql",
        ],
    ),
    (
        "signet-cli",
        &[
            "signet-tuf",
            "signet-keys",
            "signet-client",
            "signet-oci",
            "signet-storage",
            "signet-archive",
        ],
    ),
    (
        "signet-testkit",
        &[
            "signet-tuf",
            "signet-keys",
            "signet-client",
            "signet-archive",
        ],
    ),
    ("xtask", &["signet-testkit"]),
];

/// Outside crates that only some of ours may use directly. `signet-testkit` and `xtask` are free.
const HOMES: &[(&str, &[&str])] = &[
    // Cryptography.
    (
        "aws-lc-rs",
        &["signet-tuf", "signet-keys", "signet-oci", "signet-server"],
    ),
    ("p384", &["signet-tuf", "signet-keys"]),
    ("pkcs8", &["signet-keys"]),
    ("aes", &["signet-keys"]),
    ("cbc", &["signet-keys"]),
    ("des", &["signet-keys"]),
    ("md-5", &["signet-keys"]),
    (
        "x509-cert",
        // Beside the core those who judge TLS certificates by Go's rules.
        &[
            "signet-tuf",
            "signet-keys",
            "signet-client",
            "signet-service",
        ],
    ),
    ("rcgen", &["signet-keys", "signet-service"]),
    // The network.
    ("reqwest", &["signet-client", "signet-oci"]),
    (
        "hyper",
        &[
            "signet-client",
            "signet-server",
            "signet-service",
            "signet-signer",
        ],
    ),
    (
        "rustls",
        &[
            "signet-client",
            "signet-oci",
            "signet-service",
            "signet-server",
            "signet-cli",
        ],
    ),
    // Data, terminals, command lines.
    (
        "sqlx",
        &[
            "signet-keys",
            "signet-server",
            "signet-sql",
            "signet-storage",
        ],
    ),
    ("tonic", &["signet-rpc", "signet-server", "signet-signer"]),
    ("prost", &["signet-rpc"]),
    ("bcrypt", &["signet-server"]),
    ("clap", &["signet-cli", "signet-server"]),
    ("rpassword", &["signet-cli"]),
    ("indicatif", &["signet-cli"]),
    ("anstream", &["signet-cli"]),
    ("roff", &["signet-cli"]),
    // Errors without a type stay in programs for developers.
    ("anyhow", &[]),
];

/// What the core must do without: it does no I/O, is not async and does not log (`ARCHITECTURE.md`).
const NEVER_IN_THE_CORE: &[&str] = &[
    "tokio",
    "tracing",
    "log",
    "futures-util",
    "async-trait",
    "tempfile",
    "rustix",
    "reqwest",
    "url",
    "http",
];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The direct dependencies of every package of the workspace, those for tests apart.
fn dependencies(for_tests: bool) -> BTreeMap<String, BTreeSet<String>> {
    let names = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| (dependency["kind"] == "dev") == for_tests)
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect()
    };
    packages()
        .iter()
        .map(|package| (package["name"].as_str().unwrap().to_owned(), names(package)))
        .collect()
}

#[test]
fn crates_depend_only_downwards() {
    let rules: BTreeMap<&str, &[&str]> = OURS.iter().copied().collect();
    for (package, dependencies) in dependencies(false) {
        let allowed = rules
            .get(package.as_str())
            .unwrap_or_else(|| panic!("{package} has no line in this test"));
        for dependency in dependencies
            .iter()
            .filter(|name| rules.contains_key(name.as_str()))
        {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn tests_reach_no_further_than_the_crate_and_the_test_kit() {
    let rules: BTreeMap<&str, &[&str]> = OURS.iter().copied().collect();
    for (package, dependencies) in dependencies(true) {
        // The test kit's own tests are where everything meets.
        if package == "signet-testkit" {
            continue;
        }
        for dependency in dependencies
            .iter()
            .filter(|name| rules.contains_key(name.as_str()))
        {
            let allowed = dependency == "signet-testkit"
                || rules[package.as_str()].contains(&dependency.as_str());
            assert!(allowed, "the tests of {package} must not use {dependency}");
        }
    }
}

#[test]
fn the_test_kit_is_a_dependency_of_tests_only() {
    for (package, dependencies) in dependencies(false) {
        assert!(
            package == "xtask" || !dependencies.contains("signet-testkit"),
            "{package} ships the test kit"
        );
    }
}

#[test]
fn outside_crates_stay_at_home() {
    let dependencies = dependencies(false);
    for (package, direct) in &dependencies {
        if package == "signet-testkit" || package == "xtask" {
            continue;
        }
        for (name, homes) in HOMES {
            assert!(
                !direct.contains(*name) || homes.contains(&package.as_str()),
                "{package} must not use {name} directly"
            );
        }
    }
    for name in NEVER_IN_THE_CORE {
        assert!(
            !dependencies["signet-tuf"].contains(*name),
            "the core must not use {name}"
        );
    }
}

#[test]
fn what_changes_signed_bytes_is_off() {
    // serde_json's `preserve_order` and `arbitrary_precision` would change canonical forms for the whole program.
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--offline",
            "--edges",
            "features",
            "--invert",
            "serde_json",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8_lossy(&output.stdout);
    for feature in ["preserve_order", "arbitrary_precision"] {
        assert!(
            !tree.contains(feature),
            "serde_json/{feature} is switched on"
        );
    }
}

#[test]
fn nothing_in_the_root_manifest_is_unused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, section) = manifest.split_once("[workspace.dependencies]\n").unwrap();
    let (section, _) = section.split_once("\n[").unwrap();
    let members: Vec<String> = packages()
        .iter()
        .map(|package| fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap())
        .collect();
    for name in section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with('#'))
    {
        let uses = [
            format!("\n{name}.workspace = true"),
            format!("\n{name} = {{ workspace = true"),
        ];
        let used = members
            .iter()
            .any(|text| uses.iter().any(|line| text.contains(line)));
        assert!(used, "no crate uses {name}");
    }
}

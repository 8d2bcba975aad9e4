//! The committed code is what the contract gives. `SIGNET_BLESS=1` writes it anew after a change of the contract.

use std::fs;
use std::path::Path;

use tonic_prost_build::Config;

/// Generated file, and its contract.
const CONTRACTS: [(&str, &str); 2] = [
    ("proto.rs", "signer.proto"),
    ("grpc.health.v1.rs", "health.proto"),
];

#[test]
fn the_committed_code_is_generated_from_the_contract() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = tempfile::tempdir().unwrap();
    for (name, contract) in CONTRACTS {
        let descriptors = protox::compile([contract], [crate_folder.join("proto")]).unwrap();
        tonic_prost_build::configure()
            .out_dir(output.path())
            .compile_fds_with_config(descriptors, Config::new())
            .unwrap();
        let fresh = fs::read_to_string(output.path().join(name)).unwrap();
        let committed = crate_folder.join("src/generated").join(name);
        if std::env::var_os("SIGNET_BLESS").is_some() {
            #[expect(
                clippy::disallowed_methods,
                reason = "a developer's file, made again when this is interrupted"
            )]
            fs::write(&committed, &fresh).unwrap();
        }
        // Not assert_eq: it would print both files.
        assert!(
            fs::read_to_string(&committed).unwrap_or_default() == fresh,
            "{} is not what {contract} gives; SIGNET_BLESS=1 writes it anew",
            committed.display()
        );
    }
}

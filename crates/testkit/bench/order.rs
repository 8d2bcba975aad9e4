//! What everyday commands execute, recorded by valgrind for `cargo xtask order`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::ensure;
use signet_testkit::peer::TrustServer;
use signet_testkit::process::command_line;
use signet_testkit::program::{self, VALGRIND};
use signet_testkit::user::{Tool, User};

const GUN: &str = "localhost:5000/often";
/// Targets in the repository before anything is recorded.
const TARGETS: usize = 100;

/// Writes `NUMBER.callgrind` for each command into `folder`.
pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    let server = TrustServer::go()?;
    let user = User::new(&server.url(), &server.ca_pem())?;
    user.expect(Tool::Notary, &["init", "-p", GUN])?;
    let digest = "0".repeat(64);
    let stage = |name: &str| {
        user.expect(
            Tool::Notary,
            &["addhash", GUN, name, "528", "--sha256", &digest],
        )
    };
    for number in 0..TARGETS {
        stage(&format!("tag-{number}"))?;
    }
    user.expect(Tool::Notary, &["publish", GUN])?;

    // Nothing is known to the first command.
    fs::remove_dir_all(user.trust_dir().join("tuf"))?;
    let commands: [(&str, &[&str]); 9] = [
        ("notary", &["list", GUN]),
        ("notary", &["list", GUN]),
        ("notary", &["lookup", GUN, "tag-7"]),
        (
            "notary",
            &["addhash", GUN, "new", "528", "--sha256", &digest],
        ),
        ("notary", &["status", GUN]),
        ("notary", &["publish", GUN]),
        ("notary", &["key", "list"]),
        ("docker-trust", &["inspect", GUN]),
        ("docker-trust", &["inspect", "--pretty", GUN]),
    ];
    for (number, (name, words)) in commands.into_iter().enumerate() {
        let file = folder.join(format!("{number}.callgrind"));
        let mut command = Command::new(VALGRIND.find()?);
        command
            .args(["--quiet", "--tool=callgrind", "--dump-instr=yes"])
            .args(["--compress-strings=no", "--compress-pos=no"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(program::ours(name)?)
            .args(words)
            .stdout(Stdio::null());
        user.dress(&mut command);
        println!("{name} {} …", words.join(" "));
        let status = command.status()?;
        ensure!(
            status.success(),
            "`{}` fails: {status}",
            command_line(&command)
        );
    }
    Ok(())
}

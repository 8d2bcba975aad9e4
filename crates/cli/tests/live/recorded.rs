//! Trust data that was recorded once and is served again: what no real server of today would give out.

use std::collections::BTreeMap;

use signet_testkit::chaos::{Fault, Proxy};
use signet_testkit::peer::TrustServer;
use signet_testkit::recorded;
use signet_testkit::user::{Tool, User};

/// Case 102: whoever reads refuses every role past its time, in docker's words.
#[test]
fn an_expired_role_is_refused_and_named() {
    let recording = recorded::read().unwrap();
    let gun = &recording.gun;
    let server = TrustServer::go_plain().unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    for (run, role) in [
        ("rt-expired", "root"),
        ("ts-expired", "timestamp"),
        ("sn-expired", "snapshot"),
        ("tg-expired", "targets"),
    ] {
        let case = recording.cases.iter().find(|case| case.id == run).unwrap();
        let files: BTreeMap<String, Vec<u8>> = case
            .files()
            .unwrap()
            .iter()
            .map(|(role, file)| (role.clone(), file.bytes().unwrap().unwrap()))
            .collect();
        let prefix = format!("/v2/{gun}/_trust/tuf/");
        proxy.set(move |_, path| {
            let Some(file) = path.strip_prefix(&prefix) else {
                return Fault::None;
            };
            let role = file.split('.').next().unwrap_or_default();
            match files.get(role) {
                Some(bytes) => Fault::Body(bytes.clone()),
                None => Fault::Status(404),
            }
        });
        let answer = |tool, words: &[&str]| {
            let user = User::new(&proxy.url(), &server.ca_pem()).unwrap();
            let text = user.run(tool, words).unwrap().failure(1).unwrap();
            // docker logs an expired document once for each time it asks; the times of log lines differ.
            let error: Vec<String> = text
                .lines()
                .filter(|line| !line.starts_with("time="))
                .map(str::to_owned)
                .collect();
            error.join("\n")
        };
        let tag = format!("{gun}:v1");
        let docker = answer(Tool::Docker, &["sign", &tag]);
        assert!(
            docker.starts_with(&format!(
                "Error: remote repository {gun} out-of-date: {role} expired at "
            )),
            "{docker}"
        );
        // Publishing is another matter: it renews what has expired.
        assert_eq!(answer(Tool::DockerTrust, &["verify", &tag]), docker);
        let inspected = answer(Tool::DockerTrust, &["inspect", &tag]);
        assert_eq!(
            inspected,
            format!("no signatures or cannot access {tag}\n{docker}")
        );
    }
}

//! The trust server and the login.

use signet_testkit::chaos::Proxy;
use signet_testkit::clock;
use signet_testkit::peer::{TokenService, TrustOptions, TrustServer};
use signet_testkit::user::{Tool, User};

use super::{Findings, GUN, begin};

#[test]
fn a_server_that_cannot_be_used_is_told_and_what_is_remembered_is_looked_at() {
    let server = TrustServer::go().unwrap();
    let owner = User::new(&server.url(), &server.ca_pem()).unwrap();
    begin(&owner);
    owner.expect(Tool::Notary, &["list", GUN]).unwrap();
    let url = server.url();

    // The clock, and what depends on it.
    let words = ["doctor", GUN];
    let mut later = owner.command(Tool::OurNotary, &words).unwrap();
    clock::at(&mut later, "+400d").unwrap();
    let limit = signet_testkit::process::COMMAND_LIMIT;
    let told = signet_testkit::process::run(&mut later, "", limit).unwrap();
    assert_eq!(told.code, Some(1), "{told}");
    assert!(told.stdout.contains("ahead of the server's"), "{told}");
    assert!(told.stdout.contains("timestamp has expired"), "{told}");

    // Another authority's certificate, another kind of server, none at all.
    let other = User::new(&url, &TrustServer::go().unwrap().ca_pem()).unwrap();
    let found = Findings::of(&other, &[GUN]);
    found.expect("tls", "problem", &["--tlscacert"]);
    found.expect("repository", "skipped", &["nothing is remembered"]);
    drop(server);
    let found = Findings::of(&owner, &[GUN]);
    found.expect("connection", "problem", &["cannot be reached"]);
    found.expect("repository", "ok", &["what this machine remembers"]);
    found.expect("remembered", "ok", &["root 1", "targets 2"]);
    found.expect(
        "signing",
        "ok",
        &["keys are here for root, targets, snapshot"],
    );
}

#[test]
fn nobody_is_asked_for_a_login() {
    let tokens =
        TokenService::start_plain()
            .unwrap()
            .user("alice", "wonderland", &[("*", "pull,push,*")]);
    let options = TrustOptions::default().plain().token(tokens.auth("notary"));
    let server = TrustServer::go_with(&options).unwrap();
    let proxy = Proxy::start(server.address(), &server.issue().unwrap()).unwrap();
    let mut owner = User::new(&proxy.url(), &server.ca_pem()).unwrap();
    owner.set("NOTARY_AUTH", "YWxpY2U6d29uZGVybGFuZA==");
    begin(&owner);
    let found = Findings::of(&owner, &[GUN]);
    assert_eq!(found.of_state("problem"), [""; 0], "{:#?}", found.all);
    found.expect("login", "ok", &["a login is known"]);
    found.expect("publishing", "ok", &["lets this user publish"]);
    owner.unset("NOTARY_AUTH");
    let found = Findings::of(&owner, &[GUN]);
    found.expect("login", "ok", &["no login is known"]);
    found.expect("refused", "problem", &["docker login"]);
}

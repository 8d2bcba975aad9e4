//! An update does nothing twice. The counts are of the whole process, so this test has a process of its own.

#[cfg(test)]
#[expect(dead_code, reason = "shared with the suite, which uses all of it")]
#[path = "suite/fixture.rs"]
mod fixture;
#[cfg(test)]
#[expect(dead_code, reason = "shared with the suite, which uses all of it")]
#[path = "suite/publisher.rs"]
mod publisher;

#[cfg(test)]
mod tests {
    use signet_tuf::tally::Tally;

    use crate::fixture::{Backend, Server};
    use crate::publisher::{Key, Publisher, delegate, seal, targets_signed};

    const GUN: &str = "registry.example.com/a/b";

    #[tokio::test]
    async fn an_update_parses_verifies_and_hashes_every_document_once() {
        for backend in [Backend::Memory, Backend::Sqlite] {
            let server = Server::new(backend).await;
            let publisher = Publisher::new(&server, GUN).await;
            let key = Key::new();
            let mut signed = targets_signed(1, publisher.expires, &["v1"]);
            delegate(&mut signed, "targets/releases", &[&key], &[""]);
            let (root, targets) = (publisher.root(1), seal(&signed, &[&publisher.targets]));

            let before = Tally::now();
            let parts = [("root", &root[..]), ("targets", &targets[..])];
            server.post(GUN, &parts).await.assert_ok();
            let first = Tally::now().since(before);
            // root and targets, each with one signature.
            assert_eq!((first.parsed, first.verified), (2, 2));
            // Both digests of root, targets, snapshot and timestamp.
            assert_eq!(first.hashed, 8);

            let releases = targets_signed(1, publisher.expires, &["v1"]);
            let releases = seal(&releases, &[&key]);
            let before = Tally::now();
            server
                .post(GUN, &[("targets/releases", &releases)])
                .await
                .assert_ok();
            let second = Tally::now().since(before);
            // The stored root and targets, which the new document is held to, and the new document.
            assert_eq!((second.parsed, second.verified), (3, 3));
            // Both digests of the new document, the snapshot and the timestamp.
            assert_eq!(second.hashed, 6);

            // By now root and targets are known.
            let releases = targets_signed(2, publisher.expires, &["v1", "v2"]);
            let releases = seal(&releases, &[&key]);
            let before = Tally::now();
            server
                .post(GUN, &[("targets/releases", &releases)])
                .await
                .assert_ok();
            let third = Tally::now().since(before);
            assert_eq!((third.parsed, third.verified, third.hashed), (1, 1, 6));

            let before = Tally::now();
            for name in [
                "timestamp",
                "snapshot",
                "root",
                "targets",
                "targets/releases",
            ] {
                server.file(GUN, &format!("{name}.json")).await.assert_ok();
            }
            assert_eq!(Tally::now().since(before), Tally::default());
        }
    }
}

//! A real daemon with a real registry.

use secrecy::SecretString;
use signet_oci::daemon::{DaemonOptions, ErrorKind, RegistryLogin};
use signet_oci::{Credentials, Daemon};
use signet_testkit::image::Image;
use signet_testkit::peer;

use crate::{Shown, endpoint};

async fn connect(daemon: &peer::Daemon) -> Daemon {
    Daemon::connect(&endpoint(&daemon.host()), &DaemonOptions::default())
        .await
        .unwrap()
}

#[tokio::test]
async fn pulls_tags_describes_and_pushes() {
    let (server, registry) = (
        peer::Daemon::start().unwrap(),
        peer::Registry::start().unwrap(),
    );
    let image = Image::single("hello");
    image.push(&registry.client(), "team/app", "v1").unwrap();
    let daemon = connect(&server).await;
    let repository = format!("{}/team/app", registry.host());
    let pinned = format!("{repository}@{}", image.digest());

    let absent = daemon.image(&pinned).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::Absent);
    assert_eq!(
        absent.to_string(),
        format!("Error response from daemon: no such image: {pinned}: No such image: {pinned}")
    );

    let mut shown = Shown::default();
    daemon
        .pull(&repository, &image.digest(), None, None, &mut shown)
        .await
        .unwrap();
    assert!(
        shown
            .statuses()
            .contains(&format!("Digest: {}", image.digest()).as_str()),
        "{shown:?}"
    );
    daemon.tag(&pinned, &repository, "v2").await.unwrap();
    let found = daemon.image(&format!("{repository}:v2")).await.unwrap();
    assert_eq!(found.repo_digests, [pinned]);
    assert!(found.id.starts_with("sha256:"));

    let mut shown = Shown::default();
    let pushed = daemon
        .push(&repository, Some("v2"), None, &mut shown)
        .await
        .unwrap();
    assert_eq!(pushed.instead_of_index, None);
    let [tag] = pushed.tags.as_slice() else {
        panic!("{pushed:?}");
    };
    assert_eq!(tag.tag, "v2");
    assert_eq!(
        shown.statuses().first(),
        Some(&format!("The push refers to repository [{repository}]").as_str())
    );
}

#[tokio::test]
async fn a_registry_with_a_password_gets_it_through_the_daemon() {
    let server = peer::Daemon::start().unwrap();
    let options = peer::RegistryOptions {
        htpasswd: true,
        ..peer::RegistryOptions::default()
    };
    let registry = peer::Registry::start_with(&options).unwrap();
    let image = Image::single("secret");
    image.push(&registry.client(), "team/app", "v1").unwrap();
    let daemon = connect(&server).await;
    let repository = format!("{}/team/app", registry.host());

    let mut shown = Shown::default();
    let refused = daemon
        .pull(&repository, "v1", None, None, &mut shown)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("no basic auth credentials"),
        "{refused}"
    );

    // The second password gives `/` and `+` in the wrong kind of base64.
    for (password, works) in [(peer::Registry::PASSWORD, true), ("???>>>", false)] {
        let credentials = Credentials::password(
            peer::Registry::USER,
            SecretString::from(password.to_owned()),
        );
        let login = RegistryLogin {
            credentials: &credentials,
            registry: &registry.host(),
        };
        let pulled = daemon
            .pull(&repository, "v1", None, Some(login), &mut shown)
            .await;
        assert_eq!(pulled.is_ok(), works, "{pulled:?}");
        if let Err(error) = pulled {
            // compat: a header that the daemon cannot read counts as no login, with other words.
            assert!(!error.to_string().contains("no basic auth"), "{error}");
        }
    }
    let mut shown = Shown::default();
    let error = daemon
        .push(&repository, Some("v1"), None, &mut shown)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "no basic auth credentials");
    assert_eq!(error.kind(), ErrorKind::Refused);
}

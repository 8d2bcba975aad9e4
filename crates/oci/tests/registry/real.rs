//! The real `docker-registry`: images put there as any client would, digests judged by `testkit` and by the registry.

use std::path::Path;

use secrecy::SecretString;
use serde_json::Value;
use signet_oci::credentials::CredentialEnvironment;
use signet_oci::manifest::{Kind, MediaType};
use signet_oci::registry::{Access, ErrorKind, RegistryError};
use signet_oci::tls::TlsDirectory;
use signet_oci::{Credentials, DockerConfig, Manifest, Reference, Registry};
use signet_testkit::certificate::{Authority, Identity};
use signet_testkit::http::Client;
use signet_testkit::image::{self, Image};
use signet_testkit::{file, peer};

use super::{chain, client};

const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

fn connect(host: &str) -> Registry {
    let reference: Reference = format!("{host}/team/app").parse().unwrap();
    Registry::new(&reference, Access::new(client(None))).unwrap()
}

fn tag(text: &str) -> signet_oci::Tag {
    text.parse().unwrap()
}

fn put_manifest(server: &Client, name: &str, media_type: &str, manifest: &str) {
    let path = format!("/v2/team/app/manifests/{name}");
    let answer = server
        .request(
            "PUT",
            &path,
            &[("Content-Type", media_type)],
            manifest.as_bytes(),
        )
        .unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[tokio::test]
async fn fetches_images_and_indexes_by_tag_and_by_digest() {
    let server = peer::Registry::start().unwrap();
    let single = Image::single("one");
    let multi = Image::multi_platform("two");
    single.push(&server.client(), "team/app", "one").unwrap();
    multi.push(&server.client(), "team/app", "two").unwrap();
    let registry = connect(&server.host());

    for (name, image, media_type, kind) in [
        ("one", &single, MediaType::OciManifest, Kind::Image),
        ("two", &multi, MediaType::OciIndex, Kind::Index),
    ] {
        let manifest = registry.fetch_tag(&tag(name)).await.unwrap();
        assert_eq!(manifest.digest().to_string(), image.digest());
        assert_eq!(manifest.digest().hex(), image.digest_hex());
        assert_eq!(manifest.size(), image.size() as u64);
        assert_eq!(manifest.media_type(), media_type);
        assert_eq!(manifest.kind(), kind);
        assert_eq!(
            registry.fetch_digest(manifest.digest()).await.unwrap(),
            manifest
        );
    }
    assert_eq!(registry.url().scheme(), "http", "found to speak no TLS");
    // A reference by digest leads to the same bytes.
    let reference: Reference = format!("{}/team/app:x@{}", server.host(), single.digest())
        .parse()
        .unwrap();
    let manifest = registry
        .fetch_digest(reference.digest().unwrap())
        .await
        .unwrap();
    assert_eq!(manifest.digest().to_string(), single.digest());
}

#[tokio::test]
async fn fetches_dockers_own_formats_unconverted() {
    let server = peer::Registry::start().unwrap();
    let source = Image::single("one");
    source.push(&server.client(), "team/app", "oci").unwrap();
    let path = "/v2/team/app/manifests/oci";
    let accept = [("Accept", "application/vnd.oci.image.manifest.v1+json")];
    let answer = server.client().request("GET", path, &accept, &[]).unwrap();
    let mut manifest: Value = serde_json::from_slice(&answer.body).unwrap();
    manifest["mediaType"] = DOCKER.into();
    manifest["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json".into();
    manifest["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar".into();
    let manifest = serde_json::to_string_pretty(&manifest).unwrap();
    put_manifest(&server.client(), "docker", DOCKER, &manifest);
    let list = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST,
        "manifests": [{
            "mediaType": DOCKER,
            "digest": image::digest(manifest.as_bytes()),
            "size": manifest.len(),
            "platform": {"os": "linux", "architecture": "amd64"},
        }],
    })
    .to_string();
    put_manifest(&server.client(), "list", DOCKER_LIST, &list);

    let registry = connect(&server.host());
    for (name, text, media_type) in [
        ("docker", &manifest, MediaType::DockerManifest),
        ("list", &list, MediaType::DockerManifestList),
    ] {
        let fetched = registry.fetch_tag(&tag(name)).await.unwrap();
        assert_eq!(fetched.bytes(), text.as_bytes());
        assert_eq!(fetched.media_type(), media_type);
        assert_eq!(fetched.digest().to_string(), image::digest(text.as_bytes()));
    }
}

#[tokio::test]
async fn a18_a_moved_tag_gives_the_new_bytes_and_the_digest_the_old() {
    let server = peer::Registry::start().unwrap();
    Image::single("before")
        .push(&server.client(), "team/app", "v1")
        .unwrap();
    let registry = connect(&server.host());
    let before = registry.fetch_tag(&tag("v1")).await.unwrap();
    Image::single("after")
        .push(&server.client(), "team/app", "v1")
        .unwrap();
    let after = registry.fetch_tag(&tag("v1")).await.unwrap();
    assert_ne!(before.digest(), after.digest());
    assert_eq!(
        registry.fetch_digest(before.digest()).await.unwrap(),
        before
    );
}

#[tokio::test]
async fn what_is_not_there_is_absent() {
    let server = peer::Registry::start().unwrap();
    Image::single("one")
        .push(&server.client(), "team/app", "one")
        .unwrap();
    let registry = connect(&server.host());
    let error = registry.fetch_tag(&tag("nothere")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Absent);
    assert_eq!(
        error.to_string(),
        format!(
            "team/app:nothere is not in the registry http://{}/: manifest unknown",
            server.host()
        )
    );

    let other: Reference = format!("{}/other", server.host()).parse().unwrap();
    let registry = Registry::new(&other, Access::new(client(None))).unwrap();
    let error = registry.fetch_tag(&tag("one")).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_a_network_failure() {
    let address = signet_testkit::port::free().unwrap();
    let reference: Reference = format!("localhost:{}/x", address.port()).parse().unwrap();
    let registry = Registry::new(&reference, Access::new(client(None))).unwrap();
    let error = registry.fetch_tag(&tag("v1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(
        matches!(error, RegistryError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(
        chain(&error).contains("Connection refused"),
        "{}",
        chain(&error)
    );
}

/// A registry with TLS and passwords, which holds one image.
struct Closed {
    server: peer::Registry,
    authority: Authority,
    image: Image,
    _folder: tempfile::TempDir,
}

impl Closed {
    fn start() -> Self {
        let authority = Authority::new("test").unwrap();
        let Identity {
            certificate_pem,
            key_pem,
        } = authority.issue().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let certificate = folder.path().join("cert.pem");
        let key = folder.path().join("key.pem");
        file::write(&certificate, certificate_pem).unwrap();
        file::write(&key, key_pem).unwrap();
        let server = peer::Registry::start_with(&peer::RegistryOptions {
            htpasswd: true,
            tls: Some((certificate, key)),
            ..peer::RegistryOptions::default()
        })
        .unwrap();
        let image = Image::single("secret");
        let pusher = Client::tls(server.address(), &authority.pem())
            .unwrap()
            .with_basic(peer::Registry::USER, peer::Registry::PASSWORD);
        image.push(&pusher, "team/app", "v1").unwrap();
        Self {
            server,
            authority,
            image,
            _folder: folder,
        }
    }

    fn reference(&self) -> Reference {
        format!("{}/team/app:v1", self.server.host())
            .parse()
            .unwrap()
    }

    async fn fetch(
        &self,
        ca: Option<&str>,
        credentials: Credentials,
    ) -> Result<Manifest, RegistryError> {
        let access = Access::new(client(ca)).credentials(credentials);
        let registry = Registry::new(&self.reference(), access).unwrap();
        registry.fetch_tag(&tag("v1")).await
    }
}

#[tokio::test]
async fn answers_basic_with_the_configured_credentials_over_tls() {
    let closed = Closed::start();
    // As a user has it: docker's configuration with a password, and the authority in the server's directory.
    let config_dir = tempfile::tempdir().unwrap();
    let host = closed.server.host();
    let auth = data_encoding::BASE64
        .encode(format!("{}:{}", peer::Registry::USER, peer::Registry::PASSWORD).as_bytes());
    write(
        config_dir.path(),
        "config.json",
        &format!(r#"{{"auths":{{"https://{host}/v1/":{{"auth":"{auth}"}}}}}}"#),
    );
    write(
        config_dir.path(),
        &format!("tls/{host}/any.crt"),
        &closed.authority.pem(),
    );

    let (config, warning) = DockerConfig::load(config_dir.path());
    assert!(warning.is_none());
    let reference = closed.reference();
    let (credentials, warnings) = Credentials::lookup(
        &config,
        reference.credentials_key(),
        &CredentialEnvironment::default(),
    )
    .await;
    assert!(warnings.is_empty());
    let tls = TlsDirectory::load(config.dir(), reference.registry_authority()).unwrap();
    let ca = String::from_utf8(tls.roots[0].bytes.clone()).unwrap();

    let access = Access::new(client(Some(&ca))).credentials(credentials);
    let registry = Registry::new(&reference, access).unwrap();
    let manifest = registry.fetch_tag(reference.tag().unwrap()).await.unwrap();
    assert_eq!(registry.url().scheme(), "https");
    assert_eq!(manifest.digest().to_string(), closed.image.digest());
    let debug = format!("{registry:?}");
    assert!(
        !debug.contains(peer::Registry::PASSWORD) && !debug.contains(&auth),
        "{debug}"
    );
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    file::write(&path, text).unwrap();
}

#[tokio::test]
async fn without_credentials_a_closed_registry_refuses() {
    let closed = Closed::start();
    let ca = closed.authority.pem();
    let error = closed
        .fetch(Some(&ca), Credentials::anonymous())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        chain(&error).ends_with("no basic auth credentials"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_offline() {
    let closed = Closed::start();
    let ca = closed.authority.pem();
    let wrong = Credentials::password("alice", SecretString::from("looking-glass"));
    let error = closed.fetch(Some(&ca), wrong).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    match error {
        RegistryError::Unauthorized {
            status, challenges, ..
        } => {
            assert_eq!(status, 401);
            assert_eq!(challenges.len(), 1);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unknown_authority_is_a_tls_failure_and_never_plain_http() {
    let closed = Closed::start();
    let stranger = Authority::new("stranger").unwrap().pem();
    for ca in [None, Some(stranger.as_str())] {
        let error = closed
            .fetch(ca, Credentials::anonymous())
            .await
            .unwrap_err();
        assert!(matches!(error, RegistryError::Tls { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    }
}

//! Small images, and how they get into a registry without a daemon (OCI distribution specification, push of blobs and manifests).

use anyhow::{Context, ensure};
use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::http::Client;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// `sha256:` and the hexadecimal SHA-256 of `bytes`.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// What a registry stores under a tag, and what it refers to.
#[derive(Clone, Debug)]
pub struct Image {
    media_type: &'static str,
    manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
    children: Vec<Self>,
}

impl Image {
    /// An image for one platform whose only file, `greeting`, holds `text`. The same text gives the same digest.
    #[must_use]
    pub fn single(text: &str) -> Self {
        Self::for_platform(text, "amd64")
    }

    /// An index with one image for amd64 and one for arm64.
    #[must_use]
    pub fn multi_platform(text: &str) -> Self {
        let children = ["amd64", "arm64"]
            .map(|architecture| (architecture, Self::for_platform(text, architecture)));
        let manifests: Vec<_> = children
            .iter()
            .map(|(architecture, child)| {
                json!({
                    "mediaType": child.media_type,
                    "digest": child.digest(),
                    "size": child.size(),
                    "platform": {"os": "linux", "architecture": architecture},
                })
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        Self {
            media_type: INDEX,
            manifest: index.to_string().into_bytes(),
            blobs: Vec::new(),
            children: children.map(|(_, child)| child).into(),
        }
    }

    fn for_platform(text: &str, architecture: &str) -> Self {
        let layer = tar("greeting", text.as_bytes());
        let config = json!({
            "os": "linux",
            "architecture": architecture,
            "config": {"Cmd": ["cat", "/greeting"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        })
        .to_string()
        .into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest(&config), "size": config.len()},
            "layers": [{"mediaType": LAYER, "digest": digest(&layer), "size": layer.len()}],
        });
        Self {
            media_type: MANIFEST,
            manifest: manifest.to_string().into_bytes(),
            blobs: vec![config, layer],
            children: Vec::new(),
        }
    }

    /// The digest of its manifest or index: what is signed.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// The same without `sha256:`, as `docker trust inspect` shows it.
    #[must_use]
    pub fn digest_hex(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(&self.manifest))
    }

    /// The length of its manifest or index in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.manifest.len()
    }

    /// Puts it into the registry as `repository:tag`.
    ///
    /// # Errors
    /// When the registry refuses a part.
    pub fn push(&self, registry: &Client, repository: &str, tag: &str) -> anyhow::Result<()> {
        for child in &self.children {
            child.push(registry, repository, &child.digest())?;
        }
        for blob in &self.blobs {
            push_blob(registry, repository, blob)?;
        }
        let path = format!("/v2/{repository}/manifests/{tag}");
        let response = registry.request(
            "PUT",
            &path,
            &[("Content-Type", self.media_type)],
            &self.manifest,
        )?;
        ensure!(
            response.status == 201,
            "PUT {path}: {} {}",
            response.status,
            response.text()
        );
        Ok(())
    }
}

fn push_blob(registry: &Client, repository: &str, blob: &[u8]) -> anyhow::Result<()> {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let response = registry.request("POST", &path, &[], &[])?;
    ensure!(
        response.status == 202,
        "POST {path}: {} {}",
        response.status,
        response.text()
    );
    let location = response
        .header("location")
        .context("no Location for the upload")?;
    // An absolute URL or a path, as the registry likes.
    let upload = match location.split_once("://") {
        Some((_, rest)) => rest
            .find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/"),
        None => location,
    };
    let separator = if upload.contains('?') { '&' } else { '?' };
    let path = format!("{upload}{separator}digest={}", digest(blob));
    let response = registry.request(
        "PUT",
        &path,
        &[("Content-Type", "application/octet-stream")],
        blob,
    )?;
    ensure!(
        response.status == 201,
        "PUT of a blob: {} {}",
        response.status,
        response.text()
    );
    Ok(())
}

/// A tar archive (POSIX ustar) with one file, owned by root, of the year 1970.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(512);
    let mut field = |text: &str, width: usize| {
        header.extend_from_slice(text.as_bytes());
        header.resize(header.len() + width - text.len(), 0);
    };
    field(name, 100);
    field("0000644", 8);
    field("0000000", 8);
    field("0000000", 8);
    field(&format!("{:011o}", content.len()), 12);
    field(&format!("{:011o}", 0), 12);
    field("        ", 8); // the checksum counts as blanks while it is computed
    field("0", 1);
    field("", 100);
    field("ustar", 6);
    field("00", 2);
    header.resize(512, 0);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let checksum = format!("{sum:06o}\0 ");
    header.splice(148..156, checksum.into_bytes());

    let mut archive = header;
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tar_reads_what_tar_writes() {
        let folder = tempfile::tempdir().unwrap();
        crate::file::write(
            &folder.path().join("layer.tar"),
            tar("greeting", b"hello\n"),
        )
        .unwrap();
        let mut command = std::process::Command::new("tar");
        command
            .args(["-xOf", "layer.tar"])
            .current_dir(folder.path());
        let finished =
            crate::process::run(&mut command, "", crate::process::COMMAND_LIMIT).unwrap();
        assert_eq!(finished.success().unwrap(), "hello\n");
    }
}

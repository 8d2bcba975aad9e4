//! docker's flags of `build`: which of them name images, and which let images in that nobody looks up.

use std::collections::BTreeMap;

use signet_oci::Reference;

use crate::docker::pin::Pinned;
use crate::env;
use crate::texts::docker as texts;
use crate::ui::report::Failure;

/// A flag on its way to docker.
#[derive(Debug)]
pub(super) enum Part {
    /// As it was given.
    Same { flag: &'static str, value: String },
    /// With an image in its value.
    Image(Named),
}

/// An image in a flag's value.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) flag: &'static str,
    before: String,
    /// The image.
    pub(super) name: String,
    after: String,
}

/// Looks at every flag.
pub(super) fn read(flags: &[(&'static str, String)]) -> Result<Vec<Part>, Failure> {
    let parts = flags.iter().map(|(flag, value)| part(flag, value));
    parts.filter_map(Result::transpose).collect()
}

fn part(flag: &'static str, value: &str) -> Result<Option<Part>, Failure> {
    let image = |before: &str, name: &str, after: &str| {
        Ok(Some(Part::Image(Named {
            flag,
            before: before.to_owned(),
            name: name.to_owned(),
            after: after.to_owned(),
        })))
    };
    match flag {
        // The copy's name takes its place.
        "file" => return Ok(None),
        "disable-content-trust" => {
            // `=false` asks for what is done here anyway.
            return if crate::cobra::parse::parse_bool(value) == Some(true) {
                Err(Failure::new(texts::BUILD_ALWAYS_CHECKS))
            } else {
                Ok(None)
            };
        }
        "build-arg" => {
            let (name, given) = match value.split_once('=') {
                Some((name, given)) => (name, Some(given.to_owned())),
                None => (value, env::build_argument(value)),
            };
            // The program that reads the Dockerfile, in the place of the one that the file names.
            if let ("BUILDKIT_SYNTAX", Some(syntax)) = (name, given)
                && !syntax.is_empty()
            {
                let (frontend, rest) = match syntax.split_once(' ') {
                    Some((frontend, rest)) => (frontend, format!(" {rest}")),
                    None => (syntax.as_str(), String::new()),
                };
                if !signet_oci::dockerfile::is_frontend(frontend) {
                    return Err(Failure::new(texts::other_language(frontend)));
                }
                return image("BUILDKIT_SYNTAX=", frontend, &rest);
            }
        }
        "build-context" => {
            let source = value.split_once('=').map_or("", |(_, source)| source);
            let scheme = source.split_once(':').map_or("", |(scheme, _)| scheme);
            if let Some(name) = source.strip_prefix("docker-image://") {
                if name != "scratch" {
                    let before = value.strip_suffix(name).unwrap_or_default();
                    return image(before, name, "");
                }
            } else if matches!(scheme, "docker-image" | "oci-layout" | "target" | "input") {
                return Err(Failure::new(texts::context_not_looked_up(value)));
            }
        }
        "cache-from" => return cache(flag, value),
        "attest" | "provenance" | "sbom" if !attests_without_scanner(flag, value) => {
            return Err(Failure::new(texts::scanner_not_looked_up(flag)));
        }
        _ => {}
    }
    Ok(Some(Part::Same {
        flag,
        value: value.to_owned(),
    }))
}

/// Whether an attestation is made without the image of a scanner, whoever reads the value.
///
/// buildx puts `type=` of the flag in front of the value, reads comma-separated fields, and lets the last of two types count. Here every field
/// must be known, and there once.
fn attests_without_scanner(flag: &str, value: &str) -> bool {
    let switch = crate::cobra::parse::parse_bool(value);
    let mut kind = match (flag, switch) {
        ("sbom", Some(on)) => return !on,
        ("provenance", Some(_)) => return true,
        ("attest", _) => None,
        _ => Some(flag),
    };
    let mut seen = Vec::new();
    let mut is_off = false;
    for field in value.split(',') {
        let Some((key, given)) = field.split_once('=') else {
            return false;
        };
        let is_plain = given
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if seen.contains(&key) || !is_plain {
            return false;
        }
        seen.push(key);
        match key {
            "type" if kind.is_none() => kind = Some(given),
            "disabled" => is_off = given == "true",
            "builder-id" | "filename" | "inline-only" | "mode" | "reproducible" | "version" => {}
            _ => return false,
        }
    }
    kind == Some("provenance") || (kind == Some("sbom") && is_off)
}

/// What a builder takes from a cache becomes part of the image. From a registry it must be signed.
fn cache(flag: &'static str, value: &str) -> Result<Option<Part>, Failure> {
    let named = |before: &str, name: &str, after: &str| {
        Ok(Some(Part::Image(Named {
            flag,
            before: before.to_owned(),
            name: name.to_owned(),
            after: after.to_owned(),
        })))
    };
    let unclear = || Failure::new(texts::cache_not_looked_up(value));
    if value.contains('"') {
        return Err(unclear());
    }
    if !value.contains('=') {
        // docker splits the value at commas and takes every part for an image.
        return if value.contains(',') || value.is_empty() {
            Err(unclear())
        } else {
            named("", value, "")
        };
    }
    let mut kind = None;
    let mut reference = None;
    let mut at = 0;
    for field in value.split(',') {
        match field.split_once('=') {
            Some(("type", value)) if kind.is_none() => kind = Some(value),
            Some(("ref", name)) if reference.is_none() => reference = Some((at + 4, name)),
            Some(("type" | "ref", _)) | None => return Err(unclear()),
            Some((key, _)) if key.trim() != key || key.to_lowercase() != key => {
                return Err(unclear());
            }
            Some(_) => {}
        }
        at += field.len() + 1;
    }
    match (kind, reference) {
        (Some("local" | "gha" | "s3" | "azblob"), None) => Ok(Some(Part::Same {
            flag,
            value: value.to_owned(),
        })),
        (Some("registry"), Some((start, name))) => {
            let before = value.get(..start).unwrap_or_default();
            let after = value.get(start + name.len()..).unwrap_or_default();
            named(before, name, after)
        }
        _ => Err(unclear()),
    }
}

impl Part {
    /// The image in the flag, if there is one.
    pub(super) const fn image(&self) -> Option<&Named> {
        match self {
            Self::Image(named) => Some(named),
            Self::Same { .. } => None,
        }
    }

    /// The images that a named context stands for.
    pub(super) fn context_key(&self) -> Option<String> {
        let name = match self {
            Self::Same {
                flag: "build-context",
                value,
            } => value.split_once('=')?.0,
            Self::Image(named) if named.flag == "build-context" => named.before.split_once('=')?.0,
            _ => return None,
        };
        Some(context_key(name))
    }

    /// The flag as a word for docker.
    pub(super) fn word(&self, pins: &BTreeMap<String, Pinned>) -> String {
        match self {
            // Always with its value: a flag that waits for one would take the next word, and that word decides which Dockerfile is built.
            Self::Same { flag, value } => format!("--{flag}={value}"),
            Self::Image(named) => {
                let name = match pins.get(&named.name) {
                    Some(pinned) => pinned.resolved.pinned(),
                    None => named.name.clone(),
                };
                format!("--{}={}{name}{}", named.flag, named.before, named.after)
            }
        }
    }
}

/// The form in which BuildKit compares the names of contexts and images: as docker shows them, without `:latest`.
pub(in crate::docker) fn context_key(name: &str) -> String {
    let Ok(reference) = name.parse::<Reference>() else {
        return name.to_owned();
    };
    let mut key = reference.familiar_name();
    let after = name.rsplit('/').next().unwrap_or_default();
    let (tagged, digest) = match after.split_once('@') {
        Some((tagged, digest)) => (tagged, Some(digest)),
        None => (after, None),
    };
    if let Some((_, tag)) = tagged.split_once(':')
        && (tag != "latest" || digest.is_some())
    {
        key.push(':');
        key.push_str(tag);
    }
    if let Some(digest) = digest {
        key.push('@');
        key.push_str(digest);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(flag: &'static str, value: &str) -> Result<Vec<String>, String> {
        let parts =
            read(&[(flag, value.to_owned())]).map_err(|failure| failure.text().to_owned())?;
        for part in &parts {
            assert_eq!(part.word(&BTreeMap::new()), format!("--{flag}={value}"));
        }
        Ok(parts
            .iter()
            .filter_map(Part::image)
            .map(|named| named.name.clone())
            .collect())
    }

    #[test]
    fn images_in_flags_are_found() {
        for (flag, value, expected) in [
            ("tag", "a:1", vec![]),
            ("build-arg", "A=b", vec![]),
            (
                "build-arg",
                "BUILDKIT_SYNTAX=docker/dockerfile:1 x",
                vec!["docker/dockerfile:1"],
            ),
            ("build-context", "src=../src", vec![]),
            ("build-context", "src=https://github.com/a/b.git", vec![]),
            (
                "build-context",
                "alpine=docker-image://r.example/a:3",
                vec!["r.example/a:3"],
            ),
            ("build-context", "alpine=docker-image://scratch", vec![]),
            ("cache-from", "r.example/a:1", vec!["r.example/a:1"]),
            (
                "cache-from",
                "type=registry,ref=r.example/a:1,x=y",
                vec!["r.example/a:1"],
            ),
            (
                "cache-from",
                "ref=r.example/a:1,type=registry",
                vec!["r.example/a:1"],
            ),
            ("cache-from", "type=local,src=/x", vec![]),
            ("cache-from", "type=gha", vec![]),
            ("sbom", "false", vec![]),
            ("attest", "type=provenance,mode=max", vec![]),
            ("attest", "type=sbom,disabled=true", vec![]),
            ("attest", "mode=max,type=provenance,disabled=false", vec![]),
            ("provenance", "mode=max", vec![]),
            ("provenance", "true", vec![]),
            ("sbom", "disabled=true", vec![]),
        ] {
            assert_eq!(
                images(flag, value).as_deref(),
                Ok(&*expected
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>()),
                "{value}"
            );
        }
    }

    /// A value that looks like a switch must not leave a flag without its value: docker would take the next word for it.
    #[test]
    fn no_value_leaves_a_flag_open_for_the_next_word() {
        let build = crate::docker::commands::ROOT.children.iter();
        let build = build
            .copied()
            .find(|command| command.name == "build")
            .unwrap();
        for flag in build.flags {
            for value in ["true", "false", "", "-", "--file=x", "--"] {
                let is_switch = matches!(flag.kind, crate::cobra::FlagKind::Bool);
                if is_switch && !matches!(value, "true" | "false") {
                    continue;
                }
                let Ok(parts) = read(&[(flag.name, value.to_owned())]) else {
                    continue;
                };
                for part in parts {
                    let word = part.word(&BTreeMap::new());
                    assert_eq!(word, format!("--{}={value}", flag.name));
                }
            }
        }
    }

    #[test]
    fn what_nobody_looks_up_is_refused() {
        for (flag, value) in [
            ("build-arg", "BUILDKIT_SYNTAX=acme/language"),
            ("build-context", "a=oci-layout:///x@sha256:0"),
            ("build-context", "a=docker-image:alpine"),
            ("cache-from", "a,b"),
            ("cache-from", "type=registry"),
            ("cache-from", "type=registry,\"ref=a\""),
            ("cache-from", "type=registry,ref=a,ref=b"),
            ("cache-from", "type=registry,REF=a"),
            ("cache-from", "type=new,ref=a"),
            ("sbom", "true"),
            ("sbom", "1"),
            ("sbom", "generator=alpine"),
            ("sbom", "generator=alpine,disabled=true,disabled=false"),
            ("sbom", "generator=alpine,disabled=true"),
            ("sbom", "disabled=true,Disabled=false"),
            ("attest", "type=provenance,type=sbom,generator=alpine"),
            ("attest", "type=provenance, type=sbom"),
            ("attest", "type=provenance,TYPE=sbom"),
            ("attest", "type=provenance,\"type=sbom\""),
            ("attest", "type=provenance,mode=\"max\",x=y"),
            ("attest", "type=provenance\n,mode=max"),
            ("attest", "mode=max"),
            ("attest", "true"),
            ("attest", "type=sbom,disabled=false"),
            ("provenance", "mode=max,type=sbom,generator=alpine"),
            ("provenance", "type=sbom"),
            ("attest", "type=sbom"),
            ("attest", "type=sbom,generator=alpine"),
            ("disable-content-trust", "true"),
        ] {
            assert!(images(flag, value).is_err(), "{flag} {value}");
        }
        let dropped = read(&[
            ("file", "x".to_owned()),
            ("disable-content-trust", "false".to_owned()),
        ]);
        assert!(dropped.unwrap().is_empty());
    }

    /// BuildKit's rule: the familiar form, without `:latest`.
    #[test]
    fn contexts_stand_for_images() {
        for (context, image) in [
            ("alpine", "alpine"),
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3", "alpine:3"),
            ("r.example:5000/a", "r.example:5000/a:latest"),
        ] {
            assert_eq!(context_key(context), context_key(image));
        }
        let digest = format!("alpine:latest@sha256:{}", "0".repeat(64));
        for (context, image) in [("alpine", "alpine:3"), ("alpine", digest.as_str())] {
            assert_ne!(context_key(context), context_key(image));
        }
    }
}

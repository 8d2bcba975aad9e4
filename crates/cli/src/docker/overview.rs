//! What `inspect` shows of a trust repository: who signed which tag, who may sign, and the administrators' keys.

use std::cmp::Ordering;

use serde::Serialize;
use signet_tuf::{BaseRole, RoleName, TrustedRepository};

use crate::texts::{docker as texts, visible};
use crate::ui::table::table;

/// One image's object in the JSON output. Names and order of the members are docker's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Overview {
    /// The image as typed.
    name: String,
    signed_tags: Vec<SignedTag>,
    signers: Vec<Holder>,
    administrative_keys: Vec<Holder>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SignedTag {
    signed_tag: String,
    /// SHA-256 in hex; empty for a target that has none.
    digest: String,
    signers: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Holder {
    name: String,
    keys: Vec<Key>,
}

#[derive(Debug, Serialize)]
struct Key {
    #[serde(rename = "ID")]
    id: String,
}

/// Who signs when nobody but the administrators did.
const REPO_ADMIN: &str = "Repo Admin";

impl Overview {
    /// Looks at the whole repository, or at one of its tags.
    pub(super) fn new(name: &str, repository: &TrustedRepository, tag: Option<&str>) -> Self {
        let mut signers: Vec<Holder> = repository
            .delegations()
            .into_iter()
            .filter(|delegation| delegation.role != RoleName::releases())
            .map(|delegation| Holder {
                name: signer_name(&delegation.role).to_owned(),
                keys: delegation
                    .keys
                    .iter()
                    .map(|key| Key {
                        id: key.canonical_id().to_string(),
                    })
                    .collect(),
            })
            .collect();
        // compat: the signers come in descending order of their bytes, whatever the order of the rows (Q5).
        signers.sort_by(|a, b| b.name.cmp(&a.name));
        Self {
            name: name.to_owned(),
            signed_tags: signed_tags(repository, tag),
            signers,
            administrative_keys: vec![
                administrators("Root", repository, BaseRole::Root),
                administrators("Repository", repository, BaseRole::Targets),
            ],
        }
    }

    /// The human friendly form.
    pub(super) fn pretty(&self) -> String {
        let name = &self.name;
        let mut page = if self.signed_tags.is_empty() {
            texts::no_signatures_for(name)
        } else {
            let header = ["SIGNED TAG", "DIGEST", "SIGNERS"].map(str::to_owned);
            let rows = self.signed_tags.iter().map(|row| {
                [
                    visible(&row.signed_tag),
                    row.digest.clone(),
                    row.pretty_signers(),
                ]
            });
            texts::signatures_for(name) + &table(std::iter::once(header).chain(rows))
        };
        if !self.signers.is_empty() {
            let header = ["SIGNER", "KEYS"].map(str::to_owned);
            let mut signers: Vec<&Holder> = self.signers.iter().collect();
            signers.sort_by(|a, b| natural_order(&a.name, &b.name));
            let rows = signers
                .into_iter()
                .map(|signer| [visible(&signer.name), signer.sorted_keys(12)]);
            page += &texts::signers_for(name);
            page += &table(std::iter::once(header).chain(rows));
        }
        page += &texts::administrative_keys_for(name);
        // The other way round than in JSON.
        for holder in self.administrative_keys.iter().rev() {
            page += &format!(
                "  {} Key:\t{}\n",
                holder.name,
                holder.sorted_keys(usize::MAX)
            );
        }
        page
    }
}

impl SignedTag {
    fn pretty_signers(&self) -> String {
        if self.signers == [REPO_ADMIN] {
            return format!("({REPO_ADMIN})");
        }
        let mut signers: Vec<String> = self.signers.iter().map(|signer| visible(signer)).collect();
        signers.sort_unstable();
        signers.join(", ")
    }
}

impl Holder {
    fn sorted_keys(&self, digits: usize) -> String {
        let mut ids: Vec<String> = self
            .keys
            .iter()
            .map(|key| visible(&key.id.chars().take(digits).collect::<String>()))
            .collect();
        ids.sort_unstable();
        ids.join(", ")
    }
}

/// Who signed a tag as it is released: the names of the other roles that list the tag with the same digest, in the order of the walk.
pub(super) fn signers_of(repository: &TrustedRepository, tag: &str, digest: &str) -> Vec<String> {
    repository
        .all_occurrences(Some(tag))
        .into_iter()
        .filter(|found| {
            !is_released(&found.role)
                && found.target.hashes.sha256_hex().unwrap_or_default() == digest
        })
        .map(|found| signer_name(&found.role).to_owned())
        .collect()
}

/// Whether what the role lists is released: docker takes tags from these two only.
pub(super) fn is_released(role: &RoleName) -> bool {
    *role == RoleName::targets() || *role == RoleName::releases()
}

/// `jeff` for `targets/jeff`.
fn signer_name(role: &RoleName) -> &str {
    role.as_str()
        .strip_prefix("targets/")
        .unwrap_or(role.as_str())
}

fn signed_tags(repository: &TrustedRepository, tag: Option<&str>) -> Vec<SignedTag> {
    let occurrences = repository.all_occurrences(tag);
    let mut rows: Vec<(bool, SignedTag)> = Vec::new();
    let mut index = std::collections::HashMap::new();
    for found in occurrences.iter().filter(|found| is_released(&found.role)) {
        let by_releases = found.role == RoleName::releases();
        let digest = found.target.hashes.sha256_hex().unwrap_or_default();
        let at = *index
            .entry((found.name.as_str(), digest.clone()))
            .or_insert_with(|| {
                rows.push((
                    by_releases,
                    SignedTag {
                        signed_tag: found.name.clone(),
                        digest,
                        signers: Vec::new(),
                    },
                ));
                rows.len() - 1
            });
        if let Some(row) = rows.get_mut(at) {
            row.0 |= by_releases;
        }
    }
    for found in occurrences.iter().filter(|found| !is_released(&found.role)) {
        let digest = found.target.hashes.sha256_hex().unwrap_or_default();
        if let Some((_, row)) = index
            .get(&(found.name.as_str(), digest))
            .and_then(|at| rows.get_mut(*at))
        {
            row.signers.push(signer_name(&found.role).to_owned());
        }
    }
    // A tag with two digests has two rows; the one that docker uses comes first.
    rows.sort_by(|(a_released, a), (b_released, b)| {
        natural_order(&a.signed_tag, &b.signed_tag).then_with(|| b_released.cmp(a_released))
    });
    let mut rows: Vec<SignedTag> = rows.into_iter().map(|(_, row)| row).collect();
    for row in rows.iter_mut().filter(|row| row.signers.is_empty()) {
        row.signers.push(REPO_ADMIN.to_owned());
    }
    rows
}

fn administrators(name: &str, repository: &TrustedRepository, role: BaseRole) -> Holder {
    let ids = repository
        .root()
        .body()
        .role(role)
        .and_then(|role| role.keyids.clone())
        .unwrap_or_default();
    Holder {
        name: name.to_owned(),
        keys: ids.iter().map(|id| Key { id: id.to_string() }).collect(),
    }
}

/// The order of `sortorder.NaturalLess`: byte by byte, runs of digits by their value, then those with fewer leading zeros first; a digit
/// before anything else.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (a_digits, b_digits) = (digits(a), digits(b));
        match (a_digits.is_empty(), b_digits.is_empty()) {
            (false, false) => {
                let (a_value, b_value) = (significant(a_digits), significant(b_digits));
                let by_value = a_value
                    .len()
                    .cmp(&b_value.len())
                    .then_with(|| a_value.cmp(b_value));
                let order = by_value.then_with(|| a_digits.len().cmp(&b_digits.len()));
                if order.is_ne() {
                    return order;
                }
                a = a.get(a_digits.len()..).unwrap_or_default();
                b = b.get(b_digits.len()..).unwrap_or_default();
            }
            (true, true) => match (a.split_first(), b.split_first()) {
                (Some((first, rest)), Some((other, others))) => {
                    if first != other {
                        return first.cmp(other);
                    }
                    a = rest;
                    b = others;
                }
                (a, b) => return a.is_some().cmp(&b.is_some()),
            },
            // The end comes before everything, a digit before everything else.
            (false, true) => {
                return if b.is_empty() {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
            }
            (true, false) => {
                return if a.is_empty() {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
            }
        }
    }
}

fn digits(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn significant(digits: &[u8]) -> &[u8] {
    let start = digits
        .iter()
        .position(|byte| *byte != b'0')
        .unwrap_or(digits.len());
    digits.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use signet_tuf::TrustPinning;
    use signet_tuf::update::{Answer, Cached, Floors, Mode, Scope, Step, Update};
    use time::macros::datetime;

    use super::super::go_json::GoFormatter;
    use super::*;

    /// The order that docker 28 printed (specification, section 8.8 and acceptance case 85).
    #[test]
    fn sorts_naturally() {
        let sorted = [
            "1", "1.2.9", "1.2.10", "01", "V2", "a-b", "a.b", "a_b", "latest", "v1", "v9", "v10",
        ];
        let mut mixed = sorted;
        mixed.reverse();
        mixed.sort_by(|a, b| natural_order(a, b));
        assert_eq!(mixed, sorted);
    }

    /// A repository from its documents, at the moment when docker was asked about it.
    fn repository(name: &str, gun: &str) -> Box<TrustedRepository> {
        let folder = data(name).join("metadata");
        let read = |file: &str| std::fs::read(folder.join(file)).ok();
        let mut update = Update::new(
            gun.parse().unwrap(),
            datetime!(2026-11-22 23:00 UTC),
            Mode::Read,
            Scope::All,
            TrustPinning::default(),
            Cached::default(),
            Floors::default(),
        );
        loop {
            match update.step().unwrap() {
                Step::Fetch(fetch) => {
                    // `targets/al.<checksum>.json` is the file `targets/al.json`.
                    let path = fetch.path.to_string();
                    let role = path.split('.').next().unwrap();
                    let answer = read(&path).or_else(|| read(&format!("{role}.json")));
                    update
                        .answer(answer.map_or(Answer::Absent, |bytes| Answer::Bytes(bytes.into())));
                }
                Step::Done(repository) => return repository,
                Step::Persist { .. } | Step::Warn(_) => {}
            }
        }
    }

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/inspect")
            .join(name)
    }

    fn json(overviews: &[Overview]) -> String {
        let mut text = Vec::new();
        let mut serializer =
            serde_json::Serializer::with_formatter(&mut text, GoFormatter::default());
        overviews.serialize(&mut serializer).unwrap();
        String::from_utf8(text).unwrap() + "\n"
    }

    /// What docker 28.2.2 printed for the same documents, byte by byte.
    #[test]
    fn shows_what_docker_shows() {
        for (name, gun) in [
            ("ins", "registry.example.com/team/ins"),
            ("demo", "registry.example.com/signet/demo"),
        ] {
            let repository = repository(name, gun);
            let expected = |file: &str| std::fs::read_to_string(data(name).join(file)).unwrap();
            let all = Overview::new(gun, &repository, None);
            assert_eq!(all.pretty(), expected("all.pretty"));
            assert_eq!(json(&[all]), expected("all.json"));
            let of = |tag: &str| Overview::new(&format!("{gun}:{tag}"), &repository, Some(tag));
            if name == "ins" {
                assert_eq!(
                    format!("{}\n\n{}", of("v10").pretty(), of("alonly").pretty()),
                    expected("v10-alonly.pretty")
                );
                assert_eq!(json(&[of("v1"), of("nosuch")]), expected("v1-nosuch.json"));
            } else {
                assert_eq!(of("1.0").pretty(), expected("1.0.pretty"));
            }
        }
    }

    /// Case 85 and the escapes of a hostile name: what a tag is called must not steer a terminal.
    #[test]
    fn names_from_documents_are_escaped_on_the_page() {
        let overview = Overview {
            name: "r".to_owned(),
            signed_tags: vec![SignedTag {
                signed_tag: "v1\u{1b}[2J".to_owned(),
                digest: String::new(),
                signers: vec!["a\u{202e}".to_owned(), "\r".to_owned()],
            }],
            signers: vec![Holder {
                name: "a\nb".to_owned(),
                keys: vec![Key {
                    id: "\u{1b}".to_owned(),
                }],
            }],
            administrative_keys: Vec::new(),
        };
        let page = overview.pretty();
        assert!(
            page.chars()
                .all(|letter| !letter.is_control() || letter == '\n'),
            "{page:?}"
        );
        assert!(page.contains("v1\\x1b[2J"), "{page}");
        assert!(page.contains("\\x0d, a\\u202e"), "{page}");
    }

    #[test]
    fn natural_order_is_total() {
        let names = [
            "",
            "0",
            "00",
            "000a",
            "1",
            "01",
            "10",
            "9",
            "a",
            "a1",
            "a01",
            "a1b",
            "a1b2",
            "b",
            "é",
            "99999999999999999999999",
            "_",
        ];
        for a in names {
            for b in names {
                assert_eq!(
                    natural_order(a, b),
                    natural_order(b, a).reverse(),
                    "{a} {b}"
                );
                assert_eq!(natural_order(a, b).is_eq(), a == b, "{a} {b}");
                for c in names {
                    if natural_order(a, b).is_lt() && natural_order(b, c).is_lt() {
                        assert!(natural_order(a, c).is_lt(), "{a} {b} {c}");
                    }
                }
            }
        }
    }
}

//! Populations: what a member says of itself is what Go's `notary` and the docker client print.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use signet_testkit::fleet::{Fleet, Kind, Member, Signed, Standing};
use signet_testkit::user::{Tool, User};

/// What `notary list` prints, or its error.
fn listed(user: &User, gun: &str) -> Result<BTreeMap<String, (String, Signed)>, String> {
    let finished = user.run(Tool::Notary, &["list", gun]).unwrap();
    if finished.code != Some(0) {
        return Err(finished.stderr);
    }
    let rows = finished.stdout.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, sha256, length, role] = words.as_slice() else {
            return None;
        };
        let length = length.parse().ok()?;
        let sha256 = (*sha256).to_owned();
        Some((
            (*name).to_owned(),
            ((*role).to_owned(), Signed { sha256, length }),
        ))
    });
    Ok(rows.collect())
}

/// What `docker trust inspect` prints: names, and signers with their keys.
type Inspected = (
    BTreeMap<String, (String, BTreeSet<String>)>,
    BTreeMap<String, BTreeSet<String>>,
);

fn inspected(user: &User, gun: &str) -> Inspected {
    let text = user.expect(Tool::Docker, &["inspect", gun]).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let tags = list(&json[0]["SignedTags"]);
    let tags = tags.iter().map(|tag| {
        let signers = list(&tag["Signers"]).iter().map(text).collect();
        (text(&tag["SignedTag"]), (text(&tag["Digest"]), signers))
    });
    let signers = list(&json[0]["Signers"]);
    let signers = signers.iter().map(|signer| {
        let keys = list(&signer["Keys"])
            .iter()
            .map(|key| text(&key["ID"]))
            .collect();
        (text(&signer["Name"]), keys)
    });
    (tags.collect(), signers.collect())
}

/// Signers as docker shows them: every delegation but the releases.
fn signers(member: &Member) -> BTreeMap<String, BTreeSet<String>> {
    let people = member.delegations.iter().filter_map(|(role, keys)| {
        let name = role.strip_prefix("targets/")?;
        (name != "releases").then(|| (name.to_owned(), keys.clone()))
    });
    people.collect()
}

#[test]
fn go_reads_each_kind_as_the_population_says() {
    let fleet = Fleet::small().unwrap();
    for member in fleet.members() {
        let user = fleet.stranger().unwrap();
        let listed = listed(&user, &member.gun);
        if let Standing::Expired { role, .. } = &member.standing {
            assert!(listed.unwrap_err().contains(&format!("{role} expired")));
            continue;
        }
        assert_eq!(listed.unwrap(), member.listed(), "{}", member.gun);
        if member.is_image() {
            let (tags, people) = inspected(&fleet.stranger().unwrap(), &member.gun);
            assert_eq!(tags, member.released(), "{}", member.gun);
            assert_eq!(people, signers(member), "{}", member.gun);
        }
        for (role, version) in &member.versions {
            assert_eq!(fleet.server().version(&member.gun, role).unwrap(), *version);
        }
        let timestamps = fleet.server().version(&member.gun, "timestamp").unwrap();
        assert_eq!(timestamps, member.uploads, "{}", member.gun);
    }
    let broken = fleet.member(Kind::Broken);
    assert!(!broken.listed().contains_key("alice-only"));
    assert_eq!(fleet.member(Kind::RotatedRoot).versions["root"], 2);
}

#[test]
fn a_population_of_any_size_has_one_expired_and_one_broken_repository() {
    let fleet = Fleet::mixed(200).unwrap();
    let members = fleet.members();
    let guns: BTreeSet<_> = members.iter().map(|member| &member.gun).collect();
    assert_eq!((members.len(), guns.len()), (200, 200));
    let unsound = |kind| members.iter().filter(|member| member.kind == kind).count();
    assert_eq!((unsound(Kind::Expired), unsound(Kind::Broken)), (1, 1));
}

#[test]
fn an_owner_publishes_on() {
    let fleet = Fleet::small().unwrap();
    let hash = "5".repeat(64);
    for kind in [
        Kind::Plain,
        Kind::OwnSnapshot,
        Kind::RotatedServerKeys,
        Kind::OddName,
    ] {
        let member = fleet.member(kind);
        let owner = fleet.owner(member).unwrap();
        let add = ["addhash", &member.gun, "more", "5", "--sha256", &hash, "-p"];
        owner.expect(Tool::Notary, &add).unwrap();
        let listed = listed(&fleet.stranger().unwrap(), &member.gun).unwrap();
        assert_eq!(listed.len(), member.listed().len() + 1);
    }
    let member = fleet.member(Kind::RotatedRoot);
    let owner = fleet.owner(member).unwrap();
    let rotate = ["key", "rotate", &member.gun, "root"];
    let rotated = owner.run_with_input(Tool::Notary, &rotate, "y\n").unwrap();
    rotated.success().unwrap();
    let version = fleet.server().version(&member.gun, "root").unwrap();
    assert_eq!(version, member.versions["root"] + 1);
    let member = fleet.member(Kind::Signers);
    let owner = fleet.owner(member).unwrap();
    let add = ["addhash", &member.gun, "more", "5", "--sha256", &hash];
    let role = ["-r", "targets/bob", "-p"];
    owner
        .expect(Tool::Notary, &[&add[..], &role].concat())
        .unwrap();
    let listed = listed(&fleet.stranger().unwrap(), &member.gun).unwrap();
    assert_eq!(listed["more"].0, "targets/bob");
}

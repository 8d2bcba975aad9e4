//! One change: as the file has it ([`Change`]) and as what it asks for ([`Edit`]).

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use signet_tuf::editor::{self, EditError};
use signet_tuf::{BaseRole, Hashes, KeyId, PublicKey, RoleName, Target, canonical};

/// A staged change as its file has it; its parts need not make sense.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Change {
    /// `create`, `update` or `delete`.
    pub action: String,
    /// Role that is changed, or `targets/*`.
    pub role: String,
    /// `target`, `delegation`, `witness` or `role`.
    pub kind: String,
    /// Name of the target; for `role` the role whose keys are replaced.
    pub path: String,
    /// JSON whose shape depends on action and kind.
    pub data: Option<Vec<u8>>,
}

/// What a change asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Edit {
    /// Creates a delegation, or gives more keys and paths to one that exists.
    AddDelegation {
        /// The delegated role.
        role: RoleName,
        /// How many keys must sign; 0 keeps what is.
        threshold: i64,
        /// Keys to add.
        keys: Vec<PublicKey>,
        /// Path prefixes to add; the empty one stands for all names.
        paths: Vec<String>,
    },
    /// Adds or replaces a target.
    AddTarget {
        /// The role that lists it.
        role: RoleName,
        /// Its name; for Docker the tag.
        name: String,
        /// Its length, digests and free data.
        target: Target,
    },
    /// Changes a delegation that exists.
    ChangeDelegation {
        /// The delegated role.
        role: RoleName,
        /// How many keys must sign; 0 keeps what is.
        threshold: i64,
        /// Keys to add.
        add_keys: Vec<PublicKey>,
        /// Canonical IDs of keys to remove; unknown ones are ignored.
        remove_keys: Vec<KeyId>,
        /// Path prefixes to add.
        add_paths: Vec<String>,
        /// Path prefixes to remove; unknown ones are ignored.
        remove_paths: Vec<String>,
        /// Removes all paths first.
        clear_paths: bool,
    },
    /// Takes keys out of every delegation below a role.
    PurgeKeys {
        /// The role below which they are removed.
        below: RoleName,
        /// Their canonical IDs.
        keys: Vec<KeyId>,
    },
    /// Removes a delegation. One that does not exist is no error.
    RemoveDelegation {
        /// The delegated role.
        role: RoleName,
    },
    /// Removes a target. One that does not exist is no error.
    RemoveTarget {
        /// The role that lists it.
        role: RoleName,
        /// Its name.
        name: String,
    },
    /// Replaces the keys of a base role.
    ReplaceRoleKeys {
        /// The role.
        role: BaseRole,
        /// Its new keys.
        keys: Vec<PublicKey>,
    },
    /// Signs a role again as it is.
    Witness {
        /// The role.
        role: RoleName,
    },
}

/// Why a change makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The kind of change does not know this action.
    #[error("action not yet supported: {0}")]
    Action(String),
    /// `data` is missing or not of the right shape.
    #[error("{kind} change of {role} holds no usable data")]
    Data {
        /// Kind of change.
        kind: String,
        /// Role that it would change.
        role: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The file is not JSON of the right shape.
    #[error(transparent)]
    Json(serde_json::Error),
    /// The kind of change is unknown.
    #[error("only target meta and delegations changes supported")]
    Kind(String),
    /// All delegations below a role, where a single one belongs.
    #[error("tuf: invalid role {0}. this role is not known")]
    Pattern(String),
    /// The keys of a base role are replaced by a rotation, never by a staged change.
    #[error("a staged change cannot replace the keys of {0}")]
    RoleKeys(BaseRole),
    /// The role's name is none.
    #[error("scope not supported: {0}")]
    Role(String),
    /// The file is larger than [`MAX_CHANGE_BYTES`](super::MAX_CHANGE_BYTES).
    #[error("the file is too large")]
    TooLarge,
}

impl Change {
    /// Reads a change file.
    ///
    /// # Errors
    /// [`ChangeError::Json`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ChangeError> {
        let file: FileIn = serde_json::from_slice(bytes).map_err(ChangeError::Json)?;
        let data = file
            .data
            .map(|text| BASE64.decode(text.as_bytes()))
            .transpose()
            .map_err(|e| ChangeError::Json(serde::de::Error::custom(e)))?;
        Ok(Self {
            action: file.action.unwrap_or_default(),
            role: file.role.unwrap_or_default(),
            kind: file.kind.unwrap_or_default(),
            path: file.path.unwrap_or_default(),
            data,
        })
    }

    /// The file's bytes, as Go writes them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        go_json(&FileOut {
            action: &self.action,
            role: &self.role,
            kind: &self.kind,
            path: &self.path,
            data: self.data.as_ref().map(|data| BASE64.encode(data)),
        })
    }

    /// What the change asks for.
    ///
    /// # Errors
    /// [`ChangeError`] when its parts do not fit together.
    pub fn edit(&self) -> Result<Edit, ChangeError> {
        match self.kind.as_str() {
            "target" => self.target(),
            "delegation" => self.delegation(),
            "witness" => Edit::witness(&self.role),
            "role" => {
                let data: RoleKeysIn = self.data()?;
                let name = data.role.unwrap_or_else(|| self.path.clone());
                let role = name
                    .parse::<RoleName>()
                    .ok()
                    .and_then(|role| role.base())
                    .ok_or(ChangeError::Role(name))?;
                Ok(Edit::ReplaceRoleKeys {
                    role,
                    keys: data.keys.unwrap_or_default(),
                })
            }
            other => Err(ChangeError::Kind(other.to_owned())),
        }
    }

    fn target(&self) -> Result<Edit, ChangeError> {
        let (role, name) = (self.role()?, self.path.clone());
        match self.action.as_str() {
            "create" => Ok(Edit::AddTarget {
                role,
                name,
                target: self.data()?,
            }),
            "delete" => Ok(Edit::RemoveTarget { role, name }),
            other => Err(ChangeError::Action(other.to_owned())),
        }
    }

    fn delegation(&self) -> Result<Edit, ChangeError> {
        if let Some(below) = self.role.strip_suffix("/*") {
            if self.action != "update" {
                return Err(ChangeError::Action(self.action.clone()));
            }
            let below = below
                .parse()
                .map_err(|_| ChangeError::Role(self.role.clone()))?;
            let data: DelegationIn = self.data()?;
            return Ok(Edit::PurgeKeys {
                below,
                keys: data.remove_keys.unwrap_or_default(),
            });
        }
        let role = self.role()?;
        match self.action.as_str() {
            "create" => {
                let data: DelegationIn = self.data()?;
                Ok(Edit::AddDelegation {
                    role,
                    threshold: data.threshold.unwrap_or_default(),
                    keys: data.add_keys.unwrap_or_default(),
                    paths: data.add_paths.unwrap_or_default(),
                })
            }
            "update" => {
                let data: DelegationIn = self.data()?;
                Ok(Edit::ChangeDelegation {
                    role,
                    threshold: data.threshold.unwrap_or_default(),
                    add_keys: data.add_keys.unwrap_or_default(),
                    remove_keys: data.remove_keys.unwrap_or_default(),
                    add_paths: data.add_paths.unwrap_or_default(),
                    remove_paths: data.remove_paths.unwrap_or_default(),
                    clear_paths: data.clear_paths.unwrap_or_default(),
                })
            }
            "delete" => Ok(Edit::RemoveDelegation { role }),
            other => Err(ChangeError::Action(other.to_owned())),
        }
    }

    fn role(&self) -> Result<RoleName, ChangeError> {
        self.role
            .parse()
            .map_err(|_| ChangeError::Role(self.role.clone()))
    }

    fn data<'de, T: Deserialize<'de>>(&'de self) -> Result<T, ChangeError> {
        let data = self.data.as_deref().unwrap_or_default();
        // The decoder would also fill a structure from a list.
        if data.trim_ascii_start().first() == Some(&b'[') {
            return Err(self.bad_data(serde::de::Error::custom("expected an object")));
        }
        serde_json::from_slice(data).map_err(|source| self.bad_data(source))
    }

    fn bad_data(&self, source: serde_json::Error) -> ChangeError {
        ChangeError::Data {
            kind: self.kind.clone(),
            role: self.role.clone(),
            source,
        }
    }
}

impl Edit {
    /// Signs the role of this name again as it is.
    ///
    /// # Errors
    /// [`ChangeError::Pattern`] and [`ChangeError::Role`] for what names no role.
    pub fn witness(name: &str) -> Result<Self, ChangeError> {
        let pattern = |above: &str| {
            above
                .parse()
                .is_ok_and(|role: RoleName| role.lists_targets())
        };
        match name.parse() {
            Ok(role) => Ok(Self::Witness { role }),
            Err(_) if name.strip_suffix("/*").is_some_and(pattern) => {
                Err(ChangeError::Pattern(name.to_owned()))
            }
            Err(_) => Err(ChangeError::Role(name.to_owned())),
        }
    }

    /// Refuses what no repository admits, so that it is not staged in the first place.
    ///
    /// # Errors
    /// [`EditError`], as a publish would give it.
    pub fn check(&self) -> Result<(), EditError> {
        match self {
            Self::AddDelegation {
                role, keys, paths, ..
            } => editor::check_delegation(role, keys, paths),
            Self::AddTarget { role, name, target } => editor::check_target(role, name, target),
            Self::Witness { role } => editor::check_witness(role),
            _ => Ok(()),
        }
    }
}

impl From<&Edit> for Change {
    fn from(edit: &Edit) -> Self {
        let change =
            |action: &str, role: &str, kind: &str, path: &str, data: Option<Vec<u8>>| Self {
                action: action.to_owned(),
                role: role.to_owned(),
                kind: kind.to_owned(),
                path: path.to_owned(),
                data,
            };
        match edit {
            Edit::AddDelegation {
                role,
                threshold,
                keys,
                paths,
            } => {
                let data = DelegationOut {
                    threshold: *threshold,
                    add_keys: keys.iter().map(KeyOut::from).collect(),
                    add_paths: paths,
                    ..DelegationOut::default()
                };
                change(
                    "create",
                    role.as_str(),
                    "delegation",
                    "",
                    Some(go_json(&data)),
                )
            }
            Edit::AddTarget { role, name, target } => {
                let custom = target.custom.as_deref().map(compact);
                let data = TargetOut {
                    length: target.length,
                    hashes: &target.hashes,
                    custom: custom.as_deref(),
                };
                change(
                    "create",
                    role.as_str(),
                    "target",
                    name,
                    Some(go_json(&data)),
                )
            }
            Edit::ChangeDelegation {
                role,
                threshold,
                add_keys,
                remove_keys,
                add_paths,
                remove_paths,
                clear_paths,
            } => {
                let data = DelegationOut {
                    threshold: *threshold,
                    add_keys: add_keys.iter().map(KeyOut::from).collect(),
                    remove_keys,
                    add_paths,
                    remove_paths,
                    clear_paths: *clear_paths,
                };
                change(
                    "update",
                    role.as_str(),
                    "delegation",
                    "",
                    Some(go_json(&data)),
                )
            }
            Edit::PurgeKeys { below, keys } => {
                let data = DelegationOut {
                    remove_keys: keys,
                    ..DelegationOut::default()
                };
                let role = format!("{below}/*");
                change("update", &role, "delegation", "", Some(go_json(&data)))
            }
            Edit::RemoveDelegation { role } => {
                change("delete", role.as_str(), "delegation", "", None)
            }
            Edit::RemoveTarget { role, name } => {
                change("delete", role.as_str(), "target", name, None)
            }
            Edit::ReplaceRoleKeys { role, keys } => {
                let data = RoleKeysOut {
                    keys: keys.iter().map(KeyOut::from).collect(),
                    role: role.as_str(),
                };
                change(
                    "create",
                    "root",
                    "role",
                    role.as_str(),
                    Some(go_json(&data)),
                )
            }
            Edit::Witness { role } => change("update", role.as_str(), "witness", "", None),
        }
    }
}

/// JSON without the white space between its parts, as Go's encoder writes what it was given; all else stays.
fn compact(json: &RawValue) -> Box<RawValue> {
    let (mut text, mut in_string, mut escaped) = (String::new(), false, false);
    for letter in json.get().chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            ' ' | '\t' | '\n' | '\r' if !in_string => continue,
            _ => {}
        }
        text.push(letter);
    }
    // It was JSON before.
    RawValue::from_string(text).unwrap_or_else(|_| json.to_owned())
}

/// JSON as Go's encoder writes it: `<`, `>`, `&` and two line separators escaped.
fn go_json<T: Serialize>(value: &T) -> Vec<u8> {
    // Strings, numbers and lists of them have no way to fail.
    canonical::to_file_form(&serde_json::to_vec(value).unwrap_or_default())
}

#[derive(Deserialize)]
struct FileIn {
    action: Option<String>,
    role: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    path: Option<String>,
    data: Option<String>,
}

#[derive(Serialize)]
struct FileOut<'a> {
    action: &'a str,
    role: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    path: &'a str,
    data: Option<String>,
}

#[derive(Serialize)]
struct TargetOut<'a> {
    length: i64,
    hashes: &'a Hashes,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct DelegationIn {
    threshold: Option<i64>,
    add_keys: Option<Vec<PublicKey>>,
    remove_keys: Option<Vec<KeyId>>,
    add_paths: Option<Vec<String>>,
    remove_paths: Option<Vec<String>>,
    clear_paths: Option<bool>,
}

#[derive(Default, Serialize)]
struct DelegationOut<'a> {
    #[serde(skip_serializing_if = "is_default")]
    threshold: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    add_keys: Vec<KeyOut<'a>>,
    #[serde(skip_serializing_if = "<[KeyId]>::is_empty")]
    remove_keys: &'a [KeyId],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    add_paths: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    remove_paths: &'a [String],
    #[serde(skip_serializing_if = "is_default")]
    clear_paths: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Deserialize)]
struct RoleKeysIn {
    keys: Option<Vec<PublicKey>>,
    role: Option<String>,
}

#[derive(Serialize)]
struct RoleKeysOut<'a> {
    keys: Vec<KeyOut<'a>>,
    role: &'a str,
}

/// A key with its members in the order of a Go program that writes a key alone.
#[derive(Serialize)]
struct KeyOut<'a> {
    keytype: &'a str,
    keyval: KeyValueOut,
}

#[derive(Serialize)]
struct KeyValueOut {
    public: String,
    private: Option<()>,
}

impl<'a> From<&'a PublicKey> for KeyOut<'a> {
    fn from(key: &'a PublicKey) -> Self {
        Self {
            keytype: key.kind().as_str(),
            keyval: KeyValueOut {
                public: BASE64.encode(key.public_bytes()),
                private: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use signet_tuf::KeyKind;

    use super::*;

    /// Changes staged by Go notary; see the README beside them.
    fn staged_by_notary() -> Vec<Vec<u8>> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/changelist-notary");
        let mut paths: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "change"))
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| std::fs::read(path).unwrap())
            .collect()
    }

    #[test]
    fn what_notary_staged_is_understood_and_written_the_same() {
        let files = staged_by_notary();
        assert_eq!(files.len(), 16);
        let mut edits = Vec::new();
        for bytes in files {
            let change = Change::parse(&bytes).unwrap();
            let edit = change.edit().unwrap();
            assert_eq!(change.to_bytes(), bytes);
            assert_eq!(Change::from(&edit), change);
            edits.push(edit);
        }
        let releases = RoleName::releases();
        let p: RoleName = "targets/p".parse().unwrap();
        let id = |n: u8| format!("{n:064}").parse::<KeyId>().unwrap();
        let Edit::AddTarget { role, name, target } = &edits[2] else {
            panic!("{:?}", edits[2]);
        };
        assert_eq!((role, name.as_str()), (&releases, "a&b<c>"));
        assert_eq!(target.length, 6);
        assert_eq!(
            // printf 'hello\n' | sha256sum
            target.hashes.sha256_hex().unwrap(),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(
            target.custom.as_ref().unwrap().get(),
            r#"{"a":1,"b":"x y"}"#
        );
        assert_eq!(
            edits[4],
            Edit::RemoveTarget {
                role: RoleName::targets(),
                name: "v0".into()
            }
        );
        let Edit::AddDelegation {
            role,
            threshold: 1,
            keys,
            paths,
        } = &edits[5]
        else {
            panic!("{:?}", edits[5]);
        };
        assert_eq!((role, paths.len()), (&releases, 0));
        assert_eq!(keys[0].kind().as_str(), "ecdsa-x509");
        let change_of =
            |remove_keys: Vec<KeyId>, remove_paths: &[&str], clear_paths| Edit::ChangeDelegation {
                role: releases.clone(),
                threshold: 0,
                add_keys: vec![],
                remove_keys,
                add_paths: vec![],
                remove_paths: remove_paths.iter().map(|&p| p.to_owned()).collect(),
                clear_paths,
            };
        assert_eq!(edits[9], change_of(vec![id(1)], &[], false));
        assert_eq!(edits[10], change_of(vec![], &["b/", "zz"], false));
        assert_eq!(edits[11], change_of(vec![], &[], true));
        assert_eq!(edits[12], Edit::RemoveDelegation { role: p });
        assert_eq!(
            edits[13],
            Edit::PurgeKeys {
                below: RoleName::targets(),
                keys: vec![id(2)]
            }
        );
        assert_eq!(edits[15], Edit::Witness { role: releases });
    }

    /// From `notary addhash --custom` of Go's 0.7.
    #[test]
    fn custom_data_lose_their_white_space_and_nothing_else() {
        let given = " { \"a\" : [1, 2.50, \"x  \\u003c \\\" y<\" ],\n \"b\":1e3 }\n";
        let mut target = Target::new([0; 32], 12);
        target.custom = Some(serde_json::from_str(given).unwrap());
        let change = Change::from(&Edit::AddTarget {
            role: RoleName::targets(),
            name: "v".to_owned(),
            target,
        });
        let data = String::from_utf8(change.data.unwrap()).unwrap();
        let (_, custom) = data.split_once("\"custom\":").unwrap();
        assert_eq!(
            custom,
            "{\"a\":[1,2.50,\"x  \\u003c \\\" y\\u003c\"],\"b\":1e3}}"
        );
    }

    #[test]
    fn keys_of_a_base_role_travel_both_ways() {
        let Edit::AddDelegation { keys, .. } = Change::parse(&staged_by_notary()[7])
            .unwrap()
            .edit()
            .unwrap()
        else {
            panic!("no delegation");
        };
        let edit = Edit::ReplaceRoleKeys {
            role: BaseRole::Snapshot,
            keys,
        };
        let bytes = Change::from(&edit).to_bytes();
        assert_eq!(Change::parse(&bytes).unwrap().edit().unwrap(), edit);
    }

    /// Go stages whatever stands on the command line, and ignores what is no key of the role.
    #[test]
    fn what_is_no_key_id_can_be_removed() {
        let data = BASE64.encode(br#"{"remove_keys":["abc",""]}"#);
        for role in ["targets/a", "targets/*"] {
            let text = format!(
                r#"{{"action":"update","role":"{role}","type":"delegation","path":"","data":"{data}"}}"#
            );
            let change = Change::parse(text.as_bytes()).unwrap();
            let edit = change.edit().unwrap();
            let (Edit::ChangeDelegation {
                remove_keys: keys, ..
            }
            | Edit::PurgeKeys { keys, .. }) = &edit
            else {
                panic!("{edit:?}");
            };
            assert_eq!(
                keys.iter().map(KeyId::as_str).collect::<Vec<_>>(),
                ["abc", ""]
            );
            assert_eq!(Change::from(&edit).to_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn what_no_repository_admits_is_refused() {
        let refused = |edit: Edit| edit.check().unwrap_err().to_string();
        let witness = |role: RoleName| Edit::Witness { role };
        assert_eq!(
            refused(witness(RoleName::snapshot())),
            "scope not supported: snapshot"
        );
        assert!(witness(RoleName::targets()).check().is_ok());
        let unknown = |name: &str| Edit::witness(name).unwrap_err().to_string();
        assert_eq!(
            unknown("targets/a/*"),
            "tuf: invalid role targets/a/*. this role is not known"
        );
        assert_eq!(unknown("root/*"), "scope not supported: root/*");
        let delegation = |keys: &[PublicKey], path: &str| Edit::AddDelegation {
            role: RoleName::releases(),
            threshold: 1,
            keys: keys.to_vec(),
            paths: vec![path.to_owned()],
        };
        assert!(delegation(&[], "a b/\u{7f}").check().is_ok());
        assert!(refused(delegation(&[], "a\nb")).contains("control character"));
        let nobody = PublicKey::new(KeyKind::Other("".into()), *b"key");
        assert!(refused(delegation(&[nobody], "")).contains("cannot be used"));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let edit = |text: &str| Change::parse(text.as_bytes()).unwrap().edit();
        let text = |text: &str| edit(text).unwrap_err().to_string();
        assert_eq!(
            text(r#"{"action":"update","role":"targets","type":"target","path":"v"}"#),
            "action not yet supported: update"
        );
        assert_eq!(
            text(r#"{"action":"create","role":"targets","type":"x"}"#),
            "only target meta and delegations changes supported"
        );
        assert_eq!(
            text(r#"{"action":"delete","role":"targets/../x","type":"target"}"#),
            "scope not supported: targets/../x"
        );
        for data in [
            "null",
            "\"\"",
            "\"bnVsbA==\"",
            "\"W10=\"",
            "\"eyJsZW5ndGgiOiJ4In0=\"",
        ] {
            let text = format!(
                r#"{{"action":"create","role":"targets","type":"target","path":"v","data":{data}}}"#
            );
            assert!(
                matches!(edit(&text), Err(ChangeError::Data { .. })),
                "{data}"
            );
        }
        for junk in ["", "junk", "[]", "{\"data\":\"?\"}", "{\"role\":1}", "{} x"] {
            assert!(Change::parse(junk.as_bytes()).is_err(), "{junk}");
        }
    }
}

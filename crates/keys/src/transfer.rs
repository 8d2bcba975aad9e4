//! Bringing keys from other places into a store (specification, signer-and-keys sections 6.4 and 6.7).
//!
//! Go reports success for encrypted keys that it then does not store, names files after whatever a header says, and
//! takes RSA keys that nobody accepts signatures of. Here every key is stored under its own ID or reported as skipped.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use signet_tuf::{Gun, KeyId, KeyKind};

use crate::keyfile::{self, MAX_BYTES, OpenError, Sealed};
use crate::pem::{self, Block};
use crate::private::PrivateKey;
use crate::prompt::{PassphraseError, UnlockError};
use crate::signer::Signer;
use crate::store::folder::{self, ReadError};
use crate::store::{self, FileKeyStore, KeyStore as _, is_valid_role, role_has_gun};

/// The alias under which passphrases of files from elsewhere are asked for.
pub const ENCRYPTED_ALIAS: &str = "encrypted";
/// The role of keys that neither the file nor the caller gives one.
pub const DEFAULT_ROLE: &str = "delegation";

/// The PEM type of an EC key's curve, which OpenSSL writes before the key. The key names its curve itself.
const EC_PARAMETERS: &str = "EC PARAMETERS";

/// What holds for blocks whose headers do not say otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults<'a> {
    /// The role; empty means [`DEFAULT_ROLE`].
    pub role: &'a str,
    /// The GUN of keys for `targets`, `snapshot` and `timestamp`.
    pub gun: Option<&'a Gun>,
}

/// What a file brought.
#[derive(Debug, Default)]
pub struct Imported {
    /// Keys that are in the store now, in the file's order.
    pub keys: Vec<ImportedKey>,
    /// Blocks that were not taken.
    pub skipped: Vec<Skipped>,
}

/// A key that was brought into the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportedKey {
    /// Its ID.
    pub id: KeyId,
    /// Its role in the store.
    pub role: String,
    /// Its GUN in the store.
    pub gun: Option<Gun>,
    /// Whether the block was stored as it is, under the passphrase that it had.
    pub as_is: bool,
}

/// A block that was not taken.
#[derive(Debug)]
pub struct Skipped {
    /// Which block of the file, from 1.
    pub position: usize,
    /// The block's `path` header, empty when there is none.
    pub path: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a block was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// Another encryption of the key is in the store, and there is no telling whether this one is any good.
    #[error("key {0} is already stored with other content; remove it first")]
    AlreadyStored(KeyId),
    /// A role of one repository, and no word which.
    #[error("a key for {0} needs a GUN")]
    MissingGun(String),
    /// It is encrypted, has no `path` header, and no passphrase opened it.
    #[error("Invalid key generated, key may be encrypted and does not contain path header")]
    Locked(#[source] PassphraseError),
    /// The key is stored for something else.
    #[error("key {id} is already stored for {role:?}; remove it first")]
    StoredForOther {
        /// The key.
        id: KeyId,
        /// Its role in the store.
        role: String,
    },
    /// The header names the key something else.
    #[error("the path header names {named:?}, but the key is {actual}")]
    Misnamed {
        /// What the header says.
        named: String,
        /// The key in the block.
        actual: KeyId,
    },
    /// The header's name is no key ID, and the key cannot be seen.
    #[error("the path header {0:?} does not end in a key ID")]
    Name(String),
    /// Docker's signers have RSA and ECDSA keys only.
    #[error("Ed25519 keys cannot be signers' keys: an ECDSA or RSA key is needed")]
    Ed25519,
    /// The GUN header is no GUN.
    #[error("invalid GUN {0:?}")]
    Gun(String),
    /// The role cannot be written into a key file.
    #[error("invalid role {0:?}")]
    Role(String),
    /// No key, or none that can be used.
    #[error(transparent)]
    Unusable(OpenError),
}

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// There are blocks, and none could be taken.
    #[error("failed to import all keys")]
    AllSkipped(Vec<Skipped>),
    /// The first block holds no private key.
    #[error("not a supported private key")]
    NotPrivateKey,
    /// An encrypted block was not opened.
    #[error("could not decrypt key")]
    Passphrase {
        /// Keys that were stored before.
        done: Vec<ImportedKey>,
        /// Why.
        #[source]
        source: PassphraseError,
    },
    /// The store did not take a key.
    #[error("storing a key failed")]
    Store {
        /// Keys that were stored before.
        done: Vec<ImportedKey>,
        /// Why.
        #[source]
        source: store::Error,
    },
}

/// Why a file with a private key was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Others may read or write the file.
    #[error("private key file {} must not be readable or writable by others", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file cannot be opened.
    #[error("opening {} failed", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file cannot be read; a folder, for example.
    #[error("reading {} failed", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no such file.
    #[error("{} cannot be found", path.display())]
    Stat {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Larger than any key file.
    #[error("{} is larger than {MAX_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a file that holds a private key, at most [`MAX_BYTES`], and only if nobody else can.
///
/// # Errors
/// [`SourceError`].
pub fn read_source(path: &Path) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let owned = || path.to_owned();
    let exposed = |metadata: &fs::Metadata| match metadata.permissions().mode() & 0o777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(SourceError::Exposed {
            path: path.to_owned(),
            mode,
        }),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) => {
            // Docker looks at the file before it opens it, and the texts differ.
            let metadata = fs::metadata(path).map_err(|source| SourceError::Stat {
                path: owned(),
                source,
            })?;
            exposed(&metadata)?;
            return Err(SourceError::Open {
                path: owned(),
                source,
            });
        }
    };
    // Of the open file, so that what is checked is what is read.
    let metadata = file.metadata().map_err(|source| SourceError::Stat {
        path: owned(),
        source,
    })?;
    exposed(&metadata)?;
    let read = if metadata.is_file() {
        folder::read_bounded(&file, metadata.len())
    } else {
        read_stream(&file)
    };
    read.map_err(|error| match error {
        ReadError::TooLarge => SourceError::TooLarge { path: owned() },
        ReadError::Io(source) => SourceError::Read {
            path: owned(),
            source,
        },
        ReadError::Absent => SourceError::Stat {
            path: owned(),
            source: io::ErrorKind::NotFound.into(),
        },
    })
}

/// Reads a pipe, whose length nobody knows.
fn read_stream(file: &File) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // As much as it may hold from the start: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(MAX_BYTES).unwrap_or_default() + 1,
    ));
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(ReadError::Io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ReadError::TooLarge);
    }
    Ok(bytes)
}

/// Opens the first private key of a file's content, for use in this process alone: it is stored nowhere. `alias` is the name under which a
/// passphrase is asked for.
///
/// # Errors
/// [`ImportError`].
pub fn open(
    text: &[u8],
    alias: &str,
    retriever: &crate::Retriever,
) -> Result<PrivateKey, ImportError> {
    let blocks = pem::parse(text);
    let mut blocks = blocks.iter().enumerate();
    let (index, block) = blocks
        .find(|(_, block)| keyfile::is_private_key(&block.label))
        .ok_or(ImportError::NotPrivateKey)?;
    let unusable = |error| {
        ImportError::AllSkipped(vec![Skipped {
            position: index + 1,
            path: String::new(),
            reason: SkipReason::Unusable(error),
        }])
    };
    match keyfile::inspect(block).map_err(unusable)? {
        Sealed::Open(key) => Ok(*key),
        sealed => retriever
            .unlock(alias, None, |passphrase| keyfile::open(&sealed, passphrase))
            .map_err(|error| match error {
                UnlockError::Failed(error) => unusable(error),
                UnlockError::Passphrase(source) => ImportError::Passphrase {
                    done: Vec::new(),
                    source,
                },
            }),
    }
}

/// Whether the first private key of a file's content is encrypted. Nobody is asked for a passphrase.
///
/// # Errors
/// [`ImportError::NotPrivateKey`] when there is none, [`ImportError::AllSkipped`] when no passphrase would open it.
pub fn is_encrypted(text: &[u8]) -> Result<bool, ImportError> {
    let blocks = pem::parse(text);
    let mut blocks = blocks.iter().enumerate();
    let (index, block) = blocks
        .find(|(_, block)| keyfile::is_private_key(&block.label))
        .ok_or(ImportError::NotPrivateKey)?;
    match keyfile::inspect(block) {
        Ok(sealed) => Ok(!matches!(sealed, Sealed::Open(_))),
        Err(error) => Err(ImportError::AllSkipped(vec![Skipped {
            position: index + 1,
            path: String::new(),
            reason: SkipReason::Unusable(error),
        }])),
    }
}

/// Imports the content of a key file as `docker trust key load` does: the first block must be a private key, and one that docker can sign with.
/// Parameters of a curve before it do not count.
///
/// # Errors
/// [`ImportError`]; [`ImportError::NotPrivateKey`] before anything is asked.
pub fn load(
    store: &FileKeyStore,
    text: &[u8],
    defaults: Defaults<'_>,
) -> Result<Imported, ImportError> {
    let blocks = pem::parse(text);
    if !blocks
        .iter()
        .find(|block| block.label != EC_PARAMETERS)
        .is_some_and(|block| keyfile::is_private_key(&block.label))
    {
        return Err(ImportError::NotPrivateKey);
    }
    import_blocks(store, blocks, defaults, Taken::Dockers)
}

/// Imports every private key in a text of PEM blocks, as `notary key import` does.
///
/// Headers win over `defaults`. An encrypted block with a `path` header that ends in a key ID is stored as it is; any
/// other is opened and stored under a new passphrase. No block at all is no error. A key that is there keeps its role and its repository.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    store: &FileKeyStore,
    text: &[u8],
    defaults: Defaults<'_>,
) -> Result<Imported, ImportError> {
    import_blocks(store, pem::parse(text), defaults, Taken::All)
}

/// Which keys are taken.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Taken {
    /// Every kind.
    All,
    /// What docker can sign with.
    Dockers,
}

fn import_blocks(
    store: &FileKeyStore,
    blocks: Vec<Block>,
    defaults: Defaults<'_>,
    taken: Taken,
) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    for (index, block) in blocks.into_iter().enumerate() {
        if block.label == EC_PARAMETERS {
            continue;
        }
        let path = block.header(keyfile::PATH).to_owned();
        match import_block(store, block, defaults, taken) {
            Ok(key) => imported.keys.push(key),
            Err(Stop::Skip(reason)) => imported.skipped.push(Skipped {
                position: index + 1,
                path,
                reason,
            }),
            Err(Stop::Passphrase(source)) => {
                let done = imported.keys;
                return Err(ImportError::Passphrase { done, source });
            }
            Err(Stop::Store(source)) => {
                let done = imported.keys;
                return Err(ImportError::Store { done, source });
            }
        }
    }
    if imported.keys.is_empty() && !imported.skipped.is_empty() {
        return Err(ImportError::AllSkipped(imported.skipped));
    }
    Ok(imported)
}

/// Which keys are exported.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// Every one.
    All,
    /// Those of these repositories.
    Guns(&'a [&'a str]),
    /// Those with these IDs.
    Keys(&'a [&'a str]),
}

/// Keys as [`import`] and Go's notary take them in: the stored blocks, under the passphrases that they have, each with its key's ID in a `path`
/// header. Keys come in the order of their files' names; what nobody has is left out.
///
/// # Errors
/// [`store::Error`] when a file of the store cannot be read.
pub fn export(
    store: &FileKeyStore,
    selection: Selection<'_>,
) -> Result<Zeroizing<Vec<u8>>, store::Error> {
    let mut taken = Vec::new();
    for (id, mut blocks) in store.files()? {
        let gun = blocks
            .first()
            .map_or("", |block| block.header(keyfile::GUN));
        let is_wanted = match selection {
            Selection::All => true,
            Selection::Guns(guns) => !gun.is_empty() && guns.contains(&gun),
            Selection::Keys(keys) => keys.contains(&id.as_str()),
        };
        if !is_wanted {
            continue;
        }
        for block in &mut blocks {
            let path = (keyfile::PATH.to_owned(), id.as_str().to_owned());
            block.headers.extend([path]);
        }
        taken.append(&mut blocks);
    }
    Ok(keyfile::encode_all(&taken))
}

/// The largest file that keys are imported from, in bytes: more than any export.
pub const MAX_EXPORT_BYTES: u64 = 64 << 20;

/// Reads a file that somebody exported, at most [`MAX_EXPORT_BYTES`], whoever else may read it.
///
/// # Errors
/// [`SourceError`], but not [`SourceError::Exposed`].
pub fn read_export(path: &Path) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let file = File::open(path).map_err(|source| SourceError::Open {
        path: path.to_owned(),
        source,
    })?;
    let mut bytes = Zeroizing::new(Vec::new());
    let mut rest = file.take(MAX_EXPORT_BYTES + 1);
    let mut part = Zeroizing::new([0_u8; 4096]);
    loop {
        let count = match rest.read(part.as_mut_slice()) {
            Ok(0) => return Ok(bytes),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(SourceError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        // A vector that grows leaves a copy behind; this one wipes what it leaves.
        if bytes.capacity() - bytes.len() < count {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * bytes.capacity() + 4096));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend(part.iter().take(count));
        if bytes.len() as u64 > MAX_EXPORT_BYTES {
            return Err(SourceError::TooLarge {
                path: path.to_owned(),
            });
        }
    }
}

/// A key for somebody else, as files: nothing of it is in a store.
#[derive(Debug)]
pub struct KeyPair {
    /// The private key under a new passphrase, with the headers that the store of whoever imports it needs.
    pub private: Zeroizing<String>,
    /// The public key.
    pub public: Zeroizing<String>,
}

/// Makes files of a key. The passphrase is asked for as `store` would do it.
///
/// # Errors
/// [`store::Error`] without a passphrase, or with a role that cannot be written into a file.
pub fn key_pair(
    store: &FileKeyStore,
    key: &PrivateKey,
    role: &str,
    gun: Option<&Gun>,
) -> Result<KeyPair, store::Error> {
    let mut block = store.seal(key, role, gun, store.retriever())?;
    // Without it Go refuses to import an encrypted key, its own included.
    block.headers.insert(
        keyfile::PATH.to_owned(),
        key.public().id().as_str().to_owned(),
    );
    let mut public = Block {
        label: "PUBLIC KEY".to_owned(),
        headers: Default::default(),
        contents: key.public().public_bytes().to_vec().into(),
    };
    keyfile::set_headers(&mut public, role, gun);
    Ok(KeyPair {
        private: block.encode(),
        public: public.encode(),
    })
}

/// Why one block ended.
enum Stop {
    Passphrase(PassphraseError),
    Skip(SkipReason),
    Store(store::Error),
}

impl From<SkipReason> for Stop {
    fn from(reason: SkipReason) -> Self {
        Self::Skip(reason)
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

fn import_block(
    store: &FileKeyStore,
    mut block: Block,
    defaults: Defaults<'_>,
    taken: Taken,
) -> Result<ImportedKey, Stop> {
    let path = block.headers.remove(keyfile::PATH).unwrap_or_default();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    // A legacy export names the GUN in the path.
    let legacy_gun = folder.strip_prefix("tuf_keys").map(|g| g.trim_matches('/'));

    let role = match block.header(keyfile::ROLE) {
        "" if defaults.role.is_empty() => DEFAULT_ROLE,
        "" => defaults.role,
        role => role,
    }
    .to_owned();
    if !is_valid_role(&role) {
        return Err(SkipReason::Role(role).into());
    }
    let gun = if role_has_gun(&role) {
        let text = match (legacy_gun, block.header(keyfile::GUN)) {
            (Some(gun), _) if !gun.is_empty() => gun,
            (_, gun) => gun,
        };
        let gun = match text {
            "" => defaults.gun.cloned(),
            text => Some(text.parse().map_err(|_| SkipReason::Gun(text.to_owned()))?),
        };
        Some(gun.ok_or_else(|| SkipReason::MissingGun(role.clone()))?)
    } else {
        None
    };

    let keep = |id: &KeyId| match taken {
        Taken::All => keep_what_is_stored(store, id, &role, gun.as_ref()),
        Taken::Dockers => Ok(()),
    };
    let sealed = keyfile::inspect(&block).map_err(SkipReason::Unusable)?;
    let key = match sealed {
        Sealed::Open(key) => {
            if !path.is_empty() && name != key.public().id().as_str() {
                return Err(SkipReason::Misnamed {
                    named: name.to_owned(),
                    actual: key.public().id().clone(),
                }
                .into());
            }
            *key
        }
        Sealed::Pkcs8(_) | Sealed::Dek(..) if !path.is_empty() => {
            let id: KeyId = name.parse().map_err(|_| SkipReason::Name(path.clone()))?;
            drop(sealed);
            keep(&id)?;
            keyfile::set_headers(&mut block, &role, gun.as_ref());
            return store_as_is(store, id, block, role, gun);
        }
        sealed if taken == Taken::Dockers => unlock(store, ENCRYPTED_ALIAS, &sealed)?,
        // The passphrase is most probably that of its role.
        sealed => unlock(store, &role, &sealed).map_err(|stop| match stop {
            Stop::Passphrase(error) => SkipReason::Locked(error).into(),
            other => other,
        })?,
    };
    if taken == Taken::Dockers && *key.public().kind() == KeyKind::Ed25519 {
        return Err(SkipReason::Ed25519.into());
    }
    let id = key.public().id().clone();
    keep(&id)?;
    store.replace(key, &role, gun.as_ref())?;
    Ok(ImportedKey {
        id,
        role,
        gun,
        as_is: false,
    })
}

/// A key that signs for one role today must not silently sign for another tomorrow.
fn keep_what_is_stored(
    store: &FileKeyStore,
    id: &KeyId,
    role: &str,
    gun: Option<&Gun>,
) -> Result<(), Stop> {
    match store.info(id)? {
        Some(info) if info.role != role || info.gun.as_ref() != gun => {
            Err(SkipReason::StoredForOther {
                id: info.id,
                role: info.role,
            }
            .into())
        }
        _ => Ok(()),
    }
}

fn unlock(store: &FileKeyStore, alias: &str, sealed: &Sealed<'_>) -> Result<PrivateKey, Stop> {
    store
        .retriever()
        .unlock(alias, None, |passphrase| keyfile::open(sealed, passphrase))
        .map_err(|error| match error {
            UnlockError::Failed(error) => Stop::Skip(SkipReason::Unusable(error)),
            UnlockError::Passphrase(error) => Stop::Passphrase(error),
        })
}

/// Stores an encrypted block under the passphrase that it has. What cannot be seen does not replace what is there.
fn store_as_is(
    store: &FileKeyStore,
    id: KeyId,
    block: Block,
    role: String,
    gun: Option<Gun>,
) -> Result<ImportedKey, Stop> {
    if let Some(existing) = store.read(&id)? {
        let same = matches!(existing.as_slice(), [one] if one.contents == block.contents);
        if !same {
            return Err(SkipReason::AlreadyStored(id).into());
        }
    }
    store.write(&id, &[block])?;
    Ok(ImportedKey {
        id,
        role,
        gun,
        as_is: true,
    })
}

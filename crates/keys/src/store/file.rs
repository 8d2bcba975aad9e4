//! Keys in files, as docker and Go notary keep them (specification, signer-and-keys section 5).

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use signet_tuf::{Gun, KeyId};

use super::folder::{self, ReadError};
use super::{Error, KeyInfo, KeyStore, Problem, Warning, is_valid_role, legacy, role_has_gun};
use crate::keyfile::{self, MAX_BYTES, OpenError, Sealed};
use crate::pem::{self, Block};
use crate::private::PrivateKey;
use crate::prompt::{Notice, PassphraseError, Passphrases, Prompt, Retriever, UnlockError};
use crate::signer::Signer;

/// Nobody is asked for a passphrase.
struct Nobody;

impl Passphrases for Nobody {
    fn preset(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn enter(&self, prompt: &Prompt<'_>) -> Result<SecretString, PassphraseError> {
        Err(PassphraseError::Unavailable {
            alias: prompt.alias.to_owned(),
            source: std::io::Error::from(std::io::ErrorKind::Unsupported),
        })
    }

    fn tell(&self, _: Notice) {}
}

/// The keys in `<trust dir>/private`, one file each, encrypted with a passphrase.
///
/// A key that was opened stays open while the store lives, and is decrypted once even when several threads ask for it.
pub struct FileKeyStore {
    folder: PathBuf,
    retriever: Arc<Retriever>,
    iterations: NonZeroU32,
    slots: Mutex<HashMap<KeyId, Arc<Slot>>>,
    warnings: Mutex<Vec<Warning>>,
}

/// One opened key, or the place for it. Locked while the key is being opened.
type Slot = Mutex<Option<Arc<PrivateKey>>>;

impl FileKeyStore {
    /// Iterations of key derivation for new files, unless told otherwise.
    pub const DEFAULT_ITERATIONS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();
    /// Fewest iterations for new files: what Go writes.
    pub const MIN_ITERATIONS: NonZeroU32 = NonZeroU32::new(2048).unwrap();

    /// Opens the store in a trust directory and migrates old layouts. Nothing is made on disk before the first key is.
    #[must_use]
    pub fn open(trust_dir: &Path, passphrases: Arc<dyn Passphrases>) -> Self {
        Self::with_retriever(trust_dir, Arc::new(Retriever::new(passphrases)))
    }

    /// As [`FileKeyStore::open`], sharing the passphrases that were given elsewhere in this process.
    #[must_use]
    pub fn with_retriever(trust_dir: &Path, retriever: Arc<Retriever>) -> Self {
        let folder = trust_dir.join("private");
        let warnings = legacy::migrate(&folder);
        Self {
            folder,
            retriever,
            iterations: Self::DEFAULT_ITERATIONS,
            slots: Mutex::default(),
            warnings: Mutex::new(warnings),
        }
    }

    /// The store of a trust directory, for looking only: nothing is migrated, and no passphrase is asked for. `None` where the folder has an
    /// old layout, whose keys only migrating would show.
    #[must_use]
    pub fn look(trust_dir: &Path) -> Option<Self> {
        let folder = trust_dir.join("private");
        let is_old = legacy::FOLDERS
            .iter()
            .any(|name| folder.join(name).is_dir());
        (!is_old).then(|| Self {
            folder,
            retriever: Arc::new(Retriever::new(Arc::new(Nobody))),
            iterations: Self::DEFAULT_ITERATIONS,
            slots: Mutex::default(),
            warnings: Mutex::default(),
        })
    }

    /// Whether a passphrase protects the key's file; `None` when there is no such file.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be read, or holds no key that can be used.
    pub fn is_encrypted(&self, id: &KeyId) -> Result<Option<bool>, Error> {
        let Some(blocks) = self.read(id)? else {
            return Ok(None);
        };
        let failed = |source| Error::Open {
            id: id.clone(),
            source,
        };
        let block = blocks.first().ok_or_else(|| failed(OpenError::NotPem))?;
        let sealed = keyfile::inspect(block).map_err(failed)?;
        Ok(Some(!matches!(sealed, Sealed::Open(_))))
    }

    /// Sets the iterations of key derivation for files written from now on; at least [`FileKeyStore::MIN_ITERATIONS`].
    #[must_use]
    pub fn with_iterations(mut self, iterations: NonZeroU32) -> Self {
        self.iterations = iterations.max(Self::MIN_ITERATIONS);
        self
    }

    /// The folder with the key files. It may not exist yet.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The dialogue that this store asks for passphrases with.
    #[must_use]
    pub fn retriever(&self) -> &Arc<Retriever> {
        &self.retriever
    }

    /// Opens a key together with its secret.
    ///
    /// # Errors
    /// As [`KeyStore::load`].
    pub fn load_private(&self, id: &KeyId) -> Result<Arc<PrivateKey>, Error> {
        let id = checked(id)?;
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(id.clone()).or_default().clone()
        };
        let mut opened = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*opened {
            return Ok(key.clone());
        }
        let key = Arc::new(self.open_key(&id)?);
        *opened = Some(key.clone());
        Ok(key)
    }

    fn open_key(&self, id: &KeyId) -> Result<PrivateKey, Error> {
        let blocks = self.read(id)?.ok_or_else(|| Error::NotFound(id.clone()))?;
        let failed = |source| Error::Open {
            id: id.clone(),
            source,
        };
        let block = blocks.first().ok_or_else(|| failed(OpenError::NotPem))?;
        let role = block.header(keyfile::ROLE);
        let key = match keyfile::inspect(block).map_err(failed)? {
            Sealed::Open(key) => *key,
            sealed => self
                .retriever
                .unlock(role, Some(id.as_str()), |passphrase| {
                    keyfile::open(&sealed, passphrase)
                })
                .map_err(|error| match error {
                    UnlockError::Failed(source) => failed(source),
                    UnlockError::Passphrase(source) => Error::Passphrase {
                        id: id.clone(),
                        source,
                    },
                })?,
        };
        // Go does not compare, and signs with whatever key is in the file.
        if key.public().id() == id {
            Ok(key)
        } else {
            Err(Error::Misnamed {
                named: id.clone(),
                actual: key.public().id().clone(),
            })
        }
    }

    /// Writes a key, in place of the one that may be there, and asks for its new passphrase.
    ///
    /// # Errors
    /// [`Error`] when nothing was written.
    pub fn replace(&self, key: PrivateKey, role: &str, gun: Option<&Gun>) -> Result<(), Error> {
        let id = key.public().id().clone();
        let block = self.seal(&key, role, gun, &self.retriever)?;
        self.write(&id, &[block])?;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.insert(id, Arc::new(Mutex::new(Some(Arc::new(key)))));
        Ok(())
    }

    /// Encrypts a key's file under another passphrase, which `new` is asked for; the present one comes from where this store's passphrases come
    /// from. The file is replaced as a whole; everything else that it holds stays.
    ///
    /// # Errors
    /// As [`KeyStore::load`], and when there is no new passphrase or the file cannot be written: it is as it was then.
    pub fn change_passphrase(&self, id: &KeyId, new: &Retriever) -> Result<(), Error> {
        let key = self.load_private(id)?;
        let mut blocks = self.read(id)?.ok_or_else(|| Error::NotFound(id.clone()))?;
        let first = blocks
            .first_mut()
            .ok_or_else(|| Error::NotFound(id.clone()))?;
        let role = first.header(keyfile::ROLE).to_owned();
        let mut sealed = self.seal(&key, &role, None, new)?;
        for (name, value) in &first.headers {
            if !keyfile::is_of_encryption(name) {
                sealed.headers.insert(name.clone(), value.clone());
            }
        }
        *first = sealed;
        self.write(id, &blocks)
    }

    /// The keys' files with the blocks in them, in the order of their names. What is no key file is left out and becomes a [`Warning`].
    pub(crate) fn files(&self) -> Result<Vec<(KeyId, Vec<Block>)>, Error> {
        let mut files = Vec::new();
        for info in self.list()? {
            if let Some(blocks) = self.read(&info.id)? {
                files.push((info.id, blocks));
            }
        }
        Ok(files)
    }

    /// Makes the folder for key files, 0700, if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`] when there can be no such folder; a file of its name, for example.
    pub fn prepare(&self) -> Result<(), Error> {
        folder::create(&self.folder)
            .and_then(|()| match std::fs::metadata(&self.folder)?.is_dir() {
                true => Ok(()),
                false => Err(std::io::ErrorKind::NotADirectory.into()),
            })
            .map_err(|source| Error::Io {
                action: "creating",
                path: self.folder.clone(),
                source,
            })
    }

    /// Encrypts a key under a passphrase for its role that `passphrases` is asked for. Nothing is stored.
    pub(crate) fn seal(
        &self,
        key: &PrivateKey,
        role: &str,
        gun: Option<&Gun>,
        passphrases: &Retriever,
    ) -> Result<Block, Error> {
        if !is_valid_role(role) {
            return Err(Error::InvalidRole(role.to_owned()));
        }
        let id = key.public().id();
        let passphrase = passphrases
            .new_passphrase(role, id.as_str())
            .map_err(|source| Error::Passphrase {
                id: id.clone(),
                source,
            })?;
        let passphrase = passphrase.expose_secret().as_bytes();
        keyfile::seal(key, passphrase, self.iterations, role, gun)
            .ok_or_else(|| Error::Random(id.clone()))
    }

    /// The blocks of a key's file; `None` when there is no file.
    pub(crate) fn read(&self, id: &KeyId) -> Result<Option<Vec<Block>>, Error> {
        let path = self.folder.join(file_name(&checked(id)?));
        match folder::read(&path) {
            Ok(bytes) => Ok(Some(pem::parse(&bytes))),
            Err(ReadError::Absent) => Ok(None),
            Err(ReadError::Io(source)) => Err(Error::Io {
                action: "reading",
                path,
                source,
            }),
            Err(ReadError::TooLarge) => Err(Error::Open {
                id: id.clone(),
                source: OpenError::Malformed("the file is larger than any key file"),
            }),
        }
    }

    /// Writes a key's file and forgets the key that was opened from the old one.
    pub(crate) fn write(&self, id: &KeyId, blocks: &[Block]) -> Result<(), Error> {
        let id = checked(id)?;
        folder::create(&self.folder).map_err(|source| Error::Io {
            action: "creating",
            path: self.folder.clone(),
            source,
        })?;
        let name = file_name(&id);
        folder::write(&self.folder, &name, &keyfile::encode_all(blocks)).map_err(|source| {
            Error::Io {
                action: "writing",
                path: self.folder.join(name),
                source,
            }
        })?;
        self.forget(&id);
        Ok(())
    }

    fn forget(&self, id: &KeyId) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.remove(id);
    }

    fn warn(&self, path: PathBuf, problem: Problem) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(Warning { path, problem });
    }

    fn describe(&self, id: KeyId, block: &Block, path: &Path) -> KeyInfo {
        let role = block.header(keyfile::ROLE);
        let gun = match block.header(keyfile::GUN) {
            "" => None,
            // Other keys serve every repository, whatever else their files say.
            _ if !role_has_gun(role) => None,
            text => {
                let gun = text.parse().ok();
                if gun.is_none() {
                    self.warn(path.to_owned(), Problem::Gun);
                }
                gun
            }
        };
        KeyInfo {
            id,
            role: role.to_owned(),
            gun,
            location: self.folder.display().to_string(),
        }
    }

    fn list_file(&self, path: &Path) -> Result<Option<KeyInfo>, Problem> {
        let Some(stem) = folder::stem(path) else {
            return Ok(None);
        };
        let bytes = match folder::read(path) {
            Ok(bytes) => bytes,
            Err(ReadError::Absent) => return Ok(None),
            Err(ReadError::Io(error)) => return Err(Problem::Io(error)),
            Err(ReadError::TooLarge) => {
                return Err(Problem::TooLarge {
                    max_bytes: MAX_BYTES,
                });
            }
        };
        let blocks = pem::parse(&bytes);
        let block = blocks.first().ok_or(Problem::NotPem)?;
        if !keyfile::is_private_key(&block.label) {
            return Err(Problem::Label(block.label.clone()));
        }
        let id = stem.parse().map_err(|_| Problem::Name)?;
        Ok(Some(self.describe(id, block, path)))
    }
}

impl KeyStore for FileKeyStore {
    fn list(&self) -> Result<Vec<KeyInfo>, Error> {
        let walk = folder::walk(&self.folder, &legacy::FOLDERS).map_err(|source| Error::Io {
            action: "reading",
            path: self.folder.clone(),
            source,
        })?;
        for warning in walk.warnings {
            self.warn(warning.path, warning.problem);
        }
        let mut keys = Vec::new();
        for path in walk.files {
            match self.list_file(&path) {
                Ok(info) => keys.extend(info),
                Err(problem) => self.warn(path, problem),
            }
        }
        Ok(keys)
    }

    fn info(&self, id: &KeyId) -> Result<Option<KeyInfo>, Error> {
        let blocks = match self.read(id) {
            Ok(Some(blocks)) => blocks,
            Ok(None) | Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let path = self.folder.join(file_name(id));
        match blocks.first() {
            Some(block) if keyfile::is_private_key(&block.label) => {
                Ok(Some(self.describe(id.clone(), block, &path)))
            }
            Some(block) => {
                self.warn(path, Problem::Label(block.label.clone()));
                Ok(None)
            }
            None => {
                self.warn(path, Problem::NotPem);
                Ok(None)
            }
        }
    }

    fn load(&self, id: &KeyId) -> Result<Arc<dyn Signer>, Error> {
        self.load_private(id).map(|key| key as Arc<dyn Signer>)
    }

    fn add(&self, key: PrivateKey, role: &str, gun: Option<&Gun>) -> Result<(), Error> {
        let id = key.public().id();
        match self.info(id)? {
            Some(info) if info.role == role => Ok(()),
            Some(info) => Err(Error::RoleConflict {
                id: info.id,
                role: info.role,
            }),
            None => self.replace(key, role, gun),
        }
    }

    fn remove(&self, id: &KeyId) -> Result<(), Error> {
        let id = checked(id)?;
        let name = file_name(&id);
        match folder::remove(&self.folder, &name) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotFound(id));
            }
            Err(source) => {
                return Err(Error::Io {
                    action: "removing",
                    path: self.folder.join(name),
                    source,
                });
            }
        }
        self.forget(&id);
        Ok(())
    }

    fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for FileKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeyStore")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// An ID that is fit to be a file name. Metadata may hold any text where an ID belongs (security class A5).
fn checked(id: &KeyId) -> Result<KeyId, Error> {
    id.as_str().parse().map_err(|_| Error::NotFound(id.clone()))
}

fn file_name(id: &KeyId) -> String {
    format!("{id}.key")
}

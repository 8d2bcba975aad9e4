//! Makes keys, tells of them, and signs: the services `proto.KeyManagement` and `proto.Signer`.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use signet_keys::database::{Algorithm, DatabaseError, ServiceKeys, StoredKey};
use signet_rpc::GUN_METADATA;
use signet_rpc::proto::key_management_server::KeyManagement;
use signet_rpc::proto::signer_server::Signer;
use signet_rpc::proto::{
    self, CreateKeyRequest, GetKeyInfoResponse, KeyInfo, SignatureRequest, Void,
};
use signet_service::process::chain;
use signet_tuf::{KeyId, PublicKey, crypto};
use time::OffsetDateTime;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// The keys as a service. Clones are the same service.
#[derive(Clone)]
pub struct KeyService {
    keys: ServiceKeys,
    clock: Clock,
}

impl fmt::Debug for KeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyService")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl KeyService {
    /// Serves these keys.
    #[must_use]
    pub const fn new(keys: ServiceKeys, clock: Clock) -> Self {
        Self { keys, clock }
    }

    /// A key, unless the caller says that it is used for a GUN that it was not made for.
    ///
    /// A root may list any key, and whoever may publish under one name could otherwise have this service sign with the key of another.
    async fn key_for(
        &self,
        id: &KeyId,
        gun: Option<&str>,
    ) -> Result<Option<Arc<StoredKey>>, DatabaseError> {
        let Some(key) = self.keys.info(id, (self.clock)()).await? else {
            return Ok(None);
        };
        match gun {
            // Rows from before the database knew GUNs have none, and serve all.
            Some(gun) if !key.gun.is_empty() && key.gun != gun => {
                tracing::warn!(key = %id, gun, owner = key.gun, "a key was asked for in the name of a GUN that it was not made for");
                Ok(None)
            }
            _ => Ok(Some(key)),
        }
    }
}

#[tonic::async_trait]
impl KeyManagement for KeyService {
    async fn create_key(
        &self,
        request: Request<CreateKeyRequest>,
    ) -> Result<Response<proto::PublicKey>, Status> {
        let CreateKeyRequest {
            algorithm,
            gun,
            role,
        } = request.into_inner();
        let Ok(algorithm) = algorithm.parse::<Algorithm>() else {
            let name = excerpt(&algorithm);
            tracing::error!("CreateKey: unsupported algorithm: {name}");
            return Err(Status::unknown(format!(
                "algorithm {name} not supported for create key"
            )));
        };
        let made = self
            .keys
            .create(algorithm, &gun, &role, (self.clock)())
            .await;
        match made {
            Ok(key) => {
                tracing::info!(gun, role, "CreateKey: Created KeyID {}", key.id());
                Ok(Response::new(proto::PublicKey {
                    key_info: Some(key_info(&key)),
                    public_key: key.public_bytes().to_vec(),
                }))
            }
            Err(error @ DatabaseError::Long { .. }) => {
                tracing::error!("CreateKey: {error}");
                Err(Status::invalid_argument(error.to_string()))
            }
            Err(error) => {
                let reason = chain(&error);
                tracing::error!(gun, role, "CreateKey: failed to create key: {reason}");
                Err(if error.is_unavailable() {
                    unavailable()
                } else {
                    Status::internal("Key creation failed")
                })
            }
        }
    }

    async fn delete_key(&self, request: Request<proto::KeyId>) -> Result<Response<Void>, Status> {
        let gun = gun_of(&request)?;
        let id = checked(&request.get_ref().id)?;
        let failed = |error: DatabaseError| {
            tracing::error!(key = %id, "DeleteKey: {}", chain(&error));
            if error.is_unavailable() {
                unavailable()
            } else {
                Status::internal(format!("Key deletion for KeyID {id} failed"))
            }
        };
        if gun.is_some() {
            match self.key_for(&id, gun.as_deref()).await {
                // A row without a GUN may be anybody's.
                Ok(Some(key)) if Some(key.gun.as_str()) == gun.as_deref() => {}
                Ok(_) => {
                    tracing::info!(gun, "DeleteKey: there is no key {id} of this GUN");
                    return Ok(Response::new(Void {}));
                }
                // A key that cannot be opened any more may be deleted all the same, by those who need not say for whom.
                Err(error) => return Err(refusal(&id, &error)),
            }
        }
        let deleted = self.keys.delete(&id, (self.clock)()).await;
        if deleted.map_err(failed)? {
            tracing::info!(gun, "DeleteKey: Deleted KeyID {id}");
        } else {
            tracing::info!(gun, "DeleteKey: there is no key {id}");
        }
        Ok(Response::new(Void {}))
    }

    async fn get_key_info(
        &self,
        request: Request<proto::KeyId>,
    ) -> Result<Response<GetKeyInfoResponse>, Status> {
        let gun = gun_of(&request)?;
        let id = checked(&request.get_ref().id)?;
        match self.key_for(&id, gun.as_deref()).await {
            Ok(Some(key)) => {
                tracing::debug!("GetKeyInfo: Returning PublicKey for KeyID {id}");
                let mut response = Response::new(GetKeyInfoResponse {
                    key_info: Some(key_info(&key.public)),
                    public_key: key.public.public_bytes().to_vec(),
                    role: key.role.clone(),
                });
                let owner = MetadataValue::from_bytes(key.gun.as_bytes());
                response.metadata_mut().insert_bin(GUN_METADATA, owner);
                Ok(response)
            }
            Ok(None) => {
                tracing::error!("GetKeyInfo: key {id} not found");
                Err(Status::not_found(format!("key {id} not found")))
            }
            Err(error) => Err(refusal(&id, &error)),
        }
    }
}

#[tonic::async_trait]
impl Signer for KeyService {
    async fn sign(
        &self,
        request: Request<SignatureRequest>,
    ) -> Result<Response<proto::Signature>, Status> {
        let gun = gun_of(&request)?;
        let SignatureRequest { key_id, content } = request.into_inner();
        let id = checked(&key_id.unwrap_or_default().id)?;
        let not_found = || {
            tracing::error!("Sign: key {id} not found");
            Status::not_found(format!("signing key not found: {id}"))
        };
        if gun.is_some() {
            // Before the signature, which makes a key active.
            match self.key_for(&id, gun.as_deref()).await {
                Ok(Some(_)) => {}
                Ok(None) => return Err(not_found()),
                Err(error) => return Err(refusal(&id, &error)),
            }
        }
        let signed = match self.keys.sign(&id, &content, (self.clock)()).await {
            Ok(signed) => signed,
            Err(DatabaseError::NotFound(_)) => return Err(not_found()),
            Err(error @ DatabaseError::Sign(_)) => {
                tracing::error!(key = %id, "Sign: {}", chain(&error));
                return Err(Status::internal(format!("Signing failed for KeyID {id}")));
            }
            Err(error) => return Err(refusal(&id, &error)),
        };
        let key = &signed.key;
        if tracing::enabled!(tracing::Level::INFO) {
            tracing::info!(
                gun = key.gun,
                role = key.role,
                length = content.len(),
                sha256 = HEXLOWER.encode(&crypto::sha256(&content)),
                "Sign: Signed with KeyID {id}"
            );
        }
        let method = key.public.kind().signature_method().unwrap_or_default();
        Ok(Response::new(proto::Signature {
            key_info: Some(key_info(&key.public)),
            algorithm: Some(proto::Algorithm {
                algorithm: method.to_owned(),
            }),
            content: signed.signature,
        }))
    }
}

fn key_info(key: &PublicKey) -> KeyInfo {
    KeyInfo {
        key_id: Some(proto::KeyId {
            id: key.id().as_str().to_owned(),
        }),
        algorithm: Some(proto::Algorithm {
            algorithm: key.kind().as_str().to_owned(),
        }),
    }
}

/// An ID that a key can have: 64 lower-case hexadecimal digits. Nothing else reaches the database.
fn checked(id: &str) -> Result<KeyId, Status> {
    id.parse().map_err(|_| {
        let text = format!(
            "not a key ID, which is 64 lower-case hexadecimal digits: {}",
            excerpt(id)
        );
        tracing::error!("{text}");
        Status::invalid_argument(text)
    })
}

/// The GUN that the caller uses the key for, when it says so.
fn gun_of<T>(request: &Request<T>) -> Result<Option<String>, Status> {
    let Some(value) = request.metadata().get_bin(GUN_METADATA) else {
        return Ok(None);
    };
    let bytes = value.to_bytes().ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    match text {
        Some(text) => Ok(Some(text)),
        None => Err(Status::invalid_argument(format!(
            "the metadata {GUN_METADATA} is no text"
        ))),
    }
}

/// What a caller is told when the key may well be there: never that it is not.
fn refusal(id: &KeyId, error: &DatabaseError) -> Status {
    // Names key and alias where they matter.
    tracing::error!(key = %id, "{}", chain(error));
    if error.is_unavailable() {
        return unavailable();
    }
    match error {
        DatabaseError::Undecryptable { .. } | DatabaseError::Inconsistent { .. } => {
            Status::failed_precondition(format!(
                "key {id} is there and cannot be used: the log of notary-signer says why"
            ))
        }
        _ => Status::internal(format!("key {id} could not be used")),
    }
}

fn unavailable() -> Status {
    Status::unavailable("the key database is out of reach")
}

/// The beginning of a text that somebody sent, fit for logs and answers.
fn excerpt(text: &str) -> String {
    text.chars().take(100).collect()
}

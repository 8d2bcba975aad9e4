//! JSON that has one form only.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads what [`write`] wrote, and nothing else: a text that would be written differently is refused, so that members that are unknown, twice
/// or null, other spellings and white space do not exist.
pub(crate) fn read<T: DeserializeOwned + Serialize>(text: &[u8]) -> Result<T, String> {
    let value: T = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if write(&value)? == text {
        Ok(value)
    } else {
        Err("it is not written as archives are".to_owned())
    }
}

/// The one form of `value`.
pub(crate) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    serde_json::to_vec(value).map_err(|error| error.to_string())
}

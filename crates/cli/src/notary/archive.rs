//! `notary archive`.

pub(super) mod create;
pub(super) mod diff;
pub(super) mod extract;
pub(super) mod import;
pub(super) mod list;
mod reading;
pub(super) mod show;
pub(super) mod verify;

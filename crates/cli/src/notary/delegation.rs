//! `notary delegation`: who may sign for whom.

pub(super) mod list;

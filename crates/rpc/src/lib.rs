//! The contract between `notary-server` and `notary-signer` (specification, signer-and-keys section 2).

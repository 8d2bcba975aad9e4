//! The key service as a library: what the program `notary-signer` runs.

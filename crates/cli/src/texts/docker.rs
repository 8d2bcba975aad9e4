//! The messages of `docker trust`, in the words of docker 28, and Signet's own beside them.

mod archive;
mod build;
mod daemon;
mod doctor;
mod doctor_server;
mod enforce;
mod keys;
mod lock;
mod login;
mod policy;
mod removal;

use std::path::Path;

pub use archive::*;
pub use build::*;
pub use daemon::*;
pub use doctor::*;
pub use doctor_server::*;
pub use enforce::*;
pub use keys::*;
pub use lock::*;
pub use login::*;
pub use policy::*;
pub use removal::*;

/// What cobra says when `-h` is used.
pub const DEPRECATED_HELP: &str = "Flag shorthand -h has been deprecated, use --help";

/// There is nowhere to look for docker's configuration.
pub const NO_HOME: &str =
    "cannot find docker's configuration: neither HOME nor DOCKER_CONFIG is set";

/// cobra's word on a completion request without a word.
pub const NOTHING_TO_COMPLETE: &str = "requires at least 1 arg(s), only received 0";

/// An argument that is not UTF-8.
#[must_use]
pub fn not_text(word: &str) -> String {
    format!("argument {} is not text", super::quote(word))
}

/// `docker help trust nosuch`.
#[must_use]
pub fn unknown_help_topic(word: &str) -> String {
    format!("unknown help topic: {word}")
}

/// `completion nosuch`.
#[must_use]
pub fn unknown_shell(shell: &str) -> String {
    format!(
        "no completion script for {}: there are scripts for bash, zsh, fish and powershell",
        super::quote(shell)
    )
}

/// The answer to `--version`.
#[must_use]
pub fn version(program: &str) -> String {
    format!("{program} version {} (Signet)", env!("CARGO_PKG_VERSION"))
}

// Passphrases (docker-trust section 6).

/// Before the passphrase of a new root key.
pub const NEW_ROOT_KEY: &str = "\
You are about to create a new root signing key passphrase. This passphrase
will be used to protect the most sensitive key in your signing system. Please
choose a long, complex passphrase and be careful to keep the password and the
key file itself secure and backed up. It is highly recommended that you use a
password manager to generate the passphrase and keep it safe. There will be no
way to recover this key. You can find the key in your config directory.";
/// The passphrase does not open the key.
pub const PASSPHRASE_INCORRECT: &str = "Passphrase incorrect. Please retry.";
/// The repetition differs.
pub const PASSPHRASE_MISMATCH: &str = "Passphrases do not match. Please retry.";
/// Fewer than eight bytes.
pub const PASSPHRASE_TOO_SHORT: &str = "Passphrase is too short. Please use a password manager to generate and store a good random passphrase.";
/// The question for a key file that is encrypted.
pub const ENTER_ENCRYPTED: &str = "Enter passphrase for encrypted key: ";

// Keys (sections 7, 8.1 and 8.2).

/// `what` is `key name` or `signer name`.
#[must_use]
pub fn bad_name(what: &str, name: &str) -> String {
    format!(
        "{what} {} must start with lowercase alphanumeric characters and can include \"-\" or \"_\" after the first character",
        super::quote(name)
    )
}

/// The current folder cannot be found.
#[must_use]
pub fn no_current_dir(problem: &str) -> String {
    format!("cannot find the current directory: {problem}")
}

/// `--dir` names nothing.
#[must_use]
pub fn no_public_key_path(dir: &Path) -> String {
    format!(
        "public key path does not exist: {}",
        super::quote(&dir.to_string_lossy())
    )
}

/// The public key's file is there already.
#[must_use]
pub fn public_key_exists(path: &Path) -> String {
    format!(
        "public key file already exists: {}",
        super::quote(&path.to_string_lossy())
    )
}

/// First line of `key generate`.
#[must_use]
pub fn generating_key(name: &str) -> String {
    format!("Generating key for {name}...\n")
}

/// Last line of `key generate`.
#[must_use]
pub fn generated_key(path: &Path) -> String {
    format!(
        "Successfully generated and loaded private key. Corresponding public key available: {}\n",
        path.display()
    )
}

/// No key was made.
#[must_use]
pub fn generate_failed(name: &str, problem: &str) -> String {
    format!("failed to generate key for {name}: {problem}")
}

/// The private key is there and its public half is not.
#[must_use]
pub fn public_key_not_written(path: &Path, problem: &str) -> String {
    format!(
        "failed to write public key to {}: {problem}",
        path.display()
    )
}

/// First line of `key load`.
#[must_use]
pub fn loading_key(file: &str) -> String {
    format!("Loading key from {}...\n", super::quote(file))
}

/// Last line of `key load`.
#[must_use]
pub fn loaded_key(file: &str) -> String {
    format!("Successfully imported key from {file}\n")
}

/// The key file cannot be read, or others can.
#[must_use]
pub fn refusing_to_load(file: &str, problem: &str) -> String {
    format!("refusing to load key from {file}: {problem}")
}

/// Others can read or write the key file.
#[must_use]
pub fn readable_by_others(file: &str) -> String {
    format!("private key file {file} must not be readable or writable by others")
}

/// The key file holds something else, or a key that cannot be used.
#[must_use]
pub fn importing_failed(file: &str, problem: &str) -> String {
    format!("error importing key from {file}: {problem}")
}

/// The key file does not begin with a private key.
#[must_use]
pub fn not_a_private_key(file: &str, program: &str) -> String {
    format!(
        "provided file {file} is not a supported private key - to add a signer's public key use {program} signer add"
    )
}

/// The encrypted key file was not opened.
#[must_use]
pub fn cannot_decrypt(file: &str) -> String {
    format!("cannot load key from provided file {file}: could not decrypt key")
}

// Signers (section 8.3).

/// `releases` is what Docker looks at first, and no signer.
pub const RESERVED_SIGNER: &str = "releases is a reserved keyword, use a different signer name";
/// `signer add` without `--key`.
pub const NO_PUBLIC_KEY: &str = "path to a public key must be provided using the `--key` flag";

// Where trust data come from (sections 4.2 and 9.1).

/// The trust server's URL is none, or not `https`.
#[must_use]
pub fn https_required(url: &str) -> String {
    format!("valid https URL required for trust server, got {url}")
}

/// How docker begins what it says about attacks.
pub const WARNING: &str = "Warning: potential malicious behavior";

/// The server does not know the repository.
#[must_use]
pub fn no_trust_data_for(name: &str, problem: &str) -> String {
    format!("Error: remote trust data does not exist for {name}: {problem}")
}

/// The server lacks a document.
#[must_use]
pub fn trust_data_missing(name: &str, problem: &str) -> String {
    format!(
        "Error: trust data missing for remote repository {name} or remote repository not found: {problem}"
    )
}

/// docker's words for a server that answers without TLS.
pub const NOT_TLS: &str = "tls: first record does not look like a TLS handshake";

/// No answer, no trusted certificate, or no login.
#[must_use]
pub fn cannot_contact(problem: &str) -> String {
    format!("Error: error contacting notary server: {problem}")
}

/// A document's validity is over.
#[must_use]
pub fn out_of_date(name: &str, problem: &str) -> String {
    format!("Error: remote repository {name} out-of-date: {problem}")
}

/// Too few signatures.
#[must_use]
pub fn insufficient_signatures(name: &str, problem: &str) -> String {
    format!(
        "{WARNING} - trust data has insufficient signatures for remote repository {name}: {problem}"
    )
}

/// An older version than one that was trusted.
#[must_use]
pub fn rolled_back(name: &str, problem: &str) -> String {
    format!(
        "{WARNING} - trust data version is lower than expected for remote repository {name}: {problem}"
    )
}

/// A root that does not follow from the trusted one, or bytes that are not the signed ones.
#[must_use]
pub fn trust_data_mismatch(name: &str, problem: &str) -> String {
    format!("{WARNING} - trust data mismatch for remote repository {name}: {problem}")
}

/// Something else than a trust server answered.
#[must_use]
pub fn not_a_trust_server(name: &str) -> String {
    format!(
        "Error: no trust data available for remote repository {name}. \
         Try running notary server and setting DOCKER_CONTENT_TRUST_SERVER to its HTTPS address?"
    )
}

/// What takes its time while trust data are read.
#[must_use]
pub fn reading(gun: &str) -> String {
    format!("Reading trust data of {gun}")
}

// Inspect (section 8.8).

/// All that docker says about a repository that cannot be inspected.
#[must_use]
pub fn no_signatures(name: &str) -> String {
    format!("no signatures or cannot access {name}")
}

/// Above the table of tags.
#[must_use]
pub fn signatures_for(name: &str) -> String {
    format!("\nSignatures for {name}\n\n")
}

/// Instead of the table of tags.
#[must_use]
pub fn no_signatures_for(name: &str) -> String {
    format!("\nNo signatures for {name}\n\n")
}

/// Above the table of signers.
#[must_use]
pub fn signers_for(name: &str) -> String {
    format!("\nList of signers and their keys for {name}\n\n")
}

/// Above the administrators' keys.
#[must_use]
pub fn administrative_keys_for(name: &str) -> String {
    format!("\nAdministrative keys for {name}\n\n")
}

// Verify (section 10).

/// Nobody signed the tag.
#[must_use]
pub fn no_valid_trust_data(tag: &str) -> String {
    format!("No valid trust data for {tag}")
}

/// The tag is signed, and not released.
#[must_use]
pub fn no_trust_data(tag: &str) -> String {
    format!("No trust data for {tag}")
}

/// A role that releases tags has a document that cannot be trusted.
#[must_use]
pub fn unusable_role(role: &str, reason: &str) -> String {
    format!("{role} cannot be trusted, so it is not known which tags are released: {reason}")
}

/// What to do about a role that cannot be trusted.
pub const SIGN_ROLE_AGAIN: &str = "a signer whose key is in the role must sign it again; until then pull by a digest that you know";

/// Who signed a tag that is not released.
#[must_use]
pub fn signed_but_not_released(tag: &str, role: &str) -> String {
    format!("{role} lists {tag}, but only targets/releases and targets release a tag")
}

/// The server could not be asked, and what it said before still holds.
#[must_use]
pub fn valid_until(moment: &str) -> String {
    format!("The trust server could not be asked; what is known holds until {moment}\n")
}

/// The server was not to be asked, and what it said before still holds.
#[must_use]
pub fn offline_until(moment: &str) -> String {
    format!("The trust server was not asked; what is known holds until {moment}\n")
}

/// `verify name@digest`: the tags that stand for it.
#[must_use]
pub fn digest_is_signed_as(name: &str, tags: &str) -> String {
    let tags = super::visible(tags);
    format!("{name} is signed as {tags}\n")
}

/// `verify name@digest`, and no tag stands for it.
#[must_use]
pub fn digest_is_not_signed(name: &str) -> String {
    format!("No valid trust data for {name}: no released tag stands for that digest")
}

/// `verify name:tag@digest`, and the tag stands for another one.
#[must_use]
pub fn signed_with_another_digest(name: &str, signed: &str, asked: &str) -> String {
    format!("{name} is signed with {signed}, not with {asked}")
}

/// `--signer Releases`.
#[must_use]
pub fn not_a_signer(name: &str) -> String {
    format!("{} is not the name of a signer", super::quote(name))
}

/// The target has other digests only.
pub const NO_SHA256: &str = "no valid hash, expecting sha256";

/// `name@digest` needs no trust data, and says nothing about a tag.
#[must_use]
pub fn digest_is_not_verified(name: &str) -> String {
    format!("{name} names a digest: nothing to verify, signatures are about tags")
}

/// `--format nosuch`.
#[must_use]
pub fn unknown_format(format: &str) -> String {
    format!("unknown format {}: json is supported", super::quote(format))
}

/// A key file with several blocks, none of which is a key that can be used.
pub const NO_KEY_IMPORTED: &str = "failed to import all keys";

/// A key file that cannot be read.
#[must_use]
pub fn public_key_unreadable(problem: &str) -> String {
    format!("unable to read public key from file: {problem}")
}

/// A key file without a key that signers can have.
#[must_use]
pub fn public_key_unusable(file: &str, problem: &str) -> String {
    format!("could not parse public key from file: {file}: {problem}")
}

/// First line of `signer add` for each repository.
#[must_use]
pub fn adding_signer(signer: &str, name: &str) -> String {
    format!("Adding signer {} to {name}...\n", super::quote(signer))
}

/// Last line of `signer add` for each repository, and an empty one.
#[must_use]
pub fn added_signer(signer: &str, name: &str) -> String {
    format!("Successfully added signer: {signer} to {name}\n\n")
}

/// The repositories that have not got the signer.
#[must_use]
pub fn signer_not_added(names: &str) -> String {
    format!("failed to add signer to: {names}")
}

/// A tag or digest in a place where none belongs, which docker ignores without a word.
#[must_use]
pub fn signers_are_for_repositories(typed: &str, name: &str) -> String {
    format!("signers belong to whole repositories: {typed} is taken for {name}")
}

/// The server does not know the repository yet.
#[must_use]
pub fn initializing(name: &str) -> String {
    format!("Initializing signed repository for {name}...\n")
}

/// The repository has its keys.
#[must_use]
pub fn initialized(name: &str) -> String {
    format!("Successfully initialized {}\n", super::quote(name))
}

/// What takes its time while something is published.
#[must_use]
pub fn publishing(gun: &str) -> String {
    format!("Publishing trust data of {gun}")
}

// Sign (section 8.6).

/// `sign name@digest`.
pub const DIGEST_REFERENCE: &str = "cannot use a digest reference for IMAGE:TAG";
/// Between the image and its signature.
pub const SIGNING: &str = "Signing and pushing trust metadata\n";
/// No key of the user's may sign the tag.
pub const NO_SIGNING_KEYS: &str = "no valid signing keys for delegation roles";
/// More than one of `--digest`, `--local` and `--remote`.
pub const ONE_SOURCE: &str = "--digest, --local and --remote exclude each other";
/// How to choose between two digests.
pub const SAY_WHICH: &str =
    "choose with --digest sha256:…, or sign what the registry has now with --remote";
/// The first signature by somebody who is not logged in.
pub const NO_USER: &str = "Not logged in to the registry: signing with the repository key, without a signer of your own\n";

/// `sign name`.
#[must_use]
pub fn no_tag(name: &str) -> String {
    format!("no tag specified for {name}")
}

/// A tag that is signed is signed again as it is.
#[must_use]
pub fn signing_again(name: &str, tag: &str, digest: &str, signers: &str) -> String {
    let signers = super::visible(signers);
    format!(
        "Signing and pushing trust metadata for {name}\nExisting signatures for tag {tag} digest {digest} from:\n{signers}\n"
    )
}

/// The tag has one digest for docker and another for the repository's administrators.
#[must_use]
pub fn two_digests(name: &str, releases: &str, targets: &str) -> String {
    format!(
        "{name} is signed with two digests: sha256:{releases} in targets/releases, sha256:{targets} in targets; not signing either"
    )
}

/// What is signed comes from the registry. docker says `local image` here.
#[must_use]
pub fn signing_remote(name: &str) -> String {
    format!(
        "Signing and pushing trust data for remote image {name}, may overwrite remote trust data\n"
    )
}

/// What is signed, in the words of docker's push.
#[must_use]
pub fn pushed(tag: &str, digest: &str, size: u64) -> String {
    format!("{tag}: digest: {digest} size: {size}\n")
}

/// What takes its time while the registry is asked.
#[must_use]
pub fn asking_registry(name: &str) -> String {
    format!("Asking the registry for {name}")
}

/// The user has become the first signer.
#[must_use]
pub fn created_signer(name: &str) -> String {
    format!("Created signer: {name}\n")
}

/// The repository has its keys and its first signer.
#[must_use]
pub fn finished_initializing(name: &str) -> String {
    format!("Finished initializing signed repository for {name}\n")
}

/// The registry's user name is no name for a signer.
#[must_use]
pub fn user_renamed(user: &str, name: &str) -> String {
    format!(
        "Registry user {} cannot be a signer's name: signing as {name}\n",
        super::quote(user)
    )
}

/// Nothing in the registry's user name makes a name for a signer.
#[must_use]
pub fn user_is_no_name(user: &str) -> String {
    format!(
        "Registry user {} cannot be a signer's name: signing with the repository key, without a signer of your own\n",
        super::quote(user)
    )
}

/// Before what went wrong.
#[must_use]
pub fn failed_to_sign(gun: &str, tag: &str) -> String {
    format!("failed to sign {gun}:{tag}: ")
}

/// The end.
#[must_use]
pub fn signed(gun: &str, tag: &str) -> String {
    format!("Successfully signed {gun}:{tag}\n")
}

// Advice, for people at a terminal only.

/// The server's certificate is not trusted.
pub const TLS_HINT: &str = "certificates to trust go to ~/.docker/tls/<host[:port]>/ca.crt";
/// The server does not know who we are, or that we may.
pub const LOGIN_HINT: &str = "the trust server takes the registry's credentials: docker login";
/// A key of somebody else's is needed.
pub const KEYS_HINT: &str = "docker trust key load brings a key that you have in a file";
/// A file of the trust folder is damaged.
pub const DAMAGED_ROOT_HINT: &str = "put root.json of the repository back, or remove its folder below trust/tuf: then its root is trusted on first use again";
/// Nobody may sign any longer.
pub const NO_SIGNER_HINT: &str = "no signer is left: docker trust signer add makes somebody one";

/// A key could not be unlocked.
#[must_use]
pub fn wrong_passphrase(role: &str) -> String {
    let variable = if role == "root" { "ROOT" } else { "REPOSITORY" };
    format!(
        "the passphrase of the {role} key is wrong; it is asked for, or taken from DOCKER_CONTENT_TRUST_{variable}_PASSPHRASE"
    )
}

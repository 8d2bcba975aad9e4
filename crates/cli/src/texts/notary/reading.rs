//! Reading a repository: `list`, `lookup`, `verify`, `delegation list`.

/// Without a repository.
pub const GUN_ARGUMENT: &str = "Must specify a GUN";
/// Without a repository or a target.
pub const GUN_AND_TARGET_ARGUMENTS: &str = "Must specify a GUN and target";

/// While a repository is read.
#[must_use]
pub fn reading(gun: &str) -> String {
    format!("Reading {gun}")
}

/// A repository, or roles, without targets.
pub const NO_TARGETS: &str = "\nNo targets present in this repository.\n\n";

/// A target that nobody signed.
#[must_use]
pub fn no_valid_trust_data(target: &str) -> String {
    format!("No valid trust data for {target}")
}

/// The answer of `lookup`.
#[must_use]
pub fn looked_up(target: &str, sha256: &str, length: i64) -> String {
    format!("{target} sha256:{sha256} {length}\n")
}

// The server (section 5.2).

/// No answer to the probe, or no 200 and no 401.
#[must_use]
pub fn could_not_reach(server: &str, reason: &str) -> String {
    format!("could not reach {server}: {reason}")
}

/// What is done then.
pub const CONTINUING_OFFLINE: &str = "continuing in offline mode";
/// What needs the server fails then.
pub const OFFLINE: &str = "client is offline";
/// What can be done about it.
pub const OFFLINE_HINT: &str = "nothing that is valid now is remembered of the repository; name its server with -s, or look whether it runs";

/// What is remembered may not be used.
#[must_use]
pub fn cached_data_refused(reason: &str) -> String {
    format!(
        "the trust server gave no answer ({reason}), and \"cached_data\": false in the configuration refuses what is remembered"
    )
}

/// What can be done about it.
pub const CACHED_DATA_HINT: &str =
    "try again when the server can be reached, or take cached_data out of the configuration";

/// A server that does not prove who it is.
#[must_use]
pub fn server_not_trusted(reason: &str) -> String {
    format!("the trust server could not be verified: {reason}")
}

/// What can be done about it.
pub const TLS_HINT: &str = "name the authority of the server's certificate with --tlscacert or remote_server.root_ca; what is remembered is not used";

/// A document whose validity is over.
#[must_use]
pub fn metadata_expired(role: &str) -> String {
    format!("Metadata for {role} expired")
}

// verify

/// Before what kept `verify` from finding the target.
#[must_use]
pub fn target_not_retrieved(target: &str) -> String {
    format!("error retrieving target by name:{target}, error:")
}

/// Data that are not what was signed.
#[must_use]
pub fn not_in_collection(reason: &str) -> String {
    format!("data not present in the trusted collection, {reason}")
}

/// More data than are held in memory.
#[must_use]
pub fn payload_too_large(gigabytes: u64) -> String {
    format!("the data are larger than {gigabytes} GiB, the most that can be checked at once")
}

// delegation list

/// Without exactly one repository.
pub const DELEGATION_LIST_ARGUMENTS: &str =
    "Please provide a Global Unique Name as an argument to list";

/// Before what kept the delegations from being read.
#[must_use]
pub fn delegations_not_retrieved(gun: &str) -> String {
    format!("Error retrieving delegation roles for repository {gun}: ")
}

/// A repository without delegations.
pub const NO_DELEGATIONS: &str = "\n\nNo delegations present in this repository.\n\n\n";

/// A path as the table shows it.
#[must_use]
pub fn shown_path(path: &str) -> String {
    if path.is_empty() {
        "\"\" <all paths>".to_owned()
    } else {
        path.to_owned()
    }
}

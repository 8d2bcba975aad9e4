//! Verdicts: what the update engine makes of archived documents.

use signet_tuf::certificate::Bundle;
use signet_tuf::rules::{self, CertificateTime, RootError, RuleError};
use signet_tuf::{
    BaseRole, Cached, FailureKind, Floors, Gun, MetadataPath, Mode, Received, RoleName, Root,
    Scope, Step, TrustPinning, TrustedRepository, Update, UpdateError,
};
use time::OffsetDateTime;

use crate::chain::Roots;
use crate::record::{History, UnusableRole};
use crate::shelf::Shelf;
use crate::standing::{Examiner, Fault, Standing};
use crate::{ArchivedRepository, Moment, Outcome, State, Verdict};

/// Longest reason in a verdict, in characters. Reasons may quote documents.
const MAX_REASON: usize = 400;

/// What holds of an archived repository at a moment.
#[derive(Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The repository, where it is trusted at that moment.
    pub trusted: Result<Box<TrustedRepository>, UpdateError>,
}

/// Judges a repository by its documents alone, as a client would at `at` that begins with `pinning` and nothing remembered.
///
/// A record that says that the source did not answer, refused or has no such repository keeps that state; everything else is found out.
/// The result depends on the documents, the recorded answers of the source, the moment and the pins, and on nothing else.
#[must_use]
pub fn judge(
    repository: &ArchivedRepository,
    at: OffsetDateTime,
    pinning: &TrustPinning,
) -> Judgement {
    let shelf = Shelf::of(repository);
    let mut trusted = update(&shelf, at, pinning);
    let roots = Roots::of(&shelf, trusted.as_ref().ok().map(|trusted| trusted.root()));
    let mut verdict = match &trusted {
        Ok(trusted) => of_trusted(trusted),
        Err(error) => of_error(&shelf, roots.as_ref(), error, at, pinning),
    };
    if let Some(roots) = &roots {
        verdict.roots = Some(roots.chain.clone());
        let holds = matches!(
            verdict.state,
            State::Trusted | State::Degraded | State::Expired
        );
        if let (true, Some(reason)) = (holds, &roots.broken) {
            // Whoever trusted the older root would refuse the newer one.
            verdict = Verdict {
                roots: verdict.roots,
                ..blank(State::Untrusted, Some(RoleName::root()), reason)
            };
            trusted = Err(RuleError::from(RootError::Rotation).into());
        }
        verdict.history = history(&shelf, roots);
    }
    Judgement { verdict, trusted }
}

/// A client's update with the archived documents.
fn update(
    shelf: &Shelf<'_>,
    at: OffsetDateTime,
    pinning: &TrustPinning,
) -> Result<Box<TrustedRepository>, UpdateError> {
    let mut update = Update::new(
        shelf.repository.record.gun.clone(),
        at,
        Mode::Read,
        Scope::All,
        pinning.clone(),
        Cached::default(),
        Floors::default(),
    );
    loop {
        match update.step()? {
            Step::Fetch(fetch) => update.answer(shelf.answer(&fetch)),
            Step::Done(trusted) => return Ok(trusted),
            Step::Persist { .. } | Step::Warn(_) => {}
        }
    }
}

fn blank(state: State, role: Option<RoleName>, reason: &str) -> Verdict {
    Verdict {
        role,
        reason: Some(reason.chars().take(MAX_REASON).collect()),
        ..Verdict::of(state)
    }
}

fn of_trusted(trusted: &TrustedRepository) -> Verdict {
    let unusable: Vec<UnusableRole> = trusted
        .unusable()
        .iter()
        .map(|(role, unusable)| UnusableRole {
            role: role.clone(),
            reason: unusable.reason().to_string(),
        })
        .collect();
    let ends = trusted.all_targets().values();
    let valid_until = ends.map(|targets| targets.expires().moment()).fold(
        trusted.valid_until(&RoleName::targets()).moment(),
        OffsetDateTime::min,
    );
    Verdict {
        state: if unusable.is_empty() {
            State::Trusted
        } else {
            State::Degraded
        },
        role: None,
        reason: None,
        valid_until: Some(Moment::of(valid_until)),
        tags: trusted.listed(&[]).len() as u64,
        unusable,
        roots: None,
        history: None,
    }
}

fn of_error(
    shelf: &Shelf<'_>,
    roots: Option<&Roots>,
    error: &UpdateError,
    at: OffsetDateTime,
    pinning: &TrustPinning,
) -> Verdict {
    if let Some(over) = over(shelf, error, at, pinning) {
        // Only the time speaks against it so far. What else may be wrong lies behind.
        let standing = roots
            .ok_or(None)
            .and_then(|roots| stands(shelf, roots, at).map_err(Some));
        return match standing {
            Ok(standing) => expired(&standing, over),
            Err(Some(fault)) => of_fault(shelf, fault),
            Err(None) => blank(State::Untrusted, Some(over.role), &over.reason),
        };
    }
    let role = role_of(error);
    let (state, reason) = match error {
        UpdateError::Missing { path } => (State::Incomplete, format!("{path} is missing")),
        UpdateError::NoTrustData { .. } => no_trust_data(shelf),
        _ => {
            let state = match error.kind() {
                FailureKind::Network => State::Unreachable,
                FailureKind::Refused | FailureKind::NoTrustData => State::Refused,
                FailureKind::Violation => State::Untrusted,
            };
            (state, error.to_string())
        }
    };
    let role = role.filter(|_| state != State::Absent);
    blank(state, role, &reason)
}

fn of_fault(shelf: &Shelf<'_>, fault: Fault) -> Verdict {
    let outcome = fault.missing.as_ref().map(|path| shelf.outcome(path));
    let (state, reason) = match outcome {
        None => (State::Untrusted, fault.reason),
        Some(Some(Outcome::Refused { status })) => (State::Refused, told(*status)),
        Some(Some(Outcome::Unreachable { reason })) => (State::Unreachable, reason.clone()),
        Some(Some(Outcome::TooLarge)) => (State::Untrusted, "it is too large".to_owned()),
        Some(None | Some(Outcome::Absent | Outcome::Found { .. })) => {
            (State::Incomplete, fault.reason)
        }
    };
    blank(state, fault.role, &reason)
}

fn told(status: u16) -> String {
    format!("the source answered with status {status}")
}

/// No root came: the source does not know the repository, or something kept it from answering, or a root that others name is not there.
fn no_trust_data(shelf: &Shelf<'_>) -> (State, String) {
    let record = &shelf.repository.record;
    let role = RoleName::root();
    if record.current.contains_key(&role) {
        let reason = "the root that the snapshot names is missing";
        return (State::Incomplete, reason.to_owned());
    }
    let asked = shelf.said_absent(&MetadataPath::Current(role));
    match shelf.hindrance() {
        // Silence about one document and the lack of another do not add up to a repository that is not there.
        Some(Outcome::Refused { status }) if record.documents.is_empty() || !asked => {
            return (State::Refused, told(*status));
        }
        Some(Outcome::Unreachable { reason }) if record.documents.is_empty() || !asked => {
            return (State::Unreachable, reason.clone());
        }
        _ => {}
    }
    let absent = "the source does not know the repository".to_owned();
    let claim = &record.verdict;
    match claim.state {
        _ if asked => (State::Absent, absent),
        _ if !record.documents.is_empty() => (State::Incomplete, "its root is missing".to_owned()),
        // Nothing is there that could be asked: the record's word stands.
        State::Refused | State::Unreachable => {
            (claim.state, claim.reason.clone().unwrap_or_default())
        }
        _ => (State::Absent, absent),
    }
}

/// What ended to be valid.
struct Over {
    role: RoleName,
    reason: String,
    /// When, for certificates; documents say it themselves.
    certificate: Option<OffsetDateTime>,
}

/// Whether an error says nothing but that the validity of something is over.
fn over(
    shelf: &Shelf<'_>,
    error: &UpdateError,
    at: OffsetDateTime,
    pinning: &TrustPinning,
) -> Option<Over> {
    match error {
        UpdateError::Rule(RuleError::Expired { role, .. }) => Some(Over {
            role: role.clone(),
            reason: error.to_string(),
            certificate: None,
        }),
        UpdateError::Rule(RuleError::Root(RootError::NoValidLeaf)) => {
            let role = RoleName::root();
            let gun = &shelf.repository.record.gun;
            let (_, bytes) = shelf.current(&role)?;
            let received = Received::<Root>::parse(&role, bytes.clone()).ok()?;
            let end = certificates_end(gun, received.unverified(), at)?;
            // Pins decide about it as they did while its certificate was valid.
            let then = CertificateTime::At(end);
            rules::verify_root(received, gun, then, None, Some(pinning)).ok()?;
            Some(Over {
                role,
                reason: format!("root certificate expired at {}", Moment::of(end)),
                certificate: Some(end),
            })
        }
        _ => None,
    }
}

/// When the last usable certificate of the root keys ended to be valid, where all of them have.
fn certificates_end(gun: &Gun, root: &Root, at: OffsetDateTime) -> Option<OffsetDateTime> {
    let keys = root.role(BaseRole::Root)?.keyids.as_deref()?;
    let bundles = keys
        .iter()
        .filter_map(|id| Bundle::from_pem(root.keys.get(id)?.public_bytes()));
    bundles
        .map(|bundle| bundle.leaf)
        .filter(|leaf| leaf.names(gun) && leaf.validate(None).is_ok())
        .map(|leaf| leaf.not_after())
        .filter(|end| *end < at)
        .max()
}

fn expired(standing: &Standing, over: Over) -> Verdict {
    let until = standing.valid_until();
    let until = over.certificate.map_or(until, |end| end.min(until));
    let mut unusable = standing.unusable.clone();
    unusable.sort_by(|a, b| a.role.cmp(&b.role));
    Verdict {
        valid_until: Some(Moment::of(until)),
        tags: standing.tags(),
        unusable,
        ..blank(State::Expired, Some(over.role), &over.reason)
    }
}

/// Whether the current state holds but for the time.
fn stands(shelf: &Shelf<'_>, roots: &Roots, at: OffsetDateTime) -> Result<Standing, Fault> {
    let role = RoleName::timestamp();
    let (_, timestamp) = shelf
        .current(&role)
        .ok_or_else(|| Fault::lacks(MetadataPath::Current(role)))?;
    let standing = Examiner::new(shelf, roots, Some(at)).examine(timestamp)?;
    if standing.root.version() < roots.chain.last {
        return Err(Fault {
            role: Some(RoleName::snapshot()),
            reason: "the snapshot names an older root than the current one".to_owned(),
            missing: None,
        });
    }
    Ok(standing)
}

/// The earlier timestamps with everything below them.
fn history(shelf: &Shelf<'_>, roots: &Roots) -> Option<History> {
    let role = RoleName::timestamp();
    let current = shelf.repository.record.current.get(&role);
    let mut earlier: Vec<_> = shelf
        .all(&role)
        .filter(|(document, _)| Some(&document.sha256) != current)
        .collect();
    if earlier.is_empty() {
        return None;
    }
    earlier.sort_by_key(|(document, _)| (document.version, document.sha256));
    let mut examiner = Examiner::new(shelf, roots, None);
    let mut history = History::default();
    for (document, bytes) in earlier {
        history.states += 1;
        match examiner.holds(bytes) {
            Ok(()) => history.proven += 1,
            Err(fault) => {
                let reason = fault.reason.chars().take(MAX_REASON).collect();
                history.unproven.entry(document.version).or_insert(reason);
            }
        }
    }
    Some(history)
}

/// The role that an error is about.
fn role_of(error: &UpdateError) -> Option<RoleName> {
    match error {
        UpdateError::Dropped { role } | UpdateError::InvalidLength { role, .. } => {
            Some(role.clone())
        }
        UpdateError::Missing { path }
        | UpdateError::Refused { path, .. }
        | UpdateError::TooLarge { path }
        | UpdateError::Unreachable { path, .. } => Some(path.role().clone()),
        UpdateError::NoTrustData { .. } | UpdateError::RememberedRoot(_) => Some(RoleName::root()),
        UpdateError::Rule(rule) => role_of_rule(rule),
        _ => None,
    }
}

fn role_of_rule(error: &RuleError) -> Option<RoleName> {
    use signet_tuf::digest::DigestMismatch;
    use signet_tuf::{BelowThreshold, ParseError, VerifyError};

    match error {
        RuleError::AlreadyLoaded(role)
        | RuleError::NotDelegated(role)
        | RuleError::Certificate { role, .. }
        | RuleError::Expired { role, .. }
        | RuleError::RolledBack { role, .. } => Some(role.clone()),
        RuleError::Digest(
            DigestMismatch::Differs { name, .. } | DigestMismatch::NoneKnown { name },
        ) => name.parse().ok(),
        RuleError::Parse(
            ParseError::Empty { role }
            | ParseError::NoSignatures { role }
            | ParseError::TooManySignatures { role },
        )
        | RuleError::Signatures(
            VerifyError::BelowThreshold(BelowThreshold { role, .. })
            | VerifyError::NoSignatures { role },
        ) => Some(role.clone()),
        RuleError::Root(_) => Some(RoleName::root()),
        RuleError::Structure(structure) => Some(structure.role.clone()),
        _ => None,
    }
}

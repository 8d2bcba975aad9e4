//! `notary archive show FILE GUN`: everything that an archive has of one repository.

use std::path::Path;

use signet_archive::contents::{Contents, Key};
use signet_archive::{Moment, Outcome};
use signet_tuf::{Expiry, Version};

use super::reading;
use crate::archives;
use crate::cobra::parse::Matches;
use crate::notary::Context;
use crate::notary::format::Format;
use crate::texts::{notary as texts, visible};
use crate::ui::report::Failure;
use crate::ui::table::table;

pub(in crate::notary) fn run(matches: &Matches, context: &Context) -> Result<(), Failure> {
    let format = Format::of(matches)?;
    let [file, name] = matches.args.as_slice() else {
        return context.wrong_arguments(texts::ARCHIVE_SHOW_ARGUMENTS);
    };
    let path = Path::new(file);
    let gun = reading::gun(name)?;
    let archive = archives::open(path)?;
    let repository = archives::read(path, &archive, &gun)?;
    let judgement = reading::judged(&repository);
    let trusted = judgement.trusted.ok();
    let contents = Contents::new(&repository, judgement.verdict, trusted.as_deref());
    match format {
        Format::Json => reading::line(&contents, context)?,
        Format::Text => context.printer.out(&page(&contents))?,
    }
    match &contents.recorded {
        Some(recorded) => Err(Failure::new(texts::archive_records_otherwise(
            name,
            recorded.state.as_str(),
            contents.verdict.state.as_str(),
        ))),
        None => Ok(()),
    }
}

fn page(contents: &Contents) -> String {
    let mut page = summary(contents);
    let mut section = |title: &str, header: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let header = header.iter().map(|cell| (*cell).to_owned()).collect();
            page += &format!("\n{title}\n");
            page += &table(std::iter::once(header).chain(rows));
        }
    };
    section(
        "Roles",
        &["ROLE", "VERSION", "THRESHOLD", "VALID UNTIL", "KEYS"],
        roles(contents),
    );
    section(
        "Roots",
        &["VERSION", "THRESHOLD", "VALID UNTIL", "ROOT KEYS"],
        roots(contents),
    );
    section(
        "Tags",
        &["TAG", "DIGEST", "SIZE", "ROLE", "SIGNERS"],
        tags(contents),
    );
    section(
        "Documents",
        &["ROLE", "VERSION", "BYTES", "SHA256", "PUBLISHED"],
        documents(contents),
    );
    section(
        "Changes (the source's word)",
        &["NUMBER", "AT", "CHANGE", "TIMESTAMP"],
        changes(contents),
    );
    section(
        "Requests",
        &["DOCUMENT", "AT", "ANSWER"],
        requests(contents),
    );
    page
}

fn summary(contents: &Contents) -> String {
    let verdict = &contents.verdict;
    let mut rows = vec![
        ("State", verdict.state.to_string()),
        ("Captured", contents.captured.to_string()),
        ("Source", visible(&texts::archive_source(&contents.source))),
    ];
    let mut say = |label, value: Option<String>| {
        rows.extend(value.map(|value| (label, visible(&value))));
    };
    say("Role", verdict.role.as_ref().map(ToString::to_string));
    say("Reason", verdict.reason.clone());
    say(
        "Valid until",
        verdict.valid_until.map(|moment| moment.to_string()),
    );
    say(
        "Roots",
        verdict
            .roots
            .as_ref()
            .map(|roots| texts::archive_roots(roots.first, roots.last, roots.gap.as_deref())),
    );
    for unusable in &verdict.unusable {
        say(
            "Unusable",
            Some(format!("{}: {}", unusable.role, unusable.reason)),
        );
    }
    if let Some(history) = &verdict.history {
        say(
            "History",
            Some(texts::archive_history(history.states, history.proven)),
        );
        for (version, reason) in &history.unproven {
            say("Unproven", Some(format!("timestamp {version}: {reason}")));
        }
    }
    let rows = rows
        .into_iter()
        .map(|(label, value)| [format!("{label}:"), value]);
    format!("{}\n\n{}", visible(&contents.gun), table(rows))
}

fn roles(contents: &Contents) -> Vec<Vec<String>> {
    let roles = contents.roles.iter();
    roles
        .map(|role| {
            let until = match &role.unusable {
                Some(reason) => visible(reason),
                None => role.expires.as_ref().map(moment).unwrap_or_default(),
            };
            vec![
                role.name.clone(),
                role.version
                    .map(|version: Version| version.to_string())
                    .unwrap_or_default(),
                role.threshold.to_string(),
                until,
                keys(&role.keys),
            ]
        })
        .collect()
}

fn roots(contents: &Contents) -> Vec<Vec<String>> {
    let roots = contents.roots.iter();
    roots
        .map(|root| {
            let mark = if root.current { " *" } else { "" };
            vec![
                format!("{}{mark}", root.version),
                root.threshold.to_string(),
                moment(&root.expires),
                keys(&root.keys),
            ]
        })
        .collect()
}

fn tags(contents: &Contents) -> Vec<Vec<String>> {
    let tags = contents.tags.iter();
    tags.map(|tag| {
        let role = if tag.released {
            tag.role.clone()
        } else {
            texts::archive_not_released(&tag.role)
        };
        let signers = tag.signers.iter();
        let signers: Vec<&str> = signers
            .map(|role| role.strip_prefix("targets/").unwrap_or(role))
            .collect();
        vec![
            visible(&tag.name),
            tag.digest.clone().unwrap_or_default(),
            tag.size.to_string(),
            role,
            signers.join(", "),
        ]
    })
    .collect()
}

fn documents(contents: &Contents) -> Vec<Vec<String>> {
    let documents = contents.documents.iter();
    documents
        .map(|document| {
            vec![
                document.role.to_string(),
                document.version.to_string(),
                document.length.to_string(),
                document.sha256.to_string(),
                document
                    .published
                    .map(|at: Moment| at.to_string())
                    .unwrap_or_default(),
            ]
        })
        .collect()
}

fn changes(contents: &Contents) -> Vec<Vec<String>> {
    let changes = contents.changes.iter();
    changes
        .map(|change| {
            vec![
                change.id.to_string(),
                change.at.to_string(),
                visible(&change.category),
                change.version.to_string(),
            ]
        })
        .collect()
}

fn requests(contents: &Contents) -> Vec<Vec<String>> {
    let requests = contents.requests.iter();
    requests
        .map(|request| {
            let answer = match &request.outcome {
                Outcome::Found { sha256 } => texts::archive_found(&sha256.to_string()),
                Outcome::Absent => texts::ARCHIVE_ABSENT.to_owned(),
                Outcome::Refused { status } => texts::archive_refused(*status),
                Outcome::TooLarge => texts::ARCHIVE_TOO_LARGE.to_owned(),
                Outcome::Unreachable { reason } => texts::archive_unreachable(reason),
            };
            vec![
                visible(&request.path),
                request.at.to_string(),
                visible(&answer),
            ]
        })
        .collect()
}

fn moment(expiry: &Expiry) -> String {
    Moment::of(expiry.moment()).to_string()
}

fn keys(keys: &[Key]) -> String {
    let ids = keys.iter().map(|key| {
        let kind = visible(&key.kind);
        format!("{} ({kind})", visible(&key.id))
    });
    ids.collect::<Vec<_>>().join(", ")
}

//! The changefeed of a server, read page by page and believed no further than it goes forward.

use std::collections::BTreeMap;

use signet_archive::Sha256;
use signet_archive::record::{Change, Moment};
use signet_tuf::Gun;

use super::CrawlError;
use super::line::{Line, Nothing, Question};
use crate::Remote;
use crate::remote::{FeedEntry, RemoteError};

/// Changes that are asked for at once.
const PAGE: u16 = 1000;
/// A page shorter than this is the last one, whatever limit a server may have of its own.
const FULL: usize = 100;
/// Most pages of the feed of a whole server.
const MAX_PAGES: usize = 50_000;
/// Most repositories that a feed may name.
const MAX_NAMES: usize = 1_000_000;
/// Most changes of one repository.
const MAX_CHANGES: usize = 20_000;
/// Longest ID of a change.
const MAX_ID_BYTES: usize = 128;

/// What a server's changefeed names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names {
    /// The repositories, and whether the last change of each is its deletion.
    pub repositories: BTreeMap<Gun, bool>,
    /// Names that no repository can have, each once; at most a few.
    pub invalid: Vec<String>,
    /// How many changes were read.
    pub changes: u64,
}

/// Most invalid names that are kept to be shown.
const MAX_INVALID: usize = 20;

/// Reads the changefeed of a whole server from its beginning. `progress` is told how many changes were read and how many repositories they name.
///
/// # Errors
/// [`CrawlError`] when the server refuses, does not answer, or does not come to an end.
pub async fn names(
    line: &Line,
    progress: &mut (dyn FnMut(u64, usize) + Send),
) -> Result<Names, CrawlError> {
    let mut names = Names::default();
    let mut after = "0".to_owned();
    for _ in 0..MAX_PAGES {
        let page = Page {
            gun: None,
            after: &after,
        };
        let page = line
            .ask(page)
            .await?
            .map_err(|nothing| refused(line, nothing))?;
        let is_last = page.len() < FULL;
        let Some(next) = page.last().map(|entry| entry.id.clone()) else {
            return Ok(names);
        };
        for entry in page {
            names.changes += 1;
            match entry.gun.parse::<Gun>() {
                Ok(gun) => {
                    names.repositories.insert(gun, entry.category == "deletion");
                }
                Err(_) if names.invalid.len() < MAX_INVALID => {
                    let name: String = entry.gun.chars().take(300).collect();
                    if !names.invalid.contains(&name) {
                        names.invalid.push(name);
                    }
                }
                Err(_) => {}
            }
        }
        if names.repositories.len() > MAX_NAMES {
            return Err(CrawlError::Feed(format!(
                "the changefeed of {} names more than {MAX_NAMES} repositories",
                line.remote().host()
            )));
        }
        progress(names.changes, names.repositories.len());
        if is_last {
            return Ok(names);
        }
        if !goes_forward(&after, &next) {
            return Err(CrawlError::Feed(format!(
                "the changefeed of {} repeats itself",
                line.remote().host()
            )));
        }
        after = next;
    }
    Err(CrawlError::Feed(format!(
        "the changefeed of {} has no end within {MAX_PAGES} pages",
        line.remote().host()
    )))
}

/// The changes of one repository; a server that has no changefeed, or shows it to nobody, has none.
pub(super) async fn changes(
    line: &Line,
    gun: &Gun,
) -> Result<Result<Vec<Change>, Nothing>, CrawlError> {
    let mut changes: Vec<Change> = Vec::new();
    let mut after = "0".to_owned();
    while changes.len() < MAX_CHANGES {
        let page = Page {
            gun: Some(gun),
            after: &after,
        };
        let page = match line.ask(page).await? {
            Ok(page) => page,
            Err(nothing) if nothing.may_pass() => return Ok(Err(nothing)),
            Err(_) => break,
        };
        let is_last = page.len() < FULL;
        let Some(next) = page.last().map(|entry| entry.id.clone()) else {
            break;
        };
        let room = MAX_CHANGES - changes.len();
        for entry in page.into_iter().take(room) {
            let before = changes.last().map_or(0, |change| change.id);
            // What does not concern the repository, or goes back, is no change of it.
            let change = change(entry, gun).filter(|change| change.id > before);
            changes.extend(change);
        }
        if is_last || !goes_forward(&after, &next) {
            break;
        }
        after = next;
    }
    Ok(Ok(changes))
}

/// The changes after one.
struct Page<'a> {
    gun: Option<&'a Gun>,
    after: &'a str,
}

impl Question for Page<'_> {
    type Answer = Vec<FeedEntry>;

    async fn put(&self, remote: &Remote) -> Result<Vec<FeedEntry>, RemoteError> {
        remote.changes(self.gun, self.after, PAGE).await
    }
}

fn change(entry: FeedEntry, gun: &Gun) -> Option<Change> {
    let is_known = matches!(entry.category.as_str(), "update" | "deletion");
    if entry.gun != gun.as_str() || !is_known || entry.version < 0 {
        return None;
    }
    Some(Change {
        id: entry.id.parse().ok()?,
        at: Moment::of(entry.at),
        category: entry.category,
        version: entry.version,
        sha256: entry.sha256.parse::<Sha256>().ok(),
    })
}

/// Whether a page that ends with the ID `next` leads on from `after`. IDs that are no numbers can only be told from one another.
fn goes_forward(after: &str, next: &str) -> bool {
    match (after.parse::<i64>(), next.parse::<i64>()) {
        (Ok(after), Ok(next)) => next > after,
        _ => next != after && next.len() <= MAX_ID_BYTES,
    }
}

fn refused(line: &Line, nothing: Nothing) -> CrawlError {
    let what = "its changefeed";
    let server = line.remote().host().to_owned();
    match nothing {
        Nothing::Absent => CrawlError::Feed(format!("{server} has no changefeed")),
        Nothing::TooLarge => {
            CrawlError::Feed(format!("the answer of {server} is no page of a changefeed"))
        }
        Nothing::Refused { status, .. } => CrawlError::Refused {
            server,
            what,
            status,
        },
        Nothing::Unreachable(reason) => line.silent(reason),
    }
}

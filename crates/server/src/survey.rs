//! Looking through all repositories in the background: what the server signs is renewed in time also where nobody reads it, and what
//! has expired or soon will is known before somebody asks.

use std::sync::Arc;
use std::time::Duration as Pause;

use signet_tuf::Gun;
use time::{Duration, OffsetDateTime};

use crate::app::App;
use crate::current::View;
use crate::store::StoreError;
use crate::upload::verify_stored_root;

/// How many names are asked for at a time.
const PAGE: u32 = 200;
/// How long before its end a root counts as ending soon.
const SOON: Duration = Duration::days(30);

/// What was found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Survey {
    /// Repositories.
    pub repositories: u64,
    /// Those whose root, snapshot or timestamp has expired: clients refuse them.
    pub expired: u64,
    /// Those whose snapshot or timestamp should have been renewed by now, and could not be.
    pub overdue: u64,
    /// Those whose root ends within 30 days and has not: their owners must sign it again.
    pub roots_ending: u64,
    /// Those that could not be looked at.
    pub unreadable: u64,
}

impl App {
    /// Looks at every repository, with a pause after each, and renews what is due. Servers on one database may do so at once: who comes
    /// second finds the work done.
    ///
    /// # Errors
    /// [`StoreError`] when the names cannot be read.
    pub async fn survey(self: &Arc<Self>, pause: Pause) -> Result<Survey, StoreError> {
        let mut survey = Survey::default();
        let mut after: Option<String> = None;
        loop {
            let store = self.library().store();
            let names = store.guns(after.as_deref(), PAGE).await?;
            for name in &names {
                // A name that is none cannot be asked for either.
                if let Ok(gun) = name.parse::<Gun>() {
                    self.look_at(&gun, &mut survey).await;
                }
                tokio::time::sleep(pause).await;
            }
            match names.into_iter().last() {
                Some(last) => after = Some(last),
                None => return Ok(survey),
            }
        }
    }

    async fn look_at(self: &Arc<Self>, gun: &Gun, survey: &mut Survey) {
        survey.repositories += 1;
        let Ok(view) = self.fresh_view(gun).await else {
            survey.unreadable += 1;
            return;
        };
        let now = self.now();
        // A root that cannot be verified renews nothing, so its repository is overdue sooner or later.
        let root = self.root_end(gun, &view).await;
        let is_over = |end: OffsetDateTime| end < now;
        if view.expires().is_none_or(is_over) || root.is_some_and(is_over) {
            survey.expired += 1;
        } else if root.is_some_and(|end| end < now + SOON) {
            survey.roots_ending += 1;
        }
        // What only just became due will be renewed by whoever reads it next.
        let margin = self.renewal_margin(gun) / 2;
        if view.expires().is_none_or(|end| end < now + margin) {
            survey.overdue += 1;
        }
    }

    async fn root_end(&self, gun: &Gun, view: &View) -> Option<OffsetDateTime> {
        let stored = self.stored_root(gun, view).await.ok()??;
        let sha256 = stored.document.sha256;
        let root = self
            .verified()
            .root(view.epoch(), sha256, || verify_stored_root(gun, &stored));
        Some(root.ok()?.expires().moment())
    }
}

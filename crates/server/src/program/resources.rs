//! The series at `/metrics` on what requests share: memory for what is read, and connections to the database.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use signet_server::App;
use signet_service::metrics::label;
use signet_sql::Database;

use super::figures::{counted, gauges};

/// What is shown.
pub(super) struct Resources {
    app: Arc<App>,
    database: Option<Database>,
    described: Desc,
}

impl Resources {
    /// The series of a service, whose metadata is in this database if in any.
    ///
    /// # Errors
    /// [`prometheus::Error`] when the name of a series is none, which a test excludes.
    pub(super) fn new(app: &Arc<App>, database: Option<Database>) -> prometheus::Result<Self> {
        let (name, nothing) = (REQUESTS.to_owned(), HashMap::new());
        Ok(Self {
            app: Arc::clone(app),
            database,
            described: Desc::new(name.clone(), name, Vec::new(), nothing)?,
        })
    }
}

const REQUESTS: &str = "notary_server_cache_requests_total";

impl Collector for Resources {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.described]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let parts = self.app.read_cache();
        let requests = parts.iter().flat_map(|part| {
            [("hit", part.hits), ("miss", part.misses)].map(|(result, number)| {
                let labels = vec![label("part", part.name), label("result", result)];
                (labels, number)
            })
        });
        let bytes = parts
            .iter()
            .map(|part| (vec![label("part", part.name)], part.bytes));
        let mut families = vec![
            counted(
                REQUESTS,
                "What was looked for in memory, and whether it was there.",
                requests,
            ),
            gauges(
                "notary_server_cache_bytes",
                "What is kept in memory, about.",
                bytes,
            ),
        ];
        if let Some(database) = &self.database {
            let pool = database.connections();
            let states = [("in_use", pool.in_use), ("idle", pool.idle)];
            families.push(gauges(
                "notary_server_database_connections",
                "Connections to the database, by state.",
                states.map(|(state, number)| (vec![label("state", state)], number.into())),
            ));
            families.push(gauges(
                "notary_server_database_connections_max",
                "Most connections to the database; who finds them all in use waits.",
                [(Vec::new(), pool.most.into())],
            ));
        }
        families
    }
}

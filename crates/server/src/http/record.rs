//! Requests whose outcome goes into the audit log.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};

use super::caller::Caller;
use super::error::{ApiError, ErrorCode};
use super::path::Route;
use super::router::Response;
use crate::app::App;
use crate::audit::{self, Audit, Entry, Outcome};

impl App {
    /// Answers a request, and records it if it would change something or its login was refused.
    pub(super) async fn answer_recorded<B>(
        self: &Arc<Self>,
        audit: &Arc<Audit>,
        route: Route,
        mut request: Request<B>,
    ) -> Result<Response, ApiError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.unwrap_or_default();
        request.extensions_mut().insert(caller.clone());
        let dry = request.uri().query() == Some("dry-run=1");
        let Some(entry) = Entry::of(audit, &route, &caller, dry) else {
            let answer = self.answer(route.clone(), request).await;
            // Who is asked to come back later has been recorded with what led to it.
            if let Err(error) = &answer
                && error.code() == ErrorCode::Unauthorized
                && caller.refusal().is_some()
            {
                let entry = Entry::of_login(audit, &route, &caller);
                self.end(&entry, error.outcome()).await;
            }
            return answer;
        };
        let (app, entry) = (Arc::clone(self), Arc::new(entry));
        // What is done is recorded, whether or not the client waits for it.
        let recorded = self.run(async move {
            let task = Arc::clone(&app);
            let work = async move { task.answer(route, request).await };
            let answer = app.run(entry.follow(work)).await;
            let answer = answer.unwrap_or_else(|| Err(ApiError::internal()));
            let outcome = match &answer {
                Ok(response) => Outcome {
                    status: response.status().as_u16(),
                    code: None,
                    reason: None,
                },
                Err(error) => error.outcome(),
            };
            app.end(&entry, outcome).await;
            answer
        });
        recorded.await.unwrap_or_else(|| Err(ApiError::internal()))
    }

    /// Records that what was asked for begins, or refuses to do it. To be called when the request may do it and has stood the checks that
    /// cost little, before anything is changed.
    pub(super) async fn begin(&self) -> Result<(), ApiError> {
        audit::begin().await.map_err(|_| {
            self.settings().counters.audit_failures.count();
            tracing::error!("503 nothing is changed that cannot be recorded");
            ApiError::with_empty_detail(ErrorCode::Unavailable)
        })
    }

    async fn end(&self, entry: &Entry, outcome: Outcome) {
        if entry.end(outcome).await.is_err() {
            self.settings().counters.audit_failures.count();
        }
    }
}

impl ApiError {
    /// What the audit log says of it.
    fn outcome(&self) -> Outcome {
        let (status, code, message): (StatusCode, _, _) = self.parts();
        let detail = self.detail_text().filter(|detail| *detail != "{}");
        Outcome {
            status: status.as_u16(),
            code: Some(code),
            reason: Some(detail.unwrap_or(message).to_owned()),
        }
    }
}

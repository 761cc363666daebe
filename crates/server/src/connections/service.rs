//! Marks a connection while one of its requests is under way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::Service;

use super::table::{Activity, Phase};

/// A service that tells what its connection is doing.
#[derive(Debug, Clone)]
pub struct Marked<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Marked<S> {
    pub(super) const fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<S, R> Service<R> for Marked<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let activity = Arc::clone(&self.activity);
        activity.set(Phase::Request);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            activity.set(Phase::Answer);
            answer
        })
    }
}

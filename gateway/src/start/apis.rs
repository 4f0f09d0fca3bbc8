//! The APIs that new connections find. A reload replaces them; a connection keeps the one that it began with.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::{function::invoke::Functions, observe::metrics::ApiMetrics, start::api::ApiSettings};

/// A WebSocket API with its functions.
pub(crate) struct RunningApi {
    /// Requests for this path, and for paths below it, are this API's.
    pub(crate) path: Arc<str>,
    pub(crate) functions: Functions,
    pub(crate) metrics: Arc<ApiMetrics>,
    pub(crate) settings: ApiSettings,
}

/// The running APIs.
pub(crate) struct Apis {
    current: ArcSwap<Vec<Arc<RunningApi>>>,
    /// Those that were replaced. One ends, its processes included, with the last connection that began with it.
    replaced: Mutex<Vec<Weak<RunningApi>>>,
}

impl Apis {
    pub(crate) fn new(apis: Vec<Arc<RunningApi>>) -> Self {
        Self { current: ArcSwap::from_pointee(apis), replaced: Mutex::default() }
    }

    /// The API whose path is the longest beginning of the request's, by whole segments.
    pub(crate) fn find(&self, path: &str) -> Option<Arc<RunningApi>> {
        let current = self.current.load();
        let matching = current.iter().filter(|api| contains(&api.path, path));
        matching.max_by_key(|api| api.path.len()).cloned()
    }

    /// The API that is configured with this very path.
    pub(crate) fn at(&self, path: &str) -> Option<Arc<RunningApi>> {
        self.current.load().iter().find(|api| *api.path == *path).cloned()
    }

    pub(crate) fn current(&self) -> Vec<Arc<RunningApi>> {
        self.current.load().to_vec()
    }

    pub(crate) fn first(&self) -> Option<Arc<RunningApi>> {
        self.current.load().first().cloned()
    }

    /// From now on new connections find these.
    pub(crate) fn replace(&self, apis: Vec<Arc<RunningApi>>) {
        let old = self.current.swap(Arc::new(apis));
        let new = self.current.load();
        let gone = old.iter().filter(|api| !new.iter().any(|kept| Arc::ptr_eq(kept, api)));
        let mut replaced = self.replaced.lock();
        replaced.retain(|api| api.strong_count() > 0);
        replaced.extend(gone.map(Arc::downgrade));
    }

    /// Every API that a connection may have, the replaced ones included.
    pub(crate) fn all(&self) -> Vec<Arc<RunningApi>> {
        let mut all = self.current();
        all.extend(self.replaced.lock().iter().filter_map(Weak::upgrade));
        all
    }
}

/// Whether a request's path is this one or below it.
pub(crate) fn contains(api: &str, path: &str) -> bool {
    let rest = path.strip_prefix(api.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_answers_its_path_and_those_below_it() {
        for (api, path) in
            [("/", "/"), ("/", "/chat"), ("/chat", "/chat"), ("/chat", "/chat/room"), ("/chat/", "/chat")]
        {
            assert!(contains(api, path), "{api} {path}");
        }
        for (api, path) in [("/chat", "/"), ("/chat", "/chatter"), ("/chat/room", "/chat")] {
            assert!(!contains(api, path), "{api} {path}");
        }
    }
}

//! The timeline as Server-Sent Events: first the number of `rows` that are kept, the living `instances` and every record,
//! then each record again when it changes. Between them, at most five times a second and only when they have changed,
//! `figures` and `connections`.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep_until},
};

use super::recorder::Timeline;

const SUMMARY_INTERVAL: Duration = Duration::from_millis(200);

struct Reader {
    timeline: Arc<Timeline>,
    changes: Receiver<u64>,
    /// Ids to be sent before the next change is waited for.
    backlog: VecDeque<u64>,
    /// What is sent first. The instances are: from then on the records tell of them.
    first: VecDeque<Event>,
    /// The versions that were sent last.
    figures: Option<u64>,
    connections: Option<u64>,
    /// Not before then are figures or connections sent again.
    summary_due: Instant,
}

impl Timeline {
    /// What `GET /timeline` answers.
    pub(crate) fn stream(self: &Arc<Self>) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        // Subscribed before the ids are read, so that no change falls in between; one sent twice does no harm.
        let changes = self.changes.subscribe();
        let ring = self.ring.lock();
        let first = [named("rows", &ring.rows), named("instances", &ring.living())];
        let reader = Reader {
            timeline: Arc::clone(self),
            changes,
            backlog: ring.ids(),
            first: first.into_iter().flatten().collect(),
            figures: None,
            connections: None,
            summary_due: Instant::now(),
        };
        drop(ring);
        let events = stream::unfold(reader, |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        });
        Sse::new(events).keep_alive(KeepAlive::default())
    }

    /// The record's present state; `None` if it is no longer kept.
    fn record(&self, id: u64) -> Option<Event> {
        let ring = self.ring.lock();
        Some(Event::default().data(json(ring.get(id)?)?))
    }
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        loop {
            if let Some(event) = self.summary() {
                return Some(event);
            }
            if let Some(id) = self.backlog.pop_front() {
                if let Some(event) = self.timeline.record(id) {
                    return Some(event);
                }
                continue;
            }
            let due = self.is_outdated();
            self.backlog = tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(id) => VecDeque::from([id]),
                    Err(RecvError::Lagged(_)) => self.timeline.ring.lock().ids(),
                    Err(RecvError::Closed) => return None,
                },
                () = sleep_until(self.summary_due), if due => VecDeque::new(),
            };
        }
    }

    fn is_outdated(&self) -> bool {
        let ring = self.timeline.ring.lock();
        self.figures != Some(ring.figures.version()) || self.connections != Some(ring.open.version())
    }

    /// What has changed and is due: figures first, then connections.
    fn summary(&mut self) -> Option<Event> {
        let now = Instant::now();
        if now < self.summary_due {
            return None;
        }
        let ring = self.timeline.ring.lock();
        if self.figures != Some(ring.figures.version()) {
            self.figures = Some(ring.figures.version());
            return named("figures", &ring.figures.get().summary());
        }
        if self.connections != Some(ring.open.version()) {
            self.connections = Some(ring.open.version());
            self.summary_due = now + SUMMARY_INTERVAL;
            return named("connections", &ring.open.get().listed());
        }
        self.summary_due = now + SUMMARY_INTERVAL;
        None
    }
}

fn named(name: &str, state: &impl Serialize) -> Option<Event> {
    Some(Event::default().event(name).data(json(state)?))
}

fn json(state: &impl Serialize) -> Option<String> {
    serde_json::to_string(state).ok()
}

//! The time line as Server-Sent Events: first every record that is kept, then each one again when it changes.

use std::{collections::VecDeque, convert::Infallible};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::Timeline;
use crate::locked;

struct Reader {
    timeline: Timeline,
    changes: Receiver<u64>,
    /// Ids to be sent before the next change is waited for.
    backlog: VecDeque<u64>,
}

impl Timeline {
    /// What `GET /timeline` answers.
    pub(crate) fn stream(&self) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        // Subscribed before the ids are read, so that no change falls in between; one sent twice does no harm.
        let changes = self.shared.changes.subscribe();
        let reader = Reader { timeline: self.clone(), changes, backlog: self.ids() };
        let events = stream::unfold(reader, |mut reader| async move {
            let json = reader.next().await?;
            Some((Ok(Event::default().data(json)), reader))
        });
        Sse::new(events).keep_alive(KeepAlive::default())
    }

    fn ids(&self) -> VecDeque<u64> {
        locked(&self.shared.ring).records.iter().map(|record| record.id).collect()
    }

    /// The record's present state; `None` if it is no longer kept.
    fn json(&self, id: u64) -> Option<String> {
        serde_json::to_string(locked(&self.shared.ring).get(id)?).ok()
    }
}

impl Reader {
    async fn next(&mut self) -> Option<String> {
        loop {
            while let Some(id) = self.backlog.pop_front() {
                if let Some(json) = self.timeline.json(id) {
                    return Some(json);
                }
            }
            self.backlog = match self.changes.recv().await {
                Ok(id) => VecDeque::from([id]),
                Err(RecvError::Lagged(_)) => self.timeline.ids(),
                Err(RecvError::Closed) => return None,
            };
        }
    }
}

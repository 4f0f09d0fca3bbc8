//! What an answer of the push address means, for the one connection or for each of the batch that the push named.
//!
//! Status 200 with `errNo` 0 means delivered; a batch's answer lists in `failed` those that it did not reach. Only `errNo`
//! 404, there or with status 200, means that a connection is gone. Everything else is a failure and says nothing about the
//! connection: the gateway refuses the push, or another server answers in its place, such as a proxy with its own 404 page.

use std::borrow::Cow;
use std::io;

use log::warn;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::outcome::PushOutcome;
use super::report::PushReport;
use crate::event::ConnectionId;
use crate::log_text::excerpt;

/// The address does not take batches, at least not of this size: none of the connections has been pushed to.
pub(super) struct NotTaken;

/// An answer other than 429.
pub(super) struct PushAnswer<'b> {
    status: u16,
    body: &'b [u8],
    /// Or why the body is no answer.
    fields: Result<AnswerBody<'b>, String>,
    /// Whether the body was not read to its end.
    is_cut: bool,
}

/// The part of a body that matters.
#[derive(Deserialize)]
struct AnswerBody<'b> {
    #[serde(rename = "errNo", default)]
    err_no: i64,
    #[serde(rename = "errMsg", default)]
    err_msg: String,
    #[serde(borrow, default)]
    batch: Option<&'b RawValue>,
    #[serde(borrow, default)]
    failed: Option<&'b RawValue>,
}

/// A connection of a batch that was not reached.
#[derive(Deserialize)]
struct Failed<'b> {
    #[serde(rename = "secConnectionID", borrow)]
    connection: Cow<'b, str>,
    #[serde(rename = "errNo", default)]
    err_no: i64,
    #[serde(rename = "errMsg", borrow, default)]
    err_msg: Cow<'b, str>,
}

impl<'b> PushAnswer<'b> {
    /// `cut` is why the body was not read to its end.
    pub(super) fn new(status: u16, body: &'b [u8], cut: Option<io::Error>) -> Self {
        let is_cut = cut.is_some();
        let fields = serde_json::from_slice(body)
            .map_err(|e| cut.map_or_else(|| e.to_string(), |cut| cut.to_string()));
        Self { status, body, fields, is_cut }
    }

    /// The largest batch that the address takes, if it says so.
    pub(super) fn offered(&self) -> Option<usize> {
        self.fields.as_ref().ok()?.batch?.get().parse().ok()
    }

    /// A server in front of the gateway takes no requests now.
    pub(super) fn is_not_taken(&self) -> bool {
        self.status == 503 && !self.is_of_push_address()
    }

    /// Whether a failure is told by the push address, which names an `errNo`. 403, and 404 of older gateways, says that the
    /// address is another.
    fn is_of_push_address(&self) -> bool {
        !matches!(self.status, 403 | 404 | 410) && self.fields.as_ref().is_ok_and(|fields| fields.err_no != 0)
    }

    /// The result of a push to one connection.
    pub(super) fn outcome(&self) -> PushOutcome {
        match (self.status, &self.fields) {
            (200, Ok(AnswerBody { err_no: 0, .. })) => PushOutcome::Delivered,
            (200, Ok(fields)) => not_reached(fields.err_no, &fields.err_msg),
            (200, Err(why)) => {
                self.warn_of_unparseable(why);
                PushOutcome::Delivered
            }
            _ => self.failure(),
        }
    }

    /// The result where the answer is about all that the push names.
    fn failure(&self) -> PushOutcome {
        let said = self.said();
        if self.is_of_push_address() {
            PushOutcome::Refused(said)
        } else if self.status >= 500 {
            PushOutcome::Unreached(format!("the gateway, or a server in front of it, has failed: {said}"))
        } else {
            PushOutcome::Unreached(format!(
                "this is no push address: {said}; check WS_PUSH_URL and push_token"
            ))
        }
    }

    /// Counts the results of a batch.
    pub(super) fn count(&self, batch: &[ConnectionId<'_>], report: &mut PushReport) -> Result<(), NotTaken> {
        match (self.status, &self.fields) {
            (200, Ok(fields)) if fields.err_no == 0 => self.count_failed(fields, batch, report),
            (200, Err(why)) => {
                self.warn_of_unparseable(why);
                if self.is_cut {
                    // It may have listed any of them as not reached.
                    report.count_all(
                        batch,
                        PushOutcome::Refused(format!("the answer was cut: {}", excerpt(why))),
                    );
                } else {
                    report.count_delivered(batch.len());
                }
            }
            // An address that still offers as much refuses the content, as it would for each connection alone.
            (200 | 400..500, _) if self.offered().is_none_or(|offered| offered < batch.len()) => {
                return Err(NotTaken);
            }
            _ => report.count_all(batch, self.failure()),
        }
        Ok(())
    }

    fn count_failed(&self, fields: &AnswerBody<'_>, batch: &[ConnectionId<'_>], report: &mut PushReport) {
        let failed: Vec<Failed<'_>> =
            match fields.failed.map_or(Ok(Vec::new()), |list| serde_json::from_str(list.get())) {
                Ok(failed) => failed,
                Err(e) => {
                    self.warn_of_unparseable(&e.to_string());
                    Vec::new()
                }
            };
        let mut found = Search { batch, counted: vec![false; batch.len()], next: 0 };
        let mut reached = batch.len();
        for Failed { connection, err_no, err_msg } in failed.iter().take(batch.len()) {
            if !found.take(connection) {
                continue;
            }
            reached -= 1;
            report.count(connection, not_reached(*err_no, err_msg));
        }
        report.count_delivered(reached);
    }

    fn said(&self) -> String {
        said(self.status, self.body)
    }

    fn warn_of_unparseable(&self, why: &str) {
        warn!("unparseable push response ({}): {}", excerpt(why), self.said());
    }
}

/// An answer for a log line.
pub(super) fn said(status: u16, body: &[u8]) -> String {
    format!("status {status}, {:?}", excerpt(&String::from_utf8_lossy(body)))
}

/// The result for one connection that was not reached.
fn not_reached(err_no: i64, err_msg: &str) -> PushOutcome {
    let why = format!("errNo {err_no}, {:?}", excerpt(err_msg));
    if err_no == 404 { PushOutcome::Gone(why) } else { PushOutcome::Refused(why) }
}

/// Finds the failed connections among those of the batch, each mention once.
struct Search<'b> {
    batch: &'b [ConnectionId<'b>],
    counted: Vec<bool>,
    /// Where the search continues: a gateway that lists them in the batch's order costs one pass.
    next: usize,
}

impl Search<'_> {
    /// Whether the batch names the connection once more than has been taken so far.
    fn take(&mut self, connection: &str) -> bool {
        let is_it = |at: &usize| !self.counted[*at] && self.batch[*at].as_str() == connection;
        let Some(at) = (self.next..self.batch.len()).chain(0..self.next).find(is_it) else { return false };
        self.counted[at] = true;
        self.next = at + 1;
        true
    }
}

/// An answer with each status, to one connection and to batches.
#[cfg(fuzzing)]
pub(crate) fn interpret_any(body: &[u8]) {
    let batch = ["a", "b", "a", "xawexasdfewezdfsdfeasdfffa=="].map(ConnectionId::from);
    for status in [200, 302, 400, 404, 410, 500] {
        let answer = PushAnswer::new(status, body, None);
        super::offer::Offer::default().note(status, answer.offered());
        answer.outcome();
        let mut report = PushReport::of(batch.len());
        let counted = if answer.count(&batch, &mut report).is_ok() { batch.len() } else { 0 };
        assert_eq!(report.untried(), batch.len() - counted, "each connection of a batch is counted once");
    }
}

#[cfg(test)]
mod tests {
    use super::{NotTaken, PushAnswer};
    use crate::event::ConnectionId;
    use crate::push::PushReport;

    fn count(status: u16, body: &str, ids: &[&str]) -> Result<String, ()> {
        let batch: Vec<_> = ids.iter().map(|id| ConnectionId::from(*id)).collect();
        let mut report = PushReport::of(batch.len());
        let answer = PushAnswer::new(status, body.as_bytes(), None);
        answer.count(&batch, &mut report).map_err(|NotTaken| ())?;
        assert_eq!(report.untried(), 0);
        Ok(format!("{} gone={} failed={}", report.delivered(), report.gone().join(","), report.failed()))
    }

    fn failed(entries: &[(&str, u32)]) -> String {
        let entries: Vec<_> = entries
            .iter()
            .map(|(id, err_no)| format!(r#"{{"secConnectionID":"{id}","errNo":{err_no},"errMsg":"x"}}"#))
            .collect();
        format!(r#"{{"errNo":0,"errMsg":"ok","batch":1000,"failed":[{}]}}"#, entries.join(","))
    }

    #[test]
    fn those_that_failed_are_counted_by_their_number_in_any_order() {
        let ids = ["a", "b", "c", "a"];
        for (entries, counted) in [
            (&[][..], "4 gone= failed=0"),
            (&[("b", 404)], "3 gone=b failed=0"),
            (&[("a", 404), ("c", 503)], "2 gone=a failed=1"),
            (&[("c", 503), ("a", 404), ("b", 410)], "1 gone=a failed=2"),
            (&[("a", 404), ("a", 404), ("a", 404)], "2 gone=a,a failed=0"),
            (&[("stranger", 404), ("b", 0)], "3 gone= failed=1"),
        ] {
            assert_eq!(count(200, &failed(entries), &ids).as_deref(), Ok(counted), "{entries:?}");
        }
    }

    #[test]
    fn an_odd_answer_with_status_200_counts_as_delivered() {
        for body in ["<html>", r#"{"errNo":0}"#, r#"{"errNo":0,"failed":3}"#, r#"{"failed":null}"#] {
            assert_eq!(count(200, body, &["a", "b"]).as_deref(), Ok("2 gone= failed=0"), "{body}");
        }
    }

    #[test]
    fn a_batch_is_not_taken_where_none_is_offered() {
        for status in [200, 400, 404, 405, 410, 413] {
            for (offer, taken) in
                [("", false), (r#","batch":1"#, false), (r#","batch":"2""#, false), (r#","batch":2"#, true)]
            {
                let body = format!(r#"{{"errNo":400,"errMsg":"no"{offer}}}"#);
                let expected = if taken { Ok("0 gone= failed=2".to_owned()) } else { Err(()) };
                assert_eq!(count(status, &body, &["a", "b"]), expected, "{status} {body}");
            }
        }
        for status in [201, 302, 500, 503] {
            assert_eq!(count(status, "", &["a", "b"]).as_deref(), Ok("0 gone= failed=2"), "{status}");
        }
    }
}

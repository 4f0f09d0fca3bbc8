//! The bootstrap's two HTTP/1.1 clients, and why there are two.
//!
//! | | [`lean`] | [`push_client`] |
//! | --- | --- | --- |
//! | speaks to | SCF's runtime API, on the same machine | the gateway's push address, over a network |
//! | built on | `httparse` for heads, chunk sizes and trailers; the rest is here | `ureq`, over a transport of our own |
//! | why | A function that does little spends most of an invocation on these calls. With `ureq` a cycle takes 1.7 times as long (`make bench`). | The network takes the time, so a complete, widely used client is the better choice. |
//! | `https` | never | with the cargo feature `tls` |
//!
//! Both keep one connection to one server, reuse it for the next call, bound every call by a deadline (only the long
//! poll `next` has none), and limit how much of an answer they read. Both write through [`crate::net`].
//!
//! # What `lean` supports
//!
//! The section numbers are those of RFC 9112, which the unit tests of `lean` are named by.
//!
//! - Requests: `GET` without a body and `POST` with `Content-Length`; `Host` is always sent (3.2).
//! - Interim answers (1xx) are skipped. Header names match in any letter case (5).
//! - Bodies: `Transfer-Encoding: chunked` with extensions and trailers (7.1), `Content-Length` (6.2), and a body that
//!   ends with the connection (6.3, rule 8). Statuses 204 and 304 have no body (6.3, rule 1).
//! - Persistence (9.3): HTTP/1.1 without `Connection: close` keeps the connection; HTTP/1.0 never does.
//!
//! # What `lean` refuses
//!
//! Each of these is an error of kind `InvalidData`, after which the connection is closed and the call may be retried:
//!
//! - a transfer coding other than `chunked` (6.1);
//! - a `Content-Length` that is not a number, and two that differ (6.3, rule 5);
//! - a chunk without a size, and data after a chunk where its line end belongs (7.1);
//! - a head or a line of a chunked body longer than 16 kB, more than 128 headers, more than 16 trailers.
//!
//! An answer with both `Transfer-Encoding` and `Content-Length` is read as chunked, and its connection is not reused
//! (6.3, rule 3). Redirects are never followed, no proxy is used, no content coding is accepted and no cookie is kept;
//! the same holds for `push_client`.

pub(crate) mod lean;
pub(crate) mod push_client;

//! What the client sends and how it reads answers, by section of RFC 9112.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use super::body::Body;
use super::head::Head;
use super::input::Input;
use super::{BodyError, GetRequest, Header, LeanClient, PostRequest};

const MAX_BYTES: usize = 100;

/// An answer as the client reads it.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: String,
    keeps_connection: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    TooLong,
    Incomplete(ErrorKind),
}

/// Delivers the bytes one at a time, as a slow peer does.
struct ByteByByte<'b>(&'b [u8]);

impl Read for ByteByByte<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let bytes = into.len().min(1);
        self.0.read(&mut into[..bytes])
    }
}

fn read_from(mut peer: impl Read) -> Result<Answer, Refusal> {
    let (mut input, mut body) = (Input::new(), Vec::new());
    let head = Head::read(&mut peer, &mut input).map_err(|e| Refusal::Incomplete(e.kind()))?;
    input.take(head.bytes);
    let mut reader = Body { from: &mut peer, input: &mut input, buffer: &mut body, max_bytes: MAX_BYTES };
    reader.read(head.framing()).map_err(|e| match e {
        BodyError::TooLong => Refusal::TooLong,
        BodyError::Incomplete(e) => Refusal::Incomplete(e.kind()),
    })?;
    let body = String::from_utf8(body).expect("a text");
    Ok(Answer { status: head.status, body, keeps_connection: head.keeps_connection() })
}

/// Reads the answer, which must not depend on how it is split into packets.
fn read(answer: &str) -> Result<Answer, Refusal> {
    let whole = read_from(answer.as_bytes());
    assert_eq!(read_from(ByteByByte(answer.as_bytes())), whole, "{answer:?}");
    whole
}

fn accepted(answer: &str, body: &str, keeps_connection: bool) {
    let expected = Answer { status: 200, body: body.into(), keeps_connection };
    assert_eq!(read(answer), Ok(expected), "{answer:?}");
}

fn refused(answer: &str) {
    assert_eq!(read(answer), Err(Refusal::Incomplete(ErrorKind::InvalidData)), "{answer:?}");
}

fn cut(answer: &str) {
    assert_eq!(read(answer), Err(Refusal::Incomplete(ErrorKind::UnexpectedEof)), "{answer:?}");
}

/// A client, and what a peer with this answer receives from it.
fn exchange(call: impl FnOnce(&mut LeanClient, u16) + Send + 'static, answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let calling = thread::spawn(move || call(&mut LeanClient::new("127.0.0.1", port, None), port));
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut request = vec![0; 1024];
    let bytes = stream.read(&mut request).expect("a request");
    stream.write_all(answer.as_bytes()).expect("the answer is sent");
    calling.join().expect("the call returns");
    String::from_utf8_lossy(&request[..bytes]).replace(&port.to_string(), "PORT")
}

#[test]
fn section_3_2_a_request_names_its_host_and_its_length() {
    let request = exchange(
        |client, port| {
            let request = GetRequest::new("127.0.0.1", port, "/next");
            let reply = client.get(&request).expect("an answer");
            assert_eq!(reply.header(Header::RequestId), Some("r1"));
        },
        "HTTP/1.1 200 OK\r\nREQUEST_ID: r1\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!(request, "GET /next HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\n\r\n");
    let request = exchange(
        |client, port| {
            let deadline = Instant::now() + Duration::from_secs(20);
            let request = PostRequest::new("127.0.0.1", port, "/ready", "text/plain");
            assert_eq!(client.post(&request, b" ", deadline).expect("an answer").status(), 204);
        },
        "HTTP/1.1 204 No Content\r\n\r\n",
    );
    assert_eq!(
        request,
        "POST /ready HTTP/1.1\r\nhost: 127.0.0.1:PORT\r\ncontent-type: text/plain\r\ncontent-length: 1\r\n\r\n "
    );
}

#[test]
fn section_4_an_interim_answer_is_skipped_and_a_status_line_is_required() {
    accepted("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "a", true);
    refused("hello\r\n\r\n");
    cut("HTTP/1.1 200");
    cut("HTTP/1.1 100 Continue\r\n\r\n");
}

#[test]
fn section_5_header_names_match_in_any_case_and_heads_are_limited() {
    accepted("HTTP/1.1 200 OK\r\nCONTENT-length:  1 \r\n\r\na", "a", true);
    refused("HTTP/1.1 200 OK\r\nno colon\r\n\r\n");
    refused(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(129)));
    refused(&format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(17_000)));
}

#[test]
fn section_6_1_no_transfer_coding_but_chunked_is_accepted() {
    refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    accepted("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "a", true);
}

#[test]
fn section_6_2_a_length_is_read_exactly() {
    accepted("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true);
    accepted("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", "ab", true);
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"), Err(Refusal::TooLong));
}

#[test]
fn section_6_3_rule_1_some_statuses_have_no_body() {
    for status in [204, 304] {
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\n\r\n");
        let expected = Answer { status, body: String::new(), keeps_connection: true };
        assert_eq!(read(&answer), Ok(expected));
    }
}

#[test]
fn section_6_3_rule_3_chunks_override_a_length_and_the_connection_is_not_reused() {
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    accepted(answer, "a", false);
}

#[test]
fn section_6_3_rule_5_an_invalid_length_is_refused() {
    for length in ["+2", "-1", "2, 2", "0x2", "99999999999999999999"] {
        refused(&format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nab"));
    }
    refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab");
    accepted("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "a", true);
}

#[test]
fn section_6_3_rule_8_without_a_length_the_body_ends_with_the_connection() {
    accepted("HTTP/1.1 200 OK\r\n\r\nabc", "abc", false);
    assert_eq!(read(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "a".repeat(101))), Err(Refusal::TooLong));
}

#[test]
fn section_7_1_chunks_with_extensions_and_trailers_are_read() {
    let chunked = |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
    accepted(&chunked("0\r\n\r\n"), "", true);
    accepted(&chunked("1;x=y\r\na\r\n0A\r\n0123456789\r\n0\r\n\r\n"), "a0123456789", true);
    accepted(&chunked("1\r\na\r\n0\r\nx: y\r\nz: 1\r\n\r\n"), "a", true);
    for malformed in ["\r\na\r\n0\r\n\r\n", "x\r\na\r\n0\r\n\r\n", "1\r\nab\r\n0\r\n\r\n"] {
        refused(&chunked(malformed));
    }
    refused(&chunked(&format!("0\r\n{}\r\n", "x: y\r\n".repeat(17))));
    assert_eq!(read(&chunked("65\r\n")), Err(Refusal::TooLong));
    assert_eq!(read(&chunked("fffffffffffffff\r\n")), Err(Refusal::TooLong));
}

#[test]
fn section_8_an_incomplete_answer_is_an_error() {
    cut("");
    cut("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na");
    cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: y\r\n");
}

#[test]
fn section_9_3_a_connection_is_kept_unless_either_side_says_otherwise() {
    accepted("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", "a", false);
    accepted("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\na", "a", false);
    accepted("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", "a", true);
    accepted("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "a", false);
}

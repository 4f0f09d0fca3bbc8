//! A hundred thousand hostile events, derived from real ones: one outcome each, no exit, constant memory.

use crate::common::{CLOSING, CONNECTING, DATA_RECV, Function, Outcome};

const EVENTS: usize = 100_000;

/// Fragments that parsers often mishandle.
const TOKENS: &[&str] = &[
    "null",
    "{}",
    "[]",
    "[[[[[[[[",
    "\"",
    "\\",
    "\\ud800",
    "\\u0000",
    "\u{0}",
    "1e999999",
    "-0",
    "123456789012345678901234567890",
    "\"websocket\":{},",
    "\"websocket\":1,",
    "\"secConnectionID\":null,",
    "\"secConnectionID\":\"\",",
    "\"data\":{},",
    "\"action\":\"closing\",",
    "\"dataType\":\"binary\",",
    "é😀",
    "\u{feff}",
    "../../etc/passwd",
    "\r\nX: y\r\n",
];

/// A pseudo-random generator (xorshift) with a fixed seed, so that a failure can be reproduced.
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below the limit")
    }

    fn hostile_event(&mut self) -> Vec<u8> {
        let whole = [CONNECTING, DATA_RECV, CLOSING][self.below(3)];
        let mut event = whole.as_bytes().to_vec();
        for _ in 0..=self.below(2) {
            let at = self.below(event.len() + 1);
            let end = event.len().min(at + self.below(30));
            match self.below(6) {
                0 => event.truncate(at),
                1 => drop(event.drain(at..end)),
                2 => drop(event.splice(at..end, TOKENS[self.below(TOKENS.len())].bytes())),
                3 => drop(event.splice(at..at, TOKENS[self.below(TOKENS.len())].bytes())),
                4 => drop(event.splice(at..at, event[at..end].to_vec())),
                _ => event[at..end].iter_mut().for_each(|byte| *byte ^= 0x80),
            }
        }
        match self.below(2000) {
            0 => DATA_RECV.replace("xxx", &"x".repeat(1_000_000)).into_bytes(),
            1 => "[".repeat(100_000).into_bytes(),
            2 => format!("{{\"websocket\":{}", "{\"a\":".repeat(100_000)).into_bytes(),
            _ => event,
        }
    }
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches(" kB").parse().expect("kilobytes")
}

#[test]
fn a_hundred_thousand_hostile_events_have_one_outcome_each_and_constant_memory() {
    let function = Function::start(&[("WS_ROLE", "auto"), ("WS_PUSH_TO", "none"), ("RUST_LOG", "off")]);
    let (mut rng, mut responses, mut errors, mut early_kb) = (Rng(0x5eed), 0, 0, 0);
    for number in 0..EVENTS {
        match function.invoke(rng.hostile_event()) {
            Outcome::Response(body) => {
                assert!(body.starts_with(b"{") || body.starts_with(b" "), "event {number}: {body:?}");
                responses += 1;
            }
            Outcome::Error(message) => {
                assert!(!message.is_empty(), "event {number}");
                errors += 1;
            }
        }
        if number == EVENTS / 5 {
            early_kb = resident_kb(function.process.id());
        }
    }
    let late_kb = resident_kb(function.process.id());
    println!("{responses} responses, {errors} errors; resident {early_kb} kB, then {late_kb} kB");
    assert!(responses > EVENTS / 20 && errors > EVENTS / 20, "both responses and errors are frequent");
    assert!(
        late_kb < early_kb + 1024,
        "resident {early_kb} kB after a fifth of the events, {late_kb} kB after all"
    );
}

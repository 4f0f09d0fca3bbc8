//! A function panics: the invocation fails with the panic's message, and the next event is served.

use crate::common::{Function, error, frame, response};

#[test]
fn a_panic_fails_its_event_and_the_next_one_is_served() {
    let function = Function::of_example("panicking", &[]);
    for _ in 0..3 {
        let message = error(&function.invoke(frame("a", "static")));
        assert_eq!(message, "the handler panicked: a static message");
        let message = error(&function.invoke(frame("a", "formatted")));
        assert_eq!(message, "the handler panicked: a message with formatted");
        assert_eq!(response(&function.invoke(frame("a", "fine"))), frame("a", "fine"));
    }
    let output = function.process.await_output("a message with formatted");
    assert!(output.contains("ERROR panic at "), "{output}");
}

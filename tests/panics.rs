//! A handler panics: the invocation fails with the panic's message, and the next event is served.
//!
//! None of the three roles panics at any input, so the handler is one that does, under the library's loop.

use std::time::Duration;

use scf_websocket::{Answer, Config, Context, Event, Failure, Handler, run};
use scf_websocket_gateway::function::runtime_api::{Limits, RuntimeApi};

use crate::common::{error, response};

struct Touchy;

impl Handler for Touchy {
    fn role(&self, _: &Event<'_>) -> &'static str {
        "touchy"
    }

    fn handle<'e>(&mut self, event: &Event<'e>, _: &Context<'_>) -> Result<Answer<'e>, Failure> {
        assert!(!event.text().contains("static"), "a text that is known before");
        assert!(!event.text().contains("made"), "a text that is made of {}", event.text());
        Ok(Answer::event(event))
    }
}

#[tokio::test]
async fn a_panic_is_the_event_s_error_and_the_loop_goes_on() {
    let api = RuntimeApi::start(Limits::new(128, Duration::from_secs(3))).await.expect("a runtime API");
    let vars = [
        ("SCF_RUNTIME_API", "127.0.0.1".to_owned()),
        ("SCF_RUNTIME_API_PORT", api.addr().port().to_string()),
        ("WS_ROLE", "register".into()),
    ];
    let config = Config::from_vars(vars.map(|(name, value)| (name.into(), value.into()))).expect("sound");
    std::thread::spawn(move || {
        let _ = run(&config, &mut Touchy);
    });
    let served = tokio::time::timeout(Duration::from_secs(20), serve(&api)).await;
    assert!(served.is_ok(), "an event has no outcome");
}

async fn serve(api: &RuntimeApi) {
    api.ready().await;
    for round in 0..3 {
        let id = |what: &str| format!("{what}-{round}");
        let outcome = api.invoke(&id("static"), r#"{"x":"static"}"#).await;
        assert_eq!(error(&outcome), "the handler panicked: a text that is known before");
        let outcome = api.invoke(&id("made"), r#"{"x":"made"}"#).await;
        assert_eq!(error(&outcome), r#"the handler panicked: a text that is made of {"x":"made"}"#);
        assert_eq!(response(&api.invoke(&id("fine"), "{}").await), "{}");
    }
}

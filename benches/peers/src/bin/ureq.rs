//! The register function on `ureq` with its default settings: a bootstrap's loop without error handling.

use scf_websocket_peers::{Event, register};
use ureq::Agent;

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let host = std::env::var("SCF_RUNTIME_API")?;
    let port = std::env::var("SCF_RUNTIME_API_PORT")?;
    let base = format!("http://{host}:{port}/runtime");
    let next = format!("{base}/invocation/next");
    let response = format!("{base}/invocation/response");
    let agent = Agent::new_with_defaults();
    agent.post(format!("{base}/init/ready")).send(" ")?;
    loop {
        let event: Event = serde_json::from_slice(&agent.get(&next).call()?.body_mut().read_to_vec()?)?;
        let answer = serde_json::to_vec(&register(event))?;
        agent.post(&response).send(&answer)?.body_mut().read_to_vec()?;
    }
}

//! The register function on `lambda_runtime`, AWS's runtime, which uses AWS's paths.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use scf_websocket_peers::{Answer, Event, register};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Event>| Ok::<Answer, Error>(register(event.payload)))).await
}

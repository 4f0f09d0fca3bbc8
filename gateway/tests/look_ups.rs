//! A host name whose look-up hangs, as with a name server that does not answer: it holds up neither other clients nor the
//! end of the gateway, and takes one thread however many clients ask.

use std::{
    fs,
    time::{Duration, Instant},
};

use scf_websocket_test_harness::{Gateway, HangingLookUps, from_file};

const CLIENTS: usize = 60;
const SOON_ENDED: Duration = Duration::from_secs(10);

fn started(look_ups: &HangingLookUps) -> Gateway {
    let (variable, library) = look_ups.env();
    from_file(
        "listen = \"127.0.0.1:0\"\ndrain_seconds = 0\n\
         [[api]]\npath = \"/near\"\nregister = \"process:$RUNTIMES/echo.py\"\n\
         transfer = \"process:$RUNTIMES/echo.py\"\ncleanup = \"process:$RUNTIMES/echo.py\"\n\
         function_timeout_seconds = 30\n\
         [[api]]\npath = \"/far\"\nregister = \"http://hangs.example/register\"\n\
         transfer = \"http://hangs.example/\"\ncleanup = \"http://hangs.example/\"\n\
         function_timeout_seconds = 1\n",
    )
    .own_env(variable, &library)
    .start()
}

#[tokio::test]
async fn a_look_up_that_hangs_holds_up_nobody_and_not_the_end_either() {
    let Some(look_ups) = HangingLookUps::new("GATEWAY") else { return };
    let mut gateway = started(&look_ups);
    let mut near = gateway.connect("/near").await;
    let threads = || fs::read_dir(format!("/proc/{}/task", gateway.pid())).expect("a process").count();
    let before = threads();
    let refused = (0..CLIENTS).map(|_| gateway.ask("/far", &[]));
    for refused in futures_util::future::join_all(refused).await {
        assert!(matches!(refused.status, 503 | 504), "{refused:?}");
    }
    assert!(threads() <= before + 1, "{} threads, {before} before", threads());
    assert_eq!(near.ask("as before").await, "as before");
    near.close().await;
    let told = Instant::now();
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    assert!(told.elapsed() < SOON_ENDED, "the end took {:?}", told.elapsed());
}

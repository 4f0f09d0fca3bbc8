//! A host name whose look-up hangs, as with a name server that does not answer: it holds up neither other clients nor the
//! end of the gateway.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use scf_websocket_test_harness::{Gateway, from_file};

/// In place of the system's, which knows no time limit of ours.
const HANGS: &str = "#include <unistd.h>\nint getaddrinfo() { sleep(600); return -1; }\n";
const CLIENTS: usize = 60;
const SOON_ENDED: Duration = Duration::from_secs(10);

/// Made by the compiler that Rust links with.
fn library() -> PathBuf {
    let folder = env::temp_dir().join(format!("gateway-look-ups-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let (source, library) = (folder.join("hangs.c"), folder.join("hangs.so"));
    fs::write(&source, HANGS).expect("a file");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(made.is_ok_and(|status| status.success()), "cc makes {}", library.display());
    library
}

fn started(library: &Path) -> Gateway {
    from_file(
        "listen = \"127.0.0.1:0\"\ndrain_seconds = 0\n\
         [[api]]\npath = \"/near\"\nregister = \"process:$RUNTIMES/echo.py\"\n\
         transfer = \"process:$RUNTIMES/echo.py\"\ncleanup = \"process:$RUNTIMES/echo.py\"\n\
         function_timeout_seconds = 30\n\
         [[api]]\npath = \"/far\"\nregister = \"http://hangs.example/register\"\n\
         transfer = \"http://hangs.example/\"\ncleanup = \"http://hangs.example/\"\n\
         function_timeout_seconds = 1\n",
    )
    .own_env("LD_PRELOAD", &library.display().to_string())
    .start()
}

#[tokio::test]
async fn a_look_up_that_hangs_holds_up_nobody_and_not_the_end_either() {
    if env::var_os("GATEWAY").is_some() {
        // A static file has a resolver of its own.
        return;
    }
    let library = library();
    let mut gateway = started(&library);
    let mut near = gateway.connect("/near").await;
    let refused = (0..CLIENTS).map(|_| gateway.ask("/far", &[]));
    for refused in futures_util::future::join_all(refused).await {
        assert!(matches!(refused.status, 503 | 504), "{refused:?}");
    }
    assert_eq!(near.ask("as before").await, "as before");
    near.close().await;
    let told = Instant::now();
    gateway.signal("TERM");
    assert!(gateway.ended().await.success());
    assert!(told.elapsed() < SOON_ENDED, "the end took {:?}", told.elapsed());
    let _ = fs::remove_dir_all(library.parent().expect("a folder"));
}

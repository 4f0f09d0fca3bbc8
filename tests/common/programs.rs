//! Programs of the workspace, built on first use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Serializes the builds. `cargo test --test behaviours` builds neither the examples nor the gateway.
static BUILDING: Mutex<()> = Mutex::new(());

/// The path of this example's program, built with the profile of the tests.
pub fn example(name: &str) -> PathBuf {
    let profile = profile();
    let _one_at_a_time = BUILDING.lock().expect("no build has panicked");
    build(&["--package", env!("CARGO_PKG_NAME"), "--example", name], &profile);
    profile.join("examples").join(name)
}

/// The path of the gateway's program, built with the profile of the tests.
pub fn gateway() -> PathBuf {
    let profile = profile();
    let _one_at_a_time = BUILDING.lock().expect("no build has panicked");
    build(&["--package", "scf-websocket-gateway", "--bin", "gateway"], &profile);
    profile.join("gateway")
}

/// The folder `target/<profile>` that contains this test program.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the tests");
    // target/<profile>/deps/behaviours-<hash>
    test.ancestors().nth(2).expect("a profile's folder").to_owned()
}

fn build(what: &[&str], profile: &Path) {
    let is_release = profile.ends_with("release");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked"])
        .args(what)
        .args(is_release.then_some("--release"))
        .arg("--target-dir")
        .arg(profile.parent().expect("a target folder"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "cargo build {what:?}");
}

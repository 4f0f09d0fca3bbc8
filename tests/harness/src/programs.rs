//! Programs of the workspace, beside the tests that run them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The bootstrap. The variable `BOOTSTRAP` replaces it, for example with the packaged file.
pub fn bootstrap_program() -> PathBuf {
    env::var_os("BOOTSTRAP").map_or_else(|| beside_the_tests("bootstrap"), PathBuf::from)
}

/// The gateway's program, which Cargo builds beside the gateway's own tests. The variable `GATEWAY` replaces it, for
/// example with the static file.
pub fn gateway_program() -> PathBuf {
    env::var_os("GATEWAY").map_or_else(|| beside_the_tests("gateway"), PathBuf::from)
}

/// The gateway's program, built on first use with the profile of the tests.
pub(crate) fn built_gateway() -> PathBuf {
    build();
    gateway_program()
}

/// The program of this example of the library, built on first use with the profile of the tests.
pub fn example(name: &str) -> PathBuf {
    build();
    beside_the_tests(&format!("examples/{name}"))
}

/// A program that Cargo has left in the tests' `target/<profile>`.
fn beside_the_tests(name: &str) -> PathBuf {
    let program = profile().join(name);
    assert!(program.exists(), "run `cargo build --workspace` first: no {}", program.display());
    program
}

/// The folder `target/<profile>` that contains this test program.
fn profile() -> PathBuf {
    let test = env::current_exe().expect("the path of the tests");
    // target/<profile>/deps/behaviours-<hash>
    test.ancestors().nth(2).expect("a profile's folder").to_owned()
}

/// Builds the gateway and the examples, which `cargo test --test behaviours` does not. The whole workspace is named so that
/// the features are those of `cargo test --workspace`, after which nothing is left to do.
fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let profile = profile();
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--workspace", "--bin", "gateway", "--examples"])
            .args(profile.ends_with("release").then_some("--release"))
            .arg("--target-dir")
            .arg(profile.parent().expect("a target folder"))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            // Cargo sets it for tests, and with another one builds ring and all above it anew: under the feet of other tests.
            .env_remove("CARGO_MANIFEST_DIR")
            .status();
        assert!(status.is_ok_and(|status| status.success()), "cargo build fails");
    });
}

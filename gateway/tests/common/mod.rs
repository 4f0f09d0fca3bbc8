//! The shared harness under the names that the browser's tests use.

pub use scf_websocket_test_harness::Api as Setup;
pub use scf_websocket_test_harness::*;

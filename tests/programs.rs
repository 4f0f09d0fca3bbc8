//! Programs whose functions the tests also run without a process.

#[path = "../examples/chat.rs"]
#[allow(dead_code, reason = "its main function")]
pub(crate) mod chat;
#[path = "programs/commands.rs"]
#[allow(dead_code, reason = "its main function")]
pub(crate) mod commands;
#[path = "../examples/quiz.rs"]
#[allow(dead_code, reason = "its main function")]
pub(crate) mod quiz;

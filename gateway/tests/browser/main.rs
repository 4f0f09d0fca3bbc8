//! The page, driven in a real browser.
//!
//! `make test-browser` installs Chromium, its driver and axe, and names the packaged bootstrap.

#[path = "../common/mod.rs"]
mod common;
mod harness;

mod accessibility;
mod acting;
mod connecting;
mod figures;
mod filters;
mod outage;
mod rows;
mod screens;
mod sending;

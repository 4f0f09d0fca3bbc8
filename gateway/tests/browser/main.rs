//! The page, driven in a real browser.
//!
//! `make test-browser` installs Chromium, its driver and axe, and names the packaged bootstrap.

mod harness;

mod accessibility;
mod acting;
mod behind_a_file;
mod chat;
mod cluster;
mod connecting;
mod figures;
mod filters;
mod outage;
mod reconnecting;
mod rows;
mod screens;
mod sending;

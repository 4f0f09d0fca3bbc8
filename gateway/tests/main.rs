//! Tests through the binary, or a gateway in process, and the real protocols: a file for each behaviour, over one
//! harness, in one program.

mod admin_address;
mod cleanup;
mod clock;
mod command_line;
mod custom_runtimes;
mod debian;
mod draining;
mod faults;
mod frames;
mod function_backends;
mod handshake;
mod instances;
mod integration_response;
mod limits;
mod load;
mod logs;
mod misbehaving_runtimes;
mod overload;
mod proxies;
mod push_address;
mod python_client;
mod readme;
mod registry_faults;
mod reverse_proxies;
mod runtime_api;
mod shutdown;
mod slow_clients;
mod time_limits;
mod timeline;
mod timeouts;
mod wss;

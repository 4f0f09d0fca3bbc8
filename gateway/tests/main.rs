//! Tests through the binary, or a gateway in process, and the real protocols: a file for each behaviour, over one
//! harness, in one program.

mod admin_address;
mod backend_faults;
mod check;
mod cleanup;
mod cloud_functions;
mod command_line;
mod custom_runtimes;
mod draining;
mod example_file;
mod faults;
mod frames;
mod function_backends;
mod handshake;
mod http_functions;
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
mod reload;
mod role_credentials;
mod runtime_api;
mod several_apis;
mod shutdown;
mod slow_clients;
mod time_limits;
mod timeline;
mod wss;

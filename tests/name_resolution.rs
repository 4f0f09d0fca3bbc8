//! The host of the push address is a name. `scripts/check-names.sh` sets up name servers and runs these tests once per
//! case, with `PUSH_HOST` as the name.

use crate::common::{DATA_RECV, Function, PushAddress, error, response};

#[test]
#[ignore = "needs name servers: run scripts/check-names.sh"]
fn a_push_reaches_the_host_within_the_default_time_limit() {
    let gateway = PushAddress::start();
    let transfer = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url())]);
    assert_eq!(response(&transfer.invoke(DATA_RECV)), DATA_RECV);
    assert_eq!(gateway.take().len(), 1);
}

#[test]
#[ignore = "needs a system without name servers: run scripts/check-names.sh"]
fn without_a_resolver_configuration_the_error_names_the_file() {
    let gateway = PushAddress::start();
    let transfer = Function::start(&[("WS_ROLE", "transfer"), ("WS_PUSH_URL", &gateway.url())]);
    let message = error(&transfer.invoke(DATA_RECV));
    assert!(message.contains("there is no /etc/resolv.conf"), "{message}");
}

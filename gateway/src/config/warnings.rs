//! What a configuration may do, but seldom should.

use super::Config;

/// What is wrong with a certificate that is served all the same.
#[must_use]
pub fn certificate(config: &Config) -> Option<String> {
    let files = config.tls.as_ref()?;
    let complaint = files.load().ok()?.check_time(&files.certificate).err()?;
    Some(format!("{complaint}: clients refuse it"))
}

/// A sentence for each thing that deserves an operator's attention at the start.
#[must_use]
pub fn of(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let push = config.fixed.push_listen.unwrap_or(config.fixed.listen);
    if config.push_token.is_none() && !push.ip().is_loopback() {
        warnings.push(format!(
            "every machine that reaches {push} can push to any connection whose id it knows: set push_token, or let \
             push_listen be an address that only functions reach"
        ));
    }
    // SCF ends the TLS of a web function's clients.
    if config.fixed.web_function.is_none()
        && config.tls.is_none()
        && config.proxy.trusted.is_empty()
        && !config.fixed.listen.ip().is_loopback()
    {
        warnings.push(format!(
            "clients of {} are not encrypted: set [tls], or put a proxy with TLS in front and name it in proxy.trusted",
            config.fixed.listen
        ));
    }
    if let Some(network) = config.proxy.trusted.iter().find(|network| network.prefix_len() == 0) {
        warnings.push(format!(
            "proxy.trusted has {network}: every client can claim any address, which defeats the limits for an address"
        ));
    }
    if let Some(admin) = config.fixed.admin.as_ref().filter(|admin| !admin.listen.ip().is_loopback()) {
        warnings.push(format!(
            "the password of {} travels unencrypted: let only a network that you trust reach it",
            admin.listen
        ));
    }
    warnings
}

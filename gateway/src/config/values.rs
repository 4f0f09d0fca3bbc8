//! Single values of the file. Each function takes the text of one and returns it typed, or the sentence that says what
//! is allowed.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::Url;

use crate::{
    config::secret::Secret,
    function::remote::scf::{Endpoint, EndpointError},
    push::address::check_token,
};

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an IP address and a port, such as 0.0.0.0:9000 or [::]:9000".to_owned())
}

/// A network in CIDR notation, or a single address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet =
        text.parse().map_err(|_| "write a network such as 10.0.0.0/8, or an IP address".to_owned())?;
    if network.trunc() != network {
        return Err(format!("the network with this address in it is {}", network.trunc()));
    }
    Ok(network)
}

/// The token of the push address.
pub(super) fn push_token(text: &str) -> Result<Secret, String> {
    check_token(text)?;
    Ok(Secret::new(text))
}

/// The token that reads the metrics.
pub(super) fn metrics_token(text: &str) -> Result<Secret, String> {
    if text.is_empty() || !text.chars().all(|character| character.is_ascii_graphic()) {
        return Err("a token consists of ASCII letters, digits and signs, without spaces".to_owned());
    }
    Ok(Secret::new(text))
}

/// A URL that is called over HTTP.
fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not a URL ({error})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the URL must start with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not hold a user name or a password".to_owned());
    }
    Ok(url)
}

/// The address under which functions reach the push address; the part before `/api-…`, without a slash at its end.
pub(super) fn push_url(text: &str) -> Result<String, String> {
    let url = http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL must not have a query or a fragment; /api-… is appended to it".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The address of the cloud API.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    text.parse().map_err(|error: EndpointError| error.to_string())
}

/// A region of the cloud.
pub(super) fn region(text: &str) -> Result<String, String> {
    let allowed =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("write a region such as ap-guangzhou".to_owned());
    }
    Ok(text.to_owned())
}

/// The name of a virtual machine's role; it becomes part of a path.
pub(super) fn role(text: &str) -> Result<String, String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
    if text.is_empty() || !text.chars().all(allowed) {
        return Err("a role's name consists of letters, digits and _+=,.@-".to_owned());
    }
    Ok(text.to_owned())
}

/// The path of an API, as clients request it.
pub(super) fn api_path(text: &str) -> Result<String, String> {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%/".contains(character);
    if !text.starts_with('/') || !text.chars().all(allowed) {
        return Err("a path starts with / and is written as in a URL, without query, spaces or {variables}"
            .to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_written_without_host_bits() {
        assert_eq!(network("10.0.0.0/8"), Ok("10.0.0.0/8".parse().expect("a network")));
        assert_eq!(network("::1"), Ok("::1/128".parse().expect("a network")));
        assert!(network("10.1.0.0/8").is_err_and(|sentence| sentence.contains("10.0.0.0/8")));
        assert!(network("10.0.0.0/33").is_err());
        assert!(network("lan").is_err());
    }

    #[test]
    fn a_push_url_takes_a_path_but_nothing_behind_it() {
        assert_eq!(push_url("http://10.0.0.5:9001/").as_deref(), Ok("http://10.0.0.5:9001"));
        assert_eq!(push_url("https://x/gateway").as_deref(), Ok("https://x/gateway"));
        assert!(push_url("https://x/?a=b").is_err());
        assert!(push_url("10.0.0.5:9001").is_err());
    }

    #[test]
    fn a_path_is_one_that_a_client_can_request() {
        assert!(api_path("/").is_ok());
        assert!(api_path("/chat/v1%20").is_ok());
        for wrong in ["", "chat", "/chat?x", "/a b", "/test/{variable}", "/ä"] {
            assert!(api_path(wrong).is_err(), "{wrong}");
        }
    }
}

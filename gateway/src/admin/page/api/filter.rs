//! Which connections are meant.

use ipnet::IpNet;

use crate::{config::network, contract::Attributes, registry::ConnectionInfo, start::apis::contains};

/// All of what is given has to match.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// The path, or the beginning of it, by whole segments.
    path: Option<String>,
    /// The client's address, or its network.
    address: Option<IpNet>,
    attributes: Attributes,
}

impl Filter {
    /// By the name that a query has for it.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match (name, name.strip_prefix("attribute.")) {
            ("path", _) => self.path = Some(value.to_owned()),
            ("address", _) => self.address = Some(network(value)?),
            (_, Some(name)) => drop(self.attributes.insert(name.to_owned(), value.to_owned())),
            _ => return Err(format!("there is no {name}, but path, address, attribute.NAME and limit")),
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.path.is_none() && self.address.is_none() && self.attributes.is_empty()
    }

    pub(super) fn matches(&self, info: &ConnectionInfo) -> bool {
        let has = |(name, value): (&String, &String)| {
            info.attributes.as_ref().and_then(|attributes| attributes.get(name)) == Some(value)
        };
        self.path.as_ref().is_none_or(|path| contains(path, &info.path))
            && self.address.is_none_or(|network| network.contains(&info.source_ip.to_canonical()))
            && self.attributes.iter().all(has)
    }
}

//! The open connections, for the list on the page.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::limits::LISTED_CONNECTIONS;

#[derive(Debug, Default)]
pub(super) struct OpenConnections {
    /// In the order in which they opened.
    by_order: BTreeMap<u64, OpenConnection>,
    orders: HashMap<String, u64>,
    next_order: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct OpenConnection {
    pub(super) connection: String,
    pub(super) path: String,
    pub(super) sub_protocol: Option<String>,
    pub(super) opened_ms: u64,
}

/// What a viewer receives: how many there are, and the newest of them first.
#[derive(Debug, Serialize)]
pub(super) struct OpenConnectionList {
    total: usize,
    newest: Vec<OpenConnection>,
}

impl OpenConnections {
    pub(super) fn opened(&mut self, connection: OpenConnection) {
        let order = self.next_order;
        self.next_order += 1;
        self.orders.insert(connection.connection.clone(), order);
        self.by_order.insert(order, connection);
    }

    /// Whether it was open.
    pub(super) fn closed(&mut self, connection: &str) -> bool {
        let order = self.orders.remove(connection);
        order.is_some_and(|order| self.by_order.remove(&order).is_some())
    }

    pub(super) fn listed(&self) -> OpenConnectionList {
        let newest = self.by_order.values().rev().take(LISTED_CONNECTIONS).cloned().collect();
        OpenConnectionList { total: self.by_order.len(), newest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_listed_first_and_all_are_counted() {
        let mut open = OpenConnections::default();
        for number in 0..=LISTED_CONNECTIONS {
            let connection = number.to_string();
            open.opened(OpenConnection { connection, path: "/".into(), sub_protocol: None, opened_ms: 0 });
        }
        assert!(open.closed("1") && !open.closed("1"));
        let OpenConnectionList { total, newest } = open.listed();
        assert_eq!((total, newest.len()), (LISTED_CONNECTIONS, LISTED_CONNECTIONS));
        assert_eq!((newest[0].connection.as_str(), newest[199].connection.as_str()), ("200", "0"));
    }
}

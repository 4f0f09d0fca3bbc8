//! The end of a run: everything heals, and what became of each client is judged.

use super::World;

/// Enough for everything that is left to end.
const HEALING: u32 = 400;

impl World {
    /// Nothing fails any more, every client leaves, and time passes until nothing is left to do.
    pub(in crate::registry::cluster::lease::tests) async fn heal(&mut self) {
        self.away = false;
        self.set_memory("0").await;
        for n in 0..self.nodes.len() {
            self.mend(n);
            let node = &mut self.nodes[n];
            (node.stopped, node.loses_answers, node.hangs) = (false, false, false);
        }
        for round in 0..HEALING {
            for n in 0..self.nodes.len() {
                self.keep(n).await;
                while round > 30 && !self.nodes[n].clients.is_empty() {
                    self.disconnect(n, 0).await;
                }
                self.watch(n).await;
                for _ in 0..10 {
                    self.clean(n).await;
                    self.settle(n).await;
                }
                self.keep(n).await;
            }
            self.tick().await;
            if round > 60 && self.is_quiet().await {
                return;
            }
        }
    }

    async fn is_quiet(&self) -> bool {
        let (_, seen) = self.store.nodes().await.expect("Redis answers");
        seen.len() == self.nodes.len()
            && self.nodes.iter().all(|node| node.watch.is_idle() && node.due.is_empty())
    }

    /// How many cleanups a client had, of each client that was accepted.
    pub(in crate::registry::cluster::lease::tests) fn cleanups(&self) -> Vec<u32> {
        self.clients.values().filter(|client| client.accepted).map(|client| client.cleanups).collect()
    }

    /// The names under which nodes that run were declared lost.
    pub(in crate::registry::cluster::lease::tests) fn lost_ids(&self) -> Vec<String> {
        let lost = self.nodes.iter().flat_map(|node| node.complete_in.keys());
        lost.map(ToString::to_string).collect()
    }

    pub(in crate::registry::cluster::lease::tests) async fn verdict(&self) -> Result<(), String> {
        if let Some(violation) = self.violation.clone().or_else(|| self.gone_and_alive()) {
            return Err(violation);
        }
        for (client, state) in self.clients.iter().filter(|(_, state)| state.accepted) {
            if state.cleanups == 0 && !state.closed_by_function && !state.forgotten {
                return Err(format!("{client} has had no cleanup"));
            }
            let due = u32::from(!state.closed_by_function);
            let excused = self.all_excused || self.excused.contains(client);
            if state.cleanups > due && !excused {
                return Err(format!("{client} has had {} cleanups", state.cleanups));
            }
        }
        let (_, seen) = self.store.nodes().await.expect("Redis answers");
        if seen.len() != self.nodes.len() {
            return Err(format!("{} nodes run, Redis has {seen:?}", self.nodes.len()));
        }
        for node in seen {
            let left = self.records_of(node.node).await;
            if !left.is_empty() {
                return Err(format!("node {} has the records {left:?} left", node.node));
            }
        }
        Ok(())
    }
}

// The cluster as this gateway sees it. Where it is alone, nothing is shown.

import { $, el } from './dom.js';
import { count, milliseconds } from './format.js';
import { t } from './words.js';

const INTERVAL_MS = 1000;

const rows = new Map();
let asking = null;

/** Asks every second from now on, unless the gateway is alone. */
export function begin() {
  end();
  asking = new AbortController();
  ask(asking.signal);
}

/** The gateway does not answer. */
export function end() {
  asking?.abort();
  $('cluster').hidden = true;
}

async function ask(signal) {
  while (!signal.aborted) {
    const seen = await fetched(signal);
    if (signal.aborted || seen === null) return;
    if (seen) show(seen);
    await new Promise((done) => setTimeout(done, INTERVAL_MS));
  }
}

/** Undefined if there is no answer. */
async function fetched(signal) {
  try {
    const answer = await fetch('/admin/health', { signal });
    return answer.ok ? (await answer.json()).cluster : undefined;
  } catch { return undefined; }
}

function show(seen) {
  $('cluster').hidden = false;
  showSummary(seen);
  if (seen.nodes) showNodes(seen);
  const renewed = seen.lease_age_ms == null ? t`This node has not had a lease yet.` : t`This node renewed its lease ${ago(seen.lease_age_ms)}.`;
  write($('cluster-note'), seen.nodes ? t`A node that is silent for ${seconds(seen.lease_ms)} is declared lost.`
    : `${rows.size ? t`Redis does not say which nodes there are: these are as they were last seen.` : t`Redis does not say which nodes there are.`} ${renewed}`);
}

function showSummary({ node, nodes, redis_up, round_trip_ms, pushes, take_overs, declared_lost }) {
  const alive = nodes?.filter(({ lease_age_ms }) => lease_age_ms != null).length;
  write($('cluster-own'), t`this is node ${node}`);
  write($('cluster-count'), alive == null ? t`nodes unknown` : count(alive, 'node'));
  write($('cluster-redis'), redis_up ? t`Redis up` : t`Redis away`);
  $('cluster-redis').dataset.up = redis_up ? 'yes' : 'no';
  write($('cluster-lag'), round_trip_ms == null ? t`pub/sub silent` : t`pub/sub ${milliseconds(round_trip_ms)} ms`);
  write($('cluster-pushes'), t`pushes ${pushes.local.toLocaleString('en')} local, ${pushes.remote.toLocaleString('en')} remote`);
  const { completed, incomplete, interrupted } = take_overs;
  write($('cluster-take-overs'), count(completed + incomplete + interrupted, 'take-over'));
  $('cluster-take-overs').title = t`By this node: ${completed} completed, ${incomplete} with clients left, ${interrupted} interrupted`;
  write($('cluster-lost'), t`declared lost ${count(declared_lost, 'time')}`);
  $('cluster-lost').hidden = declared_lost === 0;
}

// Rows are changed in place, so that a selected text stays selected.
function showNodes({ nodes, node: own }) {
  const there = new Set(nodes.map(({ node }) => node));
  for (const [node, row] of rows) if (!there.has(node)) { row.remove(); rows.delete(node); }
  nodes.forEach(({ node, address, host, version, lease_age_ms }, at) => {
    const row = rows.get(node) ?? el('tr', {}, ...Array.from({ length: 5 }, () => el('td', {})));
    rows.set(node, row);
    row.dataset.node = node;
    row.dataset.lease = lease_age_ms == null ? 'ended' : 'held';
    const texts = [node === own ? t`${node} (this node)` : node, address, lease_age_ms == null ? t`ended` : ago(lease_age_ms), host, version];
    texts.forEach((text, cell) => write(row.cells[cell], text));
    const list = $('cluster-nodes');
    if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
  });
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const seconds = (ms) => `${(ms / 1000).toLocaleString('en', { maximumFractionDigits: 1 })} s`;
const ago = (ms) => t`${(ms / 1000).toFixed(1)} s ago`;

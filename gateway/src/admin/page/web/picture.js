// The picture at the top: the clients, the gateway and its functions' instances.

import { $, el, onPaint } from './dom.js';
import { count } from './format.js';
import { t } from './words.js';

const DOTS_AT_MOST = 10;

const instances = new Map(); // name → { role, running: ids of invocations }
const ended = new Set();
let live = false, connected = 0;

/** The instances that live when the stream begins, also those whose records are no longer kept. */
export function begin(living) {
  for (const { instance, role } of living) instances.set(instance, { role, running: new Set() });
}

/** Keeps what the picture needs, whether the record's row is shown or not. */
export function follow({ id, what, instance, role, outcome }) {
  if (what === 'ended') {
    instances.delete(instance);
    ended.add(instance);
  } else if (instance && !ended.has(instance)) {
    if (!instances.has(instance)) instances.set(instance, { role, running: new Set() });
    if (outcome === 'running') instances.get(instance).running.add(id); else instances.get(instance).running.delete(id);
  }
}

export function setConnected(total) {
  connected = total;
  show();
}

/** What was known of a gateway that does not answer is not shown as if it were so. */
export function setLive(now) {
  live = now;
  instances.clear();
  ended.clear();
  connected = 0;
  show();
}

function show() {
  document.body.dataset.gateway = live ? 'up' : 'down';
  $('address').textContent = live ? location.host : t`no answer`;
  $('clients').textContent = !live ? t`unknown` : connected ? t`${connected.toLocaleString('en')} connected` : t`none connected`;
  for (const dots of document.querySelectorAll('.dots')) {
    const { role } = dots.closest('[data-role]').dataset;
    const alive = [...instances.values()].filter((instance) => instance.role === role);
    const busy = alive.filter(({ running }) => running.size).length;
    dots.ariaLabel = dots.title = live ? t`${count(alive.length, 'instance')}, ${busy} busy` : t`instances unknown`;
    dots.replaceChildren(...(alive.length > DOTS_AT_MOST ? [String(alive.length)] : alive.map((_, i) => el('i', { className: i < busy ? 'busy' : '' }))));
  }
}

export const start = () => onPaint(show);

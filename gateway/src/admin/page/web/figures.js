// The figures above the timeline, as the gateway counts them.

import { $ } from './dom.js';
import { milliseconds } from './format.js';
import { t } from './words.js';

let latest = null;

export const figures = () => latest;

export function show(received) {
  latest = received;
  const { invocations, cold_starts, errors, gateway_ms, function_ms, since_ms } = received;
  $('sum-invocations').textContent = invocations.toLocaleString('en');
  $('sum-cold').textContent = cold_starts.toLocaleString('en');
  $('sum-errors').textContent = errors.toLocaleString('en');
  $('sum-errors').parentElement.classList.toggle('some', errors > 0);
  $('figures').title = t`Since the gateway started, ${new Date(since_ms).toLocaleString()}`;
  for (const [name, { p50, p95 }] of [['gateway', gateway_ms], ['function', function_ms]]) {
    $(`sum-${name}`).textContent = milliseconds(p50);
    $(`sum-${name}-p95`).textContent = milliseconds(p95);
  }
}

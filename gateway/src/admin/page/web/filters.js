// Which rows are shown.

import { $ } from './dom.js';
import { isBad, rowText } from './row.js';
import { own } from './own.js';
import { t } from './words.js';

const hidden = new Set();
let wanted = '';

export function isShown(record) {
  const { kind, role, connection } = record;
  if (hidden.has(kind) || hidden.has(role)) return false;
  if ($('only-mine').checked && own.id && connection !== own.id) return false;
  if ($('only-errors').checked && !isBad(record) && !record.pushes_failed) return false;
  return !wanted || haystack(record).includes(wanted);
}

/** Everything in the record that a person can read, in lower case. */
function haystack(record) {
  const { role, instance, connection, path, sub_protocol, message, event, answer, pushes, log, err_msg, data } = record;
  const pushed = pushes?.flatMap((push) => [push.data, push.err_msg, push.connection]);
  return [rowText(record), role, instance, connection, path, sub_protocol, message, event, answer, err_msg, data, ...(pushed ?? []), ...(log ?? [])]
    .filter(Boolean).join('\n').toLowerCase();
}

export function showOwn() {
  $('only-mine-text').textContent = $('only-mine').checked && !own.id ? t`only mine (not known)` : t`only mine`;
}

/** Back to all rows. */
function reset() {
  for (const box of $('filters').querySelectorAll('input[value]')) box.checked = true;
  $('only-mine').checked = $('only-errors').checked = false;
  $('search').value = wanted = '';
  hidden.clear();
}

export function start(changed) {
  $('filters').addEventListener('change', ({ target }) => {
    if (target.hasAttribute('value')) hidden[target.checked ? 'delete' : 'add'](target.value);
    changed();
  });
  $('search').addEventListener('input', () => { wanted = $('search').value.trim().toLowerCase(); changed(); });
  $('show-all').addEventListener('click', () => { reset(); changed(); $('timeline').focus({ preventScroll: true }); });
}

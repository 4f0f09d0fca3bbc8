// The open connections, and the form that pushes to one of them.

import { closeConnection, push } from './actions.js';
import { $, button, cell, copy, el, onPaint, schedule } from './dom.js';
import { clock, shortId } from './format.js';
import { own } from './own.js';
import { t } from './words.js';

let listed = { total: 0, newest: [] };
let drawn = null;

export function show(received) {
  listed = received;
  schedule();
}

function render() {
  // Drawn again only when it has changed, so that a button keeps the focus.
  const state = JSON.stringify([listed, own.id]);
  if (state === drawn) return;
  drawn = state;
  const { total, newest } = listed;
  $('connection-count').textContent = total.toLocaleString('en');
  const focused = document.activeElement.closest?.('#connection-list [data-connection]')?.dataset.connection;
  $('connection-list').replaceChildren(...newest.map(item));
  if (focused && document.activeElement === document.body) refocus(focused);
  $('more-connections').textContent = total > newest.length ? t`The newest ${newest.length} of ${total.toLocaleString('en')} are listed.` : '';
}

function refocus(connection) {
  const same = [...$('connection-list').children].find((child) => child.dataset.connection === connection);
  (same?.querySelector('button') ?? $('connections').firstElementChild).focus();
}

function item({ connection, path, sub_protocol, opened_ms }) {
  const mine = connection === own.id;
  const name = mine ? t`mine` : shortId(connection);
  const node = el('li', { className: 'line' },
    cell(mine ? 'client mine' : 'client', name, connection),
    cell('where', path + (sub_protocol ? `, ${sub_protocol}` : ''), t`since ${clock(opened_ms)}`),
    named(button(t`Copy id`, connection, ({ target }) => copy(target, connection)), name),
    named(button(t`Push…`, t`Fill in the form below`, () => fill(connection)), name),
    named(button(t`Close`, t`Close this connection as a function would`, () => answer(closeConnection(connection), t`Closed ${shortId(connection)}.`)), name));
  node.dataset.connection = connection;
  return node;
}

/** A list of equal buttons tells a screen reader which connection each is for. */
function named(node, name) {
  node.ariaLabel = `${node.textContent} ${name}`;
  return node;
}

function fill(connection) {
  $('push-to').value = connection;
  $('push-data').focus();
}

async function answer(asked, done) {
  const { errNo, errMsg } = await asked;
  $('push-answer').dataset.failed = errNo === 0 ? 'no' : 'yes';
  $('push-answer').textContent = errNo === 0 ? done : t`Refused with ${errNo}: ${errMsg}`;
}

function onSubmit(event) {
  event.preventDefault();
  const to = $('push-to').value.trim();
  const dataType = $('push-binary').checked ? 'binary' : 'text';
  answer(push({ action: 'data send', secConnectionID: to, dataType, data: $('push-data').value }), t`Pushed to ${to === own.id ? t`my connection` : shortId(to)}.`);
}

export function start() {
  $('push').addEventListener('submit', onSubmit);
  onPaint(render);
}

// The rows of the timeline: records come in, the list follows.

import { $, el, download, onPaint, schedule } from './dom.js';
import { figures } from './figures.js';
import { isShown, showOwn, start as startFilters } from './filters.js';
import { Follower } from './follower.js';
import { count } from './format.js';
import { own } from './own.js';
import { cells, isBad } from './row.js';
import { unfolded } from './unfolded.js';
import { t } from './words.js';

const FRESH_AT_MOST = 12;

const rows = new Map(); // id → { record, element }, oldest first
const dirty = new Set();
const timeline = new Follower($('timeline'), $('timeline-newest'));
let kept = 500, gone = [], cleared = { id: -1, ms: 0 }, trimmedTo = -1, paused = false;

export function receive(record) {
  const row = rows.get(record.id);
  if (record.id <= cleared.id && record.started_ms <= cleared.ms) return;
  if (!row && record.id <= trimmedTo) return;
  if (row) row.record = record;
  else rows.set(record.id, { record, element: null });
  dirty.add(record.id);
  trim();
  schedule();
}

function trim() {
  while (rows.size > kept) {
    const [id, { element }] = rows.entries().next().value;
    rows.delete(id);
    dirty.delete(id);
    trimmedTo = Math.max(trimmedTo, id);
    if (element) gone.push(element);
  }
}

function render() {
  showPause();
  if (paused || (!dirty.size && !gone.length)) return;
  const changed = Array.from(dirty, (id) => rows.get(id));
  const added = changed.filter((row) => !row.element);
  dirty.clear();
  timeline.change(added.filter(({ record }) => isShown(record)).length, () => {
    if (gone.some((element) => element.contains(document.activeElement))) $('timeline').focus({ preventScroll: true });
    gone.splice(0).forEach((element) => element.remove());
    changed.forEach(fillRow);
    if (added.length <= FRESH_AT_MOST) added.forEach(({ element }) => element.classList.add('fresh'));
    $('timeline').append(...added.map(({ element }) => element));
  });
  showHidden();
}

function fillRow(row) {
  const { record } = row;
  const { id, kind, role, outcome, connection, what, instance, message } = record;
  const element = row.element ??= el('details', {}, el('summary', { tabIndex: -1 }));
  element.className = ['row', kind !== 'invocation' && 'slim', isBad(record) && 'bad', (message || kind === 'push') && 'told'].filter(Boolean).join(' ');
  for (const [name, value] of Object.entries({ id, kind, role, outcome, connection, what, instance })) {
    if (value != null) element.dataset[name] = value;
  }
  if (record.replay) element.dataset.replay = 'yes';
  element.hidden = !isShown(record);
  element.firstElementChild.replaceChildren(...cells(record));
  if (element.open) fillBody(row);
}

function fillBody({ record, element }) {
  element.querySelector('.body')?.remove();
  element.append(unfolded(record));
}

function showHidden() {
  const shown = [...rows.values()].filter(({ element }) => element && !element.hidden).length;
  const painted = [...rows.values()].filter(({ element }) => element).length;
  const none = painted > 0 && shown === 0;
  $('all-hidden').hidden = !none;
  $('all-hidden-text').textContent = !none ? '' : painted === 1 ? t`The filters hide the only row.` : t`The filters hide all ${count(painted, 'row')}.`;
  const all = count(painted, 'row');
  $('shown').textContent = t`${shown < painted ? t`${shown} of ${all}` : all}; the newest ${kept.toLocaleString('en')} are kept`;
}

function showPause() {
  const fresh = [...dirty].filter((id) => !rows.get(id).element).length;
  $('pause').setAttribute('aria-pressed', String(paused));
  $('pause').textContent = !paused ? t`Pause` : fresh ? t`Paused, ${fresh} new` : t`Paused`;
}

function refilter() {
  showOwn();
  timeline.change(0, () => { for (const { record, element } of rows.values()) if (element) element.hidden = !isShown(record); });
  showHidden();
  schedule();
}

function onOwnChanged(before, now) {
  for (const [id, { record }] of rows) if (record.connection && [before, now].includes(record.connection)) dirty.add(id);
  refilter();
}

function empty() {
  rows.clear();
  dirty.clear();
  gone = [];
  $('timeline').replaceChildren();
  timeline.showJump();
  showHidden();
  schedule();
}

/** How many rows the gateway keeps, and this page likewise. */
export function keep(rows) {
  kept = rows;
  showHidden();
}

/** A new stream begins with everything the gateway still knows, and after a restart its ids begin anew. */
export function startOver() {
  empty();
  trimmedTo = -1;
}

function clear() {
  for (const { record } of rows.values()) cleared = { id: Math.max(cleared.id, record.id), ms: Math.max(cleared.ms, record.started_ms) };
  empty();
}

function save() {
  const records = Array.from(rows.values(), ({ record }) => record);
  const now = new Date().toISOString();
  const name = `timeline-${now.slice(0, 19).replace(/\D/g, '')}.json`;
  download(name, [JSON.stringify({ gateway: location.host, saved_at: now, figures: figures(), records }, null, 2)]);
}

function onKey(event) {
  const summary = event.target.closest('summary'), row = summary?.parentElement;
  if (event.target !== $('timeline') && !summary) return;
  if (row && event.key === 'ArrowRight') row.open = true;
  else if (row && event.key === 'ArrowLeft') row.open = false;
  else if (!moveFocus(event.key, row)) return;
  event.preventDefault();
}

function moveFocus(key, row) {
  const shown = [...$('timeline').children].filter((child) => !child.hidden);
  const here = shown.indexOf(row), last = shown.length - 1;
  const target = { ArrowDown: here + 1, ArrowUp: row ? here - 1 : last, Home: 0, End: last }[key];
  shown[target]?.firstElementChild.focus();
  return target !== undefined;
}

function onUnfold({ target }) {
  const row = rows.get(Number(target.dataset.id));
  if (!target.open || !row) return;
  fillBody(row);
  target.scrollIntoView({ block: 'nearest' });
  timeline.showJump();
}

export function start() {
  startFilters(refilter);
  own.changed = onOwnChanged;
  $('pause').addEventListener('click', () => { paused = !paused; schedule(); });
  $('clear').addEventListener('click', clear);
  $('save').addEventListener('click', save);
  $('timeline').addEventListener('keydown', onKey);
  // The event does not bubble, so it is caught on its way down.
  $('timeline').addEventListener('toggle', onUnfold, true);
  onPaint(render);
  empty();
}

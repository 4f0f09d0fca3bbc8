// The frames of this page's own connection, in both directions.

import { $, cell, el, onPaint, schedule } from './dom.js';
import { Follower } from './follower.js';
import { clock, count, hexDump, pretty, size } from './format.js';
import { t } from './words.js';

const MAX_FRAMES = 500, SHOWN_CHARS = 4096;

const frames = new Follower($('frames'), $('frames-newest'));
const sums = { out: 0, in: 0 };
let waiting = [];

export function addFrame(direction, data) {
  sums[direction]++;
  enqueue({ direction, data, at: Date.now() });
}

export const addNote = (note) => enqueue({ note, at: Date.now() });

function enqueue(entry) {
  waiting.push(entry);
  // A page in the background is not painted; what would not be kept anyway need not wait.
  if (waiting.length > MAX_FRAMES) waiting.shift();
  schedule();
}

function render() {
  $('frame-count').textContent = sums.out + sums.in ? t`${sums.out} sent, ${sums.in} received` : '';
  if (!waiting.length) return;
  const entries = waiting.splice(0);
  frames.change(entries.length, () => {
    $('frames').append(...entries.map((entry) => entry.note ? cell('note', `${clock(entry.at)}  ${entry.note}`) : frameElement(entry)));
    while ($('frames').childElementCount > MAX_FRAMES) drop($('frames').firstElementChild);
  });
}

function drop(element) {
  const link = element.querySelector('a');
  if (link) URL.revokeObjectURL(link.href);
  element.remove();
}

function clear() {
  waiting = [];
  sums.out = sums.in = 0;
  [...$('frames').children].forEach(drop);
  frames.showJump();
  schedule();
}

function frameElement({ direction, data, at }) {
  const binary = typeof data !== 'string';
  const bytes = binary ? data.byteLength : new Blob([data]).size;
  const cut = !binary && data.length > SHOWN_CHARS;
  const json = binary || cut ? undefined : pretty(data);
  const raw = binary ? t`binary, ${count(bytes, 'byte')}` : cut ? `${data.slice(0, SHOWN_CHARS)} …` : data;
  const shown = el('div', { className: 'frame-data' }, json ?? raw);
  const meta = cell('frame-meta', binary ? clock(at) : `${size(bytes)}, ${clock(at)}`);
  if (json) meta.append(' ', rawButton(shown, raw, json));
  if (binary || cut) meta.append(' ', saveLink(data, at, binary ? 'bin' : 'txt'));
  const arrow = el('span', { className: 'arrow' }, cell('unseen', direction === 'out' ? t`sent` : t`received`), direction === 'out' ? '→' : '←');
  const dump = binary && bytes ? el('div', { className: 'hex', tabIndex: 0, role: 'group', ariaLabel: t`Hex dump` }, hexDump(new Uint8Array(data), true)) : null;
  const node = el('div', { className: 'frame' }, arrow, el('div', { className: 'content' }, shown, meta), dump);
  node.dataset.direction = direction;
  return node;
}

function rawButton(shown, raw, json) {
  const button = el('button', { type: 'button', className: 'as-link', title: t`Show the frame exactly as it was` }, t`raw`);
  button.setAttribute('aria-pressed', 'false');
  button.addEventListener('click', () => {
    const wantsRaw = button.getAttribute('aria-pressed') === 'false';
    button.setAttribute('aria-pressed', String(wantsRaw));
    shown.textContent = wantsRaw ? raw : json;
  });
  return button;
}

function saveLink(data, at, ending) {
  const name = `frame-${clock(at).replace(/\D/g, '')}.${ending}`;
  return el('a', { href: URL.createObjectURL(new Blob([data])), download: name, title: t`Save as ${name}` }, t`save`);
}

export function start() {
  $('clear-frames').addEventListener('click', clear);
  onPaint(render);
}

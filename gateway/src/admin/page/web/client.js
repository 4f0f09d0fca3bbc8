// This page's own client: connect, send, disconnect.

import { $, el } from './dom.js';
import { count } from './format.js';
import { addFrame, addNote } from './frames.js';
import { History } from './history.js';
import { own } from './own.js';
import { isLive } from './stream.js';
import { CLOSE_CODES, GATEWAY_DOWN, NOT_OPENED, OTHER_CODE, t } from './words.js';

/** Fields that a reload keeps; each tab has its own. */
const KEPT_FIELDS = ['path', 'protocols'];

const history = new History($('message'), 'sent');
const FIRST_DELAY_MS = 1000, LONGEST_DELAY_MS = 30000;
let socket = null, retry = null, delay = FIRST_DELAY_MS, leaving = false;

function setStatus(state, headline, detail) {
  const open = state === 'open', busy = open || state === 'connecting' || state === 'waiting', focused = document.activeElement;
  $('status').dataset.state = state;
  $('status').replaceChildren(headline, detail ? el('p', {}, detail) : '');
  $('connect').disabled = $('path').disabled = $('protocols').disabled = busy;
  $('disconnect').disabled = !busy;
  $('send').disabled = $('file').disabled = !open;
  $('send').classList.toggle('main', open);
  $('file-box').classList.toggle('off', !open);
  document.title = open ? t`WebSocket gateway: connected` : t`WebSocket gateway`;
  // A control that gets disabled loses the focus; hand it to the next one in the walk instead.
  if (open && (focused.disabled || focused === document.body)) $('message').focus();
  else if (!busy && (focused.disabled || state === 'failed' && focused === document.body)) $('connect').focus();
}

function connect() {
  const path = $('path').value.trim().replace(/^(?!\/)/, '/');
  const protocols = $('protocols').value.split(',').map((name) => name.trim()).filter(Boolean);
  let opened = false;
  try {
    socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}`, protocols);
  } catch (error) {
    setStatus('failed', t`Not tried.`, t`The browser does not accept the path or a sub-protocol: ${error.message}`);
    return;
  }
  leaving = false;
  own.expect();
  setStatus('connecting', t`Connecting to ${path} …`);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => { opened = true; delay = FIRST_DELAY_MS; own.settle(); showOpen(path); };
  socket.onmessage = ({ data }) => addFrame('in', data);
  socket.onclose = (event) => { socket = null; own.leave(); showClose(event, opened, path); };
}

function showOpen(path) {
  const where = `${path}, ${socket.protocol ? t`sub-protocol ${socket.protocol}` : t`no sub-protocol`}`;
  addNote(t`connected to ${where}`);
  setStatus('open', t`Connected to ${where}.`);
}

function showClose({ code, reason }, opened, path) {
  const because = reason ? `${code} “${reason}”` : String(code);
  addNote(opened ? t`closed: ${because}` : t`could not connect to ${path}`);
  const headline = opened ? t`Closed: ${because}.` : t`Could not connect to ${path}.`;
  const detail = opened ? CLOSE_CODES[code] ?? OTHER_CODE : isLive() ? NOT_OPENED : GATEWAY_DOWN;
  if ($('reconnect').checked && !leaving) return connectLater(headline, detail);
  setStatus(opened && code === 1000 ? 'closed' : 'failed', headline, detail);
}

function connectLater(headline, detail) {
  setStatus('waiting', headline, `${detail} ${t`Connecting again in ${count(delay / 1000, 'second')}.`}`);
  retry = setTimeout(connect, delay);
  delay = Math.min(2 * delay, LONGEST_DELAY_MS);
}

/** At the person's wish: there is no further attempt. */
function disconnect() {
  clearTimeout(retry);
  delay = FIRST_DELAY_MS;
  leaving = true;
  if (socket) socket.close(1000);
  else setStatus('closed', t`Not connected.`);
}

/** Offers the paths of the APIs, the first of them at once if no API has the path that stands there. */
export async function offerPaths() {
  const { functions } = await fetch('/admin/health').then((answer) => answer.json()).catch(() => ({ functions: [] }));
  const paths = [...new Set(functions.map(({ api }) => api))];
  $('apis').replaceChildren(...paths.map((value) => el('option', { value })));
  const isThere = (path) => `${$('path').value}/`.startsWith(path.replace(/\/*$/, '/'));
  if (paths.length && !$('path').disabled && sessionStorage.getItem('path') === null && !paths.some(isThere)) [$('path').value] = paths;
}

function send(data) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(data);
  addFrame('out', data);
  return true;
}

function sendMessage() {
  const text = $('message').value;
  if (send(text)) {
    history.add(text);
    $('message').value = '';
  }
  $('message').focus();
}

function onMessageKey(event) {
  const enter = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
  if (enter) sendMessage();
  if (enter || history.takes(event)) event.preventDefault();
}

async function sendFile() {
  const [file] = $('file').files;
  if (!file) return;
  try {
    send(await file.arrayBuffer());
  } catch (error) {
    addNote(t`${file.name} could not be read: ${error.message}`);
  }
  // Without this, choosing the same file again would raise no event.
  $('file').value = '';
}

export function start() {
  for (const name of KEPT_FIELDS) {
    $(name).value = sessionStorage.getItem(name) ?? $(name).value;
    $(name).addEventListener('input', () => sessionStorage.setItem(name, $(name).value));
  }
  $('path').addEventListener('focus', offerPaths);
  $('reconnect').checked = sessionStorage.getItem('reconnect') === 'yes';
  $('reconnect').addEventListener('change', ({ target }) => {
    sessionStorage.setItem('reconnect', target.checked ? 'yes' : 'no');
    if (!target.checked && $('status').dataset.state === 'waiting') disconnect();
  });
  $('client').addEventListener('submit', (event) => { event.preventDefault(); if (!socket) connect(); });
  $('disconnect').addEventListener('click', disconnect);
  $('send').addEventListener('click', sendMessage);
  $('message').addEventListener('keydown', onMessageKey);
  $('file').addEventListener('change', sendFile);
}

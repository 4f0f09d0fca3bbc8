// This page's own client: connect, send, disconnect.

import { $, el } from './dom.js';
import { addFrame, addNote } from './frames.js';
import { History } from './history.js';
import { own } from './own.js';
import { isLive } from './stream.js';
import { CLOSE_CODES, GATEWAY_DOWN, NOT_OPENED, OTHER_CODE, t } from './words.js';

/** Fields that a reload keeps; each tab has its own. */
const KEPT_FIELDS = ['path', 'protocols'];

const history = new History($('message'), 'sent');
let socket = null;

function setStatus(state, headline, detail) {
  const open = state === 'open', busy = open || state === 'connecting', focused = document.activeElement;
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
  own.expect();
  setStatus('connecting', t`Connecting to ${path} …`);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => { opened = true; own.settle(); showOpen(path); };
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
  if (!opened) setStatus('failed', t`Could not connect to ${path}.`, isLive() ? NOT_OPENED : GATEWAY_DOWN);
  else setStatus(code === 1000 ? 'closed' : 'failed', t`Closed: ${because}.`, CLOSE_CODES[code] ?? OTHER_CODE);
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
  $('client').addEventListener('submit', (event) => { event.preventDefault(); if (!socket) connect(); });
  $('disconnect').addEventListener('click', () => socket?.close(1000));
  $('send').addEventListener('click', sendMessage);
  $('message').addEventListener('keydown', onMessageKey);
  $('file').addEventListener('change', sendFile);
}

// An unfolded row: the event, the answer, the pushes and the log, and what can be done with them.

import { curl, replay } from './actions.js';
import { $, button, cell, copy, el, part, say, scrolled } from './dom.js';
import { bytesOf, clock, hexDump, parse, pretty, shortId, size } from './format.js';
import { own } from './own.js';
import { batchText, compressionCell, times } from './row.js';
import { REPLAY_TITLES, t } from './words.js';

const PUSH = '/timeline/push', REPLAY = '/timeline/replay';

export function unfolded(record) {
  const { kind, started_ms, instance, pid, connection, path, sub_protocol, log } = record;
  const facts = { [t`at`]: clock(started_ms), [t`instance`]: instance, [t`process`]: pid, [t`connection`]: connection, [t`path`]: path, [t`sub-protocol`]: sub_protocol,
    ...Object.fromEntries(times(record).map(([name, time]) => [t([name]), time])) };
  const shown = Object.entries(facts).filter(([, value]) => value != null);
  const body = el('div', { className: 'body' },
    el('div', { className: 'facts wide' }, ...shown.map(([name, value]) => el('div', {}, cell('quiet', `${name} `), el('code', {}, String(value))))));
  if (kind === 'invocation') body.append(...invocationParts(record));
  if (kind === 'push') body.append(part(t`Push`, true, pushLine(record, started_ms)));
  if (log?.length) body.append(part(t`Log`, true, scrolled(t`Log`, log.join('\n'))));
  return body;
}

function invocationParts(record) {
  const { message, event, event_bytes, answer, answer_bytes, outcome, pushes, started_ms } = record;
  const parts = [jsonPart(t`Event`, event, event_bytes, eventButtons(record))];
  if (answer != null) parts.push(jsonPart(t`Answer`, answer, answer_bytes, copyJson(answer, answer_bytes)));
  else parts.push(part(t`Answer`, false, cell('quiet', outcome === 'running' ? t`not yet` : t`none`)));
  if (message) parts.unshift(part(t`What went wrong`, true, message));
  parts.push(...framePart(event));
  if (pushes.length) parts.push(part(t`Pushes`, true, ...pushes.map((push) => pushLine(push, started_ms))));
  return parts;
}

const isWhole = (text, bytes) => new Blob([text]).size >= bytes;

function jsonPart(title, text, bytes, buttons) {
  const value = parse(text);
  const node = part(`${title}, ${size(bytes)}${isWhole(text, bytes) ? '' : t`, the beginning`}`, false,
    scrolled(title, ...(value === undefined ? [text] : coloured(JSON.stringify(value, null, 2)))));
  node.append(el('div', { className: 'line tools' }, ...buttons));
  return node;
}

const copyJson = (text, bytes) => isWhole(text, bytes) ? [button(t`Copy JSON`, '', ({ target }) => copy(target, text))] : [];

function eventButtons({ id, role, event, event_bytes }) {
  const body = isWhole(event, event_bytes) && parse(event) !== undefined ? `{"role":"${role}","event":${event}}` : `{"id":${id}}`;
  return [
    ...copyJson(event, event_bytes),
    button(t`Copy as curl`, t`A command that calls the function with this event`, ({ target }) => copy(target, curl(REPLAY, body))),
    button(t`Replay`, REPLAY_TITLES[role], async ({ target }) => {
      const { errNo, errMsg } = await replay(id);
      say(target, errNo === 0 ? t`Sent again` : t`Not sent: ${errMsg}`);
    }),
  ];
}

// Text that is JSON itself stands escaped within the event, and bytes in Base64.
function framePart(event) {
  const { dataType, data } = parse(event)?.websocket ?? {};
  const shown = typeof data === 'string' ? frameText(dataType, data) : undefined;
  return shown === undefined ? [] : [part(t`Frame`, true, scrolled(t`Frame`, shown))];
}

function frameText(dataType, data) {
  if (dataType !== 'binary') return pretty(data);
  const bytes = bytesOf(data);
  return bytes?.length ? hexDump(bytes, $('timeline').clientWidth < 720) : undefined;
}

const coloured = (json) => json.split(/^(\s*"(?:[^"\\]|\\.)*")(?=:)/m).map((piece, i) => i % 2 ? cell('key', piece) : piece);

function pushLine(push, startedMs) {
  const { action, connection, connections, failed, data_type, data, err_no, err_msg, at_ms } = push;
  const to = connections != null ? batchText(push) : connection === own.id ? t`mine` : shortId(connection ?? '');
  const what = !action ? t`malformed` : `${action === 'closing' ? t`close` : data_type} → ${to}`;
  const answer = connections != null && failed ? cell('pushed failed', t`✕ ${failed} of ${connections}`) : err_no === 0 ? cell('quiet', `✓ ${err_msg}`) : cell('pushed failed', `✕ ${err_no} ${err_msg}`);
  if (push.compressed_bytes) answer.append(compressionCell(push));
  answer.append(cell('quiet', `  +${Math.max(0, at_ms - startedMs)} ms`));
  const text = data == null ? '' : frameText(data_type, data) ?? data;
  return el('div', { className: 'push' }, cell('quiet', what, connection ?? ''), el('code', {}, text), el('div', { className: 'push-answer' }, answer, curlButton(action, connection, data_type, data)));
}

function curlButton(action, connection, dataType, data) {
  // A batch's ids are not recorded.
  if (!action || connection == null || (action === 'data send' && data == null)) return null;
  const websocket = action === 'closing' ? { action, secConnectionID: connection } : { action, secConnectionID: connection, dataType, data };
  return button(t`Copy as curl`, t`A command that pushes this again`, ({ target }) => copy(target, curl(PUSH, JSON.stringify({ websocket }))));
}

// One row of the timeline: what stands in it while it is folded.

import { cell, el } from './dom.js';
import { clock, count, milliseconds, parse, shortId, size } from './format.js';
import { own } from './own.js';
import { BAD_OUTCOMES, OUTCOMES, t } from './words.js';

const PARTS = ['queued', 'init', 'function', 'gateway'];

export function isBad({ kind, outcome, what, message, err_no, failed, pushes_malformed }) {
  if (kind === 'push') return err_no !== 0 || failed > 0;
  return BAD_OUTCOMES.has(outcome) || pushes_malformed > 0 || (what === 'ended' && /kill|signal|status [^0]/.test(message ?? ''));
}

export function cells(record) {
  const { kind, role, started_ms, cold, total_ms } = record;
  const instance = record.instance ?? '', connection = record.connection ?? '';
  const mine = connection && connection === own.id;
  // The tag beside it already says the role, so that of “transfer-1” only the number is needed.
  const name = cell('instance', instance.replace(`${role}-`, '#'), instance);
  if (cold) name.append(cell('cold', t`cold`, t`A new instance was started for this event`));
  const start = [cell('fold', '▶'), cell('time', clock(started_ms)), cell('tag', role ?? { connection: t`client`, push: t`push` }[kind]), name,
    cell(mine ? 'client mine' : 'client', mine ? t`mine` : shortId(connection), connection && t`connection ${connection}`), whatCell(record)];
  if (kind !== 'invocation') return start;
  const time = total_ms == null ? '…' : `${milliseconds(total_ms)} ms`;
  return [...start, barCell(record), cell('ms', time, partsText(record)), cell('outcome', outcomeText(record))];
}

function outcomeText({ outcome, pushes_malformed }) {
  return outcome === 'ok' && pushes_malformed ? t`✕ bad push` : OUTCOMES[outcome] ?? outcome;
}

function whatCell(record) {
  const text = rowText(record);
  const node = cell('what', el('span', {}, text), text);
  if (record.replay) node.append(cell('cold', t`replay`, t`Sent again from the page`));
  if (record.compressed_bytes) node.append(compressionCell(record));
  if (record.pushes_total) node.append(pushesCell(record));
  return node;
}

/** How much smaller a frame was on the wire. */
export const compressionCell = ({ frame_bytes, compressed_bytes }) =>
  cell('cold', `${(frame_bytes / compressed_bytes).toFixed(1)} ×`, t`Compressed: ${size(frame_bytes)} sent as ${size(compressed_bytes)}`);

function pushesCell({ pushes_total, pushes_failed, pushes_malformed }) {
  const pushes = count(pushes_total, 'push', 'pushes');
  if (pushes_malformed) return cell('pushed failed', t`← ${pushes_malformed} of ${pushes} malformed`);
  return pushes_failed ? cell('pushed failed', t`← ${pushes_failed} of ${pushes} failed`) : cell('pushed', `← ${pushes}`);
}

/** What happened, in a line. */
export const rowText = (record) =>
  ({ instance: instanceText, connection: connectionText, invocation: invocationText, push: pushText })[record.kind](record);

const withMessage = (text, message) => message ? `${text}: ${message}` : text;
const instanceText = ({ pid, what, message }) => withMessage({ started: t`instance started, process ${pid}`, ready: t`instance ready, process ${pid}` }[what] ?? t`instance ended`, message);

function connectionText({ what, path, sub_protocol, message }) {
  if (what === 'opened') return t`connected to ${path}` + (sub_protocol ? `, ${t`sub-protocol ${sub_protocol}`}` : '');
  return withMessage(what === 'refused' ? t`not connected to ${path}` : t`disconnected from ${path}`, message);
}

function pushText(push) {
  const { action, connections, data_type, data, err_no, err_msg } = push;
  if (!action) return t`not a push: ${err_msg}`;
  const what = t`${action === 'closing' ? t`close` : dataText(data_type, data)}, pushed from outside`;
  if (connections != null) return t`${what} to ${batchText(push)}`;
  return err_no === 0 ? what : `${what}: ${err_msg}`;
}

/** To how many connections a batch went, and how many of them it did not reach. */
export const batchText = ({ connections, failed }) => count(connections, 'connection') + (failed ? t`, ${failed} failed` : '');

function invocationText({ role, event, event_bytes, message }) {
  if (message) return message;
  if (role === 'cleanup') return t`client disconnected`;
  const { requestContext, websocket } = parse(event) ?? {};
  if (!websocket) return cutEventText(event, event_bytes);
  const { secWebSocketProtocol: offered, dataType, data } = websocket;
  if (role === 'register') return t`connection request for ${requestContext?.path ?? ''}` + (offered ? t`, offers ${offered}` : '');
  return dataText(dataType, data);
}

const dataText = (dataType, data) =>
  dataType === 'binary' ? t`binary, ${size(Math.floor(String(data).replace(/=+$/, '').length * 0.75))}` : `“${String(data ?? '').slice(0, 200)}”`;

// A long event arrives cut and is no JSON any more; its beginning still tells what it was.
function cutEventText(event, bytes) {
  const text = /"data":\s*"(.{0,200})/.exec(event);
  return text && !/"dataType":\s*"binary"/.test(event) ? `“${text[1]}` : t`event of ${size(bytes)}`;
}

function barCell(record) {
  const bar = cell('bar', '', partsText(record));
  for (const part of PARTS) {
    if (record.total_ms == null || !(record[`${part}_ms`] > 0)) continue;
    const slice = el('i', {});
    slice.dataset.part = part;
    // Grow factors that add up to less than one would leave a part of the bar empty.
    slice.style.flexGrow = 1000 * record[`${part}_ms`];
    bar.append(slice);
  }
  return bar;
}

/** The measured parts of an invocation with their times. */
export const times = (record) => PARTS.filter((part) => record[`${part}_ms`] != null).map((part) => [part, `${milliseconds(record[`${part}_ms`])} ms`]);
const partsText = (record) => times(record).map(([part, time]) => `${t([part])} ${time}`).join(', ');

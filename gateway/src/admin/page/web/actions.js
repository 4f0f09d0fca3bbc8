// What the page asks the gateway to do.

import { t } from './words.js';

/** Posts JSON to one of the gateway's actions; returns its `errNo` and `errMsg`. */
export async function act(path, body) {
  try {
    const response = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
    return await response.json();
  } catch (error) {
    return { errNo: -1, errMsg: t`no answer from the gateway: ${error.message}` };
  }
}

export const push = (websocket) => act('/timeline/push', { websocket });
export const closeConnection = (id) => push({ action: 'closing', secConnectionID: id });
export const replay = (id) => act('/timeline/replay', { id });

/** A shell command that posts the same. `json` is a text, so that numbers and their like stay as they are. */
export function curl(path, json) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  return `curl -sS -H 'Content-Type: application/json' --data-binary ${quoted(json)} ${quoted(location.origin + path)}`;
}

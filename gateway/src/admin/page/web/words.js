// The page's words in the browser's language. The English ones stand where they are shown, and chinese.js has the others.

import { CHINESE } from './chinese.js';

const WORDS = navigator.language.startsWith('zh') ? CHINESE : {};

/** t`closed: ${code}`: the text in the browser's language, in which `{0}` stands for the first value. */
export function t(texts, ...values) {
  const english = texts.reduce((text, next, at) => `${text}{${at - 1}}${next}`);
  return (WORDS[english] ?? english).replace(/\{(\d)\}/g, (_, at) => values[at]);
}

/** Puts the texts and labels of index.html into the browser's language. */
export function translate() {
  if (WORDS !== CHINESE) return;
  document.documentElement.lang = 'zh-CN';
  for (const name of ['aria-label', 'title', 'placeholder', 'data-empty']) {
    for (const node of document.querySelectorAll(`[${name}]`)) node.setAttribute(name, t([node.getAttribute(name)]));
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim();
    if (text) texts.currentNode.data = texts.currentNode.data.replace(text, () => t([text]));
  }
  document.title = t`WebSocket gateway`;
}

export const OUTCOMES = {
  running: t`… running`, ok: t`✓ ok`, refused: t`⊘ refused`, error: t`✕ error`, timed_out: t`✕ timed out`, crashed: t`✕ crashed`,
  overloaded: t`✕ overload`, unavailable: t`✕ down`, circuit_open: t`✕ circuit`, store_unavailable: t`✕ store`, abandoned: t`– given up`,
};
export const BAD_OUTCOMES = new Set(['error', 'timed_out', 'crashed', 'overloaded', 'unavailable', 'circuit_open', 'store_unavailable']);

export const GATEWAY_DOWN = t`No answer from the gateway. Is it still running? Trying again every second.`;
export const NOT_OPENED = t`The connection was refused or not answered. Browsers do not tell a page why, but the timeline does: look in its newest row.`;

export const CLOSE_CODES = {
  1000: t`A normal close: one side asked for it and the other agreed.`,
  1001: t`The gateway is shutting down.`,
  1002: t`One side violated the WebSocket protocol.`,
  1005: t`It was closed without a code.`,
  1006: t`The connection was lost without a close frame: the gateway ended or the network failed.`,
  1007: t`A text frame was not valid UTF-8.`,
  1008: t`The gateway closed it because this client broke a limit, for example by reading too slowly.`,
  1009: t`Too big: the frame, or the event made of it, exceeds 6 MiB.`,
  1011: t`A function failed on a frame, so the gateway closed the connection. The red row in the timeline says why.`,
  1012: t`The gateway was cut off from its cluster, where another one took its clients over. Connect again.`,
  1013: t`The transfer function is overloaded or cannot be reached, and did not run. Try again later.`,
};
export const OTHER_CODE = t`A code of the application or of an extension.`;

export const REPLAY_TITLES = {
  register: t`Calls the register function with this event again. Its answer opens no connection.`,
  transfer: t`Calls the transfer function with this event again.`,
  cleanup: t`Calls the cleanup function with this event again. It closes no connection.`,
};

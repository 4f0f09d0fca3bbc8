// The sentences that are longer than a label.

export const OUTCOMES = {
  running: '… running', ok: '✓ ok', refused: '⊘ refused', error: '✕ error', timed_out: '✕ timed out', crashed: '✕ crashed',
  overloaded: '✕ overload', unavailable: '✕ down', circuit_open: '✕ circuit', store_unavailable: '✕ store', abandoned: '– given up',
};
export const BAD_OUTCOMES = new Set(['error', 'timed_out', 'crashed', 'overloaded', 'unavailable', 'circuit_open', 'store_unavailable']);

export const GATEWAY_DOWN = 'No answer from the gateway. Is it still running? Trying again every second.';
export const NOT_OPENED = 'The connection was refused or not answered. Browsers do not tell a page why, but the time line does: look in the newest register row.';

export const CLOSE_CODES = {
  1000: 'A normal close: one side asked for it and the other agreed.',
  1001: 'The gateway is shutting down.',
  1002: 'One side violated the WebSocket protocol.',
  1005: 'It was closed without a code.',
  1006: 'The connection was lost without a close frame: the gateway ended or the network failed.',
  1007: 'A text frame was not valid UTF-8.',
  1008: 'The gateway closed it because this client broke a limit, for example by reading too slowly.',
  1009: 'Too big: the frame, or the event made of it, exceeds 6 MiB.',
  1011: 'A function failed on a frame, so the gateway closed the connection. The red row in the time line says why.',
};
export const OTHER_CODE = 'A code of the application or of an extension.';

export const REPLAY_TITLES = {
  register: 'Calls the register function with this event again. Its answer opens no connection.',
  transfer: 'Calls the transfer function with this event again.',
  cleanup: 'Calls the cleanup function with this event again. It closes no connection.',
};

// Values as text.

import { t } from './words.js';

const KIB = 1024, MIB = 1024 * 1024;
const HEX_BYTES = 1024;

export const clock = (ms) => `${new Date(ms).toTimeString().slice(0, 8)}.${String(Math.floor(ms % 1000)).padStart(3, '0')}`;
export const count = (n, word, plural = `${word}s`) => t([`{0} ${n === 1 ? word : plural}`], n.toLocaleString('en'));
export const milliseconds = (n) => n == null ? '–' : n.toFixed(n >= 100 ? 0 : n >= 10 ? 1 : 2);
export const shortId = (id) => id.slice(0, 6);

/** The contract's limit of an event is 6 MiB. */
export function size(bytes) {
  if (bytes < 10000) return count(bytes, 'byte');
  return bytes < MIB ? `${(bytes / KIB).toFixed(1)} KiB` : `${(bytes / MIB).toFixed(2)} MiB`;
}

export function parse(text) {
  try { return JSON.parse(text); } catch { return undefined; }
}

/** An object or array in JSON with indentation; undefined for everything else, numbers and quoted strings included. */
export function pretty(text) {
  if (!/^\s*[[{]/.test(text)) return undefined;
  const value = parse(text);
  return value === undefined ? undefined : JSON.stringify(value, null, 2);
}

/** Bytes of a Base64 text, which may have been cut anywhere. */
export function bytesOf(base64) {
  const whole = base64.replace(/=+$/, '');
  try { return Uint8Array.from(atob(whole.slice(0, whole.length - (whole.length % 4 === 1 ? 1 : 0))), (char) => char.charCodeAt(0)); } catch { return undefined; }
}

/** Offset, bytes in hexadecimal, the same as ASCII; eight of them where sixteen do not fit in a line. */
export function hexDump(bytes, narrow) {
  const width = narrow ? 8 : 16;
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, HEX_BYTES); at += width) {
    const slice = [...bytes.subarray(at, at + width)];
    const hex = slice.map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(3 * width - 1);
    const ascii = slice.map((byte) => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.').join('');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex}  ${ascii}`);
  }
  if (bytes.length > HEX_BYTES) lines.push(t`… ${size(bytes.length - HEX_BYTES)} more`);
  return lines.join('\n');
}

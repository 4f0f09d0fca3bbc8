// Elements, repainting, the clipboard.

import { t } from './words.js';

const FEEDBACK_MS = 1500;

export const $ = (id) => document.getElementById(id);

/** An element; children that are strings become text, never markup. */
export function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((child) => child != null));
  return node;
}
export const cell = (className, text, title = '') => el('span', { className, title }, text);

/** A heading and what stands below it. */
export const part = (title, wide, ...content) => el('div', { className: wide ? 'wide' : '' }, el('h3', {}, title), ...content);
// Reachable by Tab, so that a long text can be scrolled with the keyboard.
export const scrolled = (label, ...children) => el('pre', { tabIndex: 0, role: 'group', ariaLabel: label }, ...children);
/** A small button; `act` receives the click. */
export function button(text, title, act) {
  const node = el('button', { type: 'button', className: 'small', title }, text);
  node.addEventListener('click', act);
  return node;
}

const painters = [];
let scheduled = false;

/** Calls this with each repaint that was scheduled. */
export const onPaint = (paint) => painters.push(paint);

// A flood of frames and records becomes one change of the page per painted picture.
export function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => { scheduled = false; painters.forEach((paint) => paint()); });
}

/** Puts a text into the clipboard and says so on the button. */
export async function copy(node, text) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Outside of a secure context, that is over plain HTTP from another machine, only the old way works.
    copied = copyBySelection(text);
    node.focus();
  }
  say(node, copied ? t`Copied` : t`Not copied`);
}

function copyBySelection(text) {
  const area = el('textarea', { className: 'unseen', value: text });
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}

/** Shows a word on a button for a moment. */
export function say(node, word) {
  node.dataset.text ??= node.textContent;
  node.textContent = word;
  clearTimeout(node.feedback);
  node.feedback = setTimeout(() => { node.textContent = node.dataset.text; }, FEEDBACK_MS);
}

export function download(name, parts) {
  const link = el('a', { href: URL.createObjectURL(new Blob(parts)), download: name });
  link.click();
  // The download has its own hold on the data once it has begun.
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// What was sent from a text field, brought back with the arrow keys as in a shell.

const KEPT = 100;

export class History {
  constructor(field, name) {
    this.field = field;
    this.name = name;
    this.entries = JSON.parse(sessionStorage.getItem(name) ?? '[]');
    this.leave();
  }

  /** Remembers what was sent. */
  add(text) {
    if (text && this.entries.at(-1) !== text) this.entries.push(text);
    this.entries = this.entries.slice(-KEPT);
    sessionStorage.setItem(this.name, JSON.stringify(this.entries));
    this.leave();
  }

  /** Back to what is being written. */
  leave() {
    this.at = this.entries.length;
    this.draft = '';
  }

  /** Whether the key was one of the history's: up on the first line, down on the last. */
  takes({ key, shiftKey, ctrlKey, altKey, metaKey, isComposing }) {
    if (shiftKey || ctrlKey || altKey || metaKey || isComposing) return false;
    const { value, selectionStart, selectionEnd } = this.field;
    if (key === 'ArrowUp' && !value.slice(0, selectionStart).includes('\n')) return this.go(this.at - 1);
    if (key === 'ArrowDown' && !value.slice(selectionEnd).includes('\n')) return this.go(this.at + 1);
    return false;
  }

  go(to) {
    if (to < 0 || to > this.entries.length) return false;
    if (this.at === this.entries.length) this.draft = this.field.value;
    this.at = to;
    this.field.value = this.entries[to] ?? this.draft;
    return true;
  }
}

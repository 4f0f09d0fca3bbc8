// Which connection is this page's own. A browser does not show a page the id of its connection. The gateway records an
// 'opened' for it between the connect and shortly after the open. If others opened in that time too, the choice narrows
// as they close; nothing is guessed.

const SETTLE_MS = 250;

export const own = {
  id: null, candidates: new Set(), listening: false, connected: false, since: 0, newestMs: 0,
  /** Called with the id before and the id now. */
  changed: () => {},

  expect() {
    this.candidates.clear();
    Object.assign(this, { listening: true, connected: true, since: this.newestMs });
    this.choose();
  },
  settle() { setTimeout(() => { if (this.candidates.size) this.listening = false; }, SETTLE_MS); },
  leave() { Object.assign(this, { listening: false, connected: false }); },
  see({ kind, what, connection, started_ms }) {
    this.newestMs = Math.max(this.newestMs, started_ms);
    if (kind !== 'connection') return;
    if (what === 'opened' && this.listening && started_ms >= this.since) this.candidates.add(connection);
    else if (what === 'closed' && this.connected && connection !== this.id) this.candidates.delete(connection);
    this.choose();
  },
  choose() {
    const before = this.id;
    if (this.candidates.size === 1) [this.id] = this.candidates;
    else if (this.listening) this.id = null;
    if (this.id !== before) this.changed(before, this.id);
  },
};

// A scrolled list that follows its end, unless the reader has scrolled away or reads an unfolded row.

import { t } from './words.js';

export class Follower {
  constructor(list, jump) {
    Object.assign(this, { list, jump, missed: 0, height: 0 });
    // What stands above the list may grow by a line; that the end then slips out of view is no scrolling away.
    list.addEventListener('scroll', () => { if (list.clientHeight === this.height) this.showJump(); }, { passive: true });
    new ResizeObserver(() => { if (this.jump.hidden) this.toEnd(); this.showJump(); }).observe(list);
    jump.addEventListener('click', () => { list.focus({ preventScroll: true }); this.toEnd(); this.showJump(); });
  }
  atEnd() { return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 24; }
  toEnd() { this.list.scrollTop = this.list.scrollHeight; }
  firstInView() {
    const top = this.list.getBoundingClientRect().top;
    return [...this.list.children].find((child) => child.getBoundingClientRect().bottom > top);
  }
  change(added, act) {
    const follow = this.jump.hidden && !this.list.querySelector('details[open]:focus-within');
    const anchor = follow ? null : this.firstInView();
    const before = anchor?.getBoundingClientRect().top;
    act();
    if (follow) this.toEnd();
    else if (anchor?.isConnected && !anchor.hidden) this.list.scrollTop += anchor.getBoundingClientRect().top - before;
    if (!follow) this.missed += added;
    this.showJump();
  }
  showJump() {
    this.height = this.list.clientHeight;
    this.jump.hidden = this.atEnd();
    if (this.jump.hidden) this.missed = 0;
    this.jump.textContent = this.missed ? t`↓ ${this.missed} new` : t`↓ Newest`;
  }
}

// The messages of a room. What others wrote is only ever text, never markup.

const MOST = 1_000; // lines that stay in the page
const NEAR = 40; // px from the end that count as the end
const TOGETHER = 5 * 60_000; // ms within which lines of a person belong together
const LINK = /https?:\/\/[^\s<>"'\u2066-\u2069]+[^\s<>"'.,;:!?)\]}\u2066-\u2069]/g;

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });

export function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

export class Log {
  constructor(root, below, onRead) {
    Object.assign(this, { root, below, onRead, own: new Set(), last: null, number: 0, marked: false, waiting: [], scheduled: false, end: true, top: 0 });
    root.addEventListener('scroll', () => {
      // Lines may have arrived since the page itself scrolled to the end: only going up leaves it.
      const isUp = root.scrollTop < this.top;
      this.top = root.scrollTop;
      const isNear = root.scrollHeight - root.scrollTop - root.clientHeight < NEAR;
      this.end = isNear || (this.end && !isUp);
      if (isNear) this.atEnd();
    });
    new ResizeObserver(() => { if (this.end) this.stick(); }).observe(root);
    below.addEventListener('click', () => { this.toEnd(); root.focus(); });
    document.addEventListener('visibilitychange', () => { if (!document.hidden && this.end) this.atEnd(); });
  }

  clear() {
    this.root.replaceChildren();
    Object.assign(this, { last: null, number: 0, marked: false, waiting: [], end: true, top: 0 });
    this.below.hidden = true;
  }

  stick() {
    this.root.scrollTop = this.root.scrollHeight;
    this.top = this.root.scrollTop;
  }

  atEnd() {
    if (document.hidden) return;
    this.below.hidden = true;
    this.onRead(this.number);
  }

  toEnd() {
    this.end = true;
    this.schedule();
    this.stick();
    this.atEnd();
  }

  /** The page is laid out once for all that arrives together. */
  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(() => {
      this.scheduled = false;
      // Nothing moves under the eyes of who reads further up, within a bound.
      const most = this.end ? MOST : 3 * MOST;
      while (this.root.childElementCount > most) this.root.firstElementChild.remove();
      if (!this.end) return;
      this.stick();
      this.atEnd();
    }, 16);
  }

  put(node) {
    this.root.insertBefore(node, this.waiting[0] ?? null);
    this.schedule();
  }

  mark() {
    if (this.marked) return;
    this.marked = true;
    this.root.querySelector('.mark')?.remove();
    this.put(element('div', { class: 'mark' }, 'New messages'));
  }

  /** A line, unless it is there already. `isNew` if it was said while nobody looked. */
  line(line, isOwn, isNew) {
    if (line.number <= this.number) return;
    this.number = line.number;
    const date = new Date(line.at);
    if (!this.last || new Date(this.last.at).toDateString() !== date.toDateString()) {
      this.put(element('div', { class: 'day' }, day.format(date)));
      this.last = null;
    }
    if (isOwn) this.marked = false;
    else if (isNew || !this.end || document.hidden) this.mark();
    else if (this.end) this.marked = false;
    const again = this.last?.from === line.from && line.at - this.last.at < TOGETHER;
    this.last = line;
    this.put(this.draw(line, isOwn, again));
    if (!this.end && !isOwn) this.below.hidden = false;
  }

  draw(line, isOwn, again) {
    const when = new Date(line.at);
    const clock = line.at ? element('time', { datetime: when.toISOString(), title: when.toLocaleString() }, time.format(when)) : '';
    return element('div', { class: `line${isOwn ? ' own' : ''}${again ? ' again' : ''}` },
      element('bdi', { class: 'from' }, isOwn ? 'You' : line.from), element('span', { class: 'text', dir: 'auto' }, ...this.links(line.text)), clock);
  }

  /** A link is a button that shows where it leads before it is opened. */
  links(text) {
    const parts = [];
    let at = 0;
    for (const match of text.matchAll(LINK)) {
      const link = element('button', { type: 'button', class: 'link', title: 'Open this link' }, match[0]);
      link.addEventListener('click', () => {
        let target;
        try { target = new URL(match[0]); } catch { return; }
        if (confirm(`Open ${target.href} ?`)) open(target.href, '_blank', 'noopener,noreferrer');
      });
      parts.push(text.slice(at, match.index), link);
      at = match.index + match[0].length;
    }
    parts.push(text.slice(at));
    return parts;
  }

  event(text) {
    this.put(element('div', { class: 'event' }, text));
    this.last = null;
  }

  /** Own lines that the room does not have yet. */
  showWaiting(lines) {
    for (const node of this.waiting) node.remove();
    this.waiting = lines.map(({ text }) => {
      const node = this.draw({ text, at: 0, from: '' }, true, true);
      node.classList.add('waiting');
      node.setAttribute('aria-label', 'waiting to be sent');
      return node;
    });
    this.root.append(...this.waiting);
    this.schedule();
  }
}

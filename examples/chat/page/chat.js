// The page: entering, the room, the list of rooms, and what is unread in them.
import { Log, element } from './log.js';
import { Wire, randomId } from './wire.js';

const $ = (id) => document.getElementById(id);
const TYPING_EVERY = 3_000; // ms
const TYPING_SHOWN = 5_000;
const MOST_NAMES = 200; // members that are listed by name

/** Kept over a reload, if the browser allows it. */
const memory = {
  get(key, fallback) { try { return JSON.parse(localStorage.getItem(key)) ?? fallback; } catch { return fallback; } },
  set(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* it is forgotten */ } },
};

// One window of a browser is one person: a second window may have another name.
const key = sessionStorage.getItem('key') ?? randomId();
sessionStorage.setItem('key', key);

const read = memory.get('read', {}); // number of the last line that was seen, by room
let wire = null, room = '', name = '', typed = 0, noticeTimer = 0;
let members = new Set();
const rooms = new Map(), typing = new Map();

const log = new Log($('log'), $('below'), (number) => {
  if (!room || (read[room] ?? 0) === number) return;
  read[room] = number;
  memory.set('read', read);
  showRooms();
});

function enter(newRoom) {
  wire?.stop();
  room = newRoom;
  members = new Set();
  typing.clear();
  log.clear();
  $('title').textContent = `# ${room}`;
  document.title = `${room} – Chat`;
  showMembers();
  showTyping();
  closeMenu();
  wire = new Wire(room, { name, key }, { message: receive, state: showState, ended, waiting: (lines) => log.showWaiting(lines) });
}

function showState(words) {
  $('state').textContent = words || 'Connected';
  $('state').title = words;
}

function ended(words, isRefusal) {
  wire = null;
  $('hall').hidden = true;
  $('door').hidden = false;
  $('why').textContent = words;
  $(isRefusal ? 'name' : 'room').focus();
}

function receive(message) {
  switch (message.type) {
    case 'welcome': return welcome(message);
    case 'line':
      typing.delete(message.from);
      showTyping();
      return log.line(message, message.from === name, false);
    case 'members': return changeMembers(message);
    case 'typing':
      for (const each of message.names) if (each !== name) typing.set(each, Date.now() + TYPING_SHOWN);
      return showTyping();
    case 'rooms': return changeRooms(message.rooms);
    case 'sorry': return notice(message.wait ? `${message.why} Your message is sent in a moment.` : message.why);
  }
}

function welcome(message) {
  const isFirst = $('hall').hidden;
  name = message.name;
  memory.set('name', name);
  $('door').hidden = true;
  $('hall').hidden = false;
  members = new Set(message.members);
  showMembers();
  const seen = read[room] ?? 0;
  // A store that was deleted counts from the beginning again.
  const last = message.lines.at(-1)?.number ?? 0;
  const before = last < seen ? 0 : seen;
  if (last < log.number) log.clear();
  const entering = log.number === 0;
  for (const line of message.lines) log.line(line, line.from === name, before > 0 && line.number > before);
  rooms.clear();
  changeRooms(message.rooms);
  if (entering) log.toEnd();
  if (isFirst) $('text').focus();
}

function changeMembers({ joined, left }) {
  const came = joined.filter((each) => !members.has(each)), gone = left.filter((each) => members.has(each));
  for (const each of left) { members.delete(each); typing.delete(each); }
  for (const each of joined) members.add(each);
  showMembers();
  showTyping();
  tell(came.filter((each) => each !== name), 'joined');
  tell(gone, 'left');
}

function tell(names, what) {
  if (!names.length) return;
  const parts = names.slice(0, 3).flatMap((each) => [element('bdi', {}, each), ', ']).slice(0, -1);
  if (names.length > 3) parts.push(` and ${names.length - 3} more`);
  log.event(element('span', {}, ...parts, names.length > 1 ? ` have ${what}` : ` has ${what}`));
}

function showMembers() {
  const sorted = [...members].sort((a, b) => (b === name) - (a === name) || a.localeCompare(b));
  $('count').textContent = `(${members.size})`;
  const items = sorted.slice(0, MOST_NAMES).map((each) => element('li', each === name ? { class: 'me' } : {},
    element('bdi', {}, each), each === name ? ' (you)' : ''));
  if (sorted.length > MOST_NAMES) items.push(element('li', {}, `and ${sorted.length - MOST_NAMES} more`));
  $('members').replaceChildren(...items);
}

function changeRooms(changed) {
  for (const each of changed) {
    if (each.members || each.number) rooms.set(each.room, each);
    else rooms.delete(each.room);
    // What was said before one came is not unread.
    if (!(each.room in read) || read[each.room] > each.number) read[each.room] = each.number;
  }
  showRooms();
}

function showRooms() {
  let elsewhere = 0;
  const focused = document.activeElement?.dataset?.room;
  const sorted = [...rooms.values()].sort((a, b) => (b.room === room) - (a.room === room) || b.at - a.at || a.room.localeCompare(b.room));
  $('rooms').replaceChildren(...sorted.map((each) => {
    const unread = Math.max(0, each.number - (read[each.room] ?? 0));
    if (each.room !== room) elsewhere += unread;
    const button = element('button', { type: 'button', 'data-room': each.room }, element('b', {}, `# ${each.room}`));
    if (unread && each.room !== room) button.append(element('span', { class: 'badge', 'aria-label': `${unread} unread` }, unread > 99 ? '99+' : `${unread}`));
    else button.append(element('span', {}));
    button.append(element('span', { class: 'last' },
      ...(each.number ? [element('bdi', {}, each.from), ': ', element('bdi', {}, each.text.replace(/\s+/g, ' '))] : ['No messages yet'])));
    if (each.room === room) button.setAttribute('aria-current', 'page');
    button.addEventListener('click', () => { if (each.room === room) closeMenu(); else { enter(each.room); $('text').focus(); } });
    return element('li', {}, button);
  }));
  if (focused) document.querySelector(`[data-room="${focused}"]`)?.focus();
  $('elsewhere').hidden = !elsewhere;
  $('elsewhere').textContent = elsewhere > 99 ? '99+' : elsewhere;
}

function showTyping() {
  const now = Date.now();
  for (const [each, until] of typing) if (until <= now) typing.delete(each);
  const names = [...typing.keys()].slice(0, 3).flatMap((each) => [element('bdi', {}, each), ', ']).slice(0, -1);
  if (names.length) names.push(typing.size > 3 ? ' and others are typing…' : typing.size > 1 ? ' are typing…' : ' is typing…');
  $('typing').replaceChildren(...names);
}
setInterval(() => { if (typing.size) showTyping(); }, 1_000);

function notice(words) {
  $('notice').textContent = words;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { $('notice').textContent = ''; }, 6_000);
}

function closeMenu() {
  $('hall').classList.remove('open');
  $('menu').setAttribute('aria-expanded', 'false');
}

function say() {
  const text = $('text').value.trim();
  if (!text || !wire) return;
  if (!wire.say(randomId(), text)) return notice('Too many messages are waiting to be sent.');
  $('text').value = '';
  grow();
  typed = 0;
  log.toEnd();
}

function grow() {
  $('text').style.height = 'auto';
  $('text').style.height = `${$('text').scrollHeight + 2}px`;
}

$('enter').addEventListener('submit', (event) => {
  event.preventDefault();
  name = $('name').value;
  $('why').textContent = '';
  enter($('room').value);
});
$('other').addEventListener('submit', (event) => {
  event.preventDefault();
  enter($('other-room').value);
  $('other-room').value = '';
  $('text').focus();
});
$('say').addEventListener('submit', (event) => { event.preventDefault(); say(); $('text').focus(); });
$('text').addEventListener('keydown', (event) => {
  // Not while an input method composes a character.
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); say(); }
});
$('text').addEventListener('input', () => {
  grow();
  if (!$('text').value || Date.now() - typed < TYPING_EVERY) return;
  typed = Date.now();
  wire?.types();
});
$('menu').addEventListener('click', () => {
  $('menu').setAttribute('aria-expanded', String($('hall').classList.toggle('open')));
});
addEventListener('keydown', (event) => { if (event.key === 'Escape') closeMenu(); });
$('leave').addEventListener('click', () => { wire?.stop(); ended('', true); });

$('name').value = memory.get('name', '');
if (/^#[a-z0-9-]{1,32}$/.test(location.hash)) $('room').value = location.hash.slice(1);

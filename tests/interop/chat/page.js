// Chromium with the page of the example `chat`.
//
// usage: page.js CHROMIUM FOLDER HOST:PORT fast|all [PART]
//
// Prints `ok NAME` or `FAIL NAME: why` for each scenario, and leaves screenshots in the folder. The runner stops the server after
// the line `stop`, and starts it again after `start`.
'use strict';

const puppeteer = require('puppeteer-core');
const { WebSocket } = require('ws');
const assert = require('node:assert/strict');
const path = require('node:path');

const [executablePath, folder, address, extent, part = ''] = process.argv.slice(2);
const PATIENCE = 15_000; // ms for a step
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-proxy-server', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'];

let browser;
let contexts = [], crowds = [];

/** A page that somebody looks at. Nothing is shared with other pages. */
class Visitor {
  static async comes(viewport = DESKTOP, scheme = 'light') {
    const context = await browser.createBrowserContext();
    contexts.push(context);
    const visitor = new Visitor();
    visitor.page = await context.newPage();
    visitor.wrong = [];
    visitor.page.on('pageerror', (error) => visitor.wrong.push(error.message));
    // The console also reports connections that fail, which is no fault of the page.
    visitor.page.on('console', (message) => {
      if (message.type() === 'error' && !/ERR_CONNECTION|WebSocket connection|Failed to load resource/.test(message.text())) {
        visitor.wrong.push(message.text());
      }
    });
    visitor.page.setDefaultTimeout(PATIENCE);
    await visitor.page.setViewport(viewport);
    await visitor.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await visitor.page.goto(`http://${address}/`);
    return visitor;
  }

  async joins(name, room) {
    await this.types('#name', name);
    await this.types('#room', room);
    await this.page.click('#enter button');
    await this.shows('#state', /^Connected$/);
    return this;
  }

  async types(field, text) {
    await this.page.$eval(field, (element) => { element.value = ''; });
    await this.page.type(field, text);
  }

  async says(text) {
    await this.page.type('#text', text);
    await this.page.keyboard.press('Enter');
  }

  text(selector) {
    return this.page.$eval(selector, (found) => found.innerText);
  }

  async shows(selector, pattern) {
    try {
      await this.page.waitForFunction(
        (selector, source) => new RegExp(source, 's').test(document.querySelector(selector).innerText.trim()), {}, selector, pattern.source);
    } catch {
      assert.fail(`${selector} shows '${(await this.text(selector)).slice(-200)}', not ${pattern}`);
    }
  }

  texts() {
    return this.page.$$eval('#log .line .text', (found) => found.map((each) => each.innerText));
  }

  atEnd() {
    return this.page.$eval('#log', (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 2);
  }

  /** Nothing may hang over the edge, and nothing may be too small to touch. */
  async fits() {
    // A phone zooms out to show what hangs over: the width to fit in is the one that was set.
    assert.deepEqual(await this.page.evaluate((width) => {
      const found = [];
      if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
      for (const element of document.querySelectorAll('input, textarea, button:not(.link), #log, #members')) {
        const box = element.getBoundingClientRect();
        if (!box.width || element.closest('#rooms')) continue;
        if (box.left < 0 || box.right > width + 1 || box.bottom > innerHeight + 1) found.push(`${element.id} is outside`);
        if (element.matches('input, button') && box.height < 40) found.push(`${element.id} is ${box.height} high`);
      }
      return found;
    }, this.page.viewport().width), []);
  }

  async shot(name) {
    await this.page.screenshot({ path: path.join(folder, `${name}.png`) });
  }
}

/** Members without a page. */
class Crowd {
  static async comes(count, room) {
    const crowd = new Crowd();
    crowds.push(crowd);
    crowd.members = [];
    for (let from = 0; from < count; from += 100) {
      const some = Array.from({ length: Math.min(100, count - from) }, (_, i) => Crowd.member(`Member ${from + i + 1}`, room));
      crowd.members.push(...await Promise.all(some));
    }
    return crowd;
  }

  static member(name, room) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${address}/rooms/${room}`, { perMessageDeflate: false });
      // Names that differ by one digit only may look alike.
      const spelt = name.replace(/\d/g, (digit) => 'abcdefghij'[digit]);
      socket.on('open', () => socket.send(JSON.stringify({ type: 'hello', name: spelt, key: 'a-key-of-mine' })));
      socket.once('message', () => resolve(socket));
      socket.once('close', (code, reason) => reject(new Error(`${spelt}: ${code} ${reason}`)));
      socket.on('error', reject);
    });
  }

  says(member, id, text) {
    this.members[member].send(JSON.stringify({ type: 'say', id: `crowd-${id}`, text }));
  }

  leaves() {
    for (const socket of this.members) { socket.removeAllListeners('close'); socket.terminate(); }
  }
}

async function conversation(viewport, scheme, name) {
  const ann = await Visitor.comes(viewport, scheme);
  await ann.fits();
  await ann.shot(`${name}-door`);
  await ann.joins('Ann', name);
  const bob = await (await Visitor.comes(viewport, scheme)).joins('Bob', name);
  await ann.shows('#log', /Bob has joined/);
  await ann.shows('#count', /^\(2\)$|^$/);
  await ann.says('Good morning! 👋 How are you?');
  await bob.shows('#log', /Good morning! 👋/);
  const markup = '<b>bold</b> & <img src=x onerror=alert(1)>';
  await bob.says(markup);
  await ann.shows('#log', /<img src=x onerror=alert\(1\)>/);
  assert.equal(await ann.page.$$eval('#log img, #log b', (found) => found.length), 0);
  await bob.says('Look at https://example.org/a?b=c, it is nice.');
  await ann.shows('#log', /it is nice/);
  assert.deepEqual(await ann.page.$$eval('#log .link', (found) => found.map((each) => each.textContent)), ['https://example.org/a?b=c']);
  assert.equal(await ann.page.$$eval('#log a', (found) => found.length), 0);
  await ann.says('שלום, מה שלומך? (right to left)');
  await bob.says('مرحبا بالعالم');
  await ann.says(`Z${'\u0301'.repeat(40)}algo and ${'x'.repeat(200)}`);
  await bob.shows('#log', /x{200}/);
  assert.equal(await ann.page.$$eval('#log .own', (found) => found.length), 3);
  // Typing is shown, and ends with the line.
  await bob.page.type('#text', 'I was thi');
  await ann.shows('#typing', /Bob is typing/);
  await ann.fits();
  await ann.shot(name);
  await bob.page.keyboard.press('Enter');
  await ann.shows('#typing', /^$/);
  // Somebody who looks like Ann stays outside, and is told why.
  const forger = await Visitor.comes(viewport, scheme);
  await forger.types('#name', '\u0391nn');
  await forger.types('#room', name);
  await forger.page.click('#enter button');
  await forger.shows('#why', /looks like it/);
  await forger.fits();
  await forger.page.close();
  // Bob goes to another room. What is said here meanwhile is unread there.
  const menu = viewport === PHONE;
  if (menu) await bob.page.click('#menu');
  await bob.types('#other-room', `${name}-two`);
  await bob.page.click('#other button');
  await bob.shows('#title', /two$/);
  await ann.shows('#log', /Bob has left/);
  await ann.says('one you miss');
  await ann.says('two you miss');
  await bob.page.waitForFunction((room) => document.querySelector(`[data-room="${room}"] .badge`)?.textContent === '2', {}, name);
  if (menu) { await bob.shows('#elsewhere', /2/); await bob.page.click('#menu'); }
  await bob.shot(`${name}-unread`);
  await bob.fits();
  await bob.page.click(`[data-room="${name}"]`);
  await bob.shows('#log', /New messages.*one you miss.*two you miss/);
  assert.ok(await bob.atEnd());
  await bob.shot(`${name}-new`);
  await bob.page.click('#leave');
  await bob.page.waitForSelector('#door:not([hidden])');
  await ann.shows('#log', /Bob has left[^]*Bob has left/);
  assert.deepEqual([...ann.wrong, ...bob.wrong], []);
}

async function restart() {
  const ann = await (await Visitor.comes(PHONE)).joins('Ann', 'again');
  const bob = await (await Visitor.comes()).joins('Bob', 'again');
  await ann.says('before');
  await bob.shows('#log', /before/);
  console.log('stop');
  for (const visitor of [ann, bob]) await visitor.shows('#state', /^Reconnecting…/);
  await ann.says('said meanwhile');
  await ann.says('and this');
  await ann.shows('#log .waiting', /said meanwhile/);
  await ann.shows('#state', /^Reconnecting… The server stops or restarts\.$/);
  await ann.fits();
  await ann.shot('reconnecting');
  console.log('start');
  for (const visitor of [ann, bob]) {
    await visitor.shows('#state', /^Connected$/);
    await visitor.shows('#log', /before.*said meanwhile.*and this/);
  }
  await bob.says('there you are');
  for (const visitor of [ann, bob]) {
    await visitor.shows('#log', /there you are/);
    assert.deepEqual(await visitor.texts(), ['before', 'said meanwhile', 'and this', 'there you are']);
  }
  // The keyboard alone is enough, and the log is announced.
  assert.equal(await ann.page.evaluate(() => document.activeElement.id), 'text');
  assert.equal(await ann.page.$eval('#log', (log) => log.getAttribute('aria-live')), 'polite');
  await ann.shot('reconnected');
  assert.deepEqual([...ann.wrong, ...bob.wrong], []);
}

async function crowd(count) {
  const room = `crowd-${count}`;
  const members = await Crowd.comes(count - 1, room);
  const seen = {};
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    for (const scheme of ['light', 'dark']) {
      seen[`${size}-${scheme}`] = await (await Visitor.comes(viewport, scheme)).joins(`Ann ${size} ${scheme}`, room);
    }
  }
  const last = Object.values(seen).at(-1);
  await last.page.waitForFunction((text) => document.querySelector('#count').textContent === text, {}, `(${count + 3})`);
  for (let i = 0; i < 60; i++) members.says(i % (count - 1), `${count}-${i}-x`, `message ${i} ${'of some length '.repeat(i % 9)}`);
  for (const [name, visitor] of Object.entries(seen)) {
    await visitor.shows('#log', /message 59/);
    await visitor.page.waitForFunction(() => { const log = document.querySelector('#log'); return log.scrollHeight - log.scrollTop - log.clientHeight < 2; });
    await visitor.fits();
    await visitor.shot(`${room}-${name}`);
  }
  await seen['phone-light'].page.click('#menu');
  await seen['phone-light'].fits();
  await seen['phone-light'].shot(`${room}-menu`);
  assert.deepEqual(Object.values(seen).flatMap((visitor) => visitor.wrong), []);
}

async function manyLines() {
  const ann = await (await Visitor.comes()).joins('Ann', 'many');
  const members = await Crowd.comes(2, 'many');
  const lost = [];
  for (const socket of members.members) socket.on('close', (code, reason) => lost.push(`${code} ${reason}`));
  // Some at a time: this is about the page.
  const began = Date.now();
  for (let i = 0; i < 10_000; i++) {
    members.says(i % 2, `many-${i}`, `line ${i}`);
    if (i % 500 === 499) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // Each member's lines are in order; which member's come last is open.
  await ann.shows('#log', /line 999[89]\b/).finally(() => assert.deepEqual(lost, []));
  console.error(`10,000 lines in ${Date.now() - began} ms`);
  assert.ok(await ann.page.$$eval('#log > *', (found) => found.length) <= 1_000);
  assert.ok(await ann.atEnd());
  // Who reads further up stays there, and is told.
  await ann.page.$eval('#log', (log) => { log.scrollTop = 1_000; });
  await ann.page.waitForFunction(() => document.querySelector('#log').scrollTop === 1_000);
  await new Promise((resolve) => setTimeout(resolve, 100));
  members.says(0, 'many-below', 'below');
  await ann.page.waitForSelector('#below:not([hidden])');
  assert.equal(await ann.atEnd(), false);
  await ann.shot('below');
  await ann.page.click('#below');
  await ann.page.waitForSelector('#below[hidden]');
  assert.ok(await ann.atEnd());
  await ann.says('done');
  await ann.shows('#log', /done/);
  assert.deepEqual(ann.wrong, []);
}

const FAST = {
  'conversation, phone, dark': () => conversation(PHONE, 'dark', 'phone-dark'),
  'a restart of the server': restart,
};
const ALL = {
  ...FAST,
  'conversation, desktop, light': () => conversation(DESKTOP, 'light', 'desktop-light'),
  'conversation, desktop, dark': () => conversation(DESKTOP, 'dark', 'desktop-dark'),
  'conversation, phone, light': () => conversation(PHONE, 'light', 'phone-light'),
  '50 members': () => crowd(50),
  '1,000 members': () => crowd(1_000),
  '10,000 lines': manyLines,
};

async function run() {
  browser = await puppeteer.launch({ executablePath, args: FLAGS });
  for (const [name, play] of Object.entries(extent === 'fast' ? FAST : ALL)) {
    if (!name.includes(part)) continue;
    const began = Date.now();
    try {
      await play();
      console.log(`ok    ${name}  (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      console.log(`FAIL  ${name}: ${error.message.replace(/\s+/g, ' ').slice(0, 400)}`);
    }
    for (const each of crowds) each.leaves();
    for (const context of contexts) await context.close();
    contexts = [];
    crowds = [];
  }
  const { pid } = browser.process();
  await browser.close();
  // Its processes are a group of their own, and some may outlive it.
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // None has.
  }
  process.exit(0);
}

run().catch((error) => {
  console.error(error.message.replace(/\s+/g, ' '));
  process.exit(1);
});

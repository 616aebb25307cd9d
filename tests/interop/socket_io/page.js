// Chromium with the chat page.
//
// usage: page.js CHROMIUM FOLDER URL
//
// Prints a line for each scenario, `ok NAME` or `FAIL NAME: why`, and leaves screenshots in the folder. In the scenario
// `reconnects` the runner kills the server after the line `kill`, and starts it again after `lost`.
'use strict';

const puppeteer = require('puppeteer-core');
const assert = require('node:assert/strict');
const path = require('node:path');

const [executablePath, folder, url] = process.argv.slice(2);
const PATIENCE = 10_000; // ms for any single step
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--no-proxy-server', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'];

let browser;
let contexts = [];

/** A page that somebody looks at. Nothing is shared with other pages. */
class Visitor {
  static async comes(viewport = DESKTOP, query = '') {
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
    await visitor.page.goto(url + query);
    return visitor;
  }

  /** Join a room where others are. */
  async joins(name, room, ...others) {
    await this.types('#name', name);
    await this.types('#room', room);
    await this.page.click('#join');
    await this.shows('#state', 'connected');
    await this.names(name, ...others);
  }

  async types(field, text) {
    await this.page.$eval(field, (element) => { element.value = ''; });
    await this.page.type(field, text);
  }

  async says(text) {
    await this.types('#text', text);
    await this.page.keyboard.press('Enter');
  }

  text(element) {
    return this.page.$eval(element, (found) => found.innerText);
  }

  /** Wait until an element shows a text, or what matches. */
  async shows(element, wanted) {
    const pattern = wanted instanceof RegExp ? wanted.source : `^${wanted.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
    try {
      await this.page.waitForFunction(
        (selector, source) => new RegExp(source, 's').test(document.querySelector(selector).innerText.trim()), {}, element, pattern);
    } catch {
      assert.fail(`${element} shows '${(await this.text(element)).slice(-150)}', not ${wanted}`);
    }
  }

  /** Wait until exactly these are here. */
  async names(...wanted) {
    const sorted = JSON.stringify(wanted.sort());
    const read = () => JSON.stringify([...document.querySelectorAll('#names li')].map((item) => item.innerText).sort());
    try {
      await this.page.waitForFunction(`(${read})() === ${JSON.stringify(sorted)}`);
    } catch {
      assert.fail(`here are ${await this.page.evaluate(read)}, not ${sorted}`);
    }
  }

  /** Nothing may hang over the edge, and nothing may be too small to touch. */
  async fits() {
    const problems = await this.page.evaluate(() => {
      const found = [];
      if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
      for (const element of document.querySelectorAll('input, button, #log, #people')) {
        const box = element.getBoundingClientRect();
        if (box.left < 0 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1) found.push(`${element.id} is outside`);
        if (element.matches('input, button') && box.height < 32) found.push(`${element.id} is ${box.height} high`);
      }
      const log = document.querySelector('#log').getBoundingClientRect();
      if (log.height < innerHeight / 3) found.push(`the log is ${log.height} high`);
      return found;
    });
    assert.deepEqual(problems, []);
  }

  async shot(name) {
    await this.page.screenshot({ path: path.join(folder, `${name}.png`) });
  }
}

async function conversation(viewport, query, transport, name) {
  const room = `room ${name}`;
  const ann = await Visitor.comes(viewport, query);
  assert.equal(await ann.text('#state'), 'not connected');
  assert.equal(await ann.page.$eval('#say', (button) => button.disabled), true);
  await ann.fits();
  await ann.joins('Ann', room);
  await ann.shows('#transport', transport);
  await ann.shows('#latency', /^[\d.]+ ms$/);
  const bob = await Visitor.comes(viewport, query);
  await bob.joins('Bob', room, 'Ann');
  await ann.names('Ann', 'Bob');
  await ann.says('hello');
  await bob.shows('#log', /Ann: hello$/);
  const markup = '<b>bold</b> & <img src=x onerror=alert(1)> é😀';
  await bob.says(markup);
  for (const visitor of [ann, bob]) {
    await visitor.shows('#log', new RegExp(`Bob: ${markup.replace(/[()]/g, '\\$&')}$`));
    assert.equal(await visitor.page.$$eval('#log img', (images) => images.length), 0);
  }
  await ann.says('x'.repeat(300));
  await bob.shows('#log', /Ann: x{300}$/);
  for (const visitor of [ann, bob]) await visitor.fits();
  await ann.shot(name);
  await bob.page.click('#leave');
  await ann.names('Ann');
  await bob.names();
  await ann.shows('#log', /Bob has left\.$/);
  await bob.joins('Bob', room, 'Ann');
  await ann.names('Ann', 'Bob');
  await bob.page.close();
  await ann.names('Ann');
  assert.deepEqual([...ann.wrong, ...bob.wrong], []);
}

const scenarios = {
  desktop: () => conversation(DESKTOP, '', 'websocket', 'desktop'),
  phone: () => conversation(PHONE, '', 'websocket', 'phone'),
  'only polling': () => conversation(DESKTOP, '?transport=polling', 'polling', 'polling'),
  'only WebSocket': () => conversation(DESKTOP, '?transport=websocket', 'websocket', 'websocket'),
  async 'many people and messages'() {
    const ann = await Visitor.comes(PHONE);
    await ann.joins('Ann', 'full');
    const others = [];
    for (let i = 0; i < 12; i++) {
      const other = await Visitor.comes(PHONE);
      others.push(other);
      await other.types('#name', `Visitor ${i} ${'of a long name'.slice(0, i)}`);
      await other.types('#room', 'full');
      await other.page.click('#join');
      await other.shows('#state', 'connected');
    }
    await ann.page.waitForFunction(() => document.querySelectorAll('#names li').length === 13);
    for (let i = 0; i < 60; i++) await others[i % 12].says(`message ${i}`);
    await ann.shows('#log', /message 59/);
    await ann.fits();
    // The last message is in view.
    const below = await ann.page.$eval('#log', (log) => log.scrollHeight - log.scrollTop - log.clientHeight);
    assert.ok(below < 2, `${below} px are below the view`);
    await ann.shot('phone-many');
  },
  async dark() {
    const ann = await Visitor.comes(DESKTOP);
    await ann.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    await ann.joins('Ann', 'dark');
    await ann.says('good night');
    await ann.shows('#log', /good night$/);
    await ann.shot('dark');
  },
  async reconnects() {
    const [ann, bob] = [await Visitor.comes(PHONE), await Visitor.comes()];
    await ann.joins('Ann', 'again');
    await bob.joins('Bob', 'again', 'Ann');
    for (const visitor of [ann, bob]) await visitor.names('Ann', 'Bob');
    console.log('kill');
    for (const visitor of [ann, bob]) await visitor.shows('#state', 'reconnecting');
    await ann.shot('reconnecting');
    await ann.says('said meanwhile');
    console.log('lost');
    for (const visitor of [ann, bob]) {
      await visitor.shows('#state', 'connected');
      await visitor.names('Ann', 'Bob');
      await visitor.shows('#reconnections', '1');
      await visitor.shows('#transport', 'websocket');
    }
    // Bob may come back later than this message. Ann receives it in any case.
    await ann.shows('#log', /Ann: said meanwhile/);
    await bob.says('there you are');
    await ann.shows('#log', /Bob: there you are$/);
    await ann.shot('reconnected');
    assert.deepEqual([...ann.wrong, ...bob.wrong], []);
  },
};

async function run() {
  browser = await puppeteer.launch({ executablePath, args: FLAGS });
  for (const [name, play] of Object.entries(scenarios)) {
    try {
      await play();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAIL ${name}: ${error.message.replace(/\s+/g, ' ').slice(0, 400)}`);
    }
    for (const context of contexts) await context.close();
    contexts = [];
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

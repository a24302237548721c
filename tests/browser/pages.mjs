// Drives a real browser over the pages: axe-core finds nothing that keeps people out, wide, at 375 px and dark; signing in,
// choosing a customer, trying a delivery again and asking why are done by keyboard alone.
//
// node pages.mjs BASE TOKEN [SCREENSHOTS]: a daemon at BASE has heard an incident, and TOKEN may operate.
import { readFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import puppeteer from 'puppeteer-core';

const [base, token, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
const page = await browser.newPage();
const problems = [];
page.on('console', (message) => {
  // a page that is refused says so with its status, which the browser notes
  if (['error', 'warn'].includes(message.type()) && !message.text().includes('the server responded with a status')) {
    problems.push(`${page.url()}: console: ${message.text()}`);
  }
});

const looks = [
  { name: 'wide', width: 1280, scheme: 'light' },
  { name: 'narrow', width: 375, scheme: 'light' },
  { name: 'dark', width: 1280, scheme: 'dark' },
];

// What axe-core says of a page, and whether anything stands out of it sideways, in each look.
async function look(name) {
  for (const { name: look, width, scheme } of looks) {
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const result = await axe.run(document, { runOnly: tags });
      return result.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).slice(0, 3).join(' | ')}`);
    });
    problems.push(...found.map((one) => `${name} (${look}): ${one}`));
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider > 0) problems.push(`${name} (${look}): ${wider} px stand out sideways`);
    if (screenshots) {
      mkdirSync(screenshots, { recursive: true });
      await page.screenshot({ path: `${screenshots}/${name}-${look}.png`, fullPage: true });
    }
  }
  await page.setViewport({ width: 1280, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
}

// Goes on with Tab until what has the focus matches, and everything on the way can be seen to have it.
async function tabTo(selector) {
  for (let presses = 0; presses < 100; presses += 1) {
    const focus = await page.evaluate((wanted) => {
      const here = document.activeElement;
      const isSeen = here === document.body || getComputedStyle(here).outlineStyle !== 'none';
      return { isThere: here.matches(wanted), isSeen, what: here.outerHTML.slice(0, 120) };
    }, selector);
    if (!focus.isSeen) problems.push(`${page.url()}: no focus is seen on ${focus.what}`);
    if (focus.isThere) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`${page.url()}: the keyboard does not reach ${selector}`);
}

async function enter() {
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
}

async function says(text) {
  const body = await page.evaluate(() => document.body.innerText);
  if (!body.includes(text)) throw new Error(`${page.url()} does not say "${text}":\n${body}`);
}

try {
  await page.goto(`${base}/deliveries`);
  await look('401');
  await tabTo('a.button');
  await enter();
  await look('sign-in');
  await tabTo('#token');
  await page.keyboard.type('wrong');
  await enter();
  await says('Not signed in');
  await look('sign-in-wrong');
  await tabTo('#token');
  await page.keyboard.type(token);
  await enter();
  await says('Deliveries');
  if (!page.url().endsWith('/deliveries')) throw new Error(`signing in leads to ${page.url()}`);
  await look('deliveries');
  await tabTo('.cards button');
  await enter();
  await says('is tried again');

  await page.goto(`${base}/`);
  await look('history');
  await tabTo('.incidents h3 a');
  await enter();
  await look('incident');
  await tabTo('#zone');
  await page.keyboard.type('Asia/Tokyo');
  await enter();
  await says('Times in brackets are those of Asia/Tokyo');
  if (!page.url().includes('/incidents/')) throw new Error(`choosing a zone leads to ${page.url()}`);
  await page.goto(`${base}/claims`);
  await says('TODAY-1');
  await says('shop-1');
  await look('claims');
  await tabTo('.cards h3 a');
  await enter();
  await says('How the figures came about');
  await look('claim');
  await tabTo('#state');
  await page.keyboard.type('submitted');
  await tabTo('#note');
  await page.keyboard.type('case 4711');
  await tabTo('form[action*="claims/"] button');
  await enter();
  await says('case 4711');
  await look('claim-submitted');
  await page.goto(`${base}/rules`);
  await look('rules');
  await tabTo('#account');
  await page.keyboard.type('11111111-aaaa-4bbb-8ccc-111111111111');
  await enter();
  await says('Who would be invited?');
  await page.goto(`${base}/why`);
  await tabTo('main li a');
  await enter();
  await says('would be told');
  await look('why');
  await tabTo('#text');
  await page.keyboard.type('{ this is nothing }');
  await tabTo('form[method=post][action*=why] button');
  await enter();
  await says('This cannot be read');
  await look('why-pasted');
  await page.goto(`${base}/feeds`);
  await look('feeds');
  await page.goto(`${base}/rules?as=contoso`);
  await says('as contoso');
  await look('as-customer');
  await tabTo('form[action$="sign-out"] button');
  await enter();
  await page.goto(`${base}/rules`);
  await says('Sign in');
} catch (error) {
  problems.push(error.message);
}
await browser.close();
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? 'pages: nothing keeps anybody out' : `pages: ${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);

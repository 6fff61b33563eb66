// A browser under remote control, for tests in any language. Lines of JSON on stdin, one answer a line on stdout.
// First line: { url, phone?, width?, height?, args?, without? }; `without`: globals that the page shall lack. Then { code } lines: each is the body of an async function of
// `player` (the page's <gs-player>) that runs in the page; { screenshot: FILE }, { goto: URL }.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const setup = JSON.parse((await lines.next()).value);
const browser = await chromium.launch({
  executablePath: setup.chromium ?? "/usr/bin/chromium",
  args: ["--use-angle=swiftshader", "--disable-background-networking", ...(setup.args ?? [])],
});
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const desktop = { viewport: { width: setup.width ?? 1280, height: setup.height ?? 720 } };
const page = await (await browser.newContext(setup.phone ? phone : desktop)).newPage();
await page.addInitScript((names) => {
  for (const name of names) delete globalThis[name];
}, setup.without ?? []);
const errors = [];
page.on("pageerror", (error) => errors.push(error.message));
try {
  const start = Date.now();
  await page.goto(setup.url);
  await page.evaluate(() => customElements.whenDefined("gs-player"));
  answer({ value: Date.now() - start });
  for (;;) {
    const { value: line, done } = await lines.next();
    if (done) break;
    const order = JSON.parse(line);
    try {
      if (order.screenshot !== undefined) await page.screenshot({ path: order.screenshot });
      if (order.goto !== undefined) await page.goto(order.goto);
      const value =
        order.code === undefined
          ? errors
          : await page.evaluate(
              (code) =>
                new Function("player", `return (async () => { ${code} })()`)(document.querySelector("gs-player")),
              order.code,
            );
      answer({ value: value ?? null });
    } catch (error) {
      answer({ error: String(error.message ?? error) });
    }
  }
} finally {
  await browser.close();
}

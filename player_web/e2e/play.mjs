// Plays a page's video in Chromium: to the end, by seeks, in a loop; and compares its picture with a PNG where one is
// given. Usage: node e2e/play.mjs URL [--png FILE --frame N --camera JSON] [--shots FOLDER] [--chromium PATH] [--arg=FLAG]
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    png: { type: "string" },
    frame: { type: "string", default: "0" },
    camera: { type: "string" },
    shots: { type: "string" },
    arg: { type: "string", multiple: true, default: [] },
    size: { type: "string", default: "640x360" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});
const [url] = positionals;
if (url === undefined) throw new Error("usage: node e2e/play.mjs URL");
const [width, height] = values.size.split("x").map(Number);

let failures = 0;
function claim(holds, what, detail = "") {
  if (!holds) failures += 1;
  console.log(`${holds ? "ok  " : "FAIL"} ${what}${detail === "" ? "" : `: ${detail}`}`);
}

const browser = await chromium.launch({
  executablePath: values.chromium,
  args: ["--use-angle=swiftshader", ...values.arg],
});
try {
  const page = await browser.newPage({ viewport: { width, height } });
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.stack));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  const start = Date.now();
  await page.goto(url);
  await page.evaluate(() => customElements.whenDefined("gs-player"));
  /** Resolves when the player says one of these, or after a while, with what it said. */
  const said = (types, action = "") =>
    page.evaluate(
      ([list, code]) =>
        new Promise((resolve) => {
          const player = document.querySelector("gs-player");
          const done = (event) => resolve(event.type);
          for (const type of list) player.addEventListener(type, done, { once: true });
          setTimeout(() => resolve("nothing"), 30000);
          new Function("player", code)(player);
        }),
      [types, action],
    );
  const get = (expression) =>
    page.evaluate((code) => new Function("player", `return ${code}`)(document.querySelector("gs-player")), expression);
  const shot = async (name) => {
    if (values.shots === undefined) return;
    mkdirSync(values.shots, { recursive: true });
    await page.screenshot({ path: join(values.shots, `${name}.png`) });
  };

  await page
    .waitForFunction(
      () => {
        const player = document.querySelector("gs-player");
        return player.frame >= 0 || player.error !== null;
      },
      undefined,
      { timeout: 30000 },
    )
    .catch(() => {});
  claim(
    (await get("player.frame")) >= 0,
    "a first picture appears",
    `${Date.now() - start} ms, ${(await get("player.error?.message")) ?? ""}`,
  );
  const frames = await get("player.frames");
  console.log(`     ${frames} frames, ${await get("player.duration")} s`);

  claim(
    (await said(["ended", "error"], "player.loop = false; player.currentTime = 0; player.play()")) === "ended",
    "it plays to the end",
  );
  claim((await get("player.frame")) === frames - 1, "the last frame is on screen", await get("player.frame"));
  await shot("ended");
  for (const frame of new Set([0, frames >> 1, frames - 1, 1 % frames])) {
    await said(["seeked", "error"], `player.frame = ${frame}`);
    claim((await get("player.frame")) === frame, `a seek to frame ${frame} shows it`, await get("player.frame"));
  }
  if (frames > 1) {
    const around = await page.evaluate(
      () =>
        new Promise((resolve) => {
          const player = document.querySelector("gs-player");
          let before = -1;
          player.addEventListener("framechange", ({ detail }) => {
            if (detail.frame < before) resolve(true);
            before = detail.frame;
          });
          setTimeout(() => resolve(false), 20000);
          player.loop = true;
          player.frame = player.frames - 1;
          player.play();
        }),
    );
    claim(around, "a loop goes on at the start");
    await get("player.pause()");
  }
  await shot("paused");
  if (values.png !== undefined) await compare(page, said);
  claim(problems.length === 0, "nothing is complained of", problems.join("\n"));
} finally {
  await browser.close();
}
process.exitCode = failures > 0 ? 1 : 0;

/** Mean and largest difference of the picture from a PNG of the canvas's size; transparent is taken as black. */
async function compare(page, said) {
  await page.evaluate(() => document.querySelector("gs-player").pause());
  if (values.camera !== undefined)
    await page.evaluate((camera) => (document.querySelector("gs-player").camera = camera), JSON.parse(values.camera));
  await said(["seeked", "error"], `player.frame = ${Number(values.frame)}`);
  const wanted = `data:image/png;base64,${readFileSync(values.png).toString("base64")}`;
  const { mean, most, over, data } = await page.evaluate(async (reference) => {
    const pixels = async (blob) => {
      const bitmap = await createImageBitmap(blob);
      const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
      const context = canvas.getContext("2d");
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.drawImage(bitmap, 0, 0);
      return context.getImageData(0, 0, canvas.width, canvas.height).data;
    };
    const blob = await document.querySelector("gs-player").capture();
    const bytes = Uint8Array.from(atob(reference.split(",")[1]), (c) => c.charCodeAt(0));
    const [got, want] = await Promise.all([pixels(blob), pixels(new Blob([bytes], { type: "image/png" }))]);
    let sum = 0;
    let most = 0;
    let over = 0;
    for (let i = 0; i < want.length; i++) {
      const difference = Math.abs(got[i] - want[i]);
      sum += difference;
      most = Math.max(most, difference);
      if (difference > 2) over += 1;
    }
    const text = await new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(blob);
    });
    return { mean: sum / want.length, most, over: over / want.length, data: text };
  }, wanted);
  if (values.shots !== undefined)
    writeFileSync(join(values.shots, "capture.png"), Buffer.from(data.split(",")[1], "base64"));
  claim(
    mean < 0.3 && over < 0.005,
    "the picture equals the PNG",
    `mean ${mean.toFixed(4)}, most ${most}, over 2: ${(100 * over).toFixed(3)} %`,
  );
}

// How fast a .gsv file's segments decode and its frames are rebuilt, as the player's decode workers do it:
// node bench/decode.mjs FILE.gsv [--workers 1,2] [--rounds N] [--json]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const here = dirname(fileURLToPath(import.meta.url));

/** Takes segments by number, answers with the milliseconds that it spent. */
async function serve({ modules, file, entries }) {
  const { decodeBase, decodeSegment } = await import(modules.segment);
  const { buffersOf, copyOfBase, received } = await import(modules.lending);
  const bytes = readFileSync(file);
  const of = ({ offset, length }) => new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length);
  let kept = null; // the base that was decoded, or came from another worker, last, as in src/decode/worker.ts
  const keep = (name, base, lend) => {
    kept = { name, base };
    if (!lend) return;
    const copy = copyOfBase(base);
    parentPort.postMessage({ lent: { name, base: copy } }, buffersOf(copy));
  };
  parentPort.on("message", async ({ at, round, lend, lent }) => {
    if (lent !== undefined) return keep(lent.name, received(lent.base), false);
    const entry = entries[at];
    const start = performance.now();
    const wanted = entry.base === 0 ? null : `${round} ${entry.gop - entry.base}`;
    if (wanted !== null && kept?.name !== wanted) {
      const lender = entries.find(({ gop }) => gop === entry.gop - entry.base);
      kept = { name: wanted, base: decodeBase(of(lender)) };
    }
    const based = performance.now();
    const above = wanted === null ? null : kept.base;
    const gop = await decodeSegment(of(entry), null, above, (base) => keep(`${round} ${entry.gop}`, base, lend));
    const decoded = performance.now();
    const room = gop.room(); // one for all, as in the worker
    for (let t = 0; t < gop.frames; t++) gop.frame(t, room);
    const end = performance.now();
    parentPort.postMessage({
      at,
      frames: gop.frames,
      slots: gop.count,
      base: based - start,
      decode: decoded - based,
      rebuild: end - decoded,
      memory: gop.memory,
    });
  });
}

/**
 * All segments `rounds` times over on `count` workers, dealt out in turn as the player does; a first round warms up. A
 * base goes from the worker that decodes it to the others, who wait for it.
 */
async function measure(data, count, rounds) {
  const workers = Array.from({ length: count }, () => new Worker(fileURLToPath(import.meta.url), { workerData: data }));
  const spent = { frames: 0, base: 0, decode: 0, rebuild: 0, memory: 0, slots: 0 };
  const bases = new Map(); // by name: a promise that it is with all workers, and what fulfils it
  const baseOf = (name) => {
    if (!bases.has(name)) {
      const entry = {};
      entry.arrival = new Promise((resolve) => {
        entry.arrived = resolve;
      });
      bases.set(name, entry);
    }
    return bases.get(name);
  };
  const relay = (from, lent) => {
    const others = workers.filter((worker) => worker !== from);
    others.forEach((worker) => {
      worker.postMessage({ lent });
    });
    baseOf(lent.name).arrived();
  };
  const play = async (worker, at, round, sum) => {
    const { gop, base } = data.entries[at];
    if (base !== 0 && count > 1) await baseOf(`${round} ${gop - base}`).arrival;
    const answer = new Promise((resolve, reject) => {
      worker.on("message", (told) => (told.lent === undefined ? resolve(told) : relay(worker, told.lent)));
      worker.once("error", reject);
    });
    const lend = count > 1 && data.entries.some((other) => other.base !== 0 && other.gop - other.base === gop);
    worker.postMessage({ at, round, lend });
    const told = await answer;
    worker.removeAllListeners("error");
    worker.removeAllListeners("message");
    if (!sum) return;
    for (const key of ["frames", "base", "decode", "rebuild"]) spent[key] += told[key];
    spent.memory = Math.max(spent.memory, told.memory);
    spent.slots = told.slots;
  };
  const all = (from, to, sum) =>
    Promise.all(
      workers.map(async (worker, w) => {
        for (let round = from; round < to; round++) {
          for (let at = w; at < data.entries.length; at += count) await play(worker, at, round, sum);
        }
      }),
    );
  await all(0, 1, false);
  const start = performance.now();
  const before = process.cpuUsage();
  await all(1, 1 + rounds, true);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before); // of all threads: tells what other work on the machine hides
  await Promise.all(workers.map((worker) => worker.terminate()));
  const each = (ms) => Number((ms / spent.frames).toFixed(2));
  return {
    workers: count,
    frames_per_second: Number((spent.frames / seconds).toFixed(1)),
    cpu_milliseconds_a_frame: each((user + system) / 1000),
    milliseconds_a_frame: { base: each(spent.base), decode: each(spent.decode), rebuild: each(spent.rebuild) },
    megabytes_a_segment: Number((spent.memory / 1e6).toFixed(1)),
    peak_rss_megabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    slots: spent.slots,
  };
}

async function main(args) {
  const option = (name, fallback) => (args.includes(name) ? args[args.indexOf(name) + 1] : fallback);
  const file = args.find((a) => a.endsWith(".gsv"));
  if (file === undefined) {
    console.error("usage: node bench/decode.mjs FILE.gsv [--workers 1,2] [--rounds N] [--json]");
    process.exit(2);
  }
  const { build } = await import("esbuild");
  const out = mkdtempSync(join(tmpdir(), "gs-player-bench-"));
  try {
    const source = (...path) => join(here, "..", "src", ...path);
    const entryPoints = [source("decode", "segment.ts"), source("decode", "lending.ts"), source("container", "open.ts")];
    const outExtension = { ".js": ".mjs" };
    const common = { bundle: true, platform: "node", format: "esm", target: "node20", outExtension };
    await build({ entryPoints, outdir: out, outbase: source(), ...common });
    const built = (name) => pathToFileURL(join(out, "decode", name)).href;
    const modules = { segment: built("segment.mjs"), lending: built("lending.mjs") };
    const { openContainer } = await import(pathToFileURL(join(out, "container", "open.mjs")).href);
    const bytes = new Uint8Array(readFileSync(file));
    const read = async (start, length) => bytes.subarray(start, start + length);
    const { index } = await openContainer({ size: bytes.length, read });
    const entries = index.filter(({ rung }) => rung === 0);
    const results = [];
    for (const count of option("--workers", "1,2").split(",").map(Number)) {
      results.push(await measure({ modules, file, entries }, count, Number(option("--rounds", "2"))));
    }
    const frames = entries.reduce((sum, { nFrames }) => sum + nFrames, 0);
    const told = { file, bytes: bytes.length, frames, segments: entries.length, node: process.version, results };
    if (args.includes("--json")) console.log(JSON.stringify(told, null, 1));
    else print(told);
  } finally {
    rmSync(out, { recursive: true });
  }
}

function print({ bytes, frames, segments, results }) {
  console.log(`${frames} frames in ${segments} segments, ${(bytes / frames / 1000).toFixed(1)} KB a frame`);
  for (const r of results) {
    const { base, decode, rebuild } = r.milliseconds_a_frame;
    console.log(
      `${r.workers} workers: ${r.frames_per_second} frames/s, ${r.slots} slots; a frame: ${r.cpu_milliseconds_a_frame} ms of processor; base ${base} ms, ` +
        `decode ${decode} ms, rebuild ${rebuild} ms; ${r.megabytes_a_segment} MB a decoded segment, ` +
        `${r.peak_rss_megabytes} MB at most in all`,
    );
  }
}

if (isMainThread) await main(process.argv.slice(2));
else await serve(workerData);

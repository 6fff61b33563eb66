// Prints how long a segment takes to decode and its frames to rebuild: node bench/decode.mjs FILE.seg [LUMA.zlib]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inflateSync } from "node:zlib";
import { build } from "esbuild";

const ROUNDS = 5;
const [segment, stored] = process.argv.slice(2);
if (segment === undefined) {
  console.error("usage: node bench/decode.mjs FILE.seg [LUMA.zlib]");
  process.exit(2);
}

const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), "gs-player-bench-"));
const middle = (times) => times.sort((a, b) => a - b)[times.length >> 1];

/** Node has no H.264 decoder: pictures come from a file, or are all grey. */
const luma = {
  decode: async (units, width, height) => {
    const size = width * height;
    const all = stored === undefined ? new Uint8Array(units.length * size).fill(126) : inflateSync(readFileSync(stored));
    return units.map((_, i) => all.subarray(i * size, (i + 1) * size));
  },
};

try {
  const outfile = join(out, "segment.mjs");
  const entryPoints = [join(here, "..", "src", "decode", "segment.ts")];
  await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", target: "node20" });
  const { decodeSegment } = await import(pathToFileURL(outfile).href);
  const bytes = new Uint8Array(readFileSync(segment));
  const decoding = [];
  let gop;
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now();
    gop = await decodeSegment(bytes, luma);
    decoding.push(performance.now() - start);
  }
  const rebuilding = [];
  for (let i = 0; i < Math.max(ROUNDS, gop.frames); i++) {
    const start = performance.now();
    gop.frame(i % gop.frames);
    rebuilding.push(performance.now() - start);
  }
  console.log(`${bytes.length} bytes, ${gop.count} slots, ${gop.frames} frames, ${gop.shCount} SH coefficients a colour`);
  console.log(`decode: first ${decoding[0].toFixed(1)} ms, median of ${ROUNDS}: ${middle(decoding).toFixed(1)} ms`);
  console.log(`rebuild: median ${middle(rebuilding).toFixed(2)} ms a frame`);
} finally {
  rmSync(out, { recursive: true });
}

/** Where the video's planes and slots lie in its pictures (SPEC.md 5.9). */

import { BadData } from "./errors.js";
import { Fields, MAX_ATLAS_WIDTH, type Model, type Sections, videoPlanes } from "./model.js";
import type { Tiles } from "./planes.js";

export function tilesOf(model: Model): Tiles {
  const { slots } = model;
  const width = 16 * Math.max(1, Math.ceil(Math.ceil(Math.sqrt(slots)) / 16));
  const height = 16 * Math.max(1, Math.ceil(Math.ceil(slots / 256) / (width / 16)));
  const channels = new Set(videoPlanes(model).map(([c]) => c)).size;
  const cols = Math.max(1, Math.min(channels, Math.floor(MAX_ATLAS_WIDTH / width)));
  const rows = Math.max(1, Math.min(Math.ceil(channels / cols), Math.floor(MAX_ATLAS_WIDTH / height)));
  const tiles = { width, height, cols, rows, pages: Math.ceil(channels / (cols * rows)) };
  if (model.atlas[0] !== cols * width || model.atlas[1] !== rows * height + 2) {
    throw new BadData("atlas: does not fit the slots");
  }
  return tiles;
}

export interface Video {
  /** Raster index in its tile of each slot. */
  places: Int32Array;
  /** Access units, Annex B. */
  units: Uint8Array[];
}

export function readVideo(model: Model, sections: Sections, tiles: Tiles): Video {
  const r = new Fields(sections.video);
  const order = sections.explicitLayout ? readOrder(r, model.slots) : null;
  const want = Math.max(...videoPlanes(model).map(([, k]) => k)) * tiles.pages;
  if (r.uv("pictures") !== want) throw new BadData("video: wrong number of pictures");
  const lengths = Array.from({ length: want }, () => r.uv("picture length"));
  const units = lengths.map((n) => {
    const at = r.take("picture", n);
    return r.bytes.subarray(at, at + n);
  });
  if (r.at !== r.bytes.length) throw new BadData("video: bytes left over");
  const places = Int32Array.from({ length: model.slots }, (_, i) => rasterOf(order?.[i] ?? i, tiles.width));
  return { places, units };
}

function readOrder(r: Fields, slots: number): Int32Array {
  const order = Int32Array.from(r.ints("layout", slots));
  const seen = new Uint8Array(slots);
  for (const place of order) {
    if (place < 0 || place >= slots || seen[place] === 1) throw new BadData("layout: not a permutation");
    seen[place] = 1;
  }
  return order;
}

/** Raster index of a place: 16 x 16 blocks in snake rows, Z-order inside. */
function rasterOf(place: number, width: number): number {
  const blocks = width / 16;
  const block = place >> 8;
  const row = Math.floor(block / blocks);
  const column = row % 2 === 1 ? blocks - 1 - (block % blocks) : block % blocks;
  let x = 0;
  let y = 0;
  for (let b = 0; b < 4; b++) {
    x |= ((place >> (2 * b)) & 1) << b;
    y |= ((place >> (2 * b + 1)) & 1) << b;
  }
  return (16 * row + y) * width + 16 * column + x;
}

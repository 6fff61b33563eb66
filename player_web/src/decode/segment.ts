/** A segment's bytes to its frames. */

import { BadData } from "./errors.js";
import { Gop } from "./gop.js";
import { readVideo, tilesOf } from "./layout.js";
import { readModel, splitSegment, videoPlanes } from "./model.js";
import { type Base, fillVideo, readBase, readPlanes } from "./planes.js";

/** Who turns H.264 access units (Annex B, the first an IDR picture) into luma, each sample clamped to 16..235. */
export interface LumaSource {
  /** One (width * height) array for each unit, in their order. */
  decode(units: readonly Uint8Array[], width: number, height: number): Promise<Uint8Array[]>;
}

/** The base of a segment, for those that share it. Throws BadData where the segment is damaged. */
export function decodeBase(bytes: Uint8Array): Base {
  const sections = splitSegment(bytes);
  if (sections.shared) throw new BadData("a base must be a segment's own");
  return readBase(readModel(sections.model), sections);
}

/**
 * `shared`: the base that the segment builds on, where it has none of its own; `onbase` is told its own one as soon as it
 * is decoded. Throws BadData where the segment is damaged. Segments without video never touch `luma`.
 */
export async function decodeSegment(
  bytes: Uint8Array,
  luma: LumaSource | null,
  shared: Base | null = null,
  onbase: (base: Base) => void = () => {},
): Promise<Gop> {
  const sections = splitSegment(bytes);
  if (sections.shared && shared === null) throw new BadData("this segment needs the base of another");
  const above = sections.shared ? shared : null;
  const model = readModel(sections.model, above?.model);
  const base = above?.model.slots === model.slots ? above : readBase(model, sections, above);
  if (above === null) onbase(base);
  const planes = readPlanes(model, sections, base);
  if (videoPlanes(model).length > 0 && model.slots > 0) {
    if (luma === null) throw new NeedsVideo("this segment needs a video decoder");
    const tiles = tilesOf(model);
    const { places, units } = readVideo(model, sections, tiles);
    const pictures = await luma.decode(units, ...model.atlas);
    fillVideo(planes, pictures, places, tiles);
  }
  return new Gop(planes);
}

/** Thrown where video is met and there is nothing to decode it with. */
export class NeedsVideo extends Error {
  override name = "NeedsVideo";
}

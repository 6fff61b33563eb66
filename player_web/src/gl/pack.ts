/** A frame's attributes as the renderer's textures hold them. Done in the decode worker. */

import type { FrameAttributes } from "../decode/gop.js";
import { TEXELS, TEXTURE_WIDTH } from "./shaders.js";

export interface PackedFrame {
  count: number;
  shCount: number;
  /** RGBA32F, TEXTURE_WIDTH wide. */
  splats: Float32Array<ArrayBuffer>;
  /** RGBA32F, TEXTURE_WIDTH wide; null: none, or as in the frame before. */
  harmonics: Float32Array<ArrayBuffer> | null;
  /** (N, 3), for sorting. */
  means: Float32Array<ArrayBuffer>;
}

/** Texels that coefficients 1..K-1 of a splat take. */
export function shTexels(shCount: number): number {
  return Math.ceil((3 * (shCount - 1)) / 4);
}

/** Copies all: `frame` may be used again. */
export function pack(frame: FrameAttributes, shCount: number, withHarmonics: boolean): PackedFrame {
  const count = frame.opacities.length;
  const { means, quats, scales, opacities, sh } = frame;
  const perRow = TEXTURE_WIDTH / TEXELS;
  const splats = new Float32Array(Math.max(1, Math.ceil(count / perRow)) * TEXTURE_WIDTH * 4);
  for (let i = 0; i < count; i++) {
    const to = 4 * TEXELS * i;
    for (let a = 0; a < 3; a++) {
      splats[to + a] = means[3 * i + a]!;
      splats[to + 8 + a] = scales[3 * i + a]!;
      splats[to + 12 + a] = sh[3 * shCount * i + a]!;
    }
    splats[to + 3] = opacities[i]!;
    for (let a = 0; a < 4; a++) splats[to + 4 + a] = quats[4 * i + a]!;
  }
  const harmonics = withHarmonics && shCount > 1 ? packHarmonics(sh, count, shCount) : null;
  return { count, shCount, splats, harmonics, means: means.slice() };
}

function packHarmonics(sh: Float32Array, count: number, shCount: number): Float32Array<ArrayBuffer> {
  const texels = shTexels(shCount);
  const perRow = Math.floor(TEXTURE_WIDTH / texels);
  const out = new Float32Array(Math.max(1, Math.ceil(count / perRow)) * TEXTURE_WIDTH * 4);
  for (let i = 0; i < count; i++) {
    const row = Math.floor(i / perRow);
    const to = 4 * (row * TEXTURE_WIDTH + (i - row * perRow) * texels);
    out.set(sh.subarray(3 * (shCount * i + 1), 3 * shCount * (i + 1)), to);
  }
  return out;
}

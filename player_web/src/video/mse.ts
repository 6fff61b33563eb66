/** Stub. */
import type { LumaSource } from "../decode/segment.js";
export class ElementLuma implements LumaSource {
  async decode(_u: readonly Uint8Array[], _w: number, _h: number): Promise<Uint8Array[]> {
    throw new Error("This browser offers no video decoder to this page. Open it by https, or in a newer browser.");
  }
  close(): void {}
}

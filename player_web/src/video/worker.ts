/** The player's one video decoder, off the page's thread. */

import { BadData } from "../decode/errors.js";
import { WebCodecsLuma } from "./webcodecs.js";

export interface LumaRequest {
  ticket: number;
  units: Uint8Array[];
  width: number;
  height: number;
}

export type LumaReply =
  | { ticket: number; pictures: Uint8Array[] }
  | { ticket: number; reason: string; damaged: boolean };

const luma = new WebCodecsLuma();

self.onmessage = async ({ data }: MessageEvent<LumaRequest>) => {
  const { ticket } = data;
  try {
    const pictures = await luma.decode(data.units, data.width, data.height);
    const reply: LumaReply = { ticket, pictures };
    self.postMessage(reply, { transfer: pictures.map(({ buffer }) => buffer as ArrayBuffer) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const reply: LumaReply = { ticket, reason, damaged: error instanceof BadData };
    self.postMessage(reply);
  }
};

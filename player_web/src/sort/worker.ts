/** Sorts frames by depth. Keeps the positions of the frames it was told of until they are forgotten. */

import { sortedIndices } from "./sort.js";

export type SortRequest =
  | { kind: "frame"; frame: number; means: Float32Array }
  | { kind: "sort"; frame: number; forward: number[] }
  | { kind: "forget"; frame: number };

export interface SortReply {
  frame: number;
  forward: number[];
  order: Uint32Array<ArrayBuffer>;
}

const frames = new Map<number, Float32Array>();

self.onmessage = ({ data }: MessageEvent<SortRequest>) => {
  if (data.kind === "frame") frames.set(data.frame, data.means);
  else if (data.kind === "forget") frames.delete(data.frame);
  else {
    const means = frames.get(data.frame);
    if (means === undefined) return;
    const order = sortedIndices(means, data.forward);
    const reply: SortReply = { frame: data.frame, forward: data.forward, order };
    self.postMessage(reply, { transfer: [order.buffer] });
  }
};

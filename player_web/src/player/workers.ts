/** Starts the player's workers from the text that they travel in. */

import decodeCode from "worker:../decode/worker.ts";
import sortCode from "worker:../sort/worker.ts";
import videoCode from "worker:../video/worker.ts";
import type { Workers } from "./pipeline.js";

/** While one decodes a segment, the other rebuilds the frames of the segment before. */
const DECODERS = 2;

export interface StartedWorkers extends Workers {
  /** The one with the video decoder; started when first asked for. */
  video(): Worker;
  stop(): void;
}

export function startWorkers(): StartedWorkers {
  const started: { worker: Worker; url: string }[] = [];
  const start = (code: string): Worker => {
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const worker = new Worker(url);
    started.push({ worker, url });
    return worker;
  };
  return {
    decode: Array.from({ length: DECODERS }, () => start(decodeCode)),
    sort: start(sortCode),
    video: () => start(videoCode),
    stop: () => {
      for (const { worker, url } of started) {
        worker.terminate();
        URL.revokeObjectURL(url);
      }
    },
  };
}

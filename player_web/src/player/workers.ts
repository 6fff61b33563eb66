/** Starts the player's workers from the text that they travel in. */

import decodeCode from "worker:../decode/worker.ts";
import sortCode from "worker:../sort/worker.ts";
import type { Workers } from "./pipeline.js";

export interface StartedWorkers extends Workers {
  stop(): void;
}

function start(code: string): { worker: Worker; url: string } {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  return { worker: new Worker(url), url };
}

export function startWorkers(): StartedWorkers {
  const started = [start(decodeCode), start(sortCode)] as const;
  return {
    decode: started[0].worker,
    sort: started[1].worker,
    stop: () => {
      for (const { worker, url } of started) {
        worker.terminate();
        URL.revokeObjectURL(url);
      }
    },
  };
}

/** Luma from the worker that holds the video decoder, which is started when a segment first has video. */

import { BadData } from "../decode/errors.js";
import type { LumaSource } from "../decode/segment.js";
import type { LumaReply, LumaRequest } from "./worker.js";

export class WorkerLuma implements LumaSource {
  private worker: Worker | null = null;
  private tickets = 0;
  private readonly waiting = new Map<number, (reply: LumaReply) => void>();

  constructor(private readonly start: () => Worker) {}

  async decode(units: readonly Uint8Array[], width: number, height: number): Promise<Uint8Array[]> {
    if (this.worker === null) {
      this.worker = this.start();
      this.worker.onmessage = ({ data }: MessageEvent<LumaReply>) => {
        this.waiting.get(data.ticket)?.(data);
        this.waiting.delete(data.ticket);
      };
    }
    const ticket = ++this.tickets;
    const reply = new Promise<LumaReply>((resolve) => this.waiting.set(ticket, resolve));
    const request: LumaRequest = { ticket, units: [...units], width, height };
    this.worker.postMessage(
      request,
      units.map(({ buffer }) => buffer as ArrayBuffer),
    );
    const answer = await reply;
    if ("pictures" in answer) return answer.pictures;
    throw answer.damaged ? new BadData(answer.reason) : new Error(answer.reason);
  }

  close(): void {
    this.worker?.terminate();
    this.worker = null;
  }
}

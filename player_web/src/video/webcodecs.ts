/** Luma by WebCodecs. One decoder a player; works in windows and in dedicated workers, on secure origins only. */

import { BadData } from "../decode/errors.js";
import type { LumaSource } from "../decode/segment.js";
import { lumaOf } from "./luma.js";

const CODEC = "avc1.640033"; // High 5.1: covers every atlas of the format; the stream tells the rest
const TRIES = 2;

export function webCodecsAvailable(): boolean {
  return typeof VideoDecoder !== "undefined";
}

interface Job {
  pictures: Uint8Array[];
  copies: Promise<void>[];
  width: number;
  height: number;
  fail: (error: unknown) => void;
}

export class WebCodecsLuma implements LumaSource {
  private decoder: VideoDecoder | null = null;
  private job: Job | null = null;
  private queue: Promise<unknown> = Promise.resolve();

  decode(units: readonly Uint8Array[], width: number, height: number): Promise<Uint8Array[]> {
    const result = this.queue.then(() => this.attempt(units, width, height, TRIES));
    this.queue = result.catch(() => undefined);
    return result;
  }

  close(): void {
    if (this.decoder !== null && this.decoder.state !== "closed") this.decoder.close();
    this.decoder = null;
    this.job?.fail(new Error("the player was closed"));
  }

  /** Browsers take decoders back that idle or hide (QuotaExceededError): then another is made, once. */
  private async attempt(
    units: readonly Uint8Array[],
    width: number,
    height: number,
    tries: number,
  ): Promise<Uint8Array[]> {
    try {
      return await this.run(units, width, height);
    } catch (error) {
      if (this.decoder !== null && this.decoder.state !== "closed") this.decoder.close();
      this.decoder = null;
      if (tries > 1 && !(error instanceof BadData)) return this.attempt(units, width, height, tries - 1);
      throw error instanceof BadData ? error : new BadData(`video: ${error instanceof Error ? error.message : error}`);
    } finally {
      this.job = null;
    }
  }

  private async run(units: readonly Uint8Array[], width: number, height: number): Promise<Uint8Array[]> {
    const decoder = this.open();
    const failed = new Promise<never>((_, reject) => {
      this.job = { pictures: [], copies: [], width, height, fail: reject };
    });
    failed.catch(() => undefined);
    const job = this.job!;
    units.forEach((data, timestamp) => {
      decoder.decode(new EncodedVideoChunk({ type: timestamp === 0 ? "key" : "delta", timestamp, data }));
    });
    await Promise.race([decoder.flush(), failed]); // the next segment starts with a key picture anyway
    await Promise.race([Promise.all(job.copies), failed]);
    for (let i = 0; i < units.length; i++)
      if (job.pictures[i] === undefined) throw new BadData("video: a picture is missing");
    return job.pictures;
  }

  private open(): VideoDecoder {
    if (this.decoder !== null && this.decoder.state === "configured") return this.decoder;
    this.decoder = new VideoDecoder({
      output: (frame) => this.receive(frame),
      error: (error) => this.job?.fail(error),
    });
    this.decoder.configure({ codec: CODEC, optimizeForLatency: true });
    return this.decoder;
  }

  private receive(frame: VideoFrame): void {
    const { job } = this;
    if (job === null) {
      frame.close();
      return;
    }
    const copy = lumaOf(frame, job.width, job.height)
      .then((luma) => {
        job.pictures[frame.timestamp] = luma;
      })
      .catch(job.fail)
      .finally(() => frame.close());
    job.copies.push(copy);
  }
}

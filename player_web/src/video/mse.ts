/** Luma by a <video> element, for pages without WebCodecs (plain http): Media Source Extensions, then VideoFrame. */

import type { LumaSource } from "../decode/segment.js";
import { initSegment, mediaSegment, TIMESCALE } from "./fmp4.js";
import { lumaOf } from "./luma.js";

const PATIENCE = 30000; // ms for a picture to appear: a busy machine takes seconds, a broken one for ever

export class ElementLuma implements LumaSource {
  private queue: Promise<unknown> = Promise.resolve();

  decode(units: readonly Uint8Array[], width: number, height: number): Promise<Uint8Array[]> {
    const result = this.queue.then(() => decodeAll(units, width, height));
    this.queue = result.catch(() => undefined);
    return result;
  }

  close(): void {
    this.queue = Promise.reject(new Error("the player was closed"));
    this.queue.catch(() => undefined);
  }
}

async function decodeAll(units: readonly Uint8Array[], width: number, height: number): Promise<Uint8Array[]> {
  const { data, codec } = initSegment(units[0]!, width, height);
  const type = `video/mp4; codecs="${codec}"`;
  if (typeof MediaSource === "undefined" || typeof VideoFrame === "undefined" || !MediaSource.isTypeSupported(type)) {
    throw new Error("This browser gives this page no video decoder. Open the page by https, or use a newer browser.");
  }
  const video = document.createElement("video");
  video.muted = true;
  const source = new MediaSource();
  const url = URL.createObjectURL(source);
  try {
    video.src = url;
    await once(source, "sourceopen");
    const buffer = source.addSourceBuffer(type);
    for (const part of [data, mediaSegment(units)]) {
      buffer.appendBuffer(part);
      await once(buffer, "updateend");
    }
    source.endOfStream();
    const pictures: Uint8Array[] = [];
    for (let i = 0; i < units.length; i++) pictures.push(await pictureAt(video, i, width, height));
    return pictures;
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}

/** Seek to picture `i` and read it. */
async function pictureAt(video: HTMLVideoElement, i: number, width: number, height: number): Promise<Uint8Array> {
  const seeked = once(video, "seeked");
  video.currentTime = (i + 0.5) / TIMESCALE;
  await seeked;
  const frame = await frameOf(video);
  try {
    return await lumaOf(frame, width, height);
  } finally {
    frame.close();
  }
}

/** The picture at hand. `seeked` may come before the picture does (readyState below HAVE_CURRENT_DATA). */
async function frameOf(video: HTMLVideoElement): Promise<VideoFrame> {
  const end = performance.now() + PATIENCE;
  for (;;) {
    try {
      return new VideoFrame(video);
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((go) => setTimeout(go, 10));
    }
  }
}

function once(target: EventTarget, type: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = () => {
      clearTimeout(timer);
      reject(new Error("This browser's video element can't decode this file's video."));
    };
    const timer = setTimeout(failed, PATIENCE);
    target.addEventListener("error", failed, { once: true });
    target.addEventListener(
      type,
      () => {
        clearTimeout(timer);
        target.removeEventListener("error", failed);
        resolve();
      },
      { once: true },
    );
  });
}

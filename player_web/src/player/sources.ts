/** Where a file's segments come from, by its address, and what to tell people when they don't come. */

import type { Header } from "../container/header.js";
import { openContainer, parseHeader } from "../container/open.js";
import { webCodecsAvailable } from "../video/webcodecs.js";
import { HttpRangeSource } from "../wire/http.js";
import { type SegmentSource, SourceError } from "../wire/source.js";
import { WebSocketSource } from "../wire/websocket.js";

const VIDEO = 'video/mp4; codecs="avc1.640033"'; // High 5.1: covers every atlas of the format

/** Whether this page can decode payload `video`: by WebCodecs, or by a <video> element whose pictures can be read. */
function videoAvailable(): boolean {
  const sources = typeof MediaSource !== "undefined";
  if (sources && !MediaSource.isTypeSupported(VIDEO)) return false; // a browser without H.264
  return webCodecsAvailable() || (sources && typeof VideoFrame !== "undefined");
}

/** The first rung that can be decoded here; where none can, the first: its failure tells why. */
export function chooseRung(header: Header, video = videoAvailable()): number {
  const { rungs } = header;
  return (rungs.find(({ payload }) => payload === "compact" || (payload === "video" && video)) ?? rungs[0])?.id ?? 0;
}

export function explain(error: unknown): string {
  if (error instanceof SourceError && error.code === "missing") return `The video isn't there: ${error.message}.`;
  const text = error instanceof Error ? error.message : String(error);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** Web sockets by their scheme or their place on our server; else byte ranges. */
export function openSource(url: URL): SegmentSource<Header> {
  if (url.protocol === "ws:" || url.protocol === "wss:" || url.pathname.startsWith("/ws/")) {
    url.protocol = url.protocol.replace("http", "ws");
    return new WebSocketSource<Header>(url.href, { parseHeader, chooseRung });
  }
  return new HttpRangeSource<Header>(url.href, openContainer, { chooseRung });
}

/** What the player needs of a place that segments come from, and what both kinds of place share. */

import type { Row } from "./protocol.js";

/** One GOP of one rung. `offset` (of the bytes in the file) is known where the source reads by range. */
export interface SegmentEntry extends Row {
  rung: number;
  offset?: number;
}

export interface Opened<H> {
  header: H;
  index: readonly SegmentEntry[];
  /** False while the file is still being written: `onindex` tells of more. */
  complete: boolean;
}

export type SourceState = { kind: "waiting"; reason: string; attempt: number; delay: number } | { kind: "recovered" };

/** Where segments come from. Rejections are SourceError, or the signal's reason where it was aborted. */
export interface SegmentSource<H> {
  open(signal?: AbortSignal): Promise<Opened<H>>;
  /** The segment's bytes, unchecked: compare with the entry's crc. */
  fetchSegment(gop: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Told when the source has to wait for its server, and when it goes on. */
  onstate: ((state: SourceState) => void) | null;
  onindex: ((index: readonly SegmentEntry[], complete: boolean) => void) | null;
  close(): void;
}

/**
 * `no-range`: the host ignores Range; `changed`: the file is another one than at opening; `missing`: 404 and the like;
 * `unreachable`: attempts used up; `unreadable`: the server cannot read this segment; `protocol`; `closed`.
 */
export type SourceErrorCode = "no-range" | "changed" | "missing" | "unreachable" | "unreadable" | "protocol" | "closed";

export class SourceError extends Error {
  override name = "SourceError";
  readonly code: SourceErrorCode;
  constructor(code: SourceErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** How failures are met: up to `attempts` tries, pauses growing from `firstDelay` by `factor` to `maxDelay` (ms). */
export interface RetryPolicy {
  attempts: number;
  firstDelay: number;
  maxDelay: number;
  factor: number;
  /** Share of the pause that is left to chance, 0 to 1: many viewers do not come back in the same instant. */
  jitter: number;
  /** A transfer that brings nothing for this long (ms) has failed. */
  stall: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  attempts: Number.POSITIVE_INFINITY,
  firstDelay: 250,
  maxDelay: 8000,
  factor: 2,
  jitter: 0.5,
  stall: 15000,
};

/** The pause (ms) after failure number `attempt` (from 1); `random` is in 0..1. */
export function delayAfter(policy: RetryPolicy, attempt: number, random: number): number {
  const full = Math.min(policy.maxDelay, policy.firstDelay * policy.factor ** (attempt - 1));
  return full * (1 - policy.jitter * random);
}

export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** Resolves after `ms`; rejects with the signal's reason. */
export const sleep: Sleep = (ms, signal) =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });

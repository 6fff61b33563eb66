/** Segments by HTTP Range from any static host. */

import {
  DEFAULT_RETRY,
  delayAfter,
  type Opened,
  type RetryPolicy,
  type SegmentEntry,
  type SegmentSource,
  type Sleep,
  SourceError,
  type SourceState,
  sleep,
} from "./source.js";

/** What the container's reader reads through. `size` is null until a first read, or where the host hides it. */
export interface RangeReader {
  read(start: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  readonly size: number | null;
}

export type OpenContainer<H> = (reader: RangeReader, signal?: AbortSignal) => Promise<Opened<H>>;

export interface HttpOptions<H> {
  fetch?: typeof fetch;
  retry?: Partial<RetryPolicy>;
  sleep?: Sleep;
  random?: () => number;
  /** Which rung to play, by its number; without it, rung 0. */
  chooseRung?: (header: H) => number;
}

/** A failure that may pass: the network, a server that is restarting or overloaded. */
class Passing extends Error {}

export class HttpRangeSource<H> implements SegmentSource<H>, RangeReader {
  onstate: ((state: SourceState) => void) | null = null;
  onindex: ((index: readonly SegmentEntry[], complete: boolean) => void) | null = null;
  size: number | null = null;
  private etag: string | null = null;
  private entries = new Map<number, SegmentEntry>();
  private readonly closing = new AbortController();
  private readonly retry: RetryPolicy;
  private readonly fetch: typeof fetch;
  private readonly sleep: Sleep;
  private readonly random: () => number;

  constructor(
    private readonly url: string,
    private readonly openContainer: OpenContainer<H>,
    private readonly options: HttpOptions<H> = {},
  ) {
    this.retry = { ...DEFAULT_RETRY, ...options.retry };
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.sleep = options.sleep ?? sleep;
    this.random = options.random ?? Math.random;
  }

  async open(signal?: AbortSignal): Promise<Opened<H>> {
    const opened = await this.openContainer(this, signal);
    const rung = this.options.chooseRung?.(opened.header) ?? 0;
    const index = opened.index.filter((entry) => entry.rung === rung);
    this.entries = new Map(index.map((entry) => [entry.gop, entry]));
    return { ...opened, index };
  }

  async fetchSegment(gop: number, signal?: AbortSignal): Promise<Uint8Array> {
    const entry = this.entries.get(gop);
    if (entry?.offset === undefined) throw new SourceError("missing", `no segment ${gop}`);
    return this.read(entry.offset, entry.length, signal);
  }

  /** Exactly `length` bytes from `start`; a transfer that breaks off is taken up where it broke. */
  async read(start: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const either = signal ? AbortSignal.any([signal, this.closing.signal]) : this.closing.signal;
    const job: Job = { start, bytes: new Uint8Array(length), done: 0 };
    let failures = 0;
    let waited = false;
    while (job.done < length) {
      either.throwIfAborted();
      const before = job.done;
      try {
        await this.transfer(job, either);
        if (waited) this.onstate?.({ kind: "recovered" });
        waited = false;
      } catch (error) {
        if (!(error instanceof Passing)) throw error;
        failures = job.done > before ? 1 : failures + 1;
        if (failures >= this.retry.attempts) throw new SourceError("unreachable", error.message);
        const delay = delayAfter(this.retry, failures, this.random());
        this.onstate?.({ kind: "waiting", reason: error.message, attempt: failures, delay });
        waited = true;
        await this.sleep(delay, either);
      }
    }
    return job.bytes;
  }

  close(): void {
    this.closing.abort(new SourceError("closed", "source was closed"));
  }

  /** One request for what is missing of `job`; Passing where it is worth another try. */
  private async transfer(job: Job, signal: AbortSignal): Promise<void> {
    const watch = new AbortController();
    const either = AbortSignal.any([signal, watch.signal]);
    let timer = setTimeout(() => watch.abort(), this.retry.stall);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => watch.abort(), this.retry.stall);
    };
    try {
      const from = job.start + job.done;
      const headers = { Range: `bytes=${from}-${job.start + job.bytes.length - 1}` };
      const response = await this.fetch(this.url, { headers, signal: either });
      this.check(response, from);
      await readInto(job, response, alive);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof SourceError || error instanceof Passing) throw error;
      throw new Passing(watch.signal.aborted ? "the server sends nothing" : "the server cannot be reached");
    } finally {
      clearTimeout(timer);
      watch.abort(); // lets go of the rest of an answer that is not wanted
    }
  }

  private check(response: Response, from: number): void {
    const { status } = response;
    if (status >= 500 || status === 429 || status === 408) throw new Passing(`the server answers ${status}`);
    if (status === 200) throw new SourceError("no-range", "this host does not serve byte ranges (it ignores Range)");
    if (status === 416) throw new SourceError("changed", "the file is shorter than its index says");
    if (status !== 206) throw new SourceError("missing", `the server answers ${status}`);
    // both fields are hidden on other origins that do not expose them: then there is nothing to compare
    const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("Content-Range") ?? "");
    if (match !== null && Number(match[1]) !== from) throw new SourceError("protocol", "the host sent another range");
    const size = match === null || match[2] === "*" ? null : Number(match[2]);
    const etag = response.headers.get("ETag");
    if (etag !== null && this.etag !== null && etag !== this.etag) {
      throw new SourceError("changed", "the file was replaced while it was playing");
    }
    this.etag ??= etag;
    this.size = size ?? this.size;
  }
}

interface Job {
  start: number;
  bytes: Uint8Array;
  /** Bytes that are here; kept when a transfer breaks off. */
  done: number;
}

/** Append an answer's body to what is here; Passing where it ends without having brought anything. */
async function readInto(job: Job, response: Response, alive: () => void): Promise<void> {
  const before = job.done;
  const reader = response.body?.getReader();
  if (reader === undefined) throw new Passing("the server sends nothing");
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    alive();
    const part = value.subarray(0, job.bytes.length - job.done);
    job.bytes.set(part, job.done);
    job.done += part.length;
    if (part.length < value.length) break;
  }
  if (job.done === before) throw new Passing("the server sends nothing");
}

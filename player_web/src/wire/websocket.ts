/** Segments pushed over a websocket: `fetchSegment` is kept by credits and generations underneath. */

import { ClientSide, type Event, ProtocolError, type Row, SUBPROTOCOL } from "./protocol.js";
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

/** The part of WebSocket that is used. */
export interface Socket {
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface WebSocketOptions<H> {
  /** The file's bytes up to its first segment, as the container reads them. */
  parseHeader: (bytes: Uint8Array) => H;
  connect?: (url: string, subprotocol: string) => Socket;
  retry?: Partial<RetryPolicy>;
  /** Failures to connect before `open` gives up: the caller may fall back on HTTP. */
  openAttempts?: number;
  sleep?: Sleep;
  random?: () => number;
  /** Which rung to play, by its number; without it, rung 0. */
  chooseRung?: (header: H) => number;
  /** Segments that may be under way or waiting to be fetched. */
  credits?: number;
}

interface Want {
  resolve(bytes: Uint8Array): void;
  reject(reason: unknown): void;
}

/** Closing codes that say that we are not welcome: another try would end alike. */
const FINAL_CLOSES = new Set([1003, 1008, 1009]);
/** The file is being written and has no segment yet: waiting is no failure. */
const NOT_READY = 1013;

export class WebSocketSource<H> implements SegmentSource<H> {
  onstate: ((state: SourceState) => void) | null = null;
  onindex: ((index: readonly SegmentEntry[], complete: boolean) => void) | null = null;
  private side: ClientSide;
  private socket: Socket | null = null;
  /** The socket is open and the first message sent. */
  private live = false;
  private header: H | null = null;
  private rows: readonly Row[] = [];
  private readonly wants = new Map<number, Set<Want>>();
  private readonly arrived = new Map<number, Uint8Array>();
  /** GOPs that the current generation will bring without another grant: from `next`, as many as there are credits. */
  private next = 0;
  private ended = false;
  private failures = 0;
  private opening: { resolve(opened: Opened<H>): void; reject(reason: unknown): void } | null = null;
  private failed: SourceError | null = null;
  private readonly closing = new AbortController();
  private readonly retry: RetryPolicy;
  private readonly credits: number;
  private rung = 0;

  constructor(
    private readonly url: string,
    private readonly options: WebSocketOptions<H>,
  ) {
    this.retry = { ...DEFAULT_RETRY, ...options.retry };
    this.credits = options.credits ?? 3;
    this.side = new ClientSide(nameOf(url));
  }

  open(signal?: AbortSignal): Promise<Opened<H>> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.opening = { resolve, reject };
      signal?.addEventListener("abort", () => this.fail(new SourceError("closed", "opening was given up")));
      this.connect();
    });
  }

  fetchSegment(gop: number, signal?: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.failed !== null) throw this.failed;
      if (this.rows[gop] === undefined) throw new SourceError("missing", `no segment ${gop}`);
      const here = this.arrived.get(gop);
      if (here !== undefined) {
        this.arrived.delete(gop);
        resolve(here);
        this.acknowledge();
        return;
      }
      const want = { resolve, reject };
      const wants = this.wants.get(gop) ?? new Set();
      this.wants.set(gop, wants.add(want));
      signal?.addEventListener(
        "abort",
        () => {
          if (!wants.delete(want)) return;
          if (wants.size === 0 && this.wants.get(gop) === wants) this.wants.delete(gop);
          reject(signal.reason);
          this.steer();
        },
        { once: true },
      );
      this.steer();
    });
  }

  close(): void {
    this.fail(new SourceError("closed", "source was closed"));
  }

  private connect(): void {
    const make = this.options.connect ?? ((url, protocol) => new WebSocket(url, protocol) as unknown as Socket);
    const socket = make(this.url, SUBPROTOCOL);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.begin(socket);
    socket.onmessage = ({ data }) => {
      if (this.socket === socket) this.receive(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.socket === socket) void this.reconnect(code, reason);
    };
  }

  /** Open, where the player goes on: at the first segment it waits for. */
  private begin(socket: Socket): void {
    this.side = new ClientSide(this.side.path, this.side.generation);
    this.live = true;
    const gop = this.firstWanted() ?? this.next;
    this.start(gop);
    const frame = this.rows[gop]?.firstFrame ?? 0;
    socket.send(this.side.open({ rung: this.rung, frame, credits: this.credits }));
  }

  private start(gop: number): void {
    this.next = gop;
    this.ended = false;
    this.arrived.clear();
  }

  private async reconnect(code: number, reason: string): Promise<void> {
    this.socket = null;
    this.live = false;
    if (FINAL_CLOSES.has(code)) {
      this.fail(new SourceError("protocol", `the server closed the connection: ${reason || code}`));
      return;
    }
    this.failures += 1;
    const limit = this.header === null && code !== NOT_READY ? (this.options.openAttempts ?? 3) : this.retry.attempts;
    if (this.failures >= limit) {
      this.fail(new SourceError("unreachable", "the server cannot be reached"));
      return;
    }
    const delay = delayAfter(this.retry, this.failures, (this.options.random ?? Math.random)());
    const why = reason || "the connection was cut";
    this.onstate?.({ kind: "waiting", reason: why, attempt: this.failures, delay });
    try {
      await (this.options.sleep ?? sleep)(delay, this.closing.signal);
    } catch {
      return; // closed meanwhile
    }
    this.connect();
  }

  private receive(data: unknown): void {
    try {
      const event = this.side.receive(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
      if (event !== null) this.handle(event);
    } catch (error) {
      if (error instanceof SourceError) this.fail(error);
      else if (error instanceof ProtocolError) this.fail(new SourceError("protocol", error.message));
      else throw error;
    }
  }

  private handle(event: Event): void {
    switch (event.type) {
      case "header":
        this.header ??= this.options.parseHeader(event.data);
        this.take(this.options.chooseRung?.(this.header) ?? 0);
        break;
      case "table":
        if (event.rung === this.rung) this.adopt(event.rows, event.complete);
        break;
      case "segment":
        this.next = event.row.gop + 1;
        this.deliver(event.row.gop, event.data);
        break;
      case "end":
        this.ended = true;
        this.steer();
        break;
      case "error":
        if (this.opening !== null && this.rung !== 0)
          this.take(0); // the other has no segment yet
        else if (this.opening !== null) this.fail(new SourceError("missing", event.message));
        else this.skip(new SourceError("unreadable", event.message));
        break;
      case "ping":
        this.socket?.send(this.side.pong(event.id));
    }
  }

  /** From rung 0, which was asked for before anything was known, to the one that suits. */
  private take(rung: number): void {
    if (rung === this.rung) return;
    this.rung = rung;
    this.start(0);
    this.socket?.send(this.side.seek({ rung, frame: 0, credits: this.credits }));
  }

  private adopt(rows: readonly Row[], complete: boolean): void {
    const shared = Math.min(rows.length, this.rows.length);
    for (let i = 0; i < shared; i++) {
      if (rows[i]?.crc !== this.rows[i]?.crc || rows[i]?.length !== this.rows[i]?.length) {
        throw new SourceError("changed", "the file was replaced while it was playing");
      }
    }
    this.rows = rows;
    if (this.failures > 0) this.onstate?.({ kind: "recovered" });
    this.failures = 0;
    const index = rows.map((row) => ({ ...row, rung: this.rung }));
    if (this.opening !== null && this.header !== null) {
      this.opening.resolve({ header: this.header, index, complete });
      this.opening = null;
    } else {
      this.onindex?.(index, complete);
    }
  }

  private deliver(gop: number, data: Uint8Array): void {
    const wants = this.wants.get(gop);
    if (wants === undefined) {
      this.arrived.set(gop, data);
    } else {
      this.wants.delete(gop);
      for (const want of wants) want.resolve(data);
      this.acknowledge();
    }
    this.steer();
  }

  /** A segment has been taken: another may come. */
  private acknowledge(): void {
    if (this.live && !this.ended) this.socket?.send(this.side.grant());
  }

  /** The server cannot go on at `next`: tell who waits for it; another one may be asked for. */
  private skip(error: SourceError): void {
    const wants = this.wants.get(this.next);
    this.wants.delete(this.next);
    this.ended = true;
    for (const want of wants ?? []) want.reject(error);
    this.steer();
  }

  /** Seek, where nothing that is waited for will come by itself. */
  private steer(): void {
    const gop = this.firstWanted();
    if (!this.live || this.rows.length === 0 || gop === undefined) return;
    const coming = (wanted: number) => !this.ended && wanted >= this.next && wanted < this.next + this.side.credits;
    if ([...this.wants.keys()].some(coming)) return;
    this.start(gop);
    // a lone one, as the base that a later one shares, is not worth a run of segments that nobody waits for
    const lone = this.wants.size > 1 && !this.wants.has(gop + 1);
    const credits = lone ? 1 : this.credits;
    this.socket?.send(this.side.seek({ frame: this.rows[gop]?.firstFrame ?? 0, credits }));
  }

  private firstWanted(): number | undefined {
    return this.wants.size === 0 ? undefined : Math.min(...this.wants.keys());
  }

  private fail(error: SourceError): void {
    if (this.failed !== null) return;
    this.failed = error;
    this.closing.abort(error);
    this.opening?.reject(error);
    for (const wants of this.wants.values()) for (const want of wants) want.reject(error);
    this.wants.clear();
    this.arrived.clear();
    const { socket } = this;
    this.socket = null;
    this.live = false;
    socket?.close(1000);
  }
}

/** The last part of the link's path, decoded. */
function nameOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.split("/").at(-1) ?? "");
}

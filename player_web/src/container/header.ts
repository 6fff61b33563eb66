/** HEAD: what the player needs before the first segment (SPEC.md 3.1). */

import { BadData, Unsupported } from "../decode/errors.js";
import { MAX_FRAME } from "./chunks.js";
import { unzip } from "./zstd.js";

const KERNELS = ["classic", "compensated"];
const MAX_FPS = 10_000;
const MAX_COORDINATE = 1e30;
const MAX_COUNT = 2 ** 31 - 1;

type Vector = [number, number, number];

export interface Rung {
  id: number;
  payload: string;
  codecs: string[];
  slots: number;
}

export interface Header {
  generator: string;
  title: string;
  /** Frames a second. */
  fps: number;
  /** 0: the file is still growing. */
  frames: number;
  shDegree: number;
  kernel: string;
  up: Vector;
  center: Vector;
  radius: number;
  rungs: Rung[];
}

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The fields of a JSON object, each checked as it is read; missing ones take the default. */
class Fields {
  constructor(private readonly doc: Json) {}

  private read<T>(name: string, fallback: T, good: (value: unknown) => value is T): T {
    const value = Object.hasOwn(this.doc, name) ? this.doc[name] : fallback;
    if (!good(value)) throw new BadData(`HEAD: ${name} is out of range`);
    return value;
  }

  text(name: string, fallback = ""): string {
    return this.read(name, fallback, (v): v is string => typeof v === "string");
  }

  whole(name: string, low: number, high: number): number {
    return this.read(name, 0, (v): v is number => Number.isInteger(v) && Number(v) >= low && Number(v) <= high);
  }

  number(name: string, fallback: number, above = -MAX_COORDINATE): number {
    return this.read(name, fallback, (v): v is number => typeof v === "number" && v > above && v < MAX_COORDINATE);
  }

  vector(name: string, fallback: Vector): Vector {
    const good = (v: unknown) => typeof v === "number" && Math.abs(v) < MAX_COORDINATE;
    return this.read(name, fallback, (v): v is Vector => Array.isArray(v) && v.length === 3 && v.every(good));
  }

  pair(name: string, fallback: [number, number], low: number): [number, number] {
    const good = (v: unknown) => Number.isInteger(v) && Number(v) >= low && Number(v) <= MAX_COUNT;
    return this.read(name, fallback, (v): v is [number, number] => Array.isArray(v) && v.length === 2 && v.every(good));
  }

  texts(name: string): string[] {
    const good = (v: unknown) => typeof v === "string";
    return this.read(name, [], (v): v is string[] => Array.isArray(v) && v.every(good));
  }

  object(name: string): Fields {
    return new Fields(this.read(name, {}, isObject));
  }

  objects(name: string): Fields[] {
    const good = (v: unknown): v is Json[] => Array.isArray(v) && v.length > 0 && v.every(isObject);
    return this.read(name, [{}], good).map((doc) => new Fields(doc));
  }
}

function readRung(doc: Fields): Rung {
  doc.whole("width", 0, MAX_COUNT);
  doc.whole("height", 0, MAX_COUNT);
  doc.number("quality", 0);
  return {
    id: doc.whole("id", 0, 0xffff),
    payload: doc.text("payload", "video"),
    codecs: doc.texts("codecs"),
    slots: doc.whole("slots", 0, MAX_COUNT),
  };
}

function parse(payload: Uint8Array): Fields {
  const bytes = unzip(payload);
  let doc: unknown;
  try {
    doc = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new BadData("HEAD: not readable");
  }
  if (!isObject(doc)) throw new BadData("HEAD: not an object");
  return new Fields(doc);
}

export function readHeader(payload: Uint8Array): Header {
  const doc = parse(payload);
  doc.pair("version", [1, 0], 0);
  doc.number("unit_m", 1, 0);
  const [top, bottom] = doc.pair("fps", [30, 1], 1);
  const bounds = doc.object("bounds");
  const header = {
    generator: doc.text("generator"),
    title: doc.text("title"),
    fps: top / bottom,
    frames: doc.whole("frames", 0, MAX_FRAME),
    shDegree: doc.whole("sh_degree", 0, 3),
    kernel: doc.text("kernel", "classic"),
    up: doc.vector("up", [0, -1, 0]),
    center: bounds.vector("center", [0, 0, 0]),
    radius: bounds.number("radius", 1, 0),
    rungs: doc.objects("rungs").map(readRung),
  };
  if (top >= MAX_FPS * bottom) throw new BadData("HEAD: fps is out of range");
  if (header.up.every((v) => v === 0)) throw new BadData("HEAD: up is zero");
  if (new Set(header.rungs.map((rung) => rung.id)).size < header.rungs.length) {
    throw new BadData("HEAD: a rung comes twice");
  }
  if (!KERNELS.includes(header.kernel)) {
    throw new Unsupported(`kernel ${header.kernel} is not known to this player`);
  }
  return header;
}

/**
 * H.264 access units as fragmented MP4 (ISO/IEC 14496-12 and -15), for browsers that decode video only in a <video>
 * element. Each picture lasts one tick of the timescale, so that picture n lies at time n / TIMESCALE.
 */

export const TIMESCALE = 30;
const SPS = 7;
const PPS = 8;
const IDR = 5;

/** The NAL units of an Annex B byte stream, without start codes. */
export function nalUnits(bytes: Uint8Array): Uint8Array[] {
  const starts: number[] = [];
  for (let i = 0; i + 2 < bytes.length; i++) {
    if (bytes[i] === 0 && bytes[i + 1] === 0 && bytes[i + 2] === 1) {
      starts.push(i + 3);
      i += 2;
    }
  }
  return starts.map((start, k) => {
    let end = k + 1 < starts.length ? starts[k + 1]! - 3 : bytes.length;
    while (end > start && bytes[end - 1] === 0) end--; // a longer start code, or trailing zeros
    return bytes.subarray(start, end);
  });
}

type Part = Uint8Array | number[];

function join(parts: Part[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const u16 = (v: number) => [(v >> 8) & 255, v & 255];
const u32 = (v: number) => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
const zeros = (n: number) => new Array<number>(n).fill(0);
const text = (s: string) => [...s].map((c) => c.charCodeAt(0));

function box(type: string, ...parts: Part[]): Uint8Array<ArrayBuffer> {
  const body = join(parts);
  return join([u32(8 + body.length), text(type), body]);
}

const full = (type: string, version: number, flags: number, ...parts: Part[]) =>
  box(type, [version, ...u32(flags).slice(1)], ...parts);

const MATRIX = [...u32(0x10000), ...zeros(12), ...u32(0x10000), ...zeros(12), ...u32(0x40000000)];

/** What a source buffer takes first. `first`: the access unit that holds the parameter sets. */
export function initSegment(
  first: Uint8Array,
  width: number,
  height: number,
): { data: Uint8Array<ArrayBuffer>; codec: string } {
  const units = nalUnits(first);
  const sps = units.find((unit) => (unit[0]! & 31) === SPS);
  const pps = units.find((unit) => (unit[0]! & 31) === PPS);
  if (sps === undefined || pps === undefined || sps.length < 4) throw new Error("video: no parameter sets");
  const profile = [...sps.subarray(1, 4)];
  const avcc = box("avcC", [1, ...profile, 0xff, 0xe1], u16(sps.length), sps, [1], u16(pps.length), pps);
  const size = [...u16(width), ...u16(height)];
  const avc1 = box(
    "avc1",
    zeros(6),
    u16(1),
    zeros(16),
    size,
    u32(0x480000),
    u32(0x480000),
    zeros(4),
    u16(1),
    zeros(32),
    u16(24),
    [255, 255],
    avcc,
  );
  const table = [
    full("stsd", 0, 0, u32(1), avc1),
    full("stts", 0, 0, u32(0)),
    full("stsc", 0, 0, u32(0)),
    full("stsz", 0, 0, u32(0), u32(0)),
    full("stco", 0, 0, u32(0)),
  ];
  const dinf = box("dinf", full("dref", 0, 0, u32(1), full("url ", 0, 1)));
  const minf = box("minf", full("vmhd", 0, 1, zeros(8)), dinf, box("stbl", ...table));
  const mdia = box(
    "mdia",
    full("mdhd", 0, 0, zeros(8), u32(TIMESCALE), u32(0), u16(0x55c4), u16(0)),
    full("hdlr", 0, 0, u32(0), text("vide"), zeros(12), [0]),
    minf,
  );
  const tkhd = full(
    "tkhd",
    0,
    3,
    zeros(8),
    u32(1),
    zeros(4),
    u32(0),
    zeros(8),
    zeros(8),
    MATRIX,
    u32(width * 65536),
    u32(height * 65536),
  );
  const mvhd = full(
    "mvhd",
    0,
    0,
    zeros(8),
    u32(TIMESCALE),
    u32(0),
    u32(0x10000),
    u16(0x100),
    zeros(10),
    MATRIX,
    zeros(24),
    u32(2),
  );
  const trex = full("trex", 0, 0, u32(1), u32(1), u32(1), u32(0), u32(0));
  const moov = box("moov", mvhd, box("trak", tkhd, mdia), box("mvex", trex));
  const codec = `avc1.${profile.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  return { data: join([box("ftyp", text("isom"), u32(512), text("isomiso5avc1")), moov]), codec };
}

/** One fragment with all pictures; the first is a key picture. */
export function mediaSegment(units: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const samples = units.map((unit) => {
    const nals = nalUnits(unit);
    const key = nals.some((nal) => (nal[0]! & 31) === IDR);
    return {
      key,
      data: join(nals.filter((nal) => ![SPS, PPS].includes(nal[0]! & 31)).flatMap((nal) => [u32(nal.length), nal])),
    };
  });
  const entries = samples.flatMap(({ key, data }) => [...u32(data.length), ...u32(key ? 0x02000000 : 0x01010000)]);
  const moof = (offset: number) => {
    const trun = full("trun", 0, 0x601, u32(samples.length), u32(offset), entries);
    const traf = box("traf", full("tfhd", 0, 0x20008, u32(1), u32(1)), full("tfdt", 0, 0, u32(0)), trun);
    return box("moof", full("mfhd", 0, 0, u32(1)), traf);
  };
  const head = moof(0);
  return join([moof(head.length + 8), box("mdat", ...samples.map(({ data }) => data))]);
}

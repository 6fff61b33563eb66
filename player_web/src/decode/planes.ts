/** Every integer of a segment, bit for bit as its writer had them (SPEC.md 5.6 to 5.8). */

import { contextsOf, Decoder, quantise, SET_SIZE, sgn3, signsOf } from "./coder.js";
import {
  type Coded,
  NO_PLANES,
  NO_RESIDUALS,
  POWERS,
  type Residuals,
  readCoded,
  Scratch,
  VALUE_LIMIT,
} from "./coefficients.js";
import { BadData } from "./errors.js";
import {
  COLOUR,
  GROUPS,
  groupOf,
  groupStarts,
  isTemporal,
  MODE_CODED,
  type Model,
  OPACITY,
  planesOf,
  previousChannel,
  ROTATION,
  SCALE,
  type Sections,
  SH,
  videoPlanes,
} from "./model.js";
import { findNeighbours, MOST, Neighbours } from "./neighbours.js";
import { readPositions } from "./positions.js";
import { type Shape, shapeOf } from "./shape.js";
import { readSide } from "./side.js";

const BASE_ORDER = [SCALE, OPACITY, ROTATION, COLOUR, SH];
const LABEL_COUNTERS = 3 + 64;
const SET_COEF = GROUPS;
const SET_OVERFLOW = GROUPS + 4 * GROUPS;
const COEFFICIENT_SETS = SET_OVERFLOW + 4;

/** An entry of the overflow list. */
export interface Overflow {
  plane: number;
  slot: number;
  value: number;
}

/** What a segment gives those that share its base. */
export interface Base {
  model: Model;
  x: [Int32Array, Int32Array, Int32Array];
  /** By group. */
  classes: Int32Array[];
  /** By channel; the first three are not used. */
  base: Int32Array[];
  labels: Int32Array;
  neighbours: Neighbours;
  shape: Shape;
}

export interface Planes extends Base {
  /** By group: K_g rows of T. */
  bases: Float64Array[][];
  /** By part, by entry: DCT coefficients. */
  parts: Float64Array[][];
  /** Of soft parts' nodes: (K, 3) lattice, and (K, 12, T) residuals of their motion. */
  places: Int32Array;
  motion: Int32Array;
  coded: Coded[];
  overflow: Overflow[];
  /** One for each of videoPlanes(model), filled by the video. */
  video: Int32Array[];
}

const NO_SHAPE: Shape = shapeOf([new Int32Array(0), new Int32Array(0), new Int32Array(0)], [1, 1, 1]);

/** Slots, positions, neighbours, labels, classes and base planes. `above`: those of the first slots, if another's. */
export function readBase(model: Model, sections: Sections, above: Base | null = null): Base {
  const n = model.slots;
  const room = (start?: Int32Array): Int32Array => {
    const out = new Int32Array(n);
    if (start !== undefined) out.set(start);
    return out;
  };
  const base: Base = {
    model,
    x: [room(above?.x[0]), room(above?.x[1]), room(above?.x[2])],
    classes: Array.from({ length: GROUPS }, (_, g) => room(above?.classes[g])),
    base: Array.from({ length: model.channels }, (_, c) => room(above?.base[c])),
    labels: room(above?.labels),
    neighbours: above?.neighbours ?? new Neighbours(0),
    shape: NO_SHAPE,
  };
  if (n === 0) return base;
  const start = above?.model.slots ?? 0;
  readPositions(sections.position, start, { x: base.x, classes: base.classes[0]! }, model.bits, model.cellShift);
  base.neighbours = findNeighbours(...base.x, model.cellShift, base.neighbours);
  readBasePlanes(sections.base, base, start);
  return base;
}

/** All planes but those of the video, on a base that may be another segment's. */
export function readPlanes(model: Model, sections: Sections, base: Base): Planes {
  const planes: Planes = {
    ...base,
    model,
    bases: Array.from({ length: GROUPS }, () => []),
    parts: [],
    places: new Int32Array(0),
    motion: new Int32Array(0),
    coded: Array.from({ length: model.channels }, () => NO_PLANES),
    overflow: [],
    video: [],
  };
  if (model.slots > 0 && isTemporal(model)) {
    readSide(sections.side, planes);
    readCoefficients(sections.coefficient, planes);
  }
  return planes;
}

/** Labels, classes and base planes of the slots from `start` on. */
function readBasePlanes(section: Uint8Array, planes: Base, start: number): void {
  const { model } = planes;
  const sets = 5 + model.channels - 3;
  const coder = Decoder.ofSets(section, "base", sets, LABEL_COUNTERS);
  if (model.parts > 0 && !model.soft) readLabels(coder, planes, sets * SET_SIZE, start);
  const q: Int32Array[] = Array.from({ length: model.channels }, () => new Int32Array(0));
  const starts = groupStarts(model.shDegree);
  const nothing = new Int32Array(model.slots);
  for (const g of BASE_ORDER) {
    if (g === ROTATION) planes.shape = shapeOf(planes.base.slice(3, 6), model.baseUnit.subarray(3, 6));
    readClasses(coder, planes, g, start);
    for (let c = starts[g]!; c < starts[g + 1]!; c++) {
      const before = previousChannel(c);
      q[c] = readBasePlane(coder, planes, c, before < 0 ? nothing : q[before]!, start);
    }
  }
}

/** log2 of each slot's step in a channel's unit: the group's class, by axis for rotations. */
function stepsOf(planes: Base, c: number): Int32Array {
  const g = groupOf(c);
  const classes = planes.classes[g]!;
  if (g !== ROTATION) return classes;
  const shifts = planes.shape.shifts[c - 6]!;
  return classes.map((value, i) => value + shifts[i]!);
}

function readLabels(coder: Decoder, { model, labels, neighbours: nb }: Base, base: number, start: number): void {
  for (let i = start; i < model.slots; i++) {
    const first = i * MOST;
    const count = nb.count[i]!;
    const a = count > 0 ? labels[nb.index[first]!]! : -1;
    let b = -1;
    for (let k = 1; k < count && b < 0; k++) {
      const label = labels[nb.index[first + k]!]!;
      if (label !== a) b = label;
    }
    if (a >= 0 && coder.simple(base) === 1) {
      labels[i] = a;
    } else if (b >= 0 && coder.simple(base + 1) === 1) {
      labels[i] = b;
    } else {
      let node = 1;
      for (let bit = 0; bit < 6; bit++) node = 2 * node + coder.simple(base + 3 + node);
      if (node - 64 >= model.parts) throw coder.bad("part out of range");
      labels[i] = node - 64;
    }
  }
}

/** Features of the class regression stay within this, so that its sum is exact in a double. */
const FEATURE_LIMIT = 1 << 19;

function readClasses(coder: Decoder, planes: Base, g: number, start: number): void {
  const { model, neighbours: nb, base } = planes;
  const a = model.regression[g]!;
  const features = [planes.classes[0]!, nb.feature, base[3]!, base[4]!, base[5]!, base[9]!];
  const spacing = model.spacing[g]!;
  const out = planes.classes[g]!;
  const position = planes.classes[0]!;
  const k = new Int32Array(model.slots);
  for (let i = start; i < model.slots; i++) {
    let pred = a[0]!;
    for (let j = 1; j < a.length; j++) {
      const f = features[j - 1]![i]!;
      pred += a[j]! * Math.min(Math.max(f, -FEATURE_LIMIT), FEATURE_LIMIT);
    }
    pred = Math.floor(pred / 65536);
    if (spacing > 0) {
      const p = Math.min(Math.max(pred, 0), 15);
      const near = nb.count[i]! > 0 ? k[nb.nearest(i)]! : 0;
      const c0 = quantise(nb.magnitude(i, k));
      k[i] = coder.value(
        g - 1,
        contextsOf(c0, quantise(Math.abs(near)), p, position[i]!),
        signsOf(sgn3(nb.sum(i, k)), sgn3(near), p, 0),
        false,
      );
    }
    out[i] = Math.min(Math.max(pred + spacing * k[i]!, 0), 15);
  }
}

function readBasePlane(coder: Decoder, planes: Base, c: number, qBefore: Int32Array, start: number): Int32Array {
  const { model, neighbours: nb } = planes;
  const { index, weight, count, total: totals } = nb;
  const predicted = groupOf(c) !== ROTATION;
  const steps = stepsOf(planes, c);
  const set = 5 + c - 3;
  const v = planes.base[c]!;
  const q = new Int32Array(model.slots);
  for (let i = start; i < model.slots; i++) {
    const step = POWERS[steps[i]!]!;
    const cls = Math.min(15, steps[i]!);
    const first = i * MOST;
    const end = first + count[i]!;
    let low = 0;
    let high = 0;
    let near = 0;
    let sum = 0;
    let sumQ = 0;
    let magnitude = 0;
    let mean = 0;
    if (end > first) {
      const total = totals[i]!;
      near = q[index[first]!]!;
      low = v[index[first]!]!;
      high = low;
      for (let k = first; k < end; k++) {
        const w = weight[k]!;
        const value = v[index[k]!]!;
        const residual = Math.imul(w, q[index[k]!]!); // below 2^31
        sum += w * value;
        sumQ += residual;
        magnitude += residual < 0 ? -residual : residual;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (predicted) mean = Math.floor((2 * sum + total) / (2 * total));
      magnitude = Math.floor((16 * magnitude) / total);
    }
    const disp = Math.floor((high - low) / step);
    const pc = Math.abs(qBefore[i]!);
    const qn = quantise(magnitude);
    const g0 = sgn3(sumQ);
    const g1 = sgn3(qBefore[i]!);
    const c0 = 6 * qn + Math.min(5, pc);
    const c1 = quantise(magnitude + 8 * pc) + 16 * Math.min(7, cls >> 1);
    const c2 = 8 * quantise(disp) + Math.min(7, qn >> 1);
    const c3 = 8 * cls + Math.min(7, quantise(2 * disp + magnitude) >> 1);
    const residual = coder.value(set, contextsOf(c0, c1, c2, c3), signsOf(g0, g1, 3 * g0 + g1, sgn3(near)), false);
    const value = mean + residual * step;
    if (Math.abs(value) > VALUE_LIMIT) throw coder.bad("value out of range");
    q[i] = residual;
    v[i] = value;
  }
  return q;
}

function readCoefficients(section: Uint8Array, planes: Planes): void {
  const { model, neighbours } = planes;
  if (!model.mode.flat().some((m) => m !== 0)) return;
  const coder = Decoder.ofSets(section, "coefficient", COEFFICIENT_SETS);
  const scratch = new Scratch();
  const residuals: Residuals[] = [];
  for (let c = 0; c < model.channels; c++) {
    const m = planesOf(model, c, MODE_CODED).length;
    const g = groupOf(c);
    if (m === 0) {
      residuals.push(NO_RESIDUALS);
      continue;
    }
    const channel = {
      number: c,
      m,
      setLast: g,
      setCoef: SET_COEF + 4 * g,
      steps: stepsOf(planes, c),
      beta: Int32Array.from(model.beta[c]!),
      before: residuals[previousChannel(c)] ?? NO_RESIDUALS,
    };
    const read = readCoded(coder, neighbours, channel, scratch);
    planes.coded[c] = read.coded;
    residuals.push(read.residuals);
  }
  const count = videoPlanes(model).length;
  if (count > 0) planes.overflow = readOverflow(coder, count, model.slots);
}

function readOverflow(coder: Decoder, nPlanes: number, nSlots: number): Overflow[] {
  const count = coder.number(SET_OVERFLOW, false);
  if (count > nPlanes * nSlots) throw coder.bad("overflow list longer than the planes");
  const out: Overflow[] = [];
  let plane = 0;
  let slot = -1;
  for (let i = 0; i < count; i++) {
    const step = coder.number(SET_OVERFLOW + 1, false);
    if (step > 0) slot = -1;
    plane += step;
    slot += coder.number(SET_OVERFLOW + 2, false) + 1;
    const value = coder.number(SET_OVERFLOW + 3, true);
    if (plane >= nPlanes || slot >= nSlots) throw coder.bad("overflow beyond the planes");
    out.push({ plane, slot, value });
  }
  return out;
}

/** The integers of the video's planes, from its pictures. `luma` holds each picture's samples, width by height. */
export function fillVideo(planes: Planes, luma: readonly Uint8Array[], places: Int32Array, tiles: Tiles): void {
  const { model } = planes;
  const video = videoPlanes(model);
  const channels = [...new Set(video.map(([c]) => c))];
  planes.video = video.map(([c, k]) => {
    const tile = channels.indexOf(c);
    const perPage = tiles.cols * tiles.rows;
    const inPage = tile % perPage;
    const picture = luma[(k - 1) * tiles.pages + Math.floor(tile / perPage)]!;
    const start = tiles.height * Math.floor(inPage / tiles.cols) * model.atlas[0] + tiles.width * (inPage % tiles.cols);
    const out = new Int32Array(model.slots);
    for (let i = 0; i < out.length; i++) {
      const y = Math.floor(places[i]! / tiles.width);
      out[i] = picture[start + y * model.atlas[0] + (places[i]! - y * tiles.width)]! - 126;
    }
    return out;
  });
  for (const { plane, slot, value } of planes.overflow) planes.video[plane]![slot]! += model.gain * value;
  video.forEach(([c], p) => {
    const steps = stepsOf(planes, c);
    const out = planes.video[p]!;
    for (let i = 0; i < out.length; i++) {
      const value = out[i]! * 2 ** steps[i]!;
      if (Math.abs(value) > VALUE_LIMIT) throw new BadData("video: value out of range");
      out[i] = value;
    }
  });
}

/** Where the planes' tiles lie in the atlas. */
export interface Tiles {
  width: number;
  height: number;
  cols: number;
  rows: number;
  pages: number;
}

/** All integer planes by name, as conformance vectors name them. */
export function namedPlanes(planes: Planes): Map<string, Int32Array> {
  const out = new Map<string, Int32Array>();
  for (const [a, values] of planes.x.entries()) out.set(`X${a}`, values);
  for (const [g, values] of planes.classes.entries()) out.set(`class${g}`, values);
  for (let c = 3; c < planes.base.length; c++) out.set(`base${c}`, planes.base[c]!);
  if (planes.model.parts > 0 && !planes.model.soft) out.set("part", planes.labels);
  if (planes.model.soft) {
    for (let a = 0; a < 3; a++)
      out.set(
        `node${a}`,
        planes.places.filter((_, i) => i % 3 === a),
      );
    out.set("motion", planes.motion);
  }
  planes.coded.forEach((coded, c) => {
    const rows = planesOf(planes.model, c, MODE_CODED).map((k) => {
      const values = new Int32Array(planes.model.slots);
      out.set(`coef${c}_${k}`, values);
      return values;
    });
    for (let i = 0, at = 0; i < coded.reach.length; i++) {
      for (let j = 0; j < coded.reach[i]!; j++) rows[j]![i] = coded.values[at++]!;
    }
  });
  for (const [p, [c, k]] of videoPlanes(planes.model).entries()) out.set(`coef${c}_${k}`, planes.video[p]!);
  return out;
}

/** Coefficients against SPEC.md 5.8 written down plainly, with a stand-in for the range decoder. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { contextsOf, type Decoder, quantise, sgn3, signsOf, UNSIGNED } from "../src/decode/coder.js";
import { type CodedChannel, NO_RESIDUALS, readCoded, Scratch } from "../src/decode/coefficients.js";
import { findNeighbours, Neighbours } from "../src/decode/neighbours.js";

const N = 400;
const M = 5;
const SET_LAST = 3;
const SET_COEF = 10;

/** Numbers below `most` that are the same in every run. */
function random(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}

/** `largest`: of residuals, which few are near to. */
function check(largest: number, steps: Int32Array): Int16Array | Int32Array {
  const draw = random(largest);
  const places = [0, 1, 2].map(() => Int32Array.from({ length: N }, () => draw(40)));
  const nb = findNeighbours(places[0]!, places[1]!, places[2]!, 2, new Neighbours(0));
  const beta = Int32Array.from([32, 31, 7, 0, 20]);
  const asked: [number, number, number, boolean][] = [];
  const given: number[][] = Array.from({ length: N }, () => {
    const row = Array.from({ length: draw(M + 1) }, () => {
      const size = draw(20) === 0 ? draw(largest) + 1 : draw(3);
      return draw(2) === 0 ? size : -size;
    });
    if (row.length > 0 && row.at(-1) === 0) row[row.length - 1] = 1;
    return row;
  });
  const answers = given.flatMap((row) => [row.length, ...row]);
  let at = 0;
  const coder = {
    value: (...args: [number, number, number, boolean]) => {
      asked.push(args);
      return answers[at++]!;
    },
    bad: (what: string) => new Error(what),
  } as unknown as Decoder;
  const channel: CodedChannel = {
    number: 0,
    m: M,
    setLast: SET_LAST,
    setCoef: SET_COEF,
    steps,
    beta,
    before: NO_RESIDUALS,
  };
  const { coded } = readCoded(coder, nb, channel, new Scratch());

  const r: number[][] = [];
  const wanted: [number, number, number, boolean][] = [];
  for (let i = 0; i < N; i++) {
    const near = Array.from({ length: nb.count[i]! }, (_, k) => [nb.index[6 * i + k]!, nb.weight[6 * i + k]!] as const);
    const total = nb.total[i]!;
    const mean = (of: (j: number) => number) => {
      const sum = near.reduce((s, [j, w]) => s + w * Math.abs(of(j)), 0);
      return total > 0 ? Math.floor((16 * sum) / total) : 0;
    };
    const reached = given[i]!.length;
    const nl = mean((j) => given[j]!.length);
    const ql = quantise(nl);
    const cls = Math.min(15, steps[i]!);
    wanted.push([SET_LAST, contextsOf(ql, 8 * ql, 8 * cls + Math.min(7, ql >> 1), ql), UNSIGNED, false]);
    let own = 0;
    const row = Array.from({ length: M }, (_, j) => {
      const sum = near.reduce((s, [other, w]) => s + w * r[other]![j]!, 0);
      return total > 0 ? Math.floor((2 * beta[j]! * sum + 32 * total) / (64 * total)) : 0;
    });
    for (let j = 0; j < reached; j++) {
      const mag = mean((other) => given[other]![j] ?? 0);
      const sum = near.reduce((s, [other, w]) => s + w * (given[other]![j] ?? 0), 0);
      const c0 = 8 * quantise(mag);
      const last = Math.abs(own);
      const c1 = quantise(2 * mag + 12 * last) + 16 * Math.min(7, cls >> 1);
      const c2 = 8 * Math.min(15, reached) + Math.min(7, reached - 1 - j);
      const signs = signsOf(sgn3(sum), 1, sgn3(own), 3 * sgn3(sum) + 1);
      wanted.push([
        SET_COEF + Math.min(j, 3),
        contextsOf(c0 + Math.min(7, last), c1, c2, c0),
        signs,
        j === reached - 1,
      ]);
      own = given[i]![j]!;
      row[j]! += own * 2 ** steps[i]!;
    }
    r.push(row);
  }
  assert.deepEqual(asked, wanted);
  const kept = r.map((row) => row.slice(0, row.findLastIndex((v) => v !== 0) + 1));
  assert.deepEqual(
    [...coded.reach],
    kept.map(({ length }) => length),
  );
  assert.deepEqual([...coded.values], kept.flat());
  return coded.values;
}

const narrow = Int32Array.from({ length: N }, (_, i) => i % 3);

test("values of 16 bits", () => {
  assert.ok(check(300, narrow) instanceof Int16Array);
});

test("values grow beyond 16 bits, their residuals do not", () => {
  const steps = Int32Array.from({ length: N }, (_, i) => (i < N / 2 ? 0 : 7));
  assert.ok(check(30000, steps) instanceof Int32Array);
});

test("residuals beyond 16 bits", () => {
  assert.ok(check(2 ** 20, narrow) instanceof Int32Array);
});

/** Time, frames, camera and order. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../src/control/clock.js";
import { Orbit } from "../src/control/orbit.js";
import { Timeline } from "../src/control/timeline.js";
import { sortedIndices } from "../src/sort/sort.js";

const entry = (gop: number, firstFrame: number, nFrames: number) => ({
  rung: 0,
  gop,
  firstFrame,
  nFrames,
  length: 1,
  crc: 0,
  base: 0,
});
function near(a: readonly number[], b: readonly number[]): void {
  for (const [i, v] of a.entries()) assert.ok(Math.abs(v - b[i]!) < 1e-9, `${a} is not ${b}`);
}

test("a clock keeps its time over stops and changes of rate", () => {
  const clock = new Clock();
  assert.equal(clock.at(5), 0);
  clock.start(5);
  assert.equal(clock.at(7), 2);
  clock.setRate(0.5, 7);
  assert.equal(clock.at(9), 3);
  clock.stop(9);
  assert.equal(clock.at(100), 3);
});

test("every frame's own time shows that frame, at odd rates too", () => {
  for (const fps of [24, 29.97, 30, 59.94]) {
    const timeline = new Timeline([entry(0, 0, 5000)], fps);
    for (let frame = 0; frame < 5000; frame++) assert.equal(timeline.frameAt(timeline.timeOf(frame)), frame);
  }
});

test("a frame that the index leaves out belongs to the segment before it", () => {
  const timeline = new Timeline([entry(0, 0, 3), entry(2, 6, 3)], 30);
  assert.deepEqual(
    [0, 2, 3, 5, 6, 8].map((frame) => timeline.positionOf(frame)),
    [0, 0, 0, 0, 1, 1],
  );
  assert.equal(timeline.frames, 9);
});

test("neighbouring segments make one range", () => {
  const timeline = new Timeline([entry(0, 0, 10), entry(1, 10, 10), entry(2, 20, 10)], 10);
  assert.deepEqual(
    timeline.covered(({ gop }) => gop < 2),
    [[0, 2]],
  );
  assert.deepEqual(
    timeline.covered(({ gop }) => gop !== 1),
    [
      [0, 1],
      [2, 3],
    ],
  );
});

test("a camera that is set looks from where it was set", () => {
  const orbit = new Orbit();
  orbit.frame([1, 2, 3], 2, [0, -1, 0], 16 / 9);
  orbit.state = { eye: [4, 1, -6], target: [1, 2, 3], up: [0, 0, 1], fov: 30 };
  near(orbit.state.eye, [4, 1, -6]);
  near(orbit.view().eye, [4, 1, -6]);
  const { rotation } = orbit.view();
  const back = [4 - 1, 1 - 2, -6 - 3].map((v) => -v / Math.sqrt(91));
  near(rotation.slice(6), back);
});

test("a turn keeps the distance, a zoom the direction, a reset undoes both", () => {
  const orbit = new Orbit();
  orbit.frame([0, 0, 0], 1, [0, 1, 0], 1);
  const { eye, up } = orbit.state;
  const distance = Math.hypot(...eye);
  orbit.turn(0.3, 0.2);
  assert.ok(Math.abs(Math.hypot(...orbit.state.eye) - distance) < 1e-9);
  orbit.zoom(2);
  assert.ok(Math.abs(Math.hypot(...orbit.state.eye) - distance / 2) < 1e-9);
  orbit.flip();
  orbit.reset(1);
  near(orbit.state.eye, eye);
  near(orbit.state.up, up);
});

test("splats are drawn from the farthest to the nearest, equal ones in their order", () => {
  const means = new Float32Array([0, 0, 1, 0, 0, 5, 0, 0, 3, 0, 0, 5]);
  const order = [...sortedIndices(means, [0, 0, 1])].filter((_, i) => i % 6 === 0).map((v) => v / 4);
  assert.deepEqual(order, [1, 3, 2, 0]);
});

test("no splats and equal depths are orders, too", () => {
  assert.equal(sortedIndices(new Float32Array(0), [0, 0, 1]).length, 0);
  assert.deepEqual([...sortedIndices(new Float32Array(6), [0, 0, 1])], [0, 1, 2, 2, 1, 3, 4, 5, 6, 6, 5, 7]);
});

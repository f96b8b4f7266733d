// What it costs to cross from JavaScript into the addon and back, in nanoseconds of CPU time per
// call: the clock on the wall would count what else the machine does.
import { native, ok, pair } from './binding.mjs';

/**
 * @typedef {object} Crossing
 * @property {string} name
 * @property {number} min Nanoseconds per call in the best round.
 * @property {number} median
 * @property {number} spread From the first to the third quarter of the rounds.
 */

/**
 * @param {{ rounds?: number, calls?: number }} [options]
 * @returns {Crossing[]}
 */
export function measureCrossings({ rounds = 15, calls = 20_000 } = {}) {
  const [left, right] = pair();
  const byte = Buffer.alloc(1);
  const large = Buffer.alloc(65_536);
  const small = [Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1)];
  const { UV_EAGAIN } = native.constants;

  /**
   * @type {[string, () => void, () => void][]} Name, one call, and what makes the next round
   *   possible.
   */
  const cases = [
    ['empty call (ownedCount)', () => native.ownedCount(), () => {}],
    ['one number (hold)', () => native.hold(false), () => {}],
    [
      'would-block recv',
      () => native.recv(left, byte, 0),
      () => expect(native.recv(left, byte, 0), UV_EAGAIN),
    ],
    [
      'would-block recvmsg, 4 buffers',
      () => native.recvmsg(left, small, null, null, fields, 0),
      () => {},
    ],
    ['1-byte send', () => native.send(left, byte, 0, 0), empty],
    ['would-block recvv, 4 buffers', () => native.recvv(left, 0, ...small), () => {}],
    ['4 x 1-byte sendv', () => native.sendv(left, 0, 0, ...small), empty],
    ['4 x 1-byte sendmsg', () => native.sendmsg(left, small, 0, null, 0, null, 0, 0), empty],
    [
      '1-byte send and recv',
      () => {
        native.send(left, byte, 0, 0);
        native.recv(right, byte, 0);
      },
      () => {},
    ],
    ['poll(2)', () => native.poll(left, 1), () => {}],
  ];
  const fields = new Int32Array(3);
  function empty() {
    while (native.recv(right, large, 0) > 0);
  }

  const results = cases.map(([name, call, after]) => ({
    name,
    ...measure(call, after, rounds, calls),
  }));
  ok(native.close(left));
  ok(native.close(right));
  return results;
}

/**
 * @param {number} actual
 * @param {number} expected
 */
function expect(actual, expected) {
  if (actual !== expected) throw new Error(`expected ${expected}, got ${actual}`);
}

/**
 * @param {() => void} call
 * @param {() => void} after
 * @param {number} rounds
 * @param {number} calls
 */
function measure(call, after, rounds, calls) {
  // A Unix socket holds some hundred one-byte messages: short runs, with the buffer emptied between
  // them, outside of the clock.
  const run = 200;
  const samples = [];
  for (let round = 0; round <= rounds; round++) {
    let elapsed = 0;
    for (let done = 0; done < calls; done += run) {
      const begin = process.cpuUsage();
      for (let i = 0; i < run; i++) call();
      const { user, system } = process.cpuUsage(begin);
      elapsed += user + system;
      after();
    }
    // The first round warms up.
    if (round > 0) samples.push((elapsed * 1000) / calls);
  }
  samples.sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => samples[Math.floor(part * (samples.length - 1))];
  return { min: at(0), median: at(0.5), spread: at(0.75) - at(0.25) };
}

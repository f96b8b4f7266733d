// What it costs to cross from JavaScript into the addon and back.
import path from 'node:path';
import { baseName, isBase, turnOrder } from '../base.mjs';
import { Child } from '../child.mjs';
import { compare } from '../side-by-side.mjs';

const program = path.join(import.meta.dirname, 'crossing-process.mjs');
const OWN = 'addon';

/**
 * @typedef {object} Crossing
 * @property {string} name
 * @property {number} min Nanoseconds per call in the best round.
 * @property {number} median
 * @property {number} spread From the first to the third quarter of the rounds.
 */

/**
 * @param {{ rounds?: number, calls?: number, base?: import('../base.mjs').Base }} [options]
 */
export async function measureCrossings({ rounds = 15, calls = 20_000, base } = {}) {
  const children = new Map([[OWN, new Child(program)]]);
  if (base !== undefined) children.set(baseName(OWN), new Child(base.program(program)));
  try {
    /** @type {Crossing[]} */
    const crossings = [];
    const comparisons = [];
    for (const name of await children.get(OWN).ask({ what: 'names' })) {
      const samples = await roundsOf(children, name, rounds, calls);
      const own = samples.get(OWN);
      crossings.push({ name, ...spreadOf(own) });
      for (const [build, values] of samples)
        if (isBase(build)) comparisons.push(...compare(`native: ${name}`, 'CPU ns', values, own));
    }
    for (const child of children.values()) await child.ask({ what: 'close' });
    return { crossings, comparisons };
  } finally {
    for (const child of children.values()) child.kill();
  }
}

/**
 * @param {Map<string, Child>} children By their builds. @param {string} name @param {number} rounds
 * @param {number} calls
 */
async function roundsOf(children, name, rounds, calls) {
  const samples = new Map([...children.keys()].map((build) => [build, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const build of turnOrder([...children.keys()], round)) {
      const value = await children.get(build).ask({ what: 'round', name, calls });
      // The first round warms up.
      if (round > 0) samples.get(build).push(value);
    }
  }
  return samples;
}

/** @param {readonly number[]} samples */
function spreadOf(samples) {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ part) => sorted[Math.floor(part * (sorted.length - 1))];
  return { min: at(0), median: at(0.5), spread: at(0.75) - at(0.25) };
}

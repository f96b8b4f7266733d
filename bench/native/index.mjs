// What the addon itself costs: `node bench/native/index.mjs`, some seconds.
import { measureCrossings } from './crossing.mjs';
import { measureEcho } from './echo.mjs';

/**
 * Measures, and prints tables.
 * @param {{ quick?: boolean, rounds?: number, requests?: number, base?:
 *   import('../base.mjs').Base }} [options] `rounds` of each measurement, `requests` of each echo
 *   round. `base`: another build of this library, to be measured in the same rounds.
 */
export async function run({
  quick = false,
  base,
  rounds = quick ? 3 : 15,
  requests = quick ? 3000 : 20_000,
} = {}) {
  const { crossings, ...crossing } = await measureCrossings({ rounds, base });
  // An echo round takes long, so that there are few, unless two builds are compared.
  const echoRounds = base === undefined ? Math.min(rounds, 3) : rounds;
  const { echo, comparisons } = await measureEcho({ requests, rounds: echoRounds, base });
  console.log(
    `Crossing into the addon and back, Node.js ${process.versions.node}, nanoseconds per call`,
  );
  console.table(
    Object.fromEntries(
      crossings.map(({ name, min, median, spread }) => [name, rounded({ min, median, spread })]),
    ),
  );
  console.log(
    'TCP echo of 1,000 bytes on 50 connections: CPU of the server, microseconds per request',
  );
  console.table(
    Object.fromEntries(echo.map(({ server, ...numbers }) => [server, rounded(numbers)])),
  );
  return {
    results: { node: process.versions.node, crossings, echo },
    comparisons: [...crossing.comparisons, ...comparisons],
  };
}

/**
 * @param {Record<string, number>} numbers
 */
function rounded(numbers) {
  return Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [
      name,
      Number(value.toPrecision(value < 1000 ? 3 : 4)),
    ]),
  );
}

if (process.argv[1] === import.meta.filename) await run();

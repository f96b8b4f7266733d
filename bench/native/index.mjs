// What the addon itself costs: `node bench/native/index.mjs`, some seconds.
import { measureCrossings } from './crossing.mjs';
import { measureEcho } from './echo.mjs';

/**
 * Measures, and prints tables unless `quiet`.
 * @param {{ quiet?: boolean, rounds?: number, requests?: number }} [options] `rounds` of each
 *   measurement, `requests` of each echo round.
 */
export async function run({ quiet = false, rounds = 15, requests = 20_000 } = {}) {
  const crossings = measureCrossings({ rounds });
  const echo = await measureEcho({ requests, rounds: Math.min(rounds, 3) });
  if (!quiet) {
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
  }
  return { node: process.versions.node, crossings, echo };
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

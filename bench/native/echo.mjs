// A bare TCP echo on the reactor beside node:net with `data` -> `write`: CPU time of the server
// process per request.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { baseName, isBase, turnOrder } from '../base.mjs';
import { compare } from '../side-by-side.mjs';

const program = path.join(import.meta.dirname, 'echo-server.mjs');
const OWN = 'reactor';

/**
 * @typedef {object} Echo
 * @property {string} server
 * @property {number} user Microseconds of CPU per request, in JavaScript and libraries; the median
 *   of the rounds.
 * @property {number} system In the kernel.
 * @property {number} total
 * @property {number} rate Requests per second.
 * @property {number} eventsPerEntry Events per entry into JavaScript; 0 where that does not apply.
 */

/**
 * @param {{ connections?: number, size?: number, requests?: number, rounds?: number, base?:
 *   import('../base.mjs').Base }} [options]
 */
export async function measureEcho({
  connections = 50,
  size = 1000,
  requests = 20_000,
  rounds = 3,
  base,
} = {}) {
  const load = [connections, size, requests];
  /** @type {Map<string, EchoPair>} */
  const pairs = new Map();
  try {
    pairs.set(OWN, new EchoPair(OWN, program));
    if (base === undefined) pairs.set('net', new EchoPair('net', program));
    else pairs.set(baseName(OWN), new EchoPair(OWN, base.program(program)));
    for (const one of pairs.values()) await one.connect(load);
    const names = [...pairs.keys()];
    for (let round = 0; round <= rounds; round++)
      // The first round warms up.
      for (const name of turnOrder(names, round)) await pairs.get(name).turn(requests, round > 0);
    const totals = (/** @type {string} */ name) =>
      pairs.get(name).samples.map(({ user, system }) => user + system);
    const comparisons = names
      .filter(isBase)
      .flatMap((name) =>
        compare('native: echo on the reactor', 'CPU µs', totals(name), totals(OWN)),
      );
    return { echo: [...pairs].map(([server, one]) => ({ server, ...one.result() })), comparisons };
  } finally {
    for (const one of pairs.values()) one.end();
  }
}

/** A server, and the client that drives it. */
class EchoPair {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #client;
  #server;
  /** @type {{ user: number, system: number, rate: number, entries: number, events: number }[]} */
  samples = [];

  /** @param {string} kind @param {string} file */
  constructor(kind, file) {
    this.#server = fork(file, [kind]);
  }

  /** @param {number[]} load Connections, size, and requests of a turn. */
  async connect(load) {
    const { port } = await answer(this.#server);
    const client = new URL('echo-client.mjs', import.meta.url);
    this.#client = fork(client, [port, ...load].map(String));
    await answer(this.#client);
  }

  /** @param {number} requests @param {boolean} counts */
  async turn(requests, counts) {
    this.#server.send('begin');
    await answer(this.#server);
    const begin = performance.now();
    this.#client.send('go');
    await answer(this.#client);
    const seconds = (performance.now() - begin) / 1000;
    this.#server.send('end');
    const { user, system, entries, events } = await answer(this.#server);
    if (!counts) return;
    this.samples.push({
      user: user / requests,
      system: system / requests,
      rate: requests / seconds,
      entries,
      events,
    });
  }

  /** The round in the middle. @returns {Omit<Echo, 'server'>} */
  result() {
    const sorted = this.samples.toSorted((a, b) => a.user + a.system - b.user - b.system);
    const { user, system, rate, entries, events } = sorted[Math.floor((sorted.length - 1) / 2)];
    return {
      user,
      system,
      total: user + system,
      rate,
      eventsPerEntry: entries === 0 ? 0 : events / entries,
    };
  }

  end() {
    this.#client?.disconnect();
    this.#server.disconnect();
  }
}

/**
 * The next message of a child; an error if it ends instead.
 * @param {import('node:child_process').ChildProcess} child
 */
async function answer(child) {
  const controller = new AbortController();
  const { signal } = controller;
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`${child.spawnargs.slice(1).join(' ')} ended with ${code}`);
  });
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
    return message;
  } finally {
    ended.catch(() => undefined);
    controller.abort();
  }
}

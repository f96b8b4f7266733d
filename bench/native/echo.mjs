// A bare TCP echo on the reactor beside node:net with `data` -> `write`: CPU time of the server
// process per request.
import { fork } from 'node:child_process';
import { once } from 'node:events';

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
 * @param {{ connections?: number, size?: number, requests?: number, rounds?: number, signal?:
 *   AbortSignal }} [options]
 * @returns {Promise<Echo[]>}
 */
export async function measureEcho({
  connections = 50,
  size = 1000,
  requests = 20_000,
  rounds = 3,
} = {}) {
  const results = [];
  for (const server of ['reactor', 'net'])
    results.push(await measureServer(server, connections, size, requests, rounds));
  return results;
}

/**
 * @param {string} kind
 * @param {number} connections
 * @param {number} size
 * @param {number} requests
 * @param {number} rounds
 * @returns {Promise<Echo>}
 */
async function measureServer(kind, connections, size, requests, rounds) {
  const server = fork(new URL('echo-server.mjs', import.meta.url), [kind]);
  try {
    const { port } = await answer(server);
    const client = fork(
      new URL('echo-client.mjs', import.meta.url),
      [port, connections, size, requests].map(String),
    );
    try {
      await answer(client);
      const samples = [];
      for (let round = 0; round <= rounds; round++) {
        server.send('begin');
        await answer(server);
        const begin = performance.now();
        client.send('go');
        await answer(client);
        const seconds = (performance.now() - begin) / 1000;
        server.send('end');
        const { user, system, entries, events } = await answer(server);
        // The first round warms up.
        if (round > 0)
          samples.push({
            user: user / requests,
            system: system / requests,
            rate: requests / seconds,
            entries,
            events,
          });
      }
      samples.sort((a, b) => a.user + a.system - b.user - b.system);
      const { user, system, rate, entries, events } = samples[Math.floor((samples.length - 1) / 2)];
      return {
        server: kind,
        user,
        system,
        total: user + system,
        rate,
        eventsPerEntry: entries === 0 ? 0 : events / entries,
      };
    } finally {
      client.disconnect();
    }
  } finally {
    server.disconnect();
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

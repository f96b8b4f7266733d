// What `npm start` shows, in about 15 seconds: `node examples/demo/main.mjs [--seconds N]`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nativeInfo, newBuiltinBackend } from 'sockscope';
import { CONNECTIONS } from './clients.mjs';
import { compareServers, summary } from './compare.mjs';
import { handOverConnection } from './hand-over.mjs';
import { KINDS, MESSAGE_BYTES } from './kinds.mjs';
import { say } from './report.mjs';
import { ServerProcess } from './server-process.mjs';
import { cancelSlowClient } from './slow-client.mjs';

const HELP = `Usage: node examples/demo/main.mjs [--seconds N]

Passes a connection from one process to another. Cancels a slow client at its deadline.
Starts echo servers of every kind on the native backend and on node:net and node:dgram,
and compares the CPU time that they use. Takes about 15 seconds.

Options:
  --seconds N   time under load for each server (default 1.5)
  -h, --help    this help
`;

/** @returns {{ seconds: number, help: boolean }} Wrong arguments end the process, with status 2. */
function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '1.5' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const seconds = Number(values.seconds);
    if (!(seconds > 0 && seconds <= 60))
      throw new RangeError(`--seconds must be above 0 and at most 60, not "${values.seconds}"`);
    return { seconds, help: values.help };
  } catch (error) {
    console.error(`${error.message}\nTry: node examples/demo/main.mjs --help`);
    process.exit(2);
  }
}

async function main() {
  const { seconds, help } = readArguments();
  if (help) {
    process.stdout.write(HELP);
    return;
  }
  const native = nativeInfo();
  if (native.available === false) {
    console.error(
      `The demo compares with the native backend, and cannot run without it.\n${native.reason}`,
    );
    process.exitCode = 1;
    return;
  }
  say(`sockscope on Node.js ${process.versions.node}, ${process.platform}-${process.arch}`);

  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort());
  // The reader of a pipe may end first, as `head` does.
  process.stdout.on('error', () => stop.abort());
  const folder = mkdtempSync(join(tmpdir(), 'sockscope-'));
  const backend = newBuiltinBackend('native');
  try {
    await backend.bootstrap(() =>
      backend
        .openCancelScope({ signal: stop.signal })
        .run(() => tour(backend, folder, seconds * 1000)),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (stop.signal.aborted) {
    say('interrupted');
    process.exitCode = 1;
  }
}

/**
 * @param {import('sockscope').AsyncBackend} backend
 * @param {string} folder For the Unix sockets. @param {number} duration Of each load, in ms.
 */
async function tour(backend, folder, duration) {
  /** @type {ServerProcess[]} */
  const servers = [];
  try {
    for (const name of /** @type {const} */ (['native', 'node']))
      servers.push(await ServerProcess.start(backend, name, folder));
    const [native] = servers;
    const pids = servers.map(({ pid }) => pid).join(' and ');
    say(`echo servers for TCP, Unix stream, UDP and Unix datagram run in processes ${pids}`);
    const greeting = await handOverConnection(backend, native.addresses.handOver);
    say(`passing a TCP connection to another process, by its fd ... ${greeting}`);
    say(`a client that sends nothing, and its deadline ... ${await cancelSlowClient(backend)}`);
    say(`echoes of ${MESSAGE_BYTES} bytes on ${CONNECTIONS} connections, each echo compared:`);
    const results = [];
    for (const kind of KINDS)
      results.push(...(await compareServers(backend, kind, servers, duration)));
    say(`\n${summary(results)}`);
  } finally {
    await backend.ignoreCancellation(async () => {
      for (const server of servers) await server.stop();
    });
  }
}

await main();

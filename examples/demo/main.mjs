import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nativeInfo, newBuiltinBackend } from 'sockscope';
import { handOverConnection } from './hand-over.mjs';
import { generateLoad } from './load.mjs';
import { KIND_NAMES, KINDS, MESSAGE_BYTES } from './messages.mjs';
import { ServerProcess } from './server-process.mjs';
import { cancelSlowClient } from './slow-client.mjs';

const HELP = `Usage: node examples/demo/main.mjs [--seconds N]

Starts echo servers of every kind on the native backend and, beside them, on node:net and node:dgram; drives each with clients under task groups and timeouts;
passes a connection from one process to another; cancels a slow client by its deadline; and ends with a table. About 15 seconds.

Options:
  --seconds N   length of each round of load (default 1)
  -h, --help    this help
`;

/**
 * The native server's CPU time per request is compared with that of the same server on Node's own
 * modules.
 */
const SERVERS = ['native', 'node'];
const WARM_UP_MS = 250;

async function demo() {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '1' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: false,
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return;
  }
  const seconds = Number(values.seconds);
  if (!(seconds > 0 && seconds <= 60))
    throw new RangeError(
      `--seconds must be a number above 0, of at most 60, not "${values.seconds}"`,
    );
  const backend = newBuiltinBackend('native');
  const native = nativeInfo();
  say(
    `sockscope on Node.js ${process.versions.node}, ${process.platform}-${process.arch}${native.available ? `, reactor: ${native.reactor}` : ''}`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'sockscope-'));
  try {
    await backend.bootstrap(() => tour(backend, folder, seconds * 1000));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function tour(backend, folder, duration) {
  const servers = [];
  try {
    for (const name of SERVERS) servers.push(await ServerProcess.start(backend, name, folder));
    const [native] = servers;
    if (native === undefined) throw new Error('no native server');
    say(
      `echo servers are up: TCP, Unix stream, UDP and Unix datagram (processes ${servers.map(({ pid }) => String(pid)).join(' and ')})`,
    );

    say(
      `passing a TCP connection to another process, by its fd ... ${await handOverConnection(backend, native.addresses.handOver ?? '')}`,
    );
    say(`a client that sends nothing, and its deadline ... ${await cancelSlowClient(backend)}`);

    const rows = [];
    for (const kind of KINDS) {
      for (const [index, server] of servers.entries()) {
        const name = SERVERS[index] ?? 'node';
        if (server.addresses[kind] === undefined) continue;
        progress(`${KIND_NAMES[kind]}, ${name} ...`);
        await generateLoad(backend, kind, server.addresses, WARM_UP_MS);
        const before = await server.usage();
        const load = await generateLoad(backend, kind, server.addresses, duration);
        const after = await server.usage();
        const user = after.user - before.user;
        const cpu = user + after.system - before.system;
        if (load.roundTrips === 0)
          throw new Error(`${KIND_NAMES[kind]} on ${name}: no echo came back`);
        rows.push({
          kind,
          server: name,
          roundTrips: load.roundTrips,
          rate: load.roundTrips / (load.duration / 1000),
          cpu: cpu / load.roundTrips,
          userCpu: user / load.roundTrips,
        });
        say(
          `${KIND_NAMES[kind]}, ${name}: ${load.roundTrips.toLocaleString('en')} echoes of ${String(MESSAGE_BYTES)} bytes, each compared`,
        );
      }
    }
    say('');
    say(summary(rows));
  } finally {
    await backend.ignoreCancellation(async () => {
      for (const server of servers) await server.stop();
    });
  }
}

function summary(rows) {
  const cells = rows.map((row) => {
    const other = rows.find(({ kind, server }) => kind === row.kind && server === 'node');
    return [
      KIND_NAMES[row.kind],
      row.server === 'node' ? (row.kind === 'udp' ? 'node:dgram' : 'node:net') : 'native',
      row.roundTrips.toLocaleString('en'),
      Math.round(row.rate).toLocaleString('en'),
      row.cpu.toFixed(2),
      row.userCpu.toFixed(2),
      row.server === 'native'
        ? other === undefined
          ? '– (node has none)'
          : `${(row.cpu / other.cpu).toFixed(2)}x`
        : '',
    ];
  });
  const header = [
    'echo server',
    'on',
    'round trips',
    'per second',
    'server CPU µs each',
    'of it user',
    'native : node',
  ];
  const lines = [header, ...cells].map((line) => line.map((cell) => cell.padEnd(20)).join(''));
  return `${lines.join('\n')}\n\nThe clients run in one process beside the servers and are the bottleneck: compare CPU per round trip, not rates.`;
}

function say(line) {
  process.stdout.write(`${process.stdout.isTTY ? '\r\x1b[K' : ''}${line}\n`);
}

/** What goes on, on a terminal: overwritten by the line that says what came of it. */
function progress(line) {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line}`);
}

await demo();

// Compares the CPU time of servers under the same load.
import { closeClients, openClients, runRounds } from './clients.mjs';
import { KIND_NAMES } from './kinds.mjs';
import { progress, say } from './report.mjs';

const WARM_UP_MS = 250;
/** The servers take turns, so that a disturbance of the machine does not meet one of them alone. */
const TURNS = 5;
/** Turns of one server that differ by more than this show that the machine is busy. */
const CALM_SPREAD = 1.5;

/** @typedef {import('./kinds.mjs').Kind} Kind */
/** @typedef {import('./server-process.mjs').ServerProcess} ServerProcess */

/**
 * What a server did: echoes, echoes a second, and the CPU time of its process, in microseconds per
 * echo.
 * @typedef {{ echoes: number, rate: number, cpu: number, user: number }} Turn
 * @typedef {Turn & { kind: Kind, server: string, spread: number }} Result `spread`: the CPU time of
 *   the most expensive turn, divided by that of the cheapest.
 */

/**
 * Measures every process that serves this kind. @param {import('sockscope').AsyncBackend} backend
 * @param {Kind} kind @param {readonly ServerProcess[]} processes @param {number} duration
 * Milliseconds under load, for each. @returns {Promise<Result[]>}
 */
export async function compareServers(backend, kind, processes, duration) {
  const servers = processes.filter(({ addresses }) => addresses[kind] !== undefined);
  /** @type {import('./clients.mjs').Client[][]} */
  const clients = [];
  /** @type {Turn[][]} */
  const turns = servers.map(() => []);
  try {
    for (const { addresses } of servers) clients.push(await openClients(backend, kind, addresses));
    for (const open of clients) await runRounds(backend, open, WARM_UP_MS);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [index, server] of servers.entries()) {
        progress(`  ${KIND_NAMES[kind]}, ${server.name}: turn ${turn + 1} of ${TURNS}`);
        const before = await server.usage();
        const start = backend.currentTime();
        const echoes = await runRounds(backend, clients[index], duration / TURNS);
        const rate = (echoes / (backend.currentTime() - start)) * 1000;
        const after = await server.usage();
        const user = after.user - before.user;
        const cpu = user + after.system - before.system;
        turns[index].push({ echoes, rate, cpu: cpu / echoes, user: user / echoes });
      }
    }
  } finally {
    await backend.ignoreCancellation(() => closeClients(clients.flat()));
  }
  return servers.map(({ name }, index) => {
    const measured = turns[index];
    const echoes = measured.reduce((sum, turn) => sum + turn.echoes, 0);
    say(`  ${KIND_NAMES[kind]}, ${name}: ${echoes.toLocaleString('en')} echoes`);
    const medianOf = (/** @type {'rate' | 'cpu' | 'user'} */ figure) =>
      measured.map((turn) => turn[figure]).sort((a, b) => a - b)[Math.floor(TURNS / 2)];
    return {
      ...{ kind, server: name, echoes, spread: spreadOf(measured.map(({ cpu }) => cpu)) },
      ...{ rate: medianOf('rate'), cpu: medianOf('cpu'), user: medianOf('user') },
    };
  });
}

/** @param {readonly number[]} values */
function spreadOf(values) {
  return Math.max(...values) / Math.min(...values);
}

/** @param {readonly Result[]} results @returns {string} A table, and how to read it. */
export function summary(results) {
  const rows = results.map(({ kind, server, echoes, rate, cpu, user }) => {
    const node = results.find((other) => other.kind === kind && other.server === 'node');
    const module = kind === 'udp' ? 'node:dgram' : 'node:net';
    return [
      KIND_NAMES[kind],
      server === 'native' ? 'native' : module,
      echoes.toLocaleString('en'),
      Math.round(rate).toLocaleString('en'),
      cpu.toFixed(2),
      user.toFixed(2),
      server === 'native' && node !== undefined ? (cpu / node.cpu).toFixed(2) : '',
    ];
  });
  const header = [
    'echo server',
    'on',
    'echoes',
    'per second',
    'CPU µs',
    'user µs',
    'native : node',
  ];
  const spread = Math.max(...results.map((result) => result.spread));
  const percent = Math.round((spread - 1) * 100);
  const warning =
    spread <= CALM_SPREAD
      ? ''
      : `\nThe turns of one server differ by up to ${percent} %: other work probably disturbs the measurement.
Run it again on an idle machine for ratios to rely on.`;
  return `${formatTable([header, ...rows])}

CPU is the time of the server's process for one echo, and user the part outside the kernel: medians
of ${TURNS} turns. Below 1.00, native uses less. Node.js has no Unix datagrams.
The load comes from JavaScript in one process, which also limits the echoes per second. The ratios
of README differ, because their load comes from a program outside Node.js; to measure as README
does, run: npm run bench -- quick${warning}`;
}

/** Columns as wide as their widest cell: two of words, then numbers. @param {string[][]} rows */
function formatTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at < 2 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

// Shared by the servers in JavaScript, under Node.js, Bun and Deno: how the runner starts them, and
// how they end with the runner.
//
//   PROGRAM KIND ADDRESS [NAME=VALUE ...]
//
// KIND is what the server does:
//
// - echo: sends back what it receives.
// - lines: the same, line by line.
// - sink: counts. A stream server answers the end with the number of bytes. A datagram server
//   answers a datagram of a single byte with the number of the others.
// - source: sends datagrams, from `send udp:127.0.0.1:5` on stdin to `stop`.
// - handover: accepts, and leaves the connection to another process, which echoes.
//
// ADDRESS is where it listens: tcp:HOST:PORT, udp:HOST:PORT, unix:PATH, unix-dgram:PATH. A server
// that is ready prints {"address": …, "pids": […]}. It ends when its stdin ends.
import process from 'node:process';
import { createInterface } from 'node:readline';

/** @typedef {{ transport: string, host: string, port: number, path: string }} Address */

/**
 * How much every stream server receives at once: as much as libuv does, and so node:net.
 */
export const RECEIVE_BYTES = 65536;

/**
 * @param {string} text
 * @returns {Address}
 */
export function parseAddress(text) {
  const [transport = '', ...rest] = text.split(':');
  if (transport.startsWith('unix')) return { transport, host: '', port: 0, path: rest.join(':') };
  const port = Number(rest.pop());
  return { transport, host: rest.join(':'), port, path: '' };
}

/** The arguments of this server. */
export function serverArguments() {
  const [kind = '', address = '', ...settings] = process.argv.slice(2);
  const options = Object.fromEntries(settings.map((setting) => setting.split('=')));
  return { kind, address: parseAddress(address), options };
}

/**
 * Tells the runner where this server listens, and which processes do its work. From now on the
 * server ends when its stdin ends, with the runner.
 * @param {Address} asked @param {number} [port] The port that was bound. @param {number[]} [pids]
 */
export function announce({ transport, host, path }, port = 0, pids = [process.pid]) {
  const address = transport.startsWith('unix')
    ? `${transport}:${path}`
    : `${transport}:${host}:${String(port)}`;
  console.log(JSON.stringify({ address, pids }));
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
}

/**
 * Runs `send` from each `send ADDRESS` on stdin to the next `stop`.
 * @param {(address: Address, going: () => boolean) => Promise<void> | void} send Returns, or
 *   resolves, soon after `going()` is false.
 */
export function followCommands(send) {
  let turn = 0;
  announce({ transport: 'unix', host: '', port: 0, path: '' });
  createInterface({ input: process.stdin }).on('line', (line) => {
    turn++;
    const [command, address = ''] = line.split(' ');
    const mine = turn;
    if (command === 'send')
      Promise.resolve(send(parseAddress(address), () => mine === turn)).catch(fail);
  });
}

/** @param {unknown} error */
export function fail(error) {
  console.error(error);
  process.exit(1);
}

/** @param {string} kind */
export function unknownKind(kind) {
  return new Error(`this server has no kind "${kind}"`);
}

/** The datagram that every source sends: the receiver checks it. @param {number} size */
export function sourcePacket(size) {
  return Uint8Array.from({ length: size }, (_, i) => i * 7 + 3);
}

/** A count as the load generator reads it: 8 bytes, little-endian. @param {number} count */
export function countAnswer(count) {
  const answer = new Uint8Array(8);
  new DataView(answer.buffer).setBigUint64(0, BigInt(count), true);
  return answer;
}

/**
 * Work in a handler: computes until the time is up, so that every engine has the same load.
 * @param {number} microseconds
 */
export function work(microseconds) {
  if (microseconds === 0) return;
  const end = performance.now() + microseconds / 1000;
  while (performance.now() < end);
}

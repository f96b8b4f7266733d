// A child process that drives an echo server: `echo-client.mjs <port> <connections> <size>
// <requests>`. On 'go' it sends, on every connection, one message at a time, and waits for its
// echo. The client is the same for all servers, and uses the reactor, to take little of the
// machine.
import { loopback, native, ok } from './binding.mjs';

const [port, connections, size, requests] = process.argv.slice(2).map(Number);
const { AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY, UV_EAGAIN, UV_EINPROGRESS } =
  native.constants;

const events = new Int32Array(3 * native.limits.batch);
const message = Buffer.alloc(size, 'x');
const buffer = Buffer.alloc(size);
/** @type {{ fd: number, missing: number }[]} */
const links = [];
let left = requests;
let busy = 0;

ok(native.reactorOpen(events, deliver));
const { bytes, length } = loopback(port);
for (let slot = 0; slot < connections; slot++) {
  const fd = ok(native.socket(AF_INET, SOCK_STREAM, 0));
  const status = native.connect(fd, bytes, length);
  if (status !== UV_EINPROGRESS) ok(status);
  ok(native.watch(fd, slot, 0));
  ok(native.setsockoptInt(fd, IPPROTO_TCP, TCP_NODELAY, 1));
  links.push({ fd, missing: -1 });
}
native.hold(true);

/** @param {number} count */
function deliver(count) {
  for (let i = 0; i < count * 3; i += 3) {
    const link = links[events[i]];
    if (link.missing === -1 && (events[i + 2] & 2) !== 0) {
      // Connected.
      link.missing = 0;
      if (links.every(({ missing }) => missing === 0)) process.send?.('connected');
    }
    if (link.missing > 0) receive(link);
    native.arm(link.fd, 1);
  }
}

/** @param {{ fd: number, missing: number }} link */
function receive(link) {
  const count = native.recv(link.fd, buffer, 0);
  if (count === UV_EAGAIN) return;
  if (count === 0) throw new Error('the server closed a connection');
  link.missing -= ok(count);
  if (link.missing > 0) return;
  busy--;
  next(link);
}

/** @param {{ fd: number, missing: number }} link */
function next(link) {
  if (left > 0) {
    left--;
    busy++;
    link.missing = size;
    if (native.send(link.fd, message, 0, 0) !== size) throw new Error('a message did not fit');
  } else if (busy === 0) {
    process.send?.('done');
  }
}

process.on('message', () => {
  left = requests;
  for (const link of links) next(link);
});
process.on('disconnect', () => process.exit());

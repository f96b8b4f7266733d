// A child process that echoes on TCP: `echo-server.mjs <reactor|net>`. The server sends its port to
// the parent and, at each 'end', the CPU time since 'begin'.
import { createServer } from 'node:net';
import { loopback, native, ok } from './binding.mjs';

/** How full the batches of the reactor were. */
const batches = { entries: 0, events: 0 };

/** The reactor, recv and send: no promise, no concurrency layer. */
function startReactor() {
  const { AF_INET, SOCK_STREAM, UV_EAGAIN } = native.constants;
  const events = new Int32Array(3 * native.limits.batch);
  const buffer = Buffer.allocUnsafeSlow(65_536);
  /** @type {number[]} The fd of each slot; slot 0 listens. */
  const fds = [];
  const listener = ok(native.socket(AF_INET, SOCK_STREAM, 0));
  const { bytes, length } = loopback(0);
  ok(native.bind(listener, bytes, length));
  ok(native.listen(listener, 128));
  ok(native.reactorOpen(events, deliver));
  watch(listener);
  native.hold(true);
  ok(native.getsockname(listener, bytes));
  const fields = new Uint32Array(3);
  native.decodeInet(bytes, length, fields);
  process.send?.({ port: fields[0] });

  /** @param {number} fd */
  function watch(fd) {
    ok(native.watch(fd, fds.length, 0));
    fds.push(fd);
  }

  /** @param {number} count */
  function deliver(count) {
    batches.entries++;
    batches.events += count;
    for (let i = 0; i < count * 3; i += 3) {
      const slot = events[i];
      if (slot === 0) accept();
      else if ((events[i + 2] & 5) !== 0) echo(slot);
    }
  }

  function accept() {
    for (let fd = native.accept(listener); fd !== UV_EAGAIN; fd = native.accept(listener))
      watch(ok(fd));
    native.arm(listener, 1);
  }

  /** @param {number} slot */
  function echo(slot) {
    const fd = fds[slot];
    const count = native.recv(fd, buffer, 0);
    if (count > 0) {
      // The client waits for each answer, so that an answer always fits.
      if (native.send(fd, buffer.subarray(0, count), 0, 0) !== count)
        throw new Error('the answer did not fit');
    } else if (count !== UV_EAGAIN) {
      ok(native.close(fd));
      return;
    }
    native.arm(fd, 1);
  }
}

function startNet() {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
  });
}

/** @type {NodeJS.CpuUsage | undefined} */
let usage;
process.on('message', (message) => {
  if (message === 'begin') {
    usage = process.cpuUsage();
    batches.entries = 0;
    batches.events = 0;
    process.send?.('begun');
  } else {
    process.send?.({ ...process.cpuUsage(usage), ...batches });
  }
});
process.on('disconnect', () => process.exit());

if (process.argv[2] === 'net') startNet();
else startReactor();

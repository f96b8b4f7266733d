// A child process that calls into the addon, and answers with nanoseconds of CPU time per call. The
// clock on the wall would count the work of other programs, too.
import process from 'node:process';
import { answerRequests } from '../child.mjs';
import { native, ok, pair } from './binding.mjs';

const [left, right] = pair();
const byte = Buffer.alloc(1);
const large = Buffer.alloc(65_536);
const small = [Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1)];
const fields = new Int32Array(3);
const { UV_EAGAIN } = native.constants;

const nothing = () => {};
function empty() {
  while (native.recv(right, large, 0) > 0);
}

/** @type {Record<string, [call: () => void, after: () => void]>} `after` allows the next run. */
const cases = {
  'empty call (ownedCount)': [() => native.ownedCount(), nothing],
  'one number (hold)': [() => native.hold(false), nothing],
  'would-block recv': [() => native.recv(left, byte, 0), expectNothing],
  'would-block recvmsg, 4 buffers': [
    () => native.recvmsg(left, small, null, null, fields, 0),
    nothing,
  ],
  '1-byte send': [() => native.send(left, byte, 0, 0), empty],
  'would-block recvv, 4 buffers': [() => native.recvv(left, 0, ...small), nothing],
  '4 x 1-byte sendv': [() => native.sendv(left, 0, 0, ...small), empty],
  '4 x 1-byte sendmsg': [() => native.sendmsg(left, small, 0, null, 0, null, 0, 0), empty],
  '1-byte send and recv': [
    () => {
      native.send(left, byte, 0, 0);
      native.recv(right, byte, 0);
    },
    nothing,
  ],
  'poll(2)': [() => native.poll(left, 1), nothing],
};

function expectNothing() {
  const result = native.recv(left, byte, 0);
  if (result !== UV_EAGAIN) throw new Error(`expected ${UV_EAGAIN}, got ${result}`);
}

/**
 * @param {() => void} call
 * @param {() => void} after
 * @param {number} calls
 */
function nanoseconds(call, after, calls) {
  // A Unix socket holds some hundred one-byte messages: short runs, with the buffer emptied between
  // them, while the clock stands.
  const run = 200;
  let elapsed = 0;
  for (let done = 0; done < calls; done += run) {
    const begin = process.cpuUsage();
    for (let i = 0; i < run; i++) call();
    const { user, system } = process.cpuUsage(begin);
    elapsed += user + system;
    after();
  }
  return (elapsed * 1000) / calls;
}

answerRequests({
  names: () => Object.keys(cases),
  round: ({ name, calls }) => nanoseconds(...cases[name], calls),
  close: () => [left, right].map((fd) => ok(native.close(fd))),
});

import { closeSync, fstatSync, openSync, readSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { expectNoLeaks, openFdCount, openFds } from '../support/fds';
import { shortSocketPath } from '../support/socket-path';
import {
  closeAll,
  constant,
  EBADF,
  EINVAL,
  native,
  ok,
  outcome,
  pair,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from './kit';

expectNoLeaks();
afterEach(closeAll);

const RIGHTS = constant('SCM_RIGHTS');
const CTRUNC = constant('MSG_CTRUNC');
const result = new Int32Array(3);

interface Message {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

function decodeAll(control: Uint8Array, length: number): Message[] {
  const fields = new Int32Array(4);
  const messages: Message[] = [];
  for (
    let next = native.decodeControl(control, length, 0, fields);
    next > 0;
    next = native.decodeControl(control, length, next, fields)
  ) {
    const [level = 0, type = 0, start = 0, size = 0] = fields;
    messages.push({ level, type, data: control.slice(start, start + size) });
  }
  return messages;
}

function encodeAll(messages: readonly Message[]): Uint8Array {
  const out = new Uint8Array(
    messages.reduce((size, { data }) => size + native.controlSpace(data.length), 0),
  );
  messages.reduce(
    (offset, { level, type, data }) => ok(native.encodeControl(out, offset, level, type, data)),
    0,
  );
  return out;
}

const fdBytes = (fds: readonly number[]): Uint8Array => new Uint8Array(Int32Array.from(fds).buffer);
const fdsOf = (messages: readonly Message[]): number[] =>
  messages.flatMap(({ data }) => [...new Int32Array(data.buffer, 0, data.length >> 2)]);

function sendFds(fd: number, fds: readonly number[], data = 'x'): number {
  const control = encodeAll([{ level: SOL_SOCKET, type: RIGHTS, data: fdBytes(fds) }]);
  return native.sendmsg(fd, [Buffer.from(data)], 0, null, 0, control, control.length, 0);
}

const closeReceived = (fd: number): number => native.closeReceived(fd, native.receivedToken(fd));

function receiveControl(fd: number, room: number): Uint8Array {
  const control = new Uint8Array(room);
  ok(native.recvmsg(fd, [Buffer.alloc(10)], null, control, result, 0));
  return control.subarray(0, result[2]);
}

describe('encodeControl and decodeControl', () => {
  it('are inverse to each other, at any address and for any length', () => {
    const messages = Array.from({ length: 20 }, (_, i) => ({
      level: i - 3,
      type: 7 - i,
      data: Uint8Array.from({ length: i }, (__, j) => j + i),
    }));
    const control = encodeAll(messages);
    expect(decodeAll(control, control.length)).toEqual(messages);
    const shifted = new Uint8Array(control.length + 1).subarray(1);
    shifted.set(control);
    expect(decodeAll(shifted, shifted.length)).toEqual(messages);
  });

  it('leave no old memory in the padding', () => {
    const out = new Uint8Array(native.controlSpace(1)).fill(0xff);
    ok(native.encodeControl(out, 0, 0, 0, Uint8Array.of(0)));
    const length = out.findIndex((byte) => byte !== 0);
    expect(out.filter((byte, i) => byte !== 0 && i !== length)).toHaveLength(0);
  });

  it('encodeControl refuses data in the memory that it writes to', () => {
    const out = new Uint8Array(128).fill(7);
    expect(outcome(native.encodeControl(out, 0, 1, 1, out.subarray(20, 30)))).toBe('EINVAL');
    expect(outcome(native.encodeControl(out.subarray(0, 64), 0, 1, 1, out.subarray(60)))).toBe(
      'EINVAL',
    );
    expect(out.every((byte) => byte === 7)).toBe(true);
    ok(native.encodeControl(out.subarray(0, 64), 0, 1, 1, out.subarray(64, 70)));
  });

  it('encodeControl writes nothing that does not fit', () => {
    const out = new Uint8Array(native.controlSpace(4)).fill(0xee);
    const data = new Uint8Array(5 + native.controlSpace(0));
    expect(outcome(native.encodeControl(out, 0, 1, 1, data))).toBe('ENOBUFS');
    expect(outcome(native.encodeControl(out, 1, 1, 1, new Uint8Array(4)))).toBe('ENOBUFS');
    expect(outcome(native.encodeControl(out, 1000, 1, 1, new Uint8Array(0)))).toBe('ENOBUFS');
    expect(native.encodeControl(out, -1, 1, 1, new Uint8Array(0))).toBe(EINVAL);
    expect(native.encodeControl(out, 2 ** 40, 1, 1, new Uint8Array(0))).toBe(EINVAL);
    expect(out.every((byte) => byte === 0xee)).toBe(true);
  });

  it('decodeControl stops at bytes that cannot be a message', () => {
    const fields = new Int32Array(4);
    const control = encodeAll([{ level: 1, type: 2, data: new Uint8Array(8) }]);
    for (let length = 0; length < native.controlSpace(0); length++)
      expect(native.decodeControl(control, length, 0, fields)).toBe(0);
    expect(native.decodeControl(control, control.length, control.length, fields)).toBe(0);
    expect(native.decodeControl(control, control.length, 2 ** 50, fields)).toBe(0);
    for (const length of [0, 3, 15, 1000, 0xffffffff]) {
      const forged = control.slice();
      new Uint32Array(forged.buffer)[0] = length;
      expect(native.decodeControl(forged, forged.length, 0, fields), String(length)).toBe(0);
    }
    expect(native.decodeControl(new Uint8Array(64).fill(0xff), 64, 0, fields)).toBe(0);
    expect(native.decodeControl(control, control.length + 1, 0, fields)).toBe(EINVAL);
    expect(native.decodeControl(new Uint8Array(0), 0, 0, fields)).toBe(0);
  });

  it('controlSpace has room for the data and a header', () => {
    expect(native.controlSpace(0)).toBeGreaterThan(8);
    expect(native.controlSpace(4)).toBeGreaterThanOrEqual(native.controlSpace(0) + 4);
    expect(native.controlSpace(-1)).toBe(EINVAL);
    expect(native.controlSpace(2 ** 40)).toBe(EINVAL);
  });
});

describe('passing fds', () => {
  it('gives the receiver fds of the same files', () => {
    const [left, right] = pair();
    const path = shortSocketPath();
    writeFileSync(path, 'through the socket');
    const file = openSync(path, 'r');
    expect(sendFds(left, [file, left])).toBe(1);
    const control = receiveControl(right, 100);
    expect(result[0]).toBe(0);
    const [copy = -1, socketCopy = -1] = fdsOf(decodeAll(control, control.length));
    expect(fstatSync(copy).ino).toBe(fstatSync(file).ino);
    const buffer = Buffer.alloc(7);
    readSync(copy, buffer, 0, 7, 0);
    expect(buffer.toString()).toBe('through');
    closeSync(file);
    expect([copy, socketCopy].map(closeReceived)).toEqual([0, 0]);
  });

  it('the environment owns a received fd until it is adopted, closed or released', () => {
    const [left, right] = pair();
    ok(sendFds(left, [left, right, left]));
    const before = native.ownedCount();
    const control = receiveControl(right, 100);
    expect(native.ownedCount()).toBe(before + 3);
    const fds = fdsOf(decodeAll(control, control.length));
    expect(native.ownedCount()).toBe(before + 3);
    const [first = -1, second = -1, third = -1] = fds;
    // These are for fds that are not received ones.
    expect(native.close(first)).toBe(EBADF);
    expect(native.release(first)).toBe(EBADF);
    const tokens = fds.map((fd) => native.receivedToken(fd));
    expect(new Set(tokens).size).toBe(3);
    expect(native.adopt(first, new Int32Array(3))).toBe(0);
    expect(native.receivedToken(first)).toBe(0);
    expect(native.ownedCount()).toBe(before + 3);
    expect(native.closeReceived(first, tokens[0] ?? 0)).toBe(constant('UV_ENOENT'));
    expect(native.releaseReceived(first)).toBe(constant('UV_ENOENT'));
    expect(native.close(first)).toBe(0);
    expect(native.closeReceived(second, tokens[2] ?? 0)).toBe(constant('UV_ENOENT'));
    expect(native.closeReceived(second, tokens[1] ?? 0)).toBe(0);
    expect(native.closeReceived(second, tokens[1] ?? 0)).toBe(constant('UV_ENOENT'));
    expect(native.releaseReceived(third)).toBe(0);
    expect(native.ownedCount()).toBe(before);
    closeSync(third);
  });

  it('an fd of the environment that gets the number of a received one is not a received one', () => {
    const [left, right] = pair();
    ok(sendFds(left, [left]));
    const control = receiveControl(right, 100);
    const [fd = -1] = fdsOf(decodeAll(control, control.length));
    const token = native.receivedToken(fd);
    closeSync(fd);
    const copies = [ok(native.dup(left))];
    while (!copies.includes(fd)) copies.push(ok(native.dup(left)));
    expect(native.receivedToken(fd)).toBe(0);
    expect(native.closeReceived(fd, token)).toBe(constant('UV_ENOENT'));
    expect(copies.map((copy) => native.close(copy))).toEqual(copies.map(() => 0));
  });

  it('a pipe, an epoll set and a file under the number of a received one stay open', () => {
    const directory = openSync('.', 'r');
    const [left, right] = pair();
    // An epoll set has no inode of its own: the process has one, that of its event loop.
    const epoll = [...openFds()].find(([, target]) => target.endsWith('[eventpoll]'))?.[0] ?? -1;
    for (const [sent, later] of [
      [directory, 'package.json'],
      [epoll, '.'],
    ] as const) {
      ok(sendFds(left, [sent]));
      const control = receiveControl(right, 100);
      const [fd = -1] = fdsOf(decodeAll(control, control.length));
      closeSync(fd);
      const opened = [openSync(later, 'r')];
      while (!opened.includes(fd)) opened.push(openSync(later, 'r'));
      expect(closeReceived(fd)).toBe(EBADF);
      opened.forEach(closeSync);
    }
    closeSync(directory);
  });

  it('a truncated control message leaks no fd', () => {
    const [left, right] = pair(SOCK_DGRAM);
    for (const room of [
      0,
      1,
      native.controlSpace(0),
      native.controlSpace(4),
      native.controlSpace(12),
    ]) {
      const before = openFdCount();
      ok(sendFds(left, [left, right, left, right, left]));
      const control = receiveControl(right, room);
      expect((result[0] ?? 0) & CTRUNC, `room ${String(room)}`).toBe(CTRUNC);
      const fds = fdsOf(decodeAll(control, control.length));
      expect(openFdCount()).toBe(before + fds.length);
      expect(fds.map(closeReceived)).toEqual(fds.map(() => 0));
      expect(openFdCount()).toBe(before);
    }
  });

  it('without a control buffer, the kernel drops the fds', () => {
    const [left, right] = pair(SOCK_STREAM);
    const before = openFdCount();
    ok(sendFds(left, [left]));
    expect(native.recv(right, Buffer.alloc(4), 0)).toBe(1);
    ok(sendFds(left, [left]));
    ok(native.recvmsg(right, [Buffer.alloc(4)], null, null, result, 0));
    expect((result[0] ?? 0) & CTRUNC).toBe(CTRUNC);
    expect(openFdCount()).toBe(before);
  });

  it('refuses fds that are not open, and more fds than the kernel takes', () => {
    const [left] = pair();
    expect(outcome(sendFds(left, [1_000_000]))).toBe('EBADF');
    expect(outcome(sendFds(left, [-1]))).toBe('EBADF');
    expect(
      outcome(
        sendFds(
          left,
          Array.from({ length: 300 }, () => left),
        ),
      ),
    ).toBe('EINVAL');
  });
});

describe.runIf(process.platform === 'linux')('credentials', () => {
  it('arrive if SO_PASSCRED is set, and the sender’s own can be sent explicitly', () => {
    const CREDENTIALS = constant('SCM_CREDENTIALS');
    const [left, right] = pair(SOCK_DGRAM);
    ok(native.setsockoptInt(right, SOL_SOCKET, constant('SO_PASSCRED'), 1));
    const mine = Int32Array.of(process.pid, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    ok(native.send(left, Buffer.from('x'), 0, 0));
    const control = encodeAll([
      { level: SOL_SOCKET, type: CREDENTIALS, data: new Uint8Array(mine.buffer) },
    ]);
    ok(native.sendmsg(left, [Buffer.from('y')], 0, null, 0, control, control.length, 0));
    for (let i = 0; i < 2; i++) {
      const received = receiveControl(right, 100);
      expect(decodeAll(received, received.length)).toEqual([
        { level: SOL_SOCKET, type: CREDENTIALS, data: new Uint8Array(mine.buffer) },
      ]);
    }
  });
});

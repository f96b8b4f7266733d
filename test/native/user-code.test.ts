import { afterEach, describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import { closeAll, EAGAIN, EBADF, EINVAL, native, ok, pair, SOCK_DGRAM, track } from './kit';

expectNoLeaks();
afterEach(closeAll);

/** A list whose second element closes the fd when it is read, and opens a pair in its place. */
function hijacking(fd: number): { buffers: Uint8Array[]; peerOfNewOwner: () => number } {
  let peer = -1;
  const buffers = [Buffer.from('secret'), Buffer.from('!')];
  Object.defineProperty(buffers, 1, {
    get: () => {
      ok(native.close(fd));
      const fds = new Int32Array(2);
      ok(native.socketpair(1, SOCK_DGRAM, 0, fds));
      const [first = -1, second = -1] = fds;
      track(first);
      track(second);
      expect([first, second], 'the number is in use again').toContain(fd);
      peer = first === fd ? second : first;
      ok(native.send(peer, Buffer.from('own'), 0, 0));
      return Buffer.from('?');
    },
  });
  return { buffers, peerOfNewOwner: () => peer };
}

describe('a getter in a list of buffers that closes the fd of the call', () => {
  const nothing = new Uint8Array(10);

  it('sends nothing to the socket that has the number now', () => {
    const calls = [
      (fd: number, list: Uint8Array[]) => native.sendmsg(fd, list, 0, null, 0, null, 0, 0),
      (fd: number, list: Uint8Array[]) => native.sendmmsg(fd, list, 0, null, 0),
    ];
    for (const call of calls) {
      const [fd] = pair(SOCK_DGRAM);
      const { buffers, peerOfNewOwner } = hijacking(fd);
      expect(call(fd, buffers)).toBe(EBADF);
      expect(native.recv(peerOfNewOwner(), nothing, 0)).toBe(EAGAIN);
      closeAll();
    }
  });

  it('receives nothing from the socket that has the number now', () => {
    const [fd] = pair(SOCK_DGRAM);
    const { buffers } = hijacking(fd);
    expect(native.recvmsg(fd, buffers, null, null, new Int32Array(3), 0)).toBe(EBADF);
    expect(native.recv(fd, nothing, 0), 'what waits for the new owner').toBe(3);
  });

  it('may close another fd: then the call is not made either', () => {
    const [left, right] = pair(SOCK_DGRAM);
    const [other] = pair(SOCK_DGRAM);
    const buffers = [Buffer.from('x')];
    Object.defineProperty(buffers, 0, {
      get: () => {
        ok(native.close(other));
        return Buffer.from('x');
      },
    });
    expect(native.sendmsg(left, buffers, 0, null, 0, null, 0, 0)).toBe(EBADF);
    expect(native.recv(right, nothing, 0)).toBe(EAGAIN);
  });

  it('shrinks or detaches the buffers before it: the call sees their new lengths', () => {
    const [left, right] = pair(SOCK_DGRAM);
    const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer & { resize(length: number): void }; // prettier-ignore
    const memory = new Resizable(1 << 20, { maxByteLength: 1 << 20 });
    const first = new Uint8Array(memory);
    const second = new Uint8Array(1000);
    const buffers = [first, second];
    Object.defineProperty(buffers, 2, {
      get: () => {
        memory.resize(3);
        structuredClone(second.buffer, { transfer: [second.buffer] });
        return Buffer.from('end');
      },
    });
    expect(native.sendmsg(left, buffers, 0, null, 0, null, 0, 0)).toBe(6);
    expect(native.recv(right, new Uint8Array(100), 0)).toBe(6);
    expect(native.sendmsg(left, [new Proxy(first, {})], 0, null, 0, null, 0, 0)).toBe(EINVAL);
  });
});

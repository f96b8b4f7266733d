import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import type { Descriptor } from '#lib/socket/descriptor';
import { type IoCall, perform, WOULD_BLOCK } from '#lib/socket/io-operation';
import { expectNoLeaks } from '../support/fds';
import * as kit from '../unit/socket/kit';

const IP_RECVERR = 11;
const TEST_MS = 400;

describe(`a state that a receive does not end, with ${nativeBinding().reactorKind()}`, () => {
  expectNoLeaks();
  const native = nativeBinding();
  afterEach(() => vi.restoreAllMocks());

  const buffer = Buffer.alloc(10);
  const RECEIVE: IoCall<null, number> = {
    direction: 'read',
    name: 'receive',
    syscall: 'recv',
    attempt: (descriptor) => {
      const count = native.recv(descriptor.fd, buffer, 0);
      if (descriptor.wouldBlock('read', count)) return WOULD_BLOCK;
      if (count < 0) throw new Error(String(count));
      return count;
    },
  };
  const receive = (descriptor: Descriptor): Promise<number> => perform(descriptor, RECEIVE, null);
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  /** A UDP socket with an unread report in its error queue (ip(7)), and a peer that sends to it. */
  async function withErrorQueue() {
    const { socket, address } = kit.bound(kit.SOCK_DGRAM);
    const peer = kit.bound(kit.SOCK_DGRAM);
    const gone = kit.bound(kit.SOCK_DGRAM);
    gone.socket.close();
    socket.setsockopt(kit.constant('IPPROTO_IP'), IP_RECVERR, 1);
    socket.sendmsg([Buffer.from('x')], { address: gone.address });
    while (native.poll(socket.fd, 4) === 0) await kit.turns();
    // The error itself is reported once, and the error queue stays.
    await receive(socket.descriptor).catch(() => undefined);
    return { socket, send: () => peer.socket.sendmsg([Buffer.from('data')], { address }) };
  }

  it.runIf(process.platform === 'linux')(
    'an unread error queue costs next to nothing, and data still arrive',
    async () => {
      const { socket, send } = await withErrorQueue();
      const waiting = receive(socket.descriptor);
      const calls = vi.spyOn(native, 'recv');
      await pause(TEST_MS);
      expect(calls.mock.calls.length).toBeLessThan(TEST_MS / 5);
      send();
      expect(await waiting).toBe(4);
      const next = receive(socket.descriptor);
      expect(await kit.isSettled(next)).toBe(false);
      send();
      expect(await next).toBe(4);
    },
  );

  it.runIf(process.platform === 'linux')(
    'a UDP socket that is shut down costs next to nothing',
    async () => {
      const { socket, address } = kit.bound(kit.SOCK_DGRAM);
      socket.connect(address);
      socket.shutdown('both');
      const waiting = kit.rejection(receive(socket.descriptor));
      const calls = vi.spyOn(native, 'recv');
      await pause(TEST_MS);
      expect(calls.mock.calls.length).toBeLessThan(TEST_MS / 5);
      socket.close();
      await waiting;
    },
  );

  it('two operations of one socket that alternate are not slowed down', async () => {
    const [left, right] = kit.pair();
    const arms = vi.spyOn(native, 'arm');
    for (let i = 0; i < 50; i++) {
      const waiting = receive(right.descriptor);
      left.send(Buffer.from('x'));
      expect(await waiting).toBe(1);
      native.recv(right.fd, buffer, 0);
    }
    const again = arms.mock.calls.filter(([, events]) => (events & 8) !== 0);
    expect(again.length).toBeLessThan(10);
  });
});

import { constants } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeBinding } from '#lib/binding';
import { BusyResourceError, ClosedResourceError } from '#lib/errors';
import type { Direction } from '#lib/socket/descriptor';
import { type IoCall, perform, performNothing, WOULD_BLOCK } from '#lib/socket/io-operation';
import { NativeSocket } from '#lib/socket/socket';
import { expectNoLeaks } from '../../support/fds';
import { collectUntil } from '../../support/gc';
import * as kit from './kit';

describe(`an operation of a socket, with ${nativeBinding().reactorKind()}`, () => {
  expectNoLeaks();
  const native = nativeBinding();
  afterEach(() => vi.restoreAllMocks());

  const block = ({ descriptor }: NativeSocket): typeof WOULD_BLOCK => {
    expect(descriptor.wouldBlock('read', kit.EAGAIN)).toBe(true);
    return WOULD_BLOCK;
  };
  const peek = (socket: NativeSocket): number | typeof WOULD_BLOCK =>
    socket.recv(Buffer.alloc(1), kit.constant('MSG_PEEK')) ?? block(socket);
  const ARRIVAL: IoCall<NativeSocket, number> = {
    direction: 'read',
    name: 'arrival',
    syscall: 'recv',
    attempt: (_descriptor, socket) => peek(socket),
  };
  const arrival = (socket: NativeSocket, owner?: object): Promise<number> =>
    perform(socket.descriptor, ARRIVAL, socket, owner);

  /** Performs a call with a table of its own. */
  const start = <T>(
    { descriptor }: NativeSocket,
    direction: Direction,
    attempt: () => T | typeof WOULD_BLOCK,
  ): Promise<T> => perform(descriptor, { direction, name: 'm', syscall: 's', attempt }, undefined);

  describe('perform', () => {
    it('tries at once, and resolves with the result of the call', async () => {
      const [left, right] = kit.pair();
      left.send(Buffer.from('x'));
      expect(await arrival(right)).toBe(1);
      expect(await start(left, 'write', () => 'result')).toBe('result');
      expect(left.descriptor.slot).toBe(-1);
    });

    it('waits if the call would block, and tries again after each event', async () => {
      const [left, right] = kit.pair();
      const waiting = arrival(right);
      left.send(Buffer.from('x'));
      right.recv(Buffer.alloc(1));
      expect(await kit.isSettled(waiting)).toBe(false);
      left.send(Buffer.from('x'));
      expect(await waiting).toBe(1);
    });

    it('rejects with the error that the call throws, at once or later, and frees the socket', async () => {
      const [left, right] = kit.pair();
      const planted = new Error('planted');
      const fail = (): never => {
        throw planted;
      };
      expect(await kit.rejection(start(right, 'read', fail))).toBe(planted);
      let tries = 0;
      const later = start<void>(right, 'read', () => (tries++ === 0 ? block(right) : fail()));
      left.send(Buffer.from('x'));
      expect(await kit.rejection(later)).toBe(planted);
      expect(await arrival(right)).toBe(1);
    });

    it('after a call that would block, the next one waits for an event before it tries', async () => {
      const [left, right] = kit.pair();
      let tries = 0;
      const scope = new kit.FakeScope();
      const attempt = (): number | typeof WOULD_BLOCK => {
        tries++;
        return peek(right);
      };
      const first = scope.run(() => kit.rejection(start(right, 'read', attempt)));
      await kit.turns();
      scope.cancel();
      await first;
      const before = tries;
      const second = start(right, 'read', attempt);
      expect(tries).toBe(before);
      left.send(Buffer.from('x'));
      expect(await second).toBe(1);
    });

    it('a call that returns WOULD_BLOCK with readiness goes on in the next turn', async () => {
      const [left] = kit.pair();
      let tries = 0;
      const turned = new Promise((resolve) => setImmediate(resolve));
      const working = start(left, 'write', () => (++tries < 3 ? WOULD_BLOCK : tries));
      expect(tries).toBe(1);
      await Promise.resolve();
      expect(tries).toBe(1);
      await turned;
      expect(await working).toBe(3);
    });

    it('a call that was cancelled while it was deferred is not tried again, and leaves the next alone', async () => {
      const [, right] = kit.pair();
      const scope = new kit.FakeScope();
      let tries = 0;
      const attempt = (): number => ++tries;
      for (let i = 0; i < 10_000 && scope.operations.size === 0; i++) {
        void scope.run(() => kit.rejection(start(right, 'read', attempt)).catch(() => undefined));
      }
      expect(scope.operations.size).toBe(1);
      const before = tries;
      scope.cancel();
      const next = kit.rejection(arrival(right));
      const { reader } = right.descriptor;
      await kit.turns();
      expect(tries).toBe(before);
      expect(right.descriptor.reader).toBe(reader);
      right.close();
      expect(await next).toBeInstanceOf(ClosedResourceError);
    });

    it('rejects a second call, and calls on a closed or closing socket', async () => {
      const [, right] = kit.pair();
      const waiting = kit.rejection(arrival(right));
      const busy = await kit.rejection(arrival(right));
      expect(busy).toBeInstanceOf(BusyResourceError);
      expect(busy.message).toContain(
        'arrival() called while another task is receiving already (recv on fd',
      );
      right.descriptor.stopReading();
      expect(await waiting).toBeInstanceOf(ClosedResourceError);
      expect(await kit.rejection(arrival(right))).toMatchObject({
        code: 'ERR_CLOSED_RESOURCE',
        message: 'arrival() called after close',
      });
      right.close();
      expect(await kit.rejection(arrival(right))).toBeInstanceOf(ClosedResourceError);
    });

    it('makes no call in a cancelled scope', async () => {
      const [left, right] = kit.pair();
      left.send(Buffer.from('x'));
      const scope = new kit.FakeScope();
      const reason = scope.cancel();
      const recv = vi.spyOn(native, 'recv');
      expect(await kit.rejection(scope.run(() => arrival(right)))).toBe(reason);
      expect(recv).not.toHaveBeenCalled();
    });

    it('a watch that the kernel refuses is its error, and can be tried again', async () => {
      const [left, right] = kit.pair();
      vi.spyOn(native, 'watch').mockReturnValueOnce(-28);
      expect(await kit.rejection(arrival(right))).toMatchObject({
        code: 'ENOSPC',
        syscall: 'epoll_ctl',
      });
      const waiting = arrival(right);
      left.send(Buffer.from('x'));
      expect(await waiting).toBe(1);
    });

    it('holds its owner while it waits, and not longer', async () => {
      const [left, right] = kit.pair();
      const collected = new Set<string>();
      const registry = new FinalizationRegistry<string>((name) => collected.add(name));
      const waiting = ((): Promise<number> => {
        const owner = { name: 'owner' };
        registry.register(owner, 'owner');
        registry.register({}, 'other');
        return arrival(right, owner);
      })();
      await collectUntil(() => collected.has('other'));
      expect([...collected]).toEqual(['other']);
      left.send(Buffer.from('x'));
      await waiting;
      await collectUntil(() => collected.has('owner'));
    });
  });

  describe('performNothing', () => {
    it('resolves with its result, and rejects where a call would', async () => {
      const [, right] = kit.pair();
      const nothing = (): Promise<number> => performNothing(right.descriptor, ARRIVAL, 0);
      expect(await nothing()).toBe(0);
      const scope = new kit.FakeScope();
      const reason = scope.cancel();
      expect(await kit.rejection(scope.run(nothing))).toBe(reason);
      const waiting = kit.rejection(arrival(right));
      expect(await kit.rejection(nothing())).toBeInstanceOf(BusyResourceError);
      right.close();
      await waiting;
      expect(await kit.rejection(nothing())).toMatchObject({
        message: 'arrival() called after close',
      });
    });
  });

  describe('an error that is kept for receives', () => {
    it('rejects a receive of any kind, at once or when it has waited, and no send', async () => {
      const [left, right] = kit.pair();
      const waiting = kit.rejection(arrival(right));
      await kit.turns();
      right.descriptor.readError = -constants.errno.ECONNRESET;
      left.send(Buffer.from('x'));
      expect(await waiting).toMatchObject({ code: 'ECONNRESET', syscall: 'recv' });
      expect(await kit.rejection(arrival(right))).toMatchObject({ code: 'ECONNRESET' });
      expect(await start(right, 'write', () => 'sent')).toBe('sent');
    });
  });

  describe('operations that wait', () => {
    it('keep the event loop alive, and nothing else does', async () => {
      const hold = vi.spyOn(native, 'hold');
      const [left, right] = kit.pair();
      const [other] = kit.pair();
      const waits = [arrival(right), kit.rejection(arrival(other))] as const;
      // (The first wait of a process opens the reactor, which calls `hold` once more.)
      expect(hold.mock.calls.every(([on]) => on)).toBe(true);
      hold.mockClear();
      left.send(Buffer.from('x'));
      await waits[0];
      expect(hold).not.toHaveBeenCalled();
      other.close();
      await waits[1];
      expect(hold.mock.calls).toEqual([[false]]);
    });

    it('that end in every possible way leave none behind', async () => {
      const hold = vi.spyOn(native, 'hold');
      const scope = new kit.FakeScope();
      const sockets = Array.from({ length: 5 }, () => kit.pair());
      const waits = sockets.map(([, right], i) =>
        i === 0
          ? scope.run(() => kit.rejection(arrival(right)))
          : arrival(right).catch((error: unknown) => error),
      );
      await kit.turns();
      scope.cancel();
      sockets[1]?.[0].send(Buffer.from('x'));
      sockets[2]?.[1].close();
      kit.track(NativeSocket.fromFd(sockets[3]?.[1].detach() as number));
      sockets[4]?.[0].close();
      await Promise.all(waits);
      expect(hold.mock.calls.at(-1)).toEqual([false]);
    });
  });
});

import { closeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BusyResourceError, ClosedResourceError } from '#lib/errors';
import { nativeBinding } from '#lib/binding';
import { NativeSocket } from '#lib/socket/socket';
import { collectUntil } from '../../support/gc';
import * as kit from './kit';
import { expectNoLeaks } from '../../support/fds';

/** What this run asks for: `SOCKSCOPE_REACTOR`, or else the best reactor of the platform. */
const kind = process.env['SOCKSCOPE_REACTOR'] ?? (process.platform === 'linux' ? 'epoll' : 'poll');

describe(`readiness, with ${kind}`, () => {
  expectNoLeaks();
  const buffer = Buffer.alloc(100);

  it(`runs with the ${kind} reactor`, () => {
    expect(nativeBinding().reactorKind()).toBe(kind);
  });

  describe('Socket.readable', () => {
    it('resolves at once if data has arrived already', async () => {
      const [left, right] = kit.pair();
      left.send(Buffer.from('x'));
      await right.readable();
      expect(right.recv(buffer)).toBe(1);
    });

    it('waits for data, again and again', async () => {
      const [left, right] = kit.pair();
      for (let round = 0; round < 3; round++) {
        expect(right.recv(buffer)).toBe(null);
        const ready = right.readable();
        expect(await kit.isSettled(ready)).toBe(false);
        left.send(Buffer.from('x'));
        await ready;
        expect(right.recv(buffer)).toBe(1);
      }
    });

    it('waits for a connection', async () => {
      const { socket: listener, address } = kit.listening();
      expect(listener.accept()).toBe(null);
      const ready = listener.readable();
      const client = kit.create(kit.AF_INET, kit.SOCK_STREAM);
      client.connect(address);
      await ready;
      kit.track(listener.accept() as NativeSocket);
    });

    it('resolves at the end of the stream', async () => {
      const [left, right] = kit.pair();
      const ready = right.readable();
      left.shutdown('write');
      await ready;
      expect(right.recv(buffer)).toBe(0);
      await right.readable();
      expect(right.recv(buffer)).toBe(0);
    });

    it('resolves on an error, which the next call then throws', async () => {
      const [client, server] = await kit.tcpPair();
      const ready = client.readable();
      server.setsockopt(kit.SOL_SOCKET, kit.constant('SO_LINGER'), Int32Array.of(1, 0));
      server.close();
      await ready;
      expect(kit.thrown(() => client.recv(buffer))).toMatchObject({
        code: 'ECONNRESET',
        syscall: 'recv',
      });
    });

    it('does not resolve for data that was received meanwhile', async () => {
      const [left, right] = kit.pair();
      const ready = right.readable();
      await kit.turns();
      left.send(Buffer.from('first'));
      expect(right.recv(buffer)).toBe(5);
      expect(await kit.isSettled(ready)).toBe(false);
      left.send(Buffer.from('second'));
      await ready;
      expect(right.recv(buffer)).toBe(6);
    });

    it('wakes more sockets than one batch of events holds', async () => {
      const pairs = Array.from({ length: nativeBinding().limits['batch'] + 50 }, () => kit.pair());
      const all = Promise.all(pairs.map(([, right]) => right.readable()));
      await kit.turns();
      for (const [left] of pairs) left.send(Buffer.from('x'));
      await all;
      expect(pairs.every(([, right]) => right.recv(buffer) === 1)).toBe(true);
    });
  });

  describe('Socket.writable', () => {
    it('resolves at once if there is room', async () => {
      const [left] = kit.pair();
      await left.writable();
    });

    it('waits until the peer has made room', async () => {
      const [left, right] = kit.pair();
      const filled = kit.fill(left);
      const ready = left.writable();
      expect(await kit.isSettled(ready)).toBe(false);
      expect(kit.drain(right).length).toBe(filled);
      await ready;
      expect(left.send(Buffer.from('x'))).toBe(1);
    });

    it('resolves when a connection is made', async () => {
      const { socket: listener, address } = kit.listening();
      const client = kit.create(kit.AF_INET, kit.SOCK_STREAM);
      expect(client.connect(address)).toBe(false);
      await client.writable();
      expect(client.getsockopt(kit.SOL_SOCKET, kit.SO_ERROR)).toBe(0);
      expect(client.remoteAddress()).toEqual(listener.localAddress());
    });

    it('resolves when a connection is refused, and SO_ERROR has the reason', async () => {
      const { socket: listener, address } = kit.listening();
      listener.close();
      const client = kit.create(kit.AF_INET, kit.SOCK_STREAM);
      expect(client.connect(address)).toBe(false);
      await client.writable();
      expect(client.getsockopt(kit.SOL_SOCKET, kit.SO_ERROR)).toBe(
        -(nativeBinding().constants['UV_ECONNREFUSED'] as number),
      );
    });

    it('waits for room in the queue of a Unix datagram receiver', async () => {
      const receiver = kit.create(kit.AF_UNIX, kit.SOCK_DGRAM);
      receiver.bind('');
      const sender = await kit.connected(kit.AF_UNIX, kit.SOCK_DGRAM, receiver.localAddress());
      let queued = 0;
      while (sender.send(Buffer.from('x')) !== null) queued++;
      expect(queued).toBeGreaterThan(0);
      const ready = sender.writable();
      expect(await kit.isSettled(ready)).toBe(false);
      while (receiver.recv(buffer) !== null) queued--;
      expect(queued).toBe(0);
      await ready;
      expect(sender.send(Buffer.from('x'))).toBe(1);
    });
  });

  describe('two waits on one socket', () => {
    it('may run at once if their directions differ', async () => {
      const [left, right] = kit.pair();
      kit.fill(left);
      const readable = left.readable();
      const writable = left.writable();
      expect(await kit.isSettled(Promise.race([readable, writable]))).toBe(false);
      right.send(Buffer.from('x'));
      await readable;
      expect(await kit.isSettled(writable)).toBe(false);
      kit.drain(right);
      await writable;
    });

    it('the second in one direction rejects, and the first goes on', async () => {
      const [left, right] = kit.pair();
      kit.fill(left);
      const readable = left.readable();
      const writable = left.writable();
      expect(await kit.rejection(left.readable())).toBeInstanceOf(BusyResourceError);
      expect(await kit.rejection(left.writable())).toMatchObject({
        code: 'ERR_BUSY_RESOURCE',
        message: expect.stringContaining('writable on fd') as string,
      });
      right.send(Buffer.from('x'));
      kit.drain(right);
      await Promise.all([readable, writable]);
      await left.readable();
    });
  });

  describe('a wait whose descriptor goes away', () => {
    it.each(['close', 'detach'] as const)(
      '%s ends it with ClosedResourceError, in both directions',
      async (how) => {
        const [left, right] = kit.pair();
        kit.fill(left);
        const waits = [kit.rejection(left.readable()), kit.rejection(left.writable())];
        await kit.turns();
        const { fd } = left;
        if (how === 'close') left.close();
        else expect(left.detach()).toBe(fd);
        expect(left.fd).toBe(-1);
        for (const error of await Promise.all(waits))
          expect(error).toBeInstanceOf(ClosedResourceError);
        if (how === 'close') expect(kit.drain(right).length).toBeGreaterThan(0);
        else closeSync(fd);
        expect(await kit.rejection(left.readable())).toMatchObject({ code: 'ERR_CLOSED_RESOURCE' });
        expect(await kit.rejection(left.writable())).toMatchObject({ code: 'ERR_CLOSED_RESOURCE' });
      },
    );

    it('a detached fd can be adopted and waited for again', async () => {
      const [left, right] = kit.pair();
      const lost = kit.rejection(right.readable());
      await kit.turns();
      const again = kit.track(NativeSocket.fromFd(right.detach()));
      expect(await lost).toBeInstanceOf(ClosedResourceError);
      const ready = again.readable();
      await kit.turns();
      left.send(Buffer.from('x'));
      await ready;
      expect(again.recv(buffer)).toBe(1);
    });

    it('an event for a closed socket does not reach the next owner of its fd number', async () => {
      const [left, right] = kit.pair();
      const lost = kit.rejection(right.readable());
      await kit.turns();
      // A duplicate keeps the connection, and with it the event, alive.
      const twin = kit.track(right.dup());
      left.send(Buffer.from('x'));
      const { fd } = right;
      right.close();
      const next = kit.pair().find((socket) => socket.fd === fd) as NativeSocket;
      expect(next).toBeDefined();
      const ready = next.readable();
      expect(await lost).toBeInstanceOf(ClosedResourceError);
      left.send(Buffer.from('y'));
      expect(await kit.isSettled(ready)).toBe(false);
      expect(twin.recv(buffer)).toBe(2);
      next.close();
      expect(await kit.rejection(ready)).toBeInstanceOf(ClosedResourceError);
    });

    it('a socket closed by other means gives its fd number up to the next owner', async () => {
      const [left, right] = kit.pair();
      const lost = kit.rejection(right.readable());
      await kit.turns();
      const { fd } = right;
      closeSync(fd);
      const [one, other] = kit.pair();
      const [next, peer] = one.fd === fd ? [one, other] : [other, one];
      expect(next.fd).toBe(fd);
      expect(await lost).toBeInstanceOf(ClosedResourceError);
      expect(right.fd).toBe(-1);
      const ready = next.readable();
      left.close();
      right.close();
      expect(await kit.isSettled(ready)).toBe(false);
      peer.send(Buffer.from('x'));
      await ready;
      expect(next.recv(buffer)).toBe(1);
    });

    it('keeps a NativeSocket without other references from being collected', async () => {
      const { left, ready, held } = ((): {
        left: NativeSocket;
        ready: Promise<void>;
        held: WeakRef<NativeSocket>;
      } => {
        const [left, right] = NativeSocket.pair();
        return { left, ready: right.readable(), held: new WeakRef(right) };
      })();
      kit.track(left);
      let collected = false;
      const registry = new FinalizationRegistry(() => (collected = true));
      registry.register({}, undefined);
      await collectUntil(() => collected);
      expect(registry).toBeDefined();
      left.send(Buffer.from('x'));
      await ready;
      kit.track(held.deref() as NativeSocket);
    });
  });

  describe('a wait in a cancel scope', () => {
    it('rejects before it begins, even if it need not wait', async () => {
      const [left, right] = kit.pair();
      left.send(Buffer.from('x'));
      const scope = new kit.FakeScope();
      const reason = scope.cancel();
      expect(await kit.rejection(scope.run(() => right.readable()))).toBe(reason);
      expect(await kit.rejection(scope.run(() => right.writable()))).toBe(reason);
      expect(right.recv(buffer)).toBe(1);
    });

    it('rejects when the scope is cancelled, without any effect on the socket', async () => {
      const [left, right] = kit.pair();
      kit.fill(right);
      const scope = new kit.FakeScope();
      const waits = scope.run(() => [right.readable(), right.writable()].map(kit.rejection));
      await kit.turns();
      expect([...scope.operations].map((operation) => operation.describe()).sort()).toEqual([
        `readable on fd ${String(right.fd)}`,
        `writable on fd ${String(right.fd)}`,
      ]);
      const reason = scope.cancel();
      expect(await Promise.all(waits)).toEqual([reason, reason]);
      expect(scope.operations.size).toBe(0);
      const again = right.readable();
      left.send(Buffer.from('x'));
      await again;
      expect(right.recv(buffer)).toBe(1);
    });

    it('leaves the scope when it is ready', async () => {
      const [left, right] = kit.pair();
      const scope = new kit.FakeScope();
      const ready = scope.run(() => right.readable());
      expect(scope.operations.size).toBe(1);
      left.send(Buffer.from('x'));
      await ready;
      await scope.run(() => right.readable());
      expect(scope.operations.size).toBe(0);
      scope.cancel();
    });

    it('can be cancelled while it only waits for the next turn', async () => {
      const [, right] = kit.pair();
      const scope = new kit.FakeScope();
      // Waits that are ready at once spend the turn's budget.
      let wait = scope.run(() => right.writable());
      for (let i = 0; i < 10_000 && scope.operations.size === 0; i++)
        wait = scope.run(() => right.writable());
      expect(scope.operations.size).toBe(1);
      const reason = scope.cancel();
      expect(await kit.rejection(wait)).toBe(reason);
      await right.writable();
    });
  });

  describe('fairness', () => {
    it('waits that are ready at once do not starve a timer', async () => {
      const [left, right] = kit.pair();
      left.send(Buffer.from('x'));
      const timer = { isOver: false };
      setTimeout(() => (timer.isOver = true), 1);
      let rounds = 0;
      while (!timer.isOver && rounds < 1_000_000) {
        await right.readable();
        rounds++;
      }
      expect(timer.isOver).toBe(true);
    });
  });
});

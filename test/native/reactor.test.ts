import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import { collectUntil } from '../support/gc';
import {
  bound,
  closeAll,
  constant,
  drain,
  EBADF,
  EINVAL,
  limits,
  native,
  ok,
  outcome,
  pair,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  tcpPair,
  track,
} from './kit';

const READABLE = 1;
const WRITABLE = 2;
const EXCEPTION = 4;

interface Event {
  readonly slot: number;
  readonly generation: number;
  readonly events: number;
}

let slots = 100;

/** What this run asks for: `SOCKSCOPE_REACTOR`, or else the best reactor of the platform. */
const kind = process.env['SOCKSCOPE_REACTOR'] ?? (process.platform === 'linux' ? 'epoll' : 'poll');

describe(`SOCKSCOPE_REACTOR=${kind}`, () => {
  const triples = new Int32Array(3 * limits.batch);
  /** The batches that no test has read yet. */
  let batches: Event[][] = [];
  let arrived: (() => void) | undefined;
  let inside: ((batch: Event[]) => void) | undefined;

  expectNoLeaks();
  afterEach(() => {
    closeAll();
    batches = [];
    inside = undefined;
  });

  function deliver(count: number): void {
    const batch = Array.from({ length: count }, (_, i) => {
      const [slot = -1, generation = -1, events = 0] = triples.subarray(3 * i, 3 * i + 3);
      return { slot, generation, events };
    });
    batches.push(batch);
    arrived?.();
    inside?.(batch);
  }

  /**
   * Waits until all events of a slot together include the given ones. Holds the loop meanwhile.
   */
  async function until(slot: number, events: number): Promise<number> {
    const seen = (): number =>
      batches.flat().reduce((all, event) => (event.slot === slot ? all | event.events : all), 0);
    native.hold(true);
    while ((seen() & events) !== events) {
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    }
    native.hold(false);
    const all = seen();
    batches = batches.map((batch) => batch.filter((event) => event.slot !== slot));
    return all;
  }

  /** Waits until everything that is ready now has been delivered: that takes two turns. */
  async function settle(): Promise<Event[]> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    const all = batches.flat();
    batches = [];
    return all;
  }

  function watch(fd: number, generation = 1): number {
    const slot = slots++;
    ok(native.watch(fd, slot, generation));
    return slot;
  }

  describe(`the ${kind} reactor`, () => {
    beforeAll(() => {
      const [left] = pair();
      expect(native.reactorKind()).toBe(kind);
      expect(native.watch(left, 1, 1), 'before it is open').toBe(EINVAL);
      for (const bad of [null, new Int32Array(2), new Uint32Array(30), [1, 2, 3]])
        expect(native.reactorOpen(bad as never, deliver)).toBe(EINVAL);
      expect(native.reactorOpen(triples, 'deliver' as never)).toBe(EINVAL);
      expect(native.reactorOpen(triples, deliver)).toBe(0);
      expect(outcome(native.reactorOpen(triples, deliver))).toBe('EALREADY');
      closeAll();
    });

    it('reports present readiness at first, with slot and generation', async () => {
      const [left, right] = pair();
      ok(native.send(right, Buffer.from('early'), 0, 0));
      ok(native.watch(left, 7, -8));
      native.hold(true);
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
      native.hold(false);
      expect(batches.flat()).toEqual([{ slot: 7, generation: -8, events: READABLE | WRITABLE }]);
    });

    it('carries slots and generations of 32 bits', async () => {
      const [left] = pair();
      ok(native.watch(left, 0x7fffffff, -0x80000000));
      expect((await settle())[0]).toMatchObject({ slot: 0x7fffffff, generation: -0x80000000 });
      expect(native.watch(left, 2 ** 31, 0)).toBe(EINVAL);
    });

    it('reports later readiness once per change', async () => {
      const [left, right] = pair();
      const slot = watch(left);
      await until(slot, WRITABLE);
      expect(await settle()).toEqual([]);
      for (const message of ['a', 'b', 'c']) {
        ok(native.arm(left, READABLE));
        ok(native.send(right, Buffer.from(message), 0, 0));
        expect((await until(slot, READABLE)) & READABLE).toBe(READABLE);
        expect(drain(left).toString()).toBe(message);
      }
      expect(await settle()).toEqual([]);
    });

    it('reports unread data once', async () => {
      const [left, right] = pair();
      const slot = watch(left);
      ok(native.send(right, Buffer.from('unread'), 0, 0));
      await until(slot, READABLE | WRITABLE);
      expect(await settle()).toEqual([]);
    });

    it('reports that a full send buffer has room again', async () => {
      const [left, right] = pair();
      const slot = watch(left);
      await until(slot, WRITABLE);
      const chunk = Buffer.alloc(65_536);
      while (native.send(left, chunk, 0, 0) > 0);
      ok(native.arm(left, WRITABLE));
      expect(await settle()).toEqual([]);
      drain(right);
      expect((await until(slot, WRITABLE)) & WRITABLE).toBe(WRITABLE);
    });

    it('reports the end of the stream that is hidden behind data', async () => {
      const [client, server] = await tcpPair();
      const slot = watch(server);
      ok(native.send(client, Buffer.from('last words'), 0, 0));
      ok(native.shutdown(client, 1));
      const events = await until(slot, kind === 'epoll' ? READABLE | EXCEPTION : READABLE);
      expect(events & READABLE).toBe(READABLE);
      expect(drain(server).toString()).toBe('last words');
      ok(native.arm(server, READABLE));
      expect(native.recv(server, Buffer.alloc(1), 0)).toBe(0);
    });

    it('reports a refused connection as an exception, or as both directions', async () => {
      const listener = bound(SOCK_STREAM);
      const name = new Uint8Array(limits.sockaddrMax);
      const length = ok(native.getsockname(listener, name));
      const fd = socket(constant('AF_INET'), SOCK_STREAM);
      // Bound, but not listening.
      native.connect(fd, name, length);
      const slot = watch(fd);
      await until(slot, EXCEPTION);
      expect(outcome(native.recv(fd, Buffer.alloc(1), 0))).toMatch(/ECONNREFUSED|ENOTCONN/);
    });

    it('enters JavaScript once for all ready fds', async () => {
      const pairs = Array.from({ length: 50 }, () => pair());
      for (const [fd] of pairs) watch(fd);
      await settle();
      for (const [fd, other] of pairs) {
        ok(native.arm(fd, READABLE));
        ok(native.send(other, Buffer.from('x'), 0, 0));
      }
      native.hold(true);
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
      native.hold(false);
      expect(batches).toHaveLength(1);
      expect(batches[0]).toHaveLength(50);
    });

    it('delivers more events than a batch holds, each once', async () => {
      const count = limits.batch * 2 + 10;
      const sockets = Array.from({ length: count }, () => socket(constant('AF_INET'), SOCK_DGRAM));
      const expected = sockets.map((fd) => watch(fd));
      const events: Event[] = [];
      for (let turn = 0; turn < 20 && events.length < count; turn++)
        events.push(...(await settle()));
      expect(events.map(({ slot }) => slot).sort((a, b) => a - b)).toEqual(expected);
    });

    it('a closed fd of the same batch, and its reused number, get no stale event', async () => {
      for (let round = 0; round < 50; round++) {
        const [one, onePeer] = pair();
        const [two, twoPeer] = pair();
        const [slotOne, slotTwo] = [watch(one, round), watch(two, round)];
        await until(slotOne, WRITABLE);
        await until(slotTwo, WRITABLE);
        ok(native.arm(one, READABLE));
        ok(native.arm(two, READABLE));
        ok(native.send(onePeer, Buffer.from('x'), 0, 0));
        ok(native.send(twoPeer, Buffer.from('x'), 0, 0));
        let reused = -1;
        const after: Event[] = [];
        inside = (batch) => {
          if (reused !== -1) {
            after.push(...batch);
            return;
          }
          // During the delivery, when the event of the other socket has left the kernel already:
          // close that socket, and reuse its number.
          const other = batch[0]?.slot === slotOne ? two : one;
          ok(native.close(other));
          reused = ok(native.dup(onePeer));
          expect(reused).toBe(other);
          ok(native.watch(reused, slotTwo + 1000, round + 1));
        };
        native.hold(true);
        while (after.length === 0) await new Promise((resolve) => setImmediate(resolve));
        native.hold(false);
        inside = undefined;
        // Events for the number now have the generation of the new registration.
        expect(after.filter(({ generation }) => generation !== round + 1)).toEqual([]);
        ok(native.close(reused));
        closeAll();
        batches = [];
      }
    });

    it('ends the watch of a closed fd, though a duplicate keeps the socket open', async () => {
      const [left, right] = pair();
      const copy = track(native.dup(left));
      const slot = watch(left);
      await until(slot, WRITABLE);
      ok(native.close(left));
      ok(native.send(right, Buffer.from('x'), 0, 0));
      expect(await settle()).toEqual([]);
      expect(drain(copy).toString()).toBe('x');
    });

    it('release ends the watch, and the next owner of the fd can watch it', async () => {
      const [left, right] = pair();
      const first = watch(left);
      await until(first, WRITABLE);
      ok(native.release(left));
      ok(native.send(right, Buffer.from('x'), 0, 0));
      expect(await settle()).toEqual([]);
      expect(outcome(native.arm(left, READABLE))).toBe('ENOENT');
      ok(native.adopt(left, new Int32Array(3)));
      const second = watch(left);
      expect((await until(second, READABLE | WRITABLE)) & READABLE).toBe(READABLE);
      expect(outcome(native.watch(left, 1, 1))).toBe('EEXIST');
    });

    it('refuses fds that are not open', () => {
      expect(native.watch(-1, 1, 1)).toBe(EBADF);
      expect(native.watch(2_000_000_000, 1, 1)).toBe(EBADF);
    });

    it('allows watch, release and close during a delivery', async () => {
      const [left, right] = pair();
      const extra: number[] = [];
      inside = () => {
        if (extra.length > 0) return;
        extra.push(...pair());
        for (const fd of extra) watch(fd);
        ok(native.release(left));
        ok(native.close(right));
      };
      watch(left);
      await settle();
      inside = undefined;
      ok(native.adopt(left, new Int32Array(3)));
      ok(native.watch(left, 5, 5));
      const [event] = await settle();
      expect(event?.slot).toBe(5);
      expect((event?.events ?? 0) & (READABLE | EXCEPTION)).not.toBe(0);
    });

    it('makes an exception out of the delivery uncaught, and goes on', async () => {
      const [left, right] = pair();
      const slot = watch(left);
      await until(slot, WRITABLE);
      const listeners = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      const caught = new Promise((resolve) => process.once('uncaughtException', resolve));
      inside = () => {
        throw new RangeError('out of the delivery');
      };
      ok(native.arm(left, READABLE));
      ok(native.send(right, Buffer.from('x'), 0, 0));
      native.hold(true);
      const error = await caught;
      native.hold(false);
      for (const listener of listeners) process.on('uncaughtException', listener);
      expect(error).toBeInstanceOf(RangeError);
      inside = undefined;
      drain(left);
      batches = [];
      ok(native.arm(left, READABLE));
      ok(native.send(right, Buffer.from('y'), 0, 0));
      await until(slot, READABLE);
    });

    it('enters JavaScript outside of every async context', async () => {
      const storage = new AsyncLocalStorage<string>();
      const [left, right] = pair();
      const stores: (string | undefined)[] = [];
      await storage.run('outer', async () => {
        const slot = watch(left);
        inside = () => stores.push(storage.getStore());
        ok(native.send(right, Buffer.from('x'), 0, 0));
        await until(slot, READABLE);
      });
      expect(stores.length).toBeGreaterThan(0);
      expect(stores.every((store) => store === undefined)).toBe(true);
    });

    it('runs microtasks when the delivery returns, not during it', async () => {
      const [left] = pair();
      const order: string[] = [];
      inside = () => {
        void Promise.resolve().then(() => order.push('microtask'));
        order.push('delivery');
      };
      const slot = watch(left);
      await until(slot, WRITABLE);
      expect(order.slice(0, 2)).toEqual(['delivery', 'microtask']);
    });

    it('survives garbage collection', async () => {
      const [left, right] = pair();
      const slot = watch(left);
      await until(slot, WRITABLE);
      let rounds = 0;
      await collectUntil(() => ++rounds === 5);
      ok(native.arm(left, READABLE));
      ok(native.send(right, Buffer.from('x'), 0, 0));
      await until(slot, READABLE);
    });

    it('poll asks the kernel at once', () => {
      const [left, right] = pair();
      expect(native.poll(left, READABLE | WRITABLE)).toBe(WRITABLE);
      expect(native.poll(left, READABLE)).toBe(0);
      ok(native.send(right, Buffer.from('x'), 0, 0));
      expect(native.poll(left, READABLE)).toBe(READABLE);
      ok(native.close(right));
      expect(native.poll(left, 0)).toBe(EXCEPTION);
      expect(native.poll(-1, READABLE)).toBe(EBADF);
      ok(native.close(left));
      expect(native.poll(left, READABLE)).toBe(EBADF);
    });
  });
});

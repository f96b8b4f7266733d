import type { Alarm } from '#lib/contract/clock';
import { AsyncLocalStorage } from 'node:async_hooks';
import { pbkdf2 } from 'node:crypto';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '#lib/testing/virtual-clock';

/** A held alarm that is set to `deadline`, and a promise for the time that it rings at. */
function alarmAt(
  clock: VirtualClock,
  deadline: number,
): { alarm: Alarm; rung: Promise<number>; hasRung: () => boolean } {
  let ring = (_time: number): void => undefined;
  let done = false;
  const rung = new Promise<number>((resolve) => (ring = resolve));
  const alarm = clock.createAlarm(() => {
    done = true;
    alarm.hold(false);
    ring(clock.now());
  });
  alarm.hold(true);
  alarm.set(deadline);
  return { alarm, rung, hasRung: () => done };
}

/**
 * What a round of the event loop is to Node: enough of them for any look that the clock might take.
 */
async function rounds(count = 10): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * Some real time, in which a clock that may jump does: an immediate would hold it, a timer does
 * not.
 */
const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

describe('VirtualClock', () => {
  it('jumps to the deadline that is waited for, without waiting', async () => {
    const clock = new VirtualClock({ start: 1_000 });
    expect(clock.now()).toBe(1_000);
    const { rung } = alarmAt(clock, 1_000 + 86_400_000);
    expect(clock.nextDeadline()).toBe(86_401_000);
    expect(await rung).toBe(86_401_000);
    expect(clock.nextDeadline()).toBe(Infinity);
  });

  it('rings each alarm at its own time, in the order of the deadlines', async () => {
    const clock = new VirtualClock();
    const order: number[] = [];
    const alarms = [30, 10, 20].map((deadline) => alarmAt(clock, deadline));
    await Promise.all(alarms.map(async ({ rung }) => order.push(await rung)));
    expect(order).toEqual([10, 20, 30]);
  });

  it('rings an alarm that is set to the past at the time it is', async () => {
    const clock = new VirtualClock({ start: 50, autojump: false });
    expect(await alarmAt(clock, 10).rung).toBe(50);
    expect(clock.now()).toBe(50);
  });

  it('never rings within set or hold', async () => {
    const clock = new VirtualClock({ start: 50 });
    const { rung, hasRung } = alarmAt(clock, 0);
    expect(hasRung()).toBe(false);
    await rung;
  });

  it('does not ring for a deadline that was replaced or taken back', async () => {
    const clock = new VirtualClock();
    const moved = alarmAt(clock, 10);
    const dropped = alarmAt(clock, 20);
    moved.alarm.set(40);
    dropped.alarm.set(Infinity);
    expect(await moved.rung).toBe(40);
    expect(dropped.hasRung()).toBe(false);
  });

  it('lets no time pass for an alarm that nobody holds, but rings it on the way to another', async () => {
    const clock = new VirtualClock();
    const { alarm, rung, hasRung } = alarmAt(clock, 10);
    alarm.hold(false);
    await clock.untilIdle();
    await later();
    expect([clock.now(), clock.nextDeadline(), hasRung()]).toEqual([0, Infinity, false]);
    const other = alarmAt(clock, 20);
    expect(clock.nextDeadline()).toBe(10);
    expect([await rung, await other.rung]).toEqual([10, 20]);
  });

  it('stands still without autojump, until advance moves it from deadline to deadline', async () => {
    const clock = new VirtualClock({ autojump: false });
    const rings: number[] = [];
    const alarm = clock.createAlarm(() => {
      rings.push(clock.now());
      // Ready for some rounds yet, and then waiting again: advance sees all of it.
      void rounds(3).then(() => {
        alarm.set(clock.now() + 10);
      });
    });
    alarm.hold(true);
    alarm.set(10);
    await later();
    expect([clock.now(), rings]).toEqual([0, []]);
    await clock.advance(35);
    expect([clock.now(), rings]).toEqual([35, [10, 20, 30]]);
    await clock.advance(5);
    expect([clock.now(), rings]).toEqual([40, [10, 20, 30, 40]]);
  });

  it('can be advanced where it jumps by itself', async () => {
    const clock = new VirtualClock();
    await clock.advance(7);
    expect(clock.now()).toBe(7);
    const { rung } = alarmAt(clock, 10);
    await clock.advance(8);
    expect([await rung, clock.now()]).toEqual([10, 15]);
  });

  it('does not jump while a call of nextTurn is outstanding', async () => {
    const clock = new VirtualClock();
    const { rung, hasRung } = alarmAt(clock, 1);
    for (let i = 0; i < 20; i++) {
      await new Promise<void>((resolve) => {
        clock.nextTurn(resolve);
      });
      expect(hasRung()).toBe(false);
    }
    await rung;
  });

  it('does not jump while an immediate of anybody is due', async () => {
    const clock = new VirtualClock();
    const { rung, hasRung } = alarmAt(clock, 1);
    for (let i = 0; i < 20; i++) {
      await rounds(1);
      expect(hasRung()).toBe(false);
    }
    await rung;
  });

  it('lets bytes on their way arrive before time passes, however many steps that takes', async () => {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(client, 'connect');
    const clock = new VirtualClock();
    const { rung, hasRung } = alarmAt(clock, 1);
    for (let i = 0; i < 50; i++) {
      client.write('ping');
      await once(client, 'data');
      expect(hasRung()).toBe(false);
    }
    // Now both ends only wait for each other, which may be for ever.
    expect(await rung).toBe(1);
    client.destroy();
    server.close();
    await once(server, 'close');
  });

  it('lets a file be read before time passes, also when the threads that read files have other work first', async () => {
    const file = await open(new URL(import.meta.url));
    const clock = new VirtualClock();
    const busy = Array.from({ length: 8 }, () =>
      promisify(pbkdf2)('password', 'salt', 20_000, 64, 'sha512'),
    );
    const { rung, hasRung } = alarmAt(clock, 1);
    await file.readFile();
    expect(hasRung()).toBe(false);
    expect(await rung).toBe(1);
    await Promise.all(busy);
    await file.close();
  });

  it('lets a file be closed before time passes, also when the threads that close files have other work first', async () => {
    const file = await open(new URL(import.meta.url));
    const clock = new VirtualClock();
    const busy = Array.from({ length: 8 }, () =>
      promisify(pbkdf2)('password', 'salt', 20_000, 64, 'sha512'),
    );
    const { rung, hasRung } = alarmAt(clock, 1);
    await file.close();
    expect(hasRung()).toBe(false);
    expect(await rung).toBe(1);
    await Promise.all(busy);
  });

  it('holds the time while frozen, by whomever', async () => {
    const clock = new VirtualClock();
    const first = clock.freeze();
    const second = clock.freeze();
    const { rung, hasRung } = alarmAt(clock, 1);
    await later();
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(await alarmAt(clock, 0).rung).toBe(0);
    await later();
    expect(hasRung()).toBe(false);
    second[Symbol.dispose]();
    expect(await rung).toBe(1);
  });

  it('waits with settle for answers that take real time', async () => {
    const echo = new Worker(
      `const { parentPort } = require('node:worker_threads');
       parentPort.on('message', (message) => setTimeout(() => parentPort.postMessage(message), 20));`,
      { eval: true },
    );
    await once(echo, 'online');
    const clock = new VirtualClock({ settle: 400 });
    const begin = performance.now();
    const { rung, hasRung } = alarmAt(clock, 1);
    for (let i = 0; i < 3; i++) {
      echo.postMessage(i);
      await once(echo, 'message');
      expect(hasRung()).toBe(false);
    }
    expect(await rung).toBe(1);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(399);
    await echo.terminate();
  });

  it('untilIdle resolves before a jump, and what is done then holds the time', async () => {
    const clock = new VirtualClock();
    const { rung, hasRung } = alarmAt(clock, 5);
    for (let i = 0; i < 3; i++) {
      await clock.untilIdle();
      expect(hasRung()).toBe(false);
      await rounds(3);
    }
    expect(hasRung()).toBe(false);
    expect(await rung).toBe(5);
    await clock.untilIdle();
    expect(clock.now()).toBe(5);
  });

  it('rings, and calls back, outside of any context', async () => {
    const storage = new AsyncLocalStorage<string>();
    const clock = new VirtualClock();
    const seen = await storage.run('task', async () => {
      const rung = new Promise<unknown>((resolve) => {
        const alarm = clock.createAlarm(() => {
          alarm.hold(false);
          resolve(storage.getStore());
        });
        alarm.hold(true);
        alarm.set(1);
      });
      const turned = new Promise<unknown>((resolve) => {
        clock.nextTurn(() => {
          resolve(storage.getStore());
        });
      });
      return [await rung, await turned, storage.getStore()];
    });
    expect(seen).toEqual([undefined, undefined, 'task']);
  });

  it('refuses what is no time', async () => {
    for (const bad of [NaN, Infinity]) {
      expect(() => new VirtualClock({ start: bad })).toThrow(RangeError);
      expect(() => new VirtualClock({ settle: bad })).toThrow(RangeError);
      await expect(new VirtualClock().advance(bad)).rejects.toThrow(RangeError);
    }
    expect(() => new VirtualClock({ settle: -1 })).toThrow(RangeError);
    expect(() => new VirtualClock({ start: '1' as unknown as number })).toThrow(TypeError);
    await expect(new VirtualClock().advance(-1)).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    });
  });
});

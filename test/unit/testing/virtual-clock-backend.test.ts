import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { newBuiltinBackend } from '#lib/backends/builtin';
import { TimeoutError } from '#lib/errors';
import { VirtualClock } from '#lib/testing/virtual-clock';

describe('a backend on a VirtualClock', () => {
  it('does what the example says', async () => {
    const clock = new VirtualClock();
    const backend = newBuiltinBackend('node', { clock });

    await backend.bootstrap(async () => {
      const limit = backend.moveOnAfter(60_000);
      await limit.run(() => backend.sleep(3_600_000));
      assert.equal(limit.cancelledCaught(), true);
      assert.equal(clock.now(), 60_000);
    });
    expect(clock.nextDeadline()).toBe(Infinity);
  });

  it('lets no time pass while a task is ready', async () => {
    const clock = new VirtualClock();
    const backend = newBuiltinBackend('node', { clock });
    await backend.bootstrap(() =>
      backend.timeout(1).run(async () => {
        for (let i = 0; i < 100; i++) await backend.coroYield();
      }),
    );
    expect(clock.now()).toBe(0);
  });

  it('waits until the last of many tasks waits, and wakes them in the order of their deadlines', async () => {
    const clock = new VirtualClock();
    const backend = newBuiltinBackend('node', { clock });
    const woken: [number, number][] = [];
    await backend.bootstrap(() =>
      backend.createTaskGroup().run((group) => {
        for (const delay of [30, 10, 20]) {
          group.startSoon(async () => {
            await backend.sleep(delay);
            woken.push([delay, clock.now()]);
          });
        }
      }),
    );
    expect(woken).toEqual([
      [10, 10],
      [20, 20],
      [30, 30],
    ]);
  });

  it('never jumps over an answer that is on its way, and times out one that does not come', async () => {
    const server = createServer((socket) => {
      socket.once('data', function answer(data: Buffer) {
        if (String(data) === 'silence') return;
        socket.write(data);
        socket.once('data', answer);
      });
      socket.on('error', () => socket.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const clock = new VirtualClock();
    const backend = newBuiltinBackend('node', { clock });
    await backend.bootstrap(async () => {
      const transport = await backend.createTcpConnection(
        '127.0.0.1',
        (server.address() as AddressInfo).port,
      );
      const ask = (question: string): Promise<Uint8Array> =>
        backend.timeout(1).run(async () => {
          await transport.sendAll(Buffer.from(question));
          return transport.recv(100);
        });
      for (let i = 0; i < 20; i++) expect(String(Buffer.from(await ask('ping')))).toBe('ping');
      expect(clock.now()).toBe(0);
      await expect(ask('silence')).rejects.toBeInstanceOf(TimeoutError);
      expect(clock.now()).toBe(1);
      await transport.aclose();
    });
    server.close();
    await once(server, 'close');
  });
});

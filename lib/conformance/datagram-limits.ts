import assert from 'node:assert/strict';
import type { InetAddress, UnixPath } from '../contract/addresses';
import type { AsyncDatagramListener } from '../contract/listeners';
import { type DatagramKind, type DatagramPeer, localAddress } from './datagram-kinds';
import {
  BAD_RANGE,
  BAD_TYPE,
  bytes,
  CLOSED,
  endsQuietly,
  rejectsWith,
  text,
  throwsWith,
  turns,
  until,
} from './expectations';
import { randomNumbers } from './random-numbers';
import { defineSuite } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

/** Sends the numbers below `count`, as fast as the kernel takes them. */
async function sendNumbers(
  peer: DatagramPeer,
  listener: AsyncDatagramListener<InetAddress | UnixPath>,
  count: number,
): Promise<void> {
  for (let i = 0; i < count; i++) await peer.send(bytes(String(i)), localAddress(listener));
}

const numbersBelow = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Defines how every bound datagram socket has to bound its handlers. */
export function testDatagramLimits(
  runner: TestRunner,
  subject: ConformanceSubject,
  kind: DatagramKind,
): void {
  defineSuite(runner, subject, `the limit of handlers of a ${kind.name} listener`, (test) => {
    test('is 1,024 at first, and takes whole numbers from 1, and Infinity', async (scenario) => {
      const listener = await kind.listen(scenario);
      assert.equal(listener.maxConcurrentHandlers, 1024);
      for (const good of [1, 5000, Infinity]) {
        listener.maxConcurrentHandlers = good;
        assert.equal(listener.maxConcurrentHandlers, good);
      }
      for (const bad of [0, -1, 1.5, NaN, -Infinity])
        throwsWith(BAD_RANGE, () => (listener.maxConcurrentHandlers = bad));
      throwsWith(BAD_TYPE, () => (listener.maxConcurrentHandlers = '5' as never));
      assert.equal(listener.maxConcurrentHandlers, Infinity);
    });

    test('holds back further datagrams, which are handled in order when handlers end', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      listener.maxConcurrentHandlers = 2;
      await backend.createTaskGroup().run(async (group) => {
        const begun: number[] = [];
        const ends: (() => void)[] = [];
        group.startSoon(() =>
          listener.serve(async (data) => {
            begun.push(Number(text(data)));
            await backend.waitFor(new Promise<void>((resolve) => ends.push(resolve)));
          }),
        );
        const sending = sendNumbers(peer, listener, 20);
        for (let ended = 0; ended < 18; ended++) {
          await until(() => begun.length === ended + 2, 'two handlers run');
          await turns();
          assert.equal(begun.length, ended + 2);
          ends[ended]?.();
        }
        await sending;
        await until(() => begun.length === 20, 'the last one is handled');
        assert.deepEqual(begun, numbersBelow(20));
        group.cancelScope.cancel();
      });
    });

    test('may be raised while handlers run at it', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      listener.maxConcurrentHandlers = 1;
      await backend.createTaskGroup().run(async (group) => {
        let begun = 0;
        group.startSoon(() =>
          listener.serve(async () => {
            begun++;
            await backend.sleepForever();
          }),
        );
        await sendNumbers(peer, listener, 5);
        await until(() => begun === 1, 'one handler runs');
        await turns(20);
        assert.equal(begun, 1);
        listener.maxConcurrentHandlers = 4;
        await until(() => begun === 4, 'four handlers run');
        await turns(20);
        assert.equal(begun, 4);
        group.cancelScope.cancel();
      });
    });

    test('does not keep serve from ending, and counts handlers that outlive it', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      listener.maxConcurrentHandlers = 3;
      await backend.createTaskGroup().run(async (group) => {
        const begun: number[] = [];
        const hold = async (data: Uint8Array): Promise<void> => {
          begun.push(Number(text(data)));
          await backend.sleepForever();
        };
        await sendNumbers(peer, listener, 8);
        const scope = backend.openCancelScope();
        const served = scope.run(() => listener.serve(hold, group));
        await until(() => begun.length === 3, 'the limit is reached');
        scope.cancel();
        await endsQuietly(served);
        const again = rejectsWith(CLOSED, () => listener.serve(hold, group));
        await turns(20);
        assert.equal(begun.length, 3);
        listener.maxConcurrentHandlers = 5;
        await until(() => begun.length === 5, 'two more');
        assert.deepEqual(begun, numbersBelow(5));
        await listener.aclose();
        await again;
        group.cancelScope.cancel();
      });
    });

    for (const limit of [1, 2, 7]) {
      test(`of ${String(limit)} holds, and no datagram waits for ever, however handlers end`, async (scenario) => {
        const { backend } = scenario;
        const listener = await kind.listen(scenario);
        const peer = await kind.peer(scenario);
        const random = randomNumbers(limit);
        listener.maxConcurrentHandlers = limit;
        const seen: number[] = [];
        let running = 0;
        const handler = async (data: Uint8Array): Promise<void> => {
          assert.ok(++running <= limit);
          seen.push(Number(text(data)));
          try {
            const how = random(4);
            if (how === 1) await backend.coroYield();
            if (how === 2) await backend.sleep(random(2));
            if (how === 3) await backend.moveOnAfter(0).run(() => backend.sleepForever());
          } finally {
            running--;
          }
        };
        const sending = sendNumbers(peer, listener, 100);
        // Some handlers are cut off with their serve, and the next serve goes on where it ended.
        while (seen.length < 100) {
          const before = seen.length;
          const scope = backend.openCancelScope();
          const served = scope.run(() => listener.serve(handler));
          const wanted = Math.min(before + 1 + random(30), 100);
          await until(() => seen.length >= wanted, 'the next ones are handled');
          scope.cancel();
          await endsQuietly(served);
        }
        await sending;
        assert.deepEqual(seen, numbersBelow(100));
        assert.equal(running, 0);
      });
    }
  });
}

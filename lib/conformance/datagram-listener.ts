import type { InetAddress, UnixPath } from '../contract/addresses';
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { SocketAttribute } from '../transports/attributes';
import { type DatagramKind, localAddress } from './datagram-kinds';
import {
  BAD_RANGE,
  BAD_TYPE,
  BUSY,
  bytes,
  CANCELLED,
  CLOSED,
  endsQuietly,
  NO_ATTRIBUTE,
  rejectsWith,
  text,
  throwsWith,
  turns,
  UNSUPPORTED,
  until,
} from './expectations';
import { defineSuite, lacks } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

/**
 * Defines what every bound datagram socket has to do: serving, its handlers' tasks, answering,
 * cancelling, closing.
 */
export function testDatagramListener(
  runner: TestRunner,
  subject: ConformanceSubject,
  kind: DatagramKind,
): void {
  defineSuite(runner, subject, `a ${kind.name} listener`, (test) => {
    test('each datagram is a task, whose address can be answered', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peers = [await kind.peer(scenario), await kind.peer(scenario)];
      await backend.createTaskGroup().run(async (group) => {
        const tasks = new Set<number>();
        group.startSoon(() =>
          listener.serve(async (data, address) => {
            tasks.add(backend.getCurrentTask().id);
            await listener.sendTo(bytes(`re: ${text(data)}`), address);
          }),
        );
        for (const [i, peer] of peers.entries()) {
          for (const data of [`first ${i}`, '', `last ${i}`]) {
            await peer.send(bytes(data), localAddress(listener));
            const answer = await peer.take();
            assert.equal(text(answer.data), `re: ${data}`);
            assert.deepEqual(answer.from, localAddress(listener));
          }
        }
        assert.equal(tasks.size, 6);
        group.cancelScope.cancel();
      });
    });

    test('the address that a handler gets is the sender', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const seen: (InetAddress | UnixPath)[] = [];
        group.startSoon(() => listener.serve((_data, address) => void seen.push(address)));
        await peer.send(bytes('x'), localAddress(listener));
        await until(() => seen.length === 1, 'the handler is called');
        assert.deepEqual(seen, [peer.address]);
        group.cancelScope.cancel();
      });
    });

    test('datagrams that arrived before serve are handled in order', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      for (let i = 0; i < 8; i++) await peer.send(bytes(String(i)), localAddress(listener));
      await backend.createTaskGroup().run(async (group) => {
        const seen: string[] = [];
        group.startSoon(() => listener.serve((data) => void seen.push(text(data))));
        await until(() => seen.length === 8, 'all are handled');
        assert.deepEqual(seen, ['0', '1', '2', '3', '4', '5', '6', '7']);
        group.cancelScope.cancel();
      });
    });

    test('handlers begin in order of arrival, also behind slow ones', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const begun: number[] = [];
        group.startSoon(() =>
          listener.serve(async (data) => {
            begun.push(Number(text(data)));
            if (begun.length % 3 === 0) await backend.sleepForever();
          }),
        );
        for (let i = 0; i < 200; i++) {
          await peer.send(bytes(String(i)), localAddress(listener));
          if (i % 5 === 0) await until(() => begun.length === i + 1, 'it is begun');
        }
        await until(() => begun.length === 200, 'all have begun');
        assert.deepEqual(
          begun,
          Array.from({ length: 200 }, (_, i) => i),
        );
        group.cancelScope.cancel();
      });
    });

    test("data is the handler's own memory", async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const seen: Uint8Array[] = [];
        group.startSoon(() => listener.serve((data) => void seen.push(data)));
        for (const data of ['aaaa', 'bbbb', 'cccc'])
          await peer.send(bytes(data), localAddress(listener));
        await until(() => seen.length === 3, 'all are handled');
        seen[1]?.fill(0);
        assert.deepEqual(
          [text(seen[0] ?? bytes('')), text(seen[2] ?? bytes(''))],
          ['aaaa', 'cccc'],
        );
        group.cancelScope.cancel();
      });
    });

    test('fifty tasks may send at once', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      const received: string[] = [];
      await backend.gather(
        ...Array.from(
          { length: 50 },
          (_, i) => () => listener.sendTo(bytes(String(i)), peer.address),
        ),
        async () => {
          for (let i = 0; i < 50; i++) received.push(text((await peer.take()).data));
        },
      );
      assert.deepEqual(
        received.sort((a, b) => Number(a) - Number(b)),
        Array.from({ length: 50 }, (_, i) => String(i)),
      );
    });

    test('handlers are tasks of the given group, and outlive serve there', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const goOn = backend.createEvent();
        const serving = backend.openCancelScope();
        let begun = 0;
        const served = serving.run(() =>
          listener.serve(async (_data, address) => {
            begun++;
            await goOn.wait();
            await listener.sendTo(bytes('late'), address);
          }, group),
        );
        await peer.send(bytes('x'), localAddress(listener));
        await until(() => begun === 1, 'the handler is called');
        serving.cancel();
        await endsQuietly(served);
        goOn.set();
        assert.equal(text((await peer.take()).data), 'late');
      });
    });

    test('serves again after it was cancelled, and no datagram is lost in between', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      const seen: string[] = [];
      for (let round = 0; round < 5; round++) {
        await peer.send(bytes(`between ${round}`), localAddress(listener));
        await turns();
        const scope = backend.openCancelScope();
        const served = scope.run(() =>
          listener.serve(async (data) => {
            seen.push(text(data));
            await backend.sleepForever();
          }),
        );
        await peer.send(bytes(`now ${round}`), localAddress(listener));
        await until(() => seen.length === 2 * (round + 1), 'both are handled');
        scope.cancel();
        await endsQuietly(served);
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 5 }, (_, i) => [`between ${i}`, `now ${i}`]).flat(),
      );
    });

    test('a second serve is refused, and the first is not disturbed', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      await backend.createTaskGroup().run(async (group) => {
        await group.start(() => listener.serve((data, address) => listener.sendTo(data, address)));
        await rejectsWith(BUSY, () => listener.serve(() => undefined));
        await peer.send(bytes('x'), localAddress(listener));
        assert.equal(text((await peer.take()).data), 'x');
        group.cancelScope.cancel();
      });
    });

    test('a handler that fails makes its group fail: the other handlers are cancelled, and serve rejects with the error', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      const failure = new Error('of the handler');
      const others: unknown[] = [];
      const served = listener.serve(async (data) => {
        if (text(data) === '!') throw failure;
        await backend.sleepForever().catch((error: unknown) => {
          others.push(error);
          throw error;
        });
      });
      const told = assert.rejects(
        served,
        (error: AggregateError) => error instanceof AggregateError && error.errors[0] === failure,
      );
      await peer.send(bytes('.'), localAddress(listener));
      await peer.send(bytes('!'), localAddress(listener));
      await told;
      assert.equal((others[0] as { code: string }).code, CANCELLED);
      assert.equal(listener.isClosing(), false);
    });

    test('handlers run in the async context of the caller of serve', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      const storage = new AsyncLocalStorage<string>();
      await backend.createTaskGroup().run(async (group) => {
        const seen: unknown[] = [];
        storage.run('mine', () =>
          group.startSoon(() => listener.serve(() => void seen.push(storage.getStore()))),
        );
        for (let i = 1; i <= 3; i++) {
          await peer.send(bytes('x'), localAddress(listener));
          await until(() => seen.length === i, 'the handler is called');
        }
        assert.deepEqual(seen, ['mine', 'mine', 'mine']);
        group.cancelScope.cancel();
      });
    });

    test('closing it ends serve, and everything else rejects from then on', async (scenario) => {
      const { backend } = scenario;
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const serving = await group.start(() =>
          rejectsWith(CLOSED, () => listener.serve(() => undefined)),
        );
        await turns();
        await listener.aclose();
        await serving.join();
      });
      assert.equal(listener.isClosing(), true);
      await rejectsWith(CLOSED, () => listener.serve(() => undefined));
      await rejectsWith(CLOSED, () => listener.sendTo(bytes('x'), peer.address));
      await listener.aclose();
      await listener[Symbol.asyncDispose]();
    });

    test('in a cancelled scope nothing is handled and nothing is sent, and aclose closes', async (scenario) => {
      const listener = await kind.listen(scenario);
      const peer = await kind.peer(scenario);
      await peer.send(bytes('x'), localAddress(listener));
      await turns();
      const handled: unknown[] = [];
      await scenario.inCancelledScope(async () => {
        await rejectsWith(CANCELLED, () => listener.serve((data) => void handled.push(data)));
        await rejectsWith(CANCELLED, () => listener.sendTo(bytes('never'), peer.address));
      });
      assert.deepEqual(handled, []);
      await listener.sendTo(bytes('only this'), peer.address);
      assert.equal(text((await peer.take()).data), 'only this');
      await scenario.inCancelledScope(() => rejectsWith(CANCELLED, () => listener.aclose()));
      await rejectsWith(CLOSED, () => listener.serve(() => undefined));
    });

    test('rejects invalid handlers, buffers and addresses', async (scenario) => {
      const listener = await kind.listen(scenario);
      const { address } = await kind.peer(scenario);
      for (const handler of [undefined, null, 'echo', {}])
        await rejectsWith(BAD_TYPE, () => listener.serve(handler as never));
      for (const data of [null, 'text', 5, new ArrayBuffer(8)])
        await rejectsWith(BAD_TYPE, () => listener.sendTo(data as never, address));
      for (const other of [null, undefined, 5, {}])
        await rejectsWith(BAD_TYPE, () => listener.sendTo(bytes('x'), other as never));
      if (kind.family === 'unix') return;
      const inet = address as InetAddress;
      await rejectsWith(BAD_RANGE, () => listener.sendTo(bytes('x'), { ...inet, port: 65536 }));
      await assert.rejects(listener.sendTo(bytes('x'), { ...inet, address: 'not an address' }));
      await assert.rejects(
        listener.sendTo(bytes('x'), { address: '::1', port: inet.port, family: 'IPv6' }),
      );
      if (kind.mostBytes !== null)
        await rejectsWith('EMSGSIZE', () =>
          listener.sendTo(new Uint8Array((kind.mostBytes ?? 0) + 1), address),
        );
    });

    test('has a local address, and no remote address', async (scenario) => {
      const listener = await kind.listen(scenario);
      assert.equal(
        listener.extra(SocketAttribute.family),
        scenario.constant(kind.family === 'inet' ? 'AF_INET' : 'AF_UNIX'),
      );
      throwsWith(NO_ATTRIBUTE, () => listener.extra(SocketAttribute.remoteAddress));
      assert.equal(listener.backend(), scenario.backend);
      await listener.aclose();
      throwsWith(NO_ATTRIBUTE, () => listener.extra(SocketAttribute.localAddress));
    });

    test('rejects ancillary data where the socket or the backend has none', async (scenario) => {
      if (!lacks(subject, 'ancillary data')) return;
      const listener = await kind.listen(scenario);
      const { address } = await kind.peer(scenario);
      await rejectsWith(UNSUPPORTED, () => listener.serveWithAncillary(() => undefined, 64));
      await rejectsWith(UNSUPPORTED, () => listener.sendWithAncillaryTo(bytes('x'), {}, address));
    });
  });
}

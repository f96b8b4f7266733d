import type { InetAddress } from '../contract/addresses';
import type { Awaitable, TaskGroup } from '../contract/tasks';
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { AsyncListener } from '../contract/listeners';
import { SocketAttribute } from '../transports/attributes';
import type { AsyncStreamTransport } from '../contract/transports';
import {
  BAD_TYPE,
  BUSY,
  bytes,
  CANCELLED,
  CLOSED,
  endsQuietly,
  hasSettled,
  NO_ATTRIBUTE,
  rejectsWith,
  text,
  throwsWith,
  until,
} from './expectations';
import { defineSuite, type Scenario } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';
import { rawConnect, type StreamPeer } from './stream-peer';

/** A kind of stream listener. Opening one is a checkpoint, as the backend's methods are. */
export interface StreamListenerKind {
  /** Stands in the names of the tests. */
  readonly name: string;
  readonly family: 'inet' | 'unix';
  /** Opens one; it is closed with the scenario. */
  readonly listen: (scenario: Scenario, options?: { backlog?: number }) => Promise<ListeningEnd>;
}

/** A listener under test, and how to connect to it. Dialling is no checkpoint. */
export interface ListeningEnd {
  readonly listener: AsyncListener<AsyncStreamTransport>;
  /** With node:net, which no code of the backend under test touches. */
  readonly dial: () => Promise<StreamPeer>;
}

/** TCP and Unix streams. */
export const STREAM_LISTENER_KINDS: readonly StreamListenerKind[] = [
  {
    name: 'a TCP listener',
    family: 'inet',
    listen: async (scenario, options) => {
      const [listener] = await scenario.backend.createTcpListeners('127.0.0.1', 0, options);
      assert.ok(listener !== undefined);
      const { port } = scenario.own(listener).extra(SocketAttribute.localAddress) as InetAddress;
      return { listener, dial: () => rawConnect(scenario, { host: '127.0.0.1', port }) };
    },
  },
  {
    name: 'a Unix stream listener',
    family: 'unix',
    listen: async (scenario, options) => {
      const path = scenario.freshPath();
      const listener = scenario.own(await scenario.backend.createUnixStreamListener(path, options));
      return { listener, dial: () => rawConnect(scenario, { path }) };
    },
  },
];

async function echo(transport: AsyncStreamTransport): Promise<void> {
  await using connection = transport;
  for (;;) {
    const data = await connection.recv(65536);
    if (data.length === 0) return;
    await connection.sendAll(data);
  }
}

/**
 * Defines what every listener of streams has to do: serving, its handlers' tasks, their failures,
 * cancelling, closing.
 */
export function testStreamListener(
  runner: TestRunner,
  subject: ConformanceSubject,
  kind: StreamListenerKind,
): void {
  defineSuite(runner, subject, kind.name, (test) => {
    test('serves each connection in a task of its own, two hundred at once', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const tasks = new Set<number>();
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() =>
          listener.serve(async (transport) => {
            tasks.add(backend.getCurrentTask().id);
            assert.equal(transport.backend(), backend);
            await echo(transport);
          }),
        );
        const answers = await Promise.all(
          Array.from({ length: 200 }, async (_, i) => {
            const peer = await dial();
            await peer.write(`hello ${i}`);
            peer.end();
            return String(await peer.takeAll());
          }),
        );
        assert.deepEqual(
          answers,
          Array.from({ length: 200 }, (_, i) => `hello ${i}`),
        );
        group.cancelScope.cancel();
      });
      assert.equal(tasks.size, 200);
    });

    test('connections that arrived before serve are served', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const peers = [await dial(), await dial(), await dial()];
      for (const peer of peers) await peer.write('early');
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() => listener.serve(echo));
        for (const peer of peers) assert.equal(String(await peer.take(5)), 'early');
        group.cancelScope.cancel();
      });
    });

    test('handlers are tasks of the given group, and outlive serve there', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const serving = backend.openCancelScope();
        const served = serving.run(() => listener.serve(echo, group));
        const peer = await dial();
        await peer.write('one');
        assert.equal(String(await peer.take(3)), 'one');
        serving.cancel();
        await endsQuietly(served);
        await peer.write('two');
        assert.equal(String(await peer.take(3)), 'two');
        peer.end();
        assert.equal(String(await peer.takeAll()), '');
      });
    });

    test('without a group, cancelling serve cancels the handlers and closes their connections', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const ended: string[] = [];
      const scope = backend.openCancelScope();
      const served = scope.run(() =>
        listener.serve(async (transport) => {
          try {
            for (;;) await transport.sendAll(await transport.recv(100));
          } catch (error) {
            ended.push((error as { code: string }).code);
            throw error;
          }
        }),
      );
      const peers = [await dial(), await dial()];
      for (const peer of peers) {
        await peer.write('x');
        await peer.take(1);
      }
      scope.cancel();
      await endsQuietly(served);
      assert.ok(scope.cancelledCaught());
      assert.deepEqual(ended, [CANCELLED, CANCELLED]);
      for (const peer of peers) await peer.takeAll();
    });

    test('serves again after it was cancelled, and no connection is lost in between', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      for (let round = 0; round < 3; round++) {
        const between = await dial();
        await between.write('between');
        await backend.createTaskGroup().run(async (group) => {
          group.startSoon(() => listener.serve(echo));
          assert.equal(String(await between.take(7)), 'between');
          const now = await dial();
          await now.write('now');
          assert.equal(String(await now.take(3)), 'now');
          group.cancelScope.cancel();
        });
      }
    });

    test('a second serve is refused, and the first is not disturbed', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      await backend.createTaskGroup().run(async (group) => {
        await group.start(() => listener.serve(echo));
        await rejectsWith(BUSY, () => listener.serve(echo));
        await rejectsWith(BUSY, () => listener.serve(echo, group));
        const peer = await dial();
        await peer.write('x');
        assert.equal(String(await peer.take(1)), 'x');
        group.cancelScope.cancel();
      });
    });

    test('a handler that fails makes its group fail: the other handlers are cancelled, and serve rejects with the error', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const failure = new Error('of the handler');
      const others: unknown[] = [];
      const served = backend.createTaskGroup().run(async (group) => {
        await group.start(() =>
          listener.serve(async (transport) => {
            scenario.own(transport);
            if (text(await transport.recv(1)) === '!') throw failure;
            await transport.sendAll(bytes('ok'));
            await transport.recv(1).catch((error: unknown) => {
              others.push(error);
              throw error;
            });
          }),
        );
        const good = await dial();
        await good.write('.');
        assert.equal(String(await good.take(2)), 'ok');
        const bad = await dial();
        await bad.write('!');
        await good.takeAll();
        await bad.takeAll();
      });
      const error: unknown = await served.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(contains(error, failure), String(error));
      assert.equal((others[0] as { code: string }).code, CANCELLED);
      // The listener is open all the same.
      assert.equal(listener.isClosing(), false);
      await dial();
    });

    test('a custom task group can run the handlers: a connection whose handler fails is closed', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const failure = Object.assign(new Error('of the handler'), { code: 'EILSEQ' });
      const tasks: Promise<unknown>[] = [];
      const startSoon = (fn: () => Awaitable<unknown>): void => {
        tasks.push(rejectsWith('EILSEQ', () => backend.openCancelScope().run(fn)));
      };
      const makes: unknown[] = [
        { startSoon },
        Object.assign(backend.createTaskGroup(), { startSoon }),
      ];
      for (const group of makes) {
        const serving = backend.openCancelScope();
        const served = serving.run(() =>
          listener.serve(async (transport) => {
            await transport.recv(1);
            throw failure;
          }, group as TaskGroup),
        );
        const peer = await dial();
        await peer.write('!');
        await peer.takeAll();
        assert.equal(tasks.length, 1);
        await tasks.pop();
        serving.cancel();
        await served;
      }
    });

    test('a connection stays open when its handler returns', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const given: AsyncStreamTransport[] = [];
        group.startSoon(() =>
          listener.serve((transport) => void given.push(scenario.own(transport))),
        );
        const peer = await dial();
        await until(() => given.length === 1, 'the handler is called');
        const [transport] = given;
        await peer.write('still open');
        assert.equal(text((await transport?.recv(100)) ?? bytes('')), 'still open');
        group.cancelScope.cancel();
      });
    });

    test('connections that the peer closed before they were served do not disturb it', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      for (let i = 0; i < 20; i++) {
        const peer = await dial();
        if (i % 2 === 0) peer.socket.destroy();
        else peer.reset();
      }
      await backend.createTaskGroup().run(async (group) => {
        await group.start(() =>
          listener.serve(async (transport) => {
            try {
              await echo(transport);
            } catch (error) {
              if (!['ECONNRESET', 'EPIPE', 'ENOTCONN'].includes((error as { code: string }).code))
                throw error;
            }
          }),
        );
        const peer = await dial();
        await peer.write('x');
        assert.equal(String(await peer.take(1)), 'x');
        group.cancelScope.cancel();
      });
    });

    test('handlers run in the async context of the caller of serve', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const storage = new AsyncLocalStorage<string>();
      await backend.createTaskGroup().run(async (group) => {
        const seen: unknown[] = [];
        storage.run('mine', () =>
          group.startSoon(() =>
            listener.serve(async (transport) => {
              scenario.own(transport);
              seen.push(storage.getStore());
              await transport.recv(1);
              seen.push(storage.getStore());
            }),
          ),
        );
        for (let i = 1; i <= 3; i++) {
          const peer = await dial();
          await peer.write('x');
          await until(() => seen.length === 2 * i, 'the handler is called');
        }
        assert.deepEqual(seen, Array<string>(6).fill('mine'));
        group.cancelScope.cancel();
      });
    });

    test('closing the listener ends serve, and connections stay open', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const serving = await group.start(() =>
          rejectsWith(CLOSED, () => listener.serve(echo, group)),
        );
        const peer = await dial();
        await peer.write('x');
        await peer.take(1);
        assert.equal(listener.isClosing(), false);
        await listener.aclose();
        assert.equal(listener.isClosing(), true);
        await serving.join();
        await peer.write('y');
        assert.equal(String(await peer.take(1)), 'y');
        peer.end();
      });
      await rejectsWith(CLOSED, () => listener.serve(echo));
      await listener.aclose();
      await listener[Symbol.asyncDispose]();
      await assert.rejects(dial());
    });

    test('in a cancelled scope serve takes no connection, and aclose closes', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const peer = await dial();
      await peer.write('x');
      const handled: AsyncStreamTransport[] = [];
      await scenario.inCancelledScope(() =>
        rejectsWith(CANCELLED, () => listener.serve((transport) => void handled.push(transport))),
      );
      assert.deepEqual(handled, []);
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() => listener.serve(echo));
        assert.equal(String(await peer.take(1)), 'x');
        group.cancelScope.cancel();
      });
      await scenario.inCancelledScope(() => rejectsWith(CANCELLED, () => listener.aclose()));
      await rejectsWith(CLOSED, () => listener.serve(echo));
    });

    test('rejects what is not a handler, and can still serve', async (scenario) => {
      const { listener } = await kind.listen(scenario);
      for (const handler of [undefined, null, 'echo', {}])
        await rejectsWith(BAD_TYPE, () => listener.serve(handler as never));
      const serving = listener.serve(echo);
      assert.equal(await hasSettled(serving), false);
      const told = rejectsWith(CLOSED, () => serving);
      await listener.aclose();
      await told;
    });

    test('has a local address, and no remote address', async (scenario) => {
      const { listener } = await kind.listen(scenario);
      listener.extra(SocketAttribute.localAddress);
      throwsWith(NO_ATTRIBUTE, () => listener.extra(SocketAttribute.remoteAddress));
      assert.equal(listener.backend(), scenario.backend);
      await listener.aclose();
      throwsWith(NO_ATTRIBUTE, () => listener.extra(SocketAttribute.localAddress));
    });
  });
}

function contains(error: unknown, wanted: Error): boolean {
  return (
    error === wanted ||
    (error instanceof AggregateError && error.errors.some((part) => contains(part, wanted)))
  );
}

import assert from 'node:assert/strict';
import type { AsyncStreamTransport } from '../contract/transports';
import { SocketAttribute } from '../transports/attributes';
import {
  BAD_RANGE,
  BAD_TYPE,
  bytes,
  CLOSED,
  endsQuietly,
  rejectsWith,
  text,
  turns,
  until,
} from './expectations';
import { defineSuite } from './scenario';
import { randomNumbers } from './random-numbers';
import type { StreamListenerKind } from './stream-listener';
import type { ConformanceSubject, TestRunner } from './subject';

/** Answers one message. */
async function answer(transport: AsyncStreamTransport): Promise<void> {
  const question = text(await transport.recv(100));
  await transport.sendAll(bytes(`re: ${question}`));
}

/** Defines what `serve` of every listener of streams has to do with its options. */
export function testServeOptions(
  runner: TestRunner,
  subject: ConformanceSubject,
  kind: StreamListenerKind,
): void {
  defineSuite(runner, subject, `serve of ${kind.name} with options`, (test) => {
    test('runs at most maxConnections handlers at once, and serves every connection', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const goOn = backend.createEvent();
      let running = 0;
      let most = 0;
      const handler = async (transport: AsyncStreamTransport): Promise<void> => {
        most = Math.max(most, ++running);
        await goOn.wait();
        await answer(transport);
        running--;
      };
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() => listener.serve(handler, { maxConnections: 3, closeAfter: true }));
        const peers = [];
        for (let i = 0; i < 40; i++) peers.push(await dial());
        for (const [i, peer] of peers.entries()) await peer.write(String(i));
        await until(() => running === 3, 'three handlers run');
        await turns(20);
        assert.equal(running, 3);
        goOn.set();
        for (const [i, peer] of peers.entries())
          assert.equal(String(await peer.takeAll()), `re: ${String(i)}`);
        group.cancelScope.cancel();
      });
      assert.equal(most, 3);
    });

    for (const limit of [1, 2, 5]) {
      test(`at a limit of ${String(limit)}, handlers that return, fail and are cancelled all make room`, async (scenario) => {
        const { backend } = scenario;
        const { listener, dial } = await kind.listen(scenario);
        const random = randomNumbers(limit);
        const errors: unknown[] = [];
        let begun = 0;
        let running = 0;
        const handler = async (transport: AsyncStreamTransport): Promise<void> => {
          assert.ok(++running <= limit);
          begun++;
          const how = random(4);
          try {
            if (random(2) === 0) await backend.sleep(random(3));
            if (how === 0) throw new Error('planted');
            if (how === 1) await backend.moveOnAfter(0).run(() => backend.sleepForever());
            if (how === 2) await answer(transport);
          } finally {
            running--;
          }
        };
        await backend.createTaskGroup().run(async (group) => {
          group.startSoon(() =>
            listener.serve(handler, {
              maxConnections: limit,
              closeAfter: true,
              onError: (error) => errors.push(error),
            }),
          );
          for (let sent = 0; sent < 60;) {
            const peers = [];
            for (let i = random(8); i >= 0; i--, sent++) peers.push(await dial());
            for (const peer of peers) void peer.write('x').catch(() => undefined);
            for (const peer of peers) await peer.takeAll();
            assert.equal(begun, sent);
          }
          group.cancelScope.cancel();
        });
        for (const error of errors) assert.match(String(error), /planted|ECONNRESET|EPIPE/);
      });
    }

    test('serve ends at its limit too: cancelled, or because the listener closes', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      await backend.createTaskGroup().run(async (group) => {
        let begun = 0;
        const hold = async (): Promise<void> => {
          begun++;
          await backend.sleepForever();
        };
        const options = { group, maxConnections: 2 };
        const scope = backend.openCancelScope();
        const served = scope.run(() => listener.serve(hold, options));
        for (let i = 0; i < 3; i++) await dial();
        await until(() => begun === 2, 'the limit is reached');
        scope.cancel();
        await endsQuietly(served);
        // The handlers of the group run on, and count.
        const again = rejectsWith(CLOSED, () => listener.serve(hold, options));
        await turns(20);
        assert.equal(begun, 2);
        await listener.aclose();
        await again;
        group.cancelScope.cancel();
      });
    });

    test('closeAfter closes when the handler has returned, and nothing is lost', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() => listener.serve(answer, { closeAfter: true }));
        const peer = await dial();
        await peer.write('x');
        assert.equal(String(await peer.takeAll()), 're: x');
        group.cancelScope.cancel();
      });
    });

    test("with onPeerError 'ignore' a reset ends its own connection alone", async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      await backend.createTaskGroup().run(async (group) => {
        const failed: AsyncStreamTransport[] = [];
        const handler = async (transport: AsyncStreamTransport): Promise<void> => {
          try {
            for (;;) {
              const data = await transport.recv(100);
              // A peer that has gone may show as an end of stream at first.
              await transport.sendAll(data.length === 0 ? bytes('still there?') : data);
            }
          } finally {
            failed.push(transport);
          }
        };
        group.startSoon(() => listener.serve(handler, { onPeerError: 'ignore', closeAfter: true }));
        const innocent = await dial();
        await innocent.write('1');
        assert.equal(String(await innocent.take(1)), '1');
        const rude = await dial();
        await rude.write('never read');
        await rude.take(1);
        rude.reset();
        await until(() => failed.length === 1, 'the handler of the reset connection ends');
        await turns();
        assert.equal(failed[0]?.isClosing(), true);
        await innocent.write('2');
        assert.equal(String(await innocent.take(1)), '2');
        group.cancelScope.cancel();
      });
    });

    test('onError gets the error of a handler and its open transport, which is then closed', async (scenario) => {
      const { backend } = scenario;
      const { listener, dial } = await kind.listen(scenario);
      const failure = new Error('of the handler');
      await backend.createTaskGroup().run(async (group) => {
        const seen: unknown[] = [];
        group.startSoon(() =>
          listener.serve(
            async (transport) => {
              scenario.own(transport);
              if (text(await transport.recv(1)) === '!') throw failure;
              await transport.sendAll(bytes('ok'));
            },
            {
              onError: (error, transport) => {
                transport.extra(SocketAttribute.localAddress);
                seen.push(error, transport.isClosing());
              },
            },
          ),
        );
        const bad = await dial();
        await bad.write('!');
        await bad.takeAll();
        assert.deepEqual(seen, [failure, false]);
        const good = await dial();
        await good.write('.');
        assert.equal(String(await good.take(2)), 'ok');
        group.cancelScope.cancel();
      });
    });

    test('what onError throws fails the group, and a cancellation is not told to it', async (scenario) => {
      const { listener, dial } = await kind.listen(scenario);
      const told: unknown[] = [];
      const defect = new Error('of onError');
      const served = listener.serve(
        async (transport) => {
          if (text(await transport.recv(1)) === '!') throw new Error('of the handler');
        },
        {
          onError: (error) => {
            told.push(error);
            throw defect;
          },
        },
      );
      const rejected = assert.rejects(served, (error: AggregateError) => {
        assert.deepEqual(error.errors, [defect]);
        return true;
      });
      const waiting = await dial();
      const bad = await dial();
      await bad.write('!');
      await rejected;
      await waiting.takeAll();
      assert.deepEqual(told.map(String), ['Error: of the handler']);
    });

    test('rejects options of the wrong kind', async (scenario) => {
      const { listener } = await kind.listen(scenario);
      const none = (): void => undefined;
      for (const options of [
        null,
        5,
        'group',
        { group: {} },
        { group: null },
        { maxConnections: '5' },
        { closeAfter: 1 },
        { onPeerError: 'never' },
        { onError: 'log' },
      ])
        await rejectsWith(BAD_TYPE, () => listener.serve(none, options as never));
      for (const maxConnections of [0, -1, 1.5, NaN])
        await rejectsWith(BAD_RANGE, () => listener.serve(none, { maxConnections }));
    });
  });
}

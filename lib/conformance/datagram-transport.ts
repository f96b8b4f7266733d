import assert from 'node:assert/strict';
import { SocketAttribute } from '../transports/attributes';
import { acloseForcefully } from '../transports/aclose-forcefully';
import type { AsyncDatagramTransport } from '../contract/transports';
import { type DatagramKind, type DatagramPeer, localAddress } from './datagram-kinds';
import {
  BAD_RANGE,
  BAD_TYPE,
  BUSY,
  bytes,
  CANCELLED,
  CLOSED,
  endsQuietly,
  hasSettled,
  NO_ATTRIBUTE,
  numbered,
  rejectsWith,
  text,
  throwsWith,
  turns,
  UNSUPPORTED,
} from './expectations';
import { defineSuite, lacks, type Scenario } from './scenario';
import type { ConformanceSubject, TestRunner } from './subject';

interface Link {
  readonly transport: AsyncDatagramTransport;
  readonly peer: DatagramPeer;
  /** Sends from the peer to the transport. */
  readonly deliver: (data: string | Uint8Array) => Promise<void>;
}

/** Defines what every connected datagram socket has to do. */
export function testDatagramTransport(
  runner: TestRunner,
  subject: ConformanceSubject,
  kind: DatagramKind,
): void {
  const open = async (scenario: Scenario): Promise<Link> => {
    const peer = await kind.peer(scenario);
    const transport = await kind.connect(scenario, peer);
    const address = localAddress(transport);
    return {
      transport,
      peer,
      deliver: (data) => peer.send(typeof data === 'string' ? bytes(data) : data, address),
    };
  };

  defineSuite(runner, subject, `a connected ${kind.name} socket`, (test) => {
    test('one send is one datagram, empty ones included, in both directions', async (scenario) => {
      const { transport, peer, deliver } = await open(scenario);
      for (const data of ['one', '', 'three']) {
        await transport.send(bytes(data));
        assert.equal(text((await peer.take()).data), data);
        await deliver(data);
        assert.equal(text(await transport.recv()), data);
      }
      await deliver('a');
      await deliver('');
      await deliver('bc');
      assert.deepEqual(
        [text(await transport.recv()), text(await transport.recv()), text(await transport.recv())],
        ['a', '', 'bc'],
      );
    });

    test('sends any view, and the right part of its memory', async (scenario) => {
      const { transport, peer } = await open(scenario);
      const memory = bytes('0123456789abcdef');
      const shared = new Uint8Array(new SharedArrayBuffer(4));
      shared.set(bytes('wxyz'));
      const views = [
        new DataView(memory.buffer, 2, 3),
        Buffer.from('-'),
        new Uint16Array(memory.buffer, 4, 2),
        new Float64Array(memory.buffer, 8, 1),
        shared.subarray(1),
      ];
      const expected = ['234', '-', '4567', '89abcdef', 'xyz'];
      const received: string[] = [];
      for (const view of views) {
        await transport.send(view);
        received.push(text((await peer.take()).data));
      }
      assert.deepEqual(received.splice(0), expected);
      await transport.sendMany(views);
      while (received.length < views.length) received.push(text((await peer.take()).data));
      assert.deepEqual(received, expected);
    });

    test('recv returns new memory each time', async (scenario) => {
      const { transport, deliver } = await open(scenario);
      await deliver('aaaa');
      const first = await transport.recv();
      await deliver('bbbb');
      const second = await transport.recv();
      second.fill(0);
      assert.equal(text(first), 'aaaa');
    });

    test('recvInto resolves to the count; a datagram that does not fit is EMSGSIZE, and lost', async (scenario) => {
      const { transport, deliver } = await open(scenario);
      const memory = new Uint8Array(8).fill(0x2e);
      await deliver('abc');
      assert.equal(await transport.recvInto(memory.subarray(2)), 3);
      assert.equal(text(memory), '..abc...');
      await deliver('');
      assert.equal(await transport.recvInto(memory), 0);
      await deliver('12345678');
      assert.equal(await transport.recvInto(new DataView(memory.buffer)), 8);
      await deliver('too long for it');
      await deliver('next');
      await rejectsWith('EMSGSIZE', () => transport.recvInto(memory));
      assert.equal(await transport.recvInto(memory), 4);
      assert.equal(text(memory.subarray(0, 4)), 'next');
    });

    test('recvMany waits for one datagram, and resolves to those that arrived, in order, up to its limit', async (scenario) => {
      const { transport, deliver } = await open(scenario);
      const sent = Array.from({ length: 30 }, (_, i) => String(i));
      const receiving = transport.recvMany(4);
      assert.equal(await hasSettled(receiving), false);
      for (const data of sent) await deliver(data);
      const received = (await receiving).map(text);
      while (received.length < sent.length) {
        const more = await transport.recvMany(4);
        assert.ok(more.length >= 1 && more.length <= 4, String(more.length));
        received.push(...more.map(text));
      }
      assert.deepEqual(received, sent);
    });

    test('sendMany sends all, in order, of whatever sizes', async (scenario) => {
      const { transport, peer } = await open(scenario);
      const packets = Array.from({ length: 40 }, (_, i) =>
        numbered(i < 20 ? 400 : 4 * ((i * 7) % 50), i),
      );
      await transport.sendMany([]);
      // The receiver's queue need not have room for all at once.
      await scenario.backend.gather(
        () => transport.sendMany(packets),
        async () => {
          for (const packet of packets)
            assert.deepEqual(Buffer.from((await peer.take()).data), Buffer.from(packet));
        },
      );
    });

    test('sendMany that fails reports packetsSent', async (scenario) => {
      if (kind.mostBytes === null) return;
      const { transport, peer } = await open(scenario);
      const packets = [bytes('a'), bytes('b'), new Uint8Array(kind.mostBytes + 1), bytes('c')];
      const { packetsSent } = await rejectsWith<Error & { packetsSent?: number }>('EMSGSIZE', () =>
        transport.sendMany(packets),
      );
      assert.equal(packetsSent, 2);
      await transport.send(bytes('after'));
      const received = [await peer.take(), await peer.take(), await peer.take()];
      assert.deepEqual(
        received.map(({ data }) => text(data)),
        ['a', 'b', 'after'],
      );
    });

    test('the longest datagram passes, and a longer one is EMSGSIZE', async (scenario) => {
      const { transport, peer, deliver } = await open(scenario);
      const most = kind.mostBytes ?? 100_000;
      const longest = numbered(most);
      await transport.send(longest);
      assert.ok(Buffer.from((await peer.take()).data).equals(longest));
      await deliver(longest);
      assert.ok(Buffer.from(await transport.recv()).equals(longest));
      await deliver(longest);
      const [only] = await transport.recvMany(2);
      assert.ok(only !== undefined && Buffer.from(only).equals(longest));
      if (kind.mostBytes !== null)
        await rejectsWith('EMSGSIZE', () => transport.send(new Uint8Array(most + 1)));
    });

    test('a second receiver is refused, and the first is not disturbed', async (scenario) => {
      const { transport, deliver } = await open(scenario);
      const receiving = transport.recv();
      assert.equal(await hasSettled(receiving), false);
      await rejectsWith(BUSY, () => transport.recv());
      await rejectsWith(BUSY, () => transport.recvInto(new Uint8Array(8)));
      await rejectsWith(BUSY, () => transport.recvMany(2));
      await deliver('for the first');
      assert.equal(text(await receiving), 'for the first');
    });

    test('in a cancelled scope nothing is received and nothing is sent', async (scenario) => {
      const { transport, peer, deliver } = await open(scenario);
      await deliver('untouched');
      await turns();
      await scenario.inCancelledScope(async () => {
        await rejectsWith(CANCELLED, () => transport.recv());
        await rejectsWith(CANCELLED, () => transport.recvInto(new Uint8Array(8)));
        await rejectsWith(CANCELLED, () => transport.recvMany(2));
        await rejectsWith(CANCELLED, () => transport.send(bytes('never')));
        await rejectsWith(CANCELLED, () => transport.sendMany([bytes('never')]));
      });
      assert.equal(text(await transport.recv()), 'untouched');
      await transport.send(bytes('only this'));
      assert.equal(text((await peer.take()).data), 'only this');
    });

    test('a cancelled receive loses no datagram: 300 rounds under traffic', async (scenario) => {
      const { backend } = scenario;
      const { transport, deliver } = await open(scenario);
      const count = 600;
      const received: number[] = [];
      let cancelled = 0;
      await backend.gather(
        async () => {
          for (let i = 0; i < count; i++) {
            await deliver(String(i));
            // No more than the kernel's queue holds, and some are awaited.
            while (i - received.length > 5 || i % 3 === 0) {
              await turns(1);
              if (i - received.length <= 1) break;
            }
          }
        },
        async () => {
          for (let round = 0; received.length < count; round++) {
            const scope = backend.openCancelScope();
            if (round < 300) setTimeout(() => scope.cancel(), 0);
            await scope.run(async () => {
              while (received.length < count) {
                const batch =
                  round % 2 === 0 ? [await transport.recv()] : await transport.recvMany(3);
                received.push(...batch.map((data) => Number(text(data))));
              }
            });
            if (scope.cancelledCaught()) cancelled++;
          }
        },
      );
      assert.ok(cancelled > 0, 'nothing was cancelled');
      assert.deepEqual(
        received,
        Array.from({ length: count }, (_, i) => i),
      );
    });

    test('rejects invalid buffers and sizes', async (scenario) => {
      const { transport, peer } = await open(scenario);
      const detached = new Uint8Array(8);
      structuredClone(detached.buffer, { transfer: [detached.buffer] });
      for (const data of [
        null,
        undefined,
        'text',
        5,
        new ArrayBuffer(8),
        detached,
      ] as unknown as Uint8Array[]) {
        await rejectsWith(BAD_TYPE, () => transport.send(data));
        await rejectsWith(BAD_TYPE, () => transport.sendMany([bytes('never'), data]));
        await rejectsWith(BAD_TYPE, () => transport.recvInto(data));
      }
      await rejectsWith(BAD_TYPE, () => transport.sendMany(bytes('x') as unknown as Uint8Array[]));
      for (const max of [0, -1, 1.5, NaN])
        await rejectsWith(BAD_RANGE, () => transport.recvMany(max));
      await transport.send(bytes('x'));
      assert.equal(text((await peer.take()).data), 'x');
    });

    test('a closed transport rejects everything, and closing it again does nothing', async (scenario) => {
      const { transport } = await open(scenario);
      const receiving = transport.recv();
      assert.equal(await hasSettled(receiving), false);
      const told = rejectsWith(CLOSED, () => receiving);
      assert.equal(transport.isClosing(), false);
      await transport.aclose();
      await told;
      assert.equal(transport.isClosing(), true);
      for (let i = 0; i < 2; i++) {
        await rejectsWith(CLOSED, () => transport.recv());
        await rejectsWith(CLOSED, () => transport.recvInto(new Uint8Array(8)));
        await rejectsWith(CLOSED, () => transport.recvMany(2));
        await rejectsWith(CLOSED, () => transport.send(bytes('x')));
        await rejectsWith(CLOSED, () => transport.sendMany([bytes('x')]));
        await transport.aclose();
        await acloseForcefully(transport);
        await transport[Symbol.asyncDispose]();
      }
    });

    test('in a cancelled scope aclose closes at once, and rejects with CancelledError', async (scenario) => {
      const { transport } = await open(scenario);
      await scenario.inCancelledScope(() => rejectsWith(CANCELLED, () => transport.aclose()));
      assert.equal(transport.isClosing(), true);
      await rejectsWith(CLOSED, () => transport.recv());
    });

    test('receives only from its peer', async (scenario) => {
      if (kind.family !== 'inet') return;
      const { transport, deliver } = await open(scenario);
      const stranger = await kind.peer(scenario);
      await stranger.send(bytes('from a stranger'), localAddress(transport));
      await deliver('from the peer');
      assert.equal(text(await transport.recv()), 'from the peer');
    });

    test('a send to a peer that closed is ECONNREFUSED, and the transport can be used afterwards', async (scenario) => {
      const { transport, peer } = await open(scenario);
      await peer.close();
      await rejectsWith('ECONNREFUSED', async () => {
        for (let i = 0; i < 200; i++) {
          await transport.send(bytes('is anybody there'));
          await turns(2);
        }
      });
      assert.equal(transport.isClosing(), false);
      if (kind.family !== 'inet') return;
      // Only once for each datagram that was refused.
      const receiving = transport.recv();
      await hasSettled(receiving);
      await transport.aclose();
      await rejectsWith([CLOSED, 'ECONNREFUSED'], () => receiving);
    });

    test('a refused datagram rejects one waiting receive', async (scenario) => {
      if (kind.family !== 'inet') return;
      const { transport, peer } = await open(scenario);
      await peer.close();
      const told = rejectsWith('ECONNREFUSED', () => transport.recv());
      await transport.send(bytes('x'));
      await told;
      assert.equal(await hasSettled(transport.recv()), false);
    });

    test('sends that never stop do not starve timers', async (scenario) => {
      const { backend } = scenario;
      const { transport } = await open(scenario);
      let sends = 0;
      await backend.moveOnAfter(5).run(async () => {
        for (; sends < 300_000; sends++) await transport.send(bytes('x')).catch(rethrowCancelled);
      });
      assert.ok(sends < 300_000, 'the deadline was starved');
    });

    test('knows its addresses, its family and its backend', async (scenario) => {
      const { transport, peer } = await open(scenario);
      assert.equal(
        transport.extra(SocketAttribute.family),
        scenario.constant(kind.family === 'inet' ? 'AF_INET' : 'AF_UNIX'),
      );
      assert.deepEqual(transport.extra(SocketAttribute.remoteAddress), peer.address);
      assert.equal(transport.backend(), scenario.backend);
      await transport.send(bytes('x'));
      assert.deepEqual((await peer.take()).from, localAddress(transport));
      await transport.aclose();
      throwsWith(NO_ATTRIBUTE, () => transport.extra(SocketAttribute.localAddress));
      assert.equal(
        transport.extra(SocketAttribute.family, -1),
        transport.extra(SocketAttribute.family, -1),
      );
    });

    test('rejects ancillary data where the socket or the backend has none', async (scenario) => {
      if (!lacks(subject, 'ancillary data')) return;
      const { transport } = await open(scenario);
      await rejectsWith(UNSUPPORTED, () => transport.recvWithAncillary(64));
      await rejectsWith(UNSUPPORTED, () => transport.sendWithAncillary(bytes('x'), {}));
    });

    test('a full queue of the receiver makes sends wait, and no datagram is lost', async (scenario) => {
      if (kind.family !== 'unix') return;
      const { backend } = scenario;
      const { transport, peer } = await open(scenario);
      let sent = 0;
      const filling = backend.openCancelScope();
      const filled = filling.run(async () => {
        for (; sent < 100_000; sent++) await transport.send(bytes(String(sent)));
      });
      let before = -1;
      while (before !== sent) {
        before = sent;
        await turns(20);
      }
      assert.ok(sent < 100_000);
      filling.cancel();
      await endsQuietly(filled);
      const last = transport.send(bytes('last'));
      for (let i = 0; i < sent; i++) assert.equal(text((await peer.take()).data), String(i));
      await last;
      assert.equal(text((await peer.take()).data), 'last');
    });
  });
}

/** Ignores other errors: a full receiver may refuse a datagram. */
function rethrowCancelled(error: Error & { code?: unknown }): void {
  if (error.code === CANCELLED) throw error;
}

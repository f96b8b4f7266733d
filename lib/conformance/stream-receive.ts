import assert from 'node:assert/strict';
import {
  BAD_RANGE,
  BAD_TYPE,
  BUSY,
  bytes,
  CANCELLED,
  CLOSED,
  endsQuietly,
  hasSettled,
  numbered,
  rejectsWith,
  text,
  until,
} from './expectations';
import type { DefineTest } from './scenario';
import type { StreamKind } from './stream-kinds';

/**
 * The most that may be buffered of a stream without a reader, by the kernel and the transport.
 */
const MOST_READ_AHEAD_MB = 24;

export function defineStreamReceiving(test: DefineTest, kind: StreamKind): void {
  test('recv gives at most as many bytes as were asked for, and the rest stays', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('abcdefgh');
    assert.equal(text(await transport.recv(3)), 'abc');
    assert.equal(text(await transport.recv(1)), 'd');
    assert.equal(text(await transport.recv(100)), 'efgh');
  });

  test('recv returns new memory each time', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('aaaabbbb');
    const first = await transport.recv(4);
    const second = await transport.recv(4);
    first.fill(0);
    assert.equal(text(second), 'bbbb');
    await peer.write('cccc');
    second.fill(0);
    assert.equal(text(await transport.recv(4)), 'cccc');
  });

  test('recvInto fills at most the buffer, and resolves to the count', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('abcdefgh');
    const memory = new Uint8Array(16).fill(0x2e);
    assert.equal(await transport.recvInto(memory.subarray(2, 5)), 3);
    assert.equal(text(memory), '..abc...........');
    assert.equal(await transport.recvInto(memory), 5);
    assert.equal(text(memory), 'defgh...........');
  });

  test('recvInto takes any view: DataView, Buffer, wider elements, shared memory', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const views = [
      new DataView(new ArrayBuffer(8), 2, 4),
      Buffer.alloc(4),
      new Uint32Array(1),
      new Float64Array(new ArrayBuffer(12), 0, 1),
      new Uint8Array(new SharedArrayBuffer(4)),
    ];
    for (const view of views) {
      await peer.write('wxyz');
      assert.equal(await transport.recvInto(view), 4);
      assert.equal(text(new Uint8Array(view.buffer, view.byteOffset, 4)), 'wxyz');
    }
  });

  test('recvIntoMany fills the views in order, and skips empty ones', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('abcdefgh');
    const views = [
      new Uint8Array(3),
      new Uint8Array(0),
      new DataView(new ArrayBuffer(2)),
      new Uint8Array(10),
    ];
    assert.equal(await transport.recvIntoMany(views), 8);
    assert.deepEqual(
      views.map((view) => text(new Uint8Array(view.buffer)).replaceAll('\0', '')),
      ['abc', '', 'de', 'fgh'],
    );
  });

  test('a receive of no bytes does not wait: before data, after it and at the end', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const receiveNothing = async (): Promise<void> => {
      assert.equal((await transport.recv(0)).length, 0);
      assert.equal(await transport.recvInto(new Uint8Array(0)), 0);
      assert.equal(await transport.recvIntoMany([]), 0);
      assert.equal(await transport.recvIntoMany([new Uint8Array(0)]), 0);
    };
    await receiveNothing();
    await peer.write('ab');
    await transport.recv(100);
    await receiveNothing();
    await peer.write('cd');
    await receiveNothing();
    assert.equal(text(await transport.recv(100)), 'cd');
    peer.end();
    assert.equal((await transport.recv(100)).length, 0);
    await receiveNothing();
  });

  test('rejects invalid sizes and buffers', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    for (const size of [-1, 1.5, NaN, Infinity, 2 ** 31])
      await rejectsWith(BAD_RANGE, () => transport.recv(size));
    await rejectsWith(BAD_TYPE, () => transport.recv('8' as unknown as number));
    for (const buffer of [
      null,
      undefined,
      'text',
      [1],
      new ArrayBuffer(8),
      detached,
    ] as unknown as Uint8Array[]) {
      await rejectsWith(BAD_TYPE, () => transport.recvInto(buffer));
      await rejectsWith(BAD_TYPE, () => transport.recvIntoMany([buffer]));
    }
    await rejectsWith(BAD_TYPE, () =>
      transport.recvIntoMany(new Uint8Array(8) as unknown as Uint8Array[]),
    );
    await peer.write('still there');
    assert.equal(text(await transport.recv(100)), 'still there');
  });

  test('a receive rejects if its buffer is detached while it waits, and no data is lost', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const buffer = new Uint8Array(8);
    const receiving = transport.recvInto(buffer);
    assert.equal(await hasSettled(receiving), false);
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
    await peer.write('abc');
    await assert.rejects(receiving, TypeError);
    assert.equal(text(await transport.recv(8)), 'abc');
  });

  test('every receive at the end of the stream is empty, and the transport stays open', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('last words');
    peer.end();
    assert.equal(text(await transport.recv(100)), 'last words');
    for (let i = 0; i < 3; i++) {
      assert.equal((await transport.recv(100)).length, 0);
      assert.equal(await transport.recvInto(new Uint8Array(8)), 0);
      assert.equal(await transport.recvIntoMany([new Uint8Array(0), new Uint8Array(8)]), 0);
    }
    assert.equal(transport.isClosing(), false);
    await transport.sendAll(bytes('and still'));
    assert.equal(String(await peer.take(9)), 'and still');
  });

  test('a second receiver is refused, and the first is not disturbed', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const receiving = transport.recv(100);
    assert.equal(await hasSettled(receiving), false);
    await rejectsWith(BUSY, () => transport.recv(100));
    await rejectsWith(BUSY, () => transport.recvInto(new Uint8Array(8)));
    await rejectsWith(BUSY, () => transport.recvIntoMany([new Uint8Array(8)]));
    await peer.write('for the first');
    assert.equal(text(await receiving), 'for the first');
    await peer.write('for the next');
    assert.equal(text(await transport.recv(100)), 'for the next');
  });

  test('in a cancelled scope a receive rejects, and consumes nothing', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('untouched');
    await scenario.inCancelledScope(async () => {
      await rejectsWith(CANCELLED, () => transport.recv(100));
      await rejectsWith(CANCELLED, () => transport.recv(0));
      await rejectsWith(CANCELLED, () => transport.recvInto(new Uint8Array(8)));
      await rejectsWith(CANCELLED, () => transport.recvIntoMany([new Uint8Array(8)]));
    });
    assert.equal(text(await transport.recv(100)), 'untouched');
  });

  test('a cancelled receive loses no byte: 500 rounds under traffic', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const length = 400_000;
    const sent = numbered(length);
    const received = Buffer.alloc(length);
    let offset = 0;
    let cancelled = 0;
    await backend.gather(
      async () => {
        for (let at = 0; at < length; at += 800) await peer.write(sent.subarray(at, at + 800));
      },
      async () => {
        for (let round = 0; offset < length; round++) {
          const scope = backend.openCancelScope();
          // Some cancellations come before any data, some in the middle of it.
          if (round < 500) setTimeout(() => scope.cancel(), 0);
          await scope.run(async () => {
            for (;;) {
              const target = received.subarray(offset, offset + 1 + (round % 1000));
              offset +=
                round % 2 === 0
                  ? await transport.recvInto(target)
                  : await transport.recvIntoMany([target]);
              if (offset >= length) return;
            }
          });
          if (scope.cancelledCaught()) cancelled++;
        }
      },
    );
    assert.ok(cancelled > 0, 'nothing was cancelled');
    assert.ok(received.equals(sent), 'bytes were lost, or came twice');
  });

  test('a receive that begins right after a cancelled one gets the data', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const scope = backend.openCancelScope();
    const first = scope.run(() => transport.recv(100));
    assert.equal(await hasSettled(first), false);
    scope.cancel();
    const second = transport.recv(100);
    await peer.write('for the second');
    await endsQuietly(first);
    assert.equal(text(await second), 'for the second');
  });

  test('a receive that waits rejects when the transport is closed', async (scenario) => {
    for (const receive of ['recv', 'recvInto', 'recvIntoMany'] as const) {
      const { transport } = await kind.open(scenario);
      const receiving = {
        recv: () => transport.recv(8),
        recvInto: () => transport.recvInto(new Uint8Array(8)),
        recvIntoMany: () => transport.recvIntoMany([new Uint8Array(8)]),
      }[receive]();
      assert.equal(await hasSettled(receiving), false);
      const told = rejectsWith(CLOSED, () => receiving);
      await transport.aclose();
      await told;
    }
  });

  test('receives and sends at the same time', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const sent = numbered(1_000_000);
    const there = numbered(1_000_000, 7);
    const received: Uint8Array[] = [];
    const [, , arrived] = await backend.gather(
      () => transport.sendAll(sent),
      () => peer.write(there),
      () => peer.take(sent.length),
      async () => {
        for (let count = 0; count < there.length;) {
          const part = await transport.recv(100_000);
          received.push(part);
          count += part.length;
        }
      },
    );
    assert.ok(arrived.equals(sent));
    assert.ok(Buffer.concat(received).equals(there));
  });

  test('a peer that floods has to wait while nothing is received', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await peer.write('x');
    assert.equal(text(await transport.recv(1)), 'x');
    let written = 0;
    const writing = (async () => {
      for (; written < 64; written++) await peer.write(Buffer.alloc(1_000_000));
    })();
    let before = -1;
    let same = 0;
    await until(() => {
      same = written === before ? same + 1 : 0;
      before = written;
      return same > 50;
    }, 'the peer stops writing');
    assert.ok(written < MOST_READ_AHEAD_MB, `${String(written)} MB were read ahead`);
    await transport.aclose();
    await assert.rejects(writing);
  });

  test('a peer that floods does not starve timers', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    // The connection ends before all of it is written.
    const writing = peer.write(Buffer.alloc(50_000_000)).catch(() => undefined);
    const buffer = new Uint8Array(16);
    let receives = 0;
    await backend.moveOnAfter(5).run(async () => {
      for (; receives < 2_000_000; receives++) await transport.recvInto(buffer);
    });
    assert.ok(receives < 2_000_000, 'the deadline was starved');
    await transport.aclose();
    await writing;
  });
}

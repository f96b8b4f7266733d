import assert from 'node:assert/strict';
import {
  BAD_STATE,
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
  turns,
  UNSUPPORTED,
} from './expectations';
import { type DefineTest, lacks } from './scenario';
import type { StreamKind } from './stream-kinds';

/** More than the kernel buffers for a peer that does not read. */
const TOO_MUCH = 16_000_000;

export function defineStreamSending(test: DefineTest, kind: StreamKind): void {
  test('sendAll sends everything, in order, and completes as the peer reads', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const sent = numbered(TOO_MUCH);
    const sending = transport.sendAll(sent);
    assert.equal(await hasSettled(sending, 20), false);
    const received = await peer.take(sent.length);
    await sending;
    assert.ok(received.equals(sent));
  });

  test('sendAll takes any view, and the right part of its memory', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const memory = bytes('0123456789abcdef');
    await transport.sendAll(new DataView(memory.buffer, 2, 3));
    await transport.sendAll(Buffer.from('-'));
    await transport.sendAll(new Uint16Array(memory.buffer, 4, 2));
    await transport.sendAll(new Float64Array(memory.buffer, 8, 1));
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    shared.set(bytes('wxyz'));
    await transport.sendAll(shared.subarray(1));
    assert.equal(String(await peer.take(19)), '234-456789abcdefxyz');
  });

  test('a send of no bytes resolves at once', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await transport.sendAll(new Uint8Array(0));
    await transport.sendAllFromIterable([]);
    await transport.sendAllFromIterable([new Uint8Array(0), new Uint8Array(0)]);
    await transport.sendAll(bytes('x'));
    assert.equal(String(await peer.take(1)), 'x');
  });

  test('sendAllFromIterable sends the bytes of all pieces, however many and of whatever type', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    function* pieces(): Generator<ArrayBufferView> {
      for (let i = 0; i < 3000; i++) {
        yield numbered(4, i);
        if (i % 100 === 0) yield new Uint8Array(0);
      }
      yield new Uint16Array(bytes('wide').buffer);
      yield new DataView(bytes('view').buffer, 1, 2);
    }
    await transport.sendAllFromIterable(pieces());
    const received = await peer.take(12_006);
    assert.ok(received.subarray(0, 12_000).equals(numbered(12_000)));
    assert.equal(String(received.subarray(12_000)), 'wideie');
  });

  test('sendAllFromIterable goes on inside a piece where the kernel stopped', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const sizes = Array.from({ length: 200 }, (_, i) => 4 * (1 + ((i * 7919) % 30_000)));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    let first = 0;
    const pieces = sizes.map((size) => {
      const piece = numbered(size, first);
      first += size / 4;
      return piece;
    });
    const [received] = await backend.gather(
      () => peer.take(total),
      () => transport.sendAllFromIterable(pieces),
    );
    assert.ok(received.equals(numbered(total)));
  });

  test('the iterable is read to its end before the call returns', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const list = [bytes('a'), bytes('b')];
    const sending = transport.sendAllFromIterable(list);
    list.length = 0;
    await sending;
    assert.equal(String(await peer.take(2)), 'ab');
    const failing = new Error('out of pieces');
    await assert.rejects(
      transport.sendAllFromIterable(
        (function* () {
          yield bytes('c');
          throw failing;
        })(),
      ),
      failing,
    );
    await transport.sendAll(bytes('d'));
    assert.equal(String(await peer.take(1)), 'd');
  });

  test('rejects what is not a buffer', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
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
      await rejectsWith(BAD_TYPE, () => transport.sendAll(data));
      await rejectsWith(BAD_TYPE, () => transport.sendAllFromIterable([bytes('never sent'), data]));
    }
    await rejectsWith(BAD_TYPE, () => transport.sendAllFromIterable(5 as unknown as Uint8Array[]));
    await transport.sendAll(bytes('x'));
    assert.equal(String(await peer.take(1)), 'x');
  });

  test('a second sender is refused, and the first is not disturbed', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    const sent = numbered(TOO_MUCH);
    const sending = transport.sendAll(sent);
    assert.equal(await hasSettled(sending), false);
    await rejectsWith(BUSY, () => transport.sendAll(bytes('second')));
    await rejectsWith(BUSY, () => transport.sendAllFromIterable([bytes('second')]));
    await rejectsWith(BUSY, () => transport.sendEof());
    assert.ok((await peer.take(sent.length)).equals(sent));
    await sending;
    await transport.sendAll(bytes('next'));
    assert.equal(String(await peer.take(4)), 'next');
  });

  test('in a cancelled scope a send rejects, and sends nothing', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await scenario.inCancelledScope(async () => {
      await rejectsWith(CANCELLED, () => transport.sendAll(bytes('never')));
      await rejectsWith(CANCELLED, () => transport.sendAllFromIterable([bytes('never')]));
      await rejectsWith(CANCELLED, () => transport.sendEof());
    });
    await transport.sendAll(bytes('only this'));
    assert.equal(String(await peer.take(9)), 'only this');
  });

  test('a send that is cancelled half-way reports bytesSent, and breaks the stream', async (scenario) => {
    for (const send of ['sendAll', 'sendAllFromIterable'] as const) {
      const { backend } = scenario;
      const { transport, peer } = await kind.open(scenario);
      const sent = numbered(TOO_MUCH);
      const scope = backend.openCancelScope();
      let sending: Promise<void> = Promise.resolve();
      const running = scope.run(() => {
        sending =
          send === 'sendAll'
            ? transport.sendAll(sent)
            : transport.sendAllFromIterable([sent.subarray(0, 1000), sent.subarray(1000)]);
        return sending;
      });
      assert.equal(await hasSettled(running), false);
      scope.cancel();
      const { bytesSent } = await rejectsWith<Error & { bytesSent?: number }>(
        CANCELLED,
        () => sending,
      );
      await endsQuietly(running);
      assert.ok(scope.cancelledCaught());
      assert.ok(
        bytesSent !== undefined && bytesSent > 0 && bytesSent < sent.length,
        String(bytesSent),
      );

      await rejectsWith(BAD_STATE, () => transport.sendAll(bytes('more')));
      await rejectsWith(BAD_STATE, () => transport.sendAllFromIterable([bytes('more')]));
      await rejectsWith(BAD_STATE, () => transport.sendEof());
      assert.equal(transport.isClosing(), false);
      await transport.aclose();
      const received = await peer.takeAll();
      assert.equal(received.length, bytesSent);
      assert.ok(received.equals(sent.subarray(0, bytesSent)));
    }
  });

  test('a send that is cancelled before the kernel took a byte reports 0 bytes', async (scenario) => {
    const { backend, subject } = scenario;
    // Single bytes fill the buffer of a Unix socket soon, and none is ever sent in part.
    if (kind.family !== 'unix') return;
    const { transport, peer } = await kind.open(scenario);
    let sent = 0;
    let sending: Promise<void> = Promise.resolve();
    let scope = backend.openCancelScope();
    for (let isTaken = true; isTaken && sent < 100_000;) {
      scope = backend.openCancelScope();
      void scope.run(() => (sending = transport.sendAll(numbered(4, sent).subarray(3))));
      isTaken = await hasSettled(sending, 3);
      if (isTaken) sent++;
    }
    scope.cancel();
    const { bytesSent = 0 } = await rejectsWith<Error & { bytesSent?: number }>(
      CANCELLED,
      () => sending,
    );
    assert.equal(bytesSent, 0);
    if (lacks(subject, 'taking back a send')) {
      await rejectsWith(BAD_STATE, () => transport.sendAll(bytes('x')));
      assert.equal((await peer.takeAll()).length, sent);
      return;
    }
    const first = await peer.take(sent);
    assert.ok(first.every((byte, i) => byte === (i & 0xff)));
    await transport.sendAll(bytes('goes on'));
    assert.equal(String(await peer.take(7)), 'goes on');
  });

  test('a cancelled send does not delay or fail a receive in the same scope', async (scenario) => {
    const { backend } = scenario;
    const { transport } = await kind.open(scenario);
    const scope = backend.openCancelScope();
    const running = scope.run(() =>
      backend.gather(
        () => transport.sendAll(new Uint8Array(TOO_MUCH)),
        () => transport.recv(1),
      ),
    );
    assert.equal(await hasSettled(running), false);
    scope.cancel();
    await endsQuietly(running);
    assert.ok(scope.cancelledCaught());
  });

  test('sendEof ends the stream for the peer, which can go on sending', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await transport.sendAll(bytes('all of it'));
    await transport.sendEof();
    await transport.sendEof();
    assert.equal(String(await peer.takeAll()), 'all of it');
    await peer.write('an answer');
    assert.equal(text(await transport.recv(100)), 'an answer');
    peer.end();
    assert.equal((await transport.recv(100)).length, 0);
    assert.equal(transport.isClosing(), false);
    await transport.sendEof();
  });

  test('sending after sendEof is an error', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    await transport.sendEof();
    await rejectsWith('EPIPE', () => transport.sendAll(bytes('x')));
    await rejectsWith('EPIPE', () => transport.sendAllFromIterable([bytes('x')]));
    assert.equal((await peer.takeAll()).length, 0);
  });

  test('sendEof does nothing after the peer closed, and after aclose', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    peer.socket.destroy();
    assert.equal((await transport.recv(100)).length, 0);
    await transport.sendEof();
    await transport.aclose();
    await transport.sendEof();
  });

  test('sends to a peer that closed fail after a while, and from then on every time', async (scenario) => {
    const { transport, peer } = await kind.open(scenario);
    peer.socket.destroy();
    assert.equal((await transport.recv(100)).length, 0);
    await assert.rejects(async () => {
      for (let i = 0; i < 1000; i++) {
        await transport.sendAll(bytes('is anybody there'));
        await turns(2);
      }
    });
    for (let i = 0; i < 3; i++) {
      const { syscall } = await rejectsWith<Error & { syscall?: string }>(
        ['EPIPE', 'ECONNRESET'],
        () => transport.sendAll(bytes('x')),
      );
      assert.equal(typeof syscall, 'string');
    }
    assert.equal(transport.isClosing(), false);
  });

  test('a sender that never stops does not starve timers', async (scenario) => {
    const { backend } = scenario;
    const { transport, peer } = await kind.open(scenario);
    const reading = peer.takeAll();
    let sends = 0;
    await backend.moveOnAfter(5).run(async () => {
      for (; sends < 1_000_000; sends++) await transport.sendAll(new Uint8Array(1));
    });
    assert.ok(sends < 1_000_000, 'the deadline was starved');
    await transport.aclose();
    assert.equal((await reading).length, sends);
  });

  test('rejects ancillary data where the socket or the backend has none', async (scenario) => {
    const { transport } = await kind.open(scenario);
    if (kind.family === 'unix' && !lacks(scenario.subject, 'ancillary data')) return;
    await rejectsWith(UNSUPPORTED, () => transport.recvWithAncillary(8, 64));
    await rejectsWith(UNSUPPORTED, () => transport.recvWithAncillaryInto(new Uint8Array(8), 64));
    await rejectsWith(UNSUPPORTED, () => transport.sendAllWithAncillary([bytes('x')], {}));
    await transport.aclose();
    await rejectsWith([UNSUPPORTED, CLOSED], () => transport.recvWithAncillary(8, 64));
  });
}

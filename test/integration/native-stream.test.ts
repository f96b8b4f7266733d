import { describe, expect, it } from 'vitest';
import { nativeBinding } from '#lib/binding';
import {
  acloseForcefully,
  BusyResourceError,
  CancelledError,
  ClosedResourceError,
  InvalidStateError,
  SocketAttribute,
} from '#lib/index';
import {
  backend,
  expectCleanEnd,
  fillUp,
  isPending,
  readAll,
  readExactly,
  rejection,
  STREAM_KINDS,
  turns,
  withPython,
} from './native-kit';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (data: Uint8Array): string => Buffer.from(data).toString();

/** A pattern in which every byte differs from its neighbours. */
const pattern = (size: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8) * 7) & 0xff));

describe(`stream transports, with ${nativeBinding().reactorKind()}`, () => {
  expectCleanEnd();

  describe.each(STREAM_KINDS)('a %s stream', (kind) => {
    it('can wait without a buffer: its socket is readable at data, and at the end', async () => {
      const { transport, peer } = await withPython(
        kind,
        `for _ in range(3): hear(); peer.sendall(b'some')\nhear(); peer.close()`,
      );
      const socket = transport.extra(SocketAttribute.socket);
      for (let round = 0; round < 3; round++) {
        const readable = socket.readable();
        expect(await isPending(readable)).toBe(true);
        expect(await rejection(transport.recv(1))).toBeInstanceOf(BusyResourceError);
        peer.tell(1);
        await readable;
        const buffer = Buffer.alloc(100);
        expect(await transport.recvInto(buffer)).toBe(4);
        expect(buffer.toString('latin1', 0, 5)).toBe('some\0');
      }
      peer.tell(1);
      await socket.readable();
      expect(await transport.recvInto(Buffer.alloc(1))).toBe(0);
      await peer.end();
    });

    it('carries bytes in both directions, with every receive method', async () => {
      const { transport, peer } = await withPython(
        kind,
        `
while True:
    data = peer.recv(65536)
    if not data: break
    peer.sendall(data)
peer.close()`,
      );
      await transport.sendAll(bytes('one'));
      expect(text(await transport.recv(100))).toBe('one');
      await transport.sendAll(new DataView(Uint8Array.from([0, 65, 66, 0]).buffer, 1, 2));
      const view = new Uint8Array(4);
      expect(await transport.recvInto(new DataView(view.buffer, 1, 3))).toBe(2);
      expect([...view]).toEqual([0, 65, 66, 0]);
      await transport.sendAllFromIterable([
        bytes('sc'),
        bytes(''),
        new Uint16Array([0x7461]),
        bytes('ter'),
      ]);
      const parts = [Buffer.alloc(2), Buffer.alloc(0), Buffer.alloc(10)];
      let got = 0;
      while (got < 7) {
        const into = [
          parts[0]!.subarray(Math.min(got, 2)),
          parts[1]!,
          parts[2]!.subarray(Math.max(got - 2, 0)),
        ];
        got += await transport.recvIntoMany(into);
      }
      expect(text(Buffer.concat([parts[0]!, parts[2]!.subarray(0, 5)]))).toBe('scatter');
      await transport.sendAllFromIterable(new Set([bytes('it'), bytes('er')]));
      expect(text(await readExactly(transport, 4))).toBe('iter');
      await transport.sendEof();
      expect(await transport.recv(10)).toHaveLength(0);
      await peer.end();
    });

    it('returns at most as many bytes as were asked for, and keeps the rest', async () => {
      const { transport, peer } = await withPython(kind, `peer.sendall(b'abcdefgh'); hear()`);
      expect(text(await transport.recv(3))).toBe('abc');
      expect(await transport.recv(0)).toHaveLength(0);
      expect(await transport.recvInto(new Uint8Array(0))).toBe(0);
      expect(await transport.recvIntoMany([])).toBe(0);
      expect(text(await transport.recv(0x7fffffff))).toBe('defgh');
      peer.tell(1);
      await peer.end();
    });

    it('sends 8 MB only as fast as the peer reads, and every byte of it', async () => {
      const { transport, peer } = await withPython(
        kind,
        `
import hashlib
hear()
digest, total = hashlib.sha256(), 0
while True:
    data = peer.recv(1 << 20)
    if not data: break
    digest.update(data); total += len(data)
say([total, digest.hexdigest()])`,
      );
      const { createHash } = await import('node:crypto');
      const data = pattern(8_000_000);
      const sending = transport.sendAllFromIterable([
        data.subarray(0, 1),
        data.subarray(1, 3_000_003),
        data.subarray(3_000_003),
      ]);
      expect(await isPending(sending)).toBe(true);
      peer.tell('read');
      await sending;
      await transport.sendEof();
      expect(await peer.hear()).toEqual([
        data.length,
        createHash('sha256').update(data).digest('hex'),
      ]);
      await peer.end();
    });

    it('sends more buffers than one system call takes', async () => {
      const { transport, peer } = await withPython(
        kind,
        `say(len(b''.join(iter(lambda: peer.recv(65536), b''))))`,
      );
      await transport.sendAllFromIterable(
        Array.from({ length: 5000 }, (_, i) => new Uint8Array((i % 3) + 1)),
      );
      await transport.aclose();
      expect(await peer.hear()).toBe(9999);
      await peer.end();
    });

    it('reports the end of the stream to every receive, and can still send', async () => {
      const { transport, peer } = await withPython(
        kind,
        `peer.sendall(b'x'); peer.shutdown(socket.SHUT_WR); say(peer.recv(100).decode())`,
      );
      expect(text(await readAll(transport))).toBe('x');
      expect(await transport.recvInto(new Uint8Array(5))).toBe(0);
      expect(await transport.recvIntoMany([new Uint8Array(5)])).toBe(0);
      expect(await transport.recv(5)).toHaveLength(0);
      expect(transport.isClosing()).toBe(false);
      await transport.sendAll(bytes('still here'));
      expect(await peer.hear()).toBe('still here');
      await peer.end();
    });

    it('ends its own side with sendEof, and goes on receiving', async () => {
      const { transport, peer } = await withPython(
        kind,
        `
all = b''.join(iter(lambda: peer.recv(100), b''))
say(all.decode()); hear(); peer.sendall(b'answer'); peer.close()`,
      );
      await transport.sendAll(bytes('question'));
      await transport.sendEof();
      await transport.sendEof();
      expect(await peer.hear()).toBe('question');
      expect(await rejection(transport.sendAll(bytes('more')))).toMatchObject({
        code: 'EPIPE',
        syscall: 'send',
      });
      peer.tell('go on');
      expect(text(await readAll(transport))).toBe('answer');
      await peer.end();
    });

    it('sendEof does not wait for room, and does nothing in a cancelled scope', async () => {
      const { transport, peer } = await withPython(
        kind,
        `hear(); peer.setblocking(True); say(len(b''.join(iter(lambda: peer.recv(1<<20), b''))) > 0)`,
      );
      const scope = backend.openCancelScope();
      scope.cancel();
      expect(await scope.run(() => transport.sendEof())).toBeUndefined();
      await transport.sendAll(bytes('not ended by that'));
      // The kernel's buffer is full, and no send is under way any more.
      const full = backend.openCancelScope();
      const filling = full.run(async () => {
        for (;;) await transport.sendAll(new Uint8Array(1));
      });
      await turns(300);
      full.cancel();
      await filling;
      await transport.sendEof();
      peer.tell('read');
      expect(await peer.hear()).toBe(true);
      await peer.end();
    });

    it('a cancelled receive consumes nothing, with every receive method', async () => {
      const { transport, peer } = await withPython(
        kind,
        `
while True:
    line = hear()
    if line is None: break
    peer.sendall(line.encode())`,
      );
      const receives: (() => Promise<unknown>)[] = [
        () => transport.recv(10),
        () => transport.recvInto(new Uint8Array(10)),
        () => transport.recvInto(new DataView(new ArrayBuffer(10))),
        () => transport.recvIntoMany([new Uint8Array(3), new Uint8Array(7)]),
        ...(kind === 'unix'
          ? [
              () => transport.recvWithAncillary(10, 64),
              () => transport.recvWithAncillaryInto(new Uint8Array(10), 64),
            ]
          : []),
      ];
      for (const [index, receive] of receives.entries()) {
        const scope = backend.openCancelScope();
        const waiting = scope.run(receive);
        expect(await isPending(waiting)).toBe(true);
        scope.cancel();
        expect(await waiting).toBeUndefined();
        peer.tell(`number ${index}`);
        expect(text(await readExactly(transport, 8))).toBe(`number ${index}`);
      }
      peer.tell(null);
      await peer.end();
    });

    it('a send cancelled half-way reports the bytes sent, and no send may follow', async () => {
      const { transport, peer } = await withPython(
        kind,
        `hear(); say(len(b''.join(iter(lambda: peer.recv(1<<20), b''))))`,
      );
      const scope = backend.openCancelScope();
      let told: number | undefined;
      const pending = scope.run(async () => {
        try {
          await transport.sendAll(new Uint8Array(64 * 1024 * 1024));
        } catch (error) {
          expect(error).toBeInstanceOf(CancelledError);
          told = (error as CancelledError).bytesSent;
          throw error;
        }
      });
      expect(await isPending(pending)).toBe(true);
      scope.cancel();
      expect(await pending).toBeUndefined();
      expect(scope.cancelledCaught()).toBe(true);
      expect(await rejection(transport.sendAll(bytes('more')))).toBeInstanceOf(InvalidStateError);
      expect(await rejection(transport.sendAllFromIterable([bytes('more')]))).toBeInstanceOf(
        InvalidStateError,
      );
      expect(await rejection(transport.sendEof())).toBeInstanceOf(InvalidStateError);
      await transport.aclose();
      peer.tell('read');
      expect(await peer.hear()).toBe(told);
      await peer.end();
    });

    it('refuses a second reader and a second writer, and does not disturb the first', async () => {
      const { transport, peer } = await withPython(
        kind,
        `hear(); peer.sendall(b'for the first'); print(len(peer.recv(1)), file=sys.stderr); hear()`,
      );
      const first = transport.recv(100);
      for (const second of [
        transport.recv(1),
        transport.recvInto(new Uint8Array(1)),
        transport.recvIntoMany([new Uint8Array(1)]),
      ]) {
        expect(await rejection(second)).toBeInstanceOf(BusyResourceError);
      }
      const { scope, pending } = await fillUp(transport);
      for (const second of [
        transport.sendAll(bytes('x')),
        transport.sendAllFromIterable([bytes('x')]),
        transport.sendEof(),
      ]) {
        expect(await rejection(second)).toMatchObject({ code: 'ERR_BUSY_RESOURCE' });
      }
      peer.tell(1);
      expect(text(await first)).toBe('for the first');
      scope.cancel();
      await pending;
    });

    it('a cancelled close ends the send under way at once', async () => {
      const { transport } = await withPython(kind, `hear()`);
      const sending = transport.sendAll(new Uint8Array(64 * 1024 * 1024));
      await turns(2);
      const scope = backend.openCancelScope();
      const closing = scope.run(() => transport.aclose());
      const other = transport.aclose();
      expect(await isPending(closing)).toBe(true);
      scope.cancel();
      expect(await closing).toBeUndefined();
      const error = await rejection(sending);
      expect(error).toBeInstanceOf(ClosedResourceError);
      expect((error as { bytesSent?: number }).bytesSent).toBeGreaterThan(0);
      await other;
    });

    it('acloseForcefully does not wait for a send, and works in a cancelled scope', async () => {
      const { transport } = await withPython(kind, `hear()`);
      const sending = transport.sendAll(new Uint8Array(64 * 1024 * 1024));
      await turns(2);
      const scope = backend.openCancelScope();
      scope.cancel();
      expect(await scope.run(() => acloseForcefully(transport).then(() => 'closed'))).toBe(
        'closed',
      );
      expect(await rejection(sending)).toBeInstanceOf(ClosedResourceError);
      await acloseForcefully(transport);
    });

    it('a send to a peer that has closed fails, and leaves the transport open', async () => {
      const { transport, peer } = await withPython(kind, `peer.close()`);
      await peer.end();
      let error: unknown;
      // TCP learns of the close from the reset that answers the first send.
      for (let i = 0; error === undefined && i < 1000; i++) {
        await transport.sendAll(bytes('x')).catch((failure: unknown) => (error = failure));
        await turns(1);
      }
      expect(error).toMatchObject({
        code: expect.stringMatching(/^(EPIPE|ECONNRESET)$/) as string,
        syscall: 'send',
      });
      expect(transport.isClosing()).toBe(false);
    });

    it('aclose with unread input gives the peer its answer and the end of the stream', async () => {
      const { transport, peer } = await withPython(
        kind,
        `
peer.sendall(b'q' * 100000); say('sent'); hear()
say([len(b''.join(iter(lambda: peer.recv(65536), b''))), peer.recv(1) == b'']); peer.close()`,
      );
      await peer.hear();
      await transport.recv(1);
      await transport.sendAll(bytes('answer'));
      const closing = transport.aclose();
      peer.tell('receive');
      expect(await peer.hear()).toEqual([6, true]);
      await closing;
      await peer.end();
    });

    it('aclose closes within the call if nothing is unread and everything has arrived', async () => {
      const { transport, peer } = await withPython(
        kind,
        `peer.recv(5); peer.sendall(b'y'); hear()`,
      );
      await transport.sendAll(bytes('hello'));
      await transport.recv(1);
      const before = nativeBinding().ownedCount();
      void transport.aclose();
      expect(nativeBinding().ownedCount()).toBe(before - 1);
      peer.tell(1);
      await peer.end();
    });

    it('aclose does not shut down a connection that it has sent nothing on: another process may have it', async () => {
      const { transport, peer } = await withPython(
        kind,
        `peer.sendall(b'request'); say(peer.recv(100).decode()); peer.close()`,
      );
      const socket = transport.extra(SocketAttribute.socket);
      await socket.readable();
      using copy = socket.dup();
      await transport.aclose();
      const request = Buffer.alloc(7);
      expect(copy.recv(request)).toBe(7);
      copy.send(bytes('answer'));
      expect(await peer.hear()).toBe('answer');
      await peer.end();
    });

    it('closing the Socket of a transport ends an aclose that waits', async () => {
      const { transport, peer } = await withPython(
        'tcp',
        `peer.sendall(b'unread'); say('sent'); hear()`,
      );
      await peer.hear();
      await transport.sendAll(bytes('answer'));
      const socket = transport.extra(SocketAttribute.socket);
      const closing = transport.aclose();
      expect(await isPending(closing)).toBe(true);
      socket.close();
      await closing;
      peer.tell(1);
      await peer.end();
    });

    it('aclose resets at once with SO_LINGER 0, which the user has set', async () => {
      const { transport, peer } = await withPython(
        'tcp',
        `
peer.sendall(b'unread'); say('sent'); hear()
try:
    while peer.recv(100): pass
    say('end')
except ConnectionResetError: say('reset')`,
      );
      await peer.hear();
      await transport.sendAll(bytes('answer'));
      transport.extra(SocketAttribute.options).linger = 0;
      await transport.aclose();
      peer.tell(1);
      expect(await peer.hear()).toBe('reset');
      await peer.end();
    });

    it('a buffer that is detached during a receive loses no bytes', async () => {
      const { transport, peer } = await withPython(
        kind,
        `hear(); peer.sendall(b'precious'); hear()`,
      );
      const buffer = new Uint8Array(8);
      const waiting =
        kind === 'tcp'
          ? transport.recvIntoMany([buffer])
          : transport.recvWithAncillaryInto(buffer, 32);
      await turns(2);
      structuredClone(buffer, { transfer: [buffer.buffer] });
      peer.tell(1);
      expect(await rejection(waiting)).toBeInstanceOf(TypeError);
      expect(text(await readExactly(transport, 8))).toBe('precious');
    });
  });
});

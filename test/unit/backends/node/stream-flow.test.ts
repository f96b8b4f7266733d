import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { NodeBackend } from '#lib/backends/node/backend';
import type { AsyncStreamTransport } from '#lib/contract/transports';
import { expectNoLeaks } from '../../../support/fds';
import { connectedPair } from './connected-pair';

expectNoLeaks();

/** A transport whose socket is flowing, since it has received one byte. */
async function flowing(): Promise<{
  backend: NodeBackend;
  transport: AsyncStreamTransport;
  socket: Socket;
  peer: Socket;
}> {
  const backend = new NodeBackend();
  const [socket, peer] = await connectedPair();
  const transport = await backend.wrapStreamSocket(socket);
  peer.write('x');
  await transport.recv(1);
  return { backend, transport, socket, peer };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** The results of `count` in successive turns of the event loop, until the result is `end`. */
function atEachTurn(count: () => number, end: number): Promise<number[]> {
  return new Promise((resolve) => {
    const seen: number[] = [];
    const look = (): void => {
      seen.push(count());
      if (count() < end) setImmediate(look);
      else resolve(seen);
    };
    setImmediate(look);
  });
}

function largestStep(seen: readonly number[]): number {
  return Math.max(...seen.map((value, i) => value - (seen[i - 1] ?? 0)));
}

describe('NodeStreamTransport.recv', () => {
  it('stops a flood of single bytes, too, whose memory is mostly overhead', async () => {
    const { transport, socket } = await flowing();
    let count = 0;
    // The events that net emits if each byte arrives in its own segment.
    while (!socket.isPaused() && count < 10_000) {
      socket.emit('data', Buffer.from([count & 255]));
      count++;
    }
    expect(count).toBeLessThan(1000);
    const received: number[] = [];
    while (received.length < count) received.push(...(await transport.recv(100)));
    expect(received).toEqual(Array.from({ length: count }, (_, i) => i & 255));
    expect(socket.isPaused()).toBe(false);
    await transport.aclose();
  });

  it('returns the bytes that came before a cancellation in the same turn', async () => {
    const { backend, transport, socket } = await flowing();
    const scope = backend.openCancelScope();
    let received = '';
    await scope.run(async () => {
      const receiving = transport.recv(10);
      socket.emit('data', Buffer.from('abc'));
      scope.cancel();
      received = text(await receiving);
    });
    expect(received).toBe('abc');
    await transport.aclose();
  });

  it('leaves the bytes that come right after its cancellation to the next receive', async () => {
    const { backend, transport, socket } = await flowing();
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      const receiving = transport.recv(10);
      scope.cancel();
      socket.emit('data', Buffer.from('abc'));
      await receiving;
    });
    expect(scope.cancelledCaught()).toBe(true);
    expect(text(await transport.recv(10))).toBe('abc');
    await transport.aclose();
  });

  it('can be cancelled while it is deferred: the bytes stay for the next receive', async () => {
    const { backend, transport, socket } = await flowing();
    socket.emit('data', Buffer.from('a'.repeat(1000)));
    let received = 0;
    const scope = backend.openCancelScope();
    setImmediate(() => {
      scope.cancel();
    });
    await scope.run(async () => {
      for (;;) received += (await transport.recv(1)).length;
    });
    expect(received).toBeLessThan(1000);
    while (received < 1000) received += (await transport.recv(1000)).length;
    expect(received).toBe(1000);
    await transport.aclose();
  });
});

describe('NodeStreamTransport.recvInto', () => {
  it('receives what its buffer has room for, and leaves the rest', async () => {
    const { transport, socket } = await flowing();
    const buffer = new Uint8Array(4);
    const receiving = transport.recvInto(buffer);
    socket.emit('data', Buffer.from('abcdef'));
    socket.emit('data', Buffer.from('gh'));
    expect(await receiving).toBe(4);
    expect(text(buffer) + text(await transport.recv(10))).toBe('abcdefgh');
    await transport.aclose();
  });

  it('writes nothing into its buffer once it was cancelled', async () => {
    const { backend, transport, socket } = await flowing();
    const buffer = new Uint8Array(4);
    const scope = backend.openCancelScope();
    await scope.run(async () => {
      const receiving = transport.recvInto(buffer);
      scope.cancel();
      socket.emit('data', Buffer.from('abc'));
      await receiving;
    });
    expect([...buffer]).toEqual([0, 0, 0, 0]);
    expect(await transport.recvInto(buffer)).toBe(3);
    expect(text(buffer.subarray(0, 3))).toBe('abc');
    await transport.aclose();
  });

  it('does not mistake an empty chunk for the end of the stream', async () => {
    const { transport, socket, peer } = await flowing();
    const receiving = transport.recvInto(new Uint8Array(4));
    socket.emit('data', Buffer.alloc(0));
    peer.write('abc');
    expect(await receiving).toBe(3);
    peer.end();
    expect(await transport.recvInto(new Uint8Array(4))).toBe(0);
    await transport.aclose();
  });

  it('does not starve timers and I/O when all data has arrived', async () => {
    const { transport, socket } = await flowing();
    socket.emit('data', Buffer.alloc(5000));
    let received = 0;
    const turns = atEachTurn(() => received, 5000);
    const one = new Uint8Array(1);
    while (received < 5000) received += await transport.recvInto(one);
    expect(largestStep(await turns)).toBeLessThan(512);
    await transport.aclose();
  });

  it('rejects if its buffer was detached while it waited, and receives nothing', async () => {
    const { transport, peer } = await flowing();
    const buffer = new Uint8Array(4);
    const receiving = transport.recvInto(buffer);
    structuredClone(buffer, { transfer: [buffer.buffer] });
    peer.write('abc');
    await expect(receiving).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(text(await transport.recv(10))).toBe('abc');
    await transport.aclose();
  });
});

describe('NodeStreamTransport.recvIntoMany', () => {
  it('skips a buffer that was detached while it waited, and loses no byte', async () => {
    const { transport, peer } = await flowing();
    const [first, gone, last] = [new Uint8Array(2), new Uint8Array(2), new Uint8Array(2)];
    const receiving = transport.recvIntoMany([first, gone, last]);
    structuredClone(gone, { transfer: [gone.buffer] });
    peer.write('abcdef');
    expect(await receiving).toBe(4);
    expect(text(first) + text(last) + text(await transport.recv(10))).toBe('abcdef');
    await transport.aclose();
  });
});

describe('NodeStreamTransport.sendAll', () => {
  it('does not end by the callback of an earlier send', async () => {
    const { transport, peer } = await flowing();
    peer.pause();
    await transport.sendAll(Buffer.from('a'));
    await transport.sendAllFromIterable([Buffer.from('b'), Buffer.from('c')]);
    // net has not called back for these sends: no tick has passed.
    let isSent = false;
    const sending = transport.sendAll(Buffer.alloc(16_000_000)).then(() => {
      isSent = true;
    });
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(isSent).toBe(false);
    peer.resume();
    await sending;
    await transport.sendAll(Buffer.from('d'));
    await transport.aclose();
  });

  it('does not starve timers and I/O when the kernel takes everything', async () => {
    const { transport, peer } = await flowing();
    peer.resume();
    let sent = 0;
    const turns = atEachTurn(() => sent, 2000);
    const one = new Uint8Array(1);
    while (sent < 2000) {
      await transport.sendAll(one);
      sent++;
    }
    expect(largestStep(await turns)).toBeLessThan(512);
    await transport.aclose();
  });
});

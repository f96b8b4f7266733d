import { describe, expect, it } from 'vitest';
import { SocketAttribute, UnsupportedOperationError } from '#lib/index';
import {
  backend,
  connectTo,
  expectCleanEnd,
  isPending,
  listenTcp,
  portOf,
  python,
  readAll,
  readExactly,
  rejection,
  turns,
  until,
  withPython,
} from './native-kit';

expectCleanEnd();

const reset = `
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()
`;

describe('a TCP connection that the peer resets', () => {
  it('rejects a waiting receive with ECONNRESET, and every later receive too', async () => {
    const { transport, peer } = await withPython('tcp', `${reset}\nhear(); reset(peer)`);
    const waiting = transport.recv(10);
    expect(await isPending(waiting)).toBe(true);
    peer.tell(1);
    expect(await rejection(waiting)).toMatchObject({
      code: 'ECONNRESET',
      errno: -104,
      syscall: 'recv',
    });
    for (let i = 0; i < 2; i++) {
      expect(await rejection(transport.recv(10))).toMatchObject({ code: 'ECONNRESET' });
      expect(await rejection(transport.recvInto(new Uint8Array(1)))).toMatchObject({
        code: 'ECONNRESET',
      });
      expect(await rejection(transport.recvIntoMany([new Uint8Array(1)]))).toMatchObject({
        code: 'ECONNRESET',
      });
    }
    expect(await rejection(transport.sendAll(new Uint8Array(1)))).toMatchObject({
      code: expect.stringMatching(/^(EPIPE|ECONNRESET)$/) as string,
    });
    expect(transport.isClosing()).toBe(false);
    await transport.sendEof();
    await transport.aclose();
    await peer.end();
  });

  it('first returns the data that arrived before the reset', async () => {
    const { transport, peer } = await withPython(
      'tcp',
      `${reset}\npeer.sendall(b'farewell'); hear(); reset(peer); say('done')`,
    );
    await until(() => transport.extra(SocketAttribute.options).queueSizes().unread === 8);
    peer.tell(1);
    await peer.hear();
    // When the reset arrives, the kernel drops unread data. Either the data or the reset may be
    // seen first.
    const first = await transport.recv(100).then(
      (data) => Buffer.from(data).toString(),
      (error: unknown) => (error as { code: string }).code,
    );
    expect(['farewell', 'ECONNRESET']).toContain(first);
    expect(await rejection(transport.recv(100))).toMatchObject({ code: 'ECONNRESET' });
    await peer.end();
  });

  it('rejects a waiting send', async () => {
    const { transport, peer } = await withPython('tcp', `${reset}\nhear(); reset(peer)`);
    const sending = transport.sendAll(new Uint8Array(64 * 1024 * 1024));
    expect(await isPending(sending)).toBe(true);
    peer.tell(1);
    const error = await rejection(sending);
    expect(error).toMatchObject({
      code: expect.stringMatching(/^(EPIPE|ECONNRESET)$/) as string,
      syscall: 'send',
    });
    expect((error as { bytesSent?: number }).bytesSent).toBeGreaterThan(0);
    await peer.end();
  });

  it('ends a close that waits for a send', async () => {
    const { transport, peer } = await withPython('tcp', `${reset}\nhear(); reset(peer)`);
    const sending = transport.sendAll(new Uint8Array(64 * 1024 * 1024));
    await turns(2);
    const closing = transport.aclose();
    peer.tell(1);
    await rejection(sending);
    await closing;
    await peer.end();
  });
});

describe('a TCP stream', () => {
  it('is not stalled by urgent data, and does not contain it', async () => {
    const { transport, peer } = await withPython(
      'tcp',
      `
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for i in range(50):
    assert hear() == i
    peer.sendall(b'a%03d' % i); peer.send(b'!', socket.MSG_OOB); peer.sendall(b'b%03d' % i)
peer.close()`,
    );
    for (let i = 0; i < 50; i++) {
      const number = String(i).padStart(3, '0');
      // In half of the rounds the receive waits before the data arrives, in half the data is there
      // first.
      if (i % 2 === 0) {
        const waiting = readExactly(transport, 8);
        await turns(1);
        peer.tell(i);
        expect((await waiting).toString()).toBe(`a${number}b${number}`);
      } else {
        peer.tell(i);
        await until(() => (transport.extra(SocketAttribute.options).queueSizes().unread ?? 0) >= 4);
        expect((await readExactly(transport, 8)).toString()).toBe(`a${number}b${number}`);
      }
    }
    expect(await readAll(transport)).toHaveLength(0);
    await peer.end();
  });

  it('carries no control messages', async () => {
    const { transport } = await withPython('tcp', 'hear()');
    for (const attempt of [
      transport.recvWithAncillary(10, 10),
      transport.recvWithAncillaryInto(new Uint8Array(1), 10),
      transport.sendAllWithAncillary([new Uint8Array(1)], { fds: [0] }),
    ]) {
      expect(await rejection(attempt)).toBeInstanceOf(UnsupportedOperationError);
    }
  });

  it('has TCP_NODELAY on, whether it was connected, accepted or wrapped', async () => {
    const listener = await listenTcp();
    const peer = python(`
connection = socket.create_connection(('127.0.0.1', hear())); hear()`);
    const { transport } = await withPython('tcp', 'hear()');
    expect(transport.extra(SocketAttribute.options).noDelay).toBe(true);
    await backend.createTaskGroup().run((group) => {
      group.startSoon(() =>
        listener.serve(async (connection) => {
          await using accepted = connection;
          expect(accepted.extra(SocketAttribute.options).noDelay).toBe(true);
          group.cancelScope.cancel();
        }),
      );
      peer.tell(portOf(listener));
    });
    const adopted = await backend.wrapStreamSocket(
      (await connectTo(portOf(listener))).extra(SocketAttribute.socket).dup(),
    );
    expect(adopted.extra(SocketAttribute.options).noDelay).toBe(true);
    await adopted.aclose();
  });

  it('works over IPv6', async () => {
    const peer = python(`
s = socket.socket(socket.AF_INET6); s.bind(('::1', 0)); s.listen()
say(s.getsockname()[1]); c, address = s.accept(); c.sendall(address[0].encode()); c.close()`);
    const transport = await backend.createTcpConnection('::1', await peer.hear());
    expect((await readAll(transport)).toString()).toBe('::1');
    expect(transport.extra(SocketAttribute.remoteAddress)).toMatchObject({
      address: '::1',
      family: 'IPv6',
    });
    await transport.aclose();
    await peer.end();
  });
});

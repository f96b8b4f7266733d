import type { InetAddress } from '#lib/contract/addresses';
import { once } from 'node:events';
import dns from 'node:dns';
import net, { connect, createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NodeBackend } from '#lib/backends/node/backend';
import { SocketAttribute } from '#lib/transports/attributes';
import type { AsyncListener } from '#lib/contract/listeners';
import type { AsyncStreamTransport } from '#lib/contract/transports';
import { expectNoLeaks } from '../../../support/fds';
import { connectedPair } from './connected-pair';

expectNoLeaks();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of closers.splice(0).reverse()) await close();
});

/** Waits for 'close'. (`once` of node:events would reject at an 'error' event.) */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => { resolve(); })); // prettier-ignore
}

function portOf(listener: AsyncListener<AsyncStreamTransport>): number {
  return (listener.extra(SocketAttribute.localAddress) as InetAddress).port;
}

describe('NodeStreamTransport', () => {
  it('reads nothing before the first receive, and stops at its high-water mark', async () => {
    const backend = new NodeBackend();
    const [socket, peer] = await connectedPair();
    const transport = await backend.wrapStreamSocket(socket);
    peer.write(Buffer.alloc(8_000_000));
    await vi.waitFor(() => expect(peer.writableLength).toBeGreaterThan(0));
    const before = socket.bytesRead;
    await transport.recv(1);
    await vi.waitFor(() => expect(socket.isPaused()).toBe(true));
    // The bytes held by the transport and by the net.Socket, and one read of libuv's beyond each.
    expect(socket.bytesRead - before).toBeLessThan(131_072 + 65_536 + 2 * 65_536 + 1);
    let received = 1;
    while (received < 8_000_000) received += (await transport.recv(1_000_000)).length;
    expect(received).toBe(8_000_000);
    await transport.aclose();
  });

  it('ends if other code destroys its net.Socket', async () => {
    const backend = new NodeBackend();
    const [socket] = await connectedPair();
    const transport = await backend.wrapStreamSocket(socket);
    const receiving = transport.recv(1);
    socket.destroy();
    await expect(receiving).rejects.toMatchObject({ code: 'ERR_CLOSED_RESOURCE' });
    expect(transport.isClosing()).toBe(true);
  });

  it('rejects the next call with an error that came while no call waited', async () => {
    const backend = new NodeBackend();
    const [socket, peer] = await connectedPair();
    const transport = await backend.wrapStreamSocket(socket);
    peer.write('x');
    await transport.recv(1);
    peer.resetAndDestroy();
    await closed(socket);
    await expect(transport.sendAll(Buffer.from('x'))).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(transport.recv(1)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await transport.aclose();
  });

  it('keeps the bytes that came before an error until they are received', async () => {
    const backend = new NodeBackend();
    const [socket, peer] = await connectedPair();
    const transport = await backend.wrapStreamSocket(socket);
    peer.write('abc');
    await transport.recv(1);
    peer.resetAndDestroy();
    await closed(socket);
    expect(Buffer.from(await transport.recv(10)).toString()).toBe('bc');
    await expect(transport.recv(1)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await transport.aclose();
  });

  it('a cancelled send drops its rest, so that its buffer can be reused at once', async () => {
    const backend = new NodeBackend();
    const [socket, peer] = await connectedPair();
    const transport = await backend.wrapStreamSocket(socket);
    const buffer = Buffer.alloc(16_000_000, 'a');
    peer.pause();
    let bytesSent = -1;
    await backend.moveOnAfter(20).run(() =>
      transport.sendAll(buffer).catch((error: unknown) => {
        ({ bytesSent } = error as { bytesSent: number });
        throw error;
      }),
    );
    buffer.fill('b');
    const received: Buffer[] = [];
    peer.on('data', (chunk: Buffer) => received.push(chunk));
    peer.resume();
    await once(peer, 'end');
    const all = Buffer.concat(received);
    expect(all.length).toBe(bytesSent);
    expect(all.includes('b')).toBe(false);
    await expect(transport.recv(1)).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
    await transport.aclose();
  });

  it('rejects a TLS socket, whose bytes are not those of the connection', async () => {
    const [socket] = await connectedPair();
    const secure = new TLSSocket(socket);
    secure.on('error', () => undefined);
    await expect(new NodeBackend().wrapStreamSocket(secure)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    });
    secure.destroy();
  });

  it("its socket's callbacks do not keep the context of the task that created it", async () => {
    const backend = new NodeBackend();
    const [listener] = (await backend.createTcpListeners('127.0.0.1', 0)) as [
      AsyncListener<AsyncStreamTransport>,
    ];
    closers.push(() => listener.aclose());
    const transport = await backend.bootstrap(() =>
      backend.createTcpConnection('127.0.0.1', portOf(listener)),
    );
    // The task that made the transport has ended, and another one uses the transport.
    await backend.bootstrap(async () => {
      await backend.createTaskGroup().run(async (group) => {
        group.startSoon(() =>
          listener.serve(async (accepted) => {
            await accepted.sendAll(Buffer.from('x'));
            await accepted.aclose();
          }),
        );
        expect(await transport.recv(1)).toHaveLength(1);
        group.cancelScope.cancel();
      });
    });
    await transport.aclose();
  });
});

describe('NodeStreamListener', () => {
  it('closes connections beyond its backlog while no serve runs', async () => {
    const backend = new NodeBackend();
    const [listener] = (await backend.createTcpListeners('127.0.0.1', 0, { backlog: 2 })) as [
      AsyncListener<AsyncStreamTransport>,
    ];
    const clients: Socket[] = [];
    let dropped = 0;
    for (let i = 0; i < 6; i++) {
      const client = connect(portOf(listener), '127.0.0.1');
      client.on('error', () => undefined);
      client.on('close', () => dropped++);
      client.resume();
      clients.push(client);
      await once(client, 'connect');
    }
    await vi.waitFor(() => expect(dropped).toBe(4));
    await listener.aclose();
    await vi.waitFor(() => expect(dropped).toBe(6));
  });

  it('goes on after an accept error that net reports, with a warning', async () => {
    const servers: Server[] = [];
    const { createServer: create } = net;
    vi.spyOn(net, 'createServer').mockImplementation(((options: net.ServerOpts) => {
      const server = create(options);
      servers.push(server);
      return server;
    }) as typeof create);
    const backend = new NodeBackend();
    const [listener] = (await backend.createTcpListeners('127.0.0.1', 0)) as [
      AsyncListener<AsyncStreamTransport>,
    ];
    const warned = once(process, 'warning') as Promise<[{ code: string; message: string }]>;
    servers[0]?.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
    const [{ code, message }] = await warned;
    expect(code).toBe('SOCKSCOPE_ACCEPT');
    expect(message).toContain('EMFILE');
    const client = connect(portOf(listener), '127.0.0.1');
    client.on('error', () => undefined);
    await backend.createTaskGroup().run(async (group) => {
      group.startSoon(() => listener.serve((transport) => transport.aclose()));
      client.resume();
      await once(client, 'close');
      group.cancelScope.cancel();
    });
    await listener.aclose();
  });
});

describe('createTcpConnection over several addresses', () => {
  /** The port of a server on IPv4 alone, for a name that has addresses of both families. */
  async function dualName(): Promise<{ port: number; server: Server }> {
    const server = createServer((socket) => socket.on('error', () => undefined).resume());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    vi.spyOn(dns.promises, 'lookup').mockResolvedValue([
      { address: '127.0.0.1', family: 4 },
      { address: '::1', family: 6 },
    ] as never);
    return { port: (server.address() as net.AddressInfo).port, server };
  }

  it('tries the next address at once when one is refused', async () => {
    const { port } = await dualName();
    const backend = new NodeBackend();
    const transport = await backend.createTcpConnection('both.test', port, {
      happyEyeballsDelay: Infinity,
    });
    expect(transport.extra(SocketAttribute.remoteAddress)).toEqual({
      address: '127.0.0.1',
      port,
      family: 'IPv4',
    });
    await transport.aclose();
  });

  it('rejects with all errors, IPv6 first, if all are refused', async () => {
    const { port, server } = await dualName();
    server.close();
    await once(server, 'close');
    const error = await new NodeBackend()
      .createTcpConnection('both.test', port)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AggregateError);
    expect(
      (error as AggregateError).errors.map(({ address }: { address: string }) => address),
    ).toEqual(['::1', '127.0.0.1']);
    expect(error).toHaveProperty('code', 'ECONNREFUSED');
  });
});

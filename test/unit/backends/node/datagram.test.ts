import type { InetAddress } from '#lib/contract/addresses';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { NodeBackend } from '#lib/backends/node/backend';
import { SocketAttribute } from '#lib/transports/attributes';
import { expectNoLeaks } from '../../../support/fds';

expectNoLeaks();

describe('NodeDatagramListener', () => {
  it('keeps a bounded number of datagrams that are not received: the first ones', async () => {
    const backend = new NodeBackend();
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const listener = await backend.wrapDatagramListenerSocket(socket);
    // The event that dgram emits, without the losses of a real network.
    for (let i = 0; i < 100; i++)
      socket.emit('message', Buffer.alloc(60_000, i), {
        address: '127.0.0.1',
        port: 1,
        family: 'IPv4',
        size: 60_000,
      });
    const seen: number[] = [];
    await backend
      .moveOnAfter(50)
      .run(() => listener.serve((data) => void seen.push(data[0] as number)));
    expect(seen).toEqual(Array.from({ length: 34 }, (_, i) => i));
    // Now there is room again.
    socket.emit('message', Buffer.alloc(60_000, 200), {
      address: '127.0.0.1',
      port: 1,
      family: 'IPv4',
      size: 60_000,
    });
    await backend
      .moveOnAfter(50)
      .run(() => listener.serve((data) => void seen.push(data[0] as number)));
    expect(seen.at(-1)).toBe(200);
    await listener.aclose();
  });

  it('goes on after an error of an earlier send, with a warning', async () => {
    const backend = new NodeBackend();
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const listener = await backend.wrapDatagramListenerSocket(socket);
    const warned = once(process, 'warning') as Promise<[{ code: string }]>;
    socket.emit(
      'error',
      Object.assign(new Error('recvmsg ECONNREFUSED'), { code: 'ECONNREFUSED' }),
    );
    expect((await warned)[0].code).toBe('SOCKSCOPE_RECEIVE');
    await listener.sendTo(
      Buffer.from('to itself'),
      listener.extra(SocketAttribute.localAddress) as InetAddress,
    );
    const seen: string[] = [];
    const scope = backend.openCancelScope();
    await scope.run(() =>
      listener.serve((data) => {
        seen.push(Buffer.from(data).toString());
        scope.cancel();
      }),
    );
    expect(seen).toEqual(['to itself']);
    await listener.aclose();
  });

  it('ends if other code closes its dgram.Socket', async () => {
    const backend = new NodeBackend();
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const listener = await backend.wrapDatagramListenerSocket(socket);
    const serving = expect(listener.serve(() => undefined)).rejects.toMatchObject({
      code: 'ERR_CLOSED_RESOURCE',
    });
    socket.close();
    await serving;
    await listener.aclose();
    expect(listener.isClosing()).toBe(true);
  });
});

describe('NodeDatagramTransport', () => {
  it('aclose waits for the batch under way', async () => {
    const backend = new NodeBackend();
    const peer = createSocket('udp4');
    const received: string[] = [];
    peer.on('message', (data) => received.push(String(data)));
    peer.bind(0, '127.0.0.1');
    await once(peer, 'listening');
    const transport = await backend.createUdpEndpoint('127.0.0.1', peer.address().port);
    const sending = transport.sendMany([Buffer.from('1'), Buffer.from('2'), Buffer.from('3')]);
    await transport.aclose();
    await sending;
    await vi.waitFor(() => expect(received).toEqual(['1', '2', '3']));
    peer.close();
  });
});

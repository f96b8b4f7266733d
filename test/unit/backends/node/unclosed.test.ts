import type { InetAddress } from '#lib/contract/addresses';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeBackend } from '#lib/backends/node/backend';
import { setDebug } from '#lib/debug';
import { SocketAttribute } from '#lib/transports/attributes';
import { expectNoLeaks } from '../../../support/fds';
import { collectUntil } from '../../../support/gc';
import { connectedPair } from './connected-pair';

interface Warning extends Error {
  readonly code?: string;
}

describe('a transport or listener of the node backend that is collected while it is open', () => {
  expectNoLeaks();
  const backend = new NodeBackend();
  const warnings: Warning[] = [];
  const note = (warning: Warning): void => {
    if (warning.code === 'SOCKSCOPE_UNCLOSED') warnings.push(warning);
  };
  beforeEach(() => {
    warnings.length = 0;
    process.on('warning', note);
  });
  afterEach(() => {
    process.off('warning', note);
    setDebug(false);
  });

  const connectedDatagram = async (): Promise<DatagramSocket> => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    // It is its own peer: nothing answers with an error.
    socket.connect(socket.address().port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };
  const warned = (): boolean => warnings.length > 0;

  it('closes the connection, with a warning', async () => {
    const [socket, peer] = await connectedPair();
    await (async () => {
      const transport = await backend.wrapStreamSocket(socket);
      await transport.sendAll(Buffer.from('hello'));
      peer.write('answer');
      await transport.recv(100);
      await transport.sendEof();
    })();
    peer.resume();
    await collectUntil(warned);
    expect(socket.destroyed).toBe(true);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ name: 'ResourceWarning' });
    expect(warnings[0]?.message).toMatch(/^A stream transport of the node backend was .*SOCKSCOPE/);
  });

  it('closes a connection that it has dialled itself, and says where it was created', async () => {
    setDebug(true);
    const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
    const { port } = listener!.extra(SocketAttribute.localAddress) as InetAddress;
    await (async () => void (await backend.createTcpConnection('127.0.0.1', port)))();
    await collectUntil(warned);
    expect(warnings[0]?.message).toContain('It was created:\n');
    await listener!.aclose();
  });

  it('closes the socket of datagrams, with a warning', async () => {
    const socket = await connectedDatagram();
    await (async () => {
      const transport = await backend.wrapConnectedDatagramSocket(socket);
      await transport.send(Buffer.from('x'));
    })();
    const closed = once(socket, 'close');
    await collectUntil(warned);
    await closed;
    expect(warnings[0]?.message).toMatch(/^A datagram transport of/);
  });

  it('closes listeners, and the connections that wait in them, with one warning each', async () => {
    const port = await (async () => {
      const [listener] = await backend.createTcpListeners('127.0.0.1', 0);
      await backend.createUdpListeners('127.0.0.1', 0);
      return (listener!.extra(SocketAttribute.localAddress) as InetAddress).port;
    })();
    const client: Socket = connect(port, '127.0.0.1');
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.on('error', () => undefined).resume();
    await once(client, 'connect');
    await collectUntil(() => warnings.length === 2);
    await closed;
    expect(warnings.map(({ message }) => message.split(' of the')[0]).sort()).toEqual([
      'A datagram listener',
      'A stream listener',
    ]);
  });

  it('does not happen while a receive or a send waits, or once it is closed', async () => {
    const [socket, peer] = await connectedPair();
    const [second, reader] = await connectedPair();
    const receiving = (async () => (await backend.wrapStreamSocket(socket)).recv(10))();
    const size = 16_000_000;
    const sending = (async () =>
      (await backend.wrapStreamSocket(second)).sendAll(new Uint8Array(size)))();
    const datagrams = await connectedDatagram();
    await (async () => (await backend.wrapConnectedDatagramSocket(datagrams)).aclose())();
    let rounds = 0;
    await collectUntil(() => ++rounds === 20);
    expect(warnings).toEqual([]);
    peer.write('data');
    expect(await receiving).toHaveLength(4);
    reader.resume();
    await sending;
    await collectUntil(() => warnings.length === 2);
  });
});

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { NodeBackend } from '#lib/backends/node/backend';
import { UnsupportedOperationError } from '#lib/errors';
import { constants } from '#lib/socket/platform-constants';
import { Socket } from '#lib/socket/socket';
import { expectNoLeaks } from '../../../support/fds';
import { connectedPair } from './connected-pair';

expectNoLeaks();

describe('NodeBackend.wrapStreamSocket', () => {
  it('returns the end of the stream that the net.Socket has already read', async () => {
    const [socket, peer] = await connectedPair();
    peer.end();
    socket.resume();
    await once(socket, 'end');
    const transport = await new NodeBackend().wrapStreamSocket(socket);
    expect(await transport.recv(1)).toHaveLength(0);
    expect(await transport.recvInto(new Uint8Array(1))).toBe(0);
    await transport.sendAll(Buffer.from('x'));
    expect(String(await once(peer, 'data'))).toBe('x');
    await transport.aclose();
  });

  it('rejects sends on a socket that was half-closed before, and still receives', async () => {
    const [socket, peer] = await connectedPair();
    socket.end();
    await once(socket, 'finish');
    const transport = await new NodeBackend().wrapStreamSocket(socket);
    await expect(transport.sendAll(Buffer.from('x'))).rejects.toMatchObject({ code: 'EPIPE' });
    await transport.sendEof();
    peer.write('x');
    expect(await transport.recv(10)).toHaveLength(1);
    await transport.aclose();
  });

  it('uncorks the socket', async () => {
    const [socket, peer] = await connectedPair();
    socket.cork();
    socket.cork();
    const transport = await new NodeBackend().wrapStreamSocket(socket);
    await transport.sendAll(Buffer.from('x'));
    expect(String(await once(peer, 'data'))).toBe('x');
    await transport.aclose();
  });

  it.each([
    [
      'gives text instead of bytes',
      'an encoding set',
      (socket: NodeJS.ReadableStream) => void socket.setEncoding('utf8'),
    ],
    [
      'has another reader',
      "a 'readable' listener",
      (socket: NodeJS.ReadableStream) => void socket.on('readable', () => undefined),
    ],
  ])('refuses a socket that %s', async (_, why, prepare) => {
    const [socket] = await connectedPair();
    prepare(socket);
    const wrapping = new NodeBackend().wrapStreamSocket(socket);
    await expect(wrapping).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(wrapping).rejects.toThrow(why);
    // The caller still owns the socket.
    expect(socket.destroyed).toBe(false);
  });
});

describe('the wrap methods of NodeBackend', () => {
  const { AF_INET = 0, AF_UNIX = 0, SOCK_STREAM = 0, SOCK_DGRAM = 0 } = constants;

  it.each([
    ['wrapConnectedDatagramSocket', AF_INET, SOCK_DGRAM],
    ['wrapConnectedDatagramSocket', AF_UNIX, SOCK_DGRAM],
    ['wrapDatagramListenerSocket', AF_INET, SOCK_DGRAM],
    ['wrapStreamSocket', AF_INET, SOCK_STREAM],
    ['wrapListenerSocket', AF_INET, SOCK_STREAM],
  ] as const)('%s says what to do with a Socket (%i, %i)', async (method, family, type) => {
    using socket = Socket.create(family, type);
    const wrapping = new NodeBackend()[method](socket);
    await expect(wrapping).rejects.toBeInstanceOf(UnsupportedOperationError);
    await expect(wrapping).rejects.toThrow(/pass .*, or use the native backend$/);
    expect(socket.fd).toBeGreaterThanOrEqual(0);
  });

  it('wrapStreamSocket refuses a dgram.Socket without a warning about its `fd`', async () => {
    const warned = vi.spyOn(process, 'emitWarning');
    const socket = createSocket('udp4');
    await expect(new NodeBackend().wrapStreamSocket(socket as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    });
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
    socket.close();
  });
});

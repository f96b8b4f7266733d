import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { BusyResourceError, ClosedResourceError } from '#lib/errors';
import { NativeSocket } from '#lib/socket/socket';
import { expectNoLeaks, openFdCount } from '../../support/fds';
import { abstractSocketName, shortSocketPath } from '../../support/socket-path';
import * as kit from './kit';

expectNoLeaks();

const { AF_INET, AF_INET6, AF_UNIX, SOCK_STREAM, SOCK_DGRAM, SOL_SOCKET } = kit;
const sound = { nonBlocking: true, closeOnExec: true };

describe('an fd of every origin is non-blocking and close-on-exec', () => {
  it('create', () => {
    for (const [family, type] of [
      [AF_INET, SOCK_STREAM],
      [AF_INET6, SOCK_DGRAM],
      [AF_UNIX, kit.SOCK_SEQPACKET],
    ] as const) {
      const socket = kit.create(family, type);
      expect(kit.fdFlags(socket.fd)).toEqual(sound);
      expect(socket).toMatchObject({ family, type, protocol: 0 });
    }
  });

  it('create, with flags in its type', () => {
    const socket = kit.create(
      AF_INET,
      SOCK_STREAM | 0o2000000 | 0o4000,
      kit.constant('IPPROTO_TCP'),
    );
    expect(socket).toMatchObject({ family: AF_INET, type: SOCK_STREAM, protocol: 6 });
  });

  it('pair', () => {
    const sockets = kit.pair(SOCK_DGRAM);
    for (const socket of sockets) {
      expect(kit.fdFlags(socket.fd)).toEqual(sound);
      expect(socket).toMatchObject({ family: AF_UNIX, type: SOCK_DGRAM });
    }
    const [first, second] = NativeSocket.pair();
    expect([first.family, first.type]).toEqual([AF_UNIX, SOCK_STREAM]);
    first.close();
    second.close();
  });

  it('accept', async () => {
    for (const family of [AF_INET, AF_INET6, AF_UNIX]) {
      const { socket: listener, address } = kit.listening(family);
      await kit.connected(family, SOCK_STREAM, address);
      const server = await kit.accepted(listener);
      expect(kit.fdFlags(server.fd)).toEqual(sound);
      expect(server).toMatchObject({ family, type: SOCK_STREAM });
    }
  });

  it('dup', async () => {
    const [client, server] = await kit.tcpPair();
    const twin = kit.track(client.dup());
    expect(kit.fdFlags(twin.fd)).toEqual(sound);
    expect(twin).toMatchObject({
      family: client.family,
      type: client.type,
      protocol: client.protocol,
    });
    client.close();
    twin.send(Buffer.from('x'));
    await server.readable();
    expect(server.recv(Buffer.alloc(1))).toBe(1);
  });

  it('fromFd, of a blocking fd without close-on-exec, which the shell made', () => {
    const [left, right] = kit.pair();
    const twin = right.dup();
    const fd = twin.detach();
    // O_NONBLOCK is a flag of the open file description, which `right` shares.
    execFileSync('python3', ['-c', 'import os; os.set_blocking(3, True)'], {
      stdio: ['ignore', 'ignore', 'inherit', fd],
    });
    expect(kit.fdFlags(fd).nonBlocking).toBe(false);
    const adopted = kit.track(NativeSocket.fromFd(fd));
    expect(kit.fdFlags(fd)).toEqual(sound);
    expect(adopted).toMatchObject({ fd, family: AF_UNIX, type: SOCK_STREAM, protocol: 0 });
    left.send(Buffer.from('x'));
    expect(adopted.recv(Buffer.alloc(1))).toBe(1);
  });

  it('received', () => {
    const [left, right] = kit.pair();
    const [one, other] = kit.pair(SOCK_DGRAM);
    left.sendmsg([Buffer.from('x')], { ancillary: { fds: [one.fd] } });
    const fd = right.recvmsg([Buffer.alloc(1)], 64)?.ancillary.fds?.[0] as number;
    expect(kit.fdFlags(fd)).toEqual(sound);
    const received = kit.track(NativeSocket.fromFd(fd));
    expect(received).toMatchObject({ family: AF_UNIX, type: SOCK_DGRAM });
    other.send(Buffer.from('x'));
    expect(received.recv(Buffer.alloc(1))).toBe(1);
  });

  it('has its protocol after it was adopted', async () => {
    const [client] = await kit.tcpPair();
    const adopted = kit.track(NativeSocket.fromFd(client.detach()));
    expect(adopted).toMatchObject({ family: AF_INET, type: SOCK_STREAM, protocol: 6 });
  });
});

describe('Socket.create and NativeSocket.pair', () => {
  it("throw the kernel's error", () => {
    const before = openFdCount();
    expect(kit.thrown(() => NativeSocket.create(12345, SOCK_STREAM))).toMatchObject({
      code: 'EAFNOSUPPORT',
      errno: -97,
      syscall: 'socket',
    });
    expect(
      kit.thrown(() => NativeSocket.create(AF_INET, SOCK_STREAM, kit.constant('IPPROTO_UDP'))),
    ).toMatchObject({ code: 'EPROTONOSUPPORT' });
    expect(kit.thrown(() => NativeSocket.pair(AF_INET, SOCK_STREAM))).toMatchObject({
      code: 'ENOTSUP',
      errno: -95,
      syscall: 'socketpair',
    });
    expect(openFdCount()).toBe(before);
  });

  it('reject arguments that are not integers', () => {
    for (const wrong of ['1', null, {}, true, 1n]) {
      expect(() => NativeSocket.create(wrong as never, 1), inspect(wrong)).toThrow(TypeError);
      expect(() => NativeSocket.create(1, wrong as never), inspect(wrong)).toThrow(TypeError);
      expect(() => NativeSocket.create(1, 1, wrong as never), inspect(wrong)).toThrow(TypeError);
      expect(() => NativeSocket.pair(wrong as never), inspect(wrong)).toThrow(TypeError);
    }
    expect(() => NativeSocket.create(-1, 1)).toThrow(RangeError);
    expect(() => NativeSocket.create(1, 1.5)).toThrow(RangeError);
    expect(() => NativeSocket.create(1, 1, NaN)).toThrow(RangeError);
  });
});

describe('Socket.fromFd', () => {
  it('rejects a number that is no open fd, and an fd that is no socket', () => {
    for (const wrong of [undefined, null, '5', {}, 5n])
      expect(() => NativeSocket.fromFd(wrong as never)).toThrow(TypeError);
    for (const wrong of [-1, 1.5, NaN, Infinity, 2 ** 31])
      expect(() => NativeSocket.fromFd(wrong)).toThrow(RangeError);
    const fd = openSync('package.json', 'r');
    expect(kit.thrown(() => NativeSocket.fromFd(fd))).toMatchObject({
      code: 'ENOTSOCK',
      errno: -88,
      syscall: 'getsockopt',
    });
    fstatSync(fd);
    closeSync(fd);
    expect(kit.thrown(() => NativeSocket.fromFd(fd))).toMatchObject({ code: 'EBADF', errno: -9 });
  });

  it('lets an fd have only one owner', () => {
    const [left] = kit.pair();
    expect(kit.thrown(() => NativeSocket.fromFd(left.fd))).toBeInstanceOf(BusyResourceError);
    const fd = left.detach();
    const again = kit.track(NativeSocket.fromFd(fd));
    expect(() => NativeSocket.fromFd(fd)).toThrow(BusyResourceError);
    again.close();
    expect(kit.thrown(() => NativeSocket.fromFd(fd))).toMatchObject({ code: 'EBADF' });
  });
});

describe('the end of a Socket', () => {
  it('close closes the fd once, and so does using', () => {
    const before = openFdCount();
    const [left, right] = NativeSocket.pair();
    const { fd } = left;
    left.close();
    expect(left.fd).toBe(-1);
    expect(() => fstatSync(fd)).toThrow('EBADF');
    const next = kit.create(AF_UNIX, SOCK_STREAM);
    expect(next.fd).toBe(fd);
    left.close();
    left[Symbol.dispose]();
    fstatSync(fd);
    right[Symbol.dispose]();
    next.close();
    expect(openFdCount()).toBe(before);
  });

  it('detach leaves the fd open and unchanged', () => {
    const [left, right] = kit.pair();
    const { fd } = left;
    expect(left.detach()).toBe(fd);
    expect(left.fd).toBe(-1);
    expect(kit.fdFlags(fd)).toEqual(sound);
    left.close();
    fstatSync(fd);
    expect(() => left.detach()).toThrow(ClosedResourceError);
    closeSync(fd);
    expect(right.recv(Buffer.alloc(1))).toBe(0);
  });

  it('every later call is a ClosedResourceError', () => {
    const calls: Record<string, (socket: NativeSocket) => unknown> = {
      bind: (socket) => socket.bind(''),
      listen: (socket) => socket.listen(),
      connect: (socket) => socket.connect('/x'),
      accept: (socket) => socket.accept(),
      recv: (socket) => socket.recv(Buffer.alloc(1)),
      send: (socket) => socket.send(Buffer.alloc(1)),
      recvmsg: (socket) => socket.recvmsg([Buffer.alloc(1)]),
      sendmsg: (socket) => socket.sendmsg([Buffer.alloc(1)]),
      getsockopt: (socket) => socket.getsockopt(1, 1),
      'getsockopt, bytes': (socket) => socket.getsockopt(1, 1, 4),
      setsockopt: (socket) => socket.setsockopt(1, 1, 1),
      'setsockopt, bytes': (socket) => socket.setsockopt(1, 1, Buffer.alloc(4)),
      localAddress: (socket) => socket.localAddress(),
      remoteAddress: (socket) => socket.remoteAddress(),
      shutdown: (socket) => socket.shutdown('both'),
      dup: (socket) => socket.dup(),
      detach: (socket) => socket.detach(),
    };
    const [left, right] = kit.pair();
    left.close();
    closeSync(right.detach());
    for (const [name, call] of Object.entries(calls)) {
      for (const socket of [left, right])
        expect(
          kit.thrown(() => call(socket)),
          name,
        ).toMatchObject({ name: 'ClosedResourceError', code: 'ERR_CLOSED_RESOURCE' });
    }
  });

  it('an fd that was closed by other means is EBADF, and its next owner is not affected', () => {
    const [left, right] = kit.pair();
    closeSync(left.fd);
    expect(kit.thrown(() => left.send(Buffer.from('x')))).toMatchObject({
      code: 'EBADF',
      syscall: 'send',
    });
    expect(kit.thrown(() => left.close())).toMatchObject({ code: 'EBADF', syscall: 'close' });
    expect(left.fd).toBe(-1);
    left.close();

    right.close();

    const stale = kit.create(AF_UNIX, SOCK_STREAM);
    const { fd } = stale;
    closeSync(fd);
    const next = kit.create(AF_UNIX, SOCK_DGRAM);
    expect(next.fd).toBe(fd);
    expect(stale.fd).toBe(-1);
    stale.close();
    expect(next.type).toBe(next.getsockopt(SOL_SOCKET, kit.constant('SO_TYPE')));
  });

  it('is inspected in one line', () => {
    const [left] = kit.pair();
    expect(inspect(left)).toBe(
      `Socket { fd: ${String(left.fd)}, family: 1, type: 1, protocol: 0 }`,
    );
    left.close();
    expect(inspect(left)).toContain('fd: -1');
  });
});

describe('addresses', () => {
  it('localAddress returns the port that the kernel chose, and remoteAddress the peer', async () => {
    for (const family of [AF_INET, AF_INET6]) {
      const [client, server] = await kit.tcpPair(family);
      expect(client.remoteAddress()).toEqual(server.localAddress());
      expect(server.remoteAddress()).toEqual(client.localAddress());
      expect(client.localAddress()).toMatchObject({
        family: family === AF_INET ? 'IPv4' : 'IPv6',
        port: expect.any(Number) as number,
      });
    }
    expect(kit.create(AF_INET, SOCK_STREAM).localAddress()).toEqual({
      address: '0.0.0.0',
      port: 0,
      family: 'IPv4',
    });
  });

  it.each([
    ['a path', () => shortSocketPath()],
    ['a path that is not ASCII', () => `${shortSocketPath()}-ö☃`],
    [
      'bytes that are not UTF-8',
      () => Buffer.concat([Buffer.from(shortSocketPath()), Buffer.of(0xff)]),
    ],
    ['an abstract name', () => abstractSocketName()],
    ['an abstract name with NULs', () => `${abstractSocketName()}\0\0x\0`],
  ])('Unix: %s', async (_what, name) => {
    const path = name();
    const listener = kit.create(AF_UNIX, SOCK_STREAM);
    listener.bind(path);
    listener.listen();
    const shown = typeof path === 'string' ? path : new Uint8Array(path);
    expect(listener.localAddress()).toEqual(shown);
    const client = await kit.connected(AF_UNIX, SOCK_STREAM, path);
    expect(client.remoteAddress()).toEqual(shown);
    const server = await kit.accepted(listener);
    expect(server.localAddress()).toEqual(shown);
    expect([client.localAddress(), server.remoteAddress()]).toEqual(['', '']);
  });

  it('an autobind chooses a fresh abstract name (unix(7))', () => {
    const [one, other] = [kit.create(AF_UNIX, SOCK_DGRAM), kit.create(AF_UNIX, SOCK_DGRAM)];
    expect(one.localAddress()).toBe('');
    one.bind('');
    other.bind('');
    expect(one.localAddress()).toMatch(/^\0[0-9a-f]{5}$/);
    expect(other.localAddress()).not.toBe(one.localAddress());
  });

  it('a path longer than sun_path is ENAMETOOLONG, not another path', () => {
    const socket = kit.create(AF_UNIX, SOCK_STREAM);
    const path = shortSocketPath().padEnd(108, 'x');
    expect(kit.thrown(() => socket.bind(path))).toMatchObject({
      code: 'ENAMETOOLONG',
      syscall: 'bind',
      path,
    });
    expect(kit.thrown(() => socket.connect(path))).toMatchObject({
      code: 'ENAMETOOLONG',
      syscall: 'connect',
      path,
    });
    expect(socket.localAddress()).toBe('');
    socket.bind(path.slice(0, 107));
    expect(socket.localAddress()).toBe(path.slice(0, 107));
  });

  it("errors have the properties of Node's errors", () => {
    const { socket: listener, address } = kit.listening();
    const second = kit.create(AF_INET, SOCK_STREAM);
    const { port } = address as { port: number };
    expect(kit.thrown(() => second.bind(address))).toMatchObject({
      code: 'EADDRINUSE',
      errno: -98,
      syscall: 'bind',
      address: '127.0.0.1',
      port,
    });
    expect(
      kit.thrown(() => second.bind({ address: '192.0.2.1', port: 0, family: 'IPv4' })),
    ).toMatchObject({
      code: 'EADDRNOTAVAIL',
      port: 0,
    });
    expect(
      kit.thrown(() => second.bind({ address: '127.0.0.1', port: 65536, family: 'IPv4' })),
    ).toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
      name: 'RangeError',
    });
    expect(kit.thrown(() => second.remoteAddress())).toMatchObject({
      code: 'ENOTCONN',
      syscall: 'getpeername',
    });
    expect(kit.thrown(() => second.bind('/a/path'))).toHaveProperty('code');
    const path = shortSocketPath();
    const unix = kit.create(AF_UNIX, SOCK_STREAM);
    expect(kit.thrown(() => unix.connect(path))).toMatchObject({
      code: 'ENOENT',
      errno: -2,
      syscall: 'connect',
      path,
      message: `connect ENOENT '${path}': no such file or directory`,
    });
    unix.bind(path);
    expect(kit.thrown(() => kit.create(AF_UNIX, SOCK_STREAM).bind(path))).toMatchObject({
      code: 'EADDRINUSE',
      path,
    });
    expect(kit.thrown(() => kit.create(AF_UNIX, SOCK_STREAM).connect(path))).toMatchObject({
      code: 'ECONNREFUSED',
      path,
    });
    expect(kit.thrown(() => listener.listen(-1))).toMatchObject({ name: 'RangeError' });
    expect(kit.thrown(() => unix.accept())).toMatchObject({ code: 'EINVAL', syscall: 'accept' });
  });

  it('a connection to a Unix listener whose backlog is full is EAGAIN', async () => {
    const { address } = kit.listening(AF_UNIX, 0);
    await kit.connected(AF_UNIX, SOCK_STREAM, address);
    expect(kit.thrown(() => kit.create(AF_UNIX, SOCK_STREAM).connect(address))).toMatchObject({
      code: 'EAGAIN',
      syscall: 'connect',
      path: address,
    });
  });

  it('other families use a raw sockaddr: netlink binds, and returns its port', () => {
    const socket = kit.create(kit.constant('AF_NETLINK'), kit.constant('SOCK_RAW'), 0);
    const sockaddr = new Uint8Array(12);
    new Uint16Array(sockaddr.buffer)[0] = kit.constant('AF_NETLINK');
    socket.bind({ sockaddr });
    const { sockaddr: bound } = socket.localAddress() as { sockaddr: Uint8Array };
    expect(bound.length).toBe(12);
    expect(bound.subarray(0, 2)).toEqual(sockaddr.subarray(0, 2));
    expect(new Uint32Array(bound.slice().buffer)[1]).not.toBe(0);
  });
});

describe('Socket.shutdown', () => {
  it('ends one direction, or both', async () => {
    const [client, server] = await kit.tcpPair();
    const buffer = Buffer.alloc(4);
    client.shutdown('write');
    await server.readable();
    expect(server.recv(buffer)).toBe(0);
    expect(kit.thrown(() => client.send(buffer))).toMatchObject({ code: 'EPIPE' });
    server.send(Buffer.from('late'));
    await client.readable();
    expect(client.recv(buffer)).toBe(4);
    client.shutdown('read');
    expect(client.recv(buffer)).toBe(0);
    server.shutdown('both');
    expect(kit.thrown(() => server.send(buffer))).toMatchObject({ code: 'EPIPE' });
  });

  it('accepts three words', () => {
    const [left] = kit.pair();
    for (const how of ['reading', '', 'constructor', 0, undefined, null, Symbol('x')])
      expect(() => left.shutdown(how as never)).toThrow(TypeError);
    expect(kit.thrown(() => kit.create(AF_INET, SOCK_STREAM).shutdown('both'))).toMatchObject({
      code: 'ENOTCONN',
      syscall: 'shutdown',
    });
  });
});

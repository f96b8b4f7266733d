import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  AttributeLookupError,
  BusyResourceError,
  ClosedResourceError,
  type InetAddress,
  InvalidStateError,
  Socket,
  SocketAttribute,
} from '#lib/index';
import { run } from '../support/child';
import { openFdCount } from '../support/fds';
import {
  acceptOne,
  atEnd,
  backend,
  connectTo,
  constant,
  expectCleanEnd,
  isPending,
  listenTcp,
  netServer,
  portOf,
  readExactly,
  rejection,
  shortSocketPath,
  track,
  withPython,
} from './native-kit';

expectCleanEnd();

const AF_INET = constant('AF_INET');
const AF_UNIX = constant('AF_UNIX');
const SOCK_STREAM = constant('SOCK_STREAM');
const SOCK_DGRAM = constant('SOCK_DGRAM');

function opened(socket: Socket): Socket {
  atEnd(() => {
    socket.close();
  });
  return socket;
}

/** One end of a pair of sockets. Both ends are closed at the end of the test. */
function pairEnd(family?: number, type?: number): Socket {
  const [left, right] = Socket.pair(family, type);
  opened(right);
  return opened(left);
}

describe('wrapStreamSocket', () => {
  it('wraps either end of a pair, as a Socket and as an fd, and closes it', async () => {
    const before = openFdCount();
    const [left, right] = Socket.pair();
    const wrapped = await backend.wrapStreamSocket(left);
    const other = await backend.wrapStreamSocket(right.detach());
    await wrapped.sendAll(Buffer.from('hello'));
    expect((await readExactly(other, 5)).toString()).toBe('hello');
    expect(wrapped.extra(SocketAttribute.socket)).toBe(left);
    await wrapped.aclose();
    expect(left.fd).toBe(-1);
    await other.aclose();
    expect(openFdCount()).toBe(before);
  });

  it('wraps a TCP connection that a raw Socket has made', async () => {
    const { target } = await netServer('tcp', (socket) => socket.pipe(socket));
    const socket = Socket.create(AF_INET, SOCK_STREAM);
    if (!socket.connect({ address: '127.0.0.1', port: target as number, family: 'IPv4' }))
      await socket.writable();
    const transport = track(await backend.wrapStreamSocket(socket));
    await transport.sendAll(Buffer.from('raw'));
    expect((await readExactly(transport, 3)).toString()).toBe('raw');
  });

  it('wraps a connection that the peer has closed or reset already', async () => {
    const { transport, peer } = await withPython(
      'tcp',
      `hear(); peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); peer.close(); say('reset')`,
    );
    peer.tell(1);
    await peer.hear();
    const duplicate = await backend.wrapStreamSocket(transport.extra(SocketAttribute.socket).dup());
    expect(await rejection(duplicate.recv(1))).toMatchObject({ code: 'ECONNRESET' });
    await duplicate.aclose();
    const [left, right] = Socket.pair();
    right.close();
    const orphan = await backend.wrapStreamSocket(left);
    expect(await orphan.recv(1)).toHaveLength(0);
    await orphan.aclose();
  });
});

describe('the wrap methods', () => {
  it('reject a socket of the wrong kind with the reason, and leave it open', async () => {
    const sockets: Record<string, Socket> = {
      'unconnected TCP': opened(Socket.create(AF_INET, SOCK_STREAM)),
      'unconnected UDP': opened(Socket.create(AF_INET, SOCK_DGRAM)),
      'unconnected Unix stream': opened(Socket.create(AF_UNIX, SOCK_STREAM)),
      'unconnected Unix datagram': opened(Socket.create(AF_UNIX, SOCK_DGRAM)),
      'bound UDP': opened(Socket.create(AF_INET, SOCK_DGRAM)),
      'bound Unix datagram': opened(Socket.create(AF_UNIX, SOCK_DGRAM)),
      'connected Unix stream': pairEnd(),
      'connected Unix datagram': pairEnd(AF_UNIX, SOCK_DGRAM),
      seqpacket: pairEnd(AF_UNIX, constant('SOCK_SEQPACKET')),
      listening: opened(Socket.create(AF_INET, SOCK_STREAM)),
    };
    sockets['listening']!.listen(1);
    sockets['bound UDP']!.bind({ address: '127.0.0.1', port: 0, family: 'IPv4' });
    sockets['bound Unix datagram']!.bind(shortSocketPath());
    const fitting: Record<string, readonly string[]> = {
      wrapStreamSocket: ['connected Unix stream'],
      wrapConnectedDatagramSocket: ['connected Unix datagram'],
      wrapListenerSocket: ['listening'],
      wrapDatagramListenerSocket: ['bound UDP', 'bound Unix datagram'],
    };
    for (const [method, fit] of Object.entries(fitting)) {
      const wrap = (
        backend as unknown as Record<string, (socket: Socket | number) => Promise<unknown>>
      )[method]!.bind(backend);
      for (const [name, socket] of Object.entries(sockets)) {
        if (fit.includes(name)) continue;
        const error = await rejection(wrap(socket));
        expect(error, `${method} of ${name}`).toMatchObject({
          name: 'TypeError',
          code: 'ERR_INVALID_ARG_TYPE',
        });
        expect(error.message).toMatch(/this one is /);
        const { fd } = socket;
        expect(fd).toBeGreaterThan(2);
        const duplicate = socket.dup();
        const bare = duplicate.detach();
        expect(await rejection(wrap(bare))).toBeInstanceOf(TypeError);
        closeSync(bare);
      }
      for (const wrong of [null, undefined, '5', {}, -1, 1.5, NaN]) {
        const error = await rejection(wrap(wrong as never));
        expect(
          error instanceof TypeError || error instanceof RangeError,
          `${method} of ${JSON.stringify(wrong)}`,
        ).toBe(true);
      }
      const file = openSync('package.json', 'r');
      expect(await rejection(wrap(file))).toMatchObject({ code: 'ENOTSOCK' });
      closeSync(file);
      expect(await rejection(wrap(file))).toMatchObject({ code: 'EBADF' });
    }
  });

  it('reject a socket that is wrapped, in use or closed', async () => {
    const transport = track(await backend.wrapStreamSocket(pairEnd()));
    const socket = transport.extra(SocketAttribute.socket);
    expect(await rejection(backend.wrapStreamSocket(socket))).toBeInstanceOf(InvalidStateError);
    expect(await rejection(backend.wrapStreamSocket(socket.fd))).toBeInstanceOf(BusyResourceError);
    const waiting = pairEnd();
    const scope = backend.openCancelScope();
    const readable = scope.run(() => waiting.readable());
    expect(await isPending(readable)).toBe(true);
    expect(await rejection(backend.wrapStreamSocket(waiting))).toBeInstanceOf(BusyResourceError);
    scope.cancel();
    await readable;
    waiting.close();
    expect(await rejection(backend.wrapStreamSocket(waiting))).toBeInstanceOf(ClosedResourceError);
  });

  it('wrap a listening fd of node:net, and a bound datagram socket', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const borrowed = Socket.fromFd(fd);
    const listener = track(await backend.wrapListenerSocket(borrowed.dup()));
    borrowed.detach();
    server.close();
    await once(server, 'close');
    const client = await connectTo(portOf(listener));
    const accepted = await acceptOne(listener);
    expect(accepted.extra(SocketAttribute.remoteAddress)).toEqual(
      client.extra(SocketAttribute.localAddress),
    );

    const bound = Socket.create(AF_INET, SOCK_DGRAM);
    bound.bind({ address: '127.0.0.1', port: 0, family: 'IPv4' });
    const datagrams = track(await backend.wrapDatagramListenerSocket(bound));
    const endpoint = track(await backend.createUdpEndpoint('127.0.0.1', portOf(datagrams)));
    await endpoint.send(Buffer.from('hi'));
    const scope = backend.openCancelScope();
    await scope.run(() =>
      datagrams.serve((data) => {
        expect(Buffer.from(data).toString()).toBe('hi');
        scope.cancel();
      }),
    );
    const connected = Socket.create(AF_INET, SOCK_DGRAM);
    connected.connect({ address: '127.0.0.1', port: portOf(datagrams), family: 'IPv4' });
    await track(await backend.wrapConnectedDatagramSocket(connected)).send(Buffer.from('x'));
  });
});

describe('listenersFromEnvironment', () => {
  /**
   * Python plays the service manager: it makes the sockets, puts them at the fds 3, 4, ..., and
   * runs Node.js by exec, in the same process.
   */
  const manager = `
import os, socket, sys
sockets = eval(sys.argv[1])
high = [os.dup(s.fileno()) for s in sockets]
for s in sockets: s.close()
high = [os.dup2(fd, 50 + i) for i, fd in enumerate(high)]
os.closerange(3, 50)
for i, fd in enumerate(high): os.dup2(fd, 3 + i); os.set_inheritable(3 + i, True)
env = dict(os.environ, LISTEN_FDS=sys.argv[2].replace('N', str(len(high))), LISTEN_PID=str(os.getpid()) if sys.argv[3] == 'own' else '1', LISTEN_FDNAMES=sys.argv[4])
if sys.argv[4] == '-': del env['LISTEN_FDNAMES']
os.execvpe(sys.argv[5], sys.argv[5:], env)
`;

  async function activate(
    sockets: string,
    program: string,
    options: { count?: string; pid?: string; names?: string } = {},
  ): Promise<unknown> {
    const { count = 'N', pid = 'own', names = '-' } = options;
    const source = `import { newBuiltinBackend, SocketAttribute } from 'sockscope';
const backend = newBuiltinBackend('native');
const found = await backend.listenersFromEnvironment().catch((error) => error);
${program}`;
    const outcome = await run('python3', {
      args: [
        '-c',
        manager,
        sockets,
        count,
        pid,
        names,
        process.execPath,
        '--input-type=module',
        '-e',
        source,
      ],
    });
    expect(outcome.stderr).toBe('');
    return JSON.parse(outcome.stdout);
  }

  const tcp = `socket.create_server(('127.0.0.1', 0))`;
  const udp = `(lambda s: (s.bind(('127.0.0.1', 0)), s)[1])(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))`;

  it('returns the passed listeners in order, with names, and removes the variables', async () => {
    const result = await activate(
      `[${tcp}, ${udp}]`,
      `const left = Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'));
       const again = await backend.listenersFromEnvironment();
       const addresses = found.map(({ listener }) => listener.extra(SocketAttribute.localAddress).address);
       const [web] = found;
       let echoed;
       await backend.createTaskGroup().run(async (group) => {
         group.startSoon(() => web.listener.serve(async (connection) => { await connection.sendAll(Buffer.from('served')); await connection.aclose(); }));
         const client = await backend.createTcpConnection('127.0.0.1', web.listener.extra(SocketAttribute.localAddress).port);
         echoed = Buffer.from(await client.recv(100)).toString();
         await client.aclose();
         group.cancelScope.cancel();
       });
       console.log(JSON.stringify({ kinds: found.map(({ name, kind }) => [name, kind]), left, again: again.length, addresses, echoed }));
       for (const { listener } of found) await listener.aclose();`,
      { names: 'web:log' },
    );
    expect(result).toEqual({
      kinds: [
        ['web', 'stream'],
        ['log', 'datagram'],
      ],
      left: [],
      again: 0,
      addresses: ['127.0.0.1', '127.0.0.1'],
      echoed: 'served',
    });
  });

  it('returns no listener of another process, and names nameless ones unknown', async () => {
    expect(
      await activate(
        `[${tcp}]`,
        `console.log(JSON.stringify([found.length, process.env.LISTEN_FDS]))`,
        { pid: 'other' },
      ),
    ).toEqual([0, '1']);
    expect(
      await activate(
        `[${tcp}]`,
        `console.log(JSON.stringify(found.map(({ name }) => name))); await found[0].listener.aclose()`,
      ),
    ).toEqual(['unknown']);
  });

  it('takes all fds or none, and the error names the fd that is no listener', async () => {
    const result = await activate(
      `[${tcp}, socket.socketpair()[0]]`,
      `console.log(JSON.stringify([found.code, found.message, process.env.LISTEN_FDS]));`,
      { names: 'good:bad' },
    );
    expect(result).toEqual([
      'ERR_INVALID_ARG_TYPE',
      expect.stringContaining('fd 4, "bad", is a connected stream socket'),
      '2',
    ]);
    expect(
      await activate(`[${tcp}]`, `console.log(JSON.stringify([found.code]))`, { count: 'many' }),
    ).toEqual(['ERR_INVALID_STATE']);
  });
});

describe('extra attributes', () => {
  it('describe the socket; after close, those without a system call remain', async () => {
    const listener = await listenTcp();
    const client = await connectTo(portOf(listener));
    const accepted = await acceptOne(listener);
    expect(client.extra(SocketAttribute.remoteAddress)).toEqual(
      listener.extra(SocketAttribute.localAddress),
    );
    expect(accepted.extra(SocketAttribute.remoteAddress)).toEqual(
      client.extra(SocketAttribute.localAddress),
    );
    expect(client.extra(SocketAttribute.family)).toBe(AF_INET);
    expect(client.backend()).toBe(backend);
    expect(client.extra(SocketAttribute.options).tcpInfo().state).toBe('ESTABLISHED');
    expect(() => listener.extra(SocketAttribute.remoteAddress)).toThrow(AttributeLookupError);
    expect(() => client.extra(SocketAttribute.peerCredentials)).toThrow(AttributeLookupError);
    expect(() => client.extra({ name: 'none of ours' })).toThrow(/does not have it/);
    const fallback = { address: '', port: 0, family: 'IPv4' } as InetAddress;
    expect(listener.extra(SocketAttribute.remoteAddress, fallback)).toBe(fallback);
    await client.aclose();
    expect(() => client.extra(SocketAttribute.localAddress)).toThrow(AttributeLookupError);
    expect(client.extra(SocketAttribute.remoteAddress, fallback)).toBe(fallback);
    expect(client.extra(SocketAttribute.family)).toBe(AF_INET);
  });

  it('peerCredentials are those of the process at the other end', async () => {
    const { transport, peer } = await withPython(
      'unix',
      'say([os.getpid(), os.getuid(), os.getgid()]); hear()',
    );
    const [pid, uid, gid] = await peer.hear<[number, number, number]>();
    expect(transport.extra(SocketAttribute.peerCredentials)).toEqual({ pid, uid, gid });
    const listener = track(await backend.createUnixStreamListener(shortSocketPath()));
    await connectTo(listener.extra(SocketAttribute.localAddress) as string);
    const accepted = await acceptOne(listener);
    expect(accepted.extra(SocketAttribute.peerCredentials)).toEqual({
      pid: process.pid,
      uid: process.getuid!(),
      gid: process.getgid!(),
    });
  });
});

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ancillaryBufferSize } from '#lib/socket/ancillary';
import { NativeSocket } from '#lib/socket/socket';
import { expectNoLeaks, openFdCount } from '../support/fds';
import * as kit from '../unit/socket/kit';
import { startPeer } from './socket-python';

expectNoLeaks();

const folder = mkdtempSync(join(tmpdir(), 'ss-fds-'));
const file = join(folder, 'file');
writeFileSync(file, 'what the file holds');
afterAll(() => rmSync(folder, { recursive: true }));

const kinds = [
  ['stream', kit.SOCK_STREAM],
  ['datagram', kit.SOCK_DGRAM],
  ['seqpacket', kit.SOCK_SEQPACKET],
] as const;
const own = { pid: process.pid, uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };

/** Starts a python program that has the other end of the pair as `us`. */
function startWithPair(
  type: number,
  program: string,
): { socket: NativeSocket; peer: ReturnType<typeof startPeer> } {
  const [socket, other] = kit.pair(type);
  // Both ends are non-blocking. Python inherits the open file, and so a non-blocking socket, until
  // the program calls setblocking.
  const peer = startPeer(`us = socket.socket(fileno=3)\nus.setblocking(True)\n${program}`, {
    fds: [other.fd],
  });
  other.close();
  return { socket, peer };
}

describe.each(kinds)('fds in a %s', (_name, type) => {
  it('are sent to python: a file and a live connection', async () => {
    const { socket, peer } = startWithPair(
      type,
      `
data, fds, flags, _ = socket.recv_fds(us, 100, 4)
with os.fdopen(fds[0]) as text: say([data.decode(), text.read(), len(fds)])
connection = socket.socket(fileno=fds[1])
connection.setblocking(True)
connection.sendall(b'from python')
connection.close()
`,
    );
    const [near, far] = kit.pair();
    const fd = openSync(file, 'r');
    const before = openFdCount();
    expect(
      socket.sendmsg([Buffer.from('two '), Buffer.from('fds')], {
        ancillary: { fds: [fd, far.fd] },
      }),
    ).toBe(8 - 1);
    expect(openFdCount()).toBe(before);
    closeSync(fd);
    far.close();
    expect(await peer.hear()).toEqual(['two fds', 'what the file holds', 2]);
    expect((await kit.receiveExactly(near, 11)).toString()).toBe('from python');
    await near.readable();
    expect(near.recv(Buffer.alloc(1))).toBe(0);
    await peer.end();
  });

  it('are received from python: a file and a listening socket', async () => {
    const { socket, peer } = startWithPair(
      type,
      `
listener = socket.create_server(('127.0.0.1', 0))
with open(sys.argv[1]) as text: socket.send_fds(us, [b'two ', b'fds'], [text.fileno(), listener.fileno()])
listener.close()
hear()
`.replace('sys.argv[1]', JSON.stringify(file)),
    );
    await socket.readable();
    const buffer = Buffer.alloc(100);
    const message = socket.recvmsg([buffer], ancillaryBufferSize(2));
    expect(message).toMatchObject({
      bytes: 7,
      ancillary: { fds: [expect.any(Number), expect.any(Number)] },
    });
    const [textFd = -1, listenerFd = -1] = message?.ancillary.fds ?? [];
    expect(readFileSync(textFd, 'latin1')).toBe('what the file holds');
    closeSync(textFd);
    expect(kit.fdFlags(listenerFd)).toEqual({ nonBlocking: false, closeOnExec: true });
    const listener = kit.track(NativeSocket.fromFd(listenerFd));
    expect(kit.fdFlags(listenerFd)).toEqual({ nonBlocking: true, closeOnExec: true });
    expect(listener).toMatchObject({ family: kit.AF_INET, type: kit.SOCK_STREAM });
    const client = await kit.connected(kit.AF_INET, kit.SOCK_STREAM, listener.localAddress());
    const server = await kit.accepted(listener);
    expect(server.remoteAddress()).toEqual(client.localAddress());
    await peer.end();
  });

  it('that do not fit the control buffer do not leak, and the message is truncated', async () => {
    const { socket, peer } = startWithPair(
      type,
      `
with open(${JSON.stringify(file)}) as text: socket.send_fds(us, [b'x'], [text.fileno()] * 5)
hear()
`,
    );
    await socket.readable();
    const before = openFdCount();
    const message = socket.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(2));
    expect(message?.ancillary.truncated).toBe(true);
    expect((message?.flags ?? 0) & kit.constant('MSG_CTRUNC')).not.toBe(0);
    expect(message?.ancillary.fds).toHaveLength(2);
    expect(openFdCount()).toBe(before + 2);
    message?.ancillary.fds?.forEach(closeSync);
    await peer.end();
  });
});

describe.each(kinds)('credentials in a %s', (_name, type) => {
  it('are sent to python', async () => {
    const { socket, peer } = startWithPair(
      type,
      `
us.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
say('ready')
for _ in range(2):
    data, ancillary, flags, _ = us.recvmsg(100, 100)
    say([[level, kind, struct.unpack('3i', content)] for level, kind, content in ancillary])
`,
    );
    await peer.hear();
    const expected = [
      [kit.SOL_SOCKET, kit.constant('SCM_CREDENTIALS'), [own.pid, own.uid, own.gid]],
    ];
    socket.send(Buffer.from('x'));
    expect(await peer.hear()).toEqual(expected);
    socket.sendmsg([Buffer.from('x')], { ancillary: { credentials: { ...own, pid: 0 } } });
    expect(await peer.hear()).toEqual(expected);
    await peer.end();
  });

  it('are received from python, together with fds', async () => {
    const { socket, peer } = startWithPair(
      type,
      `
hear()
us.send(b'x')
with open(${JSON.stringify(file)}) as text: socket.send_fds(us, [b'x'], [text.fileno()])
hear()
`,
    );
    socket.setsockopt(kit.SOL_SOCKET, kit.constant('SO_PASSCRED'), true);
    peer.tell('ready');
    const credentials = { ...own, pid: peer.pid };
    await socket.readable();
    expect(socket.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(1, true))?.ancillary).toEqual({
      credentials,
    });
    await socket.readable();
    const ancillary = socket.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(1, true))?.ancillary;
    expect(ancillary).toEqual({ credentials, fds: [expect.any(Number)] });
    ancillary?.fds?.forEach(closeSync);
    await peer.end();
  });
});

describe('other control messages', () => {
  it('are received as raw bytes: the time of arrival, and the destination address', async () => {
    const { socket, address } = kit.bound(kit.SOCK_DGRAM);
    const [IPPROTO_IP, IP_PKTINFO] = [kit.constant('IPPROTO_IP'), kit.constant('IP_PKTINFO')];
    socket.setsockopt(kit.SOL_SOCKET, kit.constant('SO_TIMESTAMP'), true);
    socket.setsockopt(IPPROTO_IP, IP_PKTINFO, true);
    const peer = startPeer(
      `make(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', hear()))`,
    );
    peer.tell(address.port);
    await socket.readable();
    const { messages = [] } = socket.recvmsg([Buffer.alloc(1)], 200)?.ancillary ?? {};
    const data = (level: number, type: number): Uint8Array | undefined =>
      messages.find((message) => message.level === level && message.type === type)?.data;
    const stamp = data(kit.SOL_SOCKET, kit.constant('SCM_TIMESTAMP'));
    const seconds = Number(new BigInt64Array((stamp as Uint8Array).slice().buffer)[0]);
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(60);
    // struct in_pktinfo: interface, local address, destination.
    expect(data(IPPROTO_IP, IP_PKTINFO)?.subarray(8)).toEqual(Uint8Array.of(127, 0, 0, 1));
    await peer.end();
  });

  it('are sent as raw bytes: python sees the type of service that was asked for', async () => {
    const peer = startPeer(`
server = make(socket.AF_INET, socket.SOCK_DGRAM, ['127.0.0.1', 0])
server.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
say(server.getsockname()[1])
_, ancillary, _, _ = server.recvmsg(10, 100)
say([list(content) for level, kind, content in ancillary if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS)])
`);
    const address = {
      address: '127.0.0.1',
      port: await peer.hear<number>(),
      family: 'IPv4',
    } as const;
    const messages = [
      {
        level: kit.constant('IPPROTO_IP'),
        type: kit.constant('IP_TOS'),
        data: new Uint8Array(Int32Array.of(0x10).buffer),
      },
    ];
    kit
      .create(kit.AF_INET, kit.SOCK_DGRAM)
      .sendmsg([Buffer.from('x')], { address, ancillary: { messages } });
    expect(await peer.hear()).toEqual([[0x10]]);
    await peer.end();
  });
});

describe('SO_PEERCRED', () => {
  it('returns the credentials of the listening and of the connected process', async () => {
    const { socket: listener, address } = kit.listening(kit.AF_UNIX);
    const peer = startPeer(`
connection = make(socket.AF_UNIX, socket.SOCK_STREAM)
connection.connect(hear())
say(struct.unpack('3i', connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))
hear()
`);
    peer.tell(address);
    const server = await kit.accepted(listener);
    const ucred = server.getsockopt(kit.SOL_SOCKET, kit.constant('SO_PEERCRED'), 12);
    expect([...new Int32Array(ucred.slice().buffer)]).toEqual([peer.pid, own.uid, own.gid]);
    expect(await peer.hear()).toEqual([own.pid, own.uid, own.gid]);
    await peer.end();
  });
});

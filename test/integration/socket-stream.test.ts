import type { NativeSocket } from '#lib/socket/socket';
import { describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import * as kit from '../unit/socket/kit';
import { pattern } from '../unit/socket/memory';
import {
  borrowPeer,
  endBorrowedPeer,
  fromWire,
  places,
  startPeer,
  toWire,
  type WireAddress,
} from './socket-python';

expectNoLeaks();
endBorrowedPeer();

const data = Buffer.from(pattern(1 << 20).buffer);

/** Sends data that the peer echoes, ends the stream, and waits for the peer's last message. */
async function converse(socket: NativeSocket): Promise<void> {
  const [echo] = await Promise.all([
    kit.receiveExactly(socket, data.length),
    kit.sendAll(socket, data),
  ]);
  expect(echo.equals(data)).toBe(true);
  socket.shutdown('write');
  expect((await kit.receiveExactly(socket, 3)).toString()).toBe('end');
  await socket.readable();
  expect(socket.recv(Buffer.alloc(1))).toBe(0);
}

const echoThenEnd = `
while data := connection.recv(65536): connection.sendall(data)
connection.sendall(b'end')
connection.close()
`;

describe.each(places)('a stream to %s', (_what, family, address) => {
  it('works with a python server', async () => {
    const peer = borrowPeer(`
listener = make(*hear())
listener.listen()
say(to_wire(listener.getsockname()))
connection, client = listener.accept()
say(to_wire(client))
${echoThenEnd}`);
    peer.tell([family, kit.SOCK_STREAM, toWire(address())]);
    const server = fromWire(await peer.hear<WireAddress>());
    const socket = kit.create(family, kit.SOCK_STREAM);
    // A client may be bound to a name too.
    if (family === kit.AF_UNIX) socket.bind('');
    if (!socket.connect(server)) await socket.writable();
    expect(socket.remoteAddress()).toEqual(server);
    expect(socket.localAddress()).toEqual(fromWire(await peer.hear<WireAddress>()));
    await converse(socket);
    await peer.end();
  });

  it('works with a python client', async () => {
    const listener = kit.create(family, kit.SOCK_STREAM);
    listener.bind(address());
    listener.listen();
    const peer = borrowPeer(`
family, server = hear()
connection = make(family, socket.SOCK_STREAM)
connection.connect(from_wire(server))
say(to_wire(connection.getsockname()))
say(to_wire(connection.getpeername()))
${echoThenEnd}`);
    peer.tell([family, toWire(listener.localAddress())]);
    const socket = await kit.accepted(listener);
    expect(socket.remoteAddress()).toEqual(fromWire(await peer.hear<WireAddress>()));
    expect(fromWire(await peer.hear<WireAddress>())).toEqual(listener.localAddress());
    await converse(socket);
    await peer.end();
  });
});

describe.each(places.filter(([, family]) => family === kit.AF_UNIX))(
  'a seqpacket connection to %s',
  (_what, family, address) => {
    const sizes = [1, 10, 5000, 100_000, 3];
    const buffer = Buffer.alloc(200_000);

    async function exchange(socket: NativeSocket): Promise<void> {
      for (const size of sizes) {
        const packet = data.subarray(size, 2 * size);
        expect(socket.sendmsg([packet.subarray(0, 1), packet.subarray(1)])).toBe(size);
      }
      for (const size of sizes) {
        await socket.readable();
        const message = socket.recvmsg([buffer]);
        expect(message).toMatchObject({ bytes: size });
        expect((message?.flags ?? 0) & kit.constant('MSG_TRUNC')).toBe(0);
        expect(buffer.subarray(0, size).equals(data.subarray(size, 2 * size))).toBe(true);
      }
      socket.shutdown('write');
      await socket.readable();
      expect(socket.recv(buffer)).toBe(0);
    }
    const echoPackets = `
while data := connection.recv(200000): connection.send(data)
connection.close()
`;

    it('works with a python server', async () => {
      const peer = borrowPeer(`
listener = make(*hear())
listener.listen()
say(to_wire(listener.getsockname()))
connection, _ = listener.accept()
${echoPackets}`);
      peer.tell([family, kit.SOCK_SEQPACKET, toWire(address())]);
      await exchange(
        await kit.connected(family, kit.SOCK_SEQPACKET, fromWire(await peer.hear<WireAddress>())),
      );
      await peer.end();
    });

    it('works with a python client', async () => {
      const listener = kit.create(family, kit.SOCK_SEQPACKET);
      listener.bind(address());
      listener.listen();
      const peer = borrowPeer(`
family, server = hear()
connection = make(family, socket.SOCK_SEQPACKET)
connection.connect(from_wire(server))
${echoPackets}`);
      peer.tell([family, toWire(listener.localAddress())]);
      const socket = await kit.accepted(listener);
      expect(socket.type).toBe(kit.SOCK_SEQPACKET);
      await exchange(socket);
      await peer.end();
    });
  },
);

describe('a python peer that breaks the connection', () => {
  it('fails a call with ECONNRESET, and later sends with EPIPE', async () => {
    const { socket: listener, address } = kit.listening();
    const peer = borrowPeer(`
connection = make(socket.AF_INET, socket.SOCK_STREAM)
connection.connect(from_wire(hear()))
connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
hear()
connection.close()
`);
    peer.tell(toWire(address));
    const socket = await kit.accepted(listener);
    const ready = socket.readable();
    peer.tell('now');
    await ready;
    expect(kit.thrown(() => socket.recv(Buffer.alloc(1)))).toMatchObject({
      code: 'ECONNRESET',
      errno: -104,
      syscall: 'recv',
    });
    expect(kit.thrown(() => socket.send(Buffer.alloc(1)))).toMatchObject({
      code: 'EPIPE',
      errno: -32,
      syscall: 'send',
    });
    await peer.end();
  });

  it('ends the stream when python is killed', async () => {
    const { socket: listener, address } = kit.listening(kit.AF_UNIX);
    await using peer = startPeer(`
connection = make(socket.AF_UNIX, socket.SOCK_STREAM)
connection.connect(from_wire(hear()))
connection.send(b'last words')
hear()
`);
    peer.tell(toWire(address));
    const socket = await kit.accepted(listener);
    expect((await kit.receiveExactly(socket, 10)).toString()).toBe('last words');
    const ready = socket.readable();
    peer.kill();
    await ready;
    expect(socket.recv(Buffer.alloc(1))).toBe(0);
  });
});

describe('urgent data', () => {
  it('is sent and received out of band (tcp(7))', async () => {
    const { socket: listener, address } = kit.listening();
    const peer = borrowPeer(`
connection = make(socket.AF_INET, socket.SOCK_STREAM)
connection.connect(from_wire(hear()))
connection.send(b'a')
connection.send(b'!', socket.MSG_OOB)
poll = select.poll()
poll.register(connection, select.POLLPRI)
poll.poll(10000)
say(connection.recv(1, socket.MSG_OOB).decode())
hear()
`);
    peer.tell(toWire(address));
    const socket = await kit.accepted(listener);
    const MSG_OOB = kit.constant('MSG_OOB');
    expect((await kit.receiveExactly(socket, 1)).toString()).toBe('a');
    expect(socket.send(Buffer.from('?'), MSG_OOB)).toBe(1);
    expect(await peer.hear()).toBe('?');
    const urgent = Buffer.alloc(1);
    expect(socket.recv(urgent, MSG_OOB)).toBe(1);
    expect(urgent.toString()).toBe('!');
    await peer.end();
  });
});

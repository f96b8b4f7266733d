import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type AncillaryData,
  ancillaryBufferSize,
  closeReceivedFds,
  constants,
  SocketAttribute,
} from '#lib/index';
import { openFdCount } from '../support/fds';
import {
  abstractSocketName,
  backend,
  expectCleanEnd,
  fillUp,
  isPending,
  python,
  readExactly,
  rejection,
  shortSocketPath,
  track,
  turns,
  withPython,
} from './native-kit';

expectCleanEnd();

const receiveFds = `
def receive_fds(s, size, count):
    data, ancillary, flags, _ = s.recvmsg(size, socket.CMSG_SPACE(4 * count))
    fds = array.array('i')
    for level, type, value in ancillary:
        assert (level, type) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        fds.frombytes(value)
    return data, list(fds)
`;

describe('fds over a Unix stream', () => {
  it('are sent: the peer gets new fds for the same files', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `${receiveFds}
data, fds = receive_fds(peer, 100, 10)
say([data.decode(), [os.fstat(fd).st_ino for fd in fds]])`,
    );
    const files = [openSync('package.json', 'r'), openSync('README.md', 'r')];
    await transport.sendAllWithAncillary([Buffer.from('two '), Buffer.from('files')], {
      fds: files,
    });
    expect(await peer.hear()).toEqual(['two files', files.map((fd) => fstatSync(fd).ino)]);
    files.forEach((fd) => {
      closeSync(fd);
    });
    await peer.end();
  });

  it('are received with both methods, and belong to the caller', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `
r, w = os.pipe(); os.write(w, b'through the pipe')
for i in range(2):
    hear(); socket.send_fds(peer, [b'data'], [r])
hear()`,
    );
    const before = openFdCount();
    peer.tell(1);
    const first = await transport.recvWithAncillary(100, ancillaryBufferSize(1));
    expect(Buffer.from(first.data).toString()).toBe('data');
    peer.tell(2);
    const buffer = Buffer.alloc(100);
    const second = await transport.recvWithAncillaryInto(buffer, ancillaryBufferSize(4));
    expect(buffer.toString('utf8', 0, second.bytes)).toBe('data');
    const received: AncillaryData[] = [first.ancillary, second.ancillary];
    expect(received.map(({ fds }) => fds?.length)).toEqual([1, 1]);
    expect(openFdCount()).toBe(before + 2);
    const content = Buffer.alloc(7);
    readSync(second.ancillary.fds![0]!, content);
    expect(content.toString()).toBe('through');
    received.forEach(closeReceivedFds);
    expect(openFdCount()).toBe(before);
    peer.tell(3);
    await peer.end();
  });

  it('that do not fit the control buffer are closed: the message is truncated', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `socket.send_fds(peer, [b'x'], [0, 1, 2]); socket.send_fds(peer, [b'y'], [0]); hear()`,
    );
    const before = openFdCount();
    const { ancillary } = await transport.recvWithAncillary(1, ancillaryBufferSize(1));
    expect(ancillary.truncated).toBe(true);
    closeReceivedFds(ancillary);
    // A receive without a control buffer gets none.
    expect(Buffer.from(await transport.recv(10)).toString()).toBe('y');
    expect(openFdCount()).toBe(before);
    peer.tell(1);
    await peer.end();
  });

  it('are not taken by a cancelled receive', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `hear(); socket.send_fds(peer, [b'z'], [0]); hear()`,
    );
    const before = openFdCount();
    const scope = backend.openCancelScope();
    const waiting = scope.run(() => transport.recvWithAncillary(10, 64));
    expect(await isPending(waiting)).toBe(true);
    scope.cancel();
    await waiting;
    peer.tell(1);
    const { ancillary } = await transport.recvWithAncillary(10, 64);
    expect(ancillary.fds).toHaveLength(1);
    closeReceivedFds(ancillary);
    expect(openFdCount()).toBe(before);
    peer.tell(1);
    await peer.end();
  });

  it('need at least one byte of data: else the kernel would drop them silently', async () => {
    const { transport } = await withPython('unix', 'hear()');
    expect(await rejection(transport.sendAllWithAncillary([], { fds: [0] }))).toBeInstanceOf(
      RangeError,
    );
    expect(
      await rejection(transport.sendAllWithAncillary([new Uint8Array(0)], { fds: [0] })),
    ).toBeInstanceOf(RangeError);
    await transport.sendAllWithAncillary([], {});
    expect(
      await rejection(transport.sendAllWithAncillary([Uint8Array.of(1)], { fds: [-1] })),
    ).toBeInstanceOf(RangeError);
    expect(
      await rejection(transport.sendAllWithAncillary([Uint8Array.of(1)], { fds: [1_000_000] })),
    ).toMatchObject({ code: 'EBADF' });
  });

  it('wait for room in the kernel’s buffer, and are then sent once', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `${receiveFds}
size = hear(); got = 0
while got < size: got += len(peer.recv(min(size - got, 1 << 20)))
say(len(receive_fds(peer, 100, 4)[1]))`,
    );
    let sent = 0;
    const scope = backend.openCancelScope();
    const filling = scope.run(async () => {
      for (;;) {
        await transport.sendAll(new Uint8Array(1));
        sent++;
      }
    });
    for (let before = -1; before !== sent;) {
      before = sent;
      await turns(30);
    }
    scope.cancel();
    await filling;
    const sending = transport.sendAllWithAncillary(new Set([Buffer.from('fd')]), { fds: [0] });
    expect(await isPending(sending)).toBe(true);
    peer.tell(sent);
    await sending;
    expect(await peer.hear()).toBe(1);
    await peer.end();
  });
});

describe('sendAllWithAncillary', () => {
  it('sends one message; if the kernel takes a part, EMSGSIZE has its size', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `hear(); say(len(peer.recv(1 << 26, socket.MSG_WAITALL)))`,
    );
    const { scope, pending } = await fillUp(transport);
    expect(await rejection(transport.sendAllWithAncillary([Uint8Array.of(1)], {}))).toMatchObject({
      code: 'ERR_BUSY_RESOURCE',
    });
    scope.cancel();
    await pending;
    const other = await withPython(
      'unix',
      // If the peer read meanwhile, the kernel might have room for the whole message.
      `hear(); say(len(b''.join(iter(lambda: peer.recv(1 << 20), b''))))`,
    );
    const error = await rejection(
      other.transport.sendAllWithAncillary([new Uint8Array(8 * 1024 * 1024)], { fds: [0] }),
    );
    expect(error).toMatchObject({ code: 'EMSGSIZE', syscall: 'sendmsg' });
    await other.transport.aclose();
    other.peer.tell('all that will come is in the socket');
    expect(await other.peer.hear()).toBe((error as Error & { bytesSent: number }).bytesSent);
    await other.peer.end();
    peer.kill();
  });

  it('refuses more buffers than one message can have', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `say(len(b''.join(iter(lambda: peer.recv(1 << 20), b''))))`,
    );
    const pieces = Array.from({ length: 3000 }, () => Uint8Array.of(1));
    expect(await rejection(transport.sendAllWithAncillary(pieces, {}))).toMatchObject({
      code: 'EMSGSIZE',
      bytesSent: 1024,
    });
    await transport.aclose();
    expect(await peer.hear()).toBe(1024);
    await peer.end();
  });
});

describe('credentials over a Unix stream', () => {
  it('are received with SO_PASSCRED, and are those of the sender', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `say([os.getpid(), os.getuid(), os.getgid()]); hear(); peer.sendall(b'who am I'); hear()`,
    );
    const [pid, uid, gid] = await peer.hear<[number, number, number]>();
    transport
      .extra(SocketAttribute.socket)
      .setsockopt(constants['SOL_SOCKET']!, constants['SO_PASSCRED']!, true);
    peer.tell(1);
    const { data, ancillary } = await transport.recvWithAncillary(
      100,
      ancillaryBufferSize(0, true),
    );
    expect(Buffer.from(data).toString()).toBe('who am I');
    expect(ancillary).toEqual({ credentials: { pid, uid, gid } });
    peer.tell(1);
    await peer.end();
  });

  it('are sent, with a pid of 0 for this process', async () => {
    const { transport, peer } = await withPython(
      'unix',
      `
peer.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1); say('ready')
data, ancillary, flags, _ = peer.recvmsg(100, 100)
say(struct.unpack('iII', ancillary[0][2]))`,
    );
    await peer.hear();
    await transport.sendAllWithAncillary([Uint8Array.of(1)], {
      credentials: { pid: 0, uid: process.getuid!(), gid: process.getgid!() },
    });
    expect(await peer.hear()).toEqual([process.pid, process.getuid!(), process.getgid!()]);
    await peer.end();
  });
});

describe('names of Unix streams', () => {
  it('may be abstract, or bytes that are not UTF-8', async () => {
    const bytes = Buffer.concat([Buffer.from(shortSocketPath()), Buffer.from([0xff, 0xfe])]);
    for (const name of [abstractSocketName(), Buffer.from(abstractSocketName()), bytes]) {
      const peer = python(`
name = bytes(hear()); s = socket.socket(socket.AF_UNIX); s.connect(name); s.sendall(b'hello')
own = socket.socket(socket.AF_UNIX); own.bind(name + b'2'); own.listen(); say('listening'); c, _ = own.accept(); c.sendall(b'hello too'); c.close()`);
      const listener = track(await backend.createUnixStreamListener(name));
      const address = listener.extra(SocketAttribute.localAddress);
      expect(Buffer.from(address as Uint8Array).equals(Buffer.from(name))).toBe(true);
      const scope = backend.openCancelScope();
      const served = scope.run(() =>
        listener.serve(async (connection) => {
          await using accepted = connection;
          expect((await readExactly(accepted, 5)).toString()).toBe('hello');
          scope.cancel();
        }),
      );
      peer.tell([...Buffer.from(name)]);
      await served;
      await peer.hear();
      const client = await backend.createUnixStreamConnection(
        Buffer.concat([Buffer.from(name), Buffer.from('2')]),
      );
      expect((await readExactly(client, 9)).toString()).toBe('hello too');
      await client.aclose();
      await peer.end();
    }
  });

  it('are given to a client by localPath, and closing it removes the file', async () => {
    const { existsSync } = await import('node:fs');
    const [theirs, ours] = [shortSocketPath(), shortSocketPath()];
    const peer = python(`
s = socket.socket(socket.AF_UNIX); s.bind(hear()); s.listen(); say(1)
c, address = s.accept(); say(address); hear()`);
    peer.tell(theirs);
    await peer.hear();
    const transport = await backend.createUnixStreamConnection(theirs, { localPath: ours });
    expect(await peer.hear()).toBe(ours);
    expect(transport.extra(SocketAttribute.localAddress)).toBe(ours);
    expect(existsSync(ours)).toBe(true);
    await transport.aclose();
    expect(existsSync(ours)).toBe(false);
    peer.tell(1);
    await peer.end();
  });
});

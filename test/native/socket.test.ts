import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import { abstractSocketName, shortSocketPath } from '../support/socket-path';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  bound,
  closeAll,
  constant,
  decode,
  drain,
  EAGAIN,
  EBADF,
  EINVAL,
  inet,
  limits,
  localAddress,
  native,
  ok,
  outcome,
  pair,
  readiness,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  tcpPair,
  track,
  unix,
} from './kit';

expectNoLeaks();
afterEach(closeAll);

const onLinux = process.platform === 'linux';
const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
/** The flags of an open fd: proc(5). */
const flagsOf = (fd: number): number =>
  Number.parseInt(
    /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${String(fd)}`, 'utf8'))?.[1] ?? '',
    8,
  );

describe('socket', () => {
  it('makes a socket of the given family and type', () => {
    const info = new Int32Array(3);
    for (const [family, type] of [
      [AF_INET, SOCK_STREAM],
      [AF_INET6, SOCK_DGRAM],
      [AF_UNIX, constant('SOCK_SEQPACKET')],
    ] as const) {
      const fd = socket(family, type);
      ok(native.release(fd));
      ok(native.adopt(fd, info));
      expect([...info.subarray(0, 2)]).toEqual([family, type]);
    }
  });

  it('reports families, types and protocols that the kernel does not have', () => {
    expect(outcome(native.socket(AF_INET, SOCK_STREAM, constant('IPPROTO_UDP')))).toBe(
      'EPROTONOSUPPORT',
    );
    expect(outcome(native.socket(9999, SOCK_STREAM, 0))).toBe('EAFNOSUPPORT');
    expect(native.socket(AF_INET, 9999, 0)).toBeLessThan(0);
  });

  it.runIf(onLinux)('is non-blocking and close-on-exec, whichever call made it', async () => {
    const [client, server] = await tcpPair();
    const fds = [...pair(), socket(AF_INET, SOCK_DGRAM), client, server, track(native.dup(client))];
    for (const fd of fds)
      expect(flagsOf(fd) & (O_CLOEXEC | O_NONBLOCK)).toBe(O_CLOEXEC | O_NONBLOCK);
    const seen = execFileSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
    const inodes = fds.map(
      (fd) =>
        /socket:\[\d+\]/.exec(
          execFileSync('readlink', [`/proc/${String(process.pid)}/fd/${String(fd)}`], {
            encoding: 'utf8',
          }),
        )?.[0],
    );
    for (const inode of inodes) expect(seen).not.toContain(inode);
  });
});

describe('socketpair', () => {
  it('connects two sockets, and returns both or none', () => {
    const [left, right] = pair();
    ok(native.send(left, Buffer.from('x'), 0, 0));
    expect(drain(right).toString()).toBe('x');
    const fds = Int32Array.of(-5, -6);
    expect(outcome(native.socketpair(AF_INET, SOCK_STREAM, 0, fds))).toBe('ENOTSUP');
    expect([...fds]).toEqual([-5, -6]);
  });
});

describe('adopt', () => {
  const info = new Int32Array(3);

  it('takes ownership of an open fd, and returns its family, type and protocol', () => {
    const listener = bound(SOCK_STREAM);
    ok(native.listen(listener, 1));
    ok(native.release(listener));
    const before = native.ownedCount();
    ok(native.adopt(listener, info));
    expect([...info]).toEqual([AF_INET, SOCK_STREAM, constant('IPPROTO_TCP')]);
    expect(native.ownedCount()).toBe(before + 1);
  });

  it.runIf(onLinux)('makes the fd non-blocking and close-on-exec', () => {
    const script = `const { nativeBinding } = require('./dist/binding.js'); const fs = require('node:fs');
      const native = nativeBinding(); const info = new Int32Array(3);
      const status = native.adopt(3, info);
      console.log(JSON.stringify([status, info[0], info[1], /flags:\\s*(\\d+)/.exec(fs.readFileSync('/proc/self/fdinfo/3', 'utf8'))[1]]));`;
    const fd = socket(AF_INET, SOCK_DGRAM);
    const child = spawnSync(process.execPath, ['-e', script], {
      stdio: ['ignore', 'pipe', 'inherit', fd],
      encoding: 'utf8',
    });
    const [status, family, type, flags] = JSON.parse(child.stdout) as [
      number,
      number,
      number,
      string,
    ];
    expect([status, family, type]).toEqual([0, AF_INET, SOCK_DGRAM]);
    expect(Number.parseInt(flags, 8) & (O_CLOEXEC | O_NONBLOCK)).toBe(O_CLOEXEC | O_NONBLOCK);
  });

  it('refuses an fd that is no socket, is not open, or is owned already', () => {
    const file = openSync(process.execPath, 'r');
    expect(outcome(native.adopt(file, info))).toBe('ENOTSOCK');
    closeSync(file);
    expect(outcome(native.adopt(file, info))).toBe('EBADF');
    expect(outcome(native.adopt(-1, info))).toBe('EBADF');
    expect(outcome(native.adopt(2_000_000_000, info))).toBe('EBADF');
    const [left] = pair();
    expect(outcome(native.adopt(left, info))).toBe('EEXIST');
  });
});

describe('close and release', () => {
  it('act on owned fds only', () => {
    const file = openSync(process.execPath, 'r');
    expect(native.close(file)).toBe(EBADF);
    expect(native.release(file)).toBe(EBADF);
    expect(() => closeSync(file)).not.toThrow();
    for (const fd of [-1, 0, 1_000_000_000]) expect(native.close(fd)).toBe(EBADF);
  });

  it('close an fd once: a second close returns UV_EBADF', () => {
    const [left, right] = pair();
    expect(native.close(left)).toBe(0);
    expect(native.close(left)).toBe(EBADF);
    expect(native.recv(left, Buffer.alloc(1), 0)).toBe(EBADF);
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(0);
  });

  it('release leaves the fd open, and its caller closes it', () => {
    const [left, right] = pair();
    ok(native.release(left));
    expect(native.close(left)).toBe(EBADF);
    expect(native.send(left, Buffer.from('still here'), 0, 0)).toBe(10);
    closeSync(left);
    expect(drain(right).toString()).toBe('still here');
  });

  it('are counted by ownedCount', () => {
    const before = native.ownedCount();
    const fds = Array.from({ length: 300 }, () => socket(AF_INET, SOCK_DGRAM));
    expect(native.ownedCount()).toBe(before + 300);
    for (const fd of fds.slice(0, 100)) ok(native.release(fd));
    expect(native.ownedCount()).toBe(before + 200);
    for (const fd of fds.slice(0, 100)) closeSync(fd);
    for (const fd of fds.slice(100)) ok(native.close(fd));
    expect(native.ownedCount()).toBe(before);
  });
});

describe('dup', () => {
  it('makes a second fd of the same socket, with an owner of its own', () => {
    const [left, right] = pair();
    const copy = ok(native.dup(left));
    expect(copy).not.toBe(left);
    ok(native.close(left));
    ok(native.send(copy, Buffer.from('x'), 0, 0));
    expect(drain(right).toString()).toBe('x');
    ok(native.close(copy));
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(0);
    expect(native.dup(copy)).toBe(EBADF);
  });
});

describe('bind, listen, connect and accept', () => {
  it('connect over TCP', async () => {
    const listener = bound(SOCK_STREAM);
    ok(native.listen(listener, 5));
    expect(native.accept(listener)).toBe(EAGAIN);
    const { bytes, length } = localAddress(listener);
    const client = socket(AF_INET, SOCK_STREAM);
    expect([0, constant('UV_EINPROGRESS')]).toContain(native.connect(client, bytes, length));
    await readiness(client, 2);
    await readiness(listener, 1);
    const server = track(native.accept(listener));
    const peer = new Uint8Array(limits.sockaddrMax);
    const peerLength = ok(native.getpeername(server, peer));
    expect(decode({ bytes: peer, length: peerLength })).toEqual(decode(localAddress(client)));
    ok(native.send(client, Buffer.from('ping'), 0, 0));
    await readiness(server, 1);
    expect(drain(server).toString()).toBe('ping');
  });

  it('connect over Unix paths and abstract names', async () => {
    for (const path of [shortSocketPath(), ...(onLinux ? [abstractSocketName()] : [])]) {
      const { bytes, length } = unix(path);
      const listener = socket(AF_UNIX, SOCK_STREAM);
      ok(native.bind(listener, bytes, length));
      ok(native.listen(listener, 1));
      const client = socket(AF_UNIX, SOCK_STREAM);
      ok(native.connect(client, bytes, length));
      await readiness(listener, 1);
      const server = track(native.accept(listener));
      const name = new Uint8Array(limits.sockaddrMax);
      expect(
        Buffer.compare(
          name.subarray(0, ok(native.getpeername(client, name))),
          bytes.subarray(0, length),
        ),
      ).toBe(0);
      expect(native.getpeername(server, name)).toBe(limits.unixPathOffset);
      rmSync(path.replaceAll('\0', '@'), { force: true });
    }
  });

  it('return the codes of the kernel', async () => {
    const first = bound(SOCK_STREAM);
    const { bytes, length } = localAddress(first);
    const second = socket(AF_INET, SOCK_STREAM);
    ok(native.listen(first, 1));
    expect(outcome(native.bind(second, bytes, length))).toBe('EADDRINUSE');
    expect(outcome(native.bind(second, bytes, 3))).toBe('EINVAL');
    expect(
      outcome(
        native.connect(
          socket(AF_UNIX, SOCK_STREAM),
          ...(Object.values(unix(shortSocketPath())) as [Uint8Array, number]),
        ),
      ),
    ).toBe('ENOENT');
    expect(outcome(native.listen(socket(AF_INET, SOCK_DGRAM), 1))).toBe('ENOTSUP');
    expect(outcome(native.accept(second))).toBe('EINVAL');
    expect(outcome(native.getpeername(second, new Uint8Array(limits.sockaddrMax)))).toBe(
      'ENOTCONN',
    );
    ok(native.close(first));
    // No socket listens there now.
    const status = native.connect(second, bytes, length);
    if (status === constant('UV_EINPROGRESS')) {
      await readiness(second, 2);
      const result = new Int32Array(1);
      ok(native.getsockoptInt(second, constant('SOL_SOCKET'), constant('SO_ERROR'), result));
      expect(outcome(-(result[0] ?? 0))).toBe('ECONNREFUSED');
    } else {
      expect(outcome(status)).toBe('ECONNREFUSED');
    }
  });

  it('refuse lengths beyond the view, and views that are too small for a name', () => {
    const fd = socket(AF_INET, SOCK_STREAM);
    const { bytes } = inet('127.0.0.1', 0);
    expect(native.bind(fd, bytes, limits.sockaddrMax + 1)).toBe(EINVAL);
    expect(native.bind(fd, bytes, -1)).toBe(EINVAL);
    expect(native.connect(fd, new Uint8Array(0), 16)).toBe(EINVAL);
    expect(native.getsockname(fd, new Uint8Array(limits.sockaddrMax - 1))).toBe(EINVAL);
  });
});

describe('shutdown', () => {
  it('ends one direction or both', () => {
    const [left, right] = pair();
    ok(native.shutdown(left, 1));
    expect(native.recv(right, Buffer.alloc(1), 0)).toBe(0);
    expect(outcome(native.send(left, Buffer.alloc(1), 0, 0))).toBe('EPIPE');
    ok(native.send(right, Buffer.alloc(1), 0, 0));
    ok(native.shutdown(left, 0));
    expect(outcome(native.send(right, Buffer.alloc(1), 0, 0))).toBe('EPIPE');
    expect(outcome(native.shutdown(socket(AF_INET, SOCK_STREAM), 2))).toBe('ENOTCONN');
    expect(native.shutdown(left, 3)).toBe(EINVAL);
  });
});

import { openSync, closeSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../support/fds';
import {
  AF_INET,
  AF_INET6,
  bound,
  closeAll,
  constant,
  EBADF,
  EINVAL,
  native,
  ok,
  outcome,
  pair,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
  tcpPair,
} from './kit';

expectNoLeaks();
afterEach(closeAll);

const result = new Int32Array(1);
const get = (fd: number, level: number, option: number): number => {
  ok(native.getsockoptInt(fd, level, option, result));
  return result[0] ?? 0;
};

describe('getsockoptInt and setsockoptInt', () => {
  it('read the value that was set', () => {
    const fd = socket(AF_INET, SOCK_STREAM);
    const [level, option] = [constant('IPPROTO_TCP'), constant('TCP_NODELAY')];
    expect(get(fd, level, option)).toBe(0);
    expect(native.setsockoptInt(fd, level, option, 1)).toBe(0);
    expect(get(fd, level, option)).toBe(1);
    ok(native.setsockoptInt(fd, SOL_SOCKET, constant('SO_RCVBUF'), 10_000));
    expect(get(fd, SOL_SOCKET, constant('SO_RCVBUF'))).toBeGreaterThanOrEqual(10_000);
    const v6 = socket(AF_INET6, SOCK_DGRAM);
    ok(native.setsockoptInt(v6, constant('IPPROTO_IPV6'), constant('IPV6_UNICAST_HOPS'), -1));
    expect(get(v6, constant('IPPROTO_IPV6'), constant('IPV6_UNICAST_HOPS'))).toBeGreaterThan(0);
  });

  it('read options of one byte', () => {
    const fd = socket(AF_INET, SOCK_DGRAM);
    const [level, option] = [constant('IPPROTO_IP'), constant('IP_MULTICAST_TTL')];
    expect(get(fd, level, option)).toBe(1);
    ok(native.setsockoptInt(fd, level, option, 200));
    expect(get(fd, level, option)).toBe(200);
  });

  it('return the codes of the kernel', () => {
    const fd = socket(AF_INET, SOCK_STREAM);
    expect(outcome(native.getsockoptInt(fd, SOL_SOCKET, 9999, result))).toBe('ENOPROTOOPT');
    expect(outcome(native.setsockoptInt(fd, constant('IPPROTO_TCP'), 9999, 1))).toBe('ENOPROTOOPT');
    expect(outcome(native.setsockoptInt(fd, SOL_SOCKET, constant('SO_LINGER'), 1))).toBe('EINVAL');
    expect(native.getsockoptInt(-1, 1, 1, result)).toBe(EBADF);
    const file = openSync(process.execPath, 'r');
    expect(outcome(native.getsockoptInt(file, SOL_SOCKET, constant('SO_TYPE'), result))).toBe(
      'ENOTSOCK',
    );
    closeSync(file);
  });
});

describe('getsockoptBytes and setsockoptBytes', () => {
  it('move structs, and return the size of the value', async () => {
    const [client] = await tcpPair();
    const linger = new Int32Array([1, 7]);
    expect(native.setsockoptBytes(client, SOL_SOCKET, constant('SO_LINGER'), linger)).toBe(0);
    const out = new Uint8Array(64);
    expect(native.getsockoptBytes(client, SOL_SOCKET, constant('SO_LINGER'), out)).toBe(8);
    expect([...new Int32Array(out.buffer, 0, 2)]).toEqual([1, 7]);
    const info = new Uint8Array(1000);
    const length = ok(
      native.getsockoptBytes(client, constant('IPPROTO_TCP'), constant('TCP_INFO'), info),
    );
    expect(length).toBeGreaterThan(100);
    // tcpi_state: ESTABLISHED.
    expect(info[0]).toBe(1);
  });

  it('move nothing beyond the view', () => {
    const fd = socket(AF_INET, SOCK_STREAM);
    const memory = new Uint8Array(8).fill(0xaa);
    expect(native.getsockoptBytes(fd, SOL_SOCKET, constant('SO_TYPE'), memory.subarray(2, 4))).toBe(
      2,
    );
    expect([...memory]).toEqual([0xaa, 0xaa, SOCK_STREAM, 0, 0xaa, 0xaa, 0xaa, 0xaa]);
    expect(native.getsockoptBytes(fd, SOL_SOCKET, constant('SO_TYPE'), new Uint8Array(0))).toBe(0);
    expect(
      native.setsockoptBytes(fd, SOL_SOCKET, constant('SO_KEEPALIVE'), new Uint8Array(0)),
    ).toBe(EINVAL);
  });
});

describe('peerCredentials', () => {
  const credentials = new Int32Array(3);

  it('are those of the process at the other end', () => {
    const [left] = pair();
    expect(native.peerCredentials(left, credentials)).toBe(0);
    expect([...credentials]).toEqual([process.pid, process.getuid?.(), process.getgid?.()]);
  });

  it('fail without a peer, and for a family that has no credentials', () => {
    expect(
      outcome(native.peerCredentials(socket(constant('AF_UNIX'), SOCK_STREAM), credentials)),
    ).toBe('ENOTCONN');
    expect(native.peerCredentials(bound(SOCK_DGRAM), credentials)).toBeLessThan(0);
    expect(native.peerCredentials(-1, credentials)).toBe(EBADF);
  });
});

describe('unreadSize', () => {
  it('is the size of the next datagram, or of all unread bytes of a stream', async () => {
    const [left, right] = pair(SOCK_DGRAM);
    expect(native.unreadSize(right)).toBe(0);
    ok(native.send(left, Buffer.alloc(30), 0, 0));
    ok(native.send(left, Buffer.alloc(40), 0, 0));
    expect(native.unreadSize(right)).toBe(30);
    const [client, server] = await tcpPair();
    ok(native.send(client, Buffer.alloc(1234), 0, 0));
    expect(native.unreadSize(server)).toBe(1234);
  });

  it('is a negative code for a listener, and for an fd that is not open', () => {
    const listener = bound(SOCK_STREAM);
    ok(native.listen(listener, 1));
    expect(outcome(native.unreadSize(listener))).toBe('EINVAL');
    expect(native.unreadSize(-1)).toBe(EBADF);
    expect(outcome(native.unreadSize('1' as never))).toBe('EINVAL');
  });
});

describe('queueSizes', () => {
  const sizes = new Int32Array(2);

  it('count the unread and the unsent bytes', async () => {
    const [client, server] = await tcpPair();
    expect(native.queueSizes(server, sizes)).toBe(0);
    expect([...sizes]).toEqual([0, 0]);
    ok(native.send(client, Buffer.alloc(1234), 0, 0));
    ok(native.queueSizes(server, sizes));
    expect(sizes[0]).toBe(1234);
  });

  it('are those of the next datagram, and -1 for a listener', () => {
    const [left, right] = pair(SOCK_DGRAM);
    ok(native.send(left, Buffer.alloc(30), 0, 0));
    ok(native.send(left, Buffer.alloc(40), 0, 0));
    ok(native.queueSizes(right, sizes));
    expect(sizes[0]).toBe(30);
    const listener = bound(SOCK_STREAM);
    ok(native.listen(listener, 1));
    ok(native.queueSizes(listener, sizes));
    expect([...sizes]).toEqual([-1, -1]);
  });

  it('fail for an fd that is no socket', () => {
    expect(native.queueSizes(-1, sizes)).toBe(EBADF);
    const file = openSync('/dev/null', 'r');
    expect(outcome(native.queueSizes(file, sizes))).toBe('ENOTSOCK');
    closeSync(file);
  });
});

import { getSystemErrorName } from 'node:util';
import { nativeBinding } from '#lib/binding';

/** The binding, which the files in this folder test. */
export const native = nativeBinding();
export const { limits } = native;

/** A constant of this platform. */
export function constant(name: string): number {
  const value = native.constants[name];
  if (value === undefined) throw new Error(`no constant ${name} here`);
  return value;
}

export const AF_UNIX = constant('AF_UNIX');
export const AF_INET = constant('AF_INET');
export const AF_INET6 = constant('AF_INET6');
export const SOCK_STREAM = constant('SOCK_STREAM');
export const SOCK_DGRAM = constant('SOCK_DGRAM');
export const SOL_SOCKET = constant('SOL_SOCKET');
export const EAGAIN = constant('UV_EAGAIN');
export const EBADF = constant('UV_EBADF');
export const EINVAL = constant('UV_EINVAL');

/** The result of a call that has to succeed. */
export function ok(result: number): number {
  if (result < 0) throw new Error(`unexpected ${getSystemErrorName(result)}`);
  return result;
}

/** The name of the error code if the call failed, else its result. */
export function outcome(result: number): string | number {
  return result < 0 ? getSystemErrorName(result) : result;
}

const opened = new Set<number>();

/** Makes `closeAll` close the fd, unless a test closes it before. */
export function track(fd: number): number {
  opened.add(ok(fd));
  return fd;
}

/** For `afterEach`. */
export function closeAll(): void {
  for (const fd of opened) native.close(fd);
  opened.clear();
}

export function pair(type = SOCK_STREAM, family = AF_UNIX): [number, number] {
  const fds = new Int32Array(2);
  ok(native.socketpair(family, type, 0, fds));
  const [first = -1, second = -1] = fds;
  return [track(first), track(second)];
}

export function socket(family: number, type: number, protocol = 0): number {
  return track(native.socket(family, type, protocol));
}

/** A sockaddr as the binding takes it. */
export interface Sockaddr {
  readonly bytes: Uint8Array;
  readonly length: number;
}

export function inet(address: string, port: number, flowinfo = 0, scopeId = 0): Sockaddr {
  const bytes = new Uint8Array(limits.sockaddrMax);
  return { bytes, length: ok(native.encodeInet(bytes, address, port, flowinfo, scopeId)) };
}

export function unix(path: string | Uint8Array): Sockaddr {
  const bytes = new Uint8Array(limits.sockaddrMax);
  return { bytes, length: ok(native.encodeUnix(bytes, Buffer.from(path))) };
}

export function localAddress(fd: number): Sockaddr {
  const bytes = new Uint8Array(limits.sockaddrMax);
  return { bytes, length: ok(native.getsockname(fd, bytes)) };
}

/** [address, port, flowinfo, scopeId]. */
export function decode({ bytes, length }: Sockaddr): (string | number)[] {
  const fields = new Uint32Array(3);
  return [native.decodeInet(bytes, length, fields), ...fields];
}

/** A socket bound to a fresh port of 127.0.0.1. */
export function bound(type: number, family = AF_INET): number {
  const fd = socket(family, type);
  const address = inet(family === AF_INET ? '127.0.0.1' : '::1', 0);
  ok(native.bind(fd, address.bytes, address.length));
  return fd;
}

/** A connected pair of TCP sockets: [client, server]. */
export async function tcpPair(): Promise<[number, number]> {
  const listener = bound(SOCK_STREAM);
  ok(native.listen(listener, 1));
  const client = socket(AF_INET, SOCK_STREAM);
  const { bytes, length } = localAddress(listener);
  const status = native.connect(client, bytes, length);
  if (status !== constant('UV_EINPROGRESS')) ok(status);
  await readiness(listener, 1);
  const server = track(native.accept(listener));
  await readiness(client, 2);
  native.close(listener);
  opened.delete(listener);
  return [client, server];
}

/**
 * Waits until poll(2) reports the fd ready, over turns of the event loop. A loopback socket takes
 * one or two.
 */
export async function readiness(fd: number, events: number): Promise<number> {
  for (let turn = 0; turn < 10_000; turn++) {
    const ready = ok(native.poll(fd, events));
    if (ready !== 0) return ready;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`fd ${String(fd)} did not become ready`);
}

/** All bytes that a stream socket holds now. */
export function drain(fd: number): Buffer {
  const chunk = Buffer.alloc(65_536);
  const parts: Buffer[] = [];
  for (let count = native.recv(fd, chunk, 0); count > 0; count = native.recv(fd, chunk, 0))
    parts.push(Buffer.from(chunk.subarray(0, count)));
  return Buffer.concat(parts);
}

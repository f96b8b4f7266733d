import type { InetAddress, SocketAddress } from '#lib/contract/addresses';
import { readFileSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { afterEach, expect } from 'vitest';
import { CancelledError } from '#lib/errors';
import { type Context, contextStorage } from '#lib/waiting/context';
import { constants } from '#lib/socket/platform-constants';
import { NativeSocket } from '#lib/socket/socket';
import { shortSocketPath } from '../../support/socket-path';
import type { PendingOperation } from '#lib/waiting/wait-scope';

/** A constant of this platform. */
export function constant(name: string): number {
  const value = constants[name];
  if (value === undefined) throw new Error(`no constant ${name} here`);
  return value;
}

export const AF_INET = constant('AF_INET');
export const AF_INET6 = constant('AF_INET6');
export const AF_UNIX = constant('AF_UNIX');
export const SOCK_STREAM = constant('SOCK_STREAM');
export const SOCK_DGRAM = constant('SOCK_DGRAM');
export const SOCK_SEQPACKET = constant('SOCK_SEQPACKET');
export const SOL_SOCKET = constant('SOL_SOCKET');
export const SO_ERROR = constant('SO_ERROR');
export const SO_SNDBUF = constant('SO_SNDBUF');
export const SO_RCVBUF = constant('SO_RCVBUF');
/** As the binding returns it. */
export const EAGAIN = -osConstants.errno.EAGAIN;

const opened = new Set<NativeSocket>();

/** Closes the socket at the end of the test, if the test does not. */
export function track(socket: NativeSocket): NativeSocket {
  opened.add(socket);
  return socket;
}

afterEach(() => {
  for (const socket of opened) socket.close();
  opened.clear();
});

export const create = (family: number, type: number, protocol?: number): NativeSocket =>
  track(NativeSocket.create(family, type, protocol));

export function pair(type = SOCK_STREAM): [NativeSocket, NativeSocket] {
  const [left, right] = NativeSocket.pair(AF_UNIX, type);
  return [track(left), track(right)];
}

export const loopback = (family: number, port = 0): InetAddress =>
  family === AF_INET6
    ? { address: '::1', port, family: 'IPv6' }
    : { address: '127.0.0.1', port, family: 'IPv4' };

/** A socket bound to a fresh port of the loopback interface, and its address. */
export function bound(
  type: number,
  family = AF_INET,
): { socket: NativeSocket; address: InetAddress } {
  const socket = create(family, type);
  socket.bind(loopback(family));
  return { socket, address: socket.localAddress() as InetAddress };
}

export function listening(
  family = AF_INET,
  backlog?: number,
): { socket: NativeSocket; address: SocketAddress } {
  const address = family === AF_UNIX ? shortSocketPath() : loopback(family);
  const socket = create(family, SOCK_STREAM);
  socket.bind(address);
  socket.listen(backlog);
  return { socket, address: socket.localAddress() };
}

/** Waits for a connection, and accepts it. */
export async function accepted(listener: NativeSocket): Promise<NativeSocket> {
  await listener.readable();
  const socket = listener.accept();
  if (socket === null) throw new Error('the listener was readable, and there was no connection');
  return track(socket);
}

/** Connects, as a user does. */
export async function connected(
  family: number,
  type: number,
  address: SocketAddress,
): Promise<NativeSocket> {
  const socket = create(family, type);
  if (socket.connect(address)) return socket;
  await socket.writable();
  expect(socket.getsockopt(SOL_SOCKET, SO_ERROR)).toBe(0);
  return socket;
}

/** A TCP connection over the loopback interface: [client, server]. */
export async function tcpPair(family = AF_INET): Promise<[NativeSocket, NativeSocket]> {
  const { socket: listener, address } = listening(family);
  const client = await connected(family, SOCK_STREAM, address);
  const server = await accepted(listener);
  listener.close();
  return [client, server];
}

/** Sends until the kernel's buffer is full. @returns the number of bytes */
export function fill(socket: NativeSocket): number {
  const chunk = Buffer.alloc(65_536, 'x');
  let total = 0;
  for (let sent = socket.send(chunk); sent !== null; sent = socket.send(chunk)) total += sent;
  return total;
}

/** All bytes that a stream socket has received so far. */
export function drain(socket: NativeSocket): Buffer {
  const chunk = Buffer.alloc(65_536);
  const parts: Buffer[] = [];
  for (let count = socket.recv(chunk); count !== null && count > 0; count = socket.recv(chunk)) {
    parts.push(Buffer.from(chunk.subarray(0, count)));
  }
  return Buffer.concat(parts);
}

/** Receives exactly `length` bytes of a stream. */
export async function receiveExactly(socket: NativeSocket, length: number): Promise<Buffer> {
  const whole = Buffer.alloc(length);
  for (let offset = 0; offset < length;) {
    await socket.readable();
    const count = socket.recv(whole.subarray(offset));
    if (count === 0)
      throw new Error(`the stream ended after ${String(offset)} bytes of ${String(length)}`);
    offset += count ?? 0;
  }
  return whole;
}

/** Receives the next datagram, whole. */
export async function receiveDatagram(socket: NativeSocket): Promise<Buffer> {
  const buffer = Buffer.alloc(65_536);
  for (;;) {
    await socket.readable();
    const count = socket.recv(buffer);
    if (count !== null) return buffer.subarray(0, count);
  }
}

/** Sends all of `data`, and waits for room if needed. */
export async function sendAll(socket: NativeSocket, data: Uint8Array): Promise<void> {
  for (let offset = 0; offset < data.length;) {
    const sent = socket.send(data.subarray(offset));
    if (sent === null) await socket.writable();
    else offset += sent;
  }
}

/** Waits a few turns of the event loop. All events that are due now are delivered by then. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Whether a promise has settled, after a few turns of the event loop. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  await turns();
  return settled;
}

/** Spends the budget of this turn of the event loop, so that most of the next turn's is left. */
export async function renewBudget(writable: NativeSocket): Promise<void> {
  for (let i = 0; i < 300; i++) await writable.writable();
}

/** The flags of an open fd (proc_pid_fdinfo(5)): every fd of this library has both set. */
export function fdFlags(fd: number): { nonBlocking: boolean; closeOnExec: boolean } {
  const flags = parseInt(
    /^flags:\s*([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${String(fd)}`, 'latin1'))?.[1] ??
      '',
    8,
  );
  return { nonBlocking: (flags & 0o4000) !== 0, closeOnExec: (flags & 0o2000000) !== 0 };
}

/** The part of a cancel scope that a socket uses. */
export class FakeScope implements Context {
  cancellation: CancelledError | null = null;
  readonly isLeft = false;
  readonly operations = new Set<PendingOperation>();

  openAncestor(): undefined {
    return undefined;
  }

  link(operation: PendingOperation): void {
    this.operations.add(operation);
  }

  unlink(operation: PendingOperation): void {
    this.operations.delete(operation);
  }

  run<R>(fn: () => R): R {
    return contextStorage.run(this, fn);
  }

  cancel(): CancelledError {
    const reason = new CancelledError();
    this.cancellation = reason;
    for (const operation of [...this.operations]) operation.cancel(reason);
    return reason;
  }
}

/** The error that a call throws. */
export function thrown(call: () => unknown): Error & Record<string, unknown> {
  try {
    call();
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error('nothing was thrown');
}

/** The error that a promise rejects with. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<Error & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error('the promise was not rejected');
}

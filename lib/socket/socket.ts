import { inspect } from 'node:util';
import { checkBytes, readBytesList } from '../arguments/buffers';
import { checkChoice, checkInteger, checkOptions } from '../arguments/validate';
import { nativeBinding } from '../binding';
import type { SocketAddress } from '../contract/addresses';
import type { Bytes } from '../contract/bytes';
import type * as contract from '../contract/socket';
import type { ReceivedMessage, SendMessageOptions } from '../contract/socket';
import { EAGAIN, EEXIST, EINPROGRESS } from '../errno';
import { BusyResourceError, ClosedResourceError, systemError } from '../errors';
import { currentScope } from '../waiting/context';
import { cancelled, isCancelled, rejected } from '../waiting/operation';
import { decodeAddress, encodeAddress, errorTarget } from './address';
import { encodeAncillary } from './ancillary';
import { Descriptor, socketType } from './descriptor';
import { closeWhenCollected, forgetCollected } from './leaks';
import { receiveMessage, sendMessage } from './message';
import { Readiness } from './readiness';

const MAX_INT = 0x7fffffff;
const MIN_INT = -0x80000000;
const MAX_UNSIGNED = 0xffffffff;
/**
 * On Linux the type argument may carry flags (SOCK_NONBLOCK, SOCK_CLOEXEC). These bits hold the
 * type itself (socket(2)).
 */
const TYPE_MASK = 0xf;
const SHUTDOWN = { read: 0, write: 1, both: 2 } as const;

/** A socket of this package's addon. The contract's `Socket` documents it. */
export class NativeSocket implements contract.Socket {
  /** @internal */
  readonly descriptor: Descriptor;

  private constructor(descriptor: Descriptor) {
    this.descriptor = descriptor;
    closeWhenCollected(this, descriptor, 'A Socket');
  }

  static create(family: number, type: number, protocol = 0): NativeSocket {
    checkInteger('family', family, 0, MAX_INT);
    checkInteger('type', type, 0, MAX_INT);
    checkInteger('protocol', protocol, 0, MAX_INT);
    const fd = nativeBinding().socket(family, type, protocol);
    if (fd < 0) throw systemError(fd, 'socket');
    return new NativeSocket(new Descriptor(fd, socketType(family, type & TYPE_MASK, protocol)));
  }

  static fromFd(fd: number): NativeSocket {
    checkInteger('fd', fd, 0, MAX_INT);
    return new NativeSocket(adoptDescriptor(fd));
  }

  static pair(
    family: number = nativeBinding().constants['AF_UNIX'] as number,
    type: number = nativeBinding().constants['SOCK_STREAM'] as number,
  ): [NativeSocket, NativeSocket] {
    checkInteger('family', family, 0, MAX_INT);
    checkInteger('type', type, 0, MAX_INT);
    const fds = new Int32Array(2);
    const status = nativeBinding().socketpair(family, type, 0, fds);
    if (status < 0) throw systemError(status, 'socketpair');
    const [first, second] = fds as unknown as [number, number];
    const shared = socketType(family, type & TYPE_MASK, 0);
    return [
      new NativeSocket(new Descriptor(first, shared)),
      new NativeSocket(new Descriptor(second, shared)),
    ];
  }

  /** A socket for an existing descriptor, which it shares. @internal */
  static fromDescriptor(descriptor: Descriptor): NativeSocket {
    return new NativeSocket(descriptor);
  }

  get fd(): number {
    return this.descriptor.fd;
  }

  get family(): number {
    return this.descriptor.type.family;
  }

  get type(): number {
    return this.descriptor.type.type;
  }

  get protocol(): number {
    return this.descriptor.type.protocol;
  }

  bind(address: SocketAddress): void {
    const { bytes, length } = encodeAddress(address, 'bind');
    const status = nativeBinding().bind(this.#openFd(), bytes, length);
    if (status < 0) throw systemError(status, 'bind', errorTarget(address));
  }

  listen(backlog = 511): void {
    checkInteger('backlog', backlog, 0, MAX_INT);
    const status = nativeBinding().listen(this.#openFd(), backlog);
    if (status < 0) throw systemError(status, 'listen');
  }

  connect(address: SocketAddress): boolean {
    const { bytes, length } = encodeAddress(address, 'connect');
    const status = nativeBinding().connect(this.#openFd(), bytes, length);
    if (status === EINPROGRESS) return false;
    if (status < 0) throw systemError(status, 'connect', errorTarget(address));
    return true;
  }

  accept(): NativeSocket | null {
    const { descriptor } = this;
    const fd = nativeBinding().accept(this.#openFd());
    if (fd >= 0) return new NativeSocket(new Descriptor(fd, descriptor.type));
    if (fd === EAGAIN) return null;
    throw systemError(fd, 'accept');
  }

  recv(buffer: Bytes, flags = 0): number | null {
    checkBytes('buffer', buffer);
    checkFlags(flags);
    return countOrNull(nativeBinding().recv(this.#openFd(), buffer, flags), 'recv');
  }

  send(buffer: Bytes, flags = 0): number | null {
    checkBytes('buffer', buffer);
    checkFlags(flags);
    return countOrNull(nativeBinding().send(this.#openFd(), buffer, 0, flags), 'send');
  }

  recvmsg(buffers: readonly Bytes[], ancillaryBufsize = 0, flags = 0): ReceivedMessage | null {
    const views = readBytesList('buffers', buffers);
    checkInteger('ancillaryBufsize', ancillaryBufsize, 0, MAX_INT);
    checkFlags(flags);
    this.#openFd();
    return receiveMessage(this.descriptor, views, ancillaryBufsize, flags);
  }

  sendmsg(buffers: readonly Bytes[], options: SendMessageOptions = {}): number | null {
    const views = readBytesList('buffers', buffers);
    checkOptions('options', options);
    const { address, ancillary, flags = 0 } = options;
    checkFlags(flags);
    const name = address === undefined ? null : encodeAddress(address, 'sendmsg');
    const control = ancillary === undefined ? null : encodeAncillary(ancillary);
    // Last: the code of the caller that ran above may have closed the socket.
    this.#openFd();
    return sendMessage(this.descriptor, views, name, control, flags, address);
  }

  getsockopt(level: number, option: number): number;
  getsockopt(level: number, option: number, length: number): Uint8Array;
  getsockopt(level: number, option: number, length?: number): number | Uint8Array {
    checkOption(level, option);
    if (length === undefined) {
      const result = new Int32Array(1);
      const status = nativeBinding().getsockoptInt(this.#openFd(), level, option, result);
      if (status < 0) throw systemError(status, 'getsockopt');
      return result[0] as number;
    }
    checkInteger('length', length, 0, 0xffff);
    const bytes = new Uint8Array(length);
    const size = nativeBinding().getsockoptBytes(this.#openFd(), level, option, bytes);
    if (size < 0) throw systemError(size, 'getsockopt');
    return bytes.subarray(0, size);
  }

  setsockopt(level: number, option: number, value: number | boolean | Bytes): void {
    checkOption(level, option);
    const native = nativeBinding();
    let status: number;
    if (typeof value === 'number' || typeof value === 'boolean') {
      const int = Number(value);
      checkInteger('value', int, MIN_INT, MAX_UNSIGNED);
      status = native.setsockoptInt(this.#openFd(), level, option, int | 0);
    } else {
      checkBytes('value', value);
      status = native.setsockoptBytes(this.#openFd(), level, option, value);
    }
    if (status < 0) throw systemError(status, 'setsockopt');
  }

  localAddress(): SocketAddress {
    return this.#name('getsockname');
  }

  remoteAddress(): SocketAddress {
    return this.#name('getpeername');
  }

  shutdown(how: 'read' | 'write' | 'both'): void {
    checkChoice('how', how, SHUTDOWN);
    const status = nativeBinding().shutdown(this.#openFd(), SHUTDOWN[how]);
    if (status < 0) throw systemError(status, 'shutdown');
  }

  dup(): NativeSocket {
    const { descriptor } = this;
    const fd = nativeBinding().dup(this.#openFd());
    if (fd < 0) throw systemError(fd, 'dup');
    return new NativeSocket(new Descriptor(fd, descriptor.type));
  }

  detach(): number {
    this.#openFd();
    forgetCollected(this.descriptor);
    return this.descriptor.detach();
  }

  close(): void {
    forgetCollected(this.descriptor);
    const status = this.descriptor.close();
    if (status < 0) throw systemError(status, 'close');
  }

  readable(): Promise<void> {
    return this.#ready('read');
  }

  writable(): Promise<void> {
    return this.#ready('write');
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** What `console.log` shows. @internal */
  [inspect.custom](): string {
    const { fd, family, type, protocol } = this;
    return `Socket { fd: ${String(fd)}, family: ${String(family)}, type: ${String(type)}, protocol: ${String(protocol)} }`;
  }

  #ready(direction: 'read' | 'write'): Promise<void> {
    const scope = currentScope();
    if (isCancelled(scope)) return cancelled(scope);
    const { descriptor } = this;
    const method = direction === 'read' ? 'readable' : 'writable';
    const usageError = descriptor.usageError(direction, method);
    if (usageError !== null) return rejected(usageError);
    return new Readiness(descriptor, direction, this).enter(scope).start().promise;
  }

  #name(syscall: 'getsockname' | 'getpeername'): SocketAddress {
    const native = nativeBinding();
    const bytes = new Uint8Array(native.limits.sockaddrMax);
    const length = native[syscall](this.#openFd(), bytes);
    if (length < 0) throw systemError(length, syscall);
    return decodeAddress(bytes, length) ?? '';
  }

  #openFd(): number {
    const { fd } = this.descriptor;
    if (fd < 0) throw new ClosedResourceError('The socket is closed or detached');
    return fd;
  }
}

/** The public constructor functions. The class itself is not public. */
export const Socket: contract.SocketConstructor = NativeSocket;
export type Socket = contract.Socket;

/** Takes ownership of an open fd. @throws BusyResourceError if a socket of this library owns it */
export function adoptDescriptor(fd: number): Descriptor {
  const info = new Int32Array(3);
  const status = nativeBinding().adopt(fd, info);
  if (status === EEXIST)
    throw new BusyResourceError(
      `fd ${String(fd)} is owned by another socket already: dup() it, or detach() it there first`,
    );
  if (status < 0) throw systemError(status, 'getsockopt');
  return new Descriptor(fd, socketType(info[0] as number, info[1] as number, info[2] as number));
}

function checkFlags(flags: number): void {
  checkInteger('flags', flags, 0, MAX_INT);
}

function checkOption(level: number, option: number): void {
  checkInteger('level', level, MIN_INT, MAX_INT);
  checkInteger('option', option, MIN_INT, MAX_INT);
}

function countOrNull(count: number, syscall: string): number | null {
  if (count >= 0) return count;
  if (count === EAGAIN) return null;
  throw systemError(count, syscall);
}

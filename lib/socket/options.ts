import { checkInteger, invalidArgument, outOfRange } from '../arguments/validate';
import { nativeBinding } from '../binding';
import type { Socket } from '../contract/socket';
import { ClosedResourceError, systemError, UnsupportedOperationError } from '../errors';
import { parseTcpInfo, TCP_INFO_BYTES, type TcpInfo } from './tcp-info';

/**
 * When the kernel probes an idle TCP connection, and when it drops the connection: tcp(7). The
 * kernel counts whole seconds.
 */
export interface KeepAlive {
  /** Milliseconds without traffic before the first probe (TCP_KEEPIDLE). */
  readonly idle?: number;
  /** Milliseconds between probes (TCP_KEEPINTVL). */
  readonly interval?: number;
  /** The number of unanswered probes after which the connection is dropped (TCP_KEEPCNT). */
  readonly count?: number;
}

/**
 * The socket options that servers tune, typed, in milliseconds and bytes. `Socket.getsockopt` and
 * `Socket.setsockopt` reach all other options.
 *
 * Each getter and setter makes one system call (`keepAlive` makes several). They throw
 * ClosedResourceError after close; UnsupportedOperationError for an option that the platform or the
 * type of socket does not have (a TCP option on a Unix socket); TypeError or RangeError for an
 * invalid value, before any system call; else the system's error.
 */
export class SocketOptions {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * TCP_NODELAY: small segments are sent at once (Nagle's algorithm is off). It is on for every TCP
   * transport of this library.
   */
  get noDelay(): boolean {
    return this.#get('IPPROTO_TCP', 'TCP_NODELAY') !== 0;
  }

  set noDelay(on: boolean) {
    if (typeof on !== 'boolean') throw invalidArgument('noDelay', 'a boolean', on);
    this.#set('IPPROTO_TCP', 'TCP_NODELAY', Number(on));
  }

  /**
   * SO_KEEPALIVE and its times; null while it is off. Set `true` to turn it on with the system's
   * times, and null or `false` to turn it off.
   */
  get keepAlive(): Required<KeepAlive> | null {
    if (this.#get('SOL_SOCKET', 'SO_KEEPALIVE') === 0) return null;
    return {
      idle: this.#get('IPPROTO_TCP', 'TCP_KEEPIDLE') * 1000,
      interval: this.#get('IPPROTO_TCP', 'TCP_KEEPINTVL') * 1000,
      count: this.#get('IPPROTO_TCP', 'TCP_KEEPCNT'),
    };
  }

  set keepAlive(value: KeepAlive | boolean | null) {
    if (typeof value !== 'boolean' && typeof value !== 'object')
      throw invalidArgument('keepAlive', 'an object, a boolean or null', value);
    const { idle, interval, count } =
      typeof value === 'object' && value !== null ? value : ({} as KeepAlive);
    // All values are checked before the first is set.
    const idleSeconds = idle === undefined ? undefined : seconds('keepAlive.idle', idle);
    const intervalSeconds =
      interval === undefined ? undefined : seconds('keepAlive.interval', interval);
    if (count !== undefined) checkInteger('keepAlive.count', count, 1, 127);
    if (idleSeconds !== undefined) this.#set('IPPROTO_TCP', 'TCP_KEEPIDLE', idleSeconds);
    if (intervalSeconds !== undefined) this.#set('IPPROTO_TCP', 'TCP_KEEPINTVL', intervalSeconds);
    if (count !== undefined) this.#set('IPPROTO_TCP', 'TCP_KEEPCNT', count);
    this.#set('SOL_SOCKET', 'SO_KEEPALIVE', value === null || value === false ? 0 : 1);
  }

  /**
   * SO_LINGER, socket(7): what close does with unsent data. With null (the default), close returns
   * at once and the kernel goes on sending. With 0, the connection is reset and the data dropped.
   * Any other value is the time, in milliseconds, for which close(2) waits; the kernel counts whole
   * seconds. Linux waits for a non-blocking socket, too, and blocks this thread and its event loop.
   */
  get linger(): number | null {
    const value = new Int32Array(2);
    const bytes = this.#attempt('SO_LINGER', () =>
      this.#socket.getsockopt(
        this.#number('SOL_SOCKET'),
        this.#number('SO_LINGER'),
        value.byteLength,
      ),
    );
    new Uint8Array(value.buffer).set(bytes);
    return value[0] === 0 ? null : (value[1] as number) * 1000;
  }

  set linger(time: number | null) {
    const value = Int32Array.of(
      time === null ? 0 : 1,
      time === null || time === 0 ? 0 : seconds('linger', time),
    );
    this.#attempt('SO_LINGER', () => {
      this.#socket.setsockopt(this.#number('SOL_SOCKET'), this.#number('SO_LINGER'), value);
    });
  }

  /**
   * SO_RCVBUF, in bytes. Linux doubles the value that is set, to include its bookkeeping, and
   * reports the double.
   */
  get receiveBufferSize(): number {
    return this.#get('SOL_SOCKET', 'SO_RCVBUF');
  }

  set receiveBufferSize(bytes: number) {
    this.#set('SOL_SOCKET', 'SO_RCVBUF', checked('receiveBufferSize', bytes));
  }

  /** SO_SNDBUF, in bytes. Linux doubles it likewise. */
  get sendBufferSize(): number {
    return this.#get('SOL_SOCKET', 'SO_SNDBUF');
  }

  set sendBufferSize(bytes: number) {
    this.#set('SOL_SOCKET', 'SO_SNDBUF', checked('sendBufferSize', bytes));
  }

  /**
   * TCP_USER_TIMEOUT (RFC 5482), in milliseconds: how long sent data may stay unacknowledged before
   * the connection is dropped. 0 means the system's default. Linux only.
   */
  get userTimeout(): number {
    return this.#get('IPPROTO_TCP', 'TCP_USER_TIMEOUT');
  }

  set userTimeout(time: number) {
    this.#set('IPPROTO_TCP', 'TCP_USER_TIMEOUT', checked('userTimeout', time));
  }

  /** TCP_INFO: the state of the connection, its round-trip time, its losses. Linux only. */
  tcpInfo(): TcpInfo {
    if (process.platform !== 'linux')
      throw new UnsupportedOperationError('TCP_INFO is available on Linux only');
    return parseTcpInfo(
      this.#attempt('TCP_INFO', () =>
        this.#socket.getsockopt(
          this.#number('IPPROTO_TCP'),
          this.#number('TCP_INFO'),
          TCP_INFO_BYTES,
        ),
      ),
    );
  }

  /**
   * Bytes in the kernel's buffers: received and not yet read (`unread`), and written and not yet
   * sent (`unsent`; on TCP, not yet acknowledged). undefined where the platform does not report it.
   */
  queueSizes(): { readonly unread: number | undefined; readonly unsent: number | undefined } {
    const { fd } = this.#socket;
    if (fd < 0) throw new ClosedResourceError('The socket is closed or detached');
    const result = new Int32Array(2);
    const status = nativeBinding().queueSizes(fd, result);
    if (status < 0) throw systemError(status, 'ioctl');
    const [unread = -1, unsent = -1] = result;
    return { unread: unread < 0 ? undefined : unread, unsent: unsent < 0 ? undefined : unsent };
  }

  #get(level: string, option: string): number {
    return this.#attempt(option, () =>
      this.#socket.getsockopt(this.#number(level), this.#number(option)),
    );
  }

  #set(level: string, option: string, value: number): void {
    this.#attempt(option, () => {
      this.#socket.setsockopt(this.#number(level), this.#number(option), value);
    });
  }

  /** Makes a call for an option that this type of socket may not have. */
  #attempt<R>(option: string, call: () => R): R {
    try {
      return call();
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined || !UNKNOWN_OPTION.has(code)) throw error;
      throw new UnsupportedOperationError(`This socket has no ${option}`, { cause: error });
    }
  }

  #number(name: string): number {
    const value = nativeBinding().constants[name];
    if (value === undefined) throw new UnsupportedOperationError(`This platform has no ${name}`);
    return value;
  }
}

/**
 * The codes for an option, or for a level, that the socket does not have. (A Unix socket has no TCP
 * level.) On Linux the last two have one number, and Node has one name for it.
 */
const UNKNOWN_OPTION: ReadonlySet<string> = new Set(['ENOPROTOOPT', 'EOPNOTSUPP', 'ENOTSUP']);

function checked(name: string, value: number): number {
  checkInteger(name, value, 0, 0x7fffffff);
  return value;
}

/** The longest time of these options, in seconds (tcp(7)). */
const MAX_SECONDS = 32767;

/** Whole seconds for the kernel: rounded up, so that a short time does not become 0. */
function seconds(name: string, time: number): number {
  if (typeof time !== 'number') throw invalidArgument(name, 'a number of milliseconds', time);
  const whole = Math.ceil(time / 1000);
  if (!(whole >= 1 && whole <= MAX_SECONDS))
    throw outOfRange(
      name,
      `more than 0 and at most ${String(MAX_SECONDS * 1000)} milliseconds`,
      time,
    );
  return whole;
}

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { outOfRange } from './arguments/validate';
import type { Bytes } from './contract/bytes';

/**
 * The addon, as TypeScript sees it: flat functions over integer fds, one system call each, that
 * never wait.
 *
 * - A result below zero is a negative libuv code (`errors.ts` turns it into an error); everything
 *   else is a success. Nothing here throws. Arguments of the wrong type, or a length beyond its
 *   view, are UV_EINVAL before any system call.
 * - `Bytes` arguments are used during the call and forgotten. A detached one counts as empty:
 *   callers check first.
 * - A socket address is the bytes of its `sockaddr`, in a caller's Uint8Array: encoded once, used
 *   often.
 * - Every fd made here is non-blocking and close-on-exec from birth, and is closed with its
 *   environment unless `release`d.
 * - Results with several fields go into a caller's Int32Array: a receive allocates nothing.
 */
export interface NativeBinding {
  /**
   * AF_*, SOCK_*, SO_*, MSG_*, AI_*, EAI_*, errno numbers negated under their own names (UV_EAGAIN
   * …): as this platform numbers them.
   */
  readonly constants: Readonly<Record<string, number>>;
  /**
   * IOV_MAX, sizeof(sun_path), offsetof(sun_path), sizeof(sockaddr_storage), events per reactor
   * batch, buffers of `sendv`.
   */
  readonly limits: Readonly<
    Record<
      'iovMax' | 'unixPathMax' | 'unixPathOffset' | 'sockaddrMax' | 'batch' | 'directMax',
      number
    >
  >;

  // Addresses. `out` holds limits.sockaddrMax bytes; the result is the length of the sockaddr.
  /** Numeric IPv4 or IPv6 text (no scope suffix). UV_EINVAL if it is neither. */
  encodeInet(
    out: Uint8Array,
    address: string,
    port: number,
    flowinfo: number,
    scopeId: number,
  ): number;
  /**
   * A path, an abstract name (leading NUL) or the unnamed address (empty). UV_ENAMETOOLONG if it
   * does not fit: never cut.
   */
  encodeUnix(out: Uint8Array, path: Uint8Array): number;
  /**
   * The address text of an AF_INET or AF_INET6 sockaddr; `fields` gets [port, flowinfo, scopeId].
   * UV_EAFNOSUPPORT for other families.
   */
  decodeInet(sockaddr: Uint8Array, length: number, fields: Uint32Array): string | number;
  /** sa_family, or a negative code if `length` is too short to hold one. */
  sockaddrFamily(sockaddr: Uint8Array, length: number): number;

  // Life of a socket.
  socket(family: number, type: number, protocol: number): number;
  socketpair(family: number, type: number, protocol: number, fds: Int32Array): number;
  /**
   * Takes ownership of an open fd, and makes it non-blocking and close-on-exec: `info` gets
   * [family, type, protocol, listening]. UV_EBADF, UV_ENOTSOCK, UV_EEXIST (owned by this
   * environment already). O_NONBLOCK is shared with every duplicate of the fd.
   */
  adopt(fd: number, info: Int32Array): number;
  /** Stops watching, and forgets the fd without closing it. UV_EBADF if it is not owned. */
  release(fd: number): number;
  /**
   * Stops watching, forgets, closes, in this order; never retried. UV_EBADF, and nothing is closed,
   * if it is not owned.
   */
  close(fd: number): number;
  dup(fd: number): number;
  bind(fd: number, sockaddr: Uint8Array, length: number): number;
  /** 0: connected. UV_EINPROGRESS: under way. */
  connect(fd: number, sockaddr: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number): number;
  /** `how`: 0 read, 1 write, 2 both. */
  shutdown(fd: number, how: number): number;
  getsockname(fd: number, out: Uint8Array): number;
  getpeername(fd: number, out: Uint8Array): number;
  /** The value goes into result[0]. */
  getsockoptInt(fd: number, level: number, option: number, result: Int32Array): number;
  /** The result is the number of bytes that the kernel wrote. */
  getsockoptBytes(fd: number, level: number, option: number, out: Uint8Array): number;
  setsockoptInt(fd: number, level: number, option: number, value: number): number;
  setsockoptBytes(fd: number, level: number, option: number, value: Bytes): number;

  // Bytes. Results are counts.
  recv(fd: number, buffer: Bytes, flags: number): number;
  /** Sends `buffer` from byte `offset` on. */
  send(fd: number, buffer: Bytes, offset: number, flags: number): number;
  /**
   * recvmsg of one buffer, without control messages: half of what the list costs. `result` gets
   * [msg_flags, msg_namelen]; `name` may be null.
   */
  recvfrom(fd: number, buffer: Bytes, name: Uint8Array | null, result: Int32Array): number;
  /** Sends `buffer` to an address. */
  sendto(fd: number, buffer: Bytes, name: Uint8Array, nameLength: number): number;
  /**
   * Scatters into at most IOV_MAX of `buffers`. `name` and `control` may be null. `result` gets
   * [msg_flags, msg_namelen, msg_controllen]. Received fds are close-on-exec, and owned by the
   * environment until `decodeControl` reads their message.
   */
  recvmsg(
    fd: number,
    buffers: readonly Bytes[],
    name: Uint8Array | null,
    control: Uint8Array | null,
    result: Int32Array,
    flags: number,
  ): number;
  /**
   * Gathers from at most IOV_MAX of `buffers`, after the first `skip` bytes of them all: a result
   * below the sum says that it was less. (A datagram must not be cut so: its caller has no more
   * buffers than that.) Lengths of 0 mean no name, no control data.
   */
  sendmsg(
    fd: number,
    buffers: readonly Bytes[],
    skip: number,
    name: Uint8Array | null,
    nameLength: number,
    control: Uint8Array | null,
    controlLength: number,
    flags: number,
  ): number;
  /**
   * recvmsg of bytes alone, into at most limits.directMax buffers: as arguments they cost a third
   * of what they do in an array.
   */
  recvv(fd: number, flags: number, ...buffers: readonly Bytes[]): number;
  /**
   * sendmsg of bytes alone, likewise, after the first `skip` bytes. Buffers beyond limits.directMax
   * count as not sent.
   */
  sendv(fd: number, flags: number, skip: number, ...buffers: readonly Bytes[]): number;
  /**
   * recvmmsg: up to `count` datagrams, the i-th at slab[i * size]. `sizes` gets the i-th length, or
   * a negative code (UV_EMSGSIZE: it was cut). `names` (null, or count * limits.sockaddrMax bytes)
   * and `nameLengths` get the senders. The result is the number of datagrams, 256 at most.
   */
  recvmmsg(
    fd: number,
    slab: Uint8Array,
    size: number,
    count: number,
    sizes: Int32Array,
    names: Uint8Array | null,
    nameLengths: Int32Array | null,
  ): number;
  /**
   * sendmmsg, from packet `first` on, to the socket's peer or (name) to one address. The result is
   * the number of datagrams sent, 256 at most.
   */
  sendmmsg(
    fd: number,
    packets: readonly Bytes[],
    first: number,
    name: Uint8Array | null,
    nameLength: number,
  ): number;

  // Control messages: the layout is the platform's, so native code walks it.
  /** CMSG_SPACE(length). */
  controlSpace(length: number): number;
  /** Appends one message at `offset`; the result is the offset behind it, or UV_ENOBUFS. */
  encodeControl(out: Uint8Array, offset: number, level: number, type: number, data: Bytes): number;
  /**
   * Reads the message at `offset`: `fields` gets [level, type, data offset, data length]; the
   * result is the next offset, or 0 if there was none. The fds of an SCM_RIGHTS message belong to
   * the caller from then on.
   */
  decodeControl(control: Uint8Array, length: number, offset: number, fields: Int32Array): number;
  /**
   * SO_PEERCRED and its kin: `result` gets [pid, uid, gid]; pid -1 where the platform has none.
   * UV_ENOTCONN without such a peer.
   */
  peerCredentials(fd: number, result: Int32Array): number;
  /**
   * [bytes unread, bytes unsent] (SIOCINQ, SIOCOUTQ); -1 where the platform cannot tell. For a
   * datagram socket, of the next datagram.
   */
  queueSizes(fd: number, result: Int32Array): number;
  /** The first of these alone (FIONREAD), as the result. */
  unreadSize(fd: number): number;

  // Names: on threads of their own, not of libuv's pool. A look-up under way keeps the process
  // alive. `deliver` is called once, from the event loop, and not at all if the result is negative;
  // codes are UV_EAI_*.
  getaddrinfo(
    host: string | null,
    service: string | null,
    family: number,
    type: number,
    proto: number,
    flags: number,
    deliver: (
      status: number,
      entries:
        | readonly (readonly [
            family: number,
            type: number,
            proto: number,
            canonname: string,
            sockaddr: Uint8Array,
          ])[]
        | null,
    ) => void,
  ): number;
  getnameinfo(
    sockaddr: Uint8Array,
    length: number,
    flags: number,
    deliver: (status: number, host: string, service: string) => void,
  ): number;

  // The reactor. One per environment, made at the first `reactorOpen`.
  /**
   * 'epoll' is edge-triggered: no `arm` is needed. 'poll' reports a direction once, then wants
   * `arm` again.
   */
  reactorKind(): 'epoll' | 'poll';
  /**
   * `deliver(count)` is called once per batch of loop events, with `count` triples [slot,
   * generation, events] in `events` (1 readable, 2 writable, 4 error, hang-up of either side, or
   * urgent data). It may be called again right away if there were more than fit. An exception out
   * of it becomes 'uncaughtException'. UV_EALREADY if it is open.
   */
  reactorOpen(events: Int32Array, deliver: (count: number) => void): number;
  /**
   * Watches an fd in both directions, from what is ready now on; events name `slot` and
   * `generation`. UV_EEXIST if it is watched. `release` and `close` end it.
   */
  watch(fd: number, slot: number, generation: number): number;
  /** Asks for the next event of these directions (poll reactor; a no-op on epoll). */
  arm(fd: number, events: number): number;
  /**
   * poll(2) with a timeout of 0: which of these are ready now, in the bits of `deliver`. 4 for an
   * error or a hang-up comes unasked.
   */
  poll(fd: number, events: number): number;
  /** While held, the reactor keeps the event loop alive. */
  hold(on: boolean): void;
  /** Fds that this environment owns: for tests and `sockscope info`. */
  ownedCount(): number;
}

/** What only this file calls. */
interface LoadedBinding extends NativeBinding {
  /** Chooses the reactor, before it is opened. UV_ENOTSUP if the platform does not have it. */
  reactorUse(kind: string): number;
}

/** An error of `nativeBinding`: no binary of the addon runs here. */
export interface NativeUnavailableError extends Error {
  readonly code: 'ERR_NATIVE_UNAVAILABLE';
}

// Compiled, this file lies in dist/, beside package.json, prebuilds/ and build/.
const packageRoot = join(__dirname, '..');
const requireHere = createRequire(__filename);

let loaded: { readonly binding: NativeBinding; readonly path: string } | undefined;

/**
 * The addon, loaded at the first call: importing this package loads no binary. One per environment
 * (main thread or worker).
 *
 * The environment variable `SOCKSCOPE_REACTOR` ('epoll' or 'poll') chooses how readiness is
 * learned; it is read once.
 * @throws Error `ERR_NATIVE_UNAVAILABLE` if no binary runs here; its message says which were looked
 *   for, its cause why one failed.
 * @throws RangeError `ERR_OUT_OF_RANGE` if `SOCKSCOPE_REACTOR` names no reactor of this platform.
 */
export function nativeBinding(): NativeBinding {
  return (loaded ??= load()).binding;
}

/** The binary that `nativeBinding` loads. @throws as `nativeBinding` does. */
export function nativeBindingPath(): string {
  return (loaded ??= load()).path;
}

function load(): { binding: NativeBinding; path: string } {
  // Bun resolves every libuv symbol, and panics when one is called: nothing native may run before
  // this line.
  if (process.versions['bun'] !== undefined)
    throw unavailable('Bun has no libuv event loop, which it needs.');
  if (process.platform === 'win32')
    throw unavailable('It works on POSIX sockets, which Windows has not.');
  let path: string;
  let binding: LoadedBinding;
  try {
    path = (requireHere('node-gyp-build') as { resolve(folder: string): string }).resolve(
      packageRoot,
    );
  } catch (error) {
    throw notLoaded('No binary was found.', error);
  }
  try {
    binding = requireHere(path) as LoadedBinding;
  } catch (error) {
    throw notLoaded(
      `${path} does not load: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }
  const kind = process.env['SOCKSCOPE_REACTOR'] ?? '';
  if (kind !== '' && binding.reactorUse(kind) < 0) {
    throw outOfRange(
      'SOCKSCOPE_REACTOR',
      process.platform === 'linux' ? "'epoll' or 'poll'" : "'poll' on this platform",
      kind,
    );
  }
  return { binding, path };
}

function unavailable(reason: string, cause?: unknown): NativeUnavailableError {
  const error = new Error(
    `The native backend of sockscope is not available. ${reason}\n` +
      "newBuiltinBackend('node') does without it: TCP, Unix streams and UDP, on node:net and node:dgram.",
    cause === undefined ? undefined : { cause },
  );
  return Object.assign(error, { code: 'ERR_NATIVE_UNAVAILABLE' as const });
}

/** On a platform that could have one. */
function notLoaded(reason: string, cause: unknown): NativeUnavailableError {
  const { arch, platform } = process;
  const libc = platform === 'linux' ? `, libc ${libcName()}` : '';
  const lines = [
    reason,
    `Platform ${platform}, arch ${arch}${libc}, Node.js ${process.versions.node}. Looked for, in this order:`,
    ...searchedPaths().map((path) => `  ${path}`),
    '`npm rebuild sockscope` compiles it here, with a C++ compiler, make and python3.',
  ];
  return unavailable(lines.join('\n'), cause);
}

/** Where node-gyp-build looks. `PREBUILDS_ONLY` and `SOCKSCOPE_PREBUILD` are its own variables. */
function searchedPaths(): string[] {
  const root = process.env['SOCKSCOPE_PREBUILD'] ?? packageRoot;
  const builds = process.env['PREBUILDS_ONLY']
    ? []
    : [join(root, 'build', 'Release'), join(root, 'build', 'Debug')];
  const prebuilds = [root, dirname(process.execPath)].map((folder) =>
    join(folder, 'prebuilds', `${process.platform}-${process.arch}`),
  );
  return [...builds, ...prebuilds].map((folder) => join(folder, '*.node'));
}

/** As node-gyp-build tells them apart. */
function libcName(): string {
  return process.env['LIBC'] ?? (existsSync('/etc/alpine-release') ? 'musl' : 'glibc');
}

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { outOfRange } from './arguments/validate';
import type { Bytes } from './contract/bytes';

/** One result of getaddrinfo(3). */
export type AddrInfoEntry = readonly [
  family: number,
  type: number,
  proto: number,
  canonname: string,
  sockaddr: Uint8Array,
];

/**
 * The addon, as TypeScript sees it: flat functions over integer fds, which make one system call
 * each and never wait. native/README.md says how to add one.
 *
 * - A result below zero is a negative libuv code, and errors.ts makes an error of it. Every other
 *   result is a success. No function throws. For an argument of the wrong type, or a length beyond
 *   its view, the result is UV_EINVAL, and no system call is made.
 * - `Bytes` arguments are used during the call only. A detached view counts as empty, so callers
 *   check first.
 * - An array argument holds plain elements. If one is a getter that closes an fd, the result is
 *   UV_EBADF, and no system call is made.
 * - A socket address is the bytes of its `sockaddr` in a Uint8Array of the caller: encoded once,
 *   used often.
 * - Every fd that a function makes is non-blocking and close-on-exec, and owned by the binding. It
 *   is closed when the environment ends or the binding is garbage-collected, unless `release` or
 *   `close` comes before.
 * - Results of several numbers go into an Int32Array of the caller, so that a receive allocates
 *   nothing.
 */
export interface NativeBinding {
  /**
   * The numbers that this platform gives to AF_*, SOCK_*, SO_*, MSG_*, AI_* and more, and the codes
   * of libuv (UV_EAGAIN, UV_EAI_NONAME …), which are negated errnos or the resolver's own.
   */
  readonly constants: Readonly<Record<string, number>>;
  /**
   * IOV_MAX, sizeof(sun_path), offsetof(sun_path), sizeof(sockaddr_storage), the most events of a
   * reactor's batch, the most buffers of `recvv` and `sendv`.
   */
  readonly limits: Readonly<
    Record<
      'iovMax' | 'unixPathMax' | 'unixPathOffset' | 'sockaddrMax' | 'batch' | 'directMax',
      number
    >
  >;

  // Addresses. `out` has limits.sockaddrMax bytes, and the result is the length of the sockaddr.
  /** Encodes a numeric IPv4 or IPv6 address, without a scope suffix. UV_EINVAL for another text. */
  encodeInet(
    out: Uint8Array,
    address: string,
    port: number,
    flowinfo: number,
    scopeId: number,
  ): number;
  /**
   * Encodes a path, an abstract name (leading NUL), or the unnamed address (empty). UV_ENAMETOOLONG
   * if it does not fit: a path is never truncated.
   */
  encodeUnix(out: Uint8Array, path: Uint8Array): number;
  /**
   * Returns the address text of an AF_INET or AF_INET6 sockaddr; `fields` gets [port, flowinfo,
   * scopeId]. UV_EAFNOSUPPORT for other families.
   */
  decodeInet(sockaddr: Uint8Array, length: number, fields: Uint32Array): string | number;
  /** Returns sa_family, or a negative code if `length` is too short for it. */
  sockaddrFamily(sockaddr: Uint8Array, length: number): number;

  // The life of a socket.
  socket(family: number, type: number, protocol: number): number;
  socketpair(family: number, type: number, protocol: number, fds: Int32Array): number;
  /**
   * Takes ownership of an open fd, and makes it non-blocking and close-on-exec; `info` gets
   * [family, type, protocol]. UV_EBADF, UV_ENOTSOCK, or UV_EEXIST if a binding of this environment
   * owns the fd already. Every duplicate of the fd shares its O_NONBLOCK.
   */
  adopt(fd: number, info: Int32Array): number;
  /** Ends the watch and the ownership of an fd without closing it. UV_EBADF if it is not owned. */
  release(fd: number): number;
  /**
   * Ends the watch, then the ownership, then closes the fd; never repeated. UV_EBADF if the fd is
   * not owned, and then nothing is closed.
   */
  close(fd: number): number;
  dup(fd: number): number;
  bind(fd: number, sockaddr: Uint8Array, length: number): number;
  /** Returns 0 if the socket is connected, UV_EINPROGRESS if the connection is under way. */
  connect(fd: number, sockaddr: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number): number;
  /** `how`: 0 read, 1 write, 2 both. */
  shutdown(fd: number, how: number): number;
  getsockname(fd: number, out: Uint8Array): number;
  getpeername(fd: number, out: Uint8Array): number;
  /** `result` gets [value]. UV_EINVAL for SO_GET_FILTER, which is a list of instructions. */
  getsockoptInt(fd: number, level: number, option: number, result: Int32Array): number;
  /**
   * Returns the number of bytes that were written into `out`, of which the first 64 KiB are used at
   * most. The kernel does not see what `out` held before. SO_GET_FILTER has bytes here, too, and
   * not instructions.
   */
  getsockoptBytes(fd: number, level: number, option: number, out: Uint8Array): number;
  setsockoptInt(fd: number, level: number, option: number, value: number): number;
  /** UV_ENOTSUP for an option whose value holds addresses that the kernel writes to. */
  setsockoptBytes(fd: number, level: number, option: number, value: Bytes): number;

  // Bytes. The result is a count.
  recv(fd: number, buffer: Bytes, flags: number): number;
  /** Sends the bytes of `buffer` from `offset` on. */
  send(fd: number, buffer: Bytes, offset: number, flags: number): number;
  /**
   * recvmsg(2) of one buffer, without control messages: half the cost of a list. `result` gets
   * [msg_flags, msg_namelen]; `name` may be null, and has limits.sockaddrMax bytes otherwise.
   */
  recvfrom(fd: number, buffer: Bytes, name: Uint8Array | null, result: Int32Array): number;
  /** Sends `buffer` to an address. */
  sendto(fd: number, buffer: Bytes, name: Uint8Array, nameLength: number): number;
  /**
   * recvmsg(2): scatters into the first IOV_MAX of `buffers`. `name` is that of `recvfrom`;
   * `control`, which must not overlap it, may be null, too.
   * `result` gets [msg_flags, msg_namelen, msg_controllen]. Received fds are close-on-exec, and the
   * environment owns them: see `receivedToken`.
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
   * sendmsg(2): gathers from the first IOV_MAX of `buffers`, after the first `skip` bytes of all
   * buffers. A result below the sum says that less was sent. (A datagram must not be split like
   * this, so its caller passes at most IOV_MAX buffers.) A length of 0 means no name, or no control
   * data.
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
   * recvmsg(2) of bytes only, into the first limits.directMax buffers. A buffer costs a third as an
   * argument of what it costs in an array.
   */
  recvv(fd: number, flags: number, ...buffers: readonly Bytes[]): number;
  /**
   * sendmsg(2) of bytes only, from the first limits.directMax buffers, after the first `skip`
   * bytes.
   */
  sendv(fd: number, flags: number, skip: number, ...buffers: readonly Bytes[]): number;
  /**
   * recvmmsg(2): receives up to `count` datagrams, the i-th at slab[i * size]. sizes[i] gets its
   * length, or UV_EMSGSIZE if it was truncated. `names` (null, or count * limits.sockaddrMax bytes)
   * and `nameLengths` get the senders. Returns the number of datagrams, 256 at most.
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
   * sendmmsg(2): sends the packets from `first` on, to the socket's peer or, with a name, to one
   * address. Returns the number of datagrams sent, 256 at most.
   */
  sendmmsg(
    fd: number,
    packets: readonly Bytes[],
    first: number,
    name: Uint8Array | null,
    nameLength: number,
  ): number;

  // Control messages. Native code reads and writes them, because their layout is the platform's.
  /** Returns CMSG_SPACE(length). */
  controlSpace(length: number): number;
  /**
   * Writes one message at `offset`, and returns the offset after it, or UV_ENOBUFS. UV_EINVAL if
   * `data` overlaps `out`.
   */
  encodeControl(out: Uint8Array, offset: number, level: number, type: number, data: Bytes): number;
  /**
   * Reads the message at `offset`: `fields` gets [level, type, data offset, data length]. Returns
   * the next offset, or 0 if there is no message.
   */
  decodeControl(control: Uint8Array, length: number, offset: number, fields: Int32Array): number;
  /**
   * Which received fd has this number: a positive token that no other fd has had, or 0 if none has.
   * The environment owns the fds of SCM_RIGHTS and SCM_PIDFD messages from `recvmsg` on, until
   * `adopt`, `closeReceived` or `releaseReceived`, and closes at its end what is left. (Not a
   * number that other code has closed and the kernel has given out again.) `close` and `release`
   * are for other fds.
   */
  receivedToken(fd: number): number;
  /**
   * Closes a received fd. UV_ENOENT if no received fd has this number and token, UV_EBADF if other
   * code has closed it.
   */
  closeReceived(fd: number, token: number): number;
  /** Ends the ownership of a received fd without closing it. UV_ENOENT if it is none. */
  releaseReceived(fd: number): number;
  /**
   * SO_PEERCRED, getpeereid(3): `result` gets [pid, uid, gid]; the pid is -1 where the platform
   * does not tell it. UV_ENOTCONN without a peer that has credentials.
   */
  peerCredentials(fd: number, result: Int32Array): number;
  /**
   * SIOCINQ, SIOCOUTQ: `result` gets [bytes unread, bytes unsent]; -1 where the platform does not
   * tell. Of a datagram socket, the next datagram counts as unread.
   */
  queueSizes(fd: number, result: Int32Array): number;
  /** FIONREAD: returns the bytes unread. */
  unreadSize(fd: number): number;

  // Look-ups of names, on threads of the addon, not of libuv's pool. Each returns a ticket above 0,
  // or a negative code. A wanted look-up under way keeps the process alive. The event loop calls
  // `deliver` once, with a code UV_EAI_* if the look-up failed; it does not call it without a
  // ticket or for a look-up that was dropped.
  getaddrinfo(
    host: string | null,
    service: string | null,
    family: number,
    type: number,
    proto: number,
    flags: number,
    deliver: (status: number, entries: readonly AddrInfoEntry[] | null) => void,
  ): number;
  getnameinfo(
    sockaddr: Uint8Array,
    length: number,
    flags: number,
    deliver: (status: number, host: string, service: string) => void,
  ): number;
  /**
   * Says whether a caller waits for a look-up under way. A look-up without a caller does not keep
   * the process alive, and its thread does not count against the limit. Returns 1 if the look-up
   * goes on, and will be delivered; 0 if no thread had begun the look-up, which was dropped;
   * UV_ENOENT if no look-up has this ticket.
   */
  setLookUpWanted(ticket: number, wanted: boolean): number;
  /**
   * `getaddrinfo` with AI_NUMERICHOST and AI_NUMERICSERV: asks nobody, and so is done at once.
   * UV_EAI_NONAME if the host or the service is no number.
   */
  numericAddrInfo(
    host: string | null,
    service: string | null,
    family: number,
    type: number,
    proto: number,
    flags: number,
  ): readonly AddrInfoEntry[] | number;
  /** `getnameinfo` with NI_NUMERICHOST and NI_NUMERICSERV: asks nobody, and so is done at once. */
  numericNameInfo(
    sockaddr: Uint8Array,
    length: number,
    flags: number,
  ): readonly [host: string, service: string] | number;

  // The reactor. There is one per binding, made by the first `reactorOpen`.
  /**
   * 'epoll' is edge-triggered, and needs no `arm`. 'poll' reports a direction once, and again after
   * `arm`.
   */
  reactorKind(): 'epoll' | 'poll';
  /**
   * The loop calls `deliver(count)` once per batch, with `count` triples [slot, generation, events]
   * in `events` (1 readable, 2 writable, 4 error, hang-up of either side, or urgent data), and
   * again at once if there are more than fit. An exception out of `deliver` becomes
   * 'uncaughtException'. UV_EALREADY if the reactor is open. The binding keeps `events` and
   * `deliver` alive, and each watch keeps the binding alive.
   */
  reactorOpen(events: Int32Array, deliver: (count: number) => void): number;
  /**
   * Watches an fd in both directions. Present readiness is reported first. Events carry `slot` and
   * `generation`. UV_EEXIST if the fd is watched. `release` and `close` end the watch.
   */
  watch(fd: number, slot: number, generation: number): number;
  /**
   * Asks for the next event of these directions. Bit 8 says that the call after the last event
   * would block. 1 means that the fd is not polled before `resumeDelayed`: its state stays, or the
   * process has no free fd. Does nothing with epoll.
   */
  arm(fd: number, events: number): number;
  /** Polls the fds that `arm` delayed. 1 if some of them stay delayed. May call `deliver`. */
  resumeDelayed(): number;
  /**
   * poll(2) with a timeout of 0: returns which of these events are present now, in the bits of
   * `deliver`. An error or a hang-up (4) is reported in any case.
   */
  poll(fd: number, events: number): number;
  /** A held reactor keeps the event loop alive. */
  hold(on: boolean): void;
  /** The number of fds that this binding owns, for tests and `sockscope info`. */
  ownedCount(): number;
}

/** A binding with the function that only this file calls. */
interface LoadedBinding extends NativeBinding {
  /**
   * Chooses the reactor, before it is opened. UV_ENOTSUP if the platform does not have it,
   * UV_EINVAL for an unknown name.
   */
  reactorUse(kind: string): number;
}

/**
 * What a binary exports. `open` returns a new binding, which has fds, a reactor and a resolver.
 * When a binding is garbage-collected, its fds are closed.
 */
interface Addon {
  open(): LoadedBinding;
}

/** An error of `nativeBinding`: no binary of the addon runs here. */
export interface NativeUnavailableError extends Error {
  readonly code: 'ERR_NATIVE_UNAVAILABLE';
}

// The compiled file is in dist/, which lies beside package.json, prebuilds/ and build/.
const packageRoot = join(__dirname, '..');
const requireHere = createRequire(__filename);

let loaded: { readonly binding: NativeBinding; readonly path: string } | undefined;

/**
 * The addon. The first call loads it: importing this package loads no binary. There is one per
 * evaluation of this package in an environment (main thread or worker). A test runner evaluates the
 * package anew for each file of tests, a program may hold two versions of it, and none of them
 * disturbs the others.
 *
 * The environment variable `SOCKSCOPE_REACTOR` ('epoll' or 'poll') chooses the reactor; it is read
 * once.
 * @throws Error `ERR_NATIVE_UNAVAILABLE` if no binary runs here. The message says which binaries
 *   were looked for, and the cause says why one failed.
 * @throws RangeError `ERR_OUT_OF_RANGE` if `SOCKSCOPE_REACTOR` names no reactor of this platform.
 */
export function nativeBinding(): NativeBinding {
  return (loaded ??= load()).binding;
}

/** The path of the binary that `nativeBinding` loads. Throws as `nativeBinding` does. */
export function nativeBindingPath(): string {
  return (loaded ??= load()).path;
}

function load(): { binding: NativeBinding; path: string } {
  // Bun has every libuv symbol, and panics when a missing function is called. So this check comes
  // before any native code runs.
  if (process.versions['bun'] !== undefined)
    throw unavailable('Bun does not have the libuv event loop that the addon needs.');
  if (process.platform === 'win32')
    throw unavailable('The addon needs POSIX sockets, and Windows does not have them.');
  let path: string;
  let binding: LoadedBinding;
  try {
    path = (requireHere('node-gyp-build') as { resolve(folder: string): string }).resolve(
      packageRoot,
    );
  } catch (error) {
    throw notLoaded('No binary was found for this platform.', error);
  }
  try {
    const addon = requireHere(path) as Partial<Addon>;
    if (typeof addon.open !== 'function') throw new Error('it belongs to another version');
    binding = addon.open();
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
      "newBuiltinBackend('node') works without it: TCP, Unix streams and UDP, " +
      'on node:net and node:dgram.',
    cause === undefined ? undefined : { cause },
  );
  return Object.assign(error, { code: 'ERR_NATIVE_UNAVAILABLE' as const });
}

/** The error for a platform that the addon can run on. */
function notLoaded(reason: string, cause: unknown): NativeUnavailableError {
  const { arch, platform } = process;
  const libc = platform === 'linux' ? `, libc ${libcName()}` : '';
  const lines = [
    reason,
    `Platform ${platform}, arch ${arch}${libc}, Node.js ${process.versions.node}.`,
    'Looked for these files, in this order:',
    ...searchedPaths().map((path) => `  ${path}`),
    '`npm rebuild sockscope` compiles the addon here, with a C++20 compiler, make and python3.',
  ];
  return unavailable(lines.join('\n'), cause);
}

/** The files that node-gyp-build looks for. It reads `PREBUILDS_ONLY` and `SOCKSCOPE_PREBUILD`. */
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

/** The C library, by the rule of node-gyp-build. */
function libcName(): string {
  return process.env['LIBC'] ?? (existsSync('/etc/alpine-release') ? 'musl' : 'glibc');
}

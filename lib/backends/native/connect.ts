import type { AddrInfo, HostPort, SocketAddress, UnixPath } from '../../contract/addresses';
import type { AsyncBackend } from '../../contract/backend';
import { nativeBinding } from '../../binding';
import { systemError } from '../../errors';
import { EADDRNOTAVAIL, EAGAIN, EINPROGRESS } from '../../errno';
import { checkTime, invalidArgument, outOfRange } from '../../arguments/validate';
import { checkPort, encodeAddress, errorTarget, type Sockaddr } from '../../socket/address';
import type { Descriptor } from '../../socket/descriptor';
import { type IoCall, perform, WOULD_BLOCK, wouldBlock } from '../../socket/io-operation';
import { WRITABLE } from '../../socket/reactor';
import {
  combineErrors,
  DEFAULT_DELAY_MS,
  interleave,
  isRefusal,
  race,
} from '../../networking/happy-eyeballs';
import { bindTo, openSocket, sendAtOnce } from './open-socket';
import { resolveHost } from './resolve';
import { bindUnixPath } from './unix-file';

/**
 * How long a Unix connection waits before it asks again whether the listener's backlog has room:
 * the kernel has no event for it.
 */
const FIRST_RETRY_MS = 1;
const LONGEST_RETRY_MS = 32;

/**
 * Runs `use` on a new socket, which is closed if it fails: whoever gets no connection leaves no fd.
 */
async function withSocket(
  family: number,
  type: number,
  use: (descriptor: Descriptor) => Promise<void>,
): Promise<Descriptor> {
  const descriptor = openSocket(family, type);
  try {
    await use(descriptor);
    return descriptor;
  } catch (error) {
    descriptor.close();
    throw error;
  }
}

/** A connection attempt. */
interface Connecting {
  readonly address: SocketAddress;
  readonly sockaddr: Sockaddr;
  /** connect(2) was called, and has not ended. */
  isUnderWay: boolean;
}

const CONNECT: IoCall<Connecting, undefined> = {
  direction: 'write',
  name: 'connect',
  syscall: 'connect',
  attempt: (descriptor, connecting) => {
    const { native } = descriptor.reactor;
    const { address, sockaddr } = connecting;
    if (!connecting.isUnderWay) {
      const status = native.connect(descriptor.fd, sockaddr.bytes, sockaddr.length);
      if (status >= 0) return undefined;
      if (status !== EINPROGRESS) throw systemError(status, 'connect', errorTarget(address));
      connecting.isUnderWay = true;
      return wouldBlock(descriptor, 'write');
    }
    if (native.poll(descriptor.fd, WRITABLE) === 0) return WOULD_BLOCK;
    const { SOL_SOCKET = 0, SO_ERROR = 0 } = native.constants;
    const error = new Int32Array(1);
    const status = native.getsockoptInt(descriptor.fd, SOL_SOCKET, SO_ERROR, error);
    const code = status < 0 ? status : -(error[0] as number);
    if (code < 0) throw systemError(code, 'connect', errorTarget(address));
    return undefined;
  },
};

/**
 * A checkpoint: connect(2), and the end of it. Rejects with EAGAIN where a Unix listener's backlog
 * is full.
 */
function connectOnce(descriptor: Descriptor, address: SocketAddress): Promise<void> {
  const sockaddr = encodeAddress(address, 'connect');
  return perform(descriptor, CONNECT, { address, sockaddr, isUnderWay: false });
}

function checkHost(name: string, host: unknown): void {
  if (typeof host !== 'string' || host === '')
    throw invalidArgument(name, 'a host name or address', host);
}

/** A local end as the user gave it, and its addresses. */
interface Local extends HostPort {
  readonly addresses: readonly AddrInfo[];
}

async function resolveLocal(local: HostPort | undefined, type: number): Promise<Local | null> {
  if (local === undefined) return null;
  const { host, port } = local;
  checkHost('localAddress.host', host);
  checkPort('localAddress.port', port);
  const { AI_PASSIVE = 0 } = nativeBinding().constants;
  return {
    host,
    port,
    addresses: await resolveHost(host, port, { family: 0, type, flags: AI_PASSIVE }),
  };
}

/** Binds to the first of the local addresses of the socket's family that works. */
function bindLocal(descriptor: Descriptor, { host, port, addresses }: Local): void {
  const candidates = addresses.filter(({ family }) => family === descriptor.type.family);
  if (candidates.length === 0) {
    const error = systemError(EADDRNOTAVAIL, 'bind', { address: host, port });
    error.message += ` (no matching local address with family=${String(descriptor.type.family)} found)`;
    throw error;
  }
  const errors: unknown[] = [];
  for (const { address } of candidates) {
    try {
      bindTo(descriptor, address);
      return;
    } catch (error) {
      errors.push(error);
    }
  }
  throw combineErrors(errors, 'no local address could be bound');
}

/** A connected TCP socket: see `createTcpConnection`. */
export async function connectTcp(
  backend: AsyncBackend,
  host: string,
  port: number,
  {
    localAddress,
    happyEyeballsDelay = DEFAULT_DELAY_MS,
  }: { localAddress?: HostPort; happyEyeballsDelay?: number },
): Promise<Descriptor> {
  checkHost('host', host);
  checkPort('port', port);
  checkTime('happyEyeballsDelay', happyEyeballsDelay);
  if (happyEyeballsDelay < 0)
    throw outOfRange('happyEyeballsDelay', 'at least 0', happyEyeballsDelay);
  const { SOCK_STREAM = 0, AF_INET6 = 0 } = nativeBinding().constants;
  const remote = await resolveHost(host, port, {
    family: 0,
    type: SOCK_STREAM,
    flags: remoteFlags(host),
  });
  const local = await resolveLocal(localAddress, SOCK_STREAM);
  return race(
    backend,
    interleave(remote, AF_INET6),
    happyEyeballsDelay,
    ({ family, address }) =>
      withSocket(family, SOCK_STREAM, async (descriptor) => {
        if (local !== null) bindLocal(descriptor, local);
        await connectOnce(descriptor, address);
        sendAtOnce(descriptor);
      }),
    (late) => {
      late.close();
    },
  );
}

/**
 * AI_ADDRCONFIG spares attempts in a family that the machine does not use, but hides loopback
 * addresses from one that has no others of their family.
 */
function remoteFlags(host: string): number {
  const isLocal = host === 'localhost' || host.endsWith('.localhost');
  return isLocal ? 0 : (nativeBinding().constants['AI_ADDRCONFIG'] ?? 0);
}

/** A connected UDP socket: see `createUdpEndpoint`. */
export async function connectUdp(
  host: string,
  port: number,
  { localAddress, family = 0 }: { localAddress?: HostPort; family?: number },
): Promise<Descriptor> {
  checkHost('remoteHost', host);
  checkPort('remotePort', port);
  const { SOCK_DGRAM = 0, AF_INET, AF_INET6 } = nativeBinding().constants;
  if (family !== 0 && family !== AF_INET && family !== AF_INET6)
    throw outOfRange('family', 'AF_UNSPEC, AF_INET or AF_INET6', family);
  const remote = await resolveHost(host, port, {
    family,
    type: SOCK_DGRAM,
    flags: remoteFlags(host),
  });
  const local = await resolveLocal(localAddress, SOCK_DGRAM);
  const errors: unknown[] = [];
  for (const { family: candidate, address } of remote) {
    try {
      return await withSocket(candidate, SOCK_DGRAM, async (descriptor) => {
        if (local !== null) bindLocal(descriptor, local);
        await connectOnce(descriptor, address);
      });
    } catch (error) {
      if (!isRefusal(error)) throw error;
      errors.push(error);
    }
  }
  throw combineErrors(errors, 'all addresses failed');
}

/** A connected Unix socket, and what removes its own file, if `localPath` made one. */
export async function connectUnix(
  backend: AsyncBackend,
  type: number,
  path: UnixPath,
  localPath: UnixPath | undefined,
): Promise<{ descriptor: Descriptor; onClose: (() => void) | null }> {
  checkUnixPath('path', path);
  if (localPath !== undefined) checkUnixPath('localPath', localPath);
  const { AF_UNIX = 1 } = nativeBinding().constants;
  let onClose: (() => void) | null = null;
  try {
    const descriptor = await withSocket(AF_UNIX, type, async (opened) => {
      if (localPath !== undefined) onClose = bindUnixPath(opened, localPath);
      for (
        let delay = FIRST_RETRY_MS;
        !(await hasRoom(opened, path));
        delay = Math.min(delay * 2, LONGEST_RETRY_MS)
      ) {
        await backend.sleep(delay);
      }
    });
    return { descriptor, onClose };
  } catch (error) {
    (onClose as (() => void) | null)?.();
    throw error;
  }
}

/** Connects; false if the listener's backlog is full. */
async function hasRoom(descriptor: Descriptor, path: UnixPath): Promise<boolean> {
  try {
    await connectOnce(descriptor, path);
    return true;
  } catch (error) {
    if ((error as { errno?: unknown }).errno === EAGAIN) return false;
    throw error;
  }
}

export function checkUnixPath(name: string, path: unknown): void {
  if (typeof path !== 'string' && !(path instanceof Uint8Array))
    throw invalidArgument(name, 'a string or a Uint8Array', path);
}

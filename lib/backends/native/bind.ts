import type { AddrInfo, InetAddress, SocketAddress, UnixPath } from '../../contract/addresses';
import { isIP } from 'node:net';
import { nativeBinding } from '../../binding';
import { checkUnixPath } from './connect';
import { combineErrors } from '../../networking/happy-eyeballs';
import { bindTo, openSocket, sendAtOnce, setOption } from './open-socket';
import { resolveHost } from './resolve';
import { bindUnixPath } from './unix-file';
import {
  CancelledError,
  type SystemError,
  systemError,
  UnsupportedOperationError,
} from '../../errors';
import { EADDRNOTAVAIL, EAFNOSUPPORT } from '../../errno';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import { checkPort, errorTarget } from '../../socket/address';
import type { Descriptor } from '../../socket/descriptor';

/** Node's own default; the kernel cuts it to net.core.somaxconn. */
export const DEFAULT_BACKLOG = 511;
const MAX_INT = 0x7fffffff;

type Host = string | readonly string[] | null;

/** An address to listen on. */
interface ListenAddress extends AddrInfo {
  /**
   * The user named it, and so it must be had. What a name stands for may be more than this machine
   * has.
   */
  readonly isExplicit: boolean;
}

async function resolveListenHost(
  host: string | null,
  port: number,
  type: number,
): Promise<ListenAddress[]> {
  const { AI_PASSIVE = 0 } = nativeBinding().constants;
  const addresses = await resolveHost(host === '' ? null : host, port, {
    family: 0,
    type,
    flags: AI_PASSIVE,
  });
  const isExplicit = host !== null && isIP(host) !== 0;
  return addresses.map((address) => ({ ...address, isExplicit }));
}

/** The distinct addresses to listen on. */
async function resolveListenHosts(
  host: Host,
  port: number,
  type: number,
): Promise<ListenAddress[]> {
  checkPort('port', port);
  const hosts = typeof host === 'string' || host === null ? [host] : host;
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw invalidArgument('host', 'a host, an array of hosts, or null', host);
  for (const name of hosts as readonly unknown[]) {
    if (name !== null && typeof name !== 'string')
      throw invalidArgument('host[]', 'a string', name);
  }
  const settled = await Promise.allSettled(
    (hosts as readonly (string | null)[]).map((name) => resolveListenHost(name, port, type)),
  );
  const failures = settled.flatMap((result): unknown[] =>
    result.status === 'rejected' ? [result.reason] : [],
  );
  // A cancellation has reached all that were still waiting, with one error.
  const cancellation = failures.find((error) => error instanceof CancelledError);
  if (cancellation !== undefined) throw cancellation;
  if (failures.length > 0) throw combineErrors(failures, 'some hosts could not be resolved');
  const distinct = new Map<string, ListenAddress>();
  for (const found of settled.flatMap((result) =>
    result.status === 'fulfilled' ? result.value : [],
  )) {
    const { address, scopeId = 0 } = found.address;
    const key = `${String(found.family)} ${address} ${String(scopeId)}`;
    if (found.isExplicit || !distinct.has(key)) distinct.set(key, found);
  }
  // IPv4 before IPv6, so that the order does not depend on the resolver.
  return [...distinct.values()].sort((a, b) => a.address.family.localeCompare(b.address.family));
}

/**
 * Binds a socket for each address, then (where `backlog` is given) lets them listen: all, or none.
 */
async function bindInet(
  host: Host,
  port: number,
  type: number,
  backlog: number | null,
  prepare: (descriptor: Descriptor) => void,
): Promise<Descriptor[]> {
  const bound: { readonly descriptor: Descriptor; readonly address: InetAddress }[] = [];
  const errors: unknown[] = [];
  const unavailable: unknown[] = [];
  for (const wanted of await resolveListenHosts(host, port, type)) {
    try {
      bound.push({ descriptor: bindOne(wanted, type, prepare), address: wanted.address });
    } catch (error) {
      (isUnavailable(error, wanted) ? unavailable : errors).push(error);
    }
  }
  for (const { descriptor, address } of errors.length === 0 && backlog !== null ? bound : []) {
    try {
      listen(descriptor, backlog as number, address);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 0 && bound.length > 0) return bound.map(({ descriptor }) => descriptor);
  for (const { descriptor } of bound) descriptor.close();
  throw combineErrors(
    errors.length > 0 ? errors : unavailable,
    'Error when trying to create listeners',
  );
}

function bindOne(
  { family, address }: ListenAddress,
  type: number,
  prepare: (descriptor: Descriptor) => void,
): Descriptor {
  const descriptor = openSocket(family, type);
  try {
    if (address.family === 'IPv6') setOption(descriptor, 'IPPROTO_IPV6', 'IPV6_V6ONLY', 1);
    prepare(descriptor);
    bindTo(descriptor, address);
    return descriptor;
  } catch (error) {
    descriptor.close();
    throw error;
  }
}

/** A machine without IPv6 still listens on IPv4, also where it calls ::1 its localhost. */
function isUnavailable(error: unknown, { isExplicit }: ListenAddress): boolean {
  const { errno } = error as Partial<SystemError>;
  return !isExplicit && (errno === EAFNOSUPPORT || errno === EADDRNOTAVAIL);
}

function shareThePort(descriptor: Descriptor): void {
  if (nativeBinding().constants['SO_REUSEPORT'] === undefined)
    throw new UnsupportedOperationError('This platform has no SO_REUSEPORT');
  const status = setOption(descriptor, 'SOL_SOCKET', 'SO_REUSEPORT', 1);
  if (status < 0) throw systemError(status, 'setsockopt');
}

function checkBacklog(backlog: number): void {
  checkInteger('backlog', backlog, 1, MAX_INT);
}

function listen(descriptor: Descriptor, backlog: number, address: SocketAddress): void {
  const status = descriptor.reactor.native.listen(descriptor.fd, backlog);
  if (status < 0) throw systemError(status, 'listen', errorTarget(address));
}

/** Listening TCP sockets: see `createTcpListeners`. */
export async function bindTcp(
  host: Host,
  port: number,
  { backlog = DEFAULT_BACKLOG, reusePort = false },
): Promise<Descriptor[]> {
  checkBacklog(backlog);
  const { SOCK_STREAM = 0 } = nativeBinding().constants;
  return bindInet(host, port, SOCK_STREAM, backlog, (descriptor) => {
    // So that a restarted server need not wait for the connections of the one before to leave
    // TIME_WAIT.
    setOption(descriptor, 'SOL_SOCKET', 'SO_REUSEADDR', 1);
    // Accepted connections inherit it: no system call for each.
    sendAtOnce(descriptor);
    if (reusePort) shareThePort(descriptor);
  });
}

/** Bound UDP sockets: see `createUdpListeners`. */
export async function bindUdp(
  host: Host,
  port: number,
  { reusePort = false },
): Promise<Descriptor[]> {
  const { SOCK_DGRAM = 0 } = nativeBinding().constants;
  return bindInet(host, port, SOCK_DGRAM, null, (descriptor) => {
    if (reusePort) shareThePort(descriptor);
  });
}

/**
 * A bound Unix socket (listening, where `backlog` is given), and what is to be done when it is
 * closed.
 */
export function bindUnix(
  path: UnixPath,
  type: number,
  { backlog, mode }: { backlog?: number | undefined; mode?: number | undefined },
): { descriptor: Descriptor; onClose: (() => void) | null } {
  checkUnixPath('path', path);
  if (backlog !== undefined) checkBacklog(backlog);
  if (mode !== undefined) checkInteger('mode', mode, 0, 0o7777);
  const { AF_UNIX = 1 } = nativeBinding().constants;
  const descriptor = openSocket(AF_UNIX, type);
  let onClose: (() => void) | null = null;
  try {
    onClose = bindUnixPath(descriptor, path, mode);
    if (backlog !== undefined) listen(descriptor, backlog, path);
    return { descriptor, onClose };
  } catch (error) {
    onClose?.();
    descriptor.close();
    throw error;
  }
}

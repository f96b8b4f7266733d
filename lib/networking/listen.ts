import { isIP } from 'node:net';
import {
  checkBacklog,
  checkListenHosts,
  checkMode,
  checkPort,
  checkUnixPath,
} from '../arguments/network';
import { checkBoolean, checkOptions } from '../arguments/validate';
import type { InetAddress, UnixPath } from '../contract/addresses';
import type { AsyncBackend } from '../contract/backend';
import type { AsyncDatagramListener, AsyncListener } from '../contract/listeners';
import type { Awaitable } from '../contract/tasks';
import type { AsyncStreamTransport } from '../contract/transports';
import { CancelledError, type SystemError } from '../errors';
import { throwIfCancelled } from '../waiting/context';
import { combineErrors, isRefusal } from './happy-eyeballs';
import { resolveHost } from './resolve-host';
import type { BoundSocket, SocketDriver } from './socket-driver';

/** The default of Node's own servers. The kernel lowers it to net.core.somaxconn. */
export const DEFAULT_BACKLOG = 511;

/** A host to listen on, a list of hosts, or null for every interface. */
export type ListenHost = string | readonly string[] | null;

/** An address to listen on. */
interface ListenAddress {
  readonly address: InetAddress;
  /**
   * Whether the caller gave this very address: binding it must then succeed. A name may stand for
   * addresses that this machine does not have, and null for a family that it does not have.
   */
  readonly isExplicit: boolean;
}

/** `AsyncBackend.createTcpListeners`. */
export async function listenTcp(
  backend: AsyncBackend,
  driver: SocketDriver,
  host: ListenHost,
  port: number,
  options: { backlog?: number; reusePort?: boolean },
): Promise<AsyncListener<AsyncStreamTransport>[]> {
  throwIfCancelled();
  checkOptions('options', options);
  const { backlog = DEFAULT_BACKLOG, reusePort = false } = options;
  checkBoolean('reusePort', reusePort);
  checkBacklog(backlog);
  const type = driver.constants.SOCK_STREAM;
  const addresses = await resolveListenHosts(backend, driver, host, port, type);
  return bindAllOrNone(addresses, (address) =>
    driver.bindTcp(backend, address, { backlog, reusePort }),
  );
}

/** `AsyncBackend.createUdpListeners`. */
export async function listenUdp(
  backend: AsyncBackend,
  driver: SocketDriver,
  host: ListenHost,
  port: number,
  options: { reusePort?: boolean },
): Promise<AsyncDatagramListener<InetAddress>[]> {
  throwIfCancelled();
  checkOptions('options', options);
  const { reusePort = false } = options;
  checkBoolean('reusePort', reusePort);
  const type = driver.constants.SOCK_DGRAM;
  const addresses = await resolveListenHosts(backend, driver, host, port, type);
  return bindAllOrNone(addresses, (address) => driver.bindUdp(backend, address, { reusePort }));
}

/** `AsyncBackend.createUnixStreamListener`. */
export async function listenUnixStream(
  backend: AsyncBackend,
  driver: SocketDriver,
  path: UnixPath,
  options: { backlog?: number; mode?: number },
): Promise<AsyncListener<AsyncStreamTransport>> {
  throwIfCancelled();
  checkUnixPath('path', path);
  checkOptions('options', options);
  const { backlog = DEFAULT_BACKLOG, mode } = options;
  checkBacklog(backlog);
  checkMode(mode);
  return driver.bindUnixStream(backend, path, { backlog, mode });
}

/** `AsyncBackend.createUnixDatagramListener`. */
export async function listenUnixDatagram(
  backend: AsyncBackend,
  driver: SocketDriver,
  path: UnixPath,
  options: { mode?: number },
): Promise<AsyncDatagramListener<UnixPath>> {
  throwIfCancelled();
  checkUnixPath('path', path);
  checkOptions('options', options);
  const { mode } = options;
  checkMode(mode);
  return driver.bindUnixDatagram(backend, path, { mode });
}

/** The distinct addresses of all hosts, IPv4 first: the order does not depend on the resolver. */
async function resolveListenHosts(
  backend: AsyncBackend,
  driver: SocketDriver,
  host: ListenHost,
  port: number,
  type: number,
): Promise<ListenAddress[]> {
  checkPort('port', port);
  const settled = await Promise.allSettled(
    checkListenHosts(host).map((name) => resolveListenHost(backend, driver, name, port, type)),
  );
  const failures = settled.flatMap((result): unknown[] =>
    result.status === 'rejected' ? [result.reason] : [],
  );
  // A cancelled scope rejects all look-ups that still wait, with one error.
  const cancellation = failures.find((error) => error instanceof CancelledError);
  if (cancellation !== undefined) throw cancellation;
  if (failures.length > 0) throw combineErrors(failures, 'some hosts could not be resolved');
  const distinct = new Map<string, ListenAddress>();
  for (const found of settled.flatMap((result) =>
    result.status === 'fulfilled' ? result.value : [],
  )) {
    const { address, family, scopeId = 0 } = found.address;
    const key = `${family} ${address} ${String(scopeId)}`;
    if (found.isExplicit || !distinct.has(key)) distinct.set(key, found);
  }
  return [...distinct.values()].sort((a, b) => a.address.family.localeCompare(b.address.family));
}

async function resolveListenHost(
  backend: AsyncBackend,
  { constants }: SocketDriver,
  host: string | null,
  port: number,
  type: number,
): Promise<ListenAddress[]> {
  const hints = { family: 0, type, flags: constants.AI_PASSIVE };
  const name = host === '' ? null : host;
  const addresses = await resolveHost(backend, constants, name, port, hints);
  const isExplicit = name !== null && isIP(name) !== 0;
  return addresses.map((address) => ({ address, isExplicit }));
}

/**
 * Binds a socket for each address, then lets all of them listen. If one fails, all are closed.
 * @throws the error of the address that failed, or an AggregateError of several
 */
async function bindAllOrNone<L>(
  addresses: readonly ListenAddress[],
  bind: (address: InetAddress) => Awaitable<BoundSocket<L>>,
): Promise<L[]> {
  const bound: BoundSocket<L>[] = [];
  const errors: unknown[] = [];
  const unavailable: unknown[] = [];
  try {
    for (const { address, isExplicit } of addresses) {
      try {
        bound.push(await bind(address));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        (!isExplicit && isUnavailable(error) ? unavailable : errors).push(error);
      }
    }
    if (errors.length === 0 && bound.length > 0) {
      for (const socket of bound) {
        try {
          socket.listen?.();
        } catch (error) {
          if (!isRefusal(error)) throw error;
          errors.push(error);
        }
      }
    }
    if (errors.length === 0 && bound.length > 0) return bound.map(({ listener }) => listener);
    throw combineErrors(
      errors.length > 0 ? errors : unavailable,
      'Error when trying to create listeners',
    );
  } catch (error) {
    for (const { listener } of bound) listener[Symbol.dispose]();
    throw error;
  }
}

/** Whether this machine has no such address, or not even its family. */
function isUnavailable(error: unknown): boolean {
  const { code } = error as Partial<SystemError>;
  return code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL';
}

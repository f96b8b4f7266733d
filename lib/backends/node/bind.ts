import type { AddrInfo, UnixPath } from '../../contract/addresses';
import type { TypedAttribute } from '../../contract/attributes';
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import type { AsyncBackend } from '../../contract/backend';
import { combineErrors } from '../../networking/happy-eyeballs';
import { explainFileInUse, type SystemError } from '../../errors';
import { outsideOfTasks } from '../../waiting/context';
import { checkInteger, invalidArgument } from '../../arguments/validate';
import { type AttributeGetters, SocketAttribute } from '../../transports/attributes';
import { checkPort, hostText, inetAddress, pipePath } from './address';
import { bindDatagramSocket, openDatagramSocket } from './connect-datagram';
import { NodeDatagramListener } from './datagram-listener';
import { type ListenerKind, NodeStreamListener } from './stream-listener';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  AI_PASSIVE,
  hasReusePort,
  nodeVersion,
  SOCK_DGRAM,
  SOCK_STREAM,
} from './platform';
import { resolveHost } from './resolve';
import { inetAttributes, unixAttributes } from './attributes';
import { isUnixFile, absoluteIfShort, ownUnixFile } from './unix-file';
import { unsupported } from './unsupported';

/** Node's own default; the kernel cuts it to net.core.somaxconn. */
export const DEFAULT_BACKLOG = 511;
const MAX_INT = 0x7fffffff;

export type Host = string | readonly string[] | null;

/** The distinct addresses to listen on. */
async function resolveListenHosts(
  backend: AsyncBackend,
  host: Host,
  port: number,
  type: number,
): Promise<AddrInfo[]> {
  checkPort('port', port);
  const hosts = typeof host === 'string' || host === null ? [host] : host;
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw invalidArgument('host', 'a host, an array of hosts, or null', host);
  for (const name of hosts as readonly unknown[]) {
    if (name !== null && typeof name !== 'string')
      throw invalidArgument('host[]', 'a string', name);
  }
  const settled = await Promise.allSettled(
    (hosts as readonly (string | null)[]).map((name) =>
      resolveHost(backend, name === '' ? null : name, port, {
        family: AF_UNSPEC,
        type,
        flags: AI_PASSIVE,
      }),
    ),
  );
  const failures = settled
    .filter((result) => result.status === 'rejected')
    .map((result) => result.reason as unknown);
  if (failures.length > 0) throw combineErrors(failures, 'some hosts could not be resolved');
  const distinct = new Map<string, AddrInfo>();
  for (const result of settled) {
    if (result.status === 'rejected') continue;
    for (const info of result.value) distinct.set(hostText(info.address), info);
  }
  // IPv4 before IPv6, so that the order does not depend on the resolver.
  return [...distinct.values()].sort((a, b) => a.address.family.localeCompare(b.address.family));
}

/** Binds a listener for each address: all, or none. */
async function bindAll<T extends { closeNow(): void }>(
  addresses: readonly AddrInfo[],
  bind: (info: AddrInfo) => Promise<T>,
): Promise<T[]> {
  const bound: T[] = [];
  const errors: unknown[] = [];
  let unavailable: unknown;
  for (const info of addresses) {
    try {
      bound.push(await bind(info));
    } catch (error) {
      // A machine without IPv6 still listens on IPv4.
      if ((error as SystemError).code === 'EAFNOSUPPORT') unavailable = error;
      else errors.push(error);
    }
  }
  if (errors.length === 0 && bound.length > 0) return bound;
  for (const listener of bound) listener.closeNow();
  throw combineErrors(
    errors.length > 0 ? errors : [unavailable],
    'Error when trying to create listeners',
  );
}

function checkReusePort(reusePort: boolean): void {
  if (reusePort && !hasReusePort)
    throw unsupported(
      'reusePort',
      `node:net and node:dgram have it from 22.12 and 23.1 on, and this is ${nodeVersion}`,
    );
}

/** The platform has no SO_REUSEPORT: Node says so only now. */
function explainReusePort(error: unknown, reusePort: boolean): unknown {
  return reusePort && (error as SystemError).code === 'ENOTSUP'
    ? unsupported('reusePort', 'this platform has none')
    : error;
}

function open(): Server {
  return outsideOfTasks(() =>
    createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }),
  );
}

/** Listens. Net calls back once, and keeps nobody waiting: it is not to be cancelled. */
function listen(
  server: Server,
  options: ListenOptions & { reusePort?: boolean; fd?: number },
  onBound?: () => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    server.listen({ ...options, exclusive: true });
    // By path, it binds in this very call.
    if (onBound !== undefined && server.listening) {
      try {
        onBound();
      } catch (error) {
        server.close();
        reject(error);
      }
    }
  });
}

function listenerAttributes(server: Server): AttributeGetters {
  // Not of a pipe, and not closed: see the callers.
  const name = (): AddressInfo => server.address() as AddressInfo;
  return new Map<TypedAttribute<unknown>, () => unknown>([
    [SocketAttribute.family, () => (name().address.includes(':') ? AF_INET6 : AF_INET)],
    [SocketAttribute.localAddress, () => inetAddress(name().address, name().port)],
  ]);
}

function checkBacklog(backlog: number): void {
  checkInteger('backlog', backlog, 1, MAX_INT);
}

const close = (server: Server): void => {
  server.close();
};

export async function listenTcp(
  backend: AsyncBackend,
  host: Host,
  port: number,
  { backlog = DEFAULT_BACKLOG, reusePort = false }: { backlog?: number; reusePort?: boolean },
): Promise<NodeStreamListener[]> {
  checkBacklog(backlog);
  checkReusePort(reusePort);
  const addresses = await resolveListenHosts(backend, host, port, SOCK_STREAM);
  return bindAll(addresses, async ({ address }) => {
    const server = open();
    const options = { host: hostText(address), port, backlog, ipv6Only: address.family === 'IPv6' };
    try {
      await listen(server, reusePort ? { ...options, reusePort } : options);
    } catch (error) {
      throw explainReusePort(error, reusePort);
    }
    return new NodeStreamListener(backend, server, tcpListener(server, backlog));
  });
}

export async function listenUdp(
  backend: AsyncBackend,
  host: Host,
  port: number,
  { reusePort = false }: { reusePort?: boolean },
): Promise<NodeDatagramListener[]> {
  checkReusePort(reusePort);
  const addresses = await resolveListenHosts(backend, host, port, SOCK_DGRAM);
  return bindAll(addresses, async ({ family, address }) => {
    const options: { ipv6Only: boolean; reusePort?: boolean } = {
      ipv6Only: address.family === 'IPv6',
    };
    const socket = openDatagramSocket(family, reusePort ? { ...options, reusePort } : options);
    try {
      await bindDatagramSocket(socket, { address: hostText(address), port });
    } catch (error) {
      socket.close();
      throw explainReusePort(error, reusePort);
    }
    return new NodeDatagramListener(backend, socket);
  });
}

export async function listenUnix(
  backend: AsyncBackend,
  path: UnixPath,
  { backlog = DEFAULT_BACKLOG, mode }: { backlog?: number; mode?: number },
): Promise<NodeStreamListener> {
  const name = pipePath('path', path, 'bind');
  checkBacklog(backlog);
  if (mode !== undefined) checkInteger('mode', mode, 0, 0o7777);
  const server = open();
  const bound = isUnixFile(name) ? absoluteIfShort(name) : name;
  let closeServer = close;
  try {
    await listen(server, { path: bound, backlog }, () => {
      if (!isUnixFile(name)) return;
      const file = ownUnixFile(bound, mode);
      closeServer = (closing) => {
        file.closeWith(() => closing.close());
      };
    });
  } catch (error) {
    if (isUnixFile(name)) explainFileInUse(error);
    throw error;
  }
  return new NodeStreamListener(backend, server, unixListener(name, backlog, closeServer));
}

/** A Unix listener. Net does not know what a client is bound to; most are to nothing. */
function unixListener(
  name: string | undefined,
  backlog: number,
  closeServer: (server: Server) => void,
): ListenerKind {
  const attributes = unixAttributes(name, undefined);
  return { attributes, attributesOf: () => attributes, backlog, close: closeServer };
}

function tcpListener(server: Server, backlog: number): ListenerKind {
  return { attributes: listenerAttributes(server), attributesOf: inetAttributes, backlog, close };
}

/** Of an fd that listens (one that is only bound begins to). */
export async function listenOnFd(backend: AsyncBackend, fd: number): Promise<NodeStreamListener> {
  const server = open();
  await listen(server, { fd, backlog: DEFAULT_BACKLOG });
  const address = server.address();
  const isInet = typeof address === 'object' && address !== null;
  const kind = isInet
    ? tcpListener(server, DEFAULT_BACKLOG)
    : unixListener(address ?? undefined, DEFAULT_BACKLOG, close);
  return new NodeStreamListener(backend, server, kind);
}

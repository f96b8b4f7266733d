import type { AddrInfo, HostPort, UnixPath } from '../../contract/addresses';
import { type NetConnectOpts, Socket } from 'node:net';
import type { AsyncBackend } from '../../contract/backend';
import { combineErrors, DEFAULT_DELAY_MS, interleave, race } from '../../networking/happy-eyeballs';
import { type SystemError, systemErrorNamed } from '../../errors';
import { currentScope, outsideOfTasks } from '../../waiting/context';
import { cancelled, isCancelled } from '../../waiting/operation';
import { checkTime, invalidArgument, outOfRange } from '../../arguments/validate';
import type { AttributeGetters } from '../../transports/attributes';
import { checkPort, hostText, pipePath } from './address';
import { AF_INET6, AF_UNSPEC, AI_PASSIVE, SOCK_STREAM } from './platform';
import { NodeStreamTransport } from './stream-transport';
import { addrConfigFor, resolveHost } from './resolve';
import { inetAttributes, unixAttributes } from './attributes';
import { unsupported } from './unsupported';
import { Wait } from './transport';

/**
 * How long a Unix connection waits before it asks again whether the listener's backlog has room:
 * there is no event for it.
 */
const FIRST_RETRY_MS = 1;
const LONGEST_RETRY_MS = 32;

export function checkHost(name: string, host: unknown): void {
  if (typeof host !== 'string' || host === '')
    throw invalidArgument(name, 'a host name or address', host);
}

/** A checkpoint: one attempt. Cancelled, its socket is closed. */
function connectOnce(
  backend: AsyncBackend,
  target: string,
  options: NetConnectOpts,
  attributesOf: (socket: Socket) => AttributeGetters,
): Promise<NodeStreamTransport> {
  const scope = currentScope();
  if (isCancelled(scope)) return cancelled(scope);
  return outsideOfTasks(() => {
    const socket = new Socket({ allowHalfOpen: true });
    const attempt = new Wait<NodeStreamTransport>(`connect to ${target}`, () => {
      socket.destroy();
    });
    const failed = (error: Error): void => {
      attempt.fail(error);
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      if ('port' in options) socket.setNoDelay(true);
      attempt.settle(new NodeStreamTransport(backend, socket, attributesOf(socket)));
    });
    // Not a byte is read before the first receive.
    socket.pause();
    try {
      socket.connect(options);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return attempt.enter(scope).promise;
  });
}

/** A local end as the user gave it, and its addresses. */
export interface Local extends HostPort {
  readonly addresses: readonly AddrInfo[];
}

export async function resolveLocal(
  backend: AsyncBackend,
  local: HostPort | undefined,
  type: number,
): Promise<Local | null> {
  if (local === undefined) return null;
  const { host, port } = local;
  checkHost('localAddress.host', host);
  checkPort('localAddress.port', port);
  return {
    host,
    port,
    addresses: await resolveHost(backend, host, port, {
      family: AF_UNSPEC,
      type,
      flags: AI_PASSIVE,
    }),
  };
}

/** The local addresses of a family. @throws EADDRNOTAVAIL if there is none */
export function localCandidates(
  { host, port, addresses }: Local,
  family: number,
): readonly AddrInfo[] {
  const candidates = addresses.filter((candidate) => candidate.family === family);
  if (candidates.length > 0) return candidates;
  const error = systemErrorNamed('EADDRNOTAVAIL', 'bind', { address: host, port });
  error.message += ` (no matching local address with family=${family} found)`;
  throw error;
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
): Promise<NodeStreamTransport> {
  checkHost('host', host);
  checkPort('port', port);
  checkTime('happyEyeballsDelay', happyEyeballsDelay);
  if (happyEyeballsDelay < 0)
    throw outOfRange('happyEyeballsDelay', 'at least 0', happyEyeballsDelay);
  const remote = await resolveHost(backend, host, port, {
    family: AF_UNSPEC,
    type: SOCK_STREAM,
    flags: addrConfigFor(host),
  });
  const local = await resolveLocal(backend, localAddress, SOCK_STREAM);
  return race(
    backend,
    interleave(remote, AF_INET6),
    happyEyeballsDelay,
    (info) => connectFrom(backend, info, local),
    (late) => {
      late.closeNow();
    },
  );
}

/** Connects to one address, from the first of the local ones of its family that can be bound. */
async function connectFrom(
  backend: AsyncBackend,
  { family, address }: AddrInfo,
  local: Local | null,
): Promise<NodeStreamTransport> {
  const options = { host: hostText(address), port: address.port, autoSelectFamily: false };
  const target = `${address.address}:${address.port}`;
  if (local === null) return connectOnce(backend, target, options, inetAttributes);
  const errors: unknown[] = [];
  for (const { address: from } of localCandidates(local, family)) {
    try {
      return await connectOnce(
        backend,
        target,
        { ...options, localAddress: hostText(from), localPort: from.port },
        inetAttributes,
      );
    } catch (error) {
      if ((error as SystemError).syscall !== 'bind') throw error;
      errors.push(error);
    }
  }
  throw combineErrors(errors, 'no local address could be bound');
}

/** A connected Unix socket: see `createUnixStreamConnection`. */
export async function connectUnix(
  backend: AsyncBackend,
  path: UnixPath,
  localPath: UnixPath | undefined,
): Promise<NodeStreamTransport> {
  const name = pipePath('path', path, 'connect');
  if (localPath !== undefined)
    throw unsupported('localPath', 'node:net cannot bind a Unix socket before it connects');
  for (let delay = FIRST_RETRY_MS; ; delay = Math.min(delay * 2, LONGEST_RETRY_MS)) {
    try {
      return await connectOnce(backend, name, { path: name }, () => unixAttributes('', name));
    } catch (error) {
      // The listener's backlog is full.
      if ((error as SystemError).code !== 'EAGAIN') throw error;
    }
    await backend.sleep(delay);
  }
}

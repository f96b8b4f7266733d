import { checkHost, checkPort, checkUnixPath } from '../arguments/network';
import { checkInteger, checkOptions, checkTime, outOfRange } from '../arguments/validate';
import type { HostPort, InetAddress, UnixPath } from '../contract/addresses';
import type { AsyncBackend } from '../contract/backend';
import type { AsyncDatagramTransport, AsyncStreamTransport } from '../contract/transports';
import { type SystemError, systemErrorNamed } from '../errors';
import { throwIfCancelled } from '../waiting/context';
import { combineErrors, DEFAULT_DELAY_MS, interleave, isRefusal, race } from './happy-eyeballs';
import { connectFlags, resolveHost } from './resolve-host';
import type { SocketDriver, UnixConnector } from './socket-driver';

const MAX_INT = 0x7fffffff;

/**
 * The pauses between two attempts to connect to a Unix listener with a full backlog: 1 ms, then
 * twice as long each time, up to 32 ms. The kernel has no event for room in a backlog.
 */
const FIRST_RETRY_MS = 1;
const LONGEST_RETRY_MS = 32;

/** A local address as the caller gave it, with the addresses of its host. */
interface LocalAddress extends HostPort {
  readonly addresses: readonly InetAddress[];
}

/** `AsyncBackend.createTcpConnection`. */
export async function connectTcp(
  backend: AsyncBackend,
  driver: SocketDriver,
  host: string,
  port: number,
  options: { localAddress?: HostPort; happyEyeballsDelay?: number },
): Promise<AsyncStreamTransport> {
  throwIfCancelled();
  checkHost('host', host);
  checkPort('port', port);
  checkOptions('options', options);
  const { localAddress, happyEyeballsDelay = DEFAULT_DELAY_MS } = options;
  checkTime('happyEyeballsDelay', happyEyeballsDelay);
  if (happyEyeballsDelay < 0)
    throw outOfRange('happyEyeballsDelay', 'at least 0', happyEyeballsDelay);
  const { constants } = driver;
  const type = constants.SOCK_STREAM;
  const flags = connectFlags(constants, host);
  const remote = await resolveHost(backend, constants, host, port, { family: 0, type, flags });
  const local = await resolveLocal(backend, driver, localAddress, type);
  return race(
    backend,
    interleave(remote, 'IPv6'),
    happyEyeballsDelay,
    (address) => connectFrom(local, address, (from) => driver.connectTcp(backend, address, from)),
    (late) => {
      late[Symbol.dispose]();
    },
  );
}

/** `AsyncBackend.createUdpEndpoint`: the addresses of the host, one after the other. */
export async function connectUdp(
  backend: AsyncBackend,
  driver: SocketDriver,
  host: string,
  port: number,
  options: { localAddress?: HostPort; family?: number },
): Promise<AsyncDatagramTransport> {
  throwIfCancelled();
  checkHost('remoteHost', host);
  checkPort('remotePort', port);
  checkOptions('options', options);
  const { localAddress, family = 0 } = options;
  checkInteger('family', family, 0, MAX_INT);
  const { constants } = driver;
  const { AF_INET, AF_INET6, SOCK_DGRAM: type } = constants;
  if (family !== 0 && family !== AF_INET && family !== AF_INET6) {
    const expected = `AF_UNSPEC (0), AF_INET (${AF_INET}) or AF_INET6 (${AF_INET6})`;
    throw outOfRange('family', expected, family);
  }
  const flags = connectFlags(constants, host);
  const remote = await resolveHost(backend, constants, host, port, { family, type, flags });
  const local = await resolveLocal(backend, driver, localAddress, type);
  const errors: unknown[] = [];
  for (const address of remote) {
    throwIfCancelled();
    try {
      return await connectFrom(local, address, (from) => driver.connectUdp(backend, address, from));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      errors.push(error);
    }
  }
  throw combineErrors(errors, 'all addresses failed');
}

/** `createUnixStreamConnection` and `createUnixDatagramEndpoint`. */
export async function connectUnix<T>(
  backend: AsyncBackend,
  open: (localPath: UnixPath | undefined) => UnixConnector<T>,
  path: UnixPath,
  options: { localPath?: UnixPath },
): Promise<T> {
  throwIfCancelled();
  checkUnixPath('path', path);
  checkOptions('options', options);
  const { localPath } = options;
  if (localPath !== undefined) checkUnixPath('localPath', localPath);
  const connector = open(localPath);
  try {
    for (let delay = FIRST_RETRY_MS; ; delay = Math.min(delay * 2, LONGEST_RETRY_MS)) {
      try {
        return await connector.connect(path);
      } catch (error) {
        if ((error as Partial<SystemError> | null)?.code !== 'EAGAIN') throw error;
      }
      await backend.sleep(delay);
    }
  } catch (error) {
    connector[Symbol.dispose]();
    throw error;
  }
}

async function resolveLocal(
  backend: AsyncBackend,
  { constants }: SocketDriver,
  local: HostPort | undefined,
  type: number,
): Promise<LocalAddress | null> {
  if (local === undefined) return null;
  checkOptions('localAddress', local);
  const { host, port } = local;
  checkHost('localAddress.host', host);
  checkPort('localAddress.port', port);
  const hints = { family: 0, type, flags: constants.AI_PASSIVE };
  return { host, port, addresses: await resolveHost(backend, constants, host, port, hints) };
}

/**
 * Connects from the first local address that can be bound, of those of the remote's family.
 * @throws the error of `connect`; EADDRNOTAVAIL if no local address has the family; if none can be
 *   bound, the errors of all of them
 */
async function connectFrom<T>(
  local: LocalAddress | null,
  remote: InetAddress,
  connect: (from: InetAddress | null) => Promise<T>,
): Promise<T> {
  if (local === null) return connect(null);
  const { host, port, addresses } = local;
  const candidates = addresses.filter(({ family }) => family === remote.family);
  if (candidates.length === 0) {
    const error = systemErrorNamed('EADDRNOTAVAIL', 'bind', { address: host, port });
    error.message += ` (no matching local address with family=${remote.family} found)`;
    throw error;
  }
  const errors: unknown[] = [];
  for (const candidate of candidates) {
    try {
      return await connect(candidate);
    } catch (error) {
      if ((error as Partial<SystemError> | null)?.syscall !== 'bind') throw error;
      errors.push(error);
    }
  }
  throw combineErrors(errors, 'no local address could be bound');
}

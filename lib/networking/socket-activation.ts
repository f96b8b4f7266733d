import { decimal, invalidArgument } from '../arguments/validate';
import type { AsyncBackend } from '../contract/backend';
import type { EnvironmentListener } from '../contract/listeners';
import { InvalidStateError } from '../errors';
import { acloseForcefully } from '../transports/aclose-forcefully';
import { throwIfCancelled } from '../waiting/context';
import { combineErrors } from './happy-eyeballs';
import type { SocketDriver, SocketRole } from './socket-driver';

/** SD_LISTEN_FDS_START. */
const FIRST_FD = 3;
/** More than any process may have open by default, and few enough for an array. */
const MAX_FDS = 65536;
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const;

/** An fd that a service manager passed to this process. */
interface EnvironmentFd {
  readonly name: string;
  readonly fd: number;
}

/**
 * `AsyncBackend.listenersFromEnvironment`. All fds are inspected before the first is taken over.
 */
export async function listenersFromEnvironment(
  backend: AsyncBackend,
  driver: SocketDriver,
  environment: NodeJS.ProcessEnv,
): Promise<EnvironmentListener[]> {
  throwIfCancelled();
  const described = readEnvironmentFds(environment);
  const kinds = described.map((passed) => kindOf(driver, passed, environment));
  // Without a step between them, so that a cancellation cannot come when some are taken.
  const taking = described.map((passed, index) => listenerOn(backend, passed, kinds[index]));
  const variables = VARIABLES.map((name) => [name, environment[name]] as const);
  forgetEnvironmentFds(environment);
  const settled = await Promise.allSettled(taking);
  const errors = settled.flatMap((result): unknown[] =>
    result.status === 'rejected' ? [result.reason] : [],
  );
  const listeners = settled.flatMap((result) =>
    result.status === 'fulfilled' ? [result.value] : [],
  );
  if (errors.length === 0) return listeners;
  await Promise.all(listeners.map(({ listener }) => acloseForcefully(listener)));
  for (const [name, value] of variables) if (value !== undefined) environment[name] = value;
  throw combineErrors(errors, 'the sockets of the service manager could not be taken over');
}

type ListenerKind = EnvironmentListener['kind'];
const KINDS: Partial<Record<SocketRole, ListenerKind>> = {
  'a listening stream socket': 'stream',
  'a bound datagram socket without a peer': 'datagram',
};

function kindOf(
  driver: SocketDriver,
  { name, fd }: EnvironmentFd,
  environment: NodeJS.ProcessEnv,
): ListenerKind {
  const role = driver.roleOf(fd);
  const kind = KINDS[role];
  if (kind !== undefined) return kind;
  throw invalidArgument(
    'LISTEN_FDS',
    `a number of listening or unconnected sockets (fd ${String(fd)}, "${name}", is ${role})`,
    environment['LISTEN_FDS'],
  );
}

async function listenerOn(
  backend: AsyncBackend,
  { name, fd }: EnvironmentFd,
  kind: ListenerKind | undefined,
): Promise<EnvironmentListener> {
  return kind === 'datagram'
    ? { name, kind, listener: await backend.wrapDatagramListenerSocket(fd) }
    : { name, kind: 'stream', listener: await backend.wrapListenerSocket(fd) };
}

/**
 * The fds that sd_listen_fds(3) describes, with their names. None if the variables are absent, or
 * are those of another process: LISTEN_PID names the process that they are for, and a child
 * inherits them.
 * @throws InvalidStateError if LISTEN_FDS is no number
 */
export function readEnvironmentFds(environment: NodeJS.ProcessEnv): EnvironmentFd[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  if (LISTEN_FDS === undefined || decimal(LISTEN_PID ?? '') !== process.pid) return [];
  const count = decimal(LISTEN_FDS);
  if (!(count <= MAX_FDS))
    throw new InvalidStateError(`LISTEN_FDS is no number of file descriptors: ${LISTEN_FDS}`);
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  return Array.from({ length: count }, (_, index) => ({
    name: names[index] ?? 'unknown',
    fd: FIRST_FD + index,
  }));
}

/** Removes the variables, if they are for this process: its children must not claim the fds. */
export function forgetEnvironmentFds(environment: NodeJS.ProcessEnv): void {
  if (decimal(environment['LISTEN_PID'] ?? '') !== process.pid) return;
  for (const name of VARIABLES) Reflect.deleteProperty(environment, name);
}

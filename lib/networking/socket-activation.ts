import { InvalidStateError } from '../errors';

/** SD_LISTEN_FDS_START. */
const FIRST_FD = 3;
/** More than any process may have open by default, and few enough for an array. */
const MAX_FDS = 65536;

/**
 * The fds that sd_listen_fds(3) describes, with their names; none if it describes none, or another
 * process': the variables name one by its pid, and a child that inherits them is not meant.
 * @throws InvalidStateError if LISTEN_FDS is no number
 */
export function readEnvironmentFds(
  environment: NodeJS.ProcessEnv,
): { readonly name: string; readonly fd: number }[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  if (LISTEN_FDS === undefined || Number(LISTEN_PID) !== process.pid) return [];
  const count = /^\d{1,5}$/.test(LISTEN_FDS) ? Number(LISTEN_FDS) : NaN;
  if (!(count <= MAX_FDS))
    throw new InvalidStateError(`LISTEN_FDS is no number of file descriptors: ${LISTEN_FDS}`);
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  return Array.from({ length: count }, (_, index) => ({
    name: names[index] ?? 'unknown',
    fd: FIRST_FD + index,
  }));
}

/**
 * Removes the variables, if they are this process': its children are not to take them for theirs.
 */
export function forgetEnvironmentFds(environment: NodeJS.ProcessEnv): void {
  if (Number(environment['LISTEN_PID']) !== process.pid) return;
  delete environment['LISTEN_PID'];
  delete environment['LISTEN_FDS'];
  delete environment['LISTEN_FDNAMES'];
}

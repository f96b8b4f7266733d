const setting = process.env['SOCKSCOPE_DEBUG'] ?? '';

let isOn = setting !== '' && setting !== '0';

/** Whether the library records where tasks are started and sockets are created. */
export function isDebugging(): boolean {
  return isOn;
}

/**
 * Turns debugging on or off, for tasks that are started and sockets that are created from now on.
 * While it is on, each of them records where: the stack of an error that ends a task then says
 * where the task was started, and the warning about a socket that was never closed says where the
 * socket was created.
 *
 * Off by default, since every record takes a stack trace. The environment variable
 * `SOCKSCOPE_DEBUG` turns it on from the beginning, by any value but the empty one and `0`.
 */
export function setDebug(on: boolean): void {
  isOn = on;
}

/**
 * Where the caller of `above` is, as text; undefined while debugging is off: a stack trace for each
 * socket is expensive.
 */
export function creationSite(above: (...args: never[]) => unknown): string | undefined {
  if (!isOn) return undefined;
  const site: { stack?: unknown } = {};
  Error.captureStackTrace(site, above);
  // A program may have set Error.prepareStackTrace, and then the stack may be of any type.
  const [, ...calls] = String(site.stack).split('\n');
  return `It was created:\n${calls.join('\n')}`;
}

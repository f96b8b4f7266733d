let isOn = process.env['SOCKSCOPE_DEBUG'] === '1';

/** Where this library was called, as text; undefined unless debugging is on: taking a stack costs more than starting a task. */
export function startSite(): string | undefined {
  if (!isOn) return undefined;
  const [, ...frames] = (new Error().stack ?? '').split('\n');
  return frames.filter((frame) => !frame.includes(__dirname)).join('\n');
}

const noted = new WeakSet<Error>();

/** Appends to the stack of a task's error who started the task. Once, for the task where it began. */
export function noteStart(error: unknown, name: string, site: string | undefined): void {
  if (site === undefined || !(error instanceof Error) || noted.has(error)) return;
  noted.add(error);
  // A frozen error stays as it is.
  Reflect.set(error, 'stack', `${error.stack ?? String(error)}\n    in task "${name}", which was started\n${site}`);
}

/**
 * Whether tasks remember where they were started: the stack of an error that ends one then says so. Off by default, since it takes a
 * stack for every task; the environment variable SOCKSCOPE_DEBUG=1 turns it on from the beginning.
 */
export function setDebug(on: boolean): void {
  isOn = on;
}

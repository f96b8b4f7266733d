import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

/** The folder of package.json: where `import 'sockscope'` finds the built package itself. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

const children = new Set<ChildProcess>();

/** Starts a child that ends with this test file at the latest, also if the test fails. */
export function spawnChild(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd?: string;
    readonly env?: NodeJS.ProcessEnv;
    readonly stdio?: StdioOptions;
  },
): ChildProcess {
  const child = spawn(command, args, {
    cwd: packageRoot,
    env: childEnvironment(),
    stdio: 'pipe',
    ...options,
  });
  children.add(child);
  child.once('close', () => children.delete(child));
  return child;
}

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/**
 * Calls back when a child has ended and all of its pipes are closed. The event 'close' does not
 * wait for the pipe to its stdin, and a test that counts fds would still count that pipe.
 */
export function onceGone(
  child: ChildProcess,
  callback: (code: number | null, signal: NodeJS.Signals | null) => void,
): void {
  child.once('close', (code, signal) => {
    const { stdin } = child;
    if (stdin === null || stdin.closed) callback(code, signal);
    else stdin.once('close', () => callback(code, signal));
  });
}

/**
 * The environment of this process, without the variables of the test runner. A variable that is
 * given as undefined is removed.
 */
export function childEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...extra };
  for (const name of Object.keys(env)) {
    const fromRunner =
      /^(VITEST|NODE_OPTIONS$|NODE_V8_COVERAGE$|NODE_ENV$|FORCE_COLOR$|TEST$)/.test(name) &&
      !(name in extra);
    if (fromRunner || env[name] === undefined) Reflect.deleteProperty(env, name);
  }
  return env;
}

/** The result of a child process. */
export interface Outcome {
  /** The exit status; null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** Added to the present environment; undefined removes a variable. */
  readonly env?: NodeJS.ProcessEnv;
  /** Written to the child's stdin, which is then ended. */
  readonly input?: string;
  /** Milliseconds until the child is killed and the run rejects. Default 30,000. */
  readonly timeout?: number;
}

/**
 * Runs a program to its end. Rejects, with its output in the message, if it does not end in time or
 * cannot be started. An exit status other than 0 is a result.
 */
export function run(command: string, options: RunOptions = {}): Promise<Outcome> {
  const { args = [], cwd = packageRoot, env, input = '', timeout = 30_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawnChild(command, args, { cwd, env: childEnvironment(env) });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // EPIPE: the child ended without reading its input. Its result is reported.
    child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') reject(error);
    });
    child.stdin?.end(input);
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new Error(
          `${command} ${args.join(' ')} did not end within ${String(timeout)} ms.\nstdout: ${stdout}\nstderr: ${stderr}`,
        ),
      );
    }, timeout);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    onceGone(child, (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Runs a `.mjs` or `.cjs` fixture with this Node. `execArgv` are Node's own flags. */
export function runNode(
  script: string | URL,
  options: RunOptions & { readonly execArgv?: readonly string[] } = {},
): Promise<Outcome> {
  const file = script instanceof URL ? fileURLToPath(script) : script;
  return run(process.execPath, {
    ...options,
    args: [...(options.execArgv ?? []), file, ...(options.args ?? [])],
  });
}

/**
 * Runs source text as an ES module (or, with `commonjs`, as CommonJS). In the package root it may
 * `import 'sockscope'`.
 */
export function runCode(
  source: string,
  options: RunOptions & { readonly execArgv?: readonly string[]; readonly commonjs?: boolean } = {},
): Promise<Outcome> {
  const type = options.commonjs === true ? 'commonjs' : 'module';
  return run(process.execPath, {
    ...options,
    args: [
      ...(options.execArgv ?? []),
      `--input-type=${type}`,
      '-e',
      source,
      ...(options.args ?? []),
    ],
  });
}

import { createInterface } from 'node:readline';
import { onceGone, spawnChild } from './child';

/**
 * The beginning of every peer program: the modules that peers use, and `hear` and `say` of the line
 * protocol. Each line is one JSON value. A test sends bytes as a list of numbers, or as hex.
 */
const prelude = `
import array, errno, json, os, select, signal, socket, struct, sys, threading, time
def hear():
    line = sys.stdin.readline()
    if not line: sys.exit(0)
    return json.loads(line)
def say(value): print(json.dumps(value), flush=True)
`;

/** A running python3 program, whose sockets are independent of this library. */
export interface PythonPeer extends AsyncDisposable {
  readonly pid: number;
  /** Sends one value: the next `hear()` of the program returns it. */
  tell(value: unknown): void;
  /**
   * The next value that the program passes to `say`. Rejects, with the program's traceback, if the
   * program ends instead, or says nothing for `timeout` (15,000 ms).
   */
  hear<T = unknown>(timeout?: number): Promise<T>;
  /**
   * Ends the program's stdin and waits for its exit. Rejects, with its traceback, if the exit
   * status is not 0.
   */
  end(timeout?: number): Promise<void>;
  kill(signal?: NodeJS.Signals): void;
}

/**
 * Starts python3 with `program`. The program has `say(value)`, and `hear()`, which returns the next
 * value from the test, and exits at the end of input. The modules socket, struct, array, os, errno,
 * select, signal, threading, time, json and sys are imported.
 *
 * @param options.fds Fds that the program inherits, as its fds 3, 4, ...
 * @param options.args The program's sys.argv[1:].
 *
 * @example
 * const peer = startPython(`
 * listener = socket.create_server(('127.0.0.1', 0))
 * say(listener.getsockname()[1])
 * connection, _ = listener.accept()
 * connection.sendall(connection.recv(100))
 * `);
 * const port = await peer.hear<number>();
 * // connect, send, receive
 * await peer.end();
 */
export function startPython(
  program: string,
  options: { readonly args?: readonly string[]; readonly fds?: readonly number[] } = {},
): PythonPeer {
  const child = spawnChild('python3', ['-c', prelude + program, ...(options.args ?? [])], {
    stdio: ['pipe', 'pipe', 'pipe', ...(options.fds ?? [])],
  });
  const { stdin, stdout, stderr, pid } = child;
  if (stdin === null || stdout === null || stderr === null || pid === undefined)
    throw new Error('python3 could not be started: is it on PATH?');

  const lines: string[] = [];
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  let errors = '';
  let failure: Error | undefined;

  createInterface({ input: stdout }).on('line', (line) => {
    const waiter = waiting.shift();
    if (waiter === undefined) lines.push(line);
    else waiter.resolve(line);
  });
  stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  // EPIPE: the program ended before it had read everything. Its exit status is reported.
  stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') failure ??= error;
  });
  const closed = new Promise<number | NodeJS.Signals>((resolve) => {
    onceGone(child, (code, signal) => {
      failure ??= new Error(`python3 ended with ${String(code ?? signal)}.\n${errors}`);
      for (const waiter of waiting.splice(0)) waiter.reject(failure);
      resolve(code ?? signal ?? 0);
    });
  });
  child.once('error', (error) => (failure ??= error));

  const peer: PythonPeer = {
    pid,
    tell: (value) => void stdin.write(`${JSON.stringify(value)}\n`),
    hear: async <T>(timeout = 15_000) => {
      const line = lines.shift() ?? (await within(timeout, nextLine()));
      return JSON.parse(line) as T;
    },
    end: async (timeout = 15_000) => {
      stdin.end();
      const status = await within(timeout, closed);
      if (status !== 0) throw failure ?? new Error(`python3 ended with ${String(status)}`);
    },
    kill: (signal = 'SIGKILL') => void child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await closed;
    },
  };
  return peer;

  function nextLine(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (failure !== undefined) reject(failure);
      else waiting.push({ resolve, reject });
    });
  }

  function within<T>(timeout: number, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`python3 gave no answer within ${String(timeout)} ms.\n${errors}`));
      }, timeout);
      promise.then(resolve, reject).finally(() => {
        clearTimeout(timer);
      });
    });
  }
}

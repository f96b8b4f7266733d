import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Scenario } from './scenario';

/** What every program begins with. Each line, in either direction, is one JSON value. */
const prelude = `
import json, socket, sys, time
def hear():
    line = sys.stdin.readline()
    if not line: sys.exit(0)
    return json.loads(line)
def say(value): print(json.dumps(value), flush=True)
`;

/** A python3 process, for the sockets that Node.js does not have. */
export interface PythonPeer {
  /** Sends the process a value, which its next `hear()` returns. */
  tell(value: unknown): void;
  /** The next value of its `say()`. Rejects with the traceback if the process ends instead. */
  hear(): Promise<unknown>;
  /** Ends the process. */
  close(): Promise<void>;
}

/** Starts `program` in python3, with `path` as its `sys.argv[1]`; it ends with the scenario. */
export function startPython(scenario: Scenario, program: string, path = ''): PythonPeer {
  const child = spawn('python3', ['-c', prelude + program, path]);
  const lines: AsyncIterator<string, undefined> = createInterface({ input: child.stdout })[
    Symbol.asyncIterator
  ]();
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', (cause) => {
      reject(new Error('python3 could not be started: it has to be on PATH', { cause }));
    });
  });
  // Its reader, if there is one, learns of the failure by `hear`.
  failed.catch(() => undefined);
  let traceback = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (traceback += text));
  // The process may end before it has read everything; `hear` then reports how it ended.
  child.stdin.on('error', (error) => (traceback += String(error)));
  const closed = Promise.race([once(child, 'close'), failed.catch(() => undefined)]);
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await closed;
  };
  scenario.atEnd(close);
  return {
    tell: (value) => void child.stdin.write(`${JSON.stringify(value)}\n`),
    hear: async () => {
      const line = await Promise.race([lines.next(), failed]);
      if (line.done !== true) return JSON.parse(line.value) as unknown;
      await closed;
      throw new Error(`python3 ended instead of answering.\n${traceback}`);
    },
    close,
  };
}

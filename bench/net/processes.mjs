// Starts and ends the servers and the load generator, each on its own core.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { root } from '../../scripts/pack.mjs';

/** How long a program may take to get ready: Deno compiles its first file. */
const START_MS = 20_000;
const STDERR_CHARACTERS = 4000;
/** Open files that the case with the most connections needs. */
const MOST_FILES = 12_000;

/** The cores that this process may use, as the kernel lists them (`0-3,6`). */
function allowedCores() {
  const [, list = '0'] =
    /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return list.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/**
 * A core for the server and another one for the client; undefined on one core, or without
 * taskset(1).
 * @returns {{ server: number, client: number } | undefined}
 */
export function choosePins() {
  const cores = allowedCores();
  const [client = 0] = cores;
  const server = cores.at(-1) ?? 0;
  const hasTaskset = spawnSync('taskset', ['--version']).status === 0;
  return server === client || !hasTaskset ? undefined : { server, client };
}

/**
 * Raises the limit of open files to the hard limit, and the hard limit itself if the user is root.
 * If the limit stays too low, the load generator fails with a message.
 */
const raiseFileLimit = `
  most=${String(MOST_FILES)}
  hard=$(ulimit -Hn)
  [ "$hard" = unlimited ] || [ "$hard" -ge $most ] || ulimit -Hn $most
  ulimit -Sn "$(ulimit -Hn)"`;

/**
 * The command on its core, with a raised limit of open files. @param {readonly string[]} command
 * @param {number | undefined} core
 */
function wrapped(command, core) {
  const pinned = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  return ['sh', '-c', `{ ${raiseFileLimit}; } 2>/dev/null; exec "$@"`, 'sh', ...pinned];
}

/** A program whose output is lines of JSON. */
class Program {
  #lines = [];
  #waiting = null;
  #stderr = '';
  #ended = null;

  /** @param {readonly string[]} command @param {number | undefined} core */
  constructor(command, core) {
    const [program, ...args] = wrapped(command, core);
    this.name = command.find((part) => /\.(mjs|py)$/.test(part)) ?? command[0];
    this.child = spawn(program, args, { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr
      .setEncoding('utf8')
      .on('data', (text) => (this.#stderr = (this.#stderr + text).slice(-STDERR_CHARACTERS)));
    // EPIPE: the program has ended, and does not need the rest.
    this.child.stdin.on('error', () => undefined);
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      this.child.on('error', (error) => {
        this.#ended = error.message;
        this.#wake();
        resolve(undefined);
      });
      this.child.on('close', (code, signal) => {
        this.#ended ??=
          signal === null ? `ended with status ${String(code)}` : `ended by ${signal}`;
        this.#wake();
        resolve(undefined);
      });
    });
  }

  #wake() {
    this.#waiting?.();
    this.#waiting = null;
  }

  /** The stderr of the program, to append to the message of an error. */
  get complaint() {
    return this.#stderr === '' ? '' : `\n${this.#stderr.trim()}`;
  }

  get hasEnded() {
    return this.#ended !== null;
  }

  /** The next line of the program's output, parsed. @param {number} milliseconds */
  async next(milliseconds) {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, milliseconds);
    try {
      while (this.#lines.length === 0) {
        if (this.#ended !== null) throw new Error(`${this.name} ${this.#ended}${this.complaint}`);
        if (late)
          throw new Error(
            `${this.name} printed nothing for ${String(milliseconds / 1000)} s${this.complaint}`,
          );
        await new Promise((resolve) => (this.#waiting = resolve));
      }
      return JSON.parse(this.#lines.shift());
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {string} line */
  tell(line) {
    this.child.stdin.write(`${line}\n`);
  }

  /**
   * Closes the program's stdin, so that a server can end its own children, and kills the program
   * after a second.
   */
  async stop() {
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 1000);
    await this.closed;
    clearTimeout(timer);
  }
}

/** @type {Set<Program>} */
const running = new Set();

let interrupted = false;

/** Whether `interrupt` has been called. */
export const isInterrupted = () => interrupted;

/**
 * Kills all programs, and lets no other one start. Callers that wait for a program get an error,
 * and clean up.
 */
export function interrupt() {
  interrupted = true;
  for (const program of running) program.child.kill('SIGKILL');
}

/** @param {readonly string[]} command @param {number | undefined} core */
function start(command, core) {
  if (interrupted) throw new Error('interrupted');
  const program = new Program(command, core);
  running.add(program);
  void program.closed.then(() => running.delete(program));
  return program;
}

/**
 * Starts a server and waits until it is ready.
 * @param {readonly string[]} command @param {number | undefined} core
 * @returns {Promise<{ address: string, pids: number[], program: Program }>}
 */
export async function startServer(command, core) {
  const program = start(command, core);
  try {
    return { ...(await program.next(START_MS)), program };
  } catch (error) {
    program.child.kill('SIGKILL');
    throw error;
  }
}

/**
 * What the load generator prints.
 * @typedef {object} LoadResult
 * @property {number} requests @property {number} bytes @property {number} lost @property {number}
 *   blocked @property {number} seconds
 * @property {{ p50: number, p99: number, max: number }} [latency] Microseconds.
 * @property {{ user: number, system: number, rssBefore: number, rss: number }} server Seconds,
 *   bytes.
 * @property {number} client CPU seconds.
 * @property {{ busy: number, steal: number }} machine Seconds.
 */

/**
 * Runs the load generator to its end.
 * @param {readonly string[]} command @param {number | undefined} core @param {number} seconds The
 *   time that the run should take.
 * @param {(address: string) => void} onAddress In mode `receive`: called with the address that the
 *   server has to send to.
 * @returns {Promise<LoadResult>}
 */
export async function runLoad(command, core, seconds, onAddress) {
  const program = start(command, core);
  const milliseconds = (seconds + 25) * 1000;
  try {
    let answer = await program.next(milliseconds);
    if (answer.address !== undefined) {
      onAddress(answer.address);
      answer = await program.next(milliseconds);
    }
    await program.stop();
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  } finally {
    program.child.kill('SIGKILL');
  }
}

// Starting and ending what is measured, each on a core of its own.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { root } from '../../scripts/pack.mjs';

/** How long a program may take to get ready: Deno compiles its first file. */
const START_MS = 20_000;
const STDERR_CHARACTERS = 4000;
/** What the most connections of any case need. */
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
 * A core for the server and another one for the client; undefined if there is but one, or no
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
 * As many files as this user may open; root may also go beyond the limit. Where it is not enough,
 * the load generator says so.
 */
const raiseFileLimit = `
  hard=$(ulimit -Hn)
  [ "$hard" = unlimited ] || [ "$hard" -ge ${String(MOST_FILES)} ] || ulimit -Hn ${String(MOST_FILES)}
  ulimit -Sn "$(ulimit -Hn)"`;

/**
 * On its core, and with the files that it needs. @param {readonly string[]} command @param {number
 * | undefined} core
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
    // It ends when it is told to, and what is written to it then is lost.
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

  /** What it said on stderr, to put behind an error's message. */
  get complaint() {
    return this.#stderr === '' ? '' : `\n${this.#stderr.trim()}`;
  }

  get hasEnded() {
    return this.#ended !== null;
  }

  /** The next line that it prints, parsed. @param {number} milliseconds */
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
            `${this.name} said nothing for ${String(milliseconds / 1000)} s${this.complaint}`,
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

  /** Ends it: its stdin first, so that a server can end its own children, and then by force. */
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

/** Whether everything was ended before its time. */
export const isInterrupted = () => interrupted;

/**
 * Ends everything that is still running, at once, and starts nothing more: whoever waits for it
 * gets an error, and cleans up.
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
 * @param {readonly string[]} command @param {number | undefined} core @param {number} seconds How
 *   long it may take.
 * @param {(address: string) => void} onAddress Called where it receives instead of sending: with
 *   the address to send to.
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

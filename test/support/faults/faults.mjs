// The process that runs under faults.c switches its faults on and off, and reads what was injected.
import { closeSync, openSync, readdirSync, readSync, readlinkSync, writeSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';

/** The kinds of faults, in the order of `enum Kind` in faults.c. */
export const FAULT_KINDS = [
  'interrupt',
  'wouldBlock',
  'short',
  'aborted',
  'delay',
  'spurious',
  'fdLimit',
  'memory',
  'reset',
];
/** The kinds that a program must not notice. The others reach it as documented errors. */
export const HIDDEN_KINDS = FAULT_KINDS.slice(0, 6);
/** Whose calls fail: the addon's, or those of Node.js itself. */
export const TARGETS = { addon: 1, libuv: 2, both: 3 };

/** @param {readonly string[]} kinds */
export function maskOf(kinds) {
  return kinds.reduce((mask, kind) => mask | (1 << FAULT_KINDS.indexOf(kind)), 0);
}

const KINDS_AT = 24;
const LOG_AT = KINDS_AT + 4 * FAULT_KINDS.length + 4;
const LOG_LENGTH = 16_384;

/**
 * The faults that one process has met, by its file in the folder.
 * @param {string} file
 */
export function readFaults(file) {
  const bytes = Buffer.alloc(LOG_AT + 16 * LOG_LENGTH);
  const fd = openSync(file, 'r');
  readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  const next = bytes.readUInt32LE(LOG_AT - 4);
  return {
    injected: bytes.readUInt32LE(20),
    counts: Object.fromEntries(
      FAULT_KINDS.map((kind, index) => [kind, bytes.readUInt32LE(KINDS_AT + 4 * index)]),
    ),
    /** The latest faults, the last one last: kind, error code, system call and fd. */
    log: Array.from({ length: Math.min(next, LOG_LENGTH) }, (_, back) => {
      const at = LOG_AT + 16 * ((next - 1 - back) % LOG_LENGTH);
      const errno = bytes.readUInt16LE(at + 2);
      return {
        kind: FAULT_KINDS[bytes.readUInt16LE(at)],
        code: errno === 0 ? '' : (getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`),
        fd: bytes.readInt32LE(at + 4),
        call: bytes.toString('latin1', at + 8, at + 16).replace(/\0.*$/, ''),
      };
    }).reverse(),
  };
}

/** The switch of this process's own faults. */
export function ownFaults() {
  const { SOCKSCOPE_FAULTS: folder } = process.env;
  if (folder === undefined) throw new Error('not under faults.c: SOCKSCOPE_FAULTS is not set');
  const file = `${folder}/${process.pid}`;
  const fd = openSync(file, 'r+');
  const write = (/** @type {number[]} */ ...numbers) =>
    writeSync(fd, new Uint8Array(Uint32Array.from(numbers).buffer), 0, 4 * numbers.length, 0);
  return {
    /**
     * One of `rate` calls that can fail does.
     * @param {{ kinds: readonly string[], rate: number, seed: number, targets: number }} options
     */
    switchOn: ({ kinds, rate, seed, targets }) => {
      write(0, rate, seed, targets);
      write(maskOf(kinds));
    },
    switchOff: () => write(0),
    read: () => readFaults(file),
  };
}

/** The epoll set of the reactor, and what libuv keeps in reserve against EMFILE: open for good. */
const KEPT = /\[eventpoll\]|^\/$|^\/dev\/null$/;

/** The open fds of this process, with what each refers to. */
export function openDescriptors() {
  const found = new Map();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      if (!KEPT.test(target)) found.set(Number(name), target);
    } catch (error) {
      // The fd of readdir itself.
      if (error.code !== 'ENOENT') throw error;
    }
  }
  return found;
}

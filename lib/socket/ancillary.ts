import { closeSync } from 'node:fs';
import { checkBytes } from '../arguments/buffers';
import { checkInteger, invalidArgument, outOfRange } from '../arguments/validate';
import { nativeBinding } from '../binding';
import type { AncillaryData, ControlMessage, PeerCredentials } from '../contract/ancillary';
import type { Bytes } from '../contract/bytes';
import { ENOENT } from '../errno';
import { BusyResourceError, InvalidStateError, type SystemError, systemError } from '../errors';
import { isOwned, numberReassigned } from './descriptor';

const FD_BYTES = 4;
const CREDENTIALS_BYTES = 12;
/**
 * More than any system accepts in one control message. On Linux the limit is net.core.optmem_max,
 * about a hundred kilobytes.
 */
const MAX_MESSAGE_BYTES = 1 << 24;

const MAX_FD = 0x7fffffff;

const header = new Int32Array(4);

/** A received fd: its number, and what tells it from other fds under the same number. */
interface ReceivedFd {
  readonly fd: number;
  readonly token: number;
}

/** The fds that came with each message, SCM_PIDFD's included. */
const receivedWith = new WeakMap<AncillaryData, readonly ReceivedFd[]>();

/**
 * The `ancillaryBufsize` with room for `fds` file descriptors, and for one SCM_CREDENTIALS message
 * if `credentials` is true.
 */
export function ancillaryBufferSize(fds: number, credentials = false): number {
  checkInteger('fds', fds, 0, 0xffff);
  const native = nativeBinding();
  return (
    (fds > 0 ? native.controlSpace(fds * FD_BYTES) : 0) +
    (credentials ? native.controlSpace(CREDENTIALS_BYTES) : 0)
  );
}

/**
 * The messages as one control buffer; null if there are none. An empty `fds` sends no message.
 * @throws TypeError, RangeError. (More than 253 fds in one message are left to the kernel, which
 *   returns EINVAL: unix(7).)
 */
export function encodeAncillary(ancillary: AncillaryData): Uint8Array | null {
  if (typeof ancillary !== 'object' || (ancillary as unknown) === null)
    throw invalidArgument('ancillary', 'an object', ancillary);
  const native = nativeBinding();
  const { SOL_SOCKET = 0, SCM_RIGHTS = 0 } = native.constants;
  const parts: { level: number; type: number; data: Bytes }[] = [];
  if (ancillary.fds !== undefined) {
    const data = encodeFds(ancillary.fds);
    if (data.length > 0) parts.push({ level: SOL_SOCKET, type: SCM_RIGHTS, data });
  }
  if (ancillary.credentials !== undefined) {
    const type = native.constants['SCM_CREDENTIALS'];
    if (type === undefined)
      throw invalidArgument(
        'ancillary.credentials',
        'left out: this platform has no SCM_CREDENTIALS',
        ancillary.credentials,
      );
    parts.push({ level: SOL_SOCKET, type, data: encodeCredentials(ancillary.credentials) });
  }
  if (ancillary.messages !== undefined) parts.push(...checkMessages(ancillary.messages));
  if (parts.length === 0) return null;

  const control = new Uint8Array(
    parts.reduce((size, { data }) => size + native.controlSpace(data.byteLength), 0),
  );
  let offset = 0;
  for (const { level, type, data } of parts) {
    offset = native.encodeControl(control, offset, level, type, data);
    if (offset < 0)
      throw new Error(
        `control message of ${String(data.byteLength)} bytes did not fit its own space`,
      );
  }
  return control;
}

function encodeFds(fds: readonly number[]): Int32Array {
  if (!Array.isArray(fds)) throw invalidArgument('ancillary.fds', 'an array of fds', fds);
  return Int32Array.from(fds as readonly number[], (fd) => {
    checkInteger('ancillary.fds[]', fd, 0, 0x7fffffff);
    return fd;
  });
}

/** struct ucred. A pid of 0 stands for this process: the kernel lets only root send another pid. */
function encodeCredentials(credentials: PeerCredentials): Uint32Array {
  if (typeof credentials !== 'object' || (credentials as unknown) === null) {
    throw invalidArgument('ancillary.credentials', 'an object { pid, uid, gid }', credentials);
  }
  const { pid, uid, gid } = credentials;
  checkInteger('ancillary.credentials.pid', pid, 0, 0x7fffffff);
  checkInteger('ancillary.credentials.uid', uid, 0, 0xffffffff);
  checkInteger('ancillary.credentials.gid', gid, 0, 0xffffffff);
  return Uint32Array.of(pid === 0 ? process.pid : pid, uid, gid);
}

function checkMessages(messages: readonly ControlMessage[]): ControlMessage[] {
  if (!Array.isArray(messages))
    throw invalidArgument('ancillary.messages', 'an array of { level, type, data }', messages);
  return (messages as readonly unknown[]).map((message) => {
    if (typeof message !== 'object' || message === null)
      throw invalidArgument('ancillary.messages[]', 'an object { level, type, data }', message);
    const { level, type, data } = message as ControlMessage;
    checkInteger('ancillary.messages[].level', level, -0x80000000, 0x7fffffff);
    checkInteger('ancillary.messages[].type', type, -0x80000000, 0x7fffffff);
    checkBytes('ancillary.messages[].data', data);
    if (data.byteLength > MAX_MESSAGE_BYTES) {
      throw outOfRange(
        'ancillary.messages[].data.byteLength',
        `at most ${String(MAX_MESSAGE_BYTES)} bytes`,
        data.byteLength,
      );
    }
    return { level, type, data };
  });
}

/**
 * The control messages that recvmsg has left in a control buffer. `messages`, `fds` and
 * `credentials` are present only if they were sent.
 */
export function decodeAncillary(
  control: Uint8Array,
  length: number,
  truncated: boolean,
): AncillaryData {
  const native = nativeBinding();
  const { SOL_SOCKET, SCM_RIGHTS, SCM_CREDENTIALS, SCM_PIDFD } = native.constants;
  const fds: number[] = [];
  const received: ReceivedFd[] = [];
  const messages: ControlMessage[] = [];
  let credentials: PeerCredentials | undefined;
  for (
    let next = native.decodeControl(control, length, 0, header);
    next > 0;
    next = native.decodeControl(control, length, next, header)
  ) {
    const [level = 0, type = 0, start = 0, size = 0] = header;
    const data = control.slice(start, start + size);
    if (level === SOL_SOCKET && (type === SCM_RIGHTS || type === SCM_PIDFD))
      received.push(...receivedFds(data));
    if (level === SOL_SOCKET && type === SCM_RIGHTS) {
      fds.push(...fdsIn(data));
    } else if (level === SOL_SOCKET && type === SCM_CREDENTIALS && size >= CREDENTIALS_BYTES) {
      const [pid = -1, uid = 0, gid = 0] = new Uint32Array(data.buffer, 0, 3);
      credentials = { pid: pid | 0, uid, gid };
    } else {
      messages.push({ level, type, data });
    }
  }
  const ancillary: AncillaryData = {
    ...(fds.length === 0 ? {} : { fds }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(messages.length === 0 ? {} : { messages }),
    ...(truncated ? { truncated } : {}),
  };
  if (received.length > 0) receivedWith.set(ancillary, received);
  return ancillary;
}

function fdsIn(data: Uint8Array): Int32Array {
  return new Int32Array(data.buffer, data.byteOffset, Math.floor(data.byteLength / FD_BYTES));
}

function receivedFds(data: Uint8Array): ReceivedFd[] {
  const native = nativeBinding();
  const received = Array.from(fdsIn(data), (fd) => ({ fd, token: native.receivedToken(fd) }));
  return received.filter(({ fd, token }) => {
    // A Socket that still has this number was closed by other code.
    if (token > 0) numberReassigned(fd);
    return token > 0;
  });
}

/**
 * Closes the fds of a received message that nothing uses, a pidfd of an SCM_PIDFD message included.
 * What was taken since (by `Socket.fromFd`, by a `wrap…` method, by `takeReceivedFd`) stays open,
 * and so does what this function has closed before: to call it in a `finally` is always right.
 * Tries all fds.
 *
 * Of an object that the caller made, it closes the numbers in `fds`, except those that a Socket,
 * transport or listener of this thread owns.
 *
 * @throws TypeError or RangeError for what is no such object or fd, before any fd is closed; the
 *   first error of close(2) (EBADF: other code has closed that fd)
 *
 * @example
 * const [left, right] = Socket.pair();
 * left.sendmsg([Buffer.from('x')], { ancillary: { fds: [left.fd, left.fd] } });
 * const { ancillary } = right.recvmsg([Buffer.alloc(1)], ancillaryBufferSize(2));
 * try {
 *   const socket = Socket.fromFd(ancillary.fds[0]); // takes the first one
 *   console.log(socket.family === left.family); // → true
 *   socket.close();
 * } finally {
 *   closeReceivedFds(ancillary); // closes the second one
 * }
 * left.close();
 * right.close();
 */
export function closeReceivedFds(ancillary: AncillaryData): void {
  if (typeof ancillary !== 'object' || (ancillary as unknown) === null)
    throw invalidArgument('ancillary', 'an object', ancillary);
  const received = receivedWith.get(ancillary);
  const errors =
    received === undefined
      ? encodeFds(ancillary.fds ?? []).map(closeByNumber)
      : received.map(({ fd, token }) => nativeBinding().closeReceived(fd, token));
  for (const code of errors) if (code < 0 && code !== ENOENT) throw systemError(code, 'close');
}

/** Returns 0, or the negative code of close(2). */
function closeByNumber(fd: number): number {
  if (isOwned(fd)) return 0;
  const native = nativeBinding();
  const status = native.closeReceived(fd, native.receivedToken(fd));
  if (status >= 0) return status;
  try {
    closeSync(fd);
    return 0;
  } catch (error) {
    return (error as SystemError).errno;
  }
}

/**
 * Takes a received fd out of the library's hands, and returns it: from now on the caller alone
 * closes it, and the end of the thread does not. To be called before the fd goes to other code that
 * will close it (`fs.closeSync`, `fs.createReadStream`, `net.Socket`) or to another thread. For a
 * socket, `Socket.fromFd` is the shorter way.
 *
 * In a worker thread, Node warns when `fs` closes an fd that it did not open there.
 * `closeReceivedFds` closes without a warning.
 *
 * @throws TypeError or RangeError if `fd` is not an fd; BusyResourceError if a Socket, transport or
 *   listener of this thread owns it; InvalidStateError if it was not received in this thread, or
 *   was taken or closed before
 */
export function takeReceivedFd(fd: number): number {
  checkInteger('fd', fd, 0, MAX_FD);
  if (isOwned(fd))
    throw new BusyResourceError(`fd ${String(fd)} is owned by a socket already: detach() it there`);
  if (nativeBinding().releaseReceived(fd) < 0)
    throw new InvalidStateError(
      `fd ${String(fd)} is no received fd of this thread: it was taken or closed, or came in another way`,
    );
  return fd;
}

import { closeSync } from 'node:fs';
import { checkBytes } from '../arguments/buffers';
import { checkInteger, invalidArgument, outOfRange } from '../arguments/validate';
import { nativeBinding } from '../binding';
import type { AncillaryData, ControlMessage, PeerCredentials } from '../contract/ancillary';
import type { Bytes } from '../contract/bytes';

const FD_BYTES = 4;
const CREDENTIALS_BYTES = 12;
/**
 * More than any system accepts in one control message. On Linux the limit is net.core.optmem_max,
 * about a hundred kilobytes.
 */
const MAX_MESSAGE_BYTES = 1 << 24;

const header = new Int32Array(4);

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
  const { SOL_SOCKET, SCM_RIGHTS, SCM_CREDENTIALS } = native.constants;
  const fds: number[] = [];
  const messages: ControlMessage[] = [];
  let credentials: PeerCredentials | undefined;
  for (
    let next = native.decodeControl(control, length, 0, header);
    next > 0;
    next = native.decodeControl(control, length, next, header)
  ) {
    const [level = 0, type = 0, start = 0, size = 0] = header;
    const data = control.slice(start, start + size);
    if (level === SOL_SOCKET && type === SCM_RIGHTS) {
      fds.push(...new Int32Array(data.buffer, 0, Math.floor(size / FD_BYTES)));
    } else if (level === SOL_SOCKET && type === SCM_CREDENTIALS && size >= CREDENTIALS_BYTES) {
      const [pid = -1, uid = 0, gid = 0] = new Uint32Array(data.buffer, 0, 3);
      credentials = { pid: pid | 0, uid, gid };
    } else {
      messages.push({ level, type, data });
    }
  }
  return {
    ...(fds.length === 0 ? {} : { fds }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(messages.length === 0 ? {} : { messages }),
    ...(truncated ? { truncated } : {}),
  };
}

/**
 * Closes the fds of a received message that is not used. Tries all of them.
 * @throws the first error of close(2) (EBADF: that fd was closed already)
 */
export function closeReceivedFds(ancillary: AncillaryData): void {
  const errors: unknown[] = [];
  for (const fd of ancillary.fds ?? []) {
    try {
      closeSync(fd);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

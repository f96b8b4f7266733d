import { constants } from 'node:os';

/**
 * The negative codes that the library decides by, as libuv returns them: on every Unix, minus the
 * platform's errno. (Windows has other numbers. Its native binding does not exist, so that no call
 * returns one there.)
 */
const { errno } = constants;

export const EAGAIN = -errno.EAGAIN;
export const EBADF = -errno.EBADF;
export const EEXIST = -errno.EEXIST;
export const EINPROGRESS = -errno.EINPROGRESS;
export const EINVAL = -errno.EINVAL;
export const EMSGSIZE = -errno.EMSGSIZE;
export const ENOBUFS = -errno.ENOBUFS;
export const ENOENT = -errno.ENOENT;
export const ENOMEM = -errno.ENOMEM;
export const ENOTCONN = -errno.ENOTCONN;
export const ENOTSOCK = -errno.ENOTSOCK;
export const EAFNOSUPPORT = -errno.EAFNOSUPPORT;
export const ECONNREFUSED = -errno.ECONNREFUSED;
export const EIO = -errno.EIO;
export const EADDRNOTAVAIL = -errno.EADDRNOTAVAIL;
export const EDESTADDRREQ = -errno.EDESTADDRREQ;

/** The errors by which a connection is lost: tcp(7), and tcp_reset and tcp_write_err of Linux. */
export const CONNECTION_LOST: ReadonlySet<number> = new Set([
  -errno.ECONNRESET,
  -errno.ECONNABORTED,
  -errno.ETIMEDOUT,
  -errno.EHOSTUNREACH,
  -errno.ENETUNREACH,
]);

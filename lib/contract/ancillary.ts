/**
 * The process at the other end of a Unix socket, as it was at connect(2), or the sender of a
 * message, as it was at sendmsg(2). `pid` is -1 on platforms that do not report it.
 */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** A control message without a type of its own here: cmsg(3). */
export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/**
 * The control messages of one message.
 *
 * **Ownership.** Received fds are the receiver's to close (`closeReceivedFds`), to wrap
 * (`Socket.fromFd`, the `wrap…` methods), or to take (`takeReceivedFd`) for code that will close
 * them itself, like `fs` and `net`. What is left open stays open until the thread ends, which
 * closes it: a worker that is terminated leaks none. So a number that was not taken must not be
 * closed by other means, nor be given to another thread. They are close-on-exec. The sender keeps
 * the fds that it sends: the kernel duplicates them.
 */
export interface AncillaryData {
  /** SCM_RIGHTS: the fds of all such messages, in order. */
  readonly fds?: readonly number[];
  /** SCM_CREDENTIALS: received only while SO_PASSCRED is set (Linux). */
  readonly credentials?: PeerCredentials;
  /**
   * All other control messages, raw. An SCM_PIDFD message, which is received only while
   * SO_PASSPIDFD is set (Linux), holds an fd as a C int: it is a received fd like those in `fds`.
   */
  readonly messages?: readonly ControlMessage[];
  /**
   * MSG_CTRUNC: the control buffer was too small. This object has what fitted; the kernel discarded
   * the rest, fds included.
   */
  readonly truncated?: boolean;
}

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
 * **Ownership.** The receiver owns received fds from the moment it gets this object. It closes them
 * (`closeReceivedFds`) or wraps them (`Socket.fromFd`); otherwise they leak. They are
 * close-on-exec. The sender keeps the fds that it sends: the kernel duplicates them.
 */
export interface AncillaryData {
  /** SCM_RIGHTS: the fds of all such messages, in order. */
  readonly fds?: readonly number[];
  /** SCM_CREDENTIALS: received only while SO_PASSCRED is set (Linux). */
  readonly credentials?: PeerCredentials;
  /** All other control messages, raw. */
  readonly messages?: readonly ControlMessage[];
  /**
   * MSG_CTRUNC: the control buffer was too small. This object has what fitted; the kernel discarded
   * the rest, fds included.
   */
  readonly truncated?: boolean;
}

import type { Descriptor } from '../../socket/descriptor';
import { IoOperation, WOULD_BLOCK } from '../../socket/io-operation';
import { scratch } from '../../socket/receive-memory';
import { Lingering, QUIET_MS } from '../../transports/lingering';
import { outsideOfTasks } from '../../waiting/context';
import { spend } from '../../waiting/turn-budget';

/** shutdown(2). */
const SHUT_WR = 1;
const DISCARD_BYTES = 64 * 1024;

const sizes = new Int32Array(2);
const linger = new Int32Array(2);
const lingerBytes = new Uint8Array(linger.buffer);

/**
 * Ends the stream and discards input, until close(2) loses nothing that was sent. Occupies the read
 * direction of the descriptor. Its promise is not used.
 */
class LingeringClose extends IoOperation<void> {
  readonly syscall = 'recv';
  readonly #lingering: Lingering;
  readonly #onEnd: () => void;

  constructor(descriptor: Descriptor, isSending: boolean, onEnd: () => void) {
    super(descriptor, 'read');
    this.#onEnd = onEnd;
    this.#lingering = new Lingering(
      () => {
        this.resume();
      },
      isSending ? QUIET_MS : 0,
    );
  }

  attempt(): undefined | typeof WOULD_BLOCK {
    const { descriptor } = this;
    const lingering = this.#lingering;
    lingering.stop();
    do {
      if (lingering.isExhausted) return undefined;
      const count = descriptor.reactor.native.recv(descriptor.fd, scratch(DISCARD_BYTES), 0);
      if (descriptor.wouldBlock('read', count)) {
        const hasReceived = isDelivered(descriptor);
        if (hasReceived && lingering.isQuiet) return undefined;
        outsideOfTasks(() => {
          lingering.wait(hasReceived);
        });
        return WOULD_BLOCK;
      }
      // The peer has ended its stream, or the connection is lost.
      if (count <= 0) return undefined;
      lingering.discarded(count);
    } while (spend());
    return WOULD_BLOCK;
  }

  override withdraw(): void {
    this.#lingering.stop();
    super.withdraw();
  }

  override settle(): void {
    this.#onEnd();
  }

  /** Closed by other code meanwhile, or the fd cannot be watched. */
  override fail(): void {
    this.#onEnd();
  }
}

/**
 * Begins a close that waits, if close(2) now could lose what the transport has sent. `onEnd` is
 * called, later, when close(2) is to be called, or was called by other code.
 *
 * Only after a send of the transport itself: a connection that was merely passed on to another
 * process must not be shut down here.
 *
 * @returns false if there is nothing to wait for
 */
export function lingers(descriptor: Descriptor, onEnd: () => void): boolean {
  const { reader, fd, type } = descriptor;
  if (reader instanceof LingeringClose) return true;
  // The input has ended (or the connection is lost): nothing can be unread, nor arrive.
  if (fd < 0 || !descriptor.hasSent || descriptor.inputEnd !== 0 || descriptor.readError !== 0)
    return false;
  const { native } = descriptor.reactor;
  if (native.queueSizes(fd, sizes) < 0) return false;
  const [unread = 0, unsent = 0] = sizes;
  if (unread === 0 && (unsent <= 0 || !type.isInet)) return false;
  if (hasLinger(descriptor)) return false;
  if (native.shutdown(fd, SHUT_WR) < 0) return false;
  const close = new LingeringClose(descriptor, unread > 0, onEnd);
  if (close.attempt() !== WOULD_BLOCK) return false;
  descriptor.stopReading();
  close.park(descriptor.isReady('read'));
  return true;
}

/**
 * Whether the peer's kernel has received everything, as far as the platform tells: on a Unix socket
 * always, and what it has received stays there. On TCP, the end of the stream itself, which is one
 * byte in the kernel's count, is not waited for: a peer may be 40 ms late to acknowledge it.
 */
function isDelivered({ fd, reactor, type }: Descriptor): boolean {
  return !type.isInet || reactor.native.queueSizes(fd, sizes) < 0 || (sizes[1] as number) <= 1;
}

/** With SO_LINGER, the user has decided what close(2) does. */
function hasLinger({ fd, reactor: { native } }: Descriptor): boolean {
  const { SOL_SOCKET = 0, SO_LINGER = 0 } = native.constants;
  const size = native.getsockoptBytes(fd, SOL_SOCKET, SO_LINGER, lingerBytes);
  return size === lingerBytes.length && linger[0] !== 0;
}
